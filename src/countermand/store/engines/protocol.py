"""What an engine is to the rest of the store: a database to read and write, and statements in words of its own.

All engines run the same synchronous functions over a SQLAlchemy connection. What standard SQL does not say alike is
asked of ``engine_of(connection)``, and of ``Words`` where a single value or condition is written.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar, cast
from uuid import UUID

from sqlalchemy import Connection, Row, Select, Table
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.selectable import TextualSelect
from sqlalchemy.types import TypeEngine

from countermand.store.archive import ArchiveReader, ArchiveWriter, Progress
from countermand.store.fair_share import FairShare

T = TypeVar("T")
Work = Callable[[Connection], T]
Rows = Sequence[dict[str, Any]]

Speakers = Sequence[tuple[UUID, UUID]]
"""An order or a line, each with the party that says something about it."""

Pair = tuple[int, UUID]
"""A partition and an endpoint: where notices wait in the order in which they are due."""

EventKey = tuple[UUID, UUID, int]
"""A retailer, one of its lines, and which event of that."""

Touched = Collection[tuple[UUID, datetime]]
"""Parties whose scorecards may change, each with when the line was ordered that they change by."""

READ_TIMEOUT_S: Final = 5.0
"""How long one read may take, unless the settings say otherwise."""

Pairs = Sequence[tuple[UUID, UUID]] | Sequence[tuple[UUID, int]]
"""Retailers, each with the id or the number of a line."""

Records = Sequence[Row[*tuple[Any, ...]]]
"""Rows of a result, whatever their columns."""

SIDE_BY_SIDE: Final = 4
"""Where a transaction is about one retailer, so many of a lane are under way at once."""

_ENGINE: Final = "countermand_engine"


class UnsafeDatabaseError(Exception):
    """The database would not keep what was acknowledged, or another process uses it. The message says what to do."""


class UnavailableError(Exception):
    """The database cannot be reached, or is starting or stopping: the same question may be answered in a moment."""


class TooBroadError(Exception):
    """A read took longer than one may, and was stopped. It can be made narrower."""

    advice = ""
    """What helps; if it is empty, any narrower filter."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"This reads more than it may in {limit_s:g} s, so it was stopped.")


class UnspreadableError(Exception):
    """The tables cannot be spread over several servers, or not now. The message says why, and what to do."""


class CommitUnknownError(Exception):
    """The connection failed during COMMIT: it is unknown whether the batch is stored."""


class Database(Protocol):
    """A database: many readers, and transactions that write."""

    @property
    def engine(self) -> "Engine":
        """Whose it is."""

    @property
    def turns(self) -> FairShare:
        """Who reads, and who waits for it."""

    async def read(self, question: Work[T], *, heavy: bool = False) -> T:
        """Run ``question`` on one snapshot, when it is the turn of the party whose call is being answered.

        One that is ``heavy`` computes for more than a few milliseconds: it does so in another thread than the event
        loop's, which takes short turns (``turns.py``), so that it delays nobody else's calls.

        Raises:
            UnavailableError: the database does not answer now, or too many reads of this party wait.
            TooBroadError: it took longer than a read may.
        """

    async def standby_fault(self) -> str | None:
        """Why the standby cannot answer now, as a sentence; ``None`` if it can, or if there is none."""

    async def write(self, work: Work[T]) -> T:
        """Run ``work`` in one transaction and commit it durably.

        Raises:
            CommitUnknownError: the commit itself failed.
            sqlalchemy.exc.DBAPIError: anything before it failed; nothing is stored.
        """

    def channel(self) -> "Channel | None":
        """How processes on this database send each other hints; ``None`` where there is no way, or one process."""

    async def close(self) -> None:
        """Let go of every connection."""


