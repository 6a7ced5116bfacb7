"""PostgreSQL goes by keys, however few rows a table has: by its own counters of tables that were read whole."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection

from countermand.ids import show
from countermand.store.engines.opening import open_database
from countermand.store.engines.postgresql.database import PostgresDatabase
from countermand.store.engines.postgresql.planner import BY_KEYS
from countermand.store.migrations import migrate
from tests.store.speaking import Sale, new_sale
from tests.support.plans import SMALL
from tests.support.world import Clock, World, populate, running

pytestmark = pytest.mark.anyio

FREELY = {**dict.fromkeys(BY_KEYS, "on"), "plan_cache_mode": "auto"}


def planner(connection: Connection) -> dict[str, Any]:
    return {name: connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in BY_KEYS}


@pytest.fixture(params=[False, True], ids=["direct", "pooled"])
async def database(request: pytest.FixtureRequest, postgres_url: str) -> AsyncIterator[PostgresDatabase]:
    opened = await open_database(postgres_url, pooled=request.param, allow_weak_durability=True)
    assert isinstance(opened, PostgresDatabase)
    yield opened
    await opened.close()


async def test_only_heavy_reads_are_planned_freely(database: PostgresDatabase) -> None:
    assert await database.write(planner) == BY_KEYS
    assert await database.read(planner) == BY_KEYS
    assert await database.read(planner, heavy=True) == FREELY


async def test_so_is_a_migration_and_nothing_after_it(database: PostgresDatabase) -> None:
    def migrated(connection: Connection) -> dict[str, Any]:
        migrate(connection)
        return planner(connection)

    ways = {name for name in BY_KEYS if name.startswith("enable_")}
    assert {(await database.write(migrated))[name] for name in ways} == {"on"}
    assert await database.write(planner) == BY_KEYS


def read_whole(url: str) -> dict[str, int]:
    """How often each table that grows was, by all who have let go of the database."""
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute("SELECT relname, seq_scan FROM pg_stat_user_tables").fetchall()
    return {table: count for table, count in rows if count and table not in SMALL}


async def _lives(sale: Sale) -> None:
    await sale.done(sale.ask(1))
    await sale.done(sale.decline())
    await sale.done(sale.ask(1))
    await sale.done(sale.accept())
    await sale.done(sale.ship(1))
    await sale.done(sale.cancel_own(1))


async def _is_looked_at(world: World, sale: Sale) -> None:
    order, line, cancellation = show("ord", sale.order), show("lin", sale.lines[0]), show("can", sale.asked)
    paths = (
        *(f"/v1/orders/{order}", f"/v1/lines/{line}", f"/v1/cancellations/{cancellation}"),
        *(f"/v1/cancellations?order={order}", "/v1/cancellations?state=accepted", "/v1/orders?limit=5", "/v1/events"),
        *(f"/v1/timeline/{order}", "/v1/shipments", f"/v1/shipments?order={order}", f"/orders/{sale.order}/"),
    )
    async with world.client() as client:
        for party in (world.retailer, world.supplier):
            token = world.tokens[party]
            for path in paths:
                word = "Bearer" if path.startswith("/v1/") else "Token"
                answer = await client.get(path, headers={"Authorization": f"{word} {token}"})
                assert answer.status_code == 200, (path, answer.text)


async def test_no_table_that_grows_is_read_whole(postgres_url: str, clock: Clock) -> None:
    async with running(postgres_url, clock, lanes=2) as application:
        world = await populate(application, clock)
        sales = [await new_sale(world, 4) for _ in range(3)]
        before = read_whole(postgres_url)
        for sale in sales:
            await _lives(sale)
            await _is_looked_at(world, sale)
    assert read_whole(postgres_url) == before
