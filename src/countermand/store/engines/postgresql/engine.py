"""What the store does in PostgreSQL's own way.

A batch is one statement, and the rows of each table travel as one JSON parameter: round trips, and encoding a message
for each row, took most of the time of a busy lane (docs/decisions/0012).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Insert,
    LargeBinary,
    Select,
    String,
    Table,
    TextClause,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.selectable import TextualSelect
from sqlalchemy.types import TypeEngine

from countermand.store import statements as sql
from countermand.store.archive import ArchiveReader, ArchiveWriter, Progress
from countermand.store.columns import Id, Instant
from countermand.store.engines.alone import OneServer
from countermand.store.engines.postgresql import backup
from countermand.store.engines.postgresql.address import AddressError, PostgresAddress, is_postgres, read_address
from countermand.store.engines.postgresql.driver import LOST_RACE, fetch, put_off
from countermand.store.engines.postgresql.planner import plan_freely
from countermand.store.engines.postgresql.words import PostgresWords
from countermand.store.engines.protocol import (
    SIDE_BY_SIDE,
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
    UnavailableError,
    UnsafeDatabaseError,
    Words,
    ping,
)
from countermand.store.tables import metadata

if TYPE_CHECKING:
    from countermand.store.engines.postgresql.database import PostgresDatabase

SNAPSHOT_OLDEST: Final = "CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)"
NEWEST: Final = "CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT)"
_HOLD: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(CAST(:name AS TEXT), 0))")


_SEEN: Final[ColumnElement[str]] = literal_column(
    "CASE WHEN row_security_active('order_parts') THEN coalesce(current_setting('countermand.sees', true), '')"
    " ELSE 'all' END"
)
"""What row-level security compares rows with, or that it does not bind this role."""


class PostgresEngine(OneServer):
    """See ``Engine``."""

    name = "postgresql"
    kind = "This is one PostgreSQL, without Citus: all tables are on one server."
    advice = "Install Citus and run CREATE EXTENSION citus in this database: docs/how-to/citus.md says how."
    one_writer = False
    one_retailer = False
    words: Words = PostgresWords()

    heads: TextualSelect = sql.heads(PostgresWords().numbers_given("partitions"))
    # The oldest transaction that still runs.
    horizon: TextualSelect = text(f"SELECT feed.position + {SNAPSHOT_OLDEST} FROM feed").columns(position=BigInteger)  # noqa: S608 - no input
    # The bounds of the snapshot.
    barrier: TextualSelect = text(f"SELECT {NEWEST} AS newest, {SNAPSHOT_OLDEST} AS oldest").columns(
        newest=BigInteger, oldest=BigInteger
    )
    # Not of ``information_schema``, which shows only what this role may use.
    columns: TextualSelect = text(
        "SELECT c.relname AS table_name, a.attname AS column_name FROM pg_class AS c JOIN pg_attribute AS a"
        " ON a.attrelid = c.oid WHERE c.relnamespace = CAST(current_schema() AS REGNAMESPACE)"
        " AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped"
    ).columns(table_name=String, column_name=String)

    def serves(self, url: str) -> bool:
        """As libpq and SQLAlchemy write it."""
        return is_postgres(url)

    def shown(self, url: str) -> str:
        """Without the password."""
        return read_address(url).without_password()

    async def open(self, url: str, how: Opening) -> Database:
        """Open the server's pools, and ask it whether it keeps what is committed."""
        from countermand.store.engines.postgresql.database import UnusableAddressError

        try:
            address = read_address(url)
            if how.standby and not self.serves(how.standby):
                raise AddressError("standby: it must be the address of a PostgreSQL server.")
            if how.standby:
                read_address(how.standby)
        except AddressError as error:
            raise UnsafeDatabaseError(str(error)) from None
        database = self.database(address, how)
        try:
            await (database.read(ping) if how.allow_weak_durability else database.check_durability())
        except UnavailableError as error:
            await database.close()
            if isinstance(error.__cause__, UnusableAddressError):
                raise UnsafeDatabaseError(str(error.__cause__)) from error
            raise
        except BaseException:
            await database.close()
            raise
        return database

    def database(self, address: PostgresAddress, how: Opening) -> "PostgresDatabase":
        """The server's pools."""
        from countermand.store.engines.postgresql.database import PostgresDatabase

        return PostgresDatabase(self, address, how)

    def prepare_to_migrate(self, connection: Connection) -> None:
        """Two processes that start on an empty database: the second one waits, and finds nothing left to do."""
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
        plan_freely(connection)

    def write(
        self, connection: Connection, changed: Mapping[str, Rows], new: Mapping[str, Rows], touched: Touched
    ) -> None:
        """One statement, of which cards are a part where rows are changed.

        To lock those, the transaction has got its number, so that the statement looks at the cards later than that: see
        ``Barrier``. Otherwise it gets its number by this statement, and cards are looked at by another one.
        """
        if not (changed or new):
            return
        added = [_with_texts(name, rows) for name, rows in new.items()]
        texts = [_json(rows) for rows in (*changed.values(), *added)]
        with_cards = bool(changed and touched)
        if with_cards:
            texts.append(_cards(touched))
        if changed:
            texts.append(", ".join(str(len(rows)) for rows in changed.values()))
        put_off(connection, _statement(tuple(changed), tuple(new), with_cards), [_unquoted(text) for text in texts])
        if touched and not with_cards:
            self.make_cards_stale(connection, touched)

    def lock(self, connection: Connection, statement: Select[*tuple[Any, ...]], pairs: Pairs) -> Records:
        """By the driver: there is nothing in these rows that SQLAlchemy would turn into anything else."""
        return fetch(connection, _compiled(statement), [_json(pairs)])

    def hold(self, connection: Connection, names: Sequence[str]) -> None:
        """By advisory locks, one after the other, so that no two transactions wait for each other."""
        for name in names:
            connection.execute(_HOLD, {"name": name})

    def insert_unless_there(self, table: Table) -> Insert:
        """With ``ON CONFLICT``."""
        return postgresql.insert(table).on_conflict_do_nothing()

    def index_terms(self, connection: Connection, part: Mapping[str, Any]) -> None:
        """The part has its terms."""

    def keys_by_terms(self, wanted: Terms) -> Select[*tuple[Any, ...]]:
        """By a function that asks the index before row-level security, and row-level security as well."""
        party, most = bindparam("party", wanted.party, Id), bindparam("most", wanted.most, BigInteger)
        found = func.parts_with_words(cast(words(wanted), postgresql.TSQUERY), _SEEN, party, most).table_valued(
            column("retailer_id", Id), column("order_id", Id), column("placed_at", Instant), name="found"
        )
        return select(found.c.retailer_id, found.c.order_id, found.c.placed_at)

    def retailers_of_speakers(self, connection: Connection, speakers: Speakers) -> Mapping[UUID, UUID]:
        """Pair by pair, in one statement."""
        rows = connection.execute(_RETAILERS_OF_SPEAKERS, {"speakers": speakers})
        return {row.id: row.retailer_id for row in rows}

    def first_notices(
        self, connection: Connection, columns: Collection[str], pairs: Collection[Pair], now: datetime, most: int
    ) -> Records:
        """Pair by pair, in one statement."""
        given = {"pairs": _documents(pairs), "now": now, "most": most}
        return connection.execute(_first_notices(tuple(columns)), given).all()

    def looked_up_in_turn(self, joins: Mapping[str, tuple[str, str]]) -> str:
        """``OFFSET 0`` keeps each look-up what it is: one row by the whole of its primary key."""
        kinds = ("UUID", "UUID", "INTEGER")
        keys = {f"key{place}": f"CAST(key ->> {place} AS {kind})" for place, kind in enumerate(kinds)}
        source = "json_array_elements(CAST(CAST(:keys AS TEXT) AS JSON)) AS key"
        for table, (condition, kind) in joins.items():
            where = condition.format(**keys)
            ending = " ON TRUE" if kind == "LEFT" else ""
            source += f" {kind} JOIN LATERAL (SELECT * FROM {table} WHERE {where} OFFSET 0) AS {table}{ending}"  # noqa: S608 - no input
        return source

    def keys_given(self, keys: Collection[EventKey]) -> Iterable[Mapping[str, Any]]:
        """All in one JSON text."""
        return ({"keys": _documents(keys)},)

    def update_rows(self, connection: Connection, change: RowUpdate, rows: Rows) -> int:
        """One statement, whose rows are one parameter."""
        return connection.execute(_row_update(change), {"rows": _json(rows)}).rowcount

    def make_cards_stale(self, connection: Connection, touched: Touched) -> None:
        """Locked in one order everywhere. Those that are stale are left alone, so that nobody waits for them."""
        connection.execute(_STALE, {"cards": _cards(touched)})

    def misplaced(self, connection: Connection) -> int | None:
        """Where events stand beyond all transactions, the database was restored into another server."""
        found: int | None = connection.execute(_RESTORED).scalar()
        return found

    def connections_needed(self, lanes: int) -> int:
        """Of all pools, and one that listens."""
        from countermand.store.engines.postgresql.database import HEAVY_READERS, POSTGRES_READERS, WORKER_WRITERS

        side_by_side = SIDE_BY_SIDE if self.one_retailer else 1
        return lanes * side_by_side + WORKER_WRITERS + POSTGRES_READERS + HEAVY_READERS + 1

    def connections_allowed(self, connection: Connection) -> int | None:
        """By the server's settings, and by the limits of the role and of the database if they have any."""
        allowed: int = connection.execute(_CONNECTIONS_ALLOWED).scalar_one()
        return allowed

    def dump(self, connection: Connection, archive: ArchiveWriter, progress: Progress) -> dict[str, int]:
        """The rows of every table."""
        return backup.dump(connection, archive, progress)

    async def check_empty(self, url: str, how: Opening) -> None:
        """There is no table."""
        database = await self.open(url, how)
        try:
            await database.read(lambda connection: backup.check_empty(connection, url))
        finally:
            await database.close()

    async def restore(
        self, url: str, how: Opening, archive: ArchiveReader, plan: RestorePlan, progress: Progress
    ) -> None:
        """In one transaction: the schema, the rows, and what follows."""

        def work(connection: Connection) -> None:
            self.prepare_to_migrate(connection)
            backup.check_empty(connection, url)
            plan.make(connection)
            backup.load(connection, archive, progress)
            plan.finish(connection)

        database = await self.open(url, how)
        try:
            await database.write(work)
        finally:
            await database.close()


