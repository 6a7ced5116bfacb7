"""Who calls, and whether they may call again by now: known before a body is read or a route is looked for."""

from collections.abc import Mapping
from typing import Any, Final

from countermand.admin.accounts import Caller
from countermand.store.engines.protocol import TooBroadError, UnavailableError
from countermand.wire.callers import address_of
from countermand.wire.limits import Asgi
from countermand.wire.native.errors import CallError, throttled
from countermand.wire.rates import Share
from countermand.wire.replies import Problem
from countermand.wire.response import Scope, header
from countermand.wire.services import Services
from countermand.wire.throttle import ThrottledError

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


def admitted(behind: Services, app: Asgi, bodiless: Asgi) -> Asgi:
    """``app`` for calls of known callers; ``bodiless`` answers all others, whose bodies are not read."""

    async def admit(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        if not scope["path"].startswith(_CALLS):
            # Whether the process is alive is told without a look into the database.
            await bodiless(scope, _nothing, send)
            return
        who, share = await _who(behind, scope)
        told = send if share is None else _telling(share, send)
        if isinstance(who, Exception):
            headers = [each for each in scope["headers"] if each[0] != b"content-type"]
            await bodiless({**scope, "headers": headers, _WHO: who}, _nothing, told)
        else:
            await app({**scope, _WHO: who}, receive, told)

    return admit


async def _nothing() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _who(behind: Services, scope: Scope) -> tuple[Caller | Exception, Share | None]:
    """The caller and what is left of its quota, or why the call ends here."""
    try:
        scheme, _, token = (header(scope, b"authorization") or "").partition(" ")
        caller = None
        if scheme.lower() == "bearer" and token:
            caller = await behind.authenticator.caller(token, address_of(scope))
    except ThrottledError as error:
        return throttled(error.retry_in_s), None
    except (UnavailableError, TooBroadError) as error:
        return error, None
    if caller is None:
        return CallError(Problem.UNAUTHENTICATED, "This call needs a valid bearer token."), None
    share = behind.throttle.call(caller)
    if share is not None and not share.allowed:
        return throttled(share.retry_in_s), share
    return caller, share


def _telling(share: Share, send: Any) -> Any:
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
