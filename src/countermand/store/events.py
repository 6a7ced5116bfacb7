"""Events by their keys, with all that is told of them: the statement by which the worker reads what it sends.

Written as text, because the order in which the tables are looked into must not depend on what the planner believes. On
a table that has just grown it took every key but the retailer's for worthless, and read all events of a retailer.
"""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Label, Text, bindparam, text
from sqlalchemy.sql.selectable import TextualSelect

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


def events_by_key(engine: str, columns: Iterable[Any]) -> TextualSelect:
    """These columns of ``events``, its line, order, cancellation and parties, for the keys in the parameter ``keys``.

    ``keys`` is a JSON array of arrays: retailer, line, ``seq``. The parties are named retailer, fulfiller and actor.
    """
    named = {column.name: column.element if isinstance(column, Label) else column for column in columns}
    wanted = ", ".join(f"{_table(column)}.{column.name} AS {name}" for name, column in named.items())
    source = _postgresql() if engine == "postgresql" else _sqlite()
    query = text(f"SELECT {wanted} FROM {source}{_PARTIES}")  # noqa: S608 - no input
    return query.bindparams(bindparam("keys", type_=Text())).columns(
        **{name: column.type for name, column in named.items()}
    )


def _table(column: Any) -> str:
    """Aliases of parties are made without a name of their own, or with the one they have here."""
    return str(column.table.name)


def _postgresql() -> str:
    """``OFFSET 0`` keeps each look-up what it is: one row by the whole of its primary key."""
    keys = ("CAST(key ->> 0 AS UUID)", "CAST(key ->> 1 AS UUID)", "CAST(key ->> 2 AS INTEGER)")
    source = "json_array_elements(CAST(CAST(:keys AS TEXT) AS JSON)) AS key"
    for table, (condition, kind) in _JOINS.items():
        where = condition.format(key0=keys[0], key1=keys[1], key2=keys[2])
        ending = " ON TRUE" if kind == "LEFT" else ""
        source += f" {kind} JOIN LATERAL (SELECT * FROM {table} WHERE {where} OFFSET 0) AS {table}{ending}"  # noqa: S608 - no input
    return source


def _sqlite() -> str:
    """SQLite looks into tables that are joined by CROSS JOIN in the order in which they are written."""
    keys = ("key.value ->> 0", "key.value ->> 1", "key.value ->> 2")
    source = "json_each(:keys) AS key"
    for table, (condition, kind) in _JOINS.items():
        parts = condition.format(key0=keys[0], key1=keys[1], key2=keys[2]).split(" AND ")
        source += f" {kind} JOIN {table} ON {' AND '.join(f'{table}.{part}' for part in parts)}"
    return source
