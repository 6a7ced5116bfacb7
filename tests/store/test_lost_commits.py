"""Connections to PostgreSQL that are lost, or mute, at the worst moment: what callers are told, and what is stored."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from countermand.service.calls import Done, Failed
from countermand.store.engines.protocol import Database, UnavailableError
from tests.store.holding import all_given_back, assert_sound
from tests.store.proxied import proxied
from tests.store.speaking import Sale, new_sale, once
from tests.support.pgnode import Node
from tests.support.pgproxy import Fault, PgProxy
from tests.support.world import Clock, World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def behind(postgres: Node, clock: Clock) -> AsyncIterator[tuple[World, PgProxy]]:
    async with proxied(postgres, clock) as both:
        yield both


@pytest.fixture
def world(behind: tuple[World, PgProxy]) -> World:
    return behind[0]


@pytest.fixture
def proxy(behind: tuple[World, PgProxy]) -> PgProxy:
    return behind[1]


async def _run(database: Database, statement: str) -> None:
    await database.write(lambda connection: connection.exec_driver_sql(statement))


async def _said(sale: Sale) -> Any:
    return await sale.say(sale.ship(1), once=once())


@pytest.mark.parametrize("fault", Fault)
async def test_a_commit_that_nobody_confirms_is_told_as_unknown(world: World, proxy: PgProxy, fault: Fault) -> None:
    sale = await new_sale(world)
    proxy.disturb("COMMIT;", fault)
    assert await _said(sale) == Failed(unknown=True)
    assert proxy.was_disturbed
    await all_given_back(world.application.database)
    stored = fault.reaches_the_server
    again = await _said(sale)
    assert isinstance(again, Done)
    assert again.replayed == stored, "who repeats with the key learns what became of it"
    assert await sale.buckets() == (4, 0, 0, 1)
    await assert_sound(world.application.database)


@pytest.mark.parametrize("text", ["BEGIN", "FOR UPDATE"])
@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER])
async def test_a_connection_lost_before_the_commit_is_not_noticed(
    world: World, proxy: PgProxy, fault: Fault, text: str
) -> None:
    sale = await new_sale(world)
    proxy.disturb(text, fault)
    outcome = await _said(sale)
    assert proxy.was_disturbed
    assert isinstance(outcome, Done)
    assert not outcome.replayed
    assert await sale.buckets() == (4, 0, 0, 1)
    await assert_sound(world.application.database)


async def test_all_calls_of_a_lost_batch_are_told_the_same(world: World, proxy: PgProxy) -> None:
    sales = [await new_sale(world) for _ in range(5)]
    proxy.disturb("COMMIT;", Fault.LOST_AFTER)
    assert await asyncio.gather(*map(_said, sales)) == [Failed(unknown=True)] * 5
    again = await asyncio.gather(*map(_said, sales))
    assert {each.replayed for each in again} == {True}


@pytest.mark.parametrize("text", ["FOR UPDATE", "COMMIT;"])
async def test_a_caller_that_leaves_while_the_server_thinks_does_not_stop_its_batch(
    world: World, proxy: PgProxy, text: str
) -> None:
    sale = await new_sale(world)
    reached = asyncio.Event()
    proxy.disturb(text, Fault.LOST_AFTER, reached.set)
    calling = asyncio.create_task(_said(sale))
    await reached.wait()
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    await world.application.lanes.drain()
    assert await sale.buckets() == (4, 0, 0, 1)
    await all_given_back(world.application.database)


async def test_a_commit_that_the_server_refuses_is_told_as_unknown(world: World, proxy: PgProxy) -> None:
    """A constraint that is checked late: nothing is stored, and the connection is not used again."""
    sale = await new_sale(world)
    database = world.application.database
    await _run(database, "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'never'; END $$")
    await _run(
        database,
        "CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON lines DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        " EXECUTE FUNCTION never()",
    )
    assert await _said(sale) == Failed(unknown=True)
    assert await sale.buckets() == (5, 0, 0, 0)
    await _run(database, "DROP TRIGGER late ON lines")
    assert isinstance(await _said(sale), Done)


async def test_a_line_that_somebody_changed_under_the_lock_is_noticed(world: World) -> None:
    """A trigger that swallows an update stands for whatever makes a row go: no call is told that it was done."""
    sale = await new_sale(world)
    database = world.application.database
    await _run(database, "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$")
    await _run(database, "CREATE TRIGGER swallow BEFORE UPDATE ON lines FOR EACH ROW EXECUTE FUNCTION swallow()")
    assert await _said(sale) == Failed()
    assert [event["kind"] for event in await sale.events()] == ["line.placed"]


@pytest.mark.parametrize("times", [1, 2])
async def test_a_read_takes_another_connection_where_one_does_not_work(
    world: World, proxy: PgProxy, times: int
) -> None:
    """Only one after the other: then the database counts as away, which its callers are told."""
    sale = await new_sale(world)
    proxy.disturb("REPEATABLE READ", Fault.LOST_BEFORE, times=times)
    if times == 1:
        assert await sale.buckets() == (5, 0, 0, 0)
    else:
        with pytest.raises(UnavailableError):
            await sale.buckets()
    assert await sale.buckets() == (5, 0, 0, 0)
    await all_given_back(world.application.database)