def words(wanted: Terms) -> str:
    """The terms in the query language of PostgreSQL's index of words."""
    return wanted.written(both=" & ", either=" | ", beginning=":*")


_MIGRATING: Final = 0x636D  # any number that no other user of this database locks

# Rows

TRANSACTION: Final = (
    "greatest(CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT),"
    " CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT) - 1)"
)
"""Behind which transactions a new event stands: this one, and all that have ended when it is saved.

One that waited for a line may have a lower number than the one that it waited for.
"""

POSITION: Final = f"{TRANSACTION} + (SELECT feed.position FROM feed)"  # noqa: S608 - no input
"""Of a new event: the number of the transaction, and what ``feed`` says."""

_MADE: Final = {("events", "position"): POSITION}
"""Columns that PostgreSQL fills, and with what."""

_ROWS: Final = "CAST(CAST(:{} AS TEXT) AS JSON)"


_CONNECTIONS_ALLOWED: Final = text(
    "SELECT LEAST(CAST(current_setting('max_connections') AS INT)"
    " - CAST(current_setting('superuser_reserved_connections') AS INT)"
    " - COALESCE(CAST(current_setting('reserved_connections', true) AS INT), 0),"
    " (SELECT NULLIF(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),"
    " (SELECT NULLIF(datconnlimit, -1) FROM pg_database WHERE datname = current_database()))"
)


