"""What the store does in Citus' way, where it is not PostgreSQL's.

Every table of a retailer is spread by it, so a statement that says ``retailer_id = …`` is one of one server. A batch is
of one retailer, and is written by a statement for each table: as parts of one statement, each would be carried out by
the coordinator (docs/decisions/0041).
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import cache, partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Connection, Row, Select, TextClause, and_, bindparam, or_, select, text, true
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.selectable import TextualSelect
from sqlalchemy.types import JSON, TypeEngine

from countermand.store import statements as sql
from countermand.store import tables as t
from countermand.store.archive import ArchiveWriter, Progress
from countermand.store.changes import LostRaceError
from countermand.store.columns import Id, Instant
from countermand.store.engines.citus import spreading
from countermand.store.engines.citus.forms import RETAILER
from countermand.store.engines.postgresql.address import PostgresAddress
from countermand.store.engines.postgresql.engine import NEWEST, SNAPSHOT_OLDEST, TRANSACTION, PostgresEngine, words
from countermand.store.engines.protocol import (
    Database,
    EventKey,
    Layout,
    Move,
    Opening,
    Pair,
    Pairs,
    Records,
    Rows,
    RowUpdate,
    Speakers,
    Terms,
    Touched,
    UnsafeDatabaseError,
    UnspreadableError,
)
from countermand.store.engines.transactions import sqlstate
from countermand.store.row_security import IS_ACTIVE

if TYPE_CHECKING:
    from countermand.store.engines.citus.database import CitusDatabase

VALUES_MAX: Final = 20_000
"""So many values one statement inserts at most: the protocol has room for 32,767."""

DEADLOCK: Final = "40P01"
DEADLOCKS_MAX: Final = 20
"""So often a step of the spreading is tried that stands in the way of others, and they in its."""

DEADLOCK_PAUSE_S: Final = 0.05

_BEFORE: Final = "newest % 4294967296 - CAST(CAST(transactionid AS TEXT) AS BIGINT)"
# Of the number of a transaction that holds a lock on it, the low 32 bits are known.
_HELD: Final = f"newest - (({_BEFORE} + 6442450944) % 4294967296 - 2147483648)"
OLDEST: Final = (
    f"(SELECT LEAST({SNAPSHOT_OLDEST}, min({_HELD})) FROM (SELECT {NEWEST} AS newest) AS now"  # noqa: S608 - no input
    " LEFT JOIN pg_locks ON locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted)"
)
"""The oldest transaction that still runs, or whose end is not known on all servers yet.

