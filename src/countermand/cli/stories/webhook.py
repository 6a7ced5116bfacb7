"""Webhooks: a supplier is notified by a signed webhook and answers through the link in it."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from countermand.admin import endpoints
from countermand.admin.audit import Author
from countermand.app import opened
from countermand.cli.receiver import Receiver
from countermand.cli.stories.story import Cast, Story
from countermand.outlets.signature import SignatureError, verify
from countermand.settings import Settings


class WebhookStory(Story):
    """A supplier gets an ask by a webhook, checks its signature, and answers through the link in it."""

    def __init__(self, cast: Cast, settings: Settings, receiver: Receiver) -> None:
        super().__init__(cast)
        self._settings = settings
        self._receiver = receiver

    async def _play(self) -> None:
        order = self._cast.orders[3]
        line = order["lines"][0]
        supplier = line["supplier"]
        self._title(f"{supplier} gets a webhook: Fine Shoes cancels {line['sku']} of {order['reference']}")
        secret = await self._register(supplier)
        path = f"/orders/items/cancel/{line['line']}/"
        await self._step("the retailer asks to cancel the item", "DELETE", path, "Fine Shoes", 204)
        event = await self._received("the supplier's receiver gets the event", secret, "cancellation.asked")
        data = event.get("data", {})
        self._check("it is about this item", data.get("line"), line["line"])
        accept = urlsplit(data.get("links", {}).get("accept", "")).path
        await self._step(f"{supplier} accepts through the link in it", "POST", accept, supplier, 200, {})
        event = await self._received("the receiver gets the outcome, too", secret, "cancellation.accepted")
        units = event.get("data", {}).get("state", {})
        self._check("all units are cancelled", units.get("cancelled"), line["units"])

    async def _register(self, supplier: str) -> str:
        """An endpoint of the supplier, added as ``countermand endpoint add`` does it. Returns its secret."""
        party = UUID(self._cast.parties[supplier])
        async with opened(self._settings) as application:
            added = await application.database.write(
                lambda connection: endpoints.add(
                    connection,
                    Author(name="demo", door="demo", at=application.clock(), ids=application.ids),
                    application.keyring,
                    party=party,
                    url=self._receiver.url,
                    kinds=("cancellation.asked", "cancellation.accepted"),
                    rules=self._settings.address_rules,
                )
            )
        self._told(f"its endpoint is {self._receiver.url}", added.secret is not None)
        return added.secret or ""

    async def _received(self, what: str, secret: str, kind: str) -> dict[str, Any]:
        delivery = await self._receiver.next(wait_s=10)
        if delivery is None:
            self._check(what, None, kind)
            return {}
        event: dict[str, Any] = json.loads(delivery.body)
        print(f"  {'ok  '} {what}\n      POST {self._receiver.url} {event['type']}, {event['id']}")
        try:
            verify([secret], delivery.headers, delivery.body, now=datetime.now(UTC))
        except SignatureError as error:
            self._told(f"its signature is right: {error}", False)
        else:
            self._told("its signature is right (Standard Webhooks)", True)
        self._check("it is of the kind that was waited for", event["type"], f"countermand.{kind}.v1")
        return event
