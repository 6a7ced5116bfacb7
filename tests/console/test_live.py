"""What open pages are told: which of the things that they show have changed, until their log-in or the service ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import pytest
from sqlalchemy import Connection

from countermand.admin import web_sessions
from countermand.admin.callers import PLATFORM
from countermand.console import live
from countermand.domain.commands import AcceptCancellation, AskCancellation, NoteCancellation, Reassign
from countermand.ids import show
from countermand.reads import arrivals as arrivals_module
from countermand.reads.events import EventFilter, event_keys_shown, list_events
from countermand.reads.scope import Scope
from countermand.service.calls import Done
from tests.console.visiting import Person, operator, person
from tests.support.money import place_paid
from tests.support.streaming import Stream
from tests.support.streaming import streaming as of_path
from tests.support.waiting import HANGS_S
from tests.support.world import Clock, World, populate, running

pytestmark = pytest.mark.anyio

EVERYTHING: Final = {"changed": "all"}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for company."""
    monkeypatch.setattr(live, "GATHER_S", 0.0)
    monkeypatch.setattr(live, "LINGER_S", 0.0)


@asynccontextmanager
async def looking(
    who: Person, *about: str, after: str = "", last: str = "", method: str = "GET"
) -> AsyncIterator[Stream]:
    query = {"about": about, **({"after": after} if after else {})}
    headers = {**who.headers, **({"last-event-id": last} if last else {})}
    async with of_path(who.world.asgi, live.PATH, headers, query, method) as stream:
        yield stream


def told(stream: Stream) -> list[Any]:
    return [each.document for each in stream.events]


async def asked(world: World, **changes: Any) -> tuple[Any, Any]:
    """A line, and a cancellation of it that waits."""
    order = await place_paid(world, **changes)
    line = order.lines[0].id
    done = await world.submit(
        AskCancellation(line=line, actor=world.actor(world.retailer), units=2), retailer=world.retailer
    )
    assert isinstance(done, Done)
    return line, done.cancellations[0]


async def note(world: World, line: Any, cancellation: Any) -> None:
    # The same note twice would be one.
    text = f"Note {world.application.ids.new().hex}"
    command = NoteCancellation(line=line, actor=world.actor(world.retailer), cancellation=cancellation, note=text)
    assert isinstance(await world.submit(command, retailer=world.retailer), Done)


async def accept(world: World, line: Any, cancellation: Any) -> None:
    yes = AcceptCancellation(line=line, actor=world.actor(world.supplier), cancellation=cancellation)
    assert isinstance(await world.submit(yes, retailer=world.retailer), Done)


async def test_a_page_is_told_what_of_it_has_changed(world: World) -> None:
    line, cancellation = await asked(world)
    who, can = await operator(world), show("can", cancellation)
    async with looking(who, can) as object_page, looking(who, "cancellations", "refunds") as today:
        # Nobody looked when these pages were made, so they look again at once.
        await object_page.until(1)
        await today.until(1)
        assert told(object_page) == told(today) == [EVERYTHING]
        assert object_page.headers["x-accel-buffering"] == "no"
        assert object_page.headers["content-type"].startswith("text/event-stream")
        await note(world, line, cancellation)
        await object_page.until(2)
        await accept(world, line, cancellation)
        await today.until(3)
    assert told(object_page)[1] == {"changed": [can]}
    assert {"changed": ["cancellations"]} in told(today)
    assert any("refunds" in each["changed"] for each in told(today)[1:])
    assert {each.kind for each in today.events} == {"changed"}


async def test_a_page_that_was_told_up_to_its_beginning_is_told_nothing_twice(world: World) -> None:
    line, cancellation = await asked(world)
    who, can = await operator(world), show("can", cancellation)
    async with looking(who, "orders") as other:
        await other.until(1)
        page = await who.look(f"/console/cancellations/{can}")
        cursor = page.text.partition('data-cursor="')[2].partition('"')[0]
        async with looking(who, can, after=cursor) as stream:
            await stream.until_begun()
            await note(world, line, cancellation)
            await stream.until(1)
        assert told(stream) == [{"changed": [can]}]
        await other.until(2)
        # What came while the connection was broken is told when it is there again, from wherever it broke off.
        await note(world, line, cancellation)
        await other.until(3)
        async with looking(who, can, after=cursor, last=stream.events[-1].id) as again:
            await again.until(1)
        assert told(again) == [{"changed": [can]}]
        async with looking(who, can, after=cursor, last=other.events[-1].id) as nothing:
            await nothing.until_begun()
            await note(world, line, cancellation)
            await nothing.until(1)
        assert told(nothing) == [{"changed": [can]}]


