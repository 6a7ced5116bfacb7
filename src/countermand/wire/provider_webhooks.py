"""Where payment providers send their news: ``POST /v1/providers/{name}/webhook`` (docs/decisions/0015).

A webhook is a hint to look, and never more. It is answered with 200 once what was found is stored, and with 503 if it
could not be looked into: the provider then sends it again.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import structlog

from countermand.payments.provider import ForgedError, Notified, Provider
from countermand.settings import Settings
from countermand.wire import limits
from countermand.wire.callers import address_of
from countermand.wire.http import unsupported_coding
from countermand.wire.replies import REPLIES, Problem
from countermand.wire.response import Reply, Scope, Send, json_reply, send_reply
from countermand.wire.throttle import Throttle, ThrottledError

PATH: Final = "/v1/providers/"
_LAST: Final = "webhook"

log = structlog.get_logger()

Follow = Callable[[str, Sequence[Notified]], Awaitable[bool]]


class PaymentDoor:
    """One address for each provider that the settings name. ``follow`` looks into what there is news of."""

    def __init__(
        self, *, providers: Mapping[str, Provider], follow: Follow, throttle: Throttle, settings: Settings
    ) -> None:
        self._providers = providers
        self._follow = follow
        self._throttle = throttle
        self._settings = settings

    async def __call__(self, scope: Scope, receive: limits.Receive, send: Send) -> None:
        """Answer one call."""
        try:
            reply = await self._reply(scope, receive)
        except ThrottledError as error:
            when = (b"retry-after", str(error.retry_in_s).encode())
            reply = _problem(Problem.RATE_LIMITED, f"Too much news; send it again in {error.retry_in_s} s.", when)
        await send_reply(send, reply)

    async def _reply(self, scope: Scope, receive: limits.Receive) -> Reply:
        path: str = scope["path"].removeprefix(scope.get("root_path", "")).removeprefix(PATH)
        name, _, last = path.partition("/")
        provider = self._providers.get(name)
        if provider is None or last.removesuffix("/") != _LAST:
            return _problem(Problem.NOT_FOUND, "There is no such address.")
        if scope["method"] != "POST":
            return _problem(Problem.METHOD_NOT_ALLOWED, "News is posted here.", (b"allow", b"POST"))
        if unsupported := unsupported_coding(scope):
            return _problem(Problem.UNSUPPORTED_MEDIA_TYPE, unsupported.sentence, unsupported.header)
        self._throttle.check_hint(name, address_of(scope))
        most, slowest = self._settings.body_max_bytes, self._settings.body_timeout_s
        try:
            body = await limits.read_body(receive, max_bytes=most, timeout_s=slowest)
            notified = provider.read_webhook(_headers(scope), body)
        except limits.BodyTooLargeError as error:
            return _problem(Problem.TOO_LARGE, str(error))
        except limits.BodyTooSlowError:
            return _problem(Problem.TOO_SLOW, "The body did not arrive in time.")
        except ForgedError as error:
            self._throttle.wrong(address_of(scope))
            log.warning("webhook_forged", provider=name, why=str(error))
            return _problem(Problem.MALFORMED, "The signature is missing, wrong, or of another time.")
        if not await self._follow(name, notified):
            return _problem(Problem.UNAVAILABLE, "It could not be looked into. Send it again.", (b"retry-after", b"30"))
        return json_reply(200, {})


async def refuse_host(scope: Scope, _receive: limits.Receive, send: Send) -> None:
    """Say what is wrong with the Host header."""
    await send_reply(send, _problem(Problem.MALFORMED, scope["error"]))


def _headers(scope: Scope) -> dict[str, str]:
    """By name, those that stand there twice as one list (RFC 9110, 5.2)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _problem(problem: Problem, detail: str, *headers: tuple[bytes, bytes]) -> Reply:
    status = REPLIES[problem].native
    title = problem.value.replace("_", " ").capitalize()
    return json_reply(status, {"title": title, "status": status, "detail": detail, "code": problem.value}, *headers)
