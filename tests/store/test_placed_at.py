"""What counts from an order counts from its receipt at the latest, on both engines."""

from dataclasses import replace
from datetime import timedelta

import pytest

from countermand.admin.policies import put_in_force
from countermand.domain.commands import AskCancellation
from countermand.domain.orders import NewLine, PlaceOrder
from countermand.domain.policy import Policy
from countermand.service.calls import Done
from tests.support.world import World

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("ahead", "kept"), [(-60, -60), (0, 0), (240, 0), (10**9, 0)])
async def test_an_order_counts_as_placed_when_it_was_received_at_the_latest(
    world: World, ahead: int, kept: int
) -> None:
    placed = await order_from(world, ahead)
    assert (await world.line(placed.lines[0].id)).placed_at == world.clock() + timedelta(seconds=kept)


async def test_a_free_window_counts_from_receipt(world: World) -> None:
    await world.application.database.write(
        lambda connection: put_in_force(
            connection,
            world.clock(),
            retailer=world.retailer,
            fulfiller=world.supplier,
            policy=replace(Policy(), free_window_s=60),
            by="test",
        )
    )
    line = (await order_from(world, 240)).lines[0].id
    world.clock.advance(seconds=61)
    await world.submit(AskCancellation(line=line, actor=world.actor(world.retailer)), retailer=world.retailer)
    assert await world.buckets(line) == (0, 1, 0, 0), "nobody has answered yet"


async def order_from(world: World, seconds_ahead: int) -> PlaceOrder:
    new = world.application.ids.new
    command = PlaceOrder(
        id=new(),
        actor=world.actor(world.retailer),
        retailer=world.retailer,
        reference="PO-ahead",
        placed_at=world.clock() + timedelta(seconds=seconds_ahead),
        lines=(NewLine(id=new(), fulfiller=world.supplier, sku="A", units=1, details={}),),
        details={},
    )
    assert isinstance(await world.submit(command, retailer=world.retailer), Done)
    return command
