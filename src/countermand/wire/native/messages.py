"""The parts that several calls of the native API share: strict JSON, keys, pages and search terms."""

from collections.abc import Callable, Coroutine, MutableMapping
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Query, Request
from fastapi.routing import APIRoute
from pydantic import AfterValidator, ConfigDict
from pydantic_core import PydanticCustomError
from starlette.responses import Response
from starlette.routing import Match

from countermand.domain.texts import TEXT_MAX, read_text
from countermand.fields import ExactUnits, InQuery, LineId, NothingNull, named
from countermand.json_input import parse_json
from countermand.reads.cancellations import PAGE_MAX
from countermand.reads.lookup import Lookup
from countermand.wire.limits import BOUNDS
from countermand.wire.native.errors import UNREAD, BodyError, invalid, told_of_body
from countermand.wire.native.etags import tagged
from countermand.wire.native.operations import OPERATIONS

Key = Annotated[str | None, Header(alias="Idempotency-Key", pattern="^[!-~]{1,255}$")]
Units = ExactUnits
Limit = Annotated[int, InQuery, Query(ge=1, le=PAGE_MAX)]

EXPAND: Final = Query(max_length=5)


class _Request(Request):
    """A call whose JSON is read as everywhere else, and not as Python's parser would.

    What is wrong with it is told when it is known that the caller may make the call.
    """

    async def json(self) -> Any:
        try:
            with told_of_body():
                found = parse_json(await self.body(), nodes_max=self.scope[BOUNDS].values_max)
            if isinstance(found, dict):
                return found
            # Where a body may be missing, FastAPI takes 0.0 and null for none.
            self.scope[UNREAD] = BodyError(invalid("The body must be a JSON object.", "body"))
        except BodyError as error:
            self.scope[UNREAD] = error
        return {}


PLAIN_PATHS: Final = "plain_paths"
"""Where the state of the application has the paths of calls that take no id in them."""


class JsonRoute(APIRoute):
    """A call that takes JSON."""

    def matches(self, scope: MutableMapping[str, Any]) -> tuple[Match, MutableMapping[str, Any]]:
        """Whether a call is this one. What is a path of its own is no id: ``/v1/policies/preview`` is no policy."""
        found, more = super().matches(scope)
        if "{" in self.path and scope["path"] in getattr(scope["app"].state, PLAIN_PATHS):
            return Match.NONE, {}
        return found, more

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """How FastAPI answers it, with the body read by us."""
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            response = await answer(_Request(request.scope, request.receive))
            operation = OPERATIONS[self.operation_id or ""]
            if operation.ends:
                response.headers.update(operation.ends.headers)
            return tagged(request, response) if _shows_one(self) else response

        return handle


def _shows_one(route: APIRoute) -> bool:
    return "GET" in (route.methods or ()) and (route.operation_id or "").endswith((".get", ".in_force"))


class Strict(NothingNull):
    """Unknown members are refused, so that a misspelt one is not lost unnoticed; so is ``null``."""

    model_config = ConfigDict(extra="forbid")


class LineIn(Strict):
    """Units of one line; all that are open when no number is given."""

    line: LineId
    units: Units | None = None


def distinct(lines: list[LineIn]) -> list[LineIn]:
    """The same line twice could mean its units twice or once."""
    if len({each.line for each in lines}) < len(lines):
        raise PydanticCustomError("twice", "a line is named more than once")
    return lines


Word = Annotated[str, Query(min_length=1, max_length=TEXT_MAX), AfterValidator(named("bad_text", read_text))]


def _sought(
    reference: Word | None = None,
    number: Annotated[int | None, InQuery, Query(ge=1)] = None,
    email: Word | None = None,
    payment_reference: Word | None = None,
    tracking_number: Word | None = None,
    q: Annotated[str | None, Query(min_length=2, max_length=200), AfterValidator(named("bad_text", read_text))] = None,
) -> Lookup:
    """Of which orders, by what is known of them."""
    return Lookup(
        reference=reference,
        number=number,
        email=email,
        payment=payment_reference,
        tracking=tracking_number,
        anything=q,
    )


Sought = Annotated[Lookup, Depends(_sought)]