One that wrote on several servers has ended for the coordinator before it has told them all. Until then it holds the
lock on its own number.
"""


class CitusEngine(PostgresEngine):
    """See ``Engine``. Its statements run on plain tables too, as they are before they are spread."""

    one_retailer = True

    # Of the notices that are due, each server looks at its own and names the pairs.
    heads: TextualSelect = sql.pairs_of_notices(
        "SELECT n.partition, n.endpoint_id FROM notices AS n JOIN endpoints AS e ON e.id = n.endpoint_id"
        " AND (e.state = 'removed' OR (e.state = 'active' AND e.unconfirmed_since IS NULL))"
        " WHERE n.partition = ANY (:partitions) AND n.state = 'due' AND n.due_at <= :now"
        " GROUP BY n.partition, n.endpoint_id"
    )
    horizon: TextualSelect = text(f"SELECT feed.position + {OLDEST} FROM feed").columns(position=BigInteger)  # noqa: S608 - no input
    barrier: TextualSelect = text(f"SELECT {NEWEST} AS newest, {OLDEST} AS oldest").columns(
        newest=BigInteger, oldest=BigInteger
    )

    def is_there(self, connection: Connection) -> bool:
        """Whether this database has the extension."""
        return bool(connection.execute(_IS_THERE).scalar())

    async def open(self, url: str, how: Opening) -> Database:
        """Open the coordinator's pools.

        Raises:
            UnsafeDatabaseError: as on PostgreSQL; or the server is another one of the cluster, or it would show this
                role only some of the rows.
        """
        if how.standby:
            raise UnsafeDatabaseError(
                "standby: lists of tables that are spread over servers are read at the coordinator."
            )
        database = await super().open(url, how)
        try:
            await database.read(_refuse_others)
        except BaseException:
            await database.close()
            raise
        return database

    def database(self, address: PostgresAddress, how: Opening) -> "CitusDatabase":
        """The coordinator's pools."""
        from countermand.store.engines.citus.database import CitusDatabase

        return CitusDatabase(self, address, how)

    def lock(self, connection: Connection, statement: Select[*tuple[Any, ...]], pairs: Pairs) -> Records:
        """In the form for one retailer."""
        return connection.execute(statement, {"lines": pairs}).all()

    def write(
        self, connection: Connection, changed: Mapping[str, Rows], new: Mapping[str, Rows], touched: Touched
    ) -> None:
        """A statement for each table and retailer. The coordinator gives the events their position."""
        for name, rows in changed.items():
            found = sum(_update(connection, name, retailer, mine) for retailer, mine in _by_retailer(rows))
            if found != len(rows):
                raise LostRaceError.of_rows(len(rows), found, name)
        if "events" in new:
            position = connection.execute(_POSITION).scalar_one()
            new = {**new, "events": [{**row, "position": position} for row in new["events"]]}
        for name, rows in new.items():
            parts = _by_retailer(rows, "retailer_id") if t.spread_by(name) == "retailer_id" else [(None, rows)]
            for _, mine in parts:
                _insert(connection, name, mine)
        if touched:
            self.make_cards_stale(connection, touched)

    def make_cards_stale(self, connection: Connection, touched: Touched) -> None:
        """Every server has the cards, so they are only written where there is one to change.

        The transaction gets its number first, so that it looks at the cards later than that: see ``Barrier``.
        """
        connection.execute(_NUMBER)
        for party, placed_at in sorted(touched):
            card = {"party": party, "placed_at": placed_at}
            if connection.execute(_FRESH, card).first() is not None:
                connection.execute(_MAKE_STALE, card)

    def update_rows(self, connection: Connection, change: RowUpdate, rows: Rows) -> int:
        """A statement for each retailer. What belongs to none stands at the coordinator, and is changed at once."""
        if "of_retailer" not in change.parameters:
            return super().update_rows(connection, change, rows)
        return sum(_change(connection, change, retailer, mine) for retailer, mine in _by_retailer(rows))

    def retailers_of_speakers(self, connection: Connection, speakers: Speakers) -> Mapping[UUID, UUID]:
        """First whose they are, then whether the speakers have to do with them: of what is absent, nobody's rows."""
        homes = {row.id: row.retailer_id for row in connection.execute(sql.RETAILERS_OF, {"ids": _firsts(speakers)})}
        found: dict[UUID, UUID] = {}
        for named, party in speakers:
            home = homes.get(named, _NOBODY)
            given = {RETAILER: home, "named": named, "party": party}
            if connection.execute(_HAS_TO_DO, given).first() is not None or home == party:
                found[named] = home
        return found

    def first_notices(
        self, connection: Connection, columns: Collection[str], pairs: Collection[Pair], now: datetime, most: int
    ) -> Records:
        """A statement for each pair."""
        query = _first_notices(tuple(columns))
        found: list[Row[*tuple[Any, ...]]] = []
        for partition, endpoint in pairs:
            given = {"of_partition": partition, "of_endpoint": endpoint, "now": now, "most": most}
            found.extend(connection.execute(query, given).all())
        return found

    def keys_by_terms(self, wanted: Terms) -> Select[*tuple[Any, ...]]:
        """Each server asks its own index, and keeps the limit. Row-level security binds no role here: see ``open``."""
        parts = t.order_parts.c
        query = select(parts.retailer_id, parts.order_id, parts.placed_at).where(
            _HAS_WORDS.bindparams(words=words(wanted))
        )
        if wanted.party is not None:
            holds = and_(parts.fulfiller_id == wanted.party, parts.held == true())
            query = query.where(or_(parts.retailer_id == wanted.party, holds))
        return query.limit(wanted.most)

    def looked_up_in_turn(self, joins: Mapping[str, tuple[str, str]]) -> str:
        """Keys of one retailer."""
        keys = {"key0": f":{RETAILER}", "key1": "key.line", "key2": "key.seq"}
        source = "unnest(CAST(:lines AS UUID[]), CAST(:seqs AS INTEGER[])) AS key(line, seq)"
        for table, (condition, kind) in joins.items():
            parts = [f"{table}.{part}" for part in condition.format(**keys).split(" AND ")]
            source += f" {'LEFT' if kind == 'LEFT' else 'INNER'} JOIN {table} ON {' AND '.join(parts)}"
        return source

    def keys_given(self, keys: Collection[EventKey]) -> Iterable[Mapping[str, Any]]:
        """Those of each retailer."""
        found: dict[UUID, list[EventKey]] = defaultdict(list)
        for key in keys:
            found[key[0]].append(key)
        for retailer, mine in found.items():
            yield {RETAILER: retailer, "lines": [line for _, line, _ in mine], "seqs": [seq for *_, seq in mine]}

    def layout(self, connection: Connection) -> Layout:
        """What Citus' catalogue says."""
        return spreading.layout(connection)

    async def spread(self, database: Database, report: Progress, *, blocks_writes: bool) -> None:
        """Step by step, each in a transaction of its own."""
        await database.read(partial(spreading.check_ready, blocks_writes=blocks_writes))
        steps = spreading.steps_left(await database.read(spreading.placed), blocks_writes=blocks_writes)
        for done, step in enumerate(steps):
            report(step.sentence, done, len(steps))
            await self._alone(database, step)

    async def begin_moving(self, database: Database, drained: str | None) -> Move | None:
        """By Citus' own rebalancer, which goes on in the background."""
        if drained is not None:
            await database.write(partial(spreading.stop_giving_shards, server=drained))
        job = await database.write(partial(spreading.begin_moving, drains=drained is not None))
        return None if job is None else await database.read(partial(spreading.moving, job=job))

    def moving(self, connection: Connection, job: int) -> Move:
        """What Citus' catalogue says."""
        return spreading.moving(connection, job)

    async def _alone(self, database: Database, step: spreading.Step) -> None:
        from countermand.store.engines.citus.database import CitusDatabase

        assert isinstance(database, CitusDatabase)
        for tries in count(1):
            try:
                await database.alone(step.statement)
                return
            except DBAPIError as error:
                # It locks whole tables, and others who write lock their rows in the other order.
                if sqlstate(error) != DEADLOCK or tries == DEADLOCKS_MAX:
                    raise UnspreadableError(f"Citus refused a step ({step.sentence}): {error.orig}.") from error
                await asyncio.sleep(tries * DEADLOCK_PAUSE_S)

    def dump(self, connection: Connection, archive: ArchiveWriter, progress: Progress) -> dict[str, int]:
        """Rows of several servers are no snapshot.

        Raises:
            UnsafeDatabaseError: the tables are spread.
        """
        if connection.execute(_IS_SPREAD).scalar():
            raise UnsafeDatabaseError(
                "The tables are spread over several servers, which share no snapshot. Back up every server of the"
                " cluster, to a restore point that all have: see docs/how-to/citus.md."
            )
        return super().dump(connection, archive, progress)

    def misplaced(self, connection: Connection) -> int | None:
        """Tables are filled from a backup before they are spread, and the coordinator goes on counting afterwards."""
        return None if connection.execute(_IS_SPREAD).scalar() else super().misplaced(connection)


