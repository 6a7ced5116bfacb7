"""What is due: for now, answers that nobody gave. Each is put to the rules, which decide what silence means."""

import asyncio
from functools import partial
from typing import Final

import structlog

from countermand import reads
from countermand.domain.commands import PassDeadline
from countermand.ids import Clock
from countermand.lanes import Lanes
from countermand.service import Call, Failed
from countermand.store.engine import Database

DOOR: Final = "policy"
BATCH_MAX: Final = 500
LOOK_EVERY_S: Final = 5.0
"""How often to look for what is due. Deadlines are promised within 60 s (reliability P7)."""

log = structlog.get_logger()


class Worker:
    """Puts overdue cancellations to the rules, oldest first.

    Several processes may do so at once: the rules look at the clock and at the state again inside the transaction, so
    a deadline fires once and never early, and one that was missed while nobody ran fires at the next look.
    """

    def __init__(self, database: Database, lanes: Lanes, clock: Clock) -> None:
        self._database = database
        self._lanes = lanes
        self._clock = clock

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                while await self.fire_deadlines() == BATCH_MAX:
                    pass
            except Exception:
                log.exception("worker_failed")
            await asyncio.sleep(LOOK_EVERY_S)

    async def fire_deadlines(self) -> int:
        """Put at most 500 overdue cancellations to the rules. Returns how many the rules took up."""
        due = await self._database.read(partial(reads.overdue, now=self._clock(), limit=BATCH_MAX))
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