class Channel(Protocol):
    """Short texts between the processes of one database. Any of them may be lost."""

    async def listen(self, hear: Callable[[str], None]) -> None:
        """Hear what others send, until cancelled."""

    async def send(self, text: str) -> None:
        """Tell all others, if that can be done at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How to open a database.

    With ``dry_run`` every transaction is rolled back at its end instead of committed. A server that has not answered a
    transaction after ``timeout_s`` counts as away. ``pooled``: a pooler such as PgBouncer stands in front of it and
    hands each transaction to another connection. No read takes longer than ``read_timeout_s``. ``standby`` is the
    address of a server for reads that may be late, by ``standby_lag_s`` at most.
    """

    lanes: int = 1
    allow_weak_durability: bool = False
    dry_run: bool = False
    timeout_s: float | None = None
    pooled: bool = False
    read_timeout_s: float | None = READ_TIMEOUT_S
    standby: str = ""
    standby_lag_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePlan:
    """What becomes of an empty database before the rows of a backup are in it, and of a full one afterwards."""

    make: Work[None]
    """Gives it the schema of the backup."""
    finish: Work[None]
    """Brings it up to date, and settles what happened since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that has a part of a database. ``takes_shards`` says whether it is given any."""

    name: str
    is_coordinator: bool
    is_active: bool
    takes_shards: bool
    shards: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadTable:
    """A table that stands on several servers. Without a ``key`` each has all of its rows."""

    name: str
    key: str | None
    shards: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Over which servers a database is spread, and which tables are, or would be, spread by what.

    ``kind`` says in words what the database is.
    """

    kind: str
    servers: Sequence[Server] = ()
    tables: Sequence[SpreadTable] = ()
    lacking: Sequence[str] = ()
    """What ``spread`` has still to do, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """How far the moving of shards is: the state of its job in the database's word, and how many are moved."""

    job: int
    state: str
    done: int
    total: int

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it goes on."""
        return self.state not in ("scheduled", "running", "cancelling", "failing")


class Words(Protocol):
    """How an engine keeps a value, and how it writes the conditions that are not the same everywhere."""

    instant: TypeEngine[Any]
    document: TypeEngine[Any]
    id_list: TypeEngine[Any]
    number_list: TypeEngine[Any]
    bytewise: TypeEngine[Any]
    """A text that is sorted by its bytes."""

    def of_instant(self, moment: datetime | None, /) -> Any:
        """An aware time, as the driver takes it."""

    def read_instant(self, given: Any, /) -> datetime | None:
        """A time as the driver gives it, aware and in UTC."""

    def of_ids(self, ids: list[UUID]) -> Any:
        """A list of ids, as the driver takes it."""

    def of_numbers(self, numbers: list[int]) -> Any:
        """A list of numbers, likewise."""

    def of_document(self, value: object) -> str:
        """A document, as the driver takes it."""

    def of_pairs(self, pairs: Sequence[tuple[UUID, UUID | int]]) -> str:
        """Ids, each with another or a number, as a JSON text that statements take apart."""

    def id_in_json(self, value: UUID) -> str:
        """An id in a JSON text that statements take apart."""

    def one_of(self, column: str, given: str) -> str:
        """The column is one of a list. An index on it serves."""

    def pair_of(self, columns: tuple[str, str], kind: str, given: str) -> str:
        """Two columns, an id and another of this ``kind``, are one of the pairs in a JSON text. An index serves."""

    def partition_of(self, column: str, partitions: int) -> str:
        """The partition of the retailer whose id is in a column."""

    def numbers_given(self, parameter: str) -> str:
        """A table with the column ``number``, of a list."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowUpdate:
    """An update of many rows, each by parameters of its own.

    ``changes`` names the parameter of each column; in ``where`` a parameter is written ``{so}``.
    """

    table: str
    parameters: Mapping[str, TypeEngine[Any]]
    changes: Mapping[str, str]
    where: str


