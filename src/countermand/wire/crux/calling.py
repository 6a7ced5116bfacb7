"""What every call of CRUX goes through before it is answered, in DRF's order: who, may they, the verb, the body."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import unquote_to_bytes
from uuid import UUID

from starlette.routing import BaseRoute, Match

from countermand import reads
from countermand.admin import accounts
from countermand.admin.accounts import Caller, Permission
from countermand.domain.parties import PartyKind
from countermand.domain.refusals import UNKNOWN_LINE, UNKNOWN_ORDER, Refusal
from countermand.ids import read_uuid
from countermand.json_input import NODES_MAX, ORDER_NODES_MAX, MalformedJsonError, parse_json
from countermand.settings import Settings
from countermand.wire import limits
from countermand.wire.auth import Authenticator
from countermand.wire.callers import address_of
from countermand.wire.crux.errors import CallError, answered, refuse, told_of_throttling
from countermand.wire.http import unsupported_body
from countermand.wire.replies import REPLIES, Problem
from countermand.wire.response import Reply, Scope, Send, header, json_reply, leaves_bytes_unframed, send_reply
from countermand.wire.throttle import Throttle

LOGIN_MAX_BYTES: Final = 16 * 1024
"""Nobody knows yet who logs in, so little is read of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One authenticated call: who calls, in which generation, and what it says."""

    caller: Caller
    timp: bool
    target: str
    body: Any

    @property
    def scope(self) -> reads.Scope:
        """What the caller may see."""
        return reads.Scope(party=self.caller.party, kind=self.caller.kind)

    @property
    def line(self) -> UUID:
        """The line that the path names.

        Raises:
            CallError: no line can have this id.
        """
        return _uuid(self.target, UNKNOWN_LINE)

    @property
    def order(self) -> UUID:
        """The order that the path names.

        Raises:
            CallError: no order can have this id.
        """
        return _uuid(self.target, UNKNOWN_ORDER)


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of the API: where it is, what answers it, and who may make it."""

    method: str
    path: str
    answer: Callable[[Request], Awaitable[Reply]]
    permission: Permission
    kinds: frozenset[PartyKind]
    has_lines: bool = False
    """Whether its body may have a thousand lines, and so more room."""

    def check(self, caller: Caller) -> None:
        """Whether this caller may make the call.

        Raises:
            CallError: its credential lacks the permission, or it is of another side.
        """
        wrong_party = caller.kind not in self.kinds
        # Where no party of its kind can have the permission, its kind is what is wrong, and not its credential.
        beyond = wrong_party and self.permission not in accounts.PERMISSIONS[caller.kind]
        if not caller.may(self.permission) and not beyond:
            raise CallError(Problem.FORBIDDEN, "You do not have permission to perform this action.")
        if wrong_party:
            side = " or a ".join(sorted(kind.value for kind in self.kinds))
            raise CallError(Problem.WRONG_PARTY, f"Only a {side} can make this call.")


class Checks:
    """Who calls, and what they send."""

    def __init__(self, authenticator: Authenticator, throttle: Throttle, settings: Settings) -> None:
        self._authenticator = authenticator
        self._throttle = throttle
        self._settings = settings

    async def authenticate(self, scope: Scope) -> Caller:
        """The caller that the Authorization header names.

        Raises:
            CallError: there is no such header, or it names nobody, in DRF's words for each case.
        """
        given = header(scope, b"authorization") or ""
        scheme, _, token = given.strip().partition(" ")
        if scheme.lower() != "token":
            raise CallError(Problem.UNAUTHENTICATED, "Authentication credentials were not provided.")
        token = token.strip()
        if not token:
            raise CallError(Problem.UNAUTHENTICATED, "Invalid token header. No credentials provided.")
        if " " in token:
            raise CallError(Problem.UNAUTHENTICATED, "Invalid token header. Token string should not contain spaces.")
        with told_of_throttling():
            caller = await self._authenticator.caller(token, address_of(scope))
        if caller is None:
            raise CallError(Problem.UNAUTHENTICATED, "Invalid token.")
        return caller

    def check_rate(self, caller: Caller) -> None:
        """Count the call.

        Raises:
            CallError: the credential has none left.
        """
        with told_of_throttling():
            self._throttle.check_call(caller)

    async def read_login(self, scope: Scope, receive: limits.Receive) -> Any:
        """What a stranger says to log in, which is short.

        Raises:
            CallError: as ``read_body``.
        """
        return await self._read(scope, receive, min(LOGIN_MAX_BYTES, self._settings.body_max_bytes), NODES_MAX)

    async def read_body(self, scope: Scope, receive: limits.Receive, *, has_lines: bool = False) -> Any:
        """The JSON that a call carries; nothing at all counts as ``{}``, whatever its type is said to be.

        Raises:
            CallError: it is too large, too slow, of another type, or not JSON.
        """
        most = self._settings.order_max_bytes if has_lines else self._settings.body_max_bytes
        return await self._read(scope, receive, most, ORDER_NODES_MAX if has_lines else NODES_MAX)

    async def _read(self, scope: Scope, receive: limits.Receive, most: int, nodes_max: int) -> Any:
        try:
            body = await limits.read_body(receive, max_bytes=most, timeout_s=self._settings.body_timeout_s)
        except limits.BodyTooLargeError as error:
            raise CallError(Problem.TOO_LARGE, str(error)) from None
        except limits.BodyTooSlowError:
            raise CallError(Problem.TOO_SLOW, "The body did not arrive in time.") from None
        if not body:
            return {}
        if unsupported := unsupported_body(scope, "application/json"):
            given = (header(scope, b"content-type") or "")[:200]
            detail = f'Unsupported media type "{given}" in request. {unsupported.sentence}'
            raise CallError(Problem.UNSUPPORTED_MEDIA_TYPE, detail, unsupported.header)
        try:
            return parse_json(body, nodes_max=nodes_max)
        except MalformedJsonError as error:
            raise CallError(Problem.MALFORMED, f"JSON parse error - {error}") from None


