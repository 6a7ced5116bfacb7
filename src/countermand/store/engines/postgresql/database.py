"""A PostgreSQL database: spoken to from the event loop."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import cache, partial
from operator import itemgetter
from ssl import SSLCertVerificationError, SSLError
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID, uuid4

import orjson
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.util import greenlet_spawn

from countermand import turns
from countermand.observability import metrics, tracing
from countermand.store import row_security
from countermand.store import tables as t
from countermand.store.engines.postgresql.address import PostgresAddress, read_address
from countermand.store.engines.postgresql.aside import LAST_WORK_S, Aside
from countermand.store.engines.postgresql.channel import PostgresChannel
from countermand.store.engines.postgresql.driver import QUERY_CANCELED, own_snapshots, own_transactions
from countermand.store.engines.postgresql.planner import BY_KEYS, from_here
from countermand.store.engines.postgresql.standby import Standby, UnfitError
from countermand.store.engines.protocol import (
    CommitUnknownError,
    Engine,
    Opening,
    TooBroadError,
    UnavailableError,
    UnsafeDatabaseError,
    Work,
    options_of,
)
from countermand.store.engines.transactions import in_turn, is_unavailable, sqlstate, transaction, was_in_the_way
from countermand.store.fair_share import FairShare
from countermand.store.late_reads import may_be_late
from countermand.store.row_security import viewer

if TYPE_CHECKING:
    # SQLAlchemy's asyncio brings its object mapper along, and SQLite needs neither that nor the driver.
    import asyncpg
    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")

POSTGRES_READERS: Final = 8

HEAVY_READERS: Final = 2
"""Connections of the thread that reads what computes for long. They are opened when they are first needed."""

READ_TRIES: Final = 3

WORKER_WRITERS: Final = 2
"""Connections that write beside the lanes': the worker settles and renews its leases without waiting for them."""


class UnusableAddressError(OSError):
    """The address of the database cannot be used as it is: a file that is not there, a certificate not trusted."""


class HungError(OSError):
    """The database took longer than it may."""