def _refuse_others(connection: Connection) -> None:
    if connection.execute(_GROUP).scalar() != 0:
        raise UnsafeDatabaseError(
            "This is another server of a Citus cluster than its coordinator. Connect to that one: the feed of events is"
            " in the order of its transactions."
        )
    if connection.execute(IS_ACTIVE).scalar():
        raise UnsafeDatabaseError(
            "Row-level security binds this role, and Citus does not tell the other servers what it may see. Connect as"
            " the owner of the tables."
        )


_NOBODY: Final = UUID(int=0)


def _firsts(pairs: Speakers) -> list[UUID]:
    return sorted({first for first, _ in pairs})


def _by_retailer(rows: Rows, column: str = "of_retailer") -> list[tuple[UUID, Rows]]:
    """The rows of each retailer, in one order everywhere."""
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row[column]].append(row)
    return sorted(found.items())


# Rows


def _update(connection: Connection, name: str, retailer: UUID, rows: Rows) -> int:
    names = ["of_id", *(f"new_{each}" for each in sql.CHANGED_COLUMNS[name])]
    given = {RETAILER: retailer, **{each: [row[each] for row in rows] for each in names}}
    return connection.execute(_update_of(name), given).rowcount


@cache
def _update_of(name: str) -> TextClause:
    table, columns = t.metadata.tables[name], sql.CHANGED_COLUMNS[name]
    kinds = {"of_id": table.c.id.type, **{f"new_{each}": table.c[each].type for each in columns}}
    still_asked = f" AND {name}.state = 'asked'" if name == "cancellations" else ""
    changes = ", ".join(f"{each} = r.new_{each}" for each in columns)
    where = f"{name}.retailer_id = :{RETAILER} AND {name}.id = r.of_id{still_asked}"
    return _of_arrays(f"UPDATE {name} SET {changes} FROM {_given(kinds)} WHERE {where}", kinds)  # noqa: S608 - no input


def _change(connection: Connection, change: RowUpdate, retailer: UUID, rows: Rows) -> int:
    names = [name for name in change.parameters if name != "of_retailer"]
    given = {RETAILER: retailer, **{name: [row[name] for row in rows] for name in names}}
    return connection.execute(_change_of(change), given).rowcount


