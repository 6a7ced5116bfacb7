"""E-mail: an event as a message to one mailbox, with a link where an answer is due."""

from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from countermand.domain.addresses.address import AddressKind
from countermand.domain.addresses.mailbox import MAILBOX, mailbox_of
from countermand.domain.delivery import Attempt
from countermand.domain.endpoint import Endpoint
from countermand.domain.events import EventKind
from countermand.ids import show
from countermand.outlets.email_text import MailText, mail_of, trial_mail
from countermand.outlets.links import Links
from countermand.outlets.outlet import Notice
from countermand.outlets.smtp import Mail


class EmailOutlet:
    """Sends to mailboxes. ``source`` is the service's base URL."""

    kind: Final[AddressKind] = MAILBOX

    def __init__(self, mail: Mail, *, links: Links, source: str) -> None:
        self._mail = mail
        self._links = links
        self._source = source

    async def send(self, notice: Notice, now: datetime) -> Attempt:
        """Write the message for this reader, and make one attempt to send it."""
        page = partial(self._links.page_of, party=notice.reader.party)
        mail = mail_of(notice.event, reader=notice.reader, page=page, now=now)
        return await self.write(mailbox_of(notice.endpoint.url), mail, message_id=show("evt", notice.event.id))

    async def test(self, endpoint: Endpoint, message: UUID, now: datetime, kind: EventKind | None = None) -> Attempt:
        """A message about nothing, whatever the kind: people would take a sample for an event."""
        mail = trial_mail(self._source)
        return await self.write(mailbox_of(endpoint.url), mail, message_id=show("evt", message))

    async def write(self, address: str, mail: MailText, *, message_id: str) -> Attempt:
        """Make one attempt to send any message to any address."""
        return await self._mail.send(address, mail.subject, mail.text, mail.html, message_id=message_id)

    async def close(self) -> None:
        """Nothing to do: each message has a connection of its own."""