_BYTES: Final = {
    table.name: columns
    for table in metadata.sorted_tables
    if (columns := [column.name for column in table.columns if isinstance(column.type, LargeBinary)])
}


def _with_texts(name: str, rows: Rows) -> Rows:
    """New rows of a table with their bytes as PostgreSQL reads them in a JSON document."""
    columns = _BYTES.get(name)
    if not columns:
        return rows
    return [{**row, **{each: f"\\x{row[each].hex()}" for each in columns if row.get(each) is not None}} for row in rows]


def _json(rows: Rows | Pairs) -> str:
    # The driver's ids are of a class of their own, which orjson hands to ``default``.
    return orjson.dumps(rows, default=str).decode()


def _typed(parameters: Mapping[str, TypeEngine[Any]]) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return ", ".join(f"{name} {kind.compile(dialect)}" for name, kind in parameters.items())


@cache
def _row_update(change: RowUpdate) -> TextClause:
    given = {name: f"r.{name}" for name in change.parameters}
    columns = ", ".join(f"{column} = {given[name]}" for column, name in change.changes.items())
    return text(
        f"UPDATE {change.table} SET {columns}"  # noqa: S608 - no input
        f" FROM json_to_recordset({_ROWS.format('rows')}) AS r({_typed(change.parameters)})"
        f" WHERE {change.where.format(**given)}"
    )


