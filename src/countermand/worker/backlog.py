"""Reads what waits, again and again, for the metrics."""

from datetime import datetime, timedelta
from functools import partial
from typing import Final

from countermand.ids import Clock
from countermand.observability import metrics
from countermand.reads.event_stream import oldest_unpublished
from countermand.store.backlog import Backlog, backlog
from countermand.store.engines.protocol import Database

BACKLOG_EVERY_S: Final = 15.0


class BacklogReader:
    """Moves the gauges of what waits. ``stream`` is the name of a broker's stream, if there is one."""

    def __init__(
        self, database: Database, clock: Clock, *, stream: str = "", stream_keep: timedelta | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._stream = stream
        self._stream_keep = stream_keep

    async def read(self) -> Backlog:
        """Read it once."""
        now = self._clock()
        found = await self._database.read(partial(backlog, now=now))
        metrics.OUTBOX_OLDEST_SECONDS.set(_since(found.oldest_notice, now))
        metrics.DEADLINE_OLDEST_SECONDS.set(_since(found.oldest_deadline, now))
        metrics.ENDPOINT_PAUSED.set(found.stopped_endpoints)
        metrics.REFUND_IN_DOUBT.set(found.refunds_in_doubt)
        metrics.REFUND_PARKED.set(found.refunds_parked)
        metrics.ESCALATED.set(found.escalated)
        metrics.JOBS_OPEN.set(found.jobs_open)
        if self._stream:
            question = partial(oldest_unpublished, stream=self._stream, now=now, keep=self._stream_keep)
            oldest = await self._database.read(question)
            metrics.STREAM_OLDEST_SECONDS.set(_since(oldest, now))
        metrics.BACKLOG_READ.set(now.timestamp())
        return found


def _since(moment: datetime | None, now: datetime) -> float:
    return (now - moment).total_seconds() if moment else 0.0
