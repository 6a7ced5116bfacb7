"""What reads and transactions have in common on every engine."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from countermand.observability import metrics, tracing
from countermand.store.engines.protocol import CommitUnknownError, Database, UnavailableError, Work, ping
from countermand.store.fair_share import FairShare, TooManyReadsError, reading_party

T = TypeVar("T")


class NotCommittedError(Exception):
    """A statement that went together with COMMIT failed before it, for this ``reason``: nothing is stored."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


async def change(database: Database, work: Work[T]) -> T:
    """``database.write`` for what is seldom changed, where all that a failure says is that the database is away.

    Raises:
        UnavailableError: nobody knows whether it was stored; it can be repeated.
    """
    try:
        return await database.write(work)
    except (CommitUnknownError, OSError, OperationalError, InterfaceError, PoolTimeoutError) as error:
        metrics.DB_UNAVAILABLE.add()
        raise UnavailableError from error
    except DBAPIError as error:
        if is_unavailable(error):
            metrics.DB_UNAVAILABLE.add()
            raise UnavailableError from error
        raise


async def in_turn(turns: FairShare, begin: Callable[[], asyncio.Future[T]]) -> T:
    """Begin a read when it is its party's turn. Its place is free when it has ended, even if its caller has gone."""
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
    began = time.perf_counter()

    def ended(_: object) -> None:
        turns.release(party)
        metrics.DB_READ_SECONDS.observe(time.perf_counter() - began)

    reading.add_done_callback(ended)
    with tracing.span("database.read", "client"):
        return await asyncio.shield(reading)


def transaction(connection: Connection, work: Work[T], keeps: bool) -> T:
    """Run ``work`` in a transaction, and commit it or, if it is not to be kept, roll it back.

    Raises:
        CommitUnknownError: the commit failed, so nobody knows whether it is stored.
    """
    began = time.perf_counter()
    transaction = connection.begin()
    try:
        result = work(connection)
    except BaseException:
        transaction.rollback()
        raise
    if not keeps:
        # All but the commit is done, also what was put off until then.
        ping(connection)
        transaction.rollback()
        return result
    try:
        transaction.commit()
    except NotCommittedError as error:
        transaction.rollback()
        raise error.reason from error
    except Exception as error:
        # Whatever it was, the server may have committed. The connection is not trusted again: after a sync
        # that failed, a file may look written and not be.
        connection.invalidate(error)
        raise CommitUnknownError from error
    metrics.DB_COMMIT_SECONDS.observe(time.perf_counter() - began)
    return result


def is_unavailable(error: Exception) -> bool:
    """Whether the connection, the server or others are to blame, and not the statement."""
    return is_away(error) or was_in_the_way(error)


def is_away(error: Exception) -> bool:
    """Whether the connection or the server is to blame.

    Of PostgreSQL's codes (its manual, appendix A), classes 08, 53 and 57 are about these. A server that only follows
    another says 25006.
    """
    if not isinstance(error, DBAPIError):
        return True
    code = sqlstate(error)
    return error.connection_invalidated or code[:2] in ("08", "53", "57") or code == "25006"


def was_in_the_way(error: Exception) -> bool:
    """Whether the same work may succeed at once, as something else of the same moment ended it.

    Class 40 is a deadlock or a lost race. A driver refuses a statement that it prepared before a table was changed.
    """
    return sqlstate(error)[:2] == "40" or type(getattr(error, "orig", None)).__name__ == "InvalidCachedStatementError"


def sqlstate(error: Exception) -> str:
    """The code of the SQL standard, if the driver has one."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", None))
