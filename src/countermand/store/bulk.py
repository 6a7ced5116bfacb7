"""Many rows by one statement.

On PostgreSQL a batch travels as one JSON parameter: encoding a message for each row took half of the CPU time of a
busy lane (docs/decisions/0012). Elsewhere the driver runs the statement row by row, which costs SQLite nothing more.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Table, TextClause, text
from sqlalchemy.dialects import postgresql

from countermand.store import statements as sql
from countermand.store import tables as t

Rows = Sequence[dict[str, Any]]

_ROWS: Final = "CAST(CAST(:rows AS TEXT) AS JSON)"


def insert_rows(connection: Connection, table: Table, rows: Rows, *, unless_there: bool = False) -> None:
    """Insert these rows, which name every column. ``unless_there`` leaves a row with the same key as it is."""
    if connection.dialect.name == "postgresql":
        connection.execute(_insert(table, unless_there), {"rows": _json(rows)})
    else:
        connection.execute(sql.CONNECT if unless_there else sql.INSERTS[table.name], rows)


def update_lines(connection: Connection, rows: Rows) -> None:
    """Write the buckets of these lines, as ``statements.UPDATE_LINE`` says."""
    if connection.dialect.name == "postgresql":
        connection.execute(_UPDATE_LINES, {"rows": _json(rows)})
    else:
        connection.execute(sql.UPDATE_LINE, rows)


def _json(rows: Rows) -> str:
    # The driver's ids are of a class of their own, which orjson hands to ``default``.
    return orjson.dumps(rows, default=str).decode()


@cache
def _insert(table: Table, unless_there: bool) -> TextClause:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    ending = " ON CONFLICT DO NOTHING" if unless_there else ""
    source = f"json_populate_recordset(NULL::{table.name}, {_ROWS})"
    return text(f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {source}{ending}")  # noqa: S608 - no input


def _update_lines() -> TextClause:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    names = ("open", "asked", "cancelled", "shipped", "seq", "changed_at")
    typed = {"of_retailer": t.lines.c.retailer_id, "of_id": t.lines.c.id, **{f"new_{n}": t.lines.c[n] for n in names}}
    columns = ", ".join(f"{name} {column.type.compile(dialect)}" for name, column in typed.items())
    changes = ", ".join(f"{name} = r.new_{name}" for name in names)
    return text(
        f"UPDATE lines SET {changes} FROM json_to_recordset({_ROWS}) AS r({columns})"  # noqa: S608 - no input
        " WHERE lines.retailer_id = r.of_retailer AND lines.id = r.of_id"
    )


_UPDATE_LINES: Final = _update_lines()
