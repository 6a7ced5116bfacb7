"""Takes what a party is told of an event to where it goes: to webhooks over HTTP, to mailboxes by e-mail."""

from datetime import datetime
from functools import partial
from uuid import UUID

import orjson

from countermand.admin import endpoints
from countermand.admin.endpoints import Endpoint
from countermand.documents import events
from countermand.domain.delivery import Attempt
from countermand.domain.endpoint import is_mailbox, mailbox_of
from countermand.ids import Clock, show
from countermand.keyring import Keyring
from countermand.outlets.email import Mail
from countermand.outlets.email_text import MailText, confirmation_mail, mail_of, stopped_mail
from countermand.outlets.http.client import Webhooks
from countermand.outlets.links import CONFIRMATION, Links
from countermand.outlets.signature import sign
from countermand.reads import Scope
from countermand.store.columns import Record


class Couriers:
    """Sends by whichever way the endpoint's address names. ``source`` is the service's base URL."""

    def __init__(
        self, *, webhooks: Webhooks, mail: Mail, keyring: Keyring, links: Links, clock: Clock, source: str
    ) -> None:
        self._webhooks = webhooks
        self._mail = mail
        self._keyring = keyring
        self._links = links
        self._clock = clock
        self._source = source
        self._opened: dict[bytes, tuple[str, ...]] = {}
        self._opened_in = ""

    async def deliver(self, endpoint: Endpoint, reader: Scope, event: Record) -> Attempt:
        """Write down what this reader is told of the event, sign it, and make one attempt to send it."""
        now = self._clock()
        page = partial(self._links.page_of, party=reader.party)
        if is_mailbox(endpoint.url):
            said = mail_of(event, reader=reader, page=page, now=now)
            return await self._mail_to(_mailbox(endpoint), said, message_id=show("evt", event.id))
        told = events.write(event, reader=reader, source=self._source, page=page)
        body = orjson.dumps(told)
        headers = sign(self._secrets(endpoint, now), told["id"], now, body)
        return await self._webhooks.post(endpoint.url, headers, body)

    async def tell_owner(self, address: str, endpoint: str, why: str, *, message_id: str) -> Attempt:
        """Make one attempt to tell somebody that nothing more is sent to their endpoint, named by its address."""
        return await self._mail_to(address, stopped_mail(endpoint, why), message_id=message_id)

    async def ask_to_confirm(
        self, address: str, endpoint: UUID, party: str, *, at: datetime, message_id: str
    ) -> Attempt:
        """Make one attempt to ask a mailbox whether a party, named by its name, may be told there."""
        link = self._links.confirmation(endpoint, address, at)
        said = confirmation_mail(party, source=self._source, link=link, until=at + CONFIRMATION)
        return await self._mail_to(address, said, message_id=message_id)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._webhooks.close()

    async def _mail_to(self, address: str, said: MailText, message_id: str) -> Attempt:
        return await self._mail.send(address, said.subject, said.text, said.html, message_id=message_id)

    def _secrets(self, endpoint: Endpoint, now: datetime) -> tuple[str, ...]:
        """Opened once a minute. One that ends within it signs for the rest of it, beside the one that replaced it."""
        minute = f"{now:%Y-%m-%dT%H:%M}"
        if minute != self._opened_in:
            self._opened.clear()
            self._opened_in = minute
        closed = endpoint.secrets or b""
        if closed not in self._opened:
            self._opened[closed] = endpoints.secrets_at(self._keyring, endpoint, now)
        return self._opened[closed]


def _mailbox(endpoint: Endpoint) -> str:
    return mailbox_of(endpoint.url)
