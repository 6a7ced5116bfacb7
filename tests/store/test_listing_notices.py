"""Notices as operators list them: the newest first, by state and endpoint, and never by reading all there are."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, update

from countermand.admin.callers import PLATFORM
from countermand.reads import notices as notice_reads
from countermand.reads.notices import NoticeFilter, NoticeView
from countermand.store import tables as t
from countermand.store.columns import Record
from tests.support.plans import plans_of, reads_whole
from tests.support.world import World
from tests.worker.station import endpoint, notices

pytestmark = pytest.mark.anyio


async def listed(world: World, limit: int = 50, **wanted: Any) -> list[UUID]:
    return [row.id for row in await _listed(world, limit, **wanted)]


async def _listed(world: World, limit: int, **wanted: Any) -> list[NoticeView]:
    question = partial(notice_reads.list_notices, wanted=NoticeFilter(**wanted), limit=limit, now=world.clock())
    return list(await world.application.database.read(question))


async def change(world: World, which: Callable[[Record], bool], **values: Any) -> None:
    ids = [row.id for row in await notices(world) if which(row)]
    await world.application.database.write(
        lambda connection: connection.execute(update(t.notices).where(t.notices.c.id.in_(ids)).values(**values))
    )


async def history(world: World) -> list[UUID]:
    """Endpoints of the platform, of two retailers and of a supplier; notices over a year, all of them sent."""
    parties = (PLATFORM, world.retailer, world.other_retailer, world.supplier)
    to = [await endpoint(world, party) for party in parties]
    for days in (0, 0, 1, 3, 30, 366):
        world.clock.advance(days=days)
        await world.order()
        await world.order(retailer=world.other_retailer)
    await change(world, lambda row: True, state="sent", due_at=None, attempts=1)
    return to


async def test_the_newest_come_first_however_far_back_they_are(world: World) -> None:
    to = await history(world)
    every = sorted((row.id for row in await notices(world)), reverse=True)
    assert len(every) == 6 * 2 * 3 - 6 + 6
    world.clock.advance(days=400)
    assert await listed(world) == every
    assert await listed(world, states=frozenset({"sent"})) == every
    assert await listed(world, 7, states=frozenset({"sent"})) == every[:7]
    for which in to:
        mine = sorted((row.id for row in await notices(world, endpoint_id=which)), reverse=True)
        assert await listed(world, endpoint=which, states=frozenset({"sent"})) == mine
        assert len(mine) in (6, 12)
    assert await listed(world, endpoint=UUID(int=9)) == []


async def test_a_time_bounds_the_list(world: World) -> None:
    await history(world)
    rows = await notices(world)
    for days in (0, 1, 30, 366, 367, 500):
        since = world.clock() - timedelta(days=days)
        expected = sorted((row.id for row in rows if row.created_at >= since), reverse=True)
        assert await listed(world, since=since, states=frozenset({"sent"})) == expected


async def test_each_state_is_found(world: World) -> None:
    await history(world)
    some = [row.id for row in await notices(world)][:3]
    await change(world, lambda row: row.id in some, state="dead")
    await world.order()
    assert await listed(world, states=frozenset({"dead"})) == sorted(some, reverse=True)
    due = [row.id for row in await notices(world, state="due")]
    assert await listed(world, states=frozenset({"due"})) == sorted(due, reverse=True)
    assert len(await listed(world)) == len(await notices(world))


@pytest.mark.parametrize("wanted", [{}, {"state": "sent"}, {"state": "due"}, {"state": "dead"}], ids=str)
@pytest.mark.parametrize("of", ["any endpoint", "one endpoint"])
async def test_a_list_goes_by_an_index(world: World, wanted: dict[str, Any], of: str) -> None:
    """PostgreSQL reads a small table whole unless it is told not to: so this asks whether an index can serve."""
    to = await endpoint(world, world.retailer)
    await world.order()
    more: dict[str, Any] = {"endpoint": to} if of == "one endpoint" else {}
    filtered = NoticeFilter(states=frozenset(wanted.values()), **more)

    def look(connection: Connection) -> list[str]:
        return plans_of(connection, lambda it: notice_reads.list_notices(it, filtered, 50, world.clock()), ["notices"])

    steps = await world.application.database.read(look)
    assert [step for step in steps if " notices" in step]
    assert not reads_whole(steps, "notices"), steps
    index = f"ix_notices_{wanted['state']}" if wanted.get("state") in ("due", "dead") else "retailer_id"
    assert any(index in step for step in steps), steps
