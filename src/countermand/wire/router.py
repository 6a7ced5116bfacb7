"""What holds for every call, whichever door it belongs to: one Host, HEAD wherever GET is, nothing kept by caches.

The path alone says which door a call belongs to, and, with ``Paths``, which of a door's calls it is. No door knows of
another.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from countermand.observability import metrics, tracing
from countermand.observability.calls import ObservedCall, current_call, request_id_of
from countermand.store.engines.protocol import UnavailableError
from countermand.store.fair_share import reading_party
from countermand.store.late_reads import may_be_late
from countermand.wire.callers import Proxies
from countermand.wire.limits import Asgi, Receive
from countermand.wire.response import Reply, Scope, Send, header, header_values, json_reply, send_reply

_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(:[0-9]*)?")
_ASKED: Final = "countermand.asked_method"
_REST: Final = ":path}"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """An API as an ASGI application: its name, how its paths begin, and how it refuses a call whose Host is wrong.

    ``busy`` says in its words that there is no room for a call, without any work; ``failed`` that a fault of ours ended
    it.

    ``paths`` are those of its calls that do not begin so. ``refuse_host`` finds why under ``scope["error"]``.
    """

    name: str
    prefixes: tuple[str, ...]
    paths: frozenset[str] = frozenset()
    app: Asgi
    refuse_host: Asgi
    busy: Callable[[Scope], Reply]
    failed: Callable[[Scope], Reply]


class Routed:
    """One application of these doors. A path that is none of theirs goes to the last one.

    An error of ours reaches the log in full and the caller as one bland sentence, never as a stack trace. Behind
    ``proxies`` a call comes from whom they say.
    """

    def __init__(self, doors: Sequence[Door], otherwise: Door, proxies: Proxies | None = None) -> None:
        self._doors = doors
        self._otherwise = otherwise
        self._proxies = proxies

    def busy(self, scope: Scope) -> Reply:
        """What the door of a call says if there is no room for it."""
        door = self._door(path_of(scope))
        reply = door.busy(scope)
        metrics.HTTP_REQUESTS.add(door.name, "", str(reply.status))
        return reply

    def _door(self, path: str) -> Door:
        for each in self._doors:
            if path.startswith(each.prefixes) or path in each.paths:
                return each
        return self._otherwise

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one call."""
        if scope["type"] != "http":
            return
        door, given = self._door(path_of(scope)), header(scope, b"traceparent")
        call = ObservedCall(request_id=request_id_of(header(scope, b"request-id"), given))
        current_call.set(call)
        reading_party.set(None)
        may_be_late.set(False)
        began = time.perf_counter()
        with tracing.span(f"call {door.name}", "server", parent=given) as span:
            try:
                await self._answer(door, call, scope, receive, send)
            finally:
                _report(door.name, scope["method"], call, time.perf_counter() - began)
                if span is not None:
                    span.set_attributes(_attributes(scope["method"], call))

    async def _answer(self, door: Door, call: ObservedCall, scope: Any, receive: Any, send: Any) -> None:
        method = scope["method"]

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                call.status = message["status"]
                message = {**message, "headers": _unkept(message.get("headers", ()))}
            elif method == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        async def sorry(reply: Reply) -> None:
            if not call.status:
                await send_reply(sending, reply)

        try:
            wrong = wrong_host(scope)
            # A door need not know HEAD: such a call is answered as GET is, without the body.
            more = ({"method": "GET", _ASKED: method} if method == "HEAD" else {}) | ({"error": wrong} if wrong else {})
            if self._proxies:
                more["client"] = (self._proxies.client(scope), 0)
            app = door.refuse_host if wrong else door.app
            await app({**scope, **more} if more else scope, receive, sending)
        except UnavailableError:
            # The operation stands for the path: a path can be as good as a password.
            log.warning("database_away", door=door.name, method=method, operation=call.operation)
            detail = {"detail": "The database did not answer. Nothing is lost; repeat the call."}
            await sorry(json_reply(503, detail, (b"retry-after", b"1")))
        except Exception:
            log.exception("unexpected_error", door=door.name, method=method, operation=call.operation)
            await sorry(door.failed(scope))


def _attributes(method: str, call: ObservedCall) -> dict[str, str | int]:
    """What a span of a call says, in OpenTelemetry's words where it has them."""
    return {
        "http.request.method": method,
        "http.response.status_code": call.status,
        "countermand.operation": call.operation,
        "countermand.code": call.code,
        "countermand.request_id": call.request_id,
    }


