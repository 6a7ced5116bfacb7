"""Where events stand in the feed: each transaction behind those that ended, on a server that is another, too."""

from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from countermand.admin.callers import PLATFORM
from countermand.domain.parties import PartyKind
from countermand.reads import events as event_reads
from countermand.reads.events import EventFilter
from countermand.reads.scope import Scope
from countermand.store import feed, migrations
from tests.support.world import World

pytestmark = pytest.mark.anyio

ALL = Scope(party=PLATFORM, kind=PartyKind.PLATFORM)


def _positions(connection: Connection) -> list[int]:
    rows = connection.execute(text("SELECT DISTINCT position FROM events ORDER BY position"))
    return list(rows.scalars())


async def _move(world: World, by: int) -> None:
    question = text("UPDATE feed SET position = position + :by")
    await world.application.database.write(lambda connection: connection.execute(question, {"by": by}).close())


async def test_each_transaction_stands_behind_those_before_it(world: World) -> None:
    seen: list[int] = []
    for _ in range(4):
        await world.order(1, 1)
        seen.append((await world.application.database.read(_positions))[-1])
    assert seen == sorted(set(seen))
    assert await world.application.database.read(feed.horizon) > seen[-1]
    assert await world.application.database.read(feed.misplaced) is None


async def test_in_a_server_that_it_was_restored_into_new_events_stand_last(world: World) -> None:
    """There transactions count from elsewhere: the positions of all events are beyond them."""
    engine = world.application.database.engine
    # A database is restored before its tables are spread.
    if engine.name != "postgresql" or engine.one_retailer:
        return
    database = world.application.database
    first = await world.order(1)
    await _move(world, 1_000_000)
    second = await world.order(1)
    await _move(world, -1_000_000)
    position = await database.read(feed.misplaced)
    assert position is not None
    await database.write(partial(feed.move, position=position))
    assert await database.read(feed.misplaced) is None
    third = await world.order(1)
    rows, place = await database.read(partial(event_reads.list_events, scope=ALL, wanted=EventFilter()))
    assert [row.order_id for row in rows] == [first.id, second.id, third.id]
    rows, _ = await database.read(partial(event_reads.list_events, scope=ALL, wanted=EventFilter(behind=place)))
    assert rows == []


def _upgrade(connection: Connection) -> None:
    """The migration alone, on a database without what it makes."""
    for index in ("ix_events_retailer_id_position_id", "ix_events_held"):
        connection.execute(text(f"DROP INDEX {index}"))
    connection.execute(text("ALTER TABLE events DROP COLUMN position"))
    connection.execute(text("DROP TABLE feed"))
    [path] = Path(migrations.__file__).parent.glob("versions/*_feed.py")
    spec = spec_from_file_location("feed_migration", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    with Operations.context(MigrationContext.configure(connection)):
        module.upgrade()


async def test_events_that_are_there_keep_their_order(world: World) -> None:
    orders = [await world.order(1) for _ in range(3)]
    database = world.application.database
    await database.write(_upgrade)
    by_id = text("SELECT position FROM events ORDER BY id")
    assert await database.read(lambda connection: list(connection.execute(by_id).scalars())) == [1, 2, 3]
    orders.append(await world.order(1))
    rows, _ = await database.read(partial(event_reads.list_events, scope=ALL, wanted=EventFilter()))
    assert {row.order_id for row in rows[:3]} == {each.id for each in orders[:3]}
    assert rows[3].order_id == orders[3].id
    assert rows[3].position > 3