@pytest.mark.parametrize("cursor", ["", "x", "1-", "-1", "99999999999999999999999-" + "f" * 32, "0-" + "0" * 32, "é"])
async def test_a_cursor_that_says_nothing_means_look_again(world: World, cursor: str) -> None:
    who = await operator(world)
    async with looking(who, "orders") as first, looking(who, "orders", after=cursor) as stream:
        await first.until(1)
        await asked(world)
        await stream.until(1)
    assert stream.status == 200
    assert told(stream)[0]["changed"] in ("all", ["orders"])


async def test_each_sees_its_own_world(world: World) -> None:
    """Whoever names a thing of others is not told about it, nor a supplier about money."""
    people = {
        "retailer": await person(world, world.retailer),
        "other retailer": await person(world, world.other_retailer),
        "supplier": await person(world, world.supplier),
        "other supplier": await person(world, world.other_supplier),
    }
    line, cancellation = await asked(world)
    names = (show("can", cancellation), show("lin", line), "cancellations", "orders", "refunds")
    async with AsyncExitStack() as stack:
        streams = {name: await stack.enter_async_context(looking(who, *names)) for name, who in people.items()}
        watcher = await stack.enter_async_context(looking(await operator(world), *names))
        for each in (*streams.values(), watcher):
            await each.until(1)
        await accept(world, line, cancellation)
        for name in ("retailer", "supplier"):
            await streams[name].until(2)
        # The last word of each is about an order of their own.
        for retailer, supplier in ((world.retailer, world.supplier), (world.other_retailer, world.other_supplier)):
            await world.order(fulfillers=[supplier], retailer=retailer)
        for each in (*streams.values(), watcher):
            await _until_told(each, "orders")
    seen = {
        name: {each for told_of in told(stream)[1:] for each in told_of["changed"]} for name, stream in streams.items()
    }
    assert seen["retailer"] == set(names)
    assert seen["supplier"] == set(names) - {"refunds"}
    assert seen["other retailer"] == seen["other supplier"] == {"orders"}


async def _until_told(stream: Stream, name: str) -> None:
    async with asyncio.timeout(HANGS_S), stream.came:
        await stream.came.wait_for(lambda: any(name in each["changed"] for each in told(stream)[1:]))


async def test_what_was_given_away_and_what_is_held_back(world: World) -> None:
    """A line that is given to another is news to both; an order that is held is none to its supplier."""
    [line] = (await world.order(3)).lines
    first, second = await person(world, world.supplier), await person(world, world.other_supplier)
    async with looking(first, "orders") as one, looking(second, "orders") as other:
        await one.until(1)
        await other.until(1)
        await world.order(fulfillers=[world.other_supplier], held=True)
        give = Reassign(line=line.id, actor=world.actor(world.retailer), fulfiller=world.other_supplier, note="")
        assert isinstance(await world.submit(give, retailer=world.retailer), Done)
        await one.until(2)
        await other.until(2)
    scope = world.scope(world.other_supplier)

    def of_held(connection: Connection) -> tuple[list[Any], list[Any]]:
        rows, _ = list_events(connection, Scope(party=PLATFORM, kind=world.scope(PLATFORM).kind), EventFilter())
        keys = [(each.retailer_id, each.line_id, each.seq) for each in rows]
        seen, _ = list_events(connection, scope, EventFilter())
        mine = [(each.retailer_id, each.line_id, each.seq) for each in seen]
        return sorted(event_keys_shown(connection, scope, keys)), sorted(mine)

    shown, listed = await world.application.database.read(of_held)
    assert shown == listed


async def test_a_flood_tells_every_page_to_look_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "READ_AT_ONCE", 2)
    who = await operator(world)
    async with looking(who, "can_" + "0" * 32) as stream:
        await stream.until(1)
        await world.order(1, 1, 1, 1)
        await stream.until(2)
    assert told(stream) == [EVERYTHING, EVERYTHING]


async def test_what_is_kept_for_those_who_come_back_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "KEPT", 2)
    who = await operator(world)
    async with looking(who, "orders") as stream:
        await stream.until(1)
        for place in range(5):
            await world.order()
            await stream.until(2 + place)
        ids = [each.id for each in stream.events]
        async with looking(who, "orders", last=ids[1]) as late, looking(who, "orders", last=ids[4]) as soon:
            await late.until(1)
            await soon.until(1)
    assert (told(late), told(soon)) == ([EVERYTHING], [{"changed": ["orders"]}])


async def test_it_ends_when_the_log_in_does(world: World) -> None:
    who = await operator(world)
    async with looking(who, "orders") as stream, looking(await operator(world), "orders") as of_another:
        await stream.until(1)
        await of_another.until(1)
        assert (await who.post("/console/logout", {})).status_code == 303
        await stream.until_ended()
        assert stream.events[-1].kind == "ended"
        assert not of_another.ended
        assert len(of_another.events) == 1


