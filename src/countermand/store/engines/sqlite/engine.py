"""What the store does in SQLite's own way.

SQLite has no round trips: the driver runs a statement row by row, and the rows of a batch are made ready for it here,
because SQLAlchemy takes three times as long.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Insert,
    Table,
    TextClause,
    Update,
    bindparam,
    insert,
    make_url,
    text,
)
from sqlalchemy import update as update_of
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import TextualSelect

from countermand.store import statements as sql
from countermand.store import tables as t
from countermand.store.changes import check_count
from countermand.store.columns import Id, Instant, to_json
from countermand.store.engines.protocol import Database, Opening, Rows, RowUpdate, UnsafeDatabaseError, Words
from countermand.store.engines.sqlite.words import SqliteWords


class SqliteEngine:
    """See ``Engine``. One transaction writes at a time, so that of what others do nothing needs to be known."""

    name = "sqlite"
    one_writer = True
    words: Words = SqliteWords()

    @property
    def retailers_of_speakers(self) -> TextualSelect:
        """Values in a JSON text compare without a cast."""
        return _RETAILERS_OF_SPEAKERS

    @property
    def horizon(self) -> TextualSelect:
        """The next position."""
        return _HORIZON

    @property
    def barrier(self) -> TextualSelect:
        """Nothing else runs."""
        return _BARRIER

    @property
    def searched(self) -> Table:
        """The full-text table has the terms of all parts."""
        return t.order_search

    @property
    def first_notices(self) -> str:
        """There is no LATERAL: the same rows are looked up by their number."""
        return _FIRST_NOTICES

    def serves(self, url: str) -> bool:
        """By SQLAlchemy's name."""
        return make_url(url).get_backend_name() == self.name

    def shown(self, url: str) -> str:
        """There is no secret in it."""
        return url

    async def open(self, url: str, how: Opening) -> Database:
        """Open the file, and make it if it is not there."""
        from countermand.store.engines.sqlite.database import SqliteDatabase

        parsed = make_url(url)
        if parsed.database in (None, "", ":memory:"):
            raise UnsafeDatabaseError("A SQLite database in memory keeps nothing. Name a file: sqlite:///path/to/file.")
        return SqliteDatabase(self, parsed, how)

    def prepare_to_migrate(self, connection: Connection) -> None:
        """The transaction has the file already."""

    def write(self, connection: Connection, changed: Mapping[str, Rows], new: Mapping[str, Rows]) -> None:
        """A statement for each table."""
        for name, rows in changed.items():
            check_count(len(rows), _row_by_row(connection, sql.UPDATES[name], rows), name)
        if "events" in new:
            _place(connection, new["events"])
        for name, rows in new.items():
            _row_by_row(connection, _INSERTS[name], rows)
        if "order_parts" in new:
            _row_by_row(connection, _INSERT_SEARCH, new["order_parts"])

    def insert_unless_there(self, table: Table) -> Insert:
        """With ``ON CONFLICT``."""
        return sqlite.insert(table).on_conflict_do_nothing()

    def index_terms(self, connection: Connection, part: Mapping[str, Any]) -> None:
        """Into the full-text table."""
        connection.execute(
            insert(t.order_search).values({each.name: part[each.name] for each in t.order_search.columns})
        )

    def has_terms(self, whose: Sequence[Sequence[str]], terms: Iterable[str], *, begin: bool) -> ColumnElement[bool]:
        """In the query language of FTS5."""
        groups = [f"({' OR '.join(group)})" if len(group) > 1 else group[0] for group in whose]
        query = " AND ".join([*groups, *(f"{term}*" if begin else term for term in terms)])
        found: Any = text("order_search MATCH :terms").bindparams(terms=query)
        return cast("ColumnElement[bool]", found)

    def looked_up_in_turn(self, joins: Mapping[str, tuple[str, str]]) -> str:
        """SQLite looks into tables that are joined by CROSS JOIN in the order in which they are written."""
        keys = {f"key{place}": f"key.value ->> {place}" for place in range(3)}
        source = "json_each(:keys) AS key"
        for table, (condition, kind) in joins.items():
            parts = condition.format(**keys).split(" AND ")
            source += f" {kind} JOIN {table} ON {' AND '.join(f'{table}.{part}' for part in parts)}"
        return source

    def update_rows(self, connection: Connection, change: RowUpdate, rows: Rows) -> int:
        """Row by row."""
        return connection.execute(_row_update(change), rows).rowcount

    def make_cards_stale(self, connection: Connection, touched: Sequence[tuple[UUID, datetime]]) -> None:
        """Card by card."""
        connection.execute(_STALE, [{"of_party": party, "placed_at": placed_at} for party, placed_at in touched])

    def misplaced(self, connection: Connection) -> int | None:
        """Positions come from the file itself."""
        return None


# Rows


@cache
def _row_update(change: RowUpdate) -> TextClause:
    given = {name: f":{name}" for name in change.parameters}
    columns = ", ".join(f"{column} = {given[name]}" for column, name in change.changes.items())
    statement = text(f"UPDATE {change.table} SET {columns} WHERE {change.where.format(**given)}")  # noqa: S608 - no input
    return statement.bindparams(*(bindparam(name, type_=kind) for name, kind in change.parameters.items()))


def _row_by_row(connection: Connection, statement: Insert | Update, rows: Rows) -> int:
    ready = _ready(statement)
    parameters = [tuple([bind(row[name]) if bind else row[name] for name, bind in ready.columns]) for row in rows]
    return connection.exec_driver_sql(ready.text, parameters).rowcount


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


def _place(connection: Connection, events: Rows) -> None:
    """Give the new events of a transaction their position."""
    position = connection.execute(_NEXT_POSITION).scalar_one()
    for event in events:
        event["position"] = position


def _insert(table: Table) -> Insert:
    return insert(table).values({each.name: bindparam(each.name) for each in table.columns if each.computed is None})


_INSERTS: Final[dict[str, Insert]] = {
    table.name: sqlite.insert(table).on_conflict_do_nothing() if table.name in sql.KEPT else _insert(table)
    for table in t.metadata.sorted_tables
}
_INSERT_SEARCH: Final = _insert(t.order_search)
_NEXT_POSITION: Final = text("UPDATE feed SET position = position + 1 RETURNING position")

# Statements

_RETAILERS_OF_SPEAKERS: Final = sql.retailers_of_speakers(
    keys="json_each(:speakers)",
    id="(key.value ->> 0)",
    party="(key.value ->> 1)",
    nobody=f"'{UUID(int=0).hex}'",
    here="id_directory AS here ON here.id = (key.value ->> 0)",
    each="",
)
_HORIZON: Final = text("SELECT feed.position + 1 FROM feed").columns(position=BigInteger)
_BARRIER: Final = text("SELECT 0 AS newest, 0 AS oldest").columns(newest=BigInteger, oldest=BigInteger)
_FIRST_NOTICES: Final = (
    "json_each(:pairs) AS pair JOIN notices AS n ON n.rowid IN (SELECT rowid FROM notices"
    " WHERE endpoint_id = pair.value ->> 1 AND partition = pair.value ->> 0 AND state = 'due' AND due_at <= :now"
    " ORDER BY due_at LIMIT :most)"
)
_CARDS: Final = t.score_cards.c
_STALE: Final = (
    update_of(t.score_cards)
    .where(
        _CARDS.party_id == bindparam("of_party", type_=Id),
        _CARDS.starts_at <= bindparam("placed_at", type_=Instant()),
        _CARDS.ends_at > bindparam("placed_at", type_=Instant()),
        text("state <> 'stale'"),
    )
    .values(state="stale")
)
