"""Sends notices to the outlet of their endpoint, and e-mails to the owners of endpoints."""

from datetime import datetime
from uuid import UUID

from countermand.domain.delivery import Attempt
from countermand.domain.endpoint import Endpoint
from countermand.ids import Clock
from countermand.outlets.email import EmailOutlet
from countermand.outlets.email_text import confirmation_mail, stopped_mail
from countermand.outlets.links import CONFIRMATION, Links
from countermand.outlets.outlet import Notice, Outlets
from countermand.reads.process_statuses import ProcessView
from countermand.reads.scope import Scope
from countermand.reads.subjects import Subject


class Couriers:
    """Sends by the outlet of the endpoint's address. ``source`` is the service's base URL."""

    def __init__(self, outlets: Outlets, email: EmailOutlet, *, links: Links, clock: Clock, source: str) -> None:
        self._outlets = outlets
        self._email = email
        self._links = links
        self._clock = clock
        self._source = source

    async def deliver(self, endpoint: Endpoint, reader: Scope, event: Subject) -> Attempt:
        """Write the notice for its reader, and make one attempt to send it."""
        if isinstance(event, ProcessView):
            return await self._outlets.subscriptions.send_process(endpoint, event, self._clock())
        notice = Notice(endpoint=endpoint, reader=reader, event=event)
        return await self._outlets.of(endpoint).send(notice, self._clock())

    async def tell_owner(self, address: str, endpoint: str, why: str, *, message_id: str) -> Attempt:
        """Make one attempt to notify an owner that nothing more is sent to this endpoint address."""
        return await self._email.write(address, stopped_mail(endpoint, why), message_id=message_id)

    async def ask_to_confirm(
        self, address: str, endpoint: UUID, party: str, *, at: datetime, message_id: str
    ) -> Attempt:
        """Make one attempt to send a mailbox the question whether a party may be notified there."""
        link = self._links.confirmation(endpoint, address, at)
        mail = confirmation_mail(party, source=self._source, link=link, until=at + CONFIRMATION)
        return await self._email.write(address, mail, message_id=message_id)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._outlets.close()
