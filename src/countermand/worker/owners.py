"""E-mails to the owners of endpoints that were stopped: read what is due, send it, settle what became of it.

As with notices, whatever ends the process between the steps leaves the mail due, and it is sent then.
"""

from functools import partial
from random import Random
from typing import Final

import structlog

from countermand.domain.endpoint import EndpointState
from countermand.domain.schedule import Attempt, NoticeState, standing_after
from countermand.endpoints import PREFIX
from countermand.ids import Clock, show
from countermand.store import owner_mails
from countermand.store.columns import Record
from countermand.store.engine import Database
from countermand.worker.notices import Courier
from countermand.worker.partitions import Partitions

BATCH_MAX: Final = 50

log = structlog.get_logger()


class Owners:
    """Sends the mails of this worker's partitions, one at a time. A mail has the schedule of a notice."""

    def __init__(
        self, database: Database, partitions: Partitions, courier: Courier, clock: Clock, *, dice: Random | None = None
    ) -> None:
        self._database = database
        self._partitions = partitions
        self._courier = courier
        self._clock = clock
        self._dice = dice or Random()  # noqa: S311 - jitter needs no secrets
        self._sending: int | None = None

    def busy(self, partition: int) -> bool:
        """Whether a mail of this partition is being sent or settled."""
        return self._sending == partition

    async def tell(self) -> int:
        """Send at most 50 mails that are due. Returns how many were."""
        owned = self._partitions.owned
        if not owned:
            return 0
        due = await self._database.read(partial(owner_mails.due, now=self._clock(), limit=BATCH_MAX, partitions=owned))
        for mail in due:
            fence = self._partitions.fence(mail.partition)
            if fence is not None:
                await self._send(mail, fence)
        return len(due)

    async def _send(self, mail: Record, fence: int) -> None:
        self._sending = mail.partition
        try:
            await self._settle(mail, fence, await self._attempt(mail))
        finally:
            self._sending = None

    async def _attempt(self, mail: Record) -> Attempt | None:
        """One attempt; none where the endpoint goes on, or is no more."""
        if mail.endpoint_state not in (EndpointState.PAUSED, EndpointState.DISABLED):
            return None
        # The same at every attempt, so that a mailbox can tell a repeat.
        message_id = f"{show(PREFIX, mail.endpoint_id)}-{mail.created_at:%Y%m%d%H%M%S%f}"
        return await self._courier.tell_owner(mail.address, mail.url, mail.why, message_id=message_id)

    async def _settle(self, mail: Record, fence: int, attempt: Attempt | None) -> None:
        now = self._clock()
        state, due_at, result = NoticeState.DEAD, None, "Nobody has to be told any more: the endpoint is not stopped."
        if attempt is not None:
            standing = standing_after(attempt, mail.attempts + 1, now, self._dice.random())
            state, due_at, result = standing.state, standing.due_at, attempt.result
        write = partial(
            owner_mails.settle, mail=mail, fence=fence, now=now, state=state.value, due_at=due_at, result=result
        )
        await self._database.write(write)
        tell = log.warning if state is NoticeState.DEAD and attempt else log.info
        tell("owner_told", endpoint=show(PREFIX, mail.endpoint_id), state=state.value, result=result)
