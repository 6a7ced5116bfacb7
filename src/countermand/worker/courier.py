"""Takes what a party is told of an event to where it goes: to webhooks over HTTP, to mailboxes by e-mail."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Final
from urllib.parse import unquote

import orjson
import structlog

from countermand import endpoints, story
from countermand.domain.endpoint import is_mailbox
from countermand.domain.schedule import Attempt
from countermand.endpoints import Endpoint
from countermand.ids import Clock, show
from countermand.keyring import Keyring
from countermand.reads import Scope
from countermand.sending import envelope
from countermand.sending.http import Webhooks
from countermand.sending.mail import Mail
from countermand.sending.signature import sign
from countermand.store.columns import Record

STOPPED_SUBJECT: Final = "Nothing more is sent to your endpoint"

log = structlog.get_logger()


class Couriers:
    """Sends by whichever way the endpoint's address names. ``source`` is the service's base URL."""

    def __init__(self, *, webhooks: Webhooks, mail: Mail, keyring: Keyring, clock: Clock, source: str) -> None:
        self._webhooks = webhooks
        self._mail = mail
        self._keyring = keyring
        self._clock = clock
        self._source = source
        self._opened: dict[bytes, tuple[str, ...]] = {}
        self._opened_in = ""

    async def deliver(self, endpoint: Endpoint, reader: Scope, event: Record) -> Attempt:
        """Write down what this reader is told of the event, sign it, and make one attempt to send it."""
        if is_mailbox(endpoint.url):
            return await self._mail_event(endpoint, event)
        told = envelope.write(event, reader=reader, source=self._source)
        body = orjson.dumps(told)
        now = self._clock()
        headers = sign(self._secrets(endpoint, now), told["id"], now, body)
        return await self._webhooks.post(endpoint.url, headers, body)

    async def tell_owner(self, endpoint: Endpoint, addresses: Sequence[str], why: str) -> None:
        """Tell the people of the endpoint's party that nothing more is sent there, as well as can be."""
        name, label = show(endpoints.PREFIX, endpoint.id), f" ({endpoint.label})" if endpoint.label else ""
        text = (
            f"Nothing more is sent to your endpoint {name}{label}.\n\n{why}\n\n"
            "What happens meanwhile is kept and will be sent once the endpoint is resumed. Nothing is lost.\n"
        )
        for address in addresses:
            attempt = await self._mail.send(address, STOPPED_SUBJECT, text, f"<pre>{escape(text)}</pre>\n")
            log.info("owner_told", endpoint=name, result=attempt.result)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._webhooks.close()

    async def _mail_event(self, endpoint: Endpoint, event: Record) -> Attempt:
        sentence = story.sentence(event)
        text = f"{event.reference}, {event.sku} {event.title}\n\n{sentence}\n"
        to = unquote(endpoint.url.partition(":")[2])
        subject = f"{event.reference}: {sentence}"
        return await self._mail.send(to, subject, text, f"<p>{escape(text)}</p>\n", message_id=show("evt", event.id))

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