def _report(door: str, method: str, call: ObservedCall, took_s: float) -> None:
    """One line of the log, and the numbers, of a call that has ended.

    A probe that asks every few seconds is no news unless something is wrong.
    """
    status = call.status or _CALLER_GONE
    metrics.HTTP_REQUESTS.add(door, call.operation, str(status))
    if call.operation not in _WITHOUT_END:
        metrics.HTTP_REQUEST_SECONDS.observe(took_s, door)
    if call.code:
        metrics.REFUSALS.add(door, call.code)
    party = reading_party.get()
    more: dict[str, Any] = {"code": call.code} if call.code else {}
    if call.batch:
        more["batch"] = call.batch
    if call.subjects:
        more["subjects"] = call.subjects
    (log.debug if call.operation in _PROBES and status < 400 else log.info)(
        "call",
        door=door,
        method=method,
        operation=call.operation,
        party=party,
        status=status,
        duration_ms=round(took_s * 1000, 2),
        request_id=call.request_id,
        **more,
    )


_CALLER_GONE: Final = 499
"""As nginx logs a caller that did not wait for its answer."""

_PROBES: Final = frozenset({"healthz", "readyz"})
_WITHOUT_END: Final = frozenset({"events.stream", "live"})


def wrong_host(scope: Scope) -> str | None:
    """Why the call's Host is not accepted (RFC 9112, 3.2), as a sentence. HTTP/1.0 knows none and may leave it out."""
    hosts = header_values(scope, b"host")
    if len(hosts) > 1:
        return "The Host header is there more than once."
    if not hosts:
        return None if scope.get("http_version") == "1.0" else "The Host header is missing."
    return None if _HOST.fullmatch(hosts[0].strip()) else "The Host header is not a host and port."


def _unkept(headers: Any) -> list[tuple[bytes, bytes]]:
    """With the word that no cache keeps the reply, unless it says otherwise: it holds secrets and personal data."""
    kept = any(name.lower() == b"cache-control" for name, _ in headers)
    return [*headers] if kept else [*headers, (b"cache-control", b"no-store")]


def path_of(scope: Scope) -> str:
    """The path of a call, without the prefix under which the whole service may be mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def asked_method(scope: Scope) -> str:
    """The method that the caller wrote."""
    method: str = scope.get(_ASKED, scope["method"])
    return method


@dataclass(slots=True, eq=False)
class _Place:
    """Where some segments lead: on by a segment that is spelled out, or by any other, or to a call."""

    spelled: "dict[str, _Place]" = field(default_factory=dict)
    any_other: "_Place | None" = None
    call: "_Call | None" = None
    call_with_rest: "_Call | None" = None


@dataclass(frozen=True, slots=True)
class _Call:
    app: Asgi
    names: Sequence[str]


class Paths:
    """ASGI applications, each at a path such as ``/orders/{order}/``, as one application.

    ``{order}`` is one segment that is not empty, and stands in the scope as ``path_params["order"]``. ``{name:path}``,
    at the end, is all that is left, slashes and line breaks included. Segments that are spelled out go before others.
    Nothing is forgiven: a slash or a line break too many makes another path. Those that lead nowhere are answered by
    ``otherwise``.
    """

    def __init__(self, apps: Mapping[str, Asgi], otherwise: Asgi) -> None:
        self._start = _Place()
        self._otherwise = otherwise
        for path, app in apps.items():
            self._add(path, app)

    def _add(self, path: str, app: Asgi) -> None:
        here, names = self._start, list[str]()
        for segment in path.split("/"):
            if not segment.startswith("{"):
                here = here.spelled.setdefault(segment, _Place())
                continue
            names.append(segment.strip("{}").removesuffix(":path"))
            if segment.endswith(_REST):
                here.call_with_rest = _Call(app, names)
                return
            here.any_other = here.any_other or _Place()
            here = here.any_other
        here.call = _Call(app, names)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Hand the call on."""
        values: list[str] = []
        call = _found(self._start, path_of(scope).split("/"), 0, values)
        if call is None:
            await self._otherwise(scope, receive, send)
            return
        await call.app({**scope, "path_params": dict(zip(call.names, values, strict=True))}, receive, send)


def _found(here: _Place, segments: Sequence[str], at: int, values: list[str]) -> _Call | None:
    """The call to which these segments lead, from the one ``at`` which the way goes on; its ``values`` are appended."""
    if at == len(segments):
        return here.call
    segment = segments[at]
    if (spelled := here.spelled.get(segment)) and (found := _found(spelled, segments, at + 1, values)):
        return found
    if segment and here.any_other:
        values.append(segment)
        if found := _found(here.any_other, segments, at + 1, values):
            return found
        values.pop()
    if here.call_with_rest:
        values.append("/".join(segments[at:]))
    return here.call_with_rest
