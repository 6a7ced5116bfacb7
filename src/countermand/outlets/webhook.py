"""Webhooks: an event as JSON, signed with the secrets of its endpoint and sent over HTTP."""

from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

import orjson

from countermand.admin import endpoints
from countermand.admin.endpoints import PREFIX
from countermand.documents.events import write
from countermand.documents.samples import write_sample
from countermand.domain.addresses.address import AddressKind
from countermand.domain.addresses.web import WEBHOOK
from countermand.domain.delivery import Attempt
from countermand.domain.endpoint import Endpoint
from countermand.domain.events import EventKind
from countermand.ids import show
from countermand.keyring import Keyring
from countermand.observability import tracing
from countermand.outlets.http.client import Webhooks
from countermand.outlets.links import Links
from countermand.outlets.outlet import Notice
from countermand.outlets.signature import sign


class WebhookOutlet:
    """Sends to webhooks. ``source`` is the service's base URL."""

    kind: Final[AddressKind] = WEBHOOK

    def __init__(self, webhooks: Webhooks, *, keyring: Keyring, links: Links, source: str) -> None:
        self._webhooks = webhooks
        self._keyring = keyring
        self._links = links
        self._source = source
        self._opened: dict[bytes, tuple[str, ...]] = {}
        self._opened_in = ""

    async def send(self, notice: Notice, now: datetime) -> Attempt:
        """Write the notice for its reader, sign it, and make one attempt to send it."""
        page = partial(self._links.page_of, party=notice.reader.party)
        document = write(notice.event, reader=notice.reader, source=self._source, page=page)
        return await self._post(notice.endpoint, document["id"], document, now)

    async def test(self, endpoint: Endpoint, message: UUID, now: datetime, kind: EventKind | None = None) -> Attempt:
        """A message about nothing, or about things that do not exist, signed and sent like any other."""
        whose = show(PREFIX, endpoint.id)
        document = write_sample(kind, endpoint=whose, id=message, at=now, source=self._source)
        return await self._post(endpoint, show("evt", message), document, now)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._webhooks.close()

    async def _post(self, endpoint: Endpoint, message: str, document: Any, now: datetime) -> Attempt:
        body = orjson.dumps(document)
        headers = sign(self._secrets(endpoint, now), message, now, body)
        return await self._webhooks.post(endpoint.url, {**headers, **tracing.headers()}, body)

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