def _cards(touched: Touched) -> str:
    return _json([{"party": party, "placed_at": placed_at} for party, placed_at in touched])


@cache
def _compiled(statement: Select[*tuple[Any, ...]]) -> str:
    return str(statement.compile(dialect=postgresql.dialect(paramstyle="numeric_dollar")))  # type: ignore[no-untyped-call]


def _unquoted(text: str) -> str:
    """JSON without an apostrophe. Outside of strings it has none."""
    return text.replace("'", r"\u0027")


@cache
def _statement(updated: tuple[str, ...], inserted: tuple[str, ...], with_cards: bool) -> str:
    """One statement for these tables. It fails where it updated other numbers of rows than its last parameter says.

    Its parts see the rows as they were before it, so none may need another's.
    """
    parts = [_update(name, place) for place, name in enumerate(updated, start=1)]
    parts += [_insert(name, place) for place, name in enumerate(inserted, start=len(updated) + 1)]
    named = [f"part_{place} AS ({part})" for place, part in enumerate(parts, start=1)]
    if with_cards:
        named += [f"touched AS ({_TOUCHED.format(_given(len(parts) + 1))})", f"stale AS ({_MAKE_STALE})"]
    if not updated:
        return f"WITH {', '.join(named)} SELECT 0"
    counts = " || ', ' || ".join(f"(SELECT count(*) FROM part_{place})" for place in range(1, len(updated) + 1))  # noqa: S608 - no input
    wanted = f"CAST(${len(parts) + with_cards + 1} AS TEXT)"
    lost = f"'{LOST_RACE}' || found || ' rows instead of ' || {wanted} || ' were changed by: {', '.join(updated)}'"
    return (
        f"WITH {', '.join(named)} SELECT CASE WHEN found = {wanted} THEN 0 ELSE CAST({lost} AS INTEGER) END"  # noqa: S608 - no input
        f" FROM (SELECT '' || {counts} AS found) AS changed"
    )


def _given(place: int) -> str:
    return f"CAST(CAST(${place} AS TEXT) AS JSON)"


