"""What every call of the native API starts with: who calls, what stands behind the door, and the same call twice."""

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from datetime import datetime, tzinfo
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import Depends, Header, Query, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import Response

from countermand import reads
from countermand.admin.accounts import Caller, Permission
from countermand.domain.orders import UNITS_MAX
from countermand.domain.parties import PartyKind
from countermand.domain.texts import TEXT_MAX, read_text
from countermand.fields import InQuery
from countermand.json_input import parse_json
from countermand.service.calls import IdempotencyKey
from countermand.wire.http import Unsupported
from countermand.wire.native.admitting import caller_in
from countermand.wire.native.errors import ERRORS_MAX, CallError, invalid, told_of_body
from countermand.wire.replies import Problem
from countermand.wire.services import Services

DOOR: Final = "native"
UNSUPPORTED: Final = "countermand.unsupported"
"""Where a call's scope has why its body is not understood."""


class _Request(Request):
    """A call whose JSON is read as everywhere else, and not as Python's parser would."""

    async def json(self) -> Any:
        with told_of_body():
            return parse_json(await self.body())


class JsonRoute(APIRoute):
    """A call that takes JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """How FastAPI answers it, with the body read by us."""
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await answer(_Request(request.scope, request.receive))

        return handle


class Strict(BaseModel):
    """Unknown members are refused, so that a misspelt one is not lost in silence."""

    model_config = ConfigDict(extra="forbid")


def caller_with(permission: Permission, kind: PartyKind | None = None) -> Callable[..., Awaitable[Caller]]:
    """A dependency: the caller, who must have this permission, and be of this kind if there is one."""

    async def caller(
        request: Request, _described: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Caller:
        found = caller_in(request.scope)
        if kind and found.kind is not kind:
            raise CallError(Problem.WRONG_PARTY, f"Only the {kind.value} can make this call.")
        if not found.may(permission):
            raise CallError(Problem.FORBIDDEN, f"This token lacks the permission {permission.value}.")
        await _check_body(request)
        _check_query(request)
        return found

    return caller


async def _check_body(request: Request) -> None:
    wrong: Unsupported | None = request.scope.get(UNSUPPORTED)
    if wrong and await request.body():
        raise CallError(Problem.UNSUPPORTED_MEDIA_TYPE, wrong.sentence).with_header(wrong.header)


def _check_query(request: Request) -> None:
    """A misspelt filter would show too much, and one that is there twice something else than was meant."""
    known = set(_parameters(request.scope["route"].dependant))
    given = Counter(name for name, _ in request.query_params.multi_items())
    wrong = [
        *((name, "This call has no such parameter.") for name in given if name not in known),
        *((name, "This parameter is there more than once.") for name in given if name in known and given[name] > 1),
    ]
    if wrong:
        named = ", ".join(name[:50] for name, _ in wrong[:5])
        errors = [{"loc": ["query", name], "msg": why} for name, why in wrong[:ERRORS_MAX]]
        raise CallError(Problem.INVALID, f"The query cannot be understood: {named}.", errors=errors)


def _parameters(call: Dependant) -> Iterator[str]:
    """What may stand in the query of a call, by itself or by what it shares with others."""
    yield from (each.alias for each in call.query_params)
    for shared in call.dependencies:
        yield from _parameters(shared)


async def _behind(request: Request) -> Services:
    return _behind_of(request)


def _behind_of(request: Request) -> Services:
    behind: Services = request.app.state.behind
    return behind


_bearer: Final = HTTPBearer(auto_error=False)

Inside = Annotated[Services, Depends(_behind)]
Viewer = Annotated[Caller, Depends(caller_with(Permission.VIEW_ORDER))]
Canceller = Annotated[Caller, Depends(caller_with(Permission.CANCEL_ORDER))]
Cashier = Annotated[Caller, Depends(caller_with(Permission.MANAGE_REFUNDS, PartyKind.PLATFORM))]
Manager = Annotated[Caller, Depends(caller_with(Permission.MANAGE_ENDPOINTS))]
Key = Annotated[str | None, Header(alias="Idempotency-Key", pattern="^[ -~]{1,255}$")]
Units = Annotated[int, Field(strict=True, ge=1, le=UNITS_MAX)]
Limit = Annotated[int, InQuery, Query(ge=1, le=reads.PAGE_MAX)]

Word = Annotated[str, Query(min_length=1, max_length=TEXT_MAX), AfterValidator(read_text)]


def _sought(
    reference: Word | None = None,
    number: Annotated[int | None, InQuery, Query(ge=1)] = None,
    email: Word | None = None,
    payment_reference: Word | None = None,
    q: Annotated[str | None, Query(min_length=2, max_length=200), AfterValidator(read_text)] = None,
) -> reads.Lookup:
    """Of which orders, by what is known of them."""
    return reads.Lookup(reference=reference, number=number, email=email, payment=payment_reference, anything=q)


Sought = Annotated[reads.Lookup, Depends(_sought)]


def scope_of(who: Caller) -> reads.Scope:
    """What the caller may see."""
    return reads.Scope(party=who.party, kind=who.kind)


def once_of(who: Caller, key: str | None, what: str, said: BaseModel | None) -> IdempotencyKey | None:
    """What makes two calls one: the caller, its key, and a fingerprint of which call it is and what it says."""
    if not key:
        return None
    return IdempotencyKey(caller=str(who.party), key=key, fingerprint=fingerprint(what, said))


def fingerprint(what: str, said: BaseModel | None) -> str:
    """Of a call and what it says, however it was spelled."""
    # Members that came with 0.2 count only where they are given, so that keys of before it still find their calls.
    new = {name for name in _SINCE_0_2 if said and getattr(said, name, None) is None}
    words = said.model_dump_json(exclude=new) if said else ""
    return hashlib.sha256(f"{what}\n{words}".encode()).hexdigest()


_SINCE_0_2: Final = ("step",)


def moment_of(
    behind: Services, text: str | None, read: Callable[[object, tzinfo], datetime], name: str
) -> datetime | None:
    """The time in a query; a day is one of the zone that the settings name."""
    if text is None:
        return None
    try:
        return read(text, ZoneInfo(behind.settings.score_zone))
    except ValueError as error:
        raise invalid(f"{name} {error}.", "query", name) from None
