"""A proxy in front of a PostgreSQL server: it counts what is asked of the server, and loses connections when told."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from types import TracebackType
from typing import Self


class Fault(Enum):
    """What happens to a message: the server never gets it, or it does and its answer is never heard."""

    LOST_BEFORE = auto()
    LOST_AFTER = auto()
    HELD_BACK = auto()
    UNANSWERED = auto()

    @property
    def reaches_the_server(self) -> bool:
        return self in (Fault.LOST_AFTER, Fault.UNANSWERED)

    @property
    def ends_the_connection(self) -> bool:
        return self in (Fault.LOST_BEFORE, Fault.LOST_AFTER)


@dataclass(slots=True)
class PgProxy:
    """``asked`` has the SQL of each round trip, in order."""

    port_behind: int
    host_behind: str = "127.0.0.1"
    asked: list[str] = field(default_factory=list)
    port: int = 0
    _faults: list[tuple[str, Fault, Callable[[], None]]] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for each in self._serving:
            each.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    def disturb(self, text: str, fault: Fault, meanwhile: Callable[[], None] = lambda: None, *, times: int = 1) -> None:
        """Let this befall the next round trips whose SQL holds this text; ``meanwhile`` is called just then."""
        self._faults = [(text, fault, meanwhile)] * times

    @property
    def was_disturbed(self) -> bool:
        """Whether the fault that was ordered has happened."""
        return not self._faults

    def take(self, sql: str) -> Fault | None:
        """Note a round trip, and what befalls it."""
        self.asked.append(sql)
        if not self._faults or self._faults[0][0] not in sql:
            return None
        _, fault, meanwhile = self._faults.pop()
        meanwhile()
        return fault

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            there = await asyncio.open_connection(self.host_behind, self.port_behind)
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await _Session(self, reader, writer, *there).run()
        finally:
            self._serving.discard(task)


class _Session:
    """One connection of a client. Messages are those of the protocol's version 3."""

    def __init__(
        self,
        proxy: PgProxy,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._client, self._to_client = client, to_client
        self._server, self._to_server = server, to_server
        self._prepared: dict[bytes, str] = {}
        self._sql = ""
        self._lost = asyncio.Event()
        self._fault: Fault | None = None

    async def run(self) -> None:
        ways = [asyncio.create_task(self._ask()), asyncio.create_task(self._answer())]
        ways.append(asyncio.create_task(self._lost.wait()))  # type: ignore[arg-type]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ways:
                each.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for writer in (self._to_client, self._to_server):
                # Not closed: what is still to be written must not reach anybody.
                writer.transport.abort()

    async def _ask(self) -> None:
        """Messages of the client. Those that wait for an answer count: simple queries, ``Sync``, ``Flush``."""
        size = await self._client.readexactly(4)
        self._to_server.write(size + await self._client.readexactly(int.from_bytes(size, "big") - 4))
        held: list[bytes] = []
        while True:
            head = await self._client.readexactly(5)
            body = await self._client.readexactly(int.from_bytes(head[1:], "big") - 4)
            held.append(head + body)
            if not self._is_round_trip(head[:1], body):
                continue
            fault = self._proxy.take(self._sql)
            if fault is Fault.LOST_BEFORE:
                self._lost.set()
                return
            self._fault = self._fault or fault
            if fault is None or fault.reaches_the_server:
                self._to_server.writelines(held)
            held.clear()

    def _is_round_trip(self, kind: bytes, body: bytes) -> bool:
        match kind:
            case b"P":
                name, sql, _ = body.split(b"\0", 2)
                self._sql = self._prepared[name] = sql.decode()
            case b"B":
                self._sql = self._prepared.get(body.split(b"\0", 2)[1], "")
            case b"Q":
                self._sql = body[:-1].decode()
            case b"S" | b"H":
                return True
            case b"p" | b"X":
                # A password, and the end: sent at once, and no question.
                self._sql = ""
                return True
            case _:
                return False
        return kind == b"Q"

    async def _answer(self) -> None:
        while data := await self._server.read(65536):
            if self._fault is None:
                self._to_client.write(data)
            elif self._fault.ends_the_connection:
                self._lost.set()
                return
