"""What the store does in SQLite's own way.

SQLite has no round trips: the driver runs a statement row by row, and the rows of a batch are made ready for it here,
because SQLAlchemy takes three times as long.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Dialect,
    Insert,
    Select,
    String,
    Table,
    TextClause,
    Update,
    Uuid,
    bindparam,
    exists,
    insert,
    make_url,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import TextualSelect
from sqlalchemy.types import TypeEngine

from countermand.store import statements as sql
from countermand.store import tables as t
from countermand.store.archive import ArchiveReader, ArchiveWriter, Progress
from countermand.store.changes import LostRaceError
from countermand.store.columns import Instant
from countermand.store.engines.alone import OneServer
from countermand.store.engines.protocol import (
    Database,
    EventKey,
    Opening,
    Pair,
    Pairs,
    Records,
    RestorePlan,
    Rows,
    RowUpdate,
    Speakers,
    Terms,
    Touched,
    UnsafeDatabaseError,
    Words,
)
from countermand.store.engines.sqlite import backup
from countermand.store.engines.sqlite.words import SqliteWords, instant_text

_WORDS: Final = SqliteWords()


class SqliteEngine(OneServer):
    """See ``Engine``. One transaction writes at a time, so that of what others do nothing needs to be known."""

    name = "sqlite"
    kind = "SQLite is one file, which is spread over no servers."
    advice = "Take a PostgreSQL with Citus: docs/how-to/citus.md says how."
    one_writer = True
    one_retailer = False
    words: Words = _WORDS

    heads: TextualSelect = sql.heads(_WORDS.numbers_given("partitions"))
    # The next position.
    horizon: TextualSelect = text("SELECT feed.position + 1 FROM feed").columns(position=BigInteger)
    # Nothing else runs.
    barrier: TextualSelect = text("SELECT 0 AS newest, 0 AS oldest").columns(newest=BigInteger, oldest=BigInteger)
    columns: TextualSelect = text(
        "SELECT t.name AS table_name, c.name AS column_name FROM sqlite_schema AS t"
        " JOIN pragma_table_xinfo(t.name) AS c WHERE t.type = 'table'"
    ).columns(table_name=String, column_name=String)

    def serves(self, url: str) -> bool:
        """By SQLAlchemy's name."""
        return make_url(url).get_backend_name() == self.name

    def shown(self, url: str) -> str:
        """There is no secret in it."""
        return url

    async def open(self, url: str, how: Opening) -> Database:
        """Open the file, and make it if it is not there."""
        from countermand.store.engines.sqlite.database import SqliteDatabase

        if how.standby:
            raise UnsafeDatabaseError("standby: a SQLite file has none. It is for PostgreSQL.")
        parsed = make_url(url)
        if parsed.database in (None, "", ":memory:"):
            raise UnsafeDatabaseError("A SQLite database in memory keeps nothing. Name a file: sqlite:///path/to/file.")
        return SqliteDatabase(self, parsed, how)

    def prepare_to_migrate(self, connection: Connection) -> None:
        """The transaction has the file already."""

    def write(
        self, connection: Connection, changed: Mapping[str, Rows], new: Mapping[str, Rows], touched: Touched
    ) -> None:
        """A statement for each table."""
        for name, rows in changed.items():
            found = _row_by_row(connection, sql.UPDATES[name], rows)
            if found != len(rows):
                raise LostRaceError.of_rows(len(rows), found, name)
        if "events" in new:
            connection.exec_driver_sql(_NEXT_POSITION)
        for name, rows in new.items():
            _row_by_row(connection, _INSERTS[name], rows)
        if "order_parts" in new:
            _row_by_row(connection, _INSERT_SEARCH, new["order_parts"])
        if touched:
            self.make_cards_stale(connection, touched)

    def lock(self, connection: Connection, statement: Select[*tuple[Any, ...]], pairs: Pairs) -> Records:
        """One transaction writes at a time: it is enough to read them."""
        return connection.execute(statement, {"lines": pairs}).all()

    def hold(self, connection: Connection, names: Sequence[str]) -> None:
        """One transaction writes at a time."""

    def insert_unless_there(self, table: Table) -> Insert:
        """With ``ON CONFLICT``."""
        return sqlite.insert(table).on_conflict_do_nothing()

    def index_terms(self, connection: Connection, part: Mapping[str, Any]) -> None:
        """Into the full-text table."""
        connection.execute(
            insert(t.order_search).values({each.name: part[each.name] for each in t.order_search.columns})
        )

    def keys_by_terms(self, wanted: Terms) -> Select[*tuple[Any, ...]]:
        """In the query language of FTS5, which finds them in the order of their numbers, or the other way round."""
        words = wanted.written(both=" AND ", either=" OR ", beginning="*")
        searched, parts = t.order_search.c, t.order_parts.c
        keys = select(searched.retailer_id, searched.order_id, searched.placed_at)
        keys = keys.where(text("order_search MATCH :terms").bindparams(terms=words))
        if wanted.party:
            same = (parts[name] == searched[name] for name in ("retailer_id", "order_id", "fulfiller_id"))
            held = exists().where(*same, parts.fulfiller_id == wanted.party, parts.held == true())
            keys = keys.where(or_(searched.retailer_id == wanted.party, held))
        return keys.order_by(text("order_search.rowid DESC")).limit(wanted.most) if wanted.most else keys

    def retailers_of_speakers(self, connection: Connection, speakers: Speakers) -> Mapping[UUID, UUID]:
        """Pair by pair, in one statement."""
        rows = connection.execute(_RETAILERS_OF_SPEAKERS, {"speakers": speakers})
        return {row.id: row.retailer_id for row in rows}

    def first_notices(
        self, connection: Connection, columns: Collection[str], pairs: Collection[Pair], now: datetime, most: int
    ) -> Records:
        """Pair by pair, in one statement."""
        given = _WORDS.of_document([(partition, _WORDS.id_in_json(endpoint)) for partition, endpoint in pairs])
        return connection.execute(_first_notices(tuple(columns)), {"pairs": given, "now": now, "most": most}).all()

    def looked_up_in_turn(self, joins: Mapping[str, tuple[str, str]]) -> str:
        """SQLite looks into tables that are joined by CROSS JOIN in the order in which they are written."""
        keys = {f"key{place}": f"key.value ->> {place}" for place in range(3)}
        source = "json_each(:keys) AS key"
        for table, (condition, kind) in joins.items():
            parts = condition.format(**keys).split(" AND ")
            source += f" {kind} JOIN {table} ON {' AND '.join(f'{table}.{part}' for part in parts)}"
        return source

    def keys_given(self, keys: Collection[EventKey]) -> Iterable[Mapping[str, Any]]:
        """All in one JSON text."""
        shown = _WORDS.id_in_json
        return ({"keys": _WORDS.of_document([(shown(retailer), shown(line), seq) for retailer, line, seq in keys])},)

    def update_rows(self, connection: Connection, change: RowUpdate, rows: Rows) -> int:
        """Row by row."""
        return connection.execute(_row_update(change), rows).rowcount

    def make_cards_stale(self, connection: Connection, touched: Touched) -> None:
        """The pairs are one JSON text."""
        pairs = [(party.hex, instant_text(placed_at)) for party, placed_at in touched]
        connection.exec_driver_sql(_STALE, (_WORDS.of_document(pairs),))

    def misplaced(self, connection: Connection) -> int | None:
        """Positions come from the file itself."""
        return None

    def connections_needed(self, lanes: int) -> int:
        """It is a file."""
        return 0

    def connections_allowed(self, connection: Connection) -> int | None:
        """It is a file."""
        return None

    def dump(self, connection: Connection, archive: ArchiveWriter, progress: Progress) -> dict[str, int]:
        """The file as it is."""
        return backup.dump(connection, archive, progress)

    async def check_empty(self, url: str, how: Opening) -> None:
        """There is no file."""
        backup.check_empty(make_url(url))

    async def restore(
        self, url: str, how: Opening, archive: ArchiveReader, plan: RestorePlan, progress: Progress
    ) -> None:
        """The file comes with its schema."""
        await self.check_empty(url, how)
        await backup.load(self, make_url(url), archive, plan.finish, progress)


