"""Every page and action of the console, by what people see and do there."""

from typing import Any
from uuid import UUID

import pytest

from countermand.domain.commands import AcceptCancellation, AskCancellation
from countermand.domain.parties import Asker
from countermand.ids import show
from countermand.service.calls import Done
from tests.console.visiting import operator, words
from tests.support.money import place_paid
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def asked(world: World, *, units: int = 2, ordered: int = 5, by: Asker = Asker.RETAILER, **more: Any) -> str:
    """The path of a cancellation that waits."""
    line = (await world.order(ordered)).lines[0].id
    ask = AskCancellation(line=line, actor=world.actor(world.retailer), units=units, asker=by, **more)
    outcome = await world.submit(ask, retailer=world.retailer)
    assert isinstance(outcome, Done)
    return f"/console/cancellations/{show('can', outcome.cancellations[0])}"


async def paid(world: World, *, units: int = 2, accepted: bool = False) -> tuple[str, UUID]:
    """The path of a cancellation of an order with money, and the line."""
    order = await place_paid(world)
    line = order.lines[0].id
    ask = AskCancellation(line=line, actor=world.actor(world.retailer), units=units)
    outcome = await world.submit(ask, retailer=world.retailer)
    assert isinstance(outcome, Done)
    if accepted:
        yes = AcceptCancellation(line=line, actor=world.actor(world.supplier))
        assert isinstance(await world.submit(yes, retailer=world.retailer), Done)
    return f"/console/cancellations/{show('can', outcome.cancellations[0])}", line


async def test_smoke(sqlite_world: World) -> None:
    world = sqlite_world
    who = await operator(world)
    path, line = await paid(world)
    for each in (
        "/console/",
        "/console/cancellations?view=all",
        path,
        f"{path}/accept",
        f"{path}/decline",
        f"{path}/withdraw",
        "/console/orders",
        "/console/refunds",
        "/console/components",
        "/console/account",
        f"/console/lines/{show('lin', line)}/ask",
    ):
        reply = await who.look(each)
        print(each, reply.status_code, words(reply)[:3000])
        print()
