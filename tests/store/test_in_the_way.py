"""What others do meanwhile ends a statement that is right: a read is repeated, and nobody hears of an error of ours."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from countermand.store.engines.opening import open_database
from countermand.store.engines.protocol import Database, UnavailableError
from countermand.store.engines.transactions import change

pytestmark = pytest.mark.anyio

IN_THE_WAY = ["40001", "40P01"]
AWAY = ["08006", "53300", "57P03", "25006"]


def fails(connection: Connection, code: str, times: list[int]) -> int:
    """As the server ends a statement by this code, the first so many times."""
    if times[0]:
        times[0] -= 1
        connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'as told' USING ERRCODE = '{code}'; END $$")
    return 1


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    opened = await open_database(postgres_url, allow_weak_durability=True)
    yield opened
    await opened.close()


@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize("code", IN_THE_WAY)
async def test_a_read_is_repeated(database: Database, code: str, heavy: bool) -> None:
    assert await database.read(partial(fails, code=code, times=[2]), heavy=heavy) == 1


@pytest.mark.parametrize("code", [*IN_THE_WAY, *AWAY])
async def test_what_goes_on_failing_can_be_repeated_by_the_caller(database: Database, code: str) -> None:
    with pytest.raises(UnavailableError):
        await database.read(partial(fails, code=code, times=[99]))
    with pytest.raises(UnavailableError):
        await change(database, partial(fails, code=code, times=[1]))
    assert await database.read(partial(fails, code=code, times=[0])) == 1


@pytest.mark.parametrize("code", ["22012", "42P01", "P0001"])
async def test_a_wrong_statement_is_still_an_error(database: Database, code: str) -> None:
    times = [9]
    with pytest.raises(DBAPIError):
        await database.read(partial(fails, code=code, times=times))
    with pytest.raises(DBAPIError):
        await change(database, partial(fails, code=code, times=times))
    assert times == [7], "neither was repeated"


async def test_a_read_goes_on_when_a_table_changes_under_its_prepared_statement(
    postgres_url: str, database: Database
) -> None:
    def all_of_it(connection: Connection) -> list[Any]:
        return [tuple(row) for row in connection.execute(text("SELECT * FROM revisions ORDER BY name"))]

    before = await database.read(all_of_it)
    other = await asyncpg.connect(postgres_url)
    await other.execute("ALTER TABLE revisions ADD COLUMN note TEXT")
    assert await database.read(all_of_it) == [(*row, None) for row in before]
    await other.close()


async def test_a_read_that_waits_for_a_change_of_tables_that_waits_for_it_is_repeated(
    postgres_url: str, database: Database
) -> None:
    """Two tables in two orders: PostgreSQL ends one of them, here always the read, as only that one looks."""
    other = await asyncpg.connect(postgres_url)
    await other.execute("SET deadlock_timeout = '1h'")
    begun = other.transaction()
    await begun.start()
    await other.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
    loop, reading, tries = asyncio.get_running_loop(), asyncio.Event(), list[int]()

    def both(connection: Connection) -> int:
        tries.append(1)
        connection.execute(text("SET LOCAL deadlock_timeout = '10ms'"))
        connection.execute(text("SELECT count(*) FROM lines"))
        loop.call_soon_threadsafe(reading.set)
        return int(connection.execute(text("SELECT count(*) FROM events")).scalar_one())

    found = asyncio.ensure_future(database.read(both))
    await reading.wait()
    await other.execute("LOCK TABLE lines IN ACCESS EXCLUSIVE MODE")
    await begun.rollback()
    assert await found == 0
    assert len(tries) == 2
    await other.close()
