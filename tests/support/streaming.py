"""Answers by Server-Sent Events, read as they come, without sockets in between."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from countermand.wire.limits import Asgi
from tests.support.waiting import HANGS_S


@dataclass(frozen=True, kw_only=True)
class Event:
    id: str
    kind: str
    document: dict[str, Any]


@dataclass(kw_only=True)
class Stream:
    """A caller that reads a stream."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    ended: bool = False
    came: asyncio.Condition = field(default_factory=asyncio.Condition)
    leave: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def parts(self) -> list[bytes]:
        return bytes(self.body).split(b"\n\n")[:-1]

    @property
    def events(self) -> list[Event]:
        found = []
        for part in self.parts:
            members = dict(line.split(b": ", 1) for line in part.split(b"\n") if not line.startswith(b":"))
            if b"data" in members:
                document = json.loads(members[b"data"])
                found.append(Event(id=members[b"id"].decode(), kind=members[b"event"].decode(), document=document))
        return found

    @property
    def kinds(self) -> list[str]:
        return [each.kind for each in self.events]

    async def until(self, count: int) -> list[Event]:
        async with asyncio.timeout(HANGS_S), self.came:
            await self.came.wait_for(lambda: len(self.events) >= count or self.ended)
        return self.events

    async def until_begun(self) -> None:
        async with asyncio.timeout(HANGS_S), self.came:
            await self.came.wait_for(lambda: bool(self.body) or self.ended)

    async def until_ended(self) -> None:
        async with asyncio.timeout(HANGS_S), self.came:
            await self.came.wait_for(lambda: self.ended)


@asynccontextmanager
async def streaming(
    asgi: Asgi, path: str, headers: Mapping[str, str], query: Mapping[str, Any], method: str = "GET"
) -> AsyncIterator[Stream]:
    """Call, and read until the block ends: then the caller goes away."""
    stream = Stream()
    sent = {"host": "test", **headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": urlencode(query, doseq=True).encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
    }
    unread = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if unread:
            return unread.pop()
        await stream.leave.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        async with stream.came:
            if message["type"] == "http.response.start":
                stream.status = message["status"]
                stream.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                stream.body += message.get("body", b"")
                stream.ended = not message.get("more_body", False)
            stream.came.notify_all()

    async def answering() -> None:
        await asgi(scope, receive, send)

    call = asyncio.create_task(answering())
    try:
        yield stream
    finally:
        stream.leave.set()
        async with asyncio.timeout(HANGS_S):
            await call
