"""Who calls, and whether they may call now: checked before a body is read or a route is looked up.

What each operation needs of its caller stands in ``operations.py``.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, get_args, get_origin

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant

from countermand.admin.callers import Caller
from countermand.domain.quotas import Share
from countermand.input_errors import error_at
from countermand.observability.calls import note_operation
from countermand.store.engines.protocol import TooBroadError, UnavailableError
from countermand.store.late_reads import may_be_late
from countermand.wire.body_types import Unsupported
from countermand.wire.limits import Asgi
from countermand.wire.native.errors import ERRORS_MAX, UNREAD, throttled
from countermand.wire.native.operations import OPERATIONS
from countermand.wire.replies import CallError, Problem
from countermand.wire.response import Scope, header
from countermand.wire.services import Services
from countermand.wire.throttle import ThrottledError

UNSUPPORTED: Final = "countermand.unsupported"
"""Where a call's scope has why its body is not understood."""

_CALLS: Final = "/v1/"
_WHO: Final = "countermand.who"


def caller_in(scope: Mapping[str, Any]) -> Caller:
    """The caller of an admitted call.

    Raises:
        CallError: nobody known calls, or too often.
        UnavailableError: the database could not say.
    """
    who: Caller | Exception = scope[_WHO]
    if isinstance(who, Exception):
        raise who
    return who


def admitted(services: Services, app: Asgi, bodiless: Asgi) -> Asgi:
    """``app`` for calls of known callers; ``bodiless`` answers all others, whose bodies are not read."""

    async def admit(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        if not scope["path"].startswith(_CALLS):
            # Whether the process is alive is answered without the database.
            await bodiless(scope, _nothing, send)
            return
        who, share = await _who(services, scope)
        sender = send if share is None else _counting(share, send)
        if isinstance(who, Exception):
            headers = [each for each in scope["headers"] if each[0] != b"content-type"]
            await bodiless({**scope, "headers": headers, _WHO: who}, _nothing, sender)
        else:
            await app({**scope, _WHO: who}, receive, sender)

    return admit


async def _nothing() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _who(services: Services, scope: Scope) -> tuple[Caller | Exception, Share | None]:
    """The caller and what is left of its quota, or why the call ends here."""
    try:
        caller = await _known(services, scope)
    except ThrottledError as error:
        return throttled(error.retry_in_s), None
    except (UnavailableError, TooBroadError) as error:
        return error, None
    if caller is None:
        return CallError(Problem.UNAUTHENTICATED, "This call needs a valid bearer token."), None
    share = await services.throttle.call(caller)
    if share is not None and not share.allowed:
        return throttled(share.retry_in_s), share
    return caller, share


async def _known(services: Services, scope: Scope) -> Caller | None:
    scheme, _, token = (header(scope, b"authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return None
    return await services.authenticator.caller(token, scope)


async def may_go_on(services: Services, scope: Scope) -> bool:
    """Whether the caller of a call that takes long may still make it: its token may have ended meanwhile.

    Raises:
        UnavailableError: the database could not say.
    """
    try:
        found = await _known(services, scope)
    except ThrottledError:
        return False
    permission = OPERATIONS[scope["route"].operation_id].permission
    return found is not None and (permission is None or found.may(permission))


def _counting(share: Share, send: Any) -> Any:
    quota = share.quota
    headers = (
        (b"ratelimit-policy", f'"calls";q={quota.calls};w={quota.window_s}'.encode()),
        (b"ratelimit", f'"calls";r={share.calls_left};t={share.full_in_s}'.encode()),
    )

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *headers]}
        await send(message)

    return sending


async def _caller(request: Request) -> Caller:
    """The caller, who may make this call."""
    name = request.scope["route"].operation_id
    note_operation(name)
    found, operation = caller_in(request.scope), OPERATIONS[name]
    if found.kind not in operation.kinds:
        raise CallError(Problem.WRONG_PARTY, f"A {found.kind.value} cannot make this call.")
    if operation.permission and not found.may(operation.permission):
        raise CallError(Problem.FORBIDDEN, f"This token lacks the permission {operation.permission.value}.")
    await _check_body(request)
    _check_query(request)
    may_be_late.set(name in _LISTS)
    return found


_LISTS: Final = frozenset(name for name in OPERATIONS if name.endswith(".list")) - {"events.list"}
"""What a standby may answer. The feed is in the order of the primary's transactions: its readers must miss none."""


async def _check_body(request: Request) -> None:
    wrong: Unsupported | None = request.scope.get(UNSUPPORTED)
    if wrong and await request.body():
        raise CallError(Problem.UNSUPPORTED_MEDIA_TYPE, wrong.sentence, wrong.header)
    if UNREAD in request.scope:
        raise request.scope[UNREAD]


def _check_query(request: Request) -> None:
    """A misspelt filter would show too much, and one that is there twice something else than was meant."""
    known = dict(_parameters(request.scope["route"].dependant))
    given = Counter(name for name, _ in request.query_params.multi_items())
    wrong = [
        *((name, "unknown_parameter", "This call has no such parameter.") for name in given if name not in known),
        *(
            (name, "twice", "This parameter is there more than once.")
            for name in given
            if given[name] > 1 and not known.get(name, True)
        ),
    ]
    if wrong:
        named = ", ".join(name[:50] for name, *_ in wrong[:5])
        errors = [error_at(("query", name), code, why) for name, code, why in wrong[:ERRORS_MAX]]
        raise CallError(Problem.INVALID, f"The query cannot be understood: {named}.", errors=errors)


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(_is_list(each) for each in get_args(annotation))


def _parameters(call: Dependant) -> Iterator[tuple[str, bool]]:
    """What may stand in the query of a call, by itself or by what it shares with others, and whether repeatedly."""
    yield from ((each.alias, _is_list(each.field_info.annotation)) for each in call.query_params)
    for shared in call.dependencies:
        yield from _parameters(shared)


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Inside = Annotated[Services, Depends(_services)]
Who = Annotated[Caller, Depends(_caller)]
"""The caller. What the call needs of it stands in ``operations.py``."""