# Rows


@cache
def _row_update(change: RowUpdate) -> TextClause:
    given = {name: f":{name}" for name in change.parameters}
    columns = ", ".join(f"{column} = {given[name]}" for column, name in change.changes.items())
    statement = text(f"UPDATE {change.table} SET {columns} WHERE {change.where.format(**given)}")  # noqa: S608 - no input
    return statement.bindparams(*(bindparam(name, type_=kind) for name, kind in change.parameters.items()))


def _row_by_row(connection: Connection, statement: Insert | Update, rows: Rows) -> int:
    """How many rows the statement changed."""
    ready = _ready(statement)
    parameters = [ready.bound(row) for row in rows]
    return connection.exec_driver_sql(ready.text, parameters).rowcount


@dataclass(frozen=True, slots=True)
class _Ready:
    """A statement as SQLite's driver takes it, and how a row becomes its parameters."""

    text: str
    values: Callable[[dict[str, Any]], Sequence[Any]]
    binds: Sequence[tuple[int, Callable[[Any], Any]]]

    def bound(self, row: dict[str, Any]) -> tuple[Any, ...]:
        """The values of a row in the order of the statement, each as the driver takes it."""
        values = list(self.values(row))
        for place, bind in self.binds:
            values[place] = bind(values[place])
        return tuple(values)