class Engine(Protocol):
    """An engine, and what it does in its own way."""

    name: str
    one_writer: bool
    """Whether one transaction writes at a time, and one process works on the database."""
    one_retailer: bool
    """Whether a transaction of the write road is about the rows of one retailer, as others stand on other servers."""
    words: Words
    heads: TextualSelect
    """``partition`` and ``endpoint_id``: where notices of ``:partitions`` are due ``:now``."""
    horizon: TextualSelect
    """``position``: no transaction that is still to end, or to begin, puts an event before it."""
    barrier: TextualSelect
    """``newest`` and ``oldest``: where transactions stand in this snapshot."""
    columns: TextualSelect
    """``table_name`` and ``column_name`` of what is in this database."""

    def __hash__(self) -> int:
        """Statements are kept by engine."""

    def serves(self, url: str) -> bool:
        """Whether a URL names a database of this engine."""

    def shown(self, url: str) -> str:
        """The URL as it may be shown: without its secrets."""

    async def open(self, url: str, how: Opening) -> Database:
        """Open a database and check that it keeps what is committed.

        Raises:
            UnsafeDatabaseError: its address makes no sense, or its settings, or the library's version, would lose
                acknowledged calls.
        """

    def prepare_to_migrate(self, connection: Connection) -> None:
        """Keep others from migrating the same database at the same time."""

    def lock(self, connection: Connection, statement: Select[*tuple[Any, ...]], pairs: Pairs) -> Records:
        """The rows that a statement locks, which has these pairs for its ``lines``. Every batch begins so."""

    def hold(self, connection: Connection, names: Sequence[str]) -> None:
        """Keep other transactions that ``hold`` one of these names waiting until this one ends."""

    def write(
        self, connection: Connection, changed: Mapping[str, Rows], new: Mapping[str, Rows], touched: Touched
    ) -> None:
        """Update and insert the rows of a batch, by table, in this order; then ``make_cards_stale`` of ``touched``.

        Whatever ``changed`` names was locked by this transaction before.

        Raises:
            LostRaceError: a row that was to change is not there, or must not change any more.
        """

    def insert_unless_there(self, table: Table) -> Insert:
        """Insert rows, except those whose key is there already."""

    def index_terms(self, connection: Connection, part: Mapping[str, Any]) -> None:
        """Let a part of an order that was written by itself be found by its terms."""

    def keys_by_terms(self, wanted: "Terms") -> Select[*tuple[Any, ...]]:
        """The keys of parts of orders that have these terms, by their index: retailer_id, order_id, placed_at.

        Where ``most`` is given, those that were written last are taken, if the index is in that order.
        """

    def retailers_of_speakers(self, connection: Connection, speakers: Speakers) -> Mapping[UUID, UUID]:
        """The retailers of orders and lines that their speakers have to do with, or had.

        What is another's is left out, like what is absent, and the same is looked up for both.
        """

    def first_notices(
        self, connection: Connection, columns: Collection[str], pairs: Collection[Pair], now: datetime, most: int
    ) -> Records:
        """These columns of the first ``most`` notices that are due of each partition and endpoint."""

    def looked_up_in_turn(self, joins: Mapping[str, tuple[str, str]]) -> str:
        """What to select from: the tables of ``joins``, looked into in this order for each of the keys that are given.

        A join is a condition, in which ``{key0}`` to ``{key2}`` stand for the parts of a key, and its kind.
        """

    def keys_given(self, keys: Collection[EventKey]) -> Iterable[Mapping[str, Any]]:
        """The parameters of ``looked_up_in_turn`` for these keys: of one statement, or of several."""

    def update_rows(self, connection: Connection, change: "RowUpdate", rows: Rows) -> int:
        """Carry out ``change`` for each of these rows of parameters. Returns how many rows of the table it changed."""

    def make_cards_stale(self, connection: Connection, touched: Touched) -> None:
        """Mark what is kept of the weeks of these parties as stale."""

    def misplaced(self, connection: Connection) -> int | None:
        """Where the feed has to go on if the database came from another server, which counts from elsewhere."""

    def connections_needed(self, lanes: int) -> int:
        """How many connections a process with so many lanes opens to a server at most; 0 where there is no server."""

    def connections_allowed(self, connection: Connection) -> int | None:
        """How many connections the server lets this role have to this database at once; ``None`` without a server."""

    def layout(self, connection: Connection) -> Layout:
        """Where the tables are."""

    async def spread(self, database: Database, report: Progress, *, blocks_writes: bool) -> None:
        """Spread the tables over the servers of the cluster, as far as they are not. Others go on writing meanwhile.

        With ``blocks_writes`` they wait, table by table, for a server that has no logical replication.

        Raises:
            UnspreadableError: this is no cluster, or it is not ready.
        """

    async def begin_moving(self, database: Database, drained: str | None) -> Move | None:
        """Begin to move shards, so that every server has its share; or all away from the server ``drained``.

        Returns what is under way, also if it was before; ``None`` if all stand where they should.

        Raises:
            UnspreadableError: this is no cluster, or it has no such server.
        """

    def moving(self, connection: Connection, job: int) -> Move:
        """How far it is."""

    def dump(self, connection: Connection, archive: ArchiveWriter, progress: Progress) -> dict[str, int]:
        """Write all that this snapshot shows into a backup. Returns how many rows each table has."""

    async def check_empty(self, url: str, how: Opening) -> None:
        """Nothing is restored over anything.

        Raises:
            UnsafeDatabaseError: there is something.
        """

    async def restore(
        self, url: str, how: Opening, archive: ArchiveReader, plan: RestorePlan, progress: Progress
    ) -> None:
        """Make a database of a backup, all of it or nothing.

        Raises:
            UnsafeDatabaseError: there is something already, or the server would lose what is acknowledged.
            ArchiveError: the backup is not what its manifest says.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a part of an order is found by: ``all`` of these terms, or terms that ``begin`` so.

    Each of ``whose`` is a group of terms of which it has one at least. With a ``party``, it is a part of what that sold
    or still holds.
    """

    all: Sequence[str]
    begin: bool
    whose: Sequence[Sequence[str]] = ()
    party: UUID | None = None
    most: int | None = None

    def written(self, *, both: str, either: str, beginning: str) -> str:
        """In the query language of an index, which has its own words for these."""
        groups = [f"({either.join(group)})" if len(group) > 1 else group[0] for group in self.whose]
        return both.join([*groups, *(f"{term}{beginning if self.begin else ''}" for term in self.all)])


def ping(connection: Connection) -> None:
    """Ask the database for nothing, to see that it answers."""
    connection.exec_driver_sql("SELECT 1").scalar_one()


def options_of(engine: Engine) -> dict[str, Any]:
    """The execution options by which ``engine_of`` finds the engine of a connection."""
    return {_ENGINE: engine}


def engine_of(connection: Connection) -> Engine:
    """The engine of a connection that a ``Database`` handed out."""
    return cast("Engine", connection.get_execution_options()[_ENGINE])
