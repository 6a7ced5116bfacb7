"""Events by their keys, with all that notices contain: the statement by which the worker reads what it sends.

Written as text, because the order in which the tables are looked into must not depend on what the planner believes. On
a table that has just grown it took every key but the retailer's for worthless, and read all events of a retailer.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Label, text
from sqlalchemy.sql.selectable import TextualSelect

from countermand.store.columns import Record
from countermand.store.engines.protocol import Engine, EventKey, engine_of

_JOINS: Final = {
    "events": ("retailer_id = {key0} AND line_id = {key1} AND seq = {key2}", "CROSS"),
    "lines": ("retailer_id = events.retailer_id AND id = events.line_id", "CROSS"),
    "orders": ("retailer_id = events.retailer_id AND id = events.order_id", "CROSS"),
    "cancellations": ("retailer_id = events.retailer_id AND id = events.cancellation_id", "LEFT"),
}
_PARTIES: Final = (
    " JOIN parties AS retailer ON retailer.id = events.retailer_id"
    " JOIN parties AS fulfiller ON fulfiller.id = events.fulfiller_id"
    " LEFT JOIN parties AS actor ON actor.id = events.actor_id"
    " LEFT JOIN reassignments ON reassignments.retailer_id = events.retailer_id"
    " AND reassignments.line_id = events.line_id AND reassignments.seq = events.seq"
    " LEFT JOIN parties AS former ON former.id = reassignments.former_id"
)


def events_by_key(connection: Connection, columns: Sequence[Any], keys: Collection[EventKey]) -> Iterator[Record]:
    """These columns of ``events``, its line, order, cancellation and parties, for these keys.

    The parties are named retailer, fulfiller and actor.
    """
    engine = engine_of(connection)
    query = _by_key(engine, tuple(columns))
    for given in engine.keys_given(keys):
        yield from connection.execute(query, given)


@cache
def _by_key(engine: Engine, columns: tuple[Any, ...]) -> TextualSelect:
    named = {column.name: column.element if isinstance(column, Label) else column for column in columns}
    wanted = ", ".join(f"{_table(column)}.{column.name} AS {name}" for name, column in named.items())
    query = text(f"SELECT {wanted} FROM {engine.looked_up_in_turn(_JOINS)}{_PARTIES}")  # noqa: S608 - no input
    return query.columns(**{name: column.type for name, column in named.items()})


def _table(column: Any) -> str:
    """Aliases of parties are made without a name of their own, or with the one they have here."""
    return str(column.table.name)