@cache
def _ready(statement: Insert | Update) -> _Ready:
    dialect = sqlite.dialect(json_serializer=_WORDS.of_document)
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    names = compiled.positiontup or ()
    binds = [(place, _bind(compiled.binds[name].type, dialect)) for place, name in enumerate(names)]
    return _Ready(str(compiled), itemgetter(*names), [(place, bind) for place, bind in binds if bind])


def _bind(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """How a value is handed to the driver. What a row has most of is done without SQLAlchemy's detours."""
    if isinstance(kind, Uuid):
        return _digits
    if isinstance(kind, Instant):
        return _WORDS.of_instant
    return None if isinstance(kind, Boolean) else kind.dialect_impl(dialect).bind_processor(dialect)


def _digits(value: UUID | None) -> str | None:
    return value.hex if value is not None else None


def _insert(table: Table) -> Insert:
    values: dict[str, Any] = {each.name: bindparam(each.name) for each in table.columns if each.computed is None}
    made = {name: text(value) for (of, name), value in _MADE.items() if of == table.name}
    return insert(table).values({**values, **made})


_MADE: Final = {("events", "position"): "(SELECT feed.position FROM feed)"}
"""Columns that SQLite fills, and with what. One transaction writes at a time: each takes the next position."""


_INSERTS: Final[dict[str, Insert]] = {
    table.name: sqlite.insert(table).on_conflict_do_nothing() if table.name in sql.KEPT else _insert(table)
    for table in t.metadata.sorted_tables
}
_INSERT_SEARCH: Final = _insert(t.order_search)
_NEXT_POSITION: Final = "UPDATE feed SET position = position + 1"

# Statements

# Values in a JSON text compare without a cast.
_RETAILERS_OF_SPEAKERS: Final = sql.retailers_of_speakers(
    keys="json_each(:speakers)",
    id="(key.value ->> 0)",
    party="(key.value ->> 1)",
    nobody=f"'{UUID(int=0).hex}'",
    here="id_directory AS here ON here.id = (key.value ->> 0)",
    each="",
)


@cache
def _first_notices(columns: tuple[str, ...]) -> TextualSelect:
    # There is no LATERAL: the same rows are looked up by their number.
    return sql.first_notices(
        "json_each(:pairs) AS pair JOIN notices AS n ON n.rowid IN (SELECT rowid FROM notices"
        " WHERE endpoint_id = pair.value ->> 1 AND partition = pair.value ->> 0 AND state = 'due' AND due_at <= :now"
        " ORDER BY due_at LIMIT :most)",
        columns,
    )


_STALE: Final = (
    "UPDATE score_cards SET state = 'stale' WHERE rowid IN (SELECT c.rowid FROM json_each(?) AS r"
    " CROSS JOIN score_cards AS c WHERE c.party_id = r.value ->> 0 AND c.starts_at <= r.value ->> 1"
    " AND c.ends_at > r.value ->> 1 AND c.state <> 'stale')"
)
