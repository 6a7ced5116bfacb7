"""Work whose caller has gone: once begun it runs to its end, and its connection comes back to the pool."""

import asyncio
import gc
import warnings
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from threading import Event

import pytest
from sqlalchemy import Connection, text

from countermand.store.engines.opening import open_database
from countermand.store.engines.postgresql.aside import Aside
from countermand.store.engines.protocol import Database, UnavailableError, Work
from tests.store.holding import connections_in_use
from tests.support.world import World

pytestmark = pytest.mark.anyio

TURNS = range(12)
"""After how many turns of the event loop the caller goes: before the connection, in the statement, after the answer."""


async def _leave_after(turns: int, task: asyncio.Task[int]) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _number(connection: Connection) -> int:
    return int(connection.execute(text("SELECT 1")).scalar_one())


KINDS = ["read", "heavy read", "write"]


async def _opened(url: str, kind: str) -> tuple[Database, Callable[[Work[int]], Awaitable[int]]]:
    database = await open_database(url, allow_weak_durability=True)
    return database, database.write if kind == "write" else partial(database.read, heavy=kind == "heavy read")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_connection_outlives_the_caller_that_leaves(database_url: str, kind: str) -> None:
    database, run = await _opened(database_url, kind)
    with warnings.catch_warnings(record=True) as answer:
        warnings.simplefilter("always")
        for turns in TURNS:
            await _leave_after(turns, asyncio.ensure_future(run(_number)))
        await database.close()
        gc.collect()
    assert not [str(warning.message) for warning in answer]
    assert connections_in_use(database) == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_begins_while_a_database_closes_or_afterwards(database_url: str, kind: str) -> None:
    """A connection taken then would be left to the garbage collector, in an event loop that has ended."""
    database, run = await _opened(database_url, kind)
    under_way = asyncio.ensure_future(run(_number))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(database.close())
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError):
        await run(_number)
    await closing
    with pytest.raises(UnavailableError):
        await run(_number)
    assert await under_way == 1
    assert connections_in_use(database) == 0


async def test_heavy_work_puts_away_what_it_has_before_its_loop_ends() -> None:
    aside, begun, put_away = Aside(), Event(), []

    async def work() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            for _ in TURNS:
                await asyncio.sleep(0)
            put_away.append("connection")

    async def close_pool() -> None:
        put_away.append("pool")

    task = asyncio.ensure_future(aside.run(work()))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    await aside.close(close_pool())
    assert put_away == ["connection", "pool"]


async def test_a_write_that_has_begun_is_committed_though_nobody_waits(world: World) -> None:
    database = world.application.database
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work(connection: Connection) -> int:
        number = _count_one_more(connection)
        loop.call_soon_threadsafe(begun.set)
        return number

    before = await database.write(_count_one_more)
    writing = asyncio.ensure_future(database.write(work))
    await begun.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    # This one waits for the row, or for the writer's thread, and so for the transaction that nobody waits for.
    assert await database.write(_count_one_more) == before + 2


def _count_one_more(connection: Connection) -> int:
    return int(connection.execute(text("UPDATE revisions SET number = number + 1 RETURNING number")).scalar_one())
