"""Notices: written in the transaction of their event, one for each endpoint that wants to hear of it."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, insert, update

from countermand.admin.callers import PLATFORM
from countermand.domain.commands import Command
from countermand.domain.events import EventKind
from countermand.service.calls import Call
from countermand.service.lanes import Lanes
from countermand.store import tables as t
from countermand.store.codecs import partition_of
from countermand.store.revisions import agreements_changed
from tests.store.holding import Rows, rows
from tests.store.speaking import new_sale
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def endpoint(world: World, party: UUID, *kinds: EventKind, **more: Any) -> UUID:
    """Register an endpoint for a party."""
    new = world.application.ids.new()
    values = {
        "id": new,
        "party_id": party,
        "url": "https://example.com/",
        "event_kinds": [each.value for each in kinds],
    }

    def add(connection: Connection) -> None:
        connection.execute(insert(t.endpoints).values(**values, created_at=world.clock(), **more))
        agreements_changed(connection)

    await world.application.database.write(add)
    return new


async def notices(world: World) -> Rows:
    return await rows(world.application.database, t.notices)


async def reported(world: World) -> list[tuple[UUID, str]]:
    return sorted((row["endpoint_id"], row["kind"]) for row in await notices(world))


async def test_every_party_of_the_line_and_the_platform_is_told(world: World) -> None:
    sale = await new_sale(world)
    to = [await endpoint(world, party) for party in (world.retailer, world.supplier, PLATFORM)]
    await sale.done(sale.ask(2))
    event = (await sale.events())[-1]
    found = await notices(world)
    assert {row["endpoint_id"] for row in found} == set(to)
    assert len(found) == len(to)
    for row in found:
        assert (row["event_id"], row["line_id"], row["seq"]) == (event["id"], sale.line, event["seq"])
        assert (row["state"], row["attempts"], row["last_result"]) == ("due", 0, "")
        assert row["due_at"] == row["created_at"] == event["at"]
        assert row["partition"] == partition_of(world.retailer) == world.retailer.int % 32
    assert len({row["id"] for row in found}) == len(to)


async def test_another_party_hears_nothing(world: World) -> None:
    sale = await new_sale(world)
    await endpoint(world, world.other_retailer)
    await sale.done(sale.ask(2))
    assert await notices(world) == []


async def test_an_endpoint_hears_only_what_it_wants_to(world: World) -> None:
    sale = await new_sale(world)
    answers = await endpoint(world, world.retailer, EventKind.CANCELLATION_ACCEPTED, EventKind.CANCELLATION_DECLINED)
    await sale.done(sale.ask(2))
    assert await notices(world) == []
    await sale.done(sale.accept())
    assert await reported(world) == [(answers, "cancellation.accepted")]


async def test_a_supplier_is_not_told_of_an_order_that_is_held_back(world: World) -> None:
    await endpoint(world, world.supplier)
    mine = await endpoint(world, world.retailer)
    sale = await new_sale(world, held=True)
    await sale.done(sale.ask(1))
    assert await reported(world) == [(mine, "cancellation.accepted"), (mine, "line.placed")]


async def test_endpoints_are_heard_of_at_once_and_forgotten_at_once(world: World) -> None:
    sale = await new_sale(world, 9)
    await sale.done(replace(sale.ask(1), key="a"))
    first = await endpoint(world, world.supplier)
    await sale.done(replace(sale.ask(1), key="b"))
    assert await reported(world) == [(first, "cancellation.asked")]

    def remove(connection: Connection) -> None:
        connection.execute(update(t.endpoints).values(state="removed"))
        agreements_changed(connection)

    await world.application.database.write(remove)
    await sale.done(replace(sale.ask(1), key="c"))
    assert len(await notices(world)) == 1


@pytest.mark.parametrize("state", ["paused", "disabled"])
async def test_notices_of_an_endpoint_that_is_not_active_are_kept_for_it(world: World, state: str) -> None:
    sale = await new_sale(world)
    later = await endpoint(world, world.supplier, state=state)
    await sale.done(sale.ask(1))
    assert await reported(world) == [(later, "cancellation.asked")]


async def test_a_refused_command_tells_nobody(world: World) -> None:
    sale = await new_sale(world)
    await endpoint(world, world.supplier)
    await sale.refused(sale.ask(99))
    assert await notices(world) == []


def _call(world: World, command: Command) -> Call:
    return Call(command=command, door="test", retailer=world.retailer)


async def test_the_worker_is_woken_once_notices_are_committed(world: World) -> None:
    woken: list[set[tuple[int, UUID]]] = []
    application = world.application
    lane = Lanes(application.database, world.clock, application.ids.new, lambda pairs: woken.append(set(pairs)))
    sale = await new_sale(world)
    await lane.submit(_call(world, sale.ask(1)))
    assert woken == [], "nobody listens"
    mine = await endpoint(world, world.retailer)
    await lane.submit(_call(world, sale.accept()))
    assert woken == [{(partition_of(world.retailer), mine)}]
    await lane.submit(_call(world, sale.ask(99)))
    assert len(woken) == 1, "nothing to tell"