@cache
def _change_of(change: RowUpdate) -> TextClause:
    kinds = {name: kind for name, kind in change.parameters.items() if name != "of_retailer"}
    said = {"of_retailer": f":{RETAILER}", **{name: f"r.{name}" for name in kinds}}
    changes = ", ".join(f"{column} = {said[name]}" for column, name in change.changes.items())
    where = change.where.format(**said)
    return _of_arrays(f"UPDATE {change.table} SET {changes} FROM {_given(kinds)} WHERE {where}", kinds)  # noqa: S608 - no input


def _given(kinds: Mapping[str, TypeEngine[Any]]) -> str:
    """The rows as a table ``r``: an array for each column."""
    return f"unnest({', '.join(f':{name}' for name in kinds)}) AS r({', '.join(kinds)})"


def _of_arrays(statement: str, kinds: Mapping[str, TypeEngine[Any]]) -> TextClause:
    arrays = (bindparam(name, type_=ARRAY(_kind(kind))) for name, kind in kinds.items())
    return text(statement).bindparams(bindparam(RETAILER, type_=Id), *arrays)


def _kind(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """What is no document is null, and not the JSON ``null``."""
    return JSONB(none_as_null=True) if isinstance(kind, JSON) else kind


def _insert(connection: Connection, name: str, rows: Rows) -> None:
    columns = [column for column in t.metadata.tables[name].columns if column.computed is None]
    size = VALUES_MAX // len(columns)
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        given = {f"{column.name}_{place}": row[column.name] for place, row in enumerate(some) for column in columns}
        connection.execute(_insert_of(name, len(some)), given)


@cache
def _insert_of(name: str, count: int) -> TextClause:
    columns = [column for column in t.metadata.tables[name].columns if column.computed is None]
    named = ", ".join(f'"{column.name}"' for column in columns)
    values = ", ".join(f"({', '.join(f':{column.name}_{place}' for column in columns)})" for place in range(count))
    ending = " ON CONFLICT DO NOTHING" if name in sql.KEPT else ""
    kinds = (bindparam(f"{each.name}_{place}", type_=_kind(each.type)) for place in range(count) for each in columns)
    return text(f"INSERT INTO {name} ({named}) VALUES {values}{ending}").bindparams(*kinds)  # noqa: S608 - no input


# Statements

_NUMBER: Final = text("SELECT pg_current_xact_id()")
_POSITION: Final = text(f"SELECT {TRANSACTION} + feed.position FROM feed")  # noqa: S608 - no input
"""Of the events of this transaction: ``feed`` stays at the coordinator, whose transactions are counted."""

_OF_WEEK: Final = "party_id = :party AND starts_at <= :placed_at AND ends_at > :placed_at AND state <> 'stale'"
_FRESH, _MAKE_STALE = (
    text(f"{verb} WHERE {_OF_WEEK}").bindparams(bindparam("party", type_=Id), bindparam("placed_at", type_=Instant()))
    for verb in ("SELECT 1 FROM score_cards", "UPDATE score_cards SET state = 'stale'")
)

_HAS_TO_DO: Final = text(
    f"SELECT id FROM lines WHERE retailer_id = :{RETAILER} AND id = :named AND fulfiller_id = :party"  # noqa: S608 - no input
    f" AND with_fulfiller UNION ALL SELECT order_id FROM order_parts WHERE retailer_id = :{RETAILER}"
    f" AND order_id = :named AND fulfiller_id = :party UNION ALL SELECT line_id FROM reassignments"
    f" WHERE retailer_id = :{RETAILER} AND line_id = :named AND former_id = :party"
).bindparams(*(bindparam(name, type_=Id) for name in (RETAILER, "named", "party")))


@cache
def _first_notices(columns: tuple[str, ...]) -> TextualSelect:
    source = (
        "notices AS n WHERE n.endpoint_id = :of_endpoint AND n.partition = :of_partition AND n.state = 'due'"
        " AND n.due_at <= :now ORDER BY n.due_at LIMIT :most"
    )
    return sql.first_notices(source, columns).bindparams(bindparam("of_endpoint", type_=Id))


_HAS_WORDS: Final = text("array_to_tsvector(string_to_array(order_parts.terms, ' ')) @@ CAST(:words AS tsquery)")
_IS_THERE: Final = text("SELECT to_regclass('pg_dist_partition') IS NOT NULL")
_GROUP: Final = text("SELECT groupid FROM pg_dist_local_group")
_IS_SPREAD: Final = text(
    "SELECT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = CAST('events' AS REGCLASS)"
    " AND partmethod = 'h')"
)
