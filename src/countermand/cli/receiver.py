"""A receiver of webhooks, as a supplier would have one: for the demo, which starts it itself."""

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import h11

BODY_MAX: Final = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One call that arrived, with the names of its headers in small letters."""

    headers: dict[str, str]
    body: bytes


class Receiver:
    """Listens on loopback, takes every call with 204, and hands them out in the order in which they came."""

    def __init__(self) -> None:
        self._deliveries: asyncio.Queue[Delivery] = asyncio.Queue()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server:
            self._server.close()
        for writer in self._writers:
            writer.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        port = self._server.sockets[0].getsockname()[1] if self._server else 0
        return f"http://127.0.0.1:{port}/webhooks"

    async def next(self, wait_s: float) -> Delivery | None:
        """The next call, or nothing if none comes in time."""
        try:
            return await asyncio.wait_for(self._deliveries.get(), wait_s)
        except TimeoutError:
            return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        self._writers.add(writer)
        try:
            while await self._one_call(connection, reader, writer):
                connection.start_next_cycle()
        except (OSError, h11.RemoteProtocolError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _one_call(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        headers: dict[str, str] = {}
        body = b""
        while True:
            match connection.next_event():
                case h11.NEED_DATA:
                    connection.receive_data(await reader.read(65_536))
                case h11.Request(headers=given):
                    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in given}
                case h11.Data(data=data):
                    body = (body + bytes(data))[:BODY_MAX]
                case h11.EndOfMessage():
                    break
                case _:
                    return False
        self._deliveries.put_nowait(Delivery(headers=headers, body=body))
        answer = connection.send(h11.Response(status_code=204, headers=[])) or b""
        writer.write(answer + (connection.send(h11.EndOfMessage()) or b""))
        await writer.drain()
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE
