"""The schema: what its keys lead with, what it forbids by itself, and that the migrations build exactly it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Constraint,
    Insert,
    Select,
    Sequence,
    Table,
    UniqueConstraint,
    Update,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from countermand.store import statements
from countermand.store import tables as t
from countermand.store.columns import one_of, pair_of
from countermand.store.tables import WITHOUT_RETAILER, metadata
from tests.store.speaking import WISH, Sale, new_sale
from tests.support.cluster import not_on_citus
from tests.support.world import World

DISTRIBUTED = [table for table in metadata.sorted_tables if table.name not in WITHOUT_RETAILER]
tables = pytest.mark.parametrize("table", DISTRIBUTED, ids=[table.name for table in DISTRIBUTED])


LED_BY_OTHERS = {
    # A worker owns shares of the retailers, and finds what is due in them (docs/decisions/0013).
    "ix_notices_due",
    "ix_notices_dead",
    # Attempts are asked for by what they were about.
    "ix_attempts_endpoint_id_id",
    "ix_attempts_notice_id_id",
    "ix_refunds_due",
    # Versions of policies and judgements, by their own ids, and by whom or what they are about.
    "ix_policies_id",
    "ix_policies_fulfiller_id_id",
    "ix_judgements_id",
    "ix_judgements_party_id_id",
    "ix_judgements_cancellation_id",
    "ix_refunds_checked",
    "ix_cancellations_due",
    "ix_process_statuses_pending",
    # Ids that name no retailer: a provider's name of a payment, refunds, cancellations, events; the order that
    # a reply shows, whoever got it.
    "ix_events_id",
    "ix_idempotency_records_order_id",
    "ix_refunds_payment_reference",
    "ix_refunds_id",
    "ix_refunds_joined",
    "ix_refunds_state_id",
    "ix_cancellations_state_id",
    "ix_shipments_id",
    "ix_shipments_tracking_number",
    # Whoever holds goods for many retailers lists them without asking each (docs/decisions/0019).
    "ix_connections_supplier_id_retailer_id",
    "ix_order_parts_held",
    "ix_lines_unfinished_held",
    "ix_lines_unfinished_anywhere",
    "ix_lines_shipped_held",
    "ix_events_held",
    "ix_handover_events_party_id_position_id",
    "ix_cancellations_held",
    "ix_cancellations_awaiting",
    "ix_cancellations_due_held",
    "ix_shipments_held",
    # The platform lists all.
    "ix_lines_shipped_anywhere",
    "ix_orders_placed_at_id",
    "ix_orders_unsent_anywhere",
    "ix_orders_reference_retailer_id",
    "ix_orders_number",
    "ix_journal_id",
    "ix_order_keys_key_placed_at_order_id",
    "ix_order_parts_reference_folded",
    "ix_order_parts_reference_held",
    "ix_lines_sku_folded_placed_at_order_id",
    "ix_lines_sku_held",
    "ix_shipments_tracking_folded",
    "ix_shipments_tracking_held",
    "ix_cancellations_escalated",
}
"""Indexes may begin with another column than the retailer; keys may not (docs/decisions/0002)."""

# Built by the migrations


@pytest.mark.anyio
async def test_the_migrations_build_what_the_tables_say(world: World) -> None:
    not_on_citus(world)

    def differences(connection: Connection) -> list[Any]:
        options = {"compare_type": True, "include_object": _is_shared}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    assert await world.application.database.read(differences) == []


def _is_shared(thing: Any, name: str, kind: str, *_: Any) -> bool:
    """The full-text index is each engine's own."""
    return not (name.startswith("order_search") or name == "ix_order_parts_terms")


@pytest.mark.anyio
async def test_each_engine_has_its_full_text_index(world: World) -> None:
    asked = {
        "sqlite": "SELECT count(*) FROM sqlite_master WHERE name = 'order_search'",
        "postgresql": "SELECT count(*) FROM pg_indexes WHERE indexname = 'ix_order_parts_terms'",
    }[world.application.database.engine.name]
    assert await world.application.database.read(lambda connection: connection.execute(text(asked)).scalar()) == 1


@pytest.mark.anyio
async def test_every_check_is_in_the_database(world: World) -> None:
    """Alembic compares no CHECKs."""
    kept = {
        "sqlite": "SELECT group_concat(sql, ' ') FROM sqlite_master",
        "postgresql": "SELECT string_agg(conname, ' ') FROM pg_constraint WHERE contype = 'c'",
    }[world.application.database.engine.name]
    found = await world.application.database.read(lambda connection: str(connection.execute(text(kept)).scalar_one()))
    named = [str(check.name) for table in metadata.sorted_tables for check in table.constraints if _is_check(check)]
    assert len(named) >= 10
    assert [name for name in named if name not in found] == []


def _is_check(constraint: Constraint) -> bool:
    return isinstance(constraint, CheckConstraint) and isinstance(constraint.name, str)


# Spread by retailer


def test_small_shared_tables_are_named_and_are_few() -> None:
    assert {table.name for table in metadata.sorted_tables} >= WITHOUT_RETAILER
    assert len(DISTRIBUTED) >= 11
    assert all("retailer_id" in table.columns for table in DISTRIBUTED)


@tables
def test_every_key_leads_with_the_retailer(table: Table) -> None:
    assert not table.c.retailer_id.nullable
    assert next(iter(table.primary_key.columns)) is table.c.retailer_id
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            assert next(iter(constraint.columns)) is table.c.retailer_id, constraint
    for index in table.indexes:
        leading = next(iter(index.columns)).name
        assert leading == "retailer_id" or index.name in LED_BY_OTHERS, index
    for key in table.foreign_key_constraints:
        assert key.referred_table.name not in WITHOUT_RETAILER
        first = key.elements[0]
        assert (first.parent, first.column) == (table.c.retailer_id, key.referred_table.c.retailer_id), key
        assert key.ondelete is None


def test_ids_and_numbers_come_from_the_application() -> None:
    for table in metadata.sorted_tables:
        for column in table.columns:
            assert not isinstance(column.default, Sequence), column
            assert column.identity is None, column
            assert column.server_default is None or not column.primary_key, column
            assert column.onupdate is None, column
            assert table.autoincrement_column is None, column


@pytest.mark.anyio
async def test_the_database_has_no_sequence_and_no_trigger(world: World) -> None:
    not_on_citus(world)
    asked = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' OR name = 'sqlite_sequence'",
        "postgresql": "SELECT relname FROM pg_class WHERE relkind = 'S' UNION SELECT tgname FROM pg_trigger"
        " WHERE NOT tgisinternal",
    }[world.application.database.engine.name]
    found = await world.application.database.read(lambda connection: connection.execute(text(asked)).all())
    assert found == []


# Statements of the write road


def _statements() -> Iterator[tuple[str, Any]]:
    for name, value in vars(statements).items():
        if not name.isupper():
            continue
        if isinstance(value, Select | Update | Insert):
            yield name, value
        elif isinstance(value, dict):
            yield from ((f"{name} {key}", each) for key, each in value.items() if isinstance(each, Update | Insert))


STATEMENTS = dict(_statements())
each_statement = pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS.keys())


def _tables_of(statement: Any) -> list[Table]:
    if not isinstance(statement, Select):
        return [statement.table]
    columns = [each for each in visitors.iterate(statement) if isinstance(each, Column)]
    found = {column.table.name for column in columns}
    assert found
    return [metadata.tables[name] for name in found if name in metadata.tables]


def _conditions(clause: ColumnElement[bool] | None) -> list[Any]:
    """What must hold for a row to be touched: the parts of a conjunction."""
    if clause is None:
        return []
    if getattr(clause, "operator", None) is operators.and_:
        return [condition for part in clause.get_children() for condition in _conditions(part)]  # type: ignore[arg-type]
    return [clause]


def _names(condition: Any, column: Any) -> bool:
    if isinstance(condition, one_of | pair_of):
        return bool(next(iter(condition.clauses)).compare(column))
    if not isinstance(condition, BinaryExpression) or condition.operator is not operators.eq:
        return False
    return bool(condition.left.compare(column)) and isinstance(condition.right, BindParameter)


@each_statement
def test_a_statement_names_the_retailer_of_every_table_it_touches(statement: Any) -> None:
    assert len(STATEMENTS) >= 20
    for table in _tables_of(statement):
        if table.name in WITHOUT_RETAILER:
            continue
        if isinstance(statement, Insert):
            assert not table.c.retailer_id.nullable
            continue
        assert any(_names(each, table.c.retailer_id) for each in _conditions(statement.whereclause)), table.name


@each_statement
def test_a_statement_asks_the_database_for_no_time_and_no_chance(statement: Any) -> None:
    called = [each for each in visitors.iterate(statement) if isinstance(each, FunctionElement)]
    assert {type(each) for each in called} <= {one_of, pair_of}


def test_only_statements_with_a_retailer_lock() -> None:
    locking = {name for name, each in STATEMENTS.items() if getattr(each, "_for_update_arg", None) is not None}
    assert locking == {"LOCK_LINES", "LOCK_LINES_OF_NUMBERS", "LOCK_MONEY"}


# What the database forbids by itself

BAD_LINES: dict[str, dict[str, Any]] = {
    "units that do not sum": {"open": 4},
    "more units than ordered": {"shipped": 2},
    "a negative bucket": {"open": -1, "asked": 6},
    "another negative bucket": {"open": 6, "shipped": -1},
    "nothing ordered": {"ordered": 0, "open": 0},
    "no retailer": {"retailer_id": None},
    "an order of nobody": {"order_id": UUID(int=9)},
    "another retailer's order": {"retailer_id": UUID(int=9)},
}
BAD_CANCELLATIONS: dict[str, dict[str, Any]] = {
    "an unknown state": {"state": "thinking"},
    "an accepted one without units": {"state": "accepted", "answered_at": "now"},
    "a declined one with units": {"state": "declined", "answered_at": "now", "accepted_units": 1},
    "an answered one without a time": {"state": "declined"},
    "an asked one with a time": {"answered_at": "now"},
    "an asked one with units": {"accepted_units": 1},
    "more accepted than asked": {"state": "accepted", "answered_at": "now", "accepted_units": 3},
    "fewer accepted than none": {"state": "declined", "answered_at": "now", "accepted_units": -1},
    "no units": {"units": 0},
    "a line of nobody": {"line_id": UUID(int=9)},
}
BAD: dict[str, tuple[Table, dict[str, Any]]] = {
    **{f"a line with {name}": (t.lines, values) for name, values in BAD_LINES.items()},
    **{f"a cancellation with {name}": (t.cancellations, values) for name, values in BAD_CANCELLATIONS.items()},
    "a process with an unknown status": (t.process_statuses, {"status": "MAYBE"}),
    "a shipped line without units": (t.shipment_lines, {"units": 0}),
    "a shipped line of another parcel": (t.shipment_lines, {"shipment_id": UUID(int=9)}),
    "an event of no line": (t.events, {"line_id": UUID(int=9)}),
    "a party of an unknown kind": (t.parties, {"kind": "pirate"}),
    "a party of an unknown status": (t.parties, {"status": "sleepy"}),
    "a user of no party": (t.users, {"party_id": UUID(int=9)}),
}


@pytest.mark.anyio
async def test_the_database_refuses(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.ship_order(sale.ship(1)))
    await sale.done(replace(sale.ask(2), key="a"), process=WISH)
    accepted = [name for name, (table, values) in BAD.items() if not await _is_refused(sale, table, values)]
    assert accepted == []
    assert await sale.buckets() == (2, 2, 0, 1)


async def _is_refused(sale: Sale, table: Table, values: dict[str, Any]) -> bool:
    change = _change(
        sale, table, {name: sale.world.clock() if value == "now" else value for name, value in values.items()}
    )
    try:
        await sale.world.application.database.write(lambda connection: connection.execute(change))
    except IntegrityError:
        return True
    return False


def _change(sale: Sale, table: Table, values: dict[str, Any]) -> Insert | Update:
    world = sale.world
    if table is t.users:
        party = {"party_id": world.retailer, "id": world.retailer, "email": "a@b.nl", "name": "A"}
        more = {"password_hash": "", "permissions": [], "created_at": world.clock()}
        return t.users.insert().values({**party, **more, **values})
    change = update(table).values(values)
    if table is not t.lines:
        return change
    change = change.where(t.lines.c.id == sale.line)
    return change if {"open", "shipped"} & values.keys() else change.where(t.lines.c.retailer_id == world.retailer)
