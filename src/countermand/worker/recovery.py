"""Jobs that have the notices of an endpoint sent again: step by step, so that no transaction is long."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from countermand.ids import Clock
from countermand.reads.jobs import JobView
from countermand.reads.notices import sellers_of
from countermand.store import jobs
from countermand.store.engines.protocol import Database
from countermand.store.engines.transactions import change
from countermand.store.recovery import recover_some, recovery_of


@dataclass(frozen=True, slots=True)
class _Place:
    """How far a job is: which retailer's notices it looks at, and the last one that it has seen."""

    retailer: UUID
    after: UUID | None


class RecoveryRun:
    """One such job, as long as this worker goes on with it."""

    def __init__(self, database: Database, clock: Clock, job: JobView) -> None:
        self._database = database
        self._clock = clock
        self._job = job
        self._done = job.done
        self._wanted = recovery_of(job.terms)

    async def to_its_end(self) -> bool:
        """Have all of them sent again. Returns false where the job was cancelled before."""
        place = _place(self._job.terms)
        for retailer in await self._database.read(partial(sellers_of, endpoint=self._wanted.endpoint)):
            if place and retailer < place.retailer:
                continue
            after = place.after if place and retailer == place.retailer else None
            going_on = True
            while going_on:
                after, cancelled = await change(self._database, partial(self._step, _Place(retailer, after)))
                if cancelled:
                    return False
                going_on = after is not None
        return True

    def _step(self, place: _Place, connection: Connection) -> tuple[UUID | None, bool]:
        some = recover_some(connection, self._wanted, retailer=place.retailer, after=place.after, now=self._clock())
        told = {"retailer": place.retailer.hex, "after": some.after.hex if some.after else None}
        cancelled_at = jobs.count_recovered(
            connection,
            job=self._job.id,
            done=self._done,
            count=some.count,
            terms={**self._job.terms, "place": told},
        )
        self._done += some.count
        return some.after, cancelled_at is not None


def _place(terms: Mapping[str, Any]) -> _Place | None:
    told = terms.get("place")
    if told is None:
        return None
    return _Place(UUID(told["retailer"]), UUID(told["after"]) if told["after"] else None)
