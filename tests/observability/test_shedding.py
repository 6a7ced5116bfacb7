"""A call for which there is no room is turned away at once, in its API's own words, and nothing of it is done."""

import asyncio
import gc
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from countermand import turns
from countermand.http_server import RARELY, ConnectionLimits
from countermand.wire.response import goes_on
from tests.support.world import World
from tests.test_http_server import echo, served, until, words

pytestmark = pytest.mark.anyio

LIMITS = ConnectionLimits(total=100, per_address=100, idle_s=3600, header_s=3600, write_stall_s=3600, calls=1)
ONE = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"


class Held:
    """An application that answers nothing until it may."""

    def __init__(self, *, endless: bool = False) -> None:
        self.begun = 0
        self.may = asyncio.Event()
        self._endless = endless

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/healthz":
            await echo(scope, receive, send)
            return
        self.begun += 1
        if self._endless:
            goes_on(scope)
        await self.may.wait()
        await echo(scope, receive, send)


@asynccontextmanager
async def full(app: Held) -> AsyncIterator[int]:
    """A server whose only place is taken, until the end."""
    async with served(app, LIMITS) as (server, port):
        first = asyncio.create_task(words(port, LAST))
        await until(lambda: app.begun == 1 and len(server.guard.answering) == (0 if app._endless else 1))
        yield port
        app.may.set()
        assert (await first).startswith(b"HTTP/1.1 200 ")
        await until(lambda: not server.guard.answering)


async def test_a_call_without_room_is_refused_and_nothing_of_it_is_done() -> None:
    app = Held()
    async with full(app) as port:
        answer = await words(port, LAST)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"retry-after: 1" in head
        assert json.loads(body)["detail"].startswith("There is too much to do")
        assert app.begun == 1


async def test_the_connection_stays_and_its_next_call_is_answered_once_there_is_room() -> None:
    app = Held()
    async with served(app, LIMITS) as (server, port):
        first = asyncio.create_task(words(port, LAST))
        await until(lambda: len(server.guard.answering) == 1)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n{}")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 503 ")
        app.may.set()
        await first
        await until(lambda: not server.guard.answering)
        writer.write(LAST)
        assert b"HTTP/1.1 200 " in await reader.read()
        writer.close()


async def test_the_loop_waits_less_for_threads_and_for_the_garbage_collector_while_calls_are_turned_away() -> None:
    def waits() -> tuple[float, tuple[int, int, int]]:
        return round(sys.getswitchinterval(), 6), gc.get_threshold()

    usual, short = waits(), (turns.SHORT_S, RARELY)
    assert usual[0] > short[0]
    async with full(Held()) as port:
        assert waits() == usual
        assert b" 503 " in await words(port, LAST)
        assert waits() == short
        await until(lambda: waits() == usual)
        assert b" 503 " in await words(port, LAST)
    assert waits() == usual, "a server that has stopped leaves it as it was"


async def test_probes_are_answered_all_the_same() -> None:
    async with full(Held()) as port:
        answer = await words(port, b"GET /healthz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_call_of_which_half_has_come_takes_no_place() -> None:
    app = Held()
    async with served(app, LIMITS) as (server, port):
        _, slow = await asyncio.open_connection("127.0.0.1", port)
        slow.write(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\n{")
        await until(lambda: app.begun == 1)
        assert not server.guard.answering
        app.may.set()
        assert (await words(port, LAST)).startswith(b"HTTP/1.1 200 ")
        slow.close()


async def test_a_stream_without_end_takes_no_place() -> None:
    app = Held(endless=True)
    async with full(app) as port:
        second = asyncio.create_task(words(port, LAST))
        await until(lambda: app.begun == 2)
        app.may.set()
        assert (await second).startswith(b"HTTP/1.1 200 ")


WORDS = [
    ("/v1/cancellations", b"application/problem+json", b'"code":"unavailable"', b'"code":"internal"'),
    ("/orders/items/cancel/1/", b"application/json", b'"detail":', b'"detail":"Something went wrong'),
    ("/services/rest/orders/v2", b"application/xml", b"<", b"Something went wrong here"),
    ("/retailer/orders", b"json", b'"status":503', b'"status":500'),
    ("/answer/forged", b"text/html", b"<html", b"Something went wrong here"),
    ("/console/", b"text/html", b"There is too much to do", b"Something went wrong here"),
    ("/v1/providers/stripe/webhook", b"application/json", b'"code":"unavailable"', b'"code":"internal"'),
]
"""Paths of each API, its media type, what it says where there is no room, and what after a fault of ours."""


@pytest.mark.parametrize(("path", "media_type", "_", "said"), WORDS, ids=lambda value: str(value)[:20])
async def test_each_api_says_in_its_own_words_that_something_went_wrong_here(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch, path: str, media_type: bytes, _: bytes, said: bytes
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("broken")

    app: Any = sqlite_world.asgi
    door = app._door(path)
    monkeypatch.setattr(app, "_door", lambda _: replace(door, app=broken))
    async with sqlite_world.client() as client:
        answer = await client.get(path, headers={"Request-Id": "fault-of-ours"})
    assert (answer.status_code, media_type.decode() in answer.headers["content-type"]) == (500, True)
    assert said in answer.content
    assert b"broken" not in answer.content
    if door.name == "native":
        problem = answer.json()
        assert (problem["request_id"], answer.headers["request-id"]) == ("fault-of-ours", "fault-of-ours")
        assert (problem["retryable"], problem["type"].endswith("/problems/internal")) == (True, True)


@pytest.mark.parametrize(("path", "media_type", "said", "_"), WORDS, ids=lambda value: str(value)[:20])
async def test_each_api_says_it_in_its_own_words(
    sqlite_world: World, path: str, media_type: bytes, said: bytes, _: bytes
) -> None:
    app: Any = sqlite_world.asgi
    reply = app.busy({"type": "http", "method": "GET", "path": path, "headers": []})
    assert reply.status == 503
    assert media_type in reply.media_type
    assert said in reply.body
    assert b"retry-after" in dict(reply.headers)
