"""What goes along with the statements on Citus, and forms of statements that PostgreSQL alone does not need."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, bindparam, event, select, text

from countermand.domain.parties import PartyKind
from countermand.reads.parties import parties_named, party_seen
from countermand.reads.scope import Scope
from countermand.store import tables as t
from countermand.store.columns import PairList, pair_of
from countermand.store.engines.opening import open_database
from tests.support.world import World

pytestmark = pytest.mark.anyio

MODE = text("SELECT current_setting('citus.multi_shard_modify_mode', true)")


async def test_a_transaction_that_writes_has_one_connection_to_each_server(database_url: str) -> None:
    database = await open_database(database_url, allow_weak_durability=True)

    def mode(connection: Connection) -> Any:
        return connection.execute(MODE).scalar()

    assert await database.write(mode) == "sequential"
    assert await database.write(lambda connection: "nothing is asked") == "nothing is asked"
    assert await database.read(mode) in (None, "")
    await database.close()


async def test_a_supplier_finds_the_retailers_that_it_has_to_do_with(world: World) -> None:
    await world.order(fulfillers=(world.supplier,))

    def found(connection: Connection, supplier: UUID) -> set[UUID]:
        scope = Scope(party=supplier, kind=PartyKind.SUPPLIER)
        named = [each for name in ("retailer", "retai") for each in parties_named(connection, scope, name, 9)]
        seen = [party_seen(connection, scope, each) for each in (world.retailer, world.other_retailer)]
        return {each.id for each in (*named, *filter(None, seen))}

    database = world.application.database
    assert await database.read(lambda connection: found(connection, world.supplier)) == {world.retailer}
    assert await database.read(lambda connection: found(connection, world.other_supplier)) == set()


async def test_what_is_read_aside_is_asked_of_servers_too(world: World) -> None:
    """Heavy reads have connections of their own."""
    placed = await world.order()
    given = [(world.retailer, placed.lines[0].id)]
    pairs = bindparam("lines", given, type_=PairList())
    query = select(t.lines.c.id).where(pair_of(t.lines.c.retailer_id, t.lines.c.id, pairs))
    sent: list[str] = []

    def keep(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", keep)
    try:
        found = await world.application.database.read(lambda connection: connection.execute(query).scalar(), heavy=True)
    finally:
        event.remove(Engine, "before_cursor_execute", keep)
    assert found == placed.lines[0].id
    assert "lines.retailer_id = $1" in sent[-1]
