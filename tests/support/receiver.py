"""A tiny HTTP receiver on loopback: it notes what arrives and answers as it is told, well or badly."""

import asyncio
import gzip
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.support.waiting import HANGS_S, give_up

REASONS = {200: "OK", 204: "No Content", 410: "Gone", 429: "Too Many Requests", 500: "Internal Server Error"}


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request, as it arrived. Names of headers are small."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answer(status: int = 204, body: bytes = b"", **headers: str) -> Behaviour:
    """Answer like this; ``retry_after`` becomes ``retry-after``."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        length = "" if status == 204 else f"content-length: {len(body)}\r\n"
        writer.write(f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\n{length}{more}\r\n".encode() + body)
        await writer.drain()

    return answered


def raw(data: bytes, *, then_close: bool = True) -> Behaviour:
    """Answer with these bytes, whatever they are."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if then_close:
            writer.close()

    return answered


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the request and say nothing until the caller goes away."""
    await reader.read()
    writer.close()


async def silent_in_vain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As ``silent``, for a caller in the same event loop, whose time to wait is over at once."""
    give_up()
    await silent(reader, writer)


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the connection without an answer."""
    writer.close()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reset the connection."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def drip(start: bytes, every_s: float = 0.01) -> Behaviour:
    """Send ``start``, then a byte from time to time, for ever."""

    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(every_s)

    return dripping


def flood(start: bytes, piece: bytes, times: int) -> Behaviour:
    """Send ``start``, then ``piece`` so many times, as fast as the caller reads."""

    async def flooding(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        for _ in range(times):
            if writer.is_closing():
                return
            writer.write(piece)
            await writer.drain()

    return flooding


def gzip_bomb(megabytes: int) -> Behaviour:
    """Zeros without number, compressed to very little."""
    body = gzip.compress(b"\0" * megabytes * 1_000_000)
    return answer(500, body, content_encoding="gzip")


class Loopback:
    """Listens on loopback, has each request taken, and takes its connections along when it ends."""

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Begin. Returns the port."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(self._serve, host, port, ssl=tls)
        chosen: int = self._server.sockets[0].getsockname()[1]
        return chosen

    async def take(self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a request, or do worse."""
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        async with asyncio.timeout(HANGS_S):
            await self._server.wait_closed()
            while self._writers:  # noqa: ASYNC110 - each leaves by itself
                await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while not writer.is_closing():
                    await self.take(await read_request(reader), reader, writer)
        finally:
            self._writers.discard(writer)
            writer.transport.abort()


@dataclass(kw_only=True)
class Receiver(Loopback):
    """Listens on a free port of loopback. ``script`` answers the next requests, then ``otherwise`` does."""

    script: list[Behaviour] = field(default_factory=list)
    otherwise: Behaviour = field(default_factory=answer)
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    requests: list[Received] = field(default_factory=list)
    connections: int = 0

    async def __aenter__(self) -> Self:
        self.port = await self.listen(self.host, 0, self.tls)
        return self

    @property
    def url(self) -> str:
        """Where it listens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}/hook"

    async def received(self, count: int, within_s: float = HANGS_S) -> list[Received]:
        """Wait until so many requests have arrived."""
        async with asyncio.timeout(within_s):
            while len(self.requests) < count:  # noqa: ASYNC110 - a limit is set above
                await asyncio.sleep(0.005)
        return self.requests

    async def take(self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Note it, and answer as the script says."""
        self.requests.append(request)
        behaviour = self.script.pop(0) if self.script else self.otherwise
        await behaviour(reader, writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await super()._serve(reader, writer)


async def read_request(reader: asyncio.StreamReader) -> Received:
    """One request, whole."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")[:-2]
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method=method, target=target, headers=headers, body=body)
