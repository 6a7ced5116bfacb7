"""A SQLite database: transactions run in one thread, reads in a few others."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError

from countermand import turns
from countermand.observability import metrics, tracing
from countermand.store.engines import protocol
from countermand.store.engines.protocol import Opening, TooBroadError, UnavailableError, Work, options_of
from countermand.store.engines.sqlite.file import make_private
from countermand.store.engines.sqlite.library import sqlite_module
from countermand.store.engines.transactions import in_turn, transaction
from countermand.store.fair_share import FairShare

T = TypeVar("T")

SQLITE_AWAY: Final = frozenset({5, 6, 7, 10, 13, 14, 15})
"""BUSY, LOCKED, NOMEM, IOERR, FULL, CANTOPEN, PROTOCOL: SQLite's codes of what the statement is not to blame for."""

SQLITE_INTERRUPTED: Final = 9
"""What SQLite calls a statement that took too long."""

SQLITE_READERS: Final = 4

PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    # 32 MB. A batch writes a few hundred pages, many of them again and again, and each is copied into the file once.
    "wal_autocheckpoint=8000",
)

WRITER_CACHE_KIB: Final = 16_384
"""Four times as much answered no more calls a second, and took hours to fill."""
READER_CACHE_KIB: Final = 2_048
"""Of each reader. What it holds is void as soon as anything was written, and the system has the file in memory."""

STEPS_BETWEEN_LOOKS: Final = 20_000
"""After so many steps of SQLite's machine, about a millisecond, the time limit is checked."""


class SqliteDatabase:
    """One file, one writer thread, a few reader threads. WAL, ``synchronous=FULL``, ``BEGIN IMMEDIATE``."""

    def __init__(self, engine: protocol.Engine, url: URL, how: Opening) -> None:
        self.engine = engine
        self._keeps = not how.dry_run
        self._read_timeout_s = how.read_timeout_s
        self.turns = FairShare(SQLITE_READERS)
        make_private(Path(url.database or "").resolve())
        opened = partial(
            _sqlite_engine, url, execution_options=options_of(engine), json_serializer=engine.words.of_document
        )
        self._writer = opened(begin="BEGIN IMMEDIATE", connections=1, cache_kib=WRITER_CACHE_KIB)
        self._readers = opened(begin="BEGIN", connections=SQLITE_READERS, cache_kib=READER_CACHE_KIB)
        self._writer_thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._reader_threads = ThreadPoolExecutor(SQLITE_READERS, thread_name_prefix="reader")
        self._is_closed = False

    async def read(self, question: Work[T], *, heavy: bool = False) -> T:
        """Run in a reader's thread."""
        begin = partial(self._in_short_turns if heavy else self._in_thread, question)
        try:
            return await in_turn(self.turns, begin)
        except OperationalError as error:
            if _sqlite_code(error) == SQLITE_INTERRUPTED and self._read_timeout_s:
                raise TooBroadError(self._read_timeout_s) from error
            if _sqlite_code(error) in SQLITE_AWAY:
                metrics.DB_UNAVAILABLE.add()
                raise UnavailableError from error
            raise

    def _in_thread(self, question: Work[T]) -> asyncio.Future[T]:
        if self._is_closed:
            raise UnavailableError
        return asyncio.get_running_loop().run_in_executor(
            self._reader_threads, _in_snapshot, self._readers, question, self._read_timeout_s
        )

    def _in_short_turns(self, question: Work[T]) -> asyncio.Future[T]:
        reading = self._in_thread(question)
        turns.shorten()
        reading.add_done_callback(lambda _: turns.restore())
        return reading

    async def write(self, work: Work[T]) -> T:
        """Run in the writer's thread."""
        if self._is_closed:
            raise UnavailableError
        with tracing.span("database.write", "client"):
            return await asyncio.get_running_loop().run_in_executor(
                self._writer_thread, _in_transaction, self._writer, work, self._keeps
            )

    async def standby_fault(self) -> None:
        """A file has no standby."""

    def channel(self) -> None:
        """One process serves a file."""
        return

    async def close(self) -> None:
        """Begin nothing more, and wait for both kinds of thread."""
        self._is_closed = True
        self._writer_thread.shutdown()
        self._reader_threads.shutdown()
        self._writer.dispose()
        self._readers.dispose()


def _sqlite_engine(url: URL, *, begin: str, connections: int, cache_kib: int, **more: Any) -> Engine:
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        module=sqlite_module(),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        connect_args={"check_same_thread": False, "timeout": 10},
        hide_parameters=True,
        json_deserializer=orjson.loads,
        **more,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        # SQLite's driver must not begin transactions by itself: a read that turns into a write would then fail
        # with "database is locked" instead of waiting (531,177 such errors in one measured run).
        connection.isolation_level = None
        for pragma in (*PRAGMAS, f"cache_size=-{cache_kib}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _in_snapshot(engine: Engine, question: Work[T], limit_s: float | None) -> T:
    with engine.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
        end = time.monotonic() + limit_s if limit_s else None
        driver.set_progress_handler((lambda: time.monotonic() > end) if end else None, STEPS_BETWEEN_LOOKS)
        return question(connection)


def _in_transaction(engine: Engine, work: Work[T], keeps: bool) -> T:
    with engine.connect() as connection:
        return transaction(connection, work, keeps)


def _sqlite_code(error: DBAPIError) -> int:
    """SQLite's primary result code; extended ones have more in their upper bits."""
    return int(getattr(error.orig, "sqlite_errorcode", 0)) & 0xFF
