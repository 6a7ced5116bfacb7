"""Fires deadlines: asks the rules about each cancellation whose answer is overdue."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from countermand.domain.commands import PassDeadline
from countermand.ids import Clock
from countermand.service.calls import Call, Done, Failed
from countermand.service.lanes import Lanes
from countermand.store import outbox
from countermand.store.engines.protocol import Database
from countermand.store.outbox import OverdueCancellation
from countermand.worker.leases import Partitions
from countermand.worker.pace import STALLED_AFTER, Rests, StalledError

DOOR: Final = "policy"
BATCH_MAX: Final = 500


class Deadlines:
    """Puts overdue cancellations of this worker's partitions to the rules, oldest first.

    Owning a partition only avoids double work. The rules check the time and the state again inside the transaction, so
    a deadline fires once and never early. A deadline that passed while no worker ran fires at the next pass.
    """

    def __init__(self, database: Database, lanes: Lanes, clock: Clock, partitions: Partitions) -> None:
        self._database = database
        self._lanes = lanes
        self._clock = clock
        self._partitions = partitions
        self._rests = Rests(clock)

    async def fire(self) -> int:
        """Put at most 500 overdue cancellations to the rules. Returns how many the rules took up."""
        return await self._put(await self._overdue(self._clock()))

    async def fire_all(self) -> None:
        """Fire each overdue deadline once.

        Raises:
            StalledError: the write road takes none of them.
        """
        now, after = self._clock(), None
        while rows := await self._overdue(now, after):
            for start in range(0, len(rows), STALLED_AFTER):
                awake = self._rests.awake(rows[start : start + STALLED_AFTER], _id_of)
                if awake and not await self._put(awake):
                    raise StalledError("Deadlines cannot be saved.")
            after = rows[-1].due_at, rows[-1].id
            if len(rows) < BATCH_MAX:
                break

    async def _overdue(
        self, now: datetime, after: tuple[datetime, UUID] | None = None
    ) -> Sequence[OverdueCancellation]:
        owned = self._partitions.owned
        if not owned:
            return ()
        return await self._database.read(
            partial(outbox.overdue, now=now, limit=BATCH_MAX, partitions=owned, after=after)
        )

    async def _put(self, rows: Sequence[OverdueCancellation]) -> int:
        outcomes = await asyncio.gather(*(self._lanes.submit(_passed(row)) for row in rows))
        for row, outcome in zip(rows, outcomes, strict=True):
            (self._rests.went_on if isinstance(outcome, Done) else self._rests.failed)(row.id)
        return sum(not isinstance(outcome, Failed) for outcome in outcomes)


def _passed(row: OverdueCancellation) -> Call:
    command = PassDeadline(line=row.line_id, cancellation=row.id)
    return Call(command=command, door=DOOR, retailer=row.retailer_id)


def _id_of(row: OverdueCancellation) -> UUID:
    return row.id
