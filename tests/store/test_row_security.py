"""The second wall: where the service's role does not own the tables, a forgotten WHERE shows nothing of others'."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, Table, create_engine, func, make_url, select, text
from sqlalchemy.pool import NullPool

from countermand.admin.policies import put_in_force
from countermand.admin.scores import Appeal, judged
from countermand.domain.commands import AcceptCancellation, AskCancellation, CancelOwn, Ship
from countermand.domain.policy import DEFAULT_POLICY
from countermand.domain.reasons import CancelReason
from countermand.domain.search import term_of_sku
from countermand.reads.policies import ANY_FULFILLER
from countermand.service.calls import Done
from countermand.store import tables as t
from countermand.store.engines.protocol import Terms, engine_of
from countermand.store.row_security import SHOWN_TO_ALL, viewer
from countermand.store.tables import metadata
from tests.support import templates
from tests.support.pgbouncer import Pooler
from tests.support.pgnode import Node
from tests.support.world import Clock, World, populate, running

pytestmark = pytest.mark.anyio

ROLE = "countermand_bound"


@pytest.fixture(scope="module")
def owner(postgres: Node) -> Iterator[Engine]:
    """The owner of a database that a role without property uses."""
    url = make_url(templates.new_database(postgres))
    engine = create_engine(url.set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {ROLE} LOGIN"))
        connection.execute(text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {ROLE}"))
    yield engine
    with engine.begin() as connection:
        connection.execute(text(f"DROP OWNED BY {ROLE}"))
        connection.execute(text(f"DROP ROLE {ROLE}"))
    engine.dispose()


@pytest.fixture(scope="module", params=["direct", "pooled"])
def bound_url(request: pytest.FixtureRequest, owner: Engine, postgres: Node) -> Iterator[tuple[str, bool]]:
    """The same database, as a service without property reaches it."""
    url = owner.url.set(drivername="postgresql", username=ROLE)
    if request.param == "direct":
        yield url.render_as_string(hide_password=False), False
        return
    with Pooler(postgres, user=ROLE) as pooler:
        yield pooler.url(str(url.database)), True


@pytest.fixture
async def bound(bound_url: tuple[str, bool], clock: Clock, owner: Engine) -> AsyncIterator[World]:
    url, pooled = bound_url
    with owner.begin() as connection:
        connection.execute(text("UPDATE parties SET name = id::text WHERE kind <> 'platform'"))
    async with running(url, clock, database_pooler=pooled) as application:
        yield await populate(application, clock)


def test_every_table_has_a_policy_or_is_shown_to_all(owner: Engine) -> None:
    with owner.connect() as connection:
        found = set(connection.execute(text("SELECT tablename FROM pg_policies WHERE schemaname = 'public'")).scalars())
        active = set(
            connection.execute(text("SELECT relname FROM pg_class WHERE relrowsecurity AND relkind = 'r'")).scalars()
        )
        tables = set(connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars())
    assert found == active
    assert found | SHOWN_TO_ALL == tables
    assert not found & SHOWN_TO_ALL
    assert {table.name for table in metadata.sorted_tables} <= tables


async def _rows(world: World, table: Table, who: UUID | None) -> int:
    """How many rows a read without any WHERE shows."""

    def forgotten(connection: Connection) -> int:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()

    token = viewer.set(who)
    try:
        return await world.application.database.read(forgotten)
    finally:
        viewer.reset(token)


OF_A_STORY = (t.orders, t.order_parts, t.lines, t.cancellations, t.events, t.shipments, t.shipment_lines)


async def _story(world: World) -> None:
    """An order of two suppliers; the first is asked, accepts and ships."""
    order = await world.order(3, 1, fulfillers=(world.supplier, world.other_supplier))
    line = order.lines[0].id
    retailer, supplier = world.actor(world.retailer), world.actor(world.supplier)
    await world.submit(AskCancellation(line=line, actor=retailer, units=1))
    await world.submit(AcceptCancellation(line=line, actor=supplier))
    await world.submit(Ship(line=line, actor=supplier))


async def test_a_forgotten_where_shows_a_party_its_own_rows_and_no_others(bound: World) -> None:
    await _story(bound)
    for table in (*OF_A_STORY[:5], t.credentials):
        everything = await _rows(bound, table, None)
        assert everything >= 1, table.name
        assert 1 <= await _rows(bound, table, bound.retailer) <= everything, table.name
    for table in OF_A_STORY:
        assert await _rows(bound, table, bound.other_retailer) == 0, table.name
    held = {table.name: await _rows(bound, table, bound.supplier) for table in OF_A_STORY[:5]}
    assert held == {"orders": 1, "order_parts": 1, "lines": 1, "cancellations": 1, "events": 4}
    other = {table.name: await _rows(bound, table, bound.other_supplier) for table in OF_A_STORY[:5]}
    assert other == {"orders": 1, "order_parts": 1, "lines": 1, "cancellations": 0, "events": 1}


async def test_a_supplier_sees_the_terms_that_hold_for_it_and_what_was_said_of_its_score(bound: World) -> None:
    await bound.order(2, fulfillers=(bound.supplier,))

    def agree(connection: Connection) -> None:
        for holder in (ANY_FULFILLER, bound.other_supplier):
            put_in_force(
                connection, bound.clock(), retailer=bound.retailer, fulfiller=holder, policy=DEFAULT_POLICY, by="test"
            )

    before = {
        who: await _rows(bound, t.policies, who) for who in (bound.retailer, bound.supplier, bound.other_retailer)
    }
    await bound.application.database.write(agree)
    after = {who: await _rows(bound, t.policies, who) for who in before}
    assert [after[who] - before[who] for who in before] == [2, 1, 0]

    line = (await bound.order(1, fulfillers=(bound.supplier,))).lines[0].id
    asked = await bound.submit(
        CancelOwn(line=line, actor=bound.actor(bound.supplier), reason=CancelReason.OUT_OF_STOCK)
    )
    assert isinstance(asked, Done)

    def judge(connection: Connection) -> None:
        appeal = Appeal(cancellation=asked.cancellations[0], party=str(bound.supplier), reason="x", excluded=True)
        judged(connection, bound.author(), appeal, zone=UTC)

    await bound.application.database.write(judge)
    seen = {who: await _rows(bound, t.judgements, who) for who in (bound.supplier, bound.other_supplier)}
    assert list(seen.values()) == [1, 0]


async def test_the_doors_work_as_they_do_for_the_owner(bound: World) -> None:
    order = await bound.order(2)
    path = f"/orders/items/cancel/{order.lines[0].id}/"
    async with bound.client() as client:
        unknown = await client.delete(f"/orders/items/cancel/{UUID(int=9)}/", headers=bound.token(bound.other_retailer))
        strangers = await client.delete(path, headers=bound.token(bound.other_retailer))
        asked = await client.delete(path, headers=bound.token(bound.retailer))
        bearer = {"Authorization": f"Bearer {bound.tokens[bound.supplier]}"}
        awaiting = await client.get("/v1/cancellations", params={"awaiting_me": "true"}, headers=bearer)
        shown = await client.get(f"/orders/{order.id}/", headers=bound.token(bound.retailer))
        foreign = await client.get(f"/orders/{order.id}/", headers=bound.token(bound.other_retailer))
    assert (strangers.status_code, asked.status_code) == (unknown.status_code, 204)
    assert strangers.json() == unknown.json()
    assert [each["line"] for each in awaiting.json()["cancellations"]] == [str(order.lines[0].id)]
    assert (shown.status_code, foreign.status_code) == (200, 404)


async def test_words_lead_a_party_to_its_own_orders_and_to_no_others(bound: World) -> None:
    await bound.order(1, fulfillers=(bound.supplier,))

    def forgotten(connection: Connection) -> set[UUID]:
        keys = engine_of(connection).keys_by_terms(Terms(all=[term_of_sku("SKU-0")], begin=False))
        return {row.retailer_id for row in connection.execute(keys)}

    async def found(who: UUID | None) -> set[UUID]:
        token = viewer.set(who)
        try:
            return await bound.application.database.read(forgotten)
        finally:
            viewer.reset(token)

    assert bound.retailer in await found(None)
    assert [await found(who) for who in (bound.retailer, bound.supplier)] == [{bound.retailer}] * 2
    assert [await found(who) for who in (bound.other_retailer, bound.other_supplier)] == [set(), set()]


async def test_a_connection_that_says_nothing_sees_nothing(bound: World, owner: Engine) -> None:
    await _story(bound)
    stranger = create_engine(owner.url.set(username=ROLE), poolclass=NullPool)
    with stranger.connect() as connection:
        counts = [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in OF_A_STORY]
    assert counts == [0] * len(OF_A_STORY)
