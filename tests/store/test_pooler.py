"""PgBouncer in transaction mode: each transaction may run on another server connection, and everything works."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from countermand.domain.commands import AskCancellation
from countermand.service.calls import Done
from tests.support import templates
from tests.support.pgbouncer import Pooler
from tests.support.pgnode import Node
from tests.support.world import Clock, World, populate, running

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def pooler(postgres: Node) -> Iterator[Pooler]:
    with Pooler(postgres) as started:
        yield started


@pytest.fixture
async def pooled(pooler: Pooler, postgres: Node, clock: Clock) -> AsyncIterator[World]:
    name = templates.new_database(postgres).rpartition("/")[2]
    async with running(pooler.url(name), clock, database_pooler=True, lanes=4) as application:
        yield await populate(application, clock)


async def test_many_calls_at_once_share_few_connections(pooled: World) -> None:
    orders = [await pooled.order(2) for _ in range(20)]
    asks = [AskCancellation(line=order.lines[0].id, actor=pooled.actor(pooled.retailer)) for order in orders]
    for _ in range(3):
        outcomes, buckets = await asyncio.gather(
            asyncio.gather(*(pooled.submit(ask) for ask in asks)),
            asyncio.gather(*(pooled.buckets(order.lines[0].id) for order in orders)),
        )
        assert all(isinstance(outcome, Done) for outcome in outcomes)
        assert len(buckets) == len(orders)
    assert [await pooled.buckets(order.lines[0].id) for order in orders] == [(0, 2, 0, 0)] * len(orders)


async def test_a_call_at_a_door_and_the_worker_go_through_it(pooled: World) -> None:
    order = await pooled.order(1)
    async with pooled.client() as client:
        for expected in (204, 204):
            path = f"/orders/items/cancel/{order.lines[0].id}/"
            answer = await client.delete(path, headers=pooled.token(pooled.retailer))
            assert answer.status_code == expected
        shown = await client.get(f"/orders/{order.id}/", headers=pooled.token(pooled.retailer))
        assert shown.status_code == 200
    pooled.clock.advance(days=3)
    assert await pooled.application.worker.fire_deadlines() == 1
    assert await pooled.buckets(order.lines[0].id) == (1, 0, 0, 0)
