"""Policies: what retailers agreed with suppliers, version by version; the platform writes the next one."""

from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field, StrictBool
from starlette.responses import Response

from countermand.admin import policies
from countermand.admin.finding import NoRetailerError
from countermand.admin.policies import BadHoursError, BadTermsError, NoSupplierError, PolicyChangedError
from countermand.documents.policies import (
    PolicyOut,
    PolicyPreviewOut,
    policy_shown,
    preview_shown,
)
from countermand.domain.parties import PartyKind
from countermand.domain.policy import Cutoff, Silence, WholeOrder
from countermand.domain.policy_terms import changes_of, read_holidays, read_hours, read_length
from countermand.domain.problems import ProblemError
from countermand.domain.refusals import RefusalKind
from countermand.fields import Name, named
from countermand.ids import read, show
from countermand.reads import policies as policy_reads
from countermand.reads.parties import UnknownPartyError, find_seen
from countermand.reads.policies import NamedPolicy, PolicyFilter
from countermand.reads.scope import Scope
from countermand.wire.native.access import told
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.authors import By
from countermand.wire.native.errors import PROBLEMS, invalid
from countermand.wire.native.meaning import NOBODY, scope_of
from countermand.wire.native.messages import JsonRoute, Limit, Strict, Word
from countermand.wire.native.once import Once, Shown, change_once, location
from countermand.wire.native.pages import ONE_MORE, begin, page
from countermand.wire.native.periods import PeriodGiven
from countermand.wire.replies import CallError, Problem
from countermand.wire.services import Services

router: Final = APIRouter(prefix="/v1/policies", responses=PROBLEMS, route_class=JsonRoute)

PREFIX: Final = "plc"


def _length(term: str) -> AfterValidator:
    def check(text: str) -> str:
        read_length(term, text)
        return text

    return AfterValidator(named("bad_duration", check))


def _checked_hours(text: str) -> str:
    read_hours(text)
    return text


def _checked_holidays(text: str) -> str:
    read_holidays(text)
    return text


Supplier = Annotated[Name | None, Field(description="the supplier, by id or name; left out: every one without terms")]


class PolicyIn(Strict):
    """The terms that change. What is left out stays as it is."""

    retailer: Annotated[Name, Field(description="the retailer, by id or name")]
    based_on: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
    supplier: Supplier = None
    answer_within: Annotated[str, _length("answer_within")] | None = None
    silence: Silence | None = None
    whole_order: WholeOrder | None = None
    free_window: Annotated[str, _length("free_window")] | None = None
    accepts_until: Cutoff | None = None
    accepts_for: Annotated[str, _length("accepts_for")] | None = None
    customer_asks_retailer_first: StrictBool | None = None
    proof_within: Annotated[str, _length("proof_within")] | None = None
    working_hours: Annotated[str, AfterValidator(named("bad_working_hours", _checked_hours))] | None = None
    holidays: Annotated[str, AfterValidator(named("bad_working_hours", _checked_holidays))] | None = None

    def meant(self) -> dict[str, Any]:
        """Between whom, what changes, and which version was seen."""
        whom = {"retailer", "supplier", "based_on"}
        changes = changes_of(self.model_dump(exclude=whom, exclude_none=True))
        return {"retailer": self.retailer, "supplier": self.supplier, "based_on": self.based_on, "changes": changes}


class PolicyPage(BaseModel):
    """Some versions, newest first. ``next`` is the ``after`` of the following page."""

    policies: list[PolicyOut]
    next: str | None


