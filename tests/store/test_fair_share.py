"""Reads take turns: a party that asks for much waits for itself, and what takes too long is stopped."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from countermand.store.engines.opening import open_database
from countermand.store.engines.protocol import Database, TooBroadError, UnavailableError
from countermand.store.fair_share import SHARE, WAITING_MAX, FairShare, TooManyReadsError, reading_party

pytestmark = pytest.mark.anyio

GREEDY, MODEST, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)


async def settled() -> None:
    """Let all that can go on go on."""
    for _ in range(10):
        await asyncio.sleep(0)


def asked(turns: FairShare, party: UUID | None, count: int = 1) -> list["asyncio.Task[None]"]:
    return [asyncio.create_task(turns.acquire(party)) for _ in range(count)]


def have_places(tasks: list["asyncio.Task[None]"]) -> int:
    return sum(task.done() for task in tasks)


async def cancelled(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("places", [1, 2, 4, 8, 100])
async def test_a_party_has_no_more_than_its_share_at_once(places: int) -> None:
    turns = FairShare(places)
    greedy = asked(turns, GREEDY, 2 * places)
    await settled()
    assert have_places(greedy) == max(1, places // SHARE)
    await cancelled(*greedy)


async def test_others_find_a_place_at_once_however_many_of_one_party_wait() -> None:
    turns = FairShare(4)
    greedy = asked(turns, GREEDY, 50)
    await settled()
    others = [*asked(turns, MODEST), *asked(turns, THIRD), *asked(turns, None)]
    await settled()
    assert (have_places(greedy), have_places(others)) == (1, 3)
    await cancelled(*greedy)


async def test_those_who_wait_take_turns() -> None:
    turns = FairShare(1)
    await turns.acquire(THIRD)
    order: list[UUID] = []

    async def read(party: UUID) -> None:
        await turns.acquire(party)
        order.append(party)
        turns.release(party)

    waiting = [asyncio.create_task(read(party)) for party in (GREEDY, GREEDY, GREEDY, MODEST, MODEST)]
    await settled()
    turns.release(THIRD)
    await asyncio.gather(*waiting)
    assert order == [GREEDY, MODEST, GREEDY, MODEST, GREEDY]


async def test_what_the_service_asks_for_itself_goes_first_and_has_no_share() -> None:
    turns = FairShare(2)
    own = asked(turns, None, 3)
    greedy = asked(turns, GREEDY, 3)
    await settled()
    assert (have_places(own), have_places(greedy)) == (2, 0)
    turns.release(None)
    await settled()
    assert (have_places(own), have_places(greedy)) == (3, 0)
    await cancelled(*greedy)


async def test_too_many_that_wait_are_refused_at_once_and_others_are_not() -> None:
    turns = FairShare(1)
    await turns.acquire(THIRD)
    greedy = asked(turns, GREEDY, WAITING_MAX)
    await settled()
    with pytest.raises(TooManyReadsError):
        await turns.acquire(GREEDY)
    modest = asked(turns, MODEST)
    await settled()
    turns.release(THIRD)
    turns.release(GREEDY)
    await settled()
    assert have_places(modest) == 1
    await cancelled(*greedy, *modest)


async def test_whoever_gives_up_takes_no_place() -> None:
    turns = FairShare(1)
    await turns.acquire(THIRD)
    [gone], [stays] = asked(turns, GREEDY), asked(turns, GREEDY)
    await settled()
    await cancelled(gone)
    turns.release(THIRD)
    await settled()
    assert stays.done()
    [late] = asked(turns, MODEST)
    await settled()
    turns.release(GREEDY)
    # It has the place by now and does not know yet.
    await cancelled(late)
    [next_one] = asked(turns, THIRD)
    await settled()
    assert next_one.done()


# On the engines


def endless(database: Database) -> Callable[[Connection], object]:
    """A question that takes for ever."""
    statement = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "postgresql": "SELECT count(*) FROM generate_series(1, 1000000000000)",
    }[database.engine.name]
    return lambda connection: connection.execute(text(statement)).scalar()


def quick(connection: Connection) -> object:
    return connection.execute(text("SELECT 1")).scalar()


async def test_a_read_that_takes_too_long_is_stopped_and_the_next_one_is_not(database_url: str) -> None:
    database = await open_database(database_url, allow_weak_durability=True, read_timeout_s=0.2)
    try:
        for _ in range(3):
            with pytest.raises(TooBroadError, match=r"more than it may in 0\.2 s"):
                await database.read(endless(database))
            assert await database.read(quick) == 1
        assert await database.write(quick) == 1
    finally:
        await database.close()


async def test_while_one_party_reads_for_ever_others_are_answered(database_url: str) -> None:
    """Its own next read waits for the ones before: each of them ends with the limit. Nobody else's waits so long."""
    database = await open_database(database_url, allow_weak_durability=True, read_timeout_s=1.0)

    async def read(party: UUID, question: Callable[[Connection], object]) -> object:
        reading_party.set(party)
        return await database.read(question)

    try:
        greedy = [asyncio.create_task(read(GREEDY, endless(database))) for _ in range(3)]
        await settled()
        answers = [await asyncio.create_task(read(party, quick)) for party in (MODEST, THIRD) for _ in range(5)]
        # No read of the greedy party has ended by then, so none of these waited for one.
        assert (answers, have_places(greedy)) == ([1] * 10, 0)  # type: ignore[arg-type]
        ended = await asyncio.gather(*greedy, return_exceptions=True)
        assert [type(each) for each in ended] == [TooBroadError] * 3
        own = [asyncio.create_task(read(GREEDY, quick)) for _ in range(WAITING_MAX * 2)]
        refused = [each for each in await asyncio.gather(*own, return_exceptions=True) if each != 1]
        assert refused
        assert {type(each) for each in refused} == {UnavailableError}
    finally:
        await database.close()
