"""The two engines behind one face: SQLite with a thread for its writer, PostgreSQL in the event loop.

Both run the same synchronous functions over a SQLAlchemy connection; only how a transaction begins differs.
"""

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from ssl import SSLCertVerificationError, SSLError
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar
from uuid import UUID, uuid4

import orjson
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from countermand.store import row_security
from countermand.store.columns import to_json
from countermand.store.fair_share import FairShare, TooManyReadsError, reading_party
from countermand.store.postgres_address import AddressError, PostgresAddress, is_postgres, read_address
from countermand.store.row_security import viewer

if TYPE_CHECKING:
    # SQLAlchemy's asyncio brings its object mapper along, and SQLite needs neither that nor the driver.
    import asyncpg
    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")
Work = Callable[[Connection], T]

SQLITE_MIN: Final = (3, 51, 3)
"""The first SQLite without the WAL-reset corruption bug (3.7.0 to 3.51.2; sqlite.org, release notes of 3.51.3)."""

SQLITE_AWAY: Final = frozenset({5, 6, 7, 10, 13, 14, 15})
"""BUSY, LOCKED, NOMEM, IOERR, FULL, CANTOPEN, PROTOCOL: SQLite's codes of what the statement is not to blame for."""

LAST_WORK_S: Final = 10.0
"""How long closing waits for what has begun, in seconds, before it breaks it off."""

SQLITE_INTERRUPTED: Final = 9
QUERY_CANCELED: Final = "57014"
"""What the engines call a statement that took too long."""

SQLITE_READERS: Final = 4
POSTGRES_READERS: Final = 8

READ_TIMEOUT_S: Final = 5.0
"""How long one read may take, unless the settings say otherwise."""

STEPS_BETWEEN_LOOKS: Final = 20_000
"""After so many steps of SQLite's machine, about a millisecond, somebody looks at the clock."""

WORKER_WRITERS: Final = 2
"""Connections that write beside the lanes': the worker settles and renews its leases without waiting for them."""


class UnsafeDatabaseError(Exception):
    """The database would not keep what was acknowledged, or another process uses it. The message says what to do."""


class UnavailableError(Exception):
    """The database cannot be reached, or is starting or stopping: the same question may be answered in a moment."""


class UnusableAddressError(OSError):
    """The address of the database cannot be used as it is: a file that is not there, a certificate not trusted."""


