"""The HTTP server: uvicorn, with a connection of our own that has limits, and knows callers who end their side early.

Source: docs/decisions/0021.
"""

import asyncio
import contextlib
import gc
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from itertools import islice
from typing import Any, Final, cast

import httptools
import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from countermand import turns
from countermand.observability import metrics
from countermand.wire.limits import ARRIVED, Asgi
from countermand.wire.replies import BUSY
from countermand.wire.response import LEAVES, Reply, Scope, json_reply, leaves_bytes_unframed

SWEEP_EVERY_S: Final = 0.25
SWEPT_AT_ONCE: Final = 500
"""So many connections are looked at in one turn of the loop, which takes about a millisecond."""
HEADERS_MAX: Final = 100
HEADER_BYTES_MAX: Final = 64 * 1024
CROWDED: Final = 0.75
"""From this share of all connections on, idle ones are let go after ``CROWDED_IDLE_S``."""
CROWDED_IDLE_S: Final = 5.0
BACKLOG: Final = 1024
"""So many connections wait to be accepted."""
RARELY: Final = (10_000, 20, 1_000)
"""How often Python looks for garbage while calls are turned away, as ``gc.set_threshold`` takes it. As a rule it looks
after every 700 objects: with 3,000 connections that took up to 50 ms, during which nobody was answered."""
FINISH_S: Final = 30
"""How long a server that stops waits for the calls under way."""


