"""Lists at a standby: answered there while it is fit, at the primary while it is not, and never later than allowed."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from uuid import uuid4

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, text

from countermand.checks.configuration import check
from countermand.checks.finding import Finding, Level
from countermand.observability import metrics
from countermand.settings import Settings
from countermand.store.engines.opening import open_database
from countermand.store.engines.postgresql.standby import RETRY_S, Standby, UnfitError
from countermand.store.engines.protocol import UnsafeDatabaseError
from countermand.store.late_reads import may_be_late
from tests.support.pgnode import Node
from tests.support.world import Clock, running
from tests.wire.native.calling import opened_native

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("standby")]


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Node, Node]]:
    """A primary, and a standby that it does not wait for."""
    with Node(durable=False, synchronous_commit="on") as primary:
        standby = Node(durable=False)
        try:
            yield primary, standby.follow(primary, synchronous=False)
        finally:
            standby.destroy()


@pytest.fixture
def database(pair: tuple[Node, Node]) -> str:
    """One of this test's own, without tables."""
    name = f"standby_{uuid4().hex}"
    with psycopg.connect(pair[0].url(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return pair[0].url(name)


def on(node: Node, url: str) -> str:
    return node.url(url.rpartition("/")[2])


@contextmanager
def late() -> Iterator[None]:
    token = may_be_late.set(True)
    try:
        yield
    finally:
        may_be_late.reset(token)


@contextmanager
def stopped(standby: Node, url: str) -> Iterator[None]:
    """What arrives at the standby is not replayed."""
    with psycopg.connect(on(standby, url), autocommit=True) as connection:
        connection.execute("SELECT pg_wal_replay_pause()")
        while connection.execute("SELECT pg_get_wal_replay_pause_state()").fetchone() != ("paused",):
            pass
        try:
            yield
        finally:
            connection.execute("SELECT pg_wal_replay_resume()")


def where(connection: Connection) -> str:
    return "standby" if connection.execute(text("SELECT pg_is_in_recovery()")).scalar() else "primary"


def counted() -> dict[str, float]:
    return {name: metrics.STANDBY_READS.values.get((name,), 0) for name in ("read", "unfit")}


async def test_only_what_may_be_late_is_read_there(pair: tuple[Node, Node], database: str) -> None:
    primary, standby = pair
    standby.catch_up(primary)
    opened = await open_database(database, allow_weak_durability=True, standby=on(standby, database), standby_lag_s=60)
    try:
        assert await opened.standby_fault() is None
        before = counted()
        assert await opened.read(where) == "primary"
        with late():
            assert await opened.read(where) == "standby"
            assert await opened.read(where, heavy=True) == "primary"
            assert await opened.write(where) == "primary"
        assert counted() == {"read": before["read"] + 1, "unfit": before["unfit"]}
        assert await opened.standby_fault() is None
    finally:
        await opened.close()


async def test_lists_are_read_there_and_nothing_else(pair: tuple[Node, Node], database: str) -> None:
    primary, standby = pair
    async with opened_native(database, standby=on(standby, database), standby_lag_s=600) as native:
        order = await native.order(2)
        standby.catch_up(primary)
        assert await native.world.application.database.standby_fault() is None
        before = counted()
        for path in ("/v1/orders", "/v1/cancellations", "/v1/lines"):
            assert (await native.call("GET", path, native.retailer)).status_code == 200
        after = counted()
        assert after["read"] >= before["read"] + 3
        await native.call("GET", f"/v1/orders/{order.id}", native.retailer)
        await native.call("GET", "/v1/events", native.retailer)
        await native.asked({"line": str(order.lines[0].id), "units": 1}, asker="retailer")
        assert counted() == after


async def test_one_that_is_too_far_behind_is_not_asked_before_it_has_caught_up(
    pair: tuple[Node, Node], database: str
) -> None:
    primary, standby = pair
    now = [0.0]
    async with _standby_of(primary, standby, database, 5.0, lambda: now[0]) as asked:
        assert await asked.fault() is None
        assert await asked.read(where) == "standby"
        with stopped(standby, database):
            _write(primary, database)
            # What it shows is as old as the last mark, which is well within five seconds.
            now[0] += 4
            assert await asked.read(where) == "standby"
            now[0] += 4
            with pytest.raises(UnfitError, match=r"has not come to where its primary was 4\.0 s ago"):
                await asked.read(where)
        assert await asked.fault() is None
        assert await asked.read(where) == "standby"


async def test_an_idle_primary_makes_nothing_late(pair: tuple[Node, Node], database: str) -> None:
    primary, standby = pair
    now = [0.0]
    standby.catch_up(primary)
    async with _standby_of(primary, standby, database, 5.0, lambda: now[0]) as asked:
        for _ in range(3):
            assert await asked.fault() is None
            assert await asked.read(where) == "standby"
            now[0] += 3_600


async def test_a_primary_that_does_nothing_else_keeps_no_half_a_record_to_itself(
    pair: tuple[Node, Node], database: str
) -> None:
    """Records that no transaction ends with are written in whole pages: the last one is cut in two."""
    primary, standby = pair
    async with _standby_of(primary, standby, database, 60.0, time.monotonic) as asked:
        with psycopg.connect(on(primary, database), autocommit=True) as connection:
            [before] = connection.execute("SELECT pg_current_wal_lsn()").fetchone() or ()
            connection.execute("SELECT pg_logical_emit_message(false, 'countermand', repeat('x', 20000))")
            while connection.execute("SELECT pg_current_wal_lsn() > %s", (before,)).fetchone() != (True,):
                pass
        assert await asked.fault() is None


async def test_one_that_is_away_is_left_alone_for_a_while(database: str) -> None:
    opened = await open_database(
        database, allow_weak_durability=True, standby="postgresql://nobody@127.0.0.1:1/none", standby_lag_s=60
    )
    try:
        with late():
            assert await opened.read(where) == "primary"
            assert await opened.read(where) == "primary"
        assert await opened.standby_fault() == "It could not be reached a moment ago."
    finally:
        await opened.close()
    now, calls = [0.0], list[int]()

    async def away(question: object) -> str:
        calls.append(1)
        raise ConnectionRefusedError("away")

    async def at_primary(question: object) -> int:
        return 7

    asked: Standby = Standby(away, at_primary, 5.0, lambda: now[0])
    for _ in range(3):
        with pytest.raises(UnfitError):
            await asked.read(where)
    assert len(calls) == 1
    now[0] += RETRY_S
    with pytest.raises(UnfitError, match="did not answer: away"):
        await asked.read(where)
    assert len(calls) == 2


async def test_a_server_that_follows_nobody_is_no_standby(database: str) -> None:
    opened = await open_database(database, allow_weak_durability=True, standby=database)
    try:
        with late():
            assert await opened.read(where) == "primary"
        assert await opened.standby_fault() == "It follows no other server."
    finally:
        await opened.close()


async def test_a_check_says_how_it_is(pair: tuple[Node, Node], database: str) -> None:
    async with running(database, Clock()):
        pass
    pair[1].catch_up(pair[0])
    found = partial(_found, database)
    assert (await found(on(pair[1], database))).level is Level.FINE
    wrong = await found(database)
    assert (wrong.level, wrong.sentence) == (Level.WARNING, "It follows no other server.")
    away = await found("postgresql://nobody:hunter2@127.0.0.1:1/none")
    assert (away.level, "hunter2" in str(away)) == (Level.WARNING, False)


@pytest.mark.parametrize("address", ["postgresql://db?nonsense=1", "mysql://db"])
async def test_an_address_that_makes_no_sense_is_refused(database: str, address: str) -> None:
    with pytest.raises(UnsafeDatabaseError):
        await open_database(database, allow_weak_durability=True, standby=address)


async def test_a_file_has_none(sqlite_url: str) -> None:
    with pytest.raises(UnsafeDatabaseError, match="a SQLite file has none"):
        await open_database(sqlite_url, standby="postgresql://db/x")


async def _found(database: str, standby: str) -> Finding:
    settings = Settings(
        database=database, standby=SecretStr(standby), standby_lag_s=60, allow_losing_acknowledged_calls=True
    )
    [the_one] = [each for each in await check(settings, ()) if each.name == "standby"]
    return the_one


def _write(primary: Node, url: str) -> None:
    with psycopg.connect(on(primary, url), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS written (id int)")
        connection.execute("INSERT INTO written VALUES (1)")


@asynccontextmanager
async def _standby_of(
    primary: Node, standby: Node, url: str, lag_s: float, clock: Callable[[], float]
) -> AsyncIterator[Standby]:
    standby.catch_up(primary)
    async with AsyncExitStack() as opened:
        here = await open_database(url, allow_weak_durability=True)
        opened.push_async_callback(here.close)
        there = await open_database(on(standby, url), allow_weak_durability=True)
        opened.push_async_callback(there.close)
        yield Standby(there.read, here.read, lag_s, clock)
