"""Reads what waits, again and again, for the metrics."""

from datetime import datetime
from functools import partial
from typing import Final

from countermand.ids import Clock
from countermand.observability import metrics
from countermand.store.backlog import Backlog, backlog
from countermand.store.engines.protocol import Database

BACKLOG_EVERY_S: Final = 15.0


class BacklogReader:
    """Moves the gauges of what waits."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

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
        metrics.BACKLOG_READ.set(now.timestamp())
        return found


def _since(moment: datetime | None, now: datetime) -> float:
    return (now - moment).total_seconds() if moment else 0.0
