"""A party leaves: what waits for its answer goes to the operator (EC-26)."""

import asyncio
from functools import partial
from uuid import UUID

from countermand.admin.finding import EVERYTHING
from countermand.domain.commands import EscalateCancellation
from countermand.domain.line import State
from countermand.domain.parties import Actor
from countermand.reads.cancellations import PAGE_MAX, CancellationFilter, list_cancellations
from countermand.service.calls import Call, Failed
from countermand.service.lanes import Lanes
from countermand.store.engines.protocol import Database, UnavailableError


async def hand_over(database: Database, lanes: Lanes, party: UUID, actor: Actor, door: str) -> int:
    """Escalate all that waits for a party. Returns how many cancellations there were. It can be repeated.

    Raises:
        UnavailableError: the database did not answer; some may be handed over.
    """
    handed_over, after = 0, None
    while True:
        wanted = CancellationFilter(state=State.ASKED.value, awaiting=party, after=after, limit=PAGE_MAX)
        rows = await database.read(partial(list_cancellations, scope=EVERYTHING, wanted=wanted))
        commands = [EscalateCancellation(line=row.line_id, actor=actor, cancellation=row.id) for row in rows]
        outcomes = await asyncio.gather(
            *(
                lanes.submit(Call(command=command, door=door, retailer=row.retailer_id))
                for command, row in zip(commands, rows, strict=True)
            )
        )
        if any(isinstance(each, Failed) for each in outcomes):
            raise UnavailableError
        handed_over += len(rows)
        if len(rows) < PAGE_MAX:
            return handed_over
        after = rows[-1].id