def _insert(name: str, place: int) -> str:
    names = [column.name for column in metadata.tables[name].columns if column.computed is None]
    columns = ", ".join(f'"{each}"' for each in names)
    values = ", ".join(_MADE.get((name, each), f'"{each}"') for each in names)
    source = f"json_populate_recordset(NULL::{name}, {_given(place)})"
    ending = " ON CONFLICT DO NOTHING" if name in sql.KEPT else ""
    return f"INSERT INTO {name} ({columns}) SELECT {values} FROM {source}{ending}"  # noqa: S608 - no input


def _update(name: str, place: int) -> str:
    table, columns = metadata.tables[name], sql.CHANGED_COLUMNS[name]
    typed = {
        "of_retailer": table.c.retailer_id.type,
        "of_id": table.c.id.type,
        **{f"new_{each}": table.c[each].type for each in columns},
    }
    changes = ", ".join(f"{each} = r.new_{each}" for each in columns)
    still_asked = f" AND {name}.state = 'asked'" if name == "cancellations" else ""
    return (
        f"UPDATE {name} SET {changes} FROM json_to_recordset({_given(place)}) AS r({_typed(typed)})"  # noqa: S608 - no input
        f" WHERE {name}.retailer_id = r.of_retailer AND {name}.id = r.of_id{still_asked} RETURNING 1"
    )


def _documents(rows: Iterable[Sequence[Any]]) -> str:
    return orjson.dumps(list(rows), default=str).decode()


# Statements

# Looked up pair by pair: ``OFFSET 0`` keeps PostgreSQL from reading a table whole instead.
_RETAILERS_OF_SPEAKERS: Final = sql.retailers_of_speakers(
    keys="json_array_elements(CAST(CAST(:speakers AS TEXT) AS JSON))",
    id="CAST(key ->> 0 AS UUID)",
    party="CAST(key ->> 1 AS UUID)",
    nobody=f"CAST('{UUID(int=0)}' AS UUID)",
    here="LATERAL (SELECT retailer_id FROM id_directory WHERE id = CAST(key ->> 0 AS UUID) OFFSET 0) AS here ON TRUE",
    each=" OFFSET 0",
)


@cache
def _first_notices(columns: tuple[str, ...]) -> TextualSelect:
    return sql.first_notices(
        "json_array_elements(CAST(CAST(:pairs AS TEXT) AS JSON)) AS pair CROSS JOIN LATERAL (SELECT * FROM notices"
        " WHERE endpoint_id = CAST(pair ->> 1 AS UUID) AND partition = CAST(pair ->> 0 AS INTEGER) AND state = 'due'"
        " AND due_at <= :now ORDER BY due_at LIMIT :most) AS n",
        columns,
    )


_RESTORED: Final = text(
    "WITH seen AS (SELECT max((SELECT max(events.position) FROM events WHERE events.retailer_id = parties.id)) AS last,"  # noqa: S608 - no input
    f" {SNAPSHOT_OLDEST} AS oldest, {NEWEST} AS newest FROM parties WHERE parties.kind = 'retailer')"
    " SELECT seen.last + 1 - seen.oldest FROM seen, feed WHERE seen.last >= feed.position + seen.newest"
)
_TOUCHED: Final = (
    "SELECT c.party_id, c.role, c.zone, c.rules, c.week FROM"
    " json_to_recordset({}) AS r(party UUID, placed_at TIMESTAMPTZ)"
    " JOIN score_cards AS c ON c.party_id = r.party AND c.starts_at <= r.placed_at AND c.ends_at > r.placed_at"
    " AND c.state <> 'stale' ORDER BY c.party_id, c.role, c.zone, c.rules, c.week FOR UPDATE OF c"
)
_MAKE_STALE: Final = (
    "UPDATE score_cards SET state = 'stale' FROM touched WHERE score_cards.party_id = touched.party_id"
    " AND score_cards.role = touched.role AND score_cards.zone = touched.zone"
    " AND score_cards.rules = touched.rules AND score_cards.week = touched.week"
)
_STALE: Final = text(f"WITH touched AS ({_TOUCHED.format(_ROWS.format('cards'))}) {_MAKE_STALE}")
