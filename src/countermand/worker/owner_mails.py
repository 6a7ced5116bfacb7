"""E-mails to the owners of endpoints that were stopped, and to mailboxes that are to be confirmed.

What is due is read, sent, and settled.

As with notices, whatever ends the process between the steps leaves the mail due, and it is sent then.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from random import Random
from typing import Final
from uuid import UUID

import structlog

from countermand.admin.endpoints import PREFIX
from countermand.domain.delivery import Attempt, NoticeState, Verdict, status_after
from countermand.domain.endpoint import EndpointState
from countermand.ids import Clock, show
from countermand.observability import metrics
from countermand.store import owner_mails
from countermand.store.engines.protocol import Database
from countermand.store.owner_mails import DueMail
from countermand.worker.leases import Partitions
from countermand.worker.notices import Courier
from countermand.worker.pace import StalledError

BATCH_MAX: Final = 50

log = structlog.get_logger()

_Key = tuple[UUID, datetime, str]


@dataclass(frozen=True, slots=True)
class _Tried:
    """A mail, the fence under which it was sent, and the attempt that is over, if one was made."""

    mail: DueMail
    fence: int
    attempt: Attempt | None


def _is_called_for(mail: DueMail) -> bool:
    """Whether an endpoint is still stopped, or a mailbox still to be confirmed."""
    if mail.recipient is not None:
        return mail.unconfirmed_since is not None and mail.endpoint_state != EndpointState.REMOVED
    return mail.endpoint_state in (EndpointState.PAUSED, EndpointState.DISABLED)


def _key(mail: DueMail) -> _Key:
    return mail.endpoint_id, mail.created_at, mail.address


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
        self._unsettled: dict[_Key, _Tried] = {}

    def busy(self, partition: int) -> bool:
        """Whether a mail of this partition is being sent or settled."""
        return self._sending == partition or any(each.mail.partition == partition for each in self._unsettled.values())

    async def send_due(self) -> int:
        """Send at most 50 mails that are due. Returns how many were.

        The result of an e-mail is kept in memory until it is saved. Until then it is not sent again.

        Raises:
            StalledError: its result cannot be saved. No further e-mail is sent now.
        """
        await self._settle_again()
        owned = self._partitions.owned
        if not owned:
            return 0
        due = await self._database.read(partial(owner_mails.due, now=self._clock(), limit=BATCH_MAX, partitions=owned))
        for mail in due:
            fence = self._partitions.fence(mail.partition)
            if fence is not None and _key(mail) not in self._unsettled:
                await self._send(mail, fence)
        return len(due)

    async def _send(self, mail: DueMail, fence: int) -> None:
        self._sending = mail.partition
        try:
            tried = _Tried(mail, fence, await self._attempt(mail))
            if not await self._settled(tried):
                self._unsettled[_key(mail)] = tried
                raise StalledError("The result of an e-mail to an owner cannot be saved.")
        finally:
            self._sending = None

    async def _settle_again(self) -> None:
        for key, tried in list(self._unsettled.items()):
            if await self._settled(tried):
                del self._unsettled[key]

    async def _settled(self, tried: "_Tried") -> bool:
        try:
            await self._settle(tried.mail, tried.fence, tried.attempt)
        except Exception:
            log.warning("owner_mail_not_settled", endpoint=show(PREFIX, tried.mail.endpoint_id), exc_info=True)
            return False
        return True

    async def _attempt(self, mail: DueMail) -> Attempt | None:
        """One attempt; none if the e-mail is no longer needed."""
        if not _is_called_for(mail):
            return None
        # The same at every attempt, so that a mail program recognises a repeat.
        message_id = f"{show(PREFIX, mail.endpoint_id)}-{mail.created_at:%Y%m%d%H%M%S%f}"
        try:
            if mail.recipient is not None:
                return await self._courier.ask_to_confirm(
                    mail.address, mail.endpoint_id, mail.party_name, at=mail.created_at, message_id=message_id
                )
            return await self._courier.tell_owner(mail.address, mail.url, mail.why, message_id=message_id)
        except Exception:
            log.exception("owner_mail_not_written", endpoint=show(PREFIX, mail.endpoint_id))
            return Attempt(verdict=Verdict.FAILED, result="The mail could not be written. It was logged.")

    async def _settle(self, mail: DueMail, fence: int, attempt: Attempt | None) -> None:
        now = self._clock()
        state, due_at, result = NoticeState.DEAD, None, "It was called for no more."
        if attempt is not None:
            status = status_after(attempt, mail.attempts + 1, now, self._dice.random())
            state, due_at, result = status.state, status.due_at, attempt.result
        write = partial(
            owner_mails.settle, mail=mail, fence=fence, now=now, state=state.value, due_at=due_at, result=result
        )
        if not await self._database.write(write):
            log.warning("owner_mail_settled_by_another", endpoint=show(PREFIX, mail.endpoint_id))
            return
        _report(mail, state, attempt)


def _report(mail: DueMail, state: NoticeState, attempt: Attempt | None) -> None:
    """One attempt in the log and the metrics, without what the mail server said: it may name the mailbox."""
    kind = "owner" if mail.recipient is None else "confirmation"
    verdict = attempt.verdict.value if attempt else None
    if verdict:
        metrics.MAIL_ATTEMPTS.add(kind, verdict)
    report = log.warning if state is NoticeState.DEAD and attempt else log.info
    what = "owner_told" if kind == "owner" else "confirmation_asked"
    report(what, endpoint=show(PREFIX, mail.endpoint_id), attempt=mail.attempts + 1, state=state.value, result=verdict)
