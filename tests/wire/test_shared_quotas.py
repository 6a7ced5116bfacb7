"""Quotas of several processes on one PostgreSQL: what one has answered counts in the others."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from sqlalchemy import event, func, select

from countermand.store import quotas
from countermand.store import tables as t
from countermand.store.engines.opening import open_database
from countermand.store.engines.postgresql.database import PostgresDatabase
from countermand.store.engines.protocol import Database, UnavailableError
from countermand.wire.rates import ANSWER_WITHIN_S, Rates, SharedQuotas
from tests.support import templates
from tests.support.pgnode import Node
from tests.support.world import Clock, World, populate, running
from tests.wire.test_throttle import call

pytestmark = pytest.mark.anyio

KIND = "x"


@pytest.fixture
async def databases(postgres: Node) -> AsyncIterator[list[PostgresDatabase]]:
    """One PostgreSQL as two processes have it."""
    url = templates.new_database(postgres)
    opened = [await open_database(url, allow_weak_durability=True) for _ in range(2)]
    assert all(isinstance(each, PostgresDatabase) for each in opened)
    try:
        yield opened  # type: ignore[misc]
    finally:
        for each in opened:
            await each.close()


@asynccontextmanager
async def counting(databases: list[PostgresDatabase], clock: Clock, quota: str) -> AsyncIterator[list[Rates]]:
    shared = [SharedQuotas(each, clock) for each in databases]
    try:
        yield [Rates({KIND: quota}, each) for each in shared]
    finally:
        for each in shared:
            await each.settle()


async def told(process: Rates) -> None:
    """Until it has told what it owes."""
    assert process._shared is not None
    if process._shared._telling is not None:
        await asyncio.wait({process._shared._telling})


@contextmanager
def transactions(database: PostgresDatabase) -> Iterator[list[str]]:
    """What a process asks its database to write."""
    seen: list[str] = []

    def note(*given: Any) -> None:
        seen.append(given[2])

    event.listen(database._writer.sync_engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database._writer.sync_engine, "before_cursor_execute", note)


async def test_a_small_quota_is_exact_in_whatever_process_a_call_comes(databases: Any, clock: Clock) -> None:
    async with counting(databases, clock, "5/minute") as processes:
        answers = [await processes[number % 2].allows("key", KIND, clock()) for number in range(8)]
        assert answers == [True] * 5 + [False] * 3
        clock.advance(seconds=12)
        assert [await each.allows("key", KIND, clock()) for each in processes] == [True, False]
        assert await processes[1].allows("another", KIND, clock())


async def test_calls_at_once_in_both_share_a_small_quota_exactly(databases: Any, clock: Clock) -> None:
    async with counting(databases, clock, "25/minute") as processes:
        answers = await asyncio.gather(*(each.allows("key", KIND, clock()) for each in processes for _ in range(40)))
        assert sum(answers) == 25


async def test_a_large_quota_is_never_exceeded_and_costs_few_transactions(databases: Any, clock: Clock) -> None:
    async with counting(databases, clock, "10000/minute") as processes:
        allowed = 0
        with transactions(databases[0]) as mine, transactions(databases[1]) as others:
            for _ in range(9):
                for each in processes:
                    allowed += sum([await each.allows("key", KIND, clock()) for _ in range(500)])
            assert allowed == 9000
            assert len([each for each in mine + others if each.startswith("INSERT")]) <= 9000 / 100 * 1.5
        for _ in range(20):
            for each in processes:
                allowed += sum([await each.allows("key", KIND, clock()) for _ in range(50)])
        assert allowed == 10_000


async def test_what_is_given_back_in_one_process_is_back_in_the_other(databases: Any, clock: Clock) -> None:
    async with counting(databases, clock, "2/hour") as processes:
        one, other = processes
        assert [await one.allows("key", KIND, clock()) for _ in range(3)] == [True, True, False]
        assert not await other.allows("key", KIND, clock())
        one.give_back("key", KIND, clock())
        await told(one)
        clock.advance(seconds=2)
        assert [await other.allows("key", KIND, clock()) for _ in range(2)] == [True, False]
        other.forget("key", KIND, clock())
        await told(other)
        clock.advance(seconds=2)
        assert [await one.allows("key", KIND, clock()) for _ in range(3)] == [True, True, False]


async def test_a_refusal_is_repeated_without_asking_the_database(databases: Any, clock: Clock) -> None:
    async with counting(databases, clock, "1/hour") as processes:
        assert [await processes[0].allows("key", KIND, clock()) for _ in range(2)] == [True, False]
        with transactions(databases[0]) as seen:
            assert not any([await processes[0].allows("key", KIND, clock()) for _ in range(100)])
        assert seen == []


async def test_a_clock_that_is_behind_takes_nothing_away(databases: Any, clock: Clock) -> None:
    behind = Clock(clock())
    behind.advance(seconds=-30)
    async with counting(databases, clock, "2/minute") as processes:
        assert [await processes[0].allows("key", KIND, clock()) for _ in range(2)] == [True, True]
        assert not await processes[1].allows("key", KIND, behind())
        clock.advance(seconds=30)
        assert await processes[0].allows("key", KIND, clock())


async def test_a_database_that_is_away_or_hangs_leaves_each_process_its_own_count(
    databases: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with counting(databases, clock, "2/hour") as processes:

        async def away(_: Database, __: object) -> None:
            raise UnavailableError

        with monkeypatch.context() as patched:
            patched.setattr(PostgresDatabase, "write", away)
            assert [await processes[0].allows("key", KIND, clock()) for _ in range(3)] == [True, True, False]
        # What was counted meanwhile is told when it answers again.
        assert not await processes[0].allows("key", KIND, clock())
        assert not await processes[1].allows("key", KIND, clock())

        async def hang(_: Database, __: object) -> None:
            await asyncio.Event().wait()

        with monkeypatch.context() as patched:
            patched.setattr(PostgresDatabase, "write", hang)
            patched.setattr("countermand.wire.rates.ANSWER_WITHIN_S", ANSWER_WITHIN_S / 100)
            assert await processes[1].allows("another", KIND, clock())
            for each in processes:
                task = each._shared and each._shared._telling
                if task:
                    task.cancel()


async def test_rows_of_full_quotas_are_dropped(databases: Any, clock: Clock) -> None:
    async with counting(databases, clock, "2/minute") as processes:
        for number in range(3):
            await processes[0].allows(number, KIND, clock())
        clock.advance(seconds=20)
        await processes[0].allows("late", KIND, clock())
        clock.advance(seconds=20)
        dropped = await databases[0].write(lambda connection: quotas.drop_full(connection, clock()))
        left = await databases[0].read(lambda c: c.execute(select(func.count()).select_from(t.quota_counts)).scalar())
    assert (dropped, left) == (3, 1)


# At the doors


@asynccontextmanager
async def two_services(url: str, clock: Clock, **settings: Any) -> AsyncIterator[tuple[World, World]]:
    """Two services on one database, with the same parties."""
    async with running(url, clock, **settings) as one, running(url, clock, **settings) as other:
        world = await populate(one, clock)
        given = {name: getattr(world, name) for name in ("retailer", "other_retailer", "supplier", "other_supplier")}
        yield world, World(application=other, clock=clock, tokens=world.tokens, **given)


async def test_a_token_has_one_quota_in_both_services(postgres: Node, clock: Clock) -> None:
    async with two_services(templates.new_database(postgres), clock, call_limit="3/minute") as services:
        headers = {"authorization": f"Bearer {services[0].tokens[services[0].retailer]}"}
        answers = [await call(services[number % 2], "GET", "/v1/events", **headers) for number in range(5)]
        assert [each.status for each in answers] == [200, 200, 200, 429, 429]
        assert [each.headers["ratelimit"] for each in answers[:3]] == [
            '"calls";r=2;t=20',
            '"calls";r=1;t=40',
            '"calls";r=0;t=60',
        ]


async def test_wrong_passwords_and_tokens_count_in_both_services(postgres: Node, clock: Clock) -> None:
    url = templates.new_database(postgres)
    async with two_services(url, clock, login_limit="4/minute", wrong_token_limit="4/minute") as services:
        body = b'{"username": "ada@shoes.example", "password": "wrong"}'
        login = [
            (await call(services[number % 2], "POST", "/organizations/user-login/", body)).status for number in range(6)
        ]
        assert login == [401] * 4 + [429] * 2
        wrong = {"authorization": "Bearer wrong"}
        guesses = [(await call(services[number % 2], "GET", "/v1/events", **wrong)).status for number in range(6)]
        assert guesses == [401] * 4 + [429] * 2