@router.get("", operation_id="policies.list")
async def list_policies(
    services: Inside,
    who: Who,
    period: PeriodGiven,
    retailer: Annotated[Word | None, Query(description="the retailer, by id or name")] = None,
    supplier: Annotated[Word | None, Query(description="the supplier, by id or name")] = None,
    history: bool = False,
    after: str | None = None,
    limit: Limit = 50,
) -> PolicyPage:
    """The newest version of each pair, newest first; with `history` all versions.

    A retailer and a supplier see their own; a supplier also what its retailers agreed with every supplier.
    """
    scope = scope_of(who)
    wanted = PolicyFilter(
        retailer=await _filter(services, scope, retailer),
        fulfiller=await _filter(services, scope, supplier),
        history=history,
        since=period.since,
        until=period.until,
        after=begin(PREFIX, after),
        limit=limit + ONE_MORE,
    )
    found = await services.database.read(partial(policy_reads.list_policies, scope=scope, wanted=wanted))
    rows, more = page(PREFIX, found, limit)
    return PolicyPage(policies=[policy_shown(row) for row in rows], next=more)


async def _filter(services: Services, scope: Scope, text: str | None) -> UUID | None:
    if text is None:
        return None
    try:
        return (await services.database.read(partial(find_seen, scope=scope, text=text))).id
    except UnknownPartyError:
        return NOBODY_AT_ALL


NOBODY_AT_ALL: Final = UUID(int=2**128 - 1)
"""No party has this id. The smallest id stands for every supplier here."""


@router.get("/in_force", operation_id="policies.in_force")
async def show_in_force(
    services: Inside,
    who: Who,
    retailer: Annotated[Word, Query(description="the retailer, by id or name")],
    supplier: Annotated[Word | None, Query(description="the supplier, by id or name; a supplier is itself")] = None,
) -> PolicyOut:
    """What holds between a retailer and a supplier now. Version 0 stands for the defaults."""
    if supplier is None and who.kind is PartyKind.SUPPLIER:
        supplier = str(who.party)
    with told():
        return await services.database.read(
            partial(policies.in_force_seen, scope=scope_of(who), retailer=retailer, supplier=supplier)
        )


@router.get("/{policy}", operation_id="policies.get")
async def get_policy(services: Inside, who: Who, policy: str) -> PolicyOut:
    """One version, with its terms in sentences."""
    wanted = read(PREFIX, policy)
    found = await services.database.read(
        partial(policy_reads.policy_seen, scope=scope_of(who), policy=wanted or NOBODY)
    )
    if found is None:
        raise CallError(Problem.UNKNOWN_POLICY, "There is no such policy.")
    return policy_shown(found)


@router.post("", operation_id="policies.create", status_code=201, response_model=PolicyOut)
async def create_policy(services: Inside, by: By, body: PolicyIn, once: Once) -> Response:
    """Write down the next version. Terms that are not named stay, and asks that wait keep theirs."""
    async with once.of(body) as key:
        act = partial(policies.change_terms, author=by, **body.meant())
        try:
            with told():
                return await change_once(services, key, act, _shown)
        except tuple(_WRONG) as error:
            raise _problem(error) from None


@router.post("/preview", operation_id="policies.preview")
async def preview_policy(services: Inside, who: Who, body: PolicyIn) -> PolicyPreviewOut:
    """What the next version would be, in sentences, and what would change. Nothing does."""
    try:
        with told():
            found = await services.database.read(partial(policies.preview, **body.meant()))
    except tuple(_WRONG) as error:
        raise _problem(error) from None
    return preview_shown(found.now, found.proposed, found.retailer, found.supplier, found.open_asks)


_WRONG: Final[dict[type[ProblemError], str]] = {
    PolicyChangedError: "based_on",
    BadHoursError: "working_hours",
    BadTermsError: "",
    NoRetailerError: "retailer",
    NoSupplierError: "supplier",
}
"""The member of the body that is to blame, if it is one."""


def _problem(error: ProblemError) -> CallError:
    if isinstance(error, PolicyChangedError):
        return CallError(RefusalKind.STATE_CHANGED, str(error))
    member = _WRONG[type(error)]
    return invalid(str(error), "body", *([member] if member else []), code=error.code)


def _shown(row: NamedPolicy) -> Shown:
    return Shown(status=201, body=policy_shown(row), headers=location("policies", show(PREFIX, row.id)))