class TooBroadError(Exception):
    """A read took longer than one may, and was stopped. It can be made narrower."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"This reads more than it may in {limit_s:g} s, so it was stopped.")


class HungError(OSError):
    """The database took longer than it may."""


class CommitUnknownError(Exception):
    """The connection failed during COMMIT: whether the batch is stored cannot be told."""


class Database(Protocol):
    """A database: many readers, and transactions that write."""

    dialect: str

    async def read(self, question: Work[T]) -> T:
        """Run ``question`` on one snapshot, when it is the turn of the party whose call is being answered.

        Raises:
            UnavailableError: the database does not answer now, or too many reads of this party wait.
            TooBroadError: it took longer than a read may.
        """

    async def write(self, work: Work[T]) -> T:
        """Run ``work`` in one transaction and commit it durably.

        Raises:
            CommitUnknownError: the commit itself failed.
            sqlalchemy.exc.DBAPIError: anything before it failed; nothing is stored.
        """

    async def close(self) -> None:
        """Let go of every connection."""


async def open_database(
    url: str,
    *,
    lanes: int = 1,
    allow_weak_durability: bool = False,
    dry_run: bool = False,
    timeout_s: float | None = None,
    pooled: bool = False,
    read_timeout_s: float | None = READ_TIMEOUT_S,
) -> Database:
    """Open the database that ``url`` names and check that it keeps what is committed.

    With ``dry_run`` every transaction is rolled back at its end instead of committed. A PostgreSQL that has not
    answered a transaction after ``timeout_s`` counts as away. ``pooled``: a pooler such as PgBouncer stands in front of
    it and hands each transaction to another connection. No read takes longer than ``read_timeout_s``.

    Raises:
        UnsafeDatabaseError: its address makes no sense, or its settings, or the library's version, would lose
            acknowledged calls.
    """
    if not is_postgres(url):
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            name = parsed.get_backend_name()
            raise UnsafeDatabaseError(f"{name} is not supported. Use sqlite:///… or postgresql://….")
        if parsed.database in (None, "", ":memory:"):
            raise UnsafeDatabaseError("A SQLite database in memory keeps nothing. Name a file: sqlite:///path/to/file.")
        return SqliteDatabase(parsed, keeps=not dry_run, read_timeout_s=read_timeout_s)
    try:
        address = read_address(url)
    except AddressError as error:
        raise UnsafeDatabaseError(str(error)) from None
    database = PostgresDatabase(
        address,
        writers=lanes + WORKER_WRITERS,
        keeps=not dry_run,
        timeout_s=timeout_s,
        pooled=pooled,
        read_timeout_s=read_timeout_s,
    )
    try:
        if allow_weak_durability:
            await database.read(_show("server_version"))
        else:
            await database.check_durability()
    except UnavailableError as error:
        await database.close()
        if isinstance(error.__cause__, UnusableAddressError):
            raise UnsafeDatabaseError(str(error.__cause__)) from error
        raise
    except BaseException:
        await database.close()
        raise
    return database


class SqliteDatabase:
    """One file, one writer thread, a few reader threads. WAL, ``synchronous=FULL``, ``BEGIN IMMEDIATE``."""

    dialect = "sqlite"

    def __init__(self, url: URL, *, keeps: bool = True, read_timeout_s: float | None = READ_TIMEOUT_S) -> None:
        self._keeps = keeps
        self._read_timeout_s = read_timeout_s
        self._turns = FairShare(SQLITE_READERS)
        _make_private(Path(url.database or "").resolve())
        self._writer = _sqlite_engine(url, begin="BEGIN IMMEDIATE", connections=1)
        self._readers = _sqlite_engine(url, begin="BEGIN", connections=SQLITE_READERS)
        self._writer_thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._reader_threads = ThreadPoolExecutor(SQLITE_READERS, thread_name_prefix="reader")

    async def read(self, question: Work[T]) -> T:
        """Run in a reader's thread."""
        try:
            return await _in_turn(self._turns, lambda: self._in_thread(question))
        except OperationalError as error:
            if _sqlite_code(error) == SQLITE_INTERRUPTED and self._read_timeout_s:
                raise TooBroadError(self._read_timeout_s) from error
            if _sqlite_code(error) in SQLITE_AWAY:
                raise UnavailableError from error
            raise

    def _in_thread(self, question: Work[T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(
            self._reader_threads, _in_snapshot, self._readers, question, self._read_timeout_s
        )

    async def write(self, work: Work[T]) -> T:
        """Run in the writer's thread."""
        return await asyncio.get_running_loop().run_in_executor(
            self._writer_thread, _in_transaction, self._writer, work, self._keeps
        )

    async def close(self) -> None:
        """Wait for both kinds of thread."""
        self._writer_thread.shutdown()
        self._reader_threads.shutdown()
        self._writer.dispose()
        self._readers.dispose()


class PostgresDatabase:
    """A PostgreSQL server, spoken to from the event loop.

    Work that has begun runs to its end even when its caller is cancelled, as it does in SQLite's threads: a connection
    broken off halfway would be left to the garbage collector.
    """

    dialect = "postgresql"

    def __init__(
        self,
        address: PostgresAddress,
        *,
        writers: int,
        keeps: bool = True,
        timeout_s: float | None = None,
        pooled: bool = False,
        read_timeout_s: float | None = READ_TIMEOUT_S,
    ) -> None:
        self._keeps = keeps
        self._read_timeout_s = read_timeout_s
        self._turns = FairShare(POSTGRES_READERS)
        self._timeout_s = timeout_s
        self._pooled = pooled
        self._is_bound: bool | None = None
        self._under_way: set[asyncio.Task[Any]] = set()
        connect = _connecting(address, pooled=pooled)
        self._writer = _postgres_engine(connect, connections=writers, isolation_level="READ COMMITTED")
        self._readers = _postgres_engine(
            connect, connections=POSTGRES_READERS, isolation_level="REPEATABLE READ", pool_pre_ping=True
        )
        if read_timeout_s:
            _limit_statements(self._readers, read_timeout_s, pooled=pooled)

    async def check_durability(self) -> None:
        """Refuse settings that lose acknowledged commits (reliability rule P1)."""
        weak = [
            f"{name} = {value}"
            for name, value, fine in [
                (name, await self.read(_show(name)), fine)
                for name, fine in (
                    ("fsync", {"on"}),
                    ("full_page_writes", {"on"}),
                    ("synchronous_commit", {"on", "remote_apply", "remote_write", "local"}),
                )
            ]
            if value not in fine
        ]
        if weak:
            raise UnsafeDatabaseError(
                f"This PostgreSQL would lose acknowledged cancellations in a crash ({', '.join(weak)}). Turn it on, or"
                " set COUNTERMAND_ALLOW_LOSING_ACKNOWLEDGED_CALLS=true if that is what you want."
            )

    async def read(self, question: Work[T]) -> T:
        """Run in the event loop, on a snapshot that is never written."""
        who = viewer.get()
        try:
            if (who is not None or self._pooled) and await self._is_bound_by_policies():
                question = _seen_by(who, question)
            return await _in_turn(self._turns, lambda: self._started(_run(self._readers, question)))
        except (OSError, DBAPIError, PoolTimeoutError) as error:
            if _sqlstate(error) == QUERY_CANCELED and self._read_timeout_s:
                raise TooBroadError(self._read_timeout_s) from error
            if _is_unavailable(error):
                raise UnavailableError from error
            raise

    async def write(self, work: Work[T]) -> T:
        """Run in the event loop."""
        if self._pooled and await self._is_bound_by_policies():
            work = _seen_by(None, work)
        try:
            return await self._to_its_end(
                _run(self._writer, lambda connection: _transaction(connection, work, self._keeps))
            )
        except HungError as error:
            # It may have been the COMMIT that had no answer.
            raise CommitUnknownError from error

    async def close(self) -> None:
        """Wait for what is under way, then close both pools."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=LAST_WORK_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._writer.dispose()
        await self._readers.dispose()
        # A connection that was broken off closes its socket in the loop's next turn, which may be the last.
        await asyncio.sleep(0)

    async def _is_bound_by_policies(self) -> bool:
        """Whether row-level security binds the role of this service: asked once, as soon as there are tables."""
        if self._is_bound is None:
            self._is_bound = await self._to_its_end(
                _run(self._readers, lambda connection: connection.execute(row_security.IS_ACTIVE).scalar())
            )
        return bool(self._is_bound)

    async def _to_its_end(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.shield(self._started(work))

    def _started(self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        task = asyncio.ensure_future(_within(self._timeout_s, work))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task


def _seen_by(who: UUID | None, work: Work[T]) -> Work[T]:
    def narrowed(connection: Connection) -> T:
        row_security.narrow(connection, who)
        return work(connection)

    return narrowed


async def _in_turn(turns: FairShare, begin: Callable[[], asyncio.Future[T]]) -> T:
    """Begin a read when it is its party's turn. Its place is free when it has ended, whoever still waits for it."""
    party = reading_party.get()
    try:
        await turns.acquire(party)
    except TooManyReadsError as error:
        raise UnavailableError from error
    try:
        reading = begin()
    except BaseException:
        turns.release(party)
        raise
    reading.add_done_callback(lambda _: turns.release(party))
    return await asyncio.shield(reading)


async def change(database: Database, work: Work[T]) -> T:
    """``database.write`` for what is seldom changed, where all that a failure says is that the database is away.

    Raises:
        UnavailableError: nobody knows whether it was stored; it can be repeated.
    """
    try:
        return await database.write(work)
    except (CommitUnknownError, OSError, OperationalError, InterfaceError, PoolTimeoutError) as error:
        raise UnavailableError from error
    except DBAPIError as error:
        if _is_unavailable(error):
            raise UnavailableError from error
        raise


def _is_unavailable(error: Exception) -> bool:
    """Whether the connection is to blame and not the statement (PostgreSQL's classes 08, 53 and 57)."""
    if not isinstance(error, DBAPIError):
        return True
    code = _sqlstate(error)
    return error.connection_invalidated or code[:2] in ("08", "53", "57")


def _sqlstate(error: Exception) -> str:
    return str(getattr(getattr(error, "orig", None), "sqlstate", None))


def _sqlite_code(error: DBAPIError) -> int:
    """SQLite's primary result code; extended ones have more in their upper bits."""
    return int(getattr(error.orig, "sqlite_errorcode", 0)) & 0xFF


class FileLock:
    """Held by the one process that serves a SQLite file, and freed by the system when that process ends."""

    def __init__(self, database: str) -> None:
        # One file has one lock, by whatever path or link it is named.
        self._path = Path(f"{Path(database).resolve()}.lock")
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            UnsafeDatabaseError: another process serves this file.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(handle, 20).decode(errors="replace") or "unknown"
            os.close(handle)
            raise UnsafeDatabaseError(
                f"Another countermand (process {owner}) is using {self._path.with_suffix('')}."
                " Stop it first, or give this one a database of its own."
            ) from None
        os.truncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        self._file = handle

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _make_private(file: Path) -> None:
    """Make the file for nobody but its owner, if it is not there yet. SQLite gives its WAL the same permissions."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _sqlite_module() -> ModuleType:
    """The SQLite library that is new enough: Python's own, else the one that pysqlite3 carries."""
    import sqlite3

    if sqlite3.sqlite_version_info >= SQLITE_MIN:
        return sqlite3
    try:
        import pysqlite3
    except ImportError:
        pysqlite3 = None
    if pysqlite3 is None or pysqlite3.sqlite_version_info < SQLITE_MIN:
        raise UnsafeDatabaseError(
            f"SQLite {sqlite3.sqlite_version} can corrupt its file (the WAL-reset bug). Install pysqlite3 0.6.1 or"
            " newer, or use PostgreSQL."
        )
    module: ModuleType = pysqlite3
    return module


def _sqlite_engine(url: URL, *, begin: str, connections: int) -> Engine:
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        module=_sqlite_module(),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        connect_args={"check_same_thread": False, "timeout": 10},
        hide_parameters=True,
        json_serializer=to_json,
        json_deserializer=orjson.loads,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        # SQLite's driver must not begin transactions by itself: a read that turns into a write would then fail
        # with "database is locked" instead of waiting (531,177 such errors in one measured run).
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _connecting(address: PostgresAddress, *, pooled: bool) -> dict[str, Any]:
    """How SQLAlchemy opens a connection: the driver reads the address itself."""
    import asyncpg

    more = {"statement_cache_size": 0} if pooled else {}
    # A pooler refuses settings that it does not know; behind one, each transaction says what it sees.
    sees = {} if pooled else {"countermand.sees": row_security.ALL}

    async def connect(**_: object) -> "asyncpg.Connection":
        try:
            return await asyncpg.connect(
                address.dsn,
                timeout=address.connect_timeout_s,
                server_settings={"application_name": address.application_name, **sees},
                **more,
            )
        except SSLCertVerificationError as error:
            why = f"The certificate of the database server is not trusted: {error.verify_message}."
            raise UnusableAddressError(why) from error
        except (asyncpg.ClientConfigurationError, FileNotFoundError, IsADirectoryError, SSLError) as error:
            raise UnusableAddressError(f"The database address cannot be used: {error}.") from error

    if not pooled:
        return {"async_creator_fn": connect}
    # A statement that was prepared on one of the pooler's connections is unknown, or another one, on the next.
    return {
        "async_creator_fn": connect,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": lambda: f"countermand_{uuid4().hex}",
    }


def _postgres_engine(connect: Mapping[str, Any], *, connections: int, **more: Any) -> "AsyncEngine":
    from sqlalchemy.ext.asyncio import create_async_engine

    return create_async_engine(
        "postgresql+asyncpg://",
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        json_serializer=to_json,
        json_deserializer=orjson.loads,
        connect_args=dict(connect),
        **more,
    )


def _limit_statements(engine: "AsyncEngine", limit_s: float, *, pooled: bool) -> None:
    """Have the server stop what takes longer: once for each connection, or for each transaction behind a pooler."""
    limit = f"SET {'LOCAL ' if pooled else ''}statement_timeout = {int(limit_s * 1000)}"
    if pooled:
        event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql(limit))
        return

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.run_async(lambda driver: driver.execute(limit))


async def _within(seconds: float | None, work: Coroutine[Any, Any, T]) -> T:
    try:
        async with asyncio.timeout(seconds) as limit:
            return await work
    except TimeoutError as error:
        if limit.expired():
            raise HungError(f"the database did not answer within {seconds} s") from error
        raise


async def _run(engine: "AsyncEngine", work: Work[T]) -> T:
    async with engine.connect() as connection:
        return await connection.run_sync(work)


def _show(setting: str) -> Work[str]:
    return lambda connection: str(connection.exec_driver_sql(f"SHOW {setting}").scalar_one())


def _in_snapshot(engine: Engine, question: Work[T], limit_s: float | None) -> T:
    with engine.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
        end = time.monotonic() + limit_s if limit_s else None
        driver.set_progress_handler((lambda: time.monotonic() > end) if end else None, STEPS_BETWEEN_LOOKS)
        return question(connection)


def _in_transaction(engine: Engine, work: Work[T], keeps: bool) -> T:
    with engine.connect() as connection:
        return _transaction(connection, work, keeps)


def _transaction(connection: Connection, work: Work[T], keeps: bool) -> T:
    transaction = connection.begin()
    try:
        result = work(connection)
    except BaseException:
        transaction.rollback()
        raise
    if not keeps:
        transaction.rollback()
        return result
    try:
        transaction.commit()
    except Exception as error:
        # Whatever it was, the server may have heeded the COMMIT. The connection is not trusted again: after a sync
        # that failed, a file may look written and not be.
        connection.invalidate(error)
        raise CommitUnknownError from error
    return result
