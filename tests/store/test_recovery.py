"""A database that goes away and comes back: the lane goes on without a restart, and says what it does not know."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from structlog.testing import capture_logs

from countermand.service.calls import Call, Done, Failed, Refused
from countermand.store import tables as t
from countermand.store.engines.postgresql.engine import PostgresEngine
from countermand.store.engines.protocol import CommitUnknownError, Database, UnavailableError, ping
from tests.store.holding import all_given_back, rows
from tests.store.speaking import Sale, new_sale, once
from tests.store.watching import lane_of, listening, until, writer
from tests.support import templates
from tests.support.pgnode import Node
from tests.support.waiting import HANGS_S
from tests.support.world import Clock, World, populate, running

pytestmark = pytest.mark.anyio

KILL = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'countermand'"


@pytest.fixture
def lose(world: World) -> Iterator[Callable[[], None]]:
    """Cut every connection of the service, without its knowledge; on SQLite, close the writer's file."""
    database = world.application.database
    if database.engine.name == "sqlite":
        yield lambda: _close_file(database)
        return
    url = make_url(world.application.settings.database).set(drivername="postgresql+psycopg")
    admin = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    yield lambda: _kill(admin)
    admin.dispose()


def _kill(admin: Engine) -> None:
    with admin.connect() as connection:
        connection.execute(text(f"{KILL} AND datname = current_database()"))


def _close_file(database: Database) -> None:
    fairy = writer(database).raw_connection()
    raw = fairy.dbapi_connection
    fairy.close()
    assert raw is not None
    raw.close()


async def both_work(sale: Sale) -> None:
    """A write and a read by the service."""
    before = await sale.buckets()
    await sale.done(sale.ship(1))
    assert await sale.buckets() == (before[0] - 1, *before[1:3], before[3] + 1)


async def test_connections_lost_between_two_calls_are_not_noticed(world: World, lose: Callable[[], None]) -> None:
    sale = await new_sale(world)
    for _ in range(3):
        await asyncio.to_thread(lose)
        await sale.done(sale.ship(1))
    assert await sale.buckets() == (2, 0, 0, 3)


async def test_connections_lost_under_a_batch_are_not_noticed_by_its_callers(
    world: World, lose: Callable[[], None]
) -> None:
    sale = await new_sale(world, 20)
    await asyncio.to_thread(lose)
    outcomes = await asyncio.gather(*(sale.say(sale.ship(1)) for _ in range(10)))
    assert {type(outcome) for outcome in outcomes} == {Done}
    assert await sale.buckets() == (10, 0, 0, 10)


async def test_a_connection_lost_within_a_batch_has_its_effect_once(
    postgres_world: World, kill: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale = await new_sale(postgres_world, 20)
    killed: list[str] = []
    write = PostgresEngine.write

    def at(self: PostgresEngine, *rows: Any) -> None:
        if len(killed) < 2:
            killed.append("before the rows are written")
            _kill(kill)
            ping(rows[0])
        write(self, *rows)

    with monkeypatch.context() as patch:
        patch.setattr(PostgresEngine, "write", at)
        outcomes = await asyncio.gather(*(sale.say(sale.ship(1)) for _ in range(5)))
    assert len(killed) == 2
    assert {type(outcome) for outcome in outcomes} == {Done}
    assert await sale.buckets() == (15, 0, 0, 5)


async def test_a_connection_lost_at_the_commit_is_told_as_unknown(postgres_world: World, kill: Engine) -> None:
    sale = await new_sale(postgres_world)
    database = postgres_world.application.database
    killed: list[bool] = []

    def at(connection: Any) -> None:
        if not killed:
            killed.append(True)
            _kill(kill)

    with listening(writer(database), "commit", at):
        outcome = await sale.say(sale.ship(1), once=once())
    assert outcome == Failed(unknown=True)
    await all_given_back(database)
    done = await sale.done(sale.ship(1), once=once())
    assert not done.replayed, "it had not been stored"
    assert await sale.buckets() == (4, 0, 0, 1)


async def test_who_repeats_an_unknown_call_with_its_key_learns_what_became_of_it(world: World) -> None:
    lane, database = await lane_of(world)
    sale = await new_sale(world)
    real = database.write

    async def stored_but_unheard(work: Any) -> Any:
        await real(work)
        raise CommitUnknownError

    call = Call(command=sale.ship(1), door="test", once=once())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "write", stored_but_unheard)
        assert await lane.submit(call) == Failed(unknown=True)
    again = await lane.submit(call)
    assert isinstance(again, Done)
    assert again.replayed
    assert await sale.buckets() == (4, 0, 0, 1)


async def test_a_deadlock_with_a_stranger_is_waited_out(postgres_world: World) -> None:
    """Somebody's script locks lines in the wrong order. PostgreSQL ends our transaction, and the lane tries again."""
    sale = await new_sale(postgres_world, 1, 1)
    low, high = sorted(sale.lines)
    stranger = create_async_engine(
        make_url(postgres_world.application.settings.database).set(drivername="postgresql+asyncpg"),
        poolclass=NullPool,
        isolation_level="READ COMMITTED",
    )
    lock = text("SELECT 1 FROM lines WHERE id = :line FOR UPDATE")
    async with stranger.connect() as connection, stranger.connect() as looking:
        await connection.execute(text("SET deadlock_timeout = '1min'"))
        await connection.execute(lock, {"line": high})
        with capture_logs() as logs:
            cancelling = asyncio.create_task(sale.say(sale.cancel_order()))

            async def is_waiting() -> bool:
                await looking.rollback()
                waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
                return bool((await looking.execute(waiting)).scalar_one())

            await until(is_waiting)
            await asyncio.wait_for(connection.execute(lock, {"line": low}), HANGS_S)
            await connection.commit()
            assert isinstance(await cancelling, Done)
    await stranger.dispose()
    assert [each["event"] for each in logs if each["log_level"] != "info"] == ["batch_failed"]
    assert [await sale.buckets(place) for place in (0, 1)] == [(0, 1, 0, 0)] * 2


