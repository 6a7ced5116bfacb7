"""All that a batch writes, in as few statements as the engine permits.

On PostgreSQL it is one statement, and the rows of each table travel as one JSON parameter: round trips, and encoding a
message for each row, took most of the time of a busy lane (docs/decisions/0012). SQLite has no round trips; there the
driver runs a statement row by row, and the rows are made ready for it here: SQLAlchemy takes three times as long.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Insert, TextClause, Update, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler

from countermand.store import feed
from countermand.store import statements as sql
from countermand.store.columns import to_json
from countermand.store.tables import PARENTS_FIRST, metadata

Rows = Sequence[dict[str, Any]]

_MADE: Final = {("events", "position"): feed.POSITION_ON_POSTGRESQL}
"""Columns that PostgreSQL fills, and with what."""

_ROWS: Final = "CAST(CAST(:{} AS TEXT) AS JSON)"


def write(connection: Connection, changed: Mapping[str, Rows], new: Mapping[str, Rows]) -> None:
    """Update and insert rows by table. New ones name every column; changed ones those of ``statements.UPDATES``.

    Those of ``statements.KEPT`` that are there already are left as they are.
    """
    updated = [name for name in sql.UPDATES if changed.get(name)]
    inserted = [table.name for table in PARENTS_FIRST if new.get(table.name)]
    if connection.dialect.name != "postgresql":
        for name in updated:
            _row_by_row(connection, sql.UPDATES[name], changed[name])
        if new.get("events"):
            feed.place(connection, new["events"])
        for name in inserted:
            _row_by_row(connection, sql.INSERTS[name], new[name])
        if new.get("order_parts"):
            _row_by_row(connection, sql.INSERT_SEARCH, new["order_parts"])
    elif updated or inserted:
        rows = [changed[name] for name in updated] + [new[name] for name in inserted]
        parameters = {f"rows_{place}": _json(each) for place, each in enumerate(rows)}
        connection.execute(_statement(tuple(updated), tuple(inserted)), parameters)


def _row_by_row(connection: Connection, statement: Insert | Update, rows: Rows) -> None:
    ready = _ready(statement)
    parameters = [tuple([bind(row[name]) if bind else row[name] for name, bind in ready.columns]) for row in rows]
    connection.exec_driver_sql(ready.text, parameters)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A statement as SQLite's driver takes it, and how each value of a row becomes one of the driver's."""

    text: str
    columns: tuple[tuple[str, Callable[[Any], Any] | None], ...]


@cache
def _ready(statement: Insert | Update) -> _Ready:
    dialect = sqlite.dialect(json_serializer=to_json)
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    names = compiled.positiontup or ()
    binds = {name: compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names}
    return _Ready(str(compiled), tuple(binds.items()))


def _json(rows: Rows) -> str:
    # The driver's ids are of a class of their own, which orjson hands to ``default``.
    return orjson.dumps(rows, default=str).decode()


@cache
def _statement(updated: tuple[str, ...], inserted: tuple[str, ...]) -> TextClause:
    """One statement for these tables. Its parts see the rows as they were before it, so none may need another's."""
    parts = [_update(name, f"rows_{place}") for place, name in enumerate(updated)]
    parts += [_insert(name, f"rows_{place}") for place, name in enumerate(inserted, start=len(updated))]
    named = ", ".join(f"part_{place} AS ({part})" for place, part in enumerate(parts))
    return text(f"WITH {named} SELECT 1")


def _insert(name: str, parameter: str) -> str:
    names = [column.name for column in metadata.tables[name].columns if column.computed is None]
    columns = ", ".join(f'"{each}"' for each in names)
    values = ", ".join(_MADE.get((name, each), f'"{each}"') for each in names)
    source = f"json_populate_recordset(NULL::{name}, {_ROWS.format(parameter)})"
    ending = " ON CONFLICT DO NOTHING" if name in sql.KEPT else ""
    return f"INSERT INTO {name} ({columns}) SELECT {values} FROM {source}{ending}"  # noqa: S608 - no input


def _update(name: str, parameter: str) -> str:
    table, columns = metadata.tables[name], sql.CHANGED_COLUMNS[name]
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    typed = {
        "of_retailer": table.c.retailer_id,
        "of_id": table.c.id,
        **{f"new_{each}": table.c[each] for each in columns},
    }
    types = ", ".join(f"{each} {column.type.compile(dialect)}" for each, column in typed.items())
    changes = ", ".join(f"{each} = r.new_{each}" for each in columns)
    still_asked = f" AND {name}.state = 'asked'" if name == "cancellations" else ""
    return (
        f"UPDATE {name} SET {changes} FROM json_to_recordset({_ROWS.format(parameter)}) AS r({types})"  # noqa: S608 - no input
        f" WHERE {name}.retailer_id = r.of_retailer AND {name}.id = r.of_id{still_asked}"
    )