class PostgresDatabase:
    """A PostgreSQL server, spoken to from the event loop.

    Work that has begun runs to its end even when its caller is cancelled, as it does in SQLite's threads: a connection
    broken off halfway would be left to the garbage collector.
    """

    def __init__(
        self,
        engine: Engine,
        address: PostgresAddress,
        how: Opening,
        *,
        at_once: int = 1,
        at_begin: str = "",
        planner: Mapping[str, str] = BY_KEYS,
    ) -> None:
        """``at_once`` is how many transactions a lane has under way; what writes begins with ``at_begin``.

        ``planner`` are settings of every connection but those for heavy reads.
        """
        self.engine = engine
        self._keeps = not how.dry_run
        self._read_timeout_s = how.read_timeout_s
        self.turns = FairShare(POSTGRES_READERS)
        self._timeout_s = how.timeout_s
        self._pooled = how.pooled
        self._is_bound: bool | None = None
        self._under_way: set[asyncio.Task[Any]] = set()
        self._is_closed = False
        each_begins = from_here(planner) if how.pooled else ""
        connect = _connecting(address, planner, pooled=how.pooled)
        connect_freely = _connecting(address, {}, pooled=how.pooled)
        self._connect = connect["async_creator_fn"]
        pool = partial(
            _postgres_engine,
            execution_options=options_of(engine),
            json_serializer=engine.words.of_document,
            isolation_level="AUTOCOMMIT",
        )
        self._writer = pool(connect, connections=how.lanes * at_once + WORKER_WRITERS)
        own_transactions(self._writer.sync_engine, pooled=how.pooled, more=at_begin + each_begins)
        self._readers = pool(connect, connections=POSTGRES_READERS)
        self._heavy_readers = pool(connect_freely, connections=HEAVY_READERS)
        self._pools = (self._writer, self._readers, self._heavy_readers)
        self._aside = Aside()
        self._standby: Standby | None = None
        all_readers = [self._readers, self._heavy_readers]
        if how.standby:
            # Nothing is connected to before somebody reads.
            there = _connecting(read_address(how.standby), planner, pooled=how.pooled)
            self._standby_readers = pool(there, connections=POSTGRES_READERS)
            self._standby = Standby(
                partial(_run, self._standby_readers), partial(_run, self._readers), how.standby_lag_s
            )
            all_readers.append(self._standby_readers)
        for readers in all_readers:
            own_snapshots(readers.sync_engine, more="" if readers is self._heavy_readers else each_begins)
            if how.read_timeout_s:
                _limit_statements(readers, how.read_timeout_s, pooled=how.pooled)

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

    async def read(self, question: Work[T], *, heavy: bool = False) -> T:
        """Run in the event loop, or ``Aside`` of it, on a snapshot that is never written."""
        who = viewer.get()
        try:
            if (who is not None or self._pooled) and await self._is_bound_by_policies():
                question = _seen_by(who, question)
            asked = self._run_aside if heavy else self._run_late if may_be_late.get() else partial(_run, self._readers)
            return await in_turn(self.turns, lambda: self._started(_tried_again(asked, question)))
        except (OSError, DBAPIError, PoolTimeoutError) as error:
            if sqlstate(error) == QUERY_CANCELED and self._read_timeout_s:
                raise TooBroadError(self._read_timeout_s) from error
            if is_unavailable(error):
                metrics.DB_UNAVAILABLE.add()
                raise UnavailableError from error
            raise

    async def standby_fault(self) -> str | None:
        """What the standby says of itself, or why it says nothing."""
        return await self._standby.fault() if self._standby else None

    async def write(self, work: Work[T]) -> T:
        """Run in the event loop."""
        if self._pooled and await self._is_bound_by_policies():
            work = _seen_by(None, work)
        try:
            with tracing.span("database.write", "client"):
                return await self._to_its_end(
                    _run(self._writer, lambda connection: transaction(connection, work, self._keeps))
                )
        except HungError as error:
            # It may have been the COMMIT that had no answer.
            raise CommitUnknownError from error

    def channel(self) -> PostgresChannel | None:
        """On a connection of its own; behind a pooler nobody could listen."""
        return None if self._pooled else PostgresChannel(self._connect)

    async def close(self) -> None:
        """Begin nothing more, wait for what is under way, then close every pool."""
        self._is_closed = True
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=LAST_WORK_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._writer.dispose()
        await self._readers.dispose()
        if self._standby is not None:
            await self._standby_readers.dispose()
        await self._aside.close(self._heavy_readers.dispose())
        # A connection that was broken off closes its socket in the loop's next turn, which may be the last.
        await asyncio.sleep(0)

    async def _is_bound_by_policies(self) -> bool:
        """Whether row-level security binds the role of this service: asked once, as soon as there are tables."""
        if self._is_bound is None:
            self._is_bound = await self._to_its_end(
                _run(self._readers, lambda connection: connection.execute(row_security.IS_ACTIVE).scalar())
            )
        return bool(self._is_bound)

    async def _run_late(self, question: Work[T]) -> T:
        """On the standby if there is one and it is fit, else on the primary."""
        if self._standby is not None:
            try:
                return await self._standby.read(question)
            except UnfitError:
                pass
        return await _run(self._readers, question)

    async def _run_aside(self, question: Work[T]) -> T:
        with turns.short():
            return await self._aside.run(_run(self._heavy_readers, question))

    async def _to_its_end(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.shield(self._started(work))

    def _started(self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        if self._is_closed:
            work.close()
            raise UnavailableError
        task = asyncio.ensure_future(_within(self._timeout_s, work))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task


def _seen_by(who: UUID | None, work: Work[T]) -> Work[T]:
    def narrowed(connection: Connection) -> T:
        row_security.narrow(connection, who)
        return work(connection)

    return narrowed


async def _connect_to_one(address: PostgresAddress, **how: Any) -> "asyncpg.Connection":
    """Connect to the first host that is what is wanted. Each has a time of its own: one that is silent hides no other.

    Raises:
        OSError: none of them is.
    """
    import asyncpg

    places = [{"host": host, "port": port} for host, port in address.hosts] or [{}]
    why: Exception | None = None
    for place in places:
        try:
            return await asyncpg.connect(address.dsn, timeout=address.connect_timeout_s, **place, **how)
        except (SSLError, FileNotFoundError, IsADirectoryError):
            raise
        except (OSError, asyncpg.TargetServerAttributeNotMatched, asyncpg.CannotConnectNowError) as error:
            why = error
    raise why if isinstance(why, OSError) else ConnectionError(str(why)) from why


@cache
def _row_class() -> "type[asyncpg.Record]":
    """Rows whose columns have names, as SQLAlchemy's do. The names of the tables' columns are looked up in C."""
    import asyncpg

    class Row(asyncpg.Record):  # type: ignore[misc]
        def __getattr__(self, name: str) -> Any:
            try:
                return self[name]
            except KeyError:
                raise AttributeError(name) from None

    for name in {column.name for table in t.metadata.tables.values() for column in table.columns}:
        if not hasattr(asyncpg.Record, name):
            setattr(Row, name, property(itemgetter(name)))
    return Row


def _connecting(address: PostgresAddress, planner: Mapping[str, str], *, pooled: bool) -> dict[str, Any]:
    """How SQLAlchemy opens a connection, with these settings of the planner. The driver reads the address itself."""
    import asyncpg

    more = {"statement_cache_size": 0} if pooled else {}
    # A pooler refuses settings that it does not know; behind one, each transaction says what it sees. The literals that
    # driver.py makes of documents have backslashes, which an old setting of the server would take for its own.
    settings = {} if pooled else {"countermand.sees": row_security.ALL, "standard_conforming_strings": "on", **planner}

    async def connect(**_: object) -> "asyncpg.Connection":
        try:
            return await _connect_to_one(
                address,
                record_class=_row_class(),
                server_settings={"application_name": address.application_name, **settings},
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


async def _tried_again(asked: Callable[[Work[T]], Coroutine[Any, Any, T]], question: Work[T]) -> T:
    """The answer, though others were in the way: a table was changed, or two waited for each other."""
    for _ in range(READ_TRIES - 1):
        try:
            return await asked(question)
        except DBAPIError as error:
            if not was_in_the_way(error):
                raise
    return await asked(question)


async def _run(engine: "AsyncEngine", work: Work[T]) -> T:
    connected = False

    def connect_and_work() -> T:
        nonlocal connected
        with engine.sync_engine.connect() as connection:
            connected = True
            return work(connection)

    try:
        # By itself, SQLAlchemy would begin a greenlet each to connect, to work and to let go, and a task for the last.
        return await greenlet_spawn(connect_and_work)
    except InvalidRequestError as error:
        if connected:
            raise
        raise ConnectionError("one connection after the other was lost at once") from error


def _show(setting: str) -> Work[str]:
    return lambda connection: str(connection.exec_driver_sql(f"SHOW {setting}").scalar_one())
