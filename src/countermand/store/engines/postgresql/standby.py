"""Reads on a standby: only as long as it is known to be no more behind its primary than it may be.

How far it is behind is told by two places in the log: where the primary was at some time, and where the standby is now.
The clocks of the servers have no part in it, and neither has how much there is to replay.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from countermand.observability import metrics
from countermand.store.engines.postgresql.driver import QUERY_CANCELED
from countermand.store.engines.protocol import Work, ping
from countermand.store.engines.transactions import is_away, sqlstate

T = TypeVar("T")

Run = Callable[[Work[Any]], Awaitable[Any]]

RETRY_S: Final = 5.0
"""How long a standby that could not be reached is left alone, in seconds."""
CATCHES_UP_S: Final = 5.0
"""How long a check waits for a standby to come to where its primary is, in seconds."""
ASKS_EVERY_S: Final = 0.05
MARKS: Final = 4
"""So often within the lag that is allowed, the primary is asked where it is."""

_OF_PRIMARY: Final = text("SELECT CAST(pg_current_wal_lsn() - '0/0' AS BIGINT), pg_current_xact_id()")
"""The transaction takes a number, so its end is a record, and the server writes a last record to its end within a
second. A primary with nothing to do would else keep the end of one to itself for half a minute."""
_OF_STANDBY: Final = text("SELECT CAST(pg_last_wal_replay_lsn() - '0/0' AS BIGINT) WHERE pg_is_in_recovery()")


class UnfitError(Exception):
    """The standby is too far behind, cannot be reached, or broke off the read: the primary has to answer.

    The message says which, as a sentence.
    """


class BehindError(UnfitError):
    """The standby has not come far enough."""


class Standby:
    """Answers what may be ``lag_s`` seconds late. ``run`` asks the standby, ``run_at_primary`` its primary."""

    def __init__(
        self, run: Run, run_at_primary: Run, lag_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._run = run
        self._run_at_primary = run_at_primary
        self._lag_s = lag_s
        self._clock = clock
        self._marks: deque[tuple[float, int]] = deque()
        self._marking = asyncio.Lock()
        self._shunned_until = float("-inf")

    async def read(self, question: Work[T]) -> T:
        """The answer of the standby.

        Raises:
            UnfitError: the primary must be asked.
            DBAPIError: the read took too long, as it would at the primary.
        """
        try:
            answer = await self._answer(question)
        except UnfitError:
            metrics.STANDBY_READS.add("unfit")
            raise
        metrics.STANDBY_READS.add("read")
        return answer

    async def fault(self) -> str | None:
        """Why it cannot answer, as a sentence. It gets some time to come to where its primary is now."""
        until = self._clock() + min(self._lag_s, CATCHES_UP_S)
        while True:
            try:
                await self._answer(ping)
            except BehindError as error:
                if self._clock() > until:
                    return str(error)
            except (UnfitError, DBAPIError) as error:
                return str(error)
            else:
                return None
            await asyncio.sleep(ASKS_EVERY_S)

    async def _answer(self, question: Work[T]) -> T:
        if self._clock() < self._shunned_until:
            raise UnfitError("It could not be reached a moment ago.")
        at, needed = await self._needed()

        def asked(connection: Connection) -> T:
            place = connection.execute(_OF_STANDBY).scalar()
            if place is None:
                raise UnfitError("It follows no other server.")
            if place < needed:
                raise BehindError(f"It has not come to where its primary was {self._clock() - at:.1f} s ago.")
            return question(connection)

        try:
            answer: T = await self._run(asked)
        except (OSError, DBAPIError, PoolTimeoutError) as error:
            if sqlstate(error) == QUERY_CANCELED:
                raise
            if is_away(error):
                self._shunned_until = self._clock() + RETRY_S
            raise UnfitError(f"It did not answer: {_said(error)}") from error
        return answer

    async def _needed(self) -> tuple[float, int]:
        """How far the standby must be: the oldest time that may still be shown, and where the primary was then.

        Raises:
            UnfitError: the primary cannot be asked.
        """
        async with self._marking:
            now = self._clock()
            while self._marks and self._marks[0][0] < now - self._lag_s:
                self._marks.popleft()
            if not self._marks or self._marks[-1][0] < now - self._lag_s / MARKS:
                try:
                    place = await self._run_at_primary(_place_of_primary)
                except (OSError, DBAPIError, PoolTimeoutError) as error:
                    raise UnfitError(f"Its primary did not answer: {_said(error)}") from error
                self._marks.append((now, place))
            return self._marks[0]


def _place_of_primary(connection: Connection) -> int:
    place: int = connection.execute(_OF_PRIMARY).one()[0]
    return place


def _said(error: Exception) -> str:
    why = getattr(error, "orig", None) or error
    return str(why) or type(why).__name__