def _plain(status: str, sentence: str, *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", "content-type: text/plain; charset=utf-8", f"content-length: {len(sentence)}")
    return "\r\n".join((*lines, *headers, "connection: close", "", sentence)).encode()


FULL: Final = _plain("503 Service Unavailable", "Too many connections.", "retry-after: 5")
TOO_LARGE: Final = _plain("431 Request Header Fields Too Large", "The headers are too large.")

PROBES: Final = (b"/healthz", b"/readyz")
"""What is answered however much there is to do: a service that is restarted for being busy does nothing at all."""

Busy = Callable[[Scope], Reply]

log = structlog.get_logger()


def _written(reply: Reply, *, ends: bool) -> bytes:
    """A whole answer as HTTP/1.1 writes it."""
    phrase = HTTPStatus(reply.status).phrase
    named = ((b"content-type", reply.media_type), (b"content-length", b"%d" % len(reply.body)), *reply.headers)
    lines = [b"HTTP/1.1 %d %s" % (reply.status, phrase.encode()), *(b"%s: %s" % each for each in named)]
    return b"\r\n".join([*lines, *([b"connection: close"] if ends else []), b"", reply.body])


def _arrived(cycle: RequestResponseCycle) -> bytes | None:
    """The body of a call, if it is there as a whole."""
    return None if cycle.more_body else bytes(cycle.body)


def plainly_busy(_: Scope) -> Reply:
    """The answer to a call for which there is no room, where nobody says it in the words of an API."""
    return json_reply(503, {"detail": BUSY}, (b"retry-after", b"1"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """How many connections there may be, in all and of one address, and how long one may do nothing, in seconds.

    ``unlimited`` are networks, such as a proxy's, whose addresses may have as many as there may be in all. ``calls``
    are answered at once at most.
    """

    total: int
    per_address: int
    idle_s: float
    header_s: float
    write_stall_s: float
    unlimited: tuple[str, ...] = ()
    calls: int = 1_000_000


@dataclass(slots=True)
class ConnectionGuard:
    """Counts connections and lets go of those that do nothing for too long; counts the calls that are being answered.

    A call counts once it came whole, so that one that is sent slowly takes no other's place.
    """

    limits: ConnectionLimits
    clock: Callable[[], float]
    refused: int = 0
    turned_away: int = 0
    answering: set[RequestResponseCycle] = field(default_factory=set)
    _turns_away: bool = False
    _usual: tuple[int, int, int] = field(default_factory=gc.get_threshold)
    _open: dict["Connection", None] = field(default_factory=dict)
    _of_address: Counter[str] = field(default_factory=Counter)

    def admit(self, connection: "Connection", address: str) -> bool:
        """Whether there is room for one more connection of this address. If there is, it is counted."""
        limits = self.limits
        if len(self._open) >= limits.total or (
            self._of_address[address] >= limits.per_address and not self._is_unlimited(address)
        ):
            self.refused += 1
            metrics.CONNECTIONS_REFUSED.add()
            return False
        self._open[connection] = None
        self._of_address[address] += 1
        return True

    def leave(self, connection: "Connection", address: str) -> None:
        """A connection that was admitted has ended."""
        if self._open.pop(connection, 0) is None:
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._open)

    @property
    def has_no_room(self) -> bool:
        """Whether as many calls are being answered as may be at once."""
        return len(self.answering) >= self.limits.calls

    def turn_away(self) -> None:
        """Count a call for which there is no room. From the first on, the loop waits less, until none comes.

        Threads take short turns, and Python rarely looks for garbage.
        """
        self.turned_away += 1
        metrics.SHED_CALLS.add("calls")
        if not self._turns_away:
            self._turns_away = True
            turns.shorten()
            gc.set_threshold(*RARELY)

    def calm(self) -> None:
        """Go on as usual."""
        if self._turns_away:
            self._turns_away = False
            turns.restore()
            gc.set_threshold(*self._usual)

    async def sweep_forever(self) -> None:
        """Check all connections again and again, some at a time."""
        while True:
            looking = iter(list(self._open))
            while some := list(islice(looking, SWEPT_AT_ONCE)):
                for connection in some:
                    connection.let_go_if_stuck(self.clock(), self._idle_s())
                await asyncio.sleep(0)
            self._report()
            await asyncio.sleep(SWEEP_EVERY_S)

    def _report(self) -> None:
        """One line for all calls that were turned away since the last time: one each would be more to do, not less."""
        if self.turned_away:
            log.warning("calls_turned_away", calls=self.turned_away, answering=len(self.answering))
            self.turned_away = 0
        else:
            self.calm()

    def _idle_s(self) -> float:
        crowded = len(self._open) > CROWDED * self.limits.total
        return min(CROWDED_IDLE_S, self.limits.idle_s) if crowded else self.limits.idle_s

    def _is_unlimited(self, address: str) -> bool:
        try:
            return any(ip_address(address) in ip_network(network) for network in self.limits.unlimited)
        except ValueError:
            return False


class Connection(HttpToolsProtocol):
    """One connection. What uvicorn leaves open is decided here: limits, stray bytes, and an early end of input.

    ``busy`` writes the answer to a call for which there is no room, by its scope.
    """

    def __init__(self, *arguments: Any, guard: ConnectionGuard, busy: Busy, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._guard = guard
        self._busy = busy
        self._is_turned_away = False
        self._address = ""
        self._admitted = False
        self._deaf = False
        self._has_ended_its_side = False
        self._endless: RequestResponseCycle | None = None
        self._since = guard.clock()
        self._in_headers = True
        self._header_bytes = 0
        self._too_large = False
        self._unsent = 0
        self._stalled_since = self._since

    # Called by the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or refuse it where there is no room."""
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self._admitted = self._guard.admit(self, self._address)
        if not self._admitted:
            self._deaf = True
            transport.write(FULL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._guard.leave(self, self._address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came, unless no more is wanted of this connection."""
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        self._since = self._guard.clock()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # No other protocol is spoken here. The call is answered, and whatever follows it is not HTTP.
            self._hear_no_more()
        except httptools.HttpParserError:
            self._malformed()

    def eof_received(self) -> bool:  # type: ignore[override]
        """The caller will send no more. A call that came whole is answered all the same, unless the answer has no end.

        Whoever closes a connection looks like this, too: an answer without an end would find out by what it sends next.

        Returns whether the connection stays open for the answer.
        """
        if not self._is_answering() or self.cycle.more_body or self._endless is self.cycle:
            return False
        self._hear_no_more()
        self._has_ended_its_side = True
        return True

    # Called by the parser

    def on_message_begin(self) -> None:
        """A call begins."""
        super().on_message_begin()
        self._is_turned_away = False
        self._in_headers = True
        self._header_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, within bounds.

        Raises:
            ValueError: there are too many, or they are too large.
        """
        self._header_bytes += len(name) + len(value)
        self._bound(self._header_bytes <= HEADER_BYTES_MAX and len(self.headers) < HEADERS_MAX)
        super().on_header(name, value)

    def on_url(self, url: bytes) -> None:
        """Keep a part of the address, within bounds.

        Raises:
            ValueError: it is too long.
        """
        self._header_bytes += len(url)
        self._bound(self._header_bytes <= HEADER_BYTES_MAX)
        super().on_url(url)

    def on_headers_complete(self) -> None:
        """The call is known. If there is no room for it, it is answered at once, and costs as little as it can."""
        self._in_headers = False
        if self._guard.has_no_room and not self._is_answering() and not self.url.startswith(PROBES):
            self._turn_away()
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body came. Nobody reads that of a call that was turned away."""
        if not self._is_turned_away:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The call came whole."""
        if self._is_turned_away:
            return
        super().on_message_complete()
        if self._is_answering():
            self._guard.answering.add(self.cycle)

    def on_response_complete(self) -> None:
        """The answer was written."""
        self._since = self._guard.clock()
        super().on_response_complete()

    def _bound(self, fits: bool) -> None:
        if not fits:
            self._too_large = True
            raise ValueError("the headers are too large")

    # Calls at once

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Answer a call, which counts until its work is done, also if its caller has gone."""
        leave = partial(self._guard.answering.discard, cycle)
        scope = cast("dict[str, Any]", cycle.scope)
        scope[LEAVES], scope[ARRIVED] = partial(self._has_no_end, cycle), partial(_arrived, cycle)

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            try:
                await app(scope, receive, send)
            finally:
                leave()
                # They lead from the call back to it, and would leave it to the garbage collector.
                del scope[LEAVES], scope[ARRIVED]

        super()._start_asgi_task(cycle, counted)

    def _has_no_end(self, cycle: RequestResponseCycle) -> None:
        """The answer to this call goes on for as long as the caller is there, and takes no other call's place."""
        self._guard.answering.discard(cycle)
        self._endless = cycle
        if self._has_ended_its_side:
            self.transport.close()

    def _turn_away(self) -> None:
        self._is_turned_away = True
        self._guard.turn_away()
        scope: Any = self.scope
        scope["method"], scope["path"] = self.parser.get_method().decode("ascii"), self.url.decode("latin-1")
        ends = not self.parser.should_keep_alive() or leaves_bytes_unframed(scope)
        self.transport.write(_written(self._busy(scope), ends=ends))
        if ends:
            self._deaf = True
            self.transport.close()

    # Limits

    def let_go_if_stuck(self, now: float, idle_s: float) -> None:
        """Close a connection that has done nothing for too long; break off one whose peer reads no answers."""
        limits = self._guard.limits
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent or not unsent:
            self._unsent, self._stalled_since = unsent, now
        elif now - self._stalled_since > limits.write_stall_s:
            self.transport.abort()
            return
        if self._is_answering() or self.transport.is_closing():
            return
        begun = self._in_headers and self._header_bytes
        if now - self._since > (limits.header_s if begun or self._call is None else idle_s):
            self.transport.close()

    @property
    def _call(self) -> RequestResponseCycle | None:
        """The last call that came; uvicorn has none at first, though it does not say so."""
        return cast("RequestResponseCycle | None", self.cycle)

    def _is_answering(self) -> bool:
        return self._call is not None and not self._call.response_complete

    def _malformed(self) -> None:
        if self._too_large:
            self._refuse(TOO_LARGE)
        elif self._is_answering() and not self.cycle.more_body:
            # Bytes that belong to no call, such as a body without a length (the Node sample of the CRUX page).
            self._hear_no_more()
        else:
            self._refuse(None)

    def _refuse(self, answer: bytes | None) -> None:
        self._deaf = True
        if self._is_answering():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if answer is None:
            self.send_400_response("This is no HTTP that is understood here.")
            return
        self.transport.write(answer)
        self.transport.close()

    def _hear_no_more(self) -> None:
        self._deaf = True
        if self._call is not None:
            self._call.keep_alive = False


class HttpServer(uvicorn.Server):
    """Serves an ASGI application until ``stop``, within limits. ``on_stop`` ends answers that have no end."""

    def __init__(
        self,
        app: Asgi,
        *,
        host: str,
        port: int,
        limits: ConnectionLimits,
        busy: Busy = plainly_busy,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_stop = on_stop
        self.guard = ConnectionGuard(limits, asyncio.get_running_loop().time)

        def connection(**given: Any) -> Connection:
            return Connection(guard=self.guard, busy=busy, **given)

        super().__init__(
            uvicorn.Config(
                cast(Any, app),
                host=host,
                port=port,
                http=cast(Any, connection),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=int(limits.idle_s),
                timeout_graceful_shutdown=FINISH_S,
            )
        )

    async def serve(self, sockets: Any = None) -> None:
        """Serve until ``stop``; then finish what is under way."""
        sweeping = asyncio.create_task(self.guard.sweep_forever())
        try:
            await super().serve(sockets)
        finally:
            sweeping.cancel()
            self.guard.calm()

    def stop(self) -> None:
        """Take no more calls, and end once those under way are answered."""
        self._on_stop()
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the caller's."""
        yield


def free_port(host: str, port: int) -> int:
    """A port that nobody listens on: this one, or any for 0.

    The server itself would not notice: its socket may share a port with another server's, and callers would then reach
    now this service, now that one.

    Raises:
        OSError: it is taken, or it cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as probe:
        chosen: int = probe.getsockname()[1]
    return chosen


def shared_sockets(host: str, port: int, count: int) -> list[socket.socket]:
    """So many sockets that listen on one port, one for each process: the system gives each its share of connections.

    Raises:
        OSError: as ``free_port``: the port belongs to the processes that share it, and to nobody else.
    """
    port = free_port(host, port)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return [socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=True) for _ in range(count)]