async def test_a_log_out_while_log_ins_are_checked_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "CHECK_S", HANGS_S)
    who, logged_out = await operator(world), asyncio.Event()
    database = type(world.application.database)
    read = database.read

    async def and_log_out(self: Any, question: Any) -> Any:
        found = await read(self, question)
        if getattr(question, "func", None) is web_sessions.still_counting and not logged_out.is_set():
            logged_out.set()
            assert (await who.post("/console/logout", {})).status_code == 303
        return found

    monkeypatch.setattr(database, "read", and_log_out)
    async with looking(who, "orders") as stream:
        await stream.until_ended()
    assert logged_out.is_set()
    assert stream.events[-1].kind == "ended"


async def test_it_ends_when_the_log_in_expires(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "CHECK_S", 0.02)
    who = await operator(world)
    async with looking(who, "orders") as stream:
        await stream.until(1)
        world.clock.advance(hours=13)
        await stream.until_ended()
    assert stream.events[-1].kind == "ended"


async def test_the_service_ends_it(database_url: str, clock: Clock) -> None:
    async with running(database_url, clock) as application:
        world = await populate(application, clock)
        async with looking(await operator(world), "orders") as stream:
            await stream.until(1)
            application.arrivals.close()
            await stream.until_ended()
    assert [each.kind for each in stream.events] == ["changed"]


async def test_silence_is_broken_without_telling_anything(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SILENT_S", 0.01)
    async with looking(await operator(world), "orders") as stream, asyncio.timeout(HANGS_S), stream.came:
        await stream.came.wait_for(lambda: len(stream.parts) >= 5)
    assert stream.parts[0] == b"retry: 3000"
    assert all(part.startswith(b"id: ") and b"\n" not in part for part in stream.parts[2:])


async def test_pages_are_bounded_by_log_in_and_in_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one log-in the latest are told: that an earlier page has gone may not have shown yet."""
    monkeypatch.setattr(live, "STREAMS_OF_SESSION", 2)
    monkeypatch.setattr(live, "STREAMS_MAX", 3)
    first, second = await operator(world), await operator(world)
    async with AsyncExitStack() as stack:
        mine = []
        for _ in range(3):
            mine.append(await stack.enter_async_context(looking(first, "orders")))
            await mine[-1].until(1)
        await mine[0].until_ended()
        assert [each.ended for each in mine] == [True, False, False]
        assert mine[0].events[-1].kind == "crowded"
        await (await stack.enter_async_context(looking(second, "orders"))).until(1)
        async with looking(second, "orders") as too_many:
            await too_many.until_ended()
        assert (too_many.status, too_many.headers["retry-after"]) == (503, "60")
    async with looking(first, "orders") as again:
        await again.until(1)
        assert again.status == 200


async def test_who_is_not_logged_in_is_told_not_to_ask_again(world: World) -> None:
    async with looking(Person(world, "", ""), "orders") as stream:
        await stream.until_ended()
    assert (stream.status, bytes(stream.body)) == (204, b"")


async def test_head_and_other_methods(world: World) -> None:
    who = await operator(world)
    async with looking(who, "orders", method="HEAD") as stream:
        await stream.until_ended()
    assert (stream.status, bytes(stream.body)) == (200, b"")
    assert (await who.post(live.PATH, {})).status_code == 405


async def test_many_pages_that_look_ask_the_database_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that changes something makes one read for all of them."""
    monkeypatch.setattr(arrivals_module, "LOOK_EVERY_S", HANGS_S)
    people = [await operator(world) for _ in range(4)]
    database, reads = world.application.database, 0
    read = type(database).read

    async def counting(self: Any, question: Any) -> Any:
        nonlocal reads
        reads += 1
        return await read(self, question)

    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(looking(who, "orders")) for who in people for _ in range(5)]
        for each in streams:
            await each.until(1)
        monkeypatch.setattr(type(database), "read", counting)
        for _ in range(200):
            await asyncio.sleep(0)
        assert reads == 0
        await world.order()
        for each in streams:
            await each.until(2)
        # One reads the news; looking after the log-ins may be another.
        assert reads <= 2


async def test_a_page_names_what_it_shows(world: World) -> None:
    line, cancellation = await asked(world)
    who = await operator(world)
    pages = {
        "/console/": "cancellations refunds",
        "/console/cancellations?view=all": "cancellations",
        f"/console/cancellations/{show('can', cancellation)}": show("can", cancellation),
        f"/console/cancellations/{show('can', cancellation)}/accept": show("can", cancellation),
        f"/console/lines/{show('lin', line)}/ask": show("lin", line),
        "/console/webhooks": "",
    }
    for path, about in pages.items():
        page = await who.look(path)
        assert f'data-about="{about}"' in page.text, path
