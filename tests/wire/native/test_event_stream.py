"""GET /v1/events/stream: what is there, then what comes, until the caller, the token or the service ends it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from countermand.admin import credentials
from countermand.admin.audit import Author
from countermand.domain.commands import AcceptCancellation
from countermand.reads import arrivals as arrivals_module
from countermand.reads.events import list_events
from countermand.wire.native import event_stream
from tests.support.streaming import Stream
from tests.support.streaming import streaming as of_path
from tests.support.waiting import HANGS_S
from tests.wire.native.calling import Native, opened_native

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def streaming(
    native: Native, token: UUID | str, headers: dict[str, str] | None = None, method: str = "GET", **query: Any
) -> AsyncIterator[Stream]:
    token = native.world.tokens[token] if isinstance(token, UUID) else token
    sent = {"authorization": f"Bearer {token}", **(headers or {})}
    async with of_path(native.world.asgi, "/v1/events/stream", sent, query, method) as stream:
        yield stream


async def test_it_begins_with_what_is_there_and_goes_on_with_what_comes(native: Native) -> None:
    line = await native.line(3)
    async with streaming(native, native.retailer) as stream:
        await stream.until(1)
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "no-store"
        assert "content-length" not in stream.headers
        assert stream.parts[0] == b"retry: 3000"
        await native.asked({"line": str(line), "units": 2}, asker="retailer")
        await native.do(AcceptCancellation(line=line, actor=native.world.actor(native.world.supplier)))
        found = await stream.until(3)
    assert [each.kind for each in found] == ["line.placed", "cancellation.asked", "cancellation.accepted"]
    listed = (await native.call("GET", "/v1/events", native.retailer)).json()["events"]
    assert [each.document for each in found] == listed


async def test_any_cursor_resumes_it(native: Native) -> None:
    lines = [await native.line() for _ in range(5)]
    page = (await native.call("GET", "/v1/events?limit=2", native.retailer)).json()
    async with streaming(native, native.retailer, after=page["next"]) as stream:
        rest = await stream.until(3)
    assert [each.document["data"]["line"] for each in rest] == [str(each) for each in lines[2:]]
    for how in (
        {"headers": {"Last-Event-ID": rest[0].id}},
        {"after": rest[0].id},
        {"after": rest[0].document["id"]},
        {"headers": {"Last-Event-ID": rest[0].document["id"]}, "after": page["next"]},
    ):
        async with streaming(native, native.retailer, **how) as stream:
            again = await stream.until(2)
        assert again == rest[1:]
    after = (await native.call("GET", f"/v1/events?after={rest[0].id}", native.retailer)).json()["events"]
    assert after == [each.document for each in rest[1:]]


@pytest.mark.parametrize(
    ("how", "where"),
    [
        ({"headers": {"Last-Event-ID": "x"}}, {"in": "header", "name": "Last-Event-ID"}),
        ({"after": "x"}, {"in": "query", "name": "after"}),
        ({"type": "refund.*x"}, {"in": "query"}),
        ({"zone": "Nowhere/At"}, {"in": "query", "name": "zone"}),
    ],
)
async def test_what_makes_no_sense_is_refused_before_it_begins(
    native: Native, how: dict[str, Any], where: dict[str, str]
) -> None:
    async with streaming(native, native.retailer, **how) as stream:
        await stream.until_ended()
    problem = json.loads(bytes(stream.body))
    assert (stream.status, problem["code"]) == (422, "invalid")
    assert where.items() <= problem["errors"][0].items()


async def test_it_has_the_filters_of_the_list(native: Native) -> None:
    first, second = await native.line(3), await native.line(3)
    async with (
        streaming(native, native.retailer, type=["cancellation.*"]) as asks,
        streaming(native, native.retailer, line=str(second)) as of_line,
        streaming(native, native.world.other_supplier) as stranger,
    ):
        await of_line.until(1)
        await native.asked({"line": str(first), "units": 1})
        await native.asked({"line": str(second), "units": 1})
        await asks.until(2)
        await of_line.until(2)
    assert asks.kinds == ["cancellation.asked", "cancellation.asked"]
    assert of_line.kinds == ["line.placed", "cancellation.asked"]
    assert stranger.events == []


async def test_a_page_at_a_time_and_rare_kinds_among_many(native: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "EVENTS_AT_ONCE", 2)
    monkeypatch.setattr(event_stream, "LOOKS", 3)
    lines = [await native.line(2) for _ in range(7)]
    await native.asked({"line": str(lines[0]), "units": 1})
    for line in lines[1:5]:
        await native.asked({"line": str(line), "units": 2})
    async with (
        streaming(native, native.retailer) as all_of_it,
        streaming(native, native.retailer, type="cancellation.asked") as asks,
    ):
        await all_of_it.until(12)
        await asks.until(5)
    assert all_of_it.kinds == 7 * ["line.placed"] + 5 * ["cancellation.asked"]
    assert asks.kinds == 5 * ["cancellation.asked"]


async def test_it_ends_with_the_token(native: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "COMMENT_S", 0.02)
    world = native.world
    short = await native.token(native.retailer, expires_at=world.clock() + timedelta(hours=1))
    async with streaming(native, short) as stream:
        await stream.until_begun()
        world.clock.advance(hours=1)
        await stream.until_ended()
    token = await native.token(native.retailer, label="ends")
    async with streaming(native, token) as stream:
        await native.line()
        await stream.until(1)

        author = Author(name="test", door="test", at=world.clock(), ids=world.application.ids)
        await world.application.database.write(partial(credentials.revoke_token, author=author, secret=token))
        await stream.until_ended()
    assert len(stream.events) == 1


async def test_silence_is_broken_by_comments(native: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "COMMENT_S", 0.01)
    async with streaming(native, native.retailer) as stream, asyncio.timeout(HANGS_S), stream.came:
        await stream.came.wait_for(lambda: len(stream.parts) >= 3)
    assert stream.parts[1:3] == 2 * [b": nothing new"]


async def test_a_credential_has_ten(native: Native) -> None:
    async with contextlib.AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(streaming(native, native.retailer)) for _ in range(event_stream.STREAMS_MAX)
        ]
        for each in streams:
            await each.until_begun()
        async with streaming(native, native.retailer) as one_more:
            await one_more.until_ended()
        assert (one_more.status, json.loads(bytes(one_more.body))["code"]) == (409, "limit_reached")
        async with streaming(native, native.world.supplier) as of_another:
            await of_another.until_begun()
            assert of_another.status == 200
    async with streaming(native, native.retailer) as again:
        await again.until_begun()
        assert again.status == 200
    assert native.world.application.arrivals.number >= 0


async def test_the_service_ends_it(database_url: str) -> None:
    async with opened_native(database_url) as native, streaming(native, native.retailer) as stream:
        await stream.until_begun()
        native.world.application.arrivals.close()
        await stream.until_ended()
        assert stream.status == 200


async def test_head_ends_at_once(native: Native) -> None:
    async with streaming(native, native.retailer, method="HEAD") as stream:
        await stream.until_ended()
    assert (stream.status, bytes(stream.body)) == (200, b"")


async def test_until_is_its_end(native: Native) -> None:
    line = await native.line()
    now = native.world.clock()
    until = (now + timedelta(seconds=1)).isoformat()
    async with streaming(native, native.retailer, until=until) as stream:
        await stream.until(1)
        native.world.clock.advance(seconds=2)
        await native.asked(line)
        await stream.until_ended()
    assert stream.kinds == ["line.placed"]


async def test_what_another_process_commits_is_found(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals_module, "LOOK_EVERY_S", 0.01)
    async with opened_native(database_url) as native:
        arrivals = native.world.application.arrivals
        monkeypatch.setattr(type(arrivals), "announce", _quietly(type(arrivals).announce))
        async with streaming(native, native.retailer) as stream:
            await stream.until_begun()
            await native.line()
            found = await stream.until(1)
    assert [each.kind for each in found] == ["line.placed"]


def _quietly(announce: Any) -> Any:
    """Only what is looked for is heard of."""

    def heard(self: Any) -> None:
        task = asyncio.current_task()
        if task is not None and "_look_forever" in repr(task.get_coro()):
            announce(self)

    return heard


async def test_who_waits_asks_nothing(native: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    database = native.world.application.database
    reads: list[Any] = []
    has_read = asyncio.Event()
    read = type(database).read

    async def counted(self: Any, question: Any) -> Any:
        found = await read(self, question)
        reads.append(question)
        if getattr(question, "func", None) is list_events:
            has_read.set()
        return found

    monkeypatch.setattr(type(database), "read", counted)
    monkeypatch.setattr(arrivals_module, "LOOK_EVERY_S", HANGS_S)
    async with streaming(native, native.retailer) as stream:
        await stream.until_begun()
        await asyncio.wait_for(has_read.wait(), HANGS_S)
        # It has read what there is, and waits.
        for _ in range(200):
            await asyncio.sleep(0)
        before = len(reads)
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(reads) == before
