"""Webhooks of payment providers: ``POST /v1/providers/{name}/webhook`` (docs/decisions/0015).

A webhook is only a hint to ask the provider. It is answered with 200 once the results are saved, and with 503 if it
could not be looked into: the provider then sends it again.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import structlog

from countermand.observability.calls import note_operation
from countermand.payments.provider import ForgedError, Notified, Provider
from countermand.settings import Settings
from countermand.wire import limits
from countermand.wire.body_types import unsupported_coding
from countermand.wire.pipeline import answered
from countermand.wire.replies import BUSY, REPLIES, SORRY, CallError, Problem
from countermand.wire.response import Reply, Scope, Send, json_reply, send_reply
from countermand.wire.router import Door, path_of
from countermand.wire.throttle import Throttle, ThrottledError

PATH: Final = "/v1/providers/"
_LAST: Final = "webhook"

log = structlog.get_logger()

Follow = Callable[[str, Sequence[Notified]], Awaitable[bool]]


def payment_door(*, providers: Mapping[str, Provider], follow: Follow, throttle: Throttle, settings: Settings) -> Door:
    """The door: one address for each provider that the settings name."""
    app = _Payments(providers=providers, follow=follow, throttle=throttle, settings=settings)
    return Door(name="payments", prefixes=(PATH,), app=app, refuse_host=_refuse_host, busy=_busy, failed=_failed)


class _Payments:
    """``follow`` looks into what there is news of."""

    def __init__(
        self, *, providers: Mapping[str, Provider], follow: Follow, throttle: Throttle, settings: Settings
    ) -> None:
        self._providers = providers
        self._follow = follow
        self._throttle = throttle
        self._settings = settings

    async def __call__(self, scope: Scope, receive: limits.Receive, send: Send) -> None:
        """Answer one call."""
        await send_reply(send, await answered(self._reply(scope, receive), _error))

    async def _reply(self, scope: Scope, receive: limits.Receive) -> Reply:
        name, _, last = path_of(scope).removeprefix(PATH).partition("/")
        provider = self._providers.get(name)
        if provider is None or last.removesuffix("/") != _LAST:
            raise CallError(Problem.NOT_FOUND, "There is no such address.")
        note_operation(name)
        if scope["method"] != "POST":
            raise CallError(Problem.METHOD_NOT_ALLOWED, "News is posted here.", (b"allow", b"POST"))
        if unsupported := unsupported_coding(scope):
            raise CallError(Problem.UNSUPPORTED_MEDIA_TYPE, unsupported.sentence, unsupported.header)
        await self._throttle.check_hint(name, scope)
        settings = self._settings
        body = await limits.read_body(
            scope, receive, max_bytes=settings.body_max_bytes, timeout_s=settings.body_timeout_s
        )
        try:
            notified = provider.read_webhook(_headers(scope), body)
        except ForgedError as error:
            await self._throttle.wrong(scope)
            log.warning("webhook_forged", provider=name, why=str(error))
            raise CallError(Problem.MALFORMED, "The signature is missing, wrong, or of another time.") from None
        if not await self._follow(name, notified):
            detail = "It could not be looked into. Send it again."
            raise CallError(Problem.UNAVAILABLE, detail, (b"retry-after", b"30"))
        return json_reply(200, {})


def _error(error: Exception) -> Reply:
    """The problem document of a call that ended with this error, which is raised again if no provider can help it."""
    match error:
        case CallError():
            return _problem(error)
        case ThrottledError(retry_in_s=retry_in_s):
            when = (b"retry-after", str(retry_in_s).encode())
            detail = f"Too much news; send it again in {retry_in_s} s."
            return _problem(CallError(Problem.RATE_LIMITED, detail, when))
        case limits.BodyTooLargeError():
            return _problem(CallError(Problem.TOO_LARGE, str(error)))
        case limits.BodyTooSlowError():
            return _problem(CallError(Problem.TOO_SLOW, "The body did not arrive in time."))
        case _:
            raise error


def _busy(_: Scope) -> Reply:
    """There is no room for a call: the provider sends it again."""
    return _problem(CallError(Problem.UNAVAILABLE, BUSY, (b"retry-after", b"30")))


def _failed(_: Scope) -> Reply:
    """A fault of ours ended a call: the provider sends it again."""
    return _problem(CallError(Problem.INTERNAL, SORRY))


async def _refuse_host(scope: Scope, _receive: limits.Receive, send: Send) -> None:
    """Say what is wrong with the Host header."""
    await send_reply(send, _problem(CallError(Problem.MALFORMED, scope["error"])))


def _headers(scope: Scope) -> dict[str, str]:
    """By name, those that stand there twice as one list (RFC 9110, 5.2)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _problem(error: CallError) -> Reply:
    status, code = REPLIES[error.kind].native, error.kind.value
    title = code.replace("_", " ").capitalize()
    body = {"title": title, "status": status, "detail": error.detail, "code": code}
    return json_reply(status, body, *error.headers)