class Endpoint:
    """One call as ASGI. Its ``column`` in the table of replies is that of its generation, or the seed's own."""

    def __init__(self, checks: Checks, operation: Operation, *, timp: bool) -> None:
        self._checks = checks
        self._operation = operation
        self._timp = timp
        seed = operation.method == "DELETE" and not timp
        self._column = "crux_timp" if timp else "crux_seed" if seed else "crux_v1"

    async def __call__(self, scope: Scope, receive: limits.Receive, send: Send) -> None:
        """Answer one call."""
        await _send(scope, send, await answered(self._reply(scope, receive), self._column), self._operation.method)

    async def _reply(self, scope: Scope, receive: limits.Receive) -> Reply:
        operation = self._operation
        caller = await self._checks.authenticate(scope)
        operation.check(caller)
        self._checks.check_rate(caller)
        if options := _options(scope, operation.method):
            return options
        body = await self._checks.read_body(scope, receive, has_lines=operation.has_lines)
        return await operation.answer(Request(caller=caller, timp=self._timp, target=self._target(scope), body=body))

    def _target(self, scope: Scope) -> str:
        """What the path names. In a text that may hold slashes, only the undecoded path tells them from its own."""
        target = str(scope["path_params"].get("target", ""))
        before, rest, _ = self._operation.path.partition("{target:path}")
        raw: bytes | None = scope.get("raw_path")
        if not rest:
            return target
        if raw is None:
            return target.removesuffix("/")
        named = raw.partition(b"?")[0].partition(before.encode())[2].removesuffix(b"/")
        return unquote_to_bytes(named).decode(errors="surrogateescape")


class LoginEndpoint:
    """Logging in: no credentials are needed, and those given are ignored (docs/crux.md)."""

    def __init__(self, checks: Checks, log_in: Callable[[Any, str], Awaitable[Reply]], *, timp: bool) -> None:
        self._checks = checks
        self._log_in = log_in
        self._column = "crux_timp" if timp else "crux_v1"

    async def __call__(self, scope: Scope, receive: limits.Receive, send: Send) -> None:
        """Answer one call."""
        await _send(scope, send, await answered(self._reply(scope, receive), self._column), "POST")

    async def _reply(self, scope: Scope, receive: limits.Receive) -> Reply:
        if options := _options(scope, "POST"):
            return options
        return await self._log_in(await self._checks.read_login(scope, receive), address_of(scope))


def begins_like_crux(path: str) -> bool:
    """Whether a path is one of this API's, or looks like it."""
    return path.startswith(("/orders/", "/organizations/", "/timp/"))


class NoSuchCall(BaseRoute):
    """A path that begins like CRUX's and is no call, such as one with an empty id: 404, before anybody is asked who.

    It is no pattern, as a pattern's dot matches no line break, and one in the path would get past it.
    """

    def matches(self, scope: Any) -> tuple[Match, Any]:
        """Whether no call before this one had the path."""
        return (Match.FULL if begins_like_crux(scope["path"]) else Match.NONE), {}

    async def handle(self, scope: Scope, receive: limits.Receive, send: Send) -> None:
        """Say so."""
        reply = json_reply(REPLIES[Problem.NOT_FOUND].crux_v1, {"detail": "Not found."})
        await send_reply(send, _closing(reply, scope))


async def refuse_host(scope: Scope, _receive: limits.Receive, send: Send) -> None:
    """Say what is wrong with the Host header."""
    reply = json_reply(REPLIES[Problem.MALFORMED].crux_v1, {"detail": scope["error"]})
    await send_reply(send, _closing(reply, scope))


def _options(scope: Scope, method: str) -> Reply | None:
    """What there is to know about a call, for whoever asks that instead of making it.

    Raises:
        CallError: the verb is neither OPTIONS nor the call's own.
    """
    if scope["method"] == "OPTIONS":
        return json_reply(200, {"parses": ["application/json"], "renders": ["application/json"]})
    if scope["method"] != method:
        raise CallError(Problem.METHOD_NOT_ALLOWED, f'Method "{scope["method"]}" not allowed.')
    return None


def _uuid(text: str, unknown: Refusal) -> UUID:
    try:
        return read_uuid(text)
    except ValueError:
        refuse(unknown)


async def _send(scope: Scope, send: Send, reply: Reply, method: str) -> None:
    allow = b"GET, HEAD, OPTIONS" if method == "GET" else f"{method}, OPTIONS".encode()
    reply = replace(reply, headers=(*reply.headers, (b"allow", allow), (b"vary", b"Accept")))
    await send_reply(send, _closing(reply, scope))


def _closing(reply: Reply, scope: Scope) -> Reply:
    """The reply, and the end of a connection on which bytes may wait that belong to no call."""
    if not leaves_bytes_unframed(scope):
        return reply
    return replace(reply, headers=(*reply.headers, (b"connection", b"close")))
