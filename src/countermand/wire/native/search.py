"""One search over all that the caller may see."""

from functools import partial
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel

from countermand.domain.texts import read_text
from countermand.fields import InQuery, named
from countermand.ids import show
from countermand.reads.search import KINDS, Hit, Kind, find
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.errors import PROBLEMS
from countermand.wire.native.meaning import scope_of
from countermand.wire.native.messages import JsonRoute

router: Final = APIRouter(prefix="/v1/search", responses=PROBLEMS, route_class=JsonRoute)

FOUND_MAX: Final = 20

_PREFIXES: Final = {"cancellations": "can", "refunds": "rfd"}
_ONE: Final[dict[Kind, Literal["order", "line", "cancellation", "refund", "shipment", "party"]]] = {
    "orders": "order",
    "lines": "line",
    "cancellations": "cancellation",
    "refunds": "refund",
    "shipments": "shipment",
    "parties": "party",
}


class SearchResult(BaseModel):
    """Something that was found, by what, and whether by the whole of that."""

    type: Literal["order", "line", "cancellation", "refund", "shipment", "party"]
    id: str
    title: str
    matched: str
    exact: bool


class SearchResults(BaseModel):
    """What was found, exact hits first."""

    results: list[SearchResult]


@router.get("", operation_id="search.find")
async def search(
    services: Inside,
    who: Who,
    q: Annotated[str, Query(min_length=2, max_length=200), AfterValidator(named("bad_text", read_text))],
    types: Annotated[list[Kind] | None, Query()] = None,
    limit: Annotated[int, InQuery, Query(ge=1, le=FOUND_MAX)] = FOUND_MAX,
) -> SearchResults:
    """Find by an id, a number, a reference, a SKU, an address, a payment, a parcel, a party, a title or a customer.

    Case does not count. All but ids, numbers and customers' names are also found by how they begin. `types` are kinds
    to look among, by default all: `orders`, `lines`, `cancellations`, `refunds`, `shipments`, `parties`. Of each kind
    there are at most `limit`.
    """
    kinds = [kind for kind in KINDS if kind in (types or KINDS)]
    question = partial(find, scope=scope_of(who), text=q.strip(), kinds=kinds, limit=limit)
    return SearchResults(results=[_result(hit) for hit in await services.database.read(question)])


def _result(hit: Hit) -> SearchResult:
    prefix = _PREFIXES.get(hit.kind)
    return SearchResult(
        type=_ONE[hit.kind],
        id=show(prefix, hit.id) if prefix else str(hit.id),
        title=hit.title,
        matched=hit.matched,
        exact=hit.exact,
    )
