"""Answers that nobody gave in time. Each is put to the rules, which decide what silence means."""

import asyncio
from functools import partial
from typing import Final

from countermand.domain.commands import PassDeadline
from countermand.ids import Clock
from countermand.lanes import Lanes
from countermand.service.calls import Call, Failed
from countermand.store import outbox
from countermand.store.engine import Database
from countermand.worker.partitions import Partitions

DOOR: Final = "policy"
BATCH_MAX: Final = 500


class Deadlines:
    """Puts overdue cancellations of this worker's partitions to the rules, oldest first.

    Who owns a partition only spares work: the rules look at the clock and at the state again inside the transaction, so
    a deadline fires once and never early, and one that was missed while nobody ran fires at the next look.
    """

    def __init__(self, database: Database, lanes: Lanes, clock: Clock, partitions: Partitions) -> None:
        self._database = database
        self._lanes = lanes
        self._clock = clock
        self._partitions = partitions

    async def fire(self) -> int:
        """Put at most 500 overdue cancellations to the rules. Returns how many the rules took up."""
        owned = self._partitions.owned
        if not owned:
            return 0
        due = await self._database.read(partial(outbox.overdue, now=self._clock(), limit=BATCH_MAX, partitions=owned))
        outcomes = await asyncio.gather(
            *(
                self._lanes.submit(
                    Call(
                        command=PassDeadline(line=row.line_id, cancellation=row.id),
                        door=DOOR,
                        retailer=row.retailer_id,
                    )
                )
                for row in due
            )
        )
        return sum(not isinstance(outcome, Failed) for outcome in outcomes)

    async def fire_all(self) -> None:
        """Until none is overdue."""
        while await self.fire() == BATCH_MAX:
            pass