async def test_a_server_that_is_down_is_told_at_once_and_its_return_needs_no_restart(clock: Clock) -> None:
    with templates.node() as node:
        async with running(node.url(templates.FILLED), clock) as application:
            sale = await new_sale(await populate(application, clock))
            await both_work(sale)
            for how in ("fast", "kill"):
                await asyncio.to_thread(node.stop, how)
                outcomes = await asyncio.wait_for(asyncio.gather(*(sale.say(sale.ship(1)) for _ in range(30))), HANGS_S)
                assert set(outcomes) == {Failed()}
                await asyncio.to_thread(node.start)
                await both_work(sale)
            await all_given_back(application.database)
            assert await sale.buckets() == (2, 0, 0, 3)


async def test_a_server_that_hangs_counts_as_away_and_is_used_again_when_it_answers(clock: Clock) -> None:
    with templates.node() as node:
        async with running(node.url(templates.FILLED), clock) as application:
            sale = await new_sale(await populate(application, clock))
            await both_work(sale)
            hung = processes_of(node)
            for process in hung:
                os.kill(process, signal.SIGSTOP)
            try:
                application.database._timeout_s = 1.0  # type: ignore[attr-defined]
                outcome = await asyncio.wait_for(sale.say(sale.ship(1)), HANGS_S)
                with pytest.raises(UnavailableError):
                    await asyncio.wait_for(sale.buckets(), HANGS_S)
            finally:
                application.database._timeout_s = HANGS_S  # type: ignore[attr-defined]
                for process in hung:
                    os.kill(process, signal.SIGCONT)
            assert outcome == Failed(unknown=True)
            await until_answered(sale)
            await both_work(sale)
            await all_given_back(application.database)


def processes_of(node: Node) -> list[int]:
    """The server and the processes of its connections, each of which leads a group of its own."""
    assert node.process
    server = node.process.pid
    return [server, *map(int, Path(f"/proc/{server}/task/{server}/children").read_text().split())]


async def until_answered(sale: Sale) -> None:
    """Whatever was stored or not, the service works again within the limit."""

    async def answered() -> bool:
        try:
            await sale.buckets()
        except UnavailableError:
            return False
        return True

    await until(answered)


def open_files() -> list[int]:
    """What this process has open, by number."""
    return [int(number) for number in os.listdir("/proc/self/fd")]


async def test_a_file_that_cannot_be_read_counts_as_away(sqlite_world: World) -> None:
    """The numbers that this process has for the file are lent to handles that can only write it."""
    database = sqlite_world.application.database
    path = str(sqlite_world.application.settings.sqlite_path)
    question = "SELECT count(*), max(name) FROM parties"

    def unreadable(connection: Any) -> None:
        connection.exec_driver_sql(question).all()
        connection.exec_driver_sql("PRAGMA shrink_memory")
        named = {fd: os.path.realpath(f"/proc/self/fd/{fd}") for fd in open_files()}
        kept = {fd: os.dup(fd) for fd, name in named.items() if name in (path, f"{path}-wal")}
        try:
            for fd in kept:
                blind = os.open(named[fd], os.O_WRONLY)
                os.dup2(blind, fd)
                os.close(blind)
            connection.exec_driver_sql(question).all()
        finally:
            for fd, copy in kept.items():
                os.dup2(copy, fd)
                os.close(copy)

    with pytest.raises(UnavailableError):
        await database.read(unreadable)
    assert len(await rows(database, t.parties)) == 5


async def test_a_full_disk_fails_writes_and_not_reads(sqlite_world: World) -> None:
    sale = await new_sale(sqlite_world)
    database = sqlite_world.application.database
    await database.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1"))
    order = [sqlite_world.order(*[1] * 1_000) for _ in range(3)]
    outcomes = await asyncio.gather(*order, return_exceptions=True)
    assert all(isinstance(outcome, AssertionError) for outcome in outcomes)
    assert len(await sale.events()) == 1
    await database.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 4294967294"))
    await sqlite_world.order(*[1] * 1_000)
    await both_work(sale)


async def test_a_reader_that_fails_leaves_its_connection_behind(world: World) -> None:
    database = world.application.database

    def fail(connection: Any) -> None:
        connection.execute(text("SELECT 1"))
        raise ZeroDivisionError

    for _ in range(20):
        with pytest.raises(ZeroDivisionError):
            await database.read(fail)
        with pytest.raises(ZeroDivisionError):
            await database.write(fail)
    await all_given_back(database)
    assert len(await rows(database, t.parties)) == 5


async def test_a_caller_that_leaves_a_read_or_a_write_leaks_no_connection(world: World) -> None:
    database = world.application.database
    for action in (database.read, database.write):
        for _ in range(12):
            task = asyncio.create_task(action(lambda connection: connection.execute(text("SELECT 1")).scalar()))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
    sale = await new_sale(world)
    refused = await sale.refused(sale.accept())
    assert isinstance(refused, Refused)
    await all_given_back(database)


@pytest.fixture
async def postgres_world(postgres_url: str, clock: Clock) -> Any:
    async with running(postgres_url, clock) as application:
        yield await populate(application, clock)
        await application.lanes.drain()
        await all_given_back(application.database)


@pytest.fixture
def kill(postgres_url: str) -> Iterator[Engine]:
    """A way to the server that is not the service's."""
    admin = create_engine(
        postgres_url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    yield admin
    admin.dispose()
