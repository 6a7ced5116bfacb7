"""Subscriptions of bol's Retailer API: a message in bol's words, signed with a key of this service, sent over HTTP."""

import base64
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

import orjson
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from countermand.admin.signature_keys import SigningKey, signing_key
from countermand.documents.subscriptions import order_message, process_message, trial_message
from countermand.domain.addresses.address import AddressKind
from countermand.domain.addresses.web import WEBHOOK
from countermand.domain.delivery import Attempt, Verdict
from countermand.domain.endpoint import Endpoint
from countermand.domain.events import EventKind
from countermand.domain.subscriptions import Subscription
from countermand.keyring import Keyring
from countermand.observability import tracing
from countermand.outlets.http.client import Webhooks
from countermand.outlets.outlet import Notice
from countermand.reads.process_statuses import ProcessView
from countermand.store.engines.protocol import Database

SIGNATURE: Final = "Signature"


class SubscriptionOutlet:
    """Sends to subscriptions. The key that signs is looked up once a minute."""

    kind: Final[AddressKind] = WEBHOOK

    def __init__(self, webhooks: Webhooks, *, keyring: Keyring, database: Database) -> None:
        self._webhooks = webhooks
        self._keyring = keyring
        self._database = database
        self._key: SigningKey | None = None
        self._looked_up_in = ""

    async def send(self, notice: Notice, now: datetime) -> Attempt:
        """Make one attempt to say that an order has changed."""
        return await self._post(notice.endpoint, order_message(_of(notice.endpoint), notice.event), now)

    async def send_process(self, endpoint: Endpoint, process: ProcessView, now: datetime) -> Attempt:
        """Make one attempt to say that a process status has become final."""
        return await self._post(endpoint, process_message(_of(endpoint), process), now)

    async def test(self, endpoint: Endpoint, message: UUID, now: datetime, kind: EventKind | None = None) -> Attempt:
        """A message about nothing, whatever the kind: bol has no samples."""
        return await self._post(endpoint, trial_message(_of(endpoint), endpoint.id, now), now)

    async def close(self) -> None:
        """Nothing to do: the connections are those of the other webhooks."""

    async def _post(self, endpoint: Endpoint, message: dict[str, Any], now: datetime) -> Attempt:
        key = await self._signing_key(now)
        if key is None:
            return Attempt(verdict=Verdict.FAILED, result="There is no key to sign with yet.")
        body = orjson.dumps(message)
        return await self._webhooks.post(endpoint.url, {SIGNATURE: signature(key, body), **tracing.headers()}, body)

    async def _signing_key(self, now: datetime) -> SigningKey | None:
        minute = f"{now:%Y-%m-%dT%H:%M}"
        if self._key is None or minute != self._looked_up_in:
            self._key = await self._database.read(partial(signing_key, keyring=self._keyring))
            self._looked_up_in = minute
        return self._key


def signature(key: SigningKey, body: bytes) -> str:
    """The header of a message: RSA PKCS#1 v1.5 with SHA-256 over its bytes, and which of the published keys made it."""
    signed = base64.b64encode(key.private.sign(body, padding.PKCS1v15(), SHA256())).decode()
    return f'keyId="{key.id}",algorithm="rsa-sha256",signature="{signed}"'


def _of(endpoint: Endpoint) -> Subscription:
    assert endpoint.subscription is not None
    return endpoint.subscription
