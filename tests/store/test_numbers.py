"""bol's numbers: unique over lanes, services and restarts, and never too large for an old client."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import update

from countermand.domain.orders import PlaceOrder
from countermand.service.calls import Call, Done, Failed
from countermand.service.numbers import Numbers
from countermand.store import tables as t
from countermand.store.statements import NUMBER_END
from tests.store.holding import rows
from tests.store.speaking import WISH, new_sale
from tests.store.watching import lane_of
from tests.support.world import Clock, World, populate, running

pytestmark = pytest.mark.anyio


async def numbers(world: World) -> list[int]:
    database = world.application.database
    return [row["number"] for table in (t.orders, t.lines) for row in await rows(database, table)]


def order_like(world: World, example: PlaceOrder) -> Call:
    new = world.application.ids.new
    command = replace(example, id=new(), lines=tuple(replace(line, id=new()) for line in example.lines))
    return Call(command=command, door="test", retailer=world.retailer)


async def test_lanes_never_hand_out_the_same_number(world: World) -> None:
    example = await world.order(1, 1, 1)
    lanes = [(await lane_of(world))[0] for _ in range(4)]
    calls = [(lane, order_like(world, example)) for _ in range(20) for lane in lanes]
    outcomes = await asyncio.gather(*(lane.submit(call) for lane, call in calls))
    assert {type(outcome) for outcome in outcomes} == {Done}
    found = await numbers(world)
    assert len(set(found)) == len(found) == 81 * 4


async def test_numbers_go_on_after_a_restart(database_url: str, clock: Clock) -> None:
    seen: list[int] = []
    async with running(database_url, clock) as application:
        first = await populate(application, clock)
    for _ in range(3):
        async with running(database_url, clock) as application:
            world = replace(first, application=application)
            await world.order(1, 1)
            found = await numbers(world)
            assert min(set(found) - set(seen)) > max(seen, default=0)
            seen = found
    assert len(set(seen)) == len(seen) == 9


async def test_a_block_serves_many_transactions(world: World) -> None:
    lane, database = await lane_of(world)
    example = await world.order(1)
    for _ in range(10):
        await lane.submit(order_like(world, example))
    assert database.transactions == 10 + 1


async def test_an_order_larger_than_a_block_gets_its_numbers(world: World) -> None:
    assert Numbers.BLOCK == 1_000
    placed = await world.order(*[1] * 1_000)
    found = await numbers(world)
    assert len(set(found)) == len(placed.lines) + 1 == 1_001


async def test_spent_numbers_fail_and_never_grow_too_large(world: World) -> None:
    example = await world.order(1)
    lane, _ = await lane_of(world)
    change = update(t.number_blocks).values(next_number=NUMBER_END - Numbers.BLOCK)
    await world.application.database.write(lambda connection: connection.execute(change))
    assert isinstance(await lane.submit(order_like(world, example)), Done)
    assert 2**31 - 1_100 < max(await numbers(world)) < NUMBER_END == 2**31 - 1
    other, _ = await lane_of(world)
    assert await other.submit(order_like(world, example)) == Failed()
    [block] = await rows(world.application.database, t.number_blocks)
    assert block["next_number"] == NUMBER_END
    sale = await new_sale(world)
    assert isinstance(await other.submit(Call(command=sale.ask(), door="test")), Done)


async def test_a_call_takes_as_many_numbers_as_it_needs(world: World) -> None:
    """One for the parcel and one for its process: a block that ends between the two would break the batch."""
    sale = await new_sale(world, 2_000)
    ship = [
        sale.say(sale.ship_order(sale.ship(1)), process=WISH, retailer=world.retailer) for _ in range(Numbers.BLOCK + 1)
    ]
    outcomes = await asyncio.gather(*ship)
    assert {type(outcome) for outcome in outcomes} == {Done}


def test_numbers_that_were_not_reserved_are_not_handed_out() -> None:
    none = Numbers()
    with pytest.raises(LookupError):
        none.take()
