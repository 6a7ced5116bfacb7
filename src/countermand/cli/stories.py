"""The stories of the demo, told over real HTTP: each step is said in a line and checked."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx2
from sqlalchemy import Connection

from countermand import endpoints, reads, story
from countermand.app import opened
from countermand.cli.orders import EVERYTHING
from countermand.cli.output import say
from countermand.cli.receiver import Receiver
from countermand.cli.running import read_settings
from countermand.sending.signature import SignatureError, verify
from countermand.settings import Settings
from countermand.wire.bol_plaza.signature import sign
from countermand.wire.bol_plaza.vocabulary import PLAZA_NAMESPACE


@dataclass(kw_only=True)
class Cast:
    """Who plays, with what."""

    base_url: str
    database: str
    parties: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    plaza_public_key: str = ""
    plaza_private_key: str = ""
    orders: list[dict[str, Any]] = field(default_factory=list)


class Story(ABC):
    """A story, with what its steps need. Each counts when it does not go as told."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._failures = 0
        self._http = httpx2.AsyncClient(base_url=cast.base_url, timeout=10, trust_env=False)

    async def tell(self) -> int:
        """Play it. Returns how many steps did not go as told."""
        async with self._http:
            await self._play()
        return self._failures

    @abstractmethod
    async def _play(self) -> None:
        """The steps."""

    async def _show_timeline(self, title: str, line: str) -> None:
        self._title(title)
        for event in await self._read(lambda connection: reads.timeline(connection, EVERYTHING, UUID(line))):
            print(f"  {event.at:%H:%M:%S}  {story.sentence(event)}  [{story.state(event)}]")

    async def _read(self, question: Callable[[Connection], Any]) -> Any:
        async with opened(read_settings(database=self._cast.database)) as application:
            return await application.database.read(question)

    async def _step(self, what: str, method: str, path: str, who: str, expected: int, body: Any = None) -> Any:
        scheme = "Bearer" if path.startswith("/v1/") else "Token"
        headers = {"Authorization": f"{scheme} {self._cast.tokens[who]}"}
        answer = await self._http.request(method, path, headers=headers, json=body)
        self._answered(what, answer, expected)
        return answer.json() if answer.content else None

    def _answered(self, what: str, answer: httpx2.Response, expected: int) -> None:
        request = answer.request
        path = request.url.raw_path.decode()
        self._told(f"{what}\n      {request.method} {path} -> {answer.status_code}", answer.status_code == expected)
        if answer.status_code != expected:
            say(f"      expected {expected}: {answer.text}")

    def _check(self, what: str, found: Any, expected: Any) -> None:
        self._told(what, found == expected)
        if found != expected:
            say(f"      expected {expected!r}, found {found!r}")

    def _told(self, what: str, as_told: bool) -> None:
        print(f"  {'ok  ' if as_told else 'FAIL'} {what}", flush=True)
        self._failures += not as_told

    def _title(self, text: str) -> None:
        print(f"\n{text}", flush=True)


class CruxStory(Story):
    """A retailer cancels through CRUX, suppliers answer."""

    async def _play(self) -> None:
        await self._retailer_cancels_supplier_confirms()
        await self._supplier_rejects()
        await self._shipped_cannot_be_cancelled()
        await self._show_timeline("The audit trail of the first item", self._line(0, 0)[1]["line"])

    async def _retailer_cancels_supplier_confirms(self) -> None:
        order, line = self._line(0, 0)
        supplier = line["supplier"]
        self._title(f"Fine Shoes cancels {line['sku']} of {order['reference']}; {supplier} confirms")
        path = f"/orders/items/cancel/{line['line']}/"
        await self._step("the retailer asks to cancel the item", "DELETE", path, "Fine Shoes", 204)
        await self._step("a client that lost the answer asks again: the same ask", "DELETE", path, "Fine Shoes", 204)
        shown = await self._step(
            "order detail: no status of CRUX tells of an ask", "GET", f"/orders/{order['order']}/", "Fine Shoes", 200
        )
        self._check("the item is shown as before", shown["line_items"][0]["status"], "Unallocated")
        asked = await self._step(
            f"{supplier} looks for what awaits its answer", "GET", "/v1/cancellations?awaiting_me=true", supplier, 200
        )
        self._check("it finds one ask, about this item", [c["line"] for c in asked["cancellations"]], [line["line"]])
        confirm = f"/timp/orders/items/cancel/{line['line']}/confirm/"
        await self._step(f"{supplier} confirms", "PATCH", confirm, supplier, 204)
        shown = await self._step("order detail again", "GET", f"/orders/{order['order']}/", "Fine Shoes", 200)
        self._check("now the item is cancelled", shown["line_items"][0]["status"], "Cancelled")
        await self._step("the retailer cancels it once more: refused", "DELETE", path, "Fine Shoes", 422)

    async def _supplier_rejects(self) -> None:
        order, line = self._line(1, 1)
        supplier = line["supplier"]
        self._title(f"Fine Shoes cancels {line['sku']} of {order['reference']}; {supplier} rejects")
        path = f"/orders/items/cancel/{line['line']}/"
        await self._step("the retailer asks to cancel the item", "DELETE", path, "Fine Shoes", 204)
        reject = f"/timp/orders/items/cancel/{line['line']}/reject/"
        await self._step(f"{supplier} rejects: the item stays on order", "PATCH", reject, supplier, 204)

    async def _shipped_cannot_be_cancelled(self) -> None:
        order, line = self._line(2, 0)
        supplier = line["supplier"]
        self._title(f"{supplier} ships {line['sku']} of {order['reference']}; Fine Shoes is too late")
        parcel = {
            "tracking_number": "3SABCD0001",
            "supplier_provided_carrier": "Parcel Post",
            "line_items": [{"line_item_uuid": line["line"], "quantity_shipped": line["units"]}],
        }
        path = f"/timp/orders/tracking/{order['order']}/"
        await self._step(f"{supplier} reports the parcel", "POST", path, supplier, 201, parcel)
        refused = await self._step(
            "the retailer asks to cancel: refused, it has shipped",
            "DELETE",
            f"/orders/items/cancel/{line['line']}/",
            "Fine Shoes",
            422,
        )
        self._check("the refusal has a name", refused["code"], "already_shipped")

    def _line(self, order: int, line: int) -> tuple[dict[str, Any], dict[str, Any]]:
        chosen = self._cast.orders[order]
        return chosen, chosen["lines"][line]


class PlazaStory(Story):
    """A customer asks in the shop, the retailer confirms through bol's Plaza API; and cancels what it has not got."""

    async def _play(self) -> None:
        order = next(order for order in self._cast.orders if order["lines"][0]["supplier"] is None)
        asked, missing = order["lines"][:2]
        self._title(f"A customer changes their mind about {asked['sku']} of {order['reference']}; Fine Shoes confirms")
        await self._cancel_requests_are("the open order list before", asked, "false")
        wish = {"lines": [{"line": asked["line"]}], "asker": "customer", "note": "ordered the wrong size"}
        await self._step("the shop passes the customer's wish on", "POST", "/v1/cancellations", "Platform", 202, wish)
        await self._cancel_requests_are("the open order list now says so", asked, "true")
        number = await self._cancel("Fine Shoes confirms with a signed PUT", asked, "REQUESTED_BY_CUSTOMER")
        await self._ends("the process status has its end", number, "SUCCESS")
        await self._counts("it does not count against Fine Shoes", asked, unasked=False)
        self._title(f"Fine Shoes has no {missing['sku']} left and cancels it on its own account")
        number = await self._cancel("Fine Shoes cancels for lack of stock", missing, "OUT_OF_STOCK")
        await self._ends("the process status has its end", number, "SUCCESS")
        await self._counts("nobody had asked: it counts against Fine Shoes", missing, unasked=True)
        number = await self._cancel("cancelling it once more is taken in ...", missing, "OUT_OF_STOCK")
        await self._ends("... and ends as a failure", number, "FAILURE")
        await self._show_timeline("The audit trail of the customer's item", asked["line"])

    async def _cancel_requests_are(self, what: str, line: dict[str, Any], expected: str) -> None:
        answer = await self._signed(what, "GET", "/services/rest/orders/v2")
        item = rf"<OrderItemId>{line['number']}</OrderItemId>.*?<CancelRequest>(\w+)</CancelRequest>"
        self._check(f"CancelRequest of item {line['number']} is {expected}", re.findall(item, answer), [expected])

    async def _cancel(self, what: str, line: dict[str, Any], reason: str) -> str:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        document = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<Cancellation xmlns="{PLAZA_NAMESPACE}">'
            f"<DateTime>{now}</DateTime><ReasonCode>{reason}</ReasonCode></Cancellation>"
        )
        path = f"/services/rest/order-items/v2/{line['number']}/cancellation"
        answer = await self._signed(what, "PUT", path, document)
        self._check("the answer is PENDING", re.findall("<ns1:status>(.*?)<", answer), ["PENDING"])
        return "".join(re.findall("<ns1:id>(.*?)<", answer))

    async def _ends(self, what: str, number: str, expected: str) -> None:
        answer = await self._signed(what, "GET", f"/services/rest/process-status/v2/{number}")
        self._check(f"it is {expected}", re.findall("<ns1:status>(.*?)<", answer), [expected])

    async def _counts(self, what: str, line: dict[str, Any], *, unasked: bool) -> None:
        found = await self._read(
            lambda connection: reads.list_cancellations(
                connection, EVERYTHING, reads.CancellationFilter(line=UUID(line["line"]), state="accepted")
            )
        )
        self._check(what, [row.unasked for row in found], [unasked])

    async def _signed(self, what: str, method: str, path: str, document: str = "") -> str:
        date = format_datetime(datetime.now(UTC), usegmt=True)
        secret = self._cast.plaza_private_key.encode()
        mac = sign(secret, method=method, content_type="application/xml", date=date, path=path)
        headers = {
            "Content-Type": "application/xml",
            "X-BOL-Date": date,
            "X-BOL-Authorization": f"{self._cast.plaza_public_key}:{mac}",
        }
        answer = await self._http.request(method, path, headers=headers, content=document.encode())
        self._answered(what, answer, 200)
        return answer.text


class WebhookStory(Story):
    """A supplier is told of an ask by a webhook, checks its signature, and answers through the link that it carries."""

    def __init__(self, cast: Cast, settings: Settings, receiver: Receiver) -> None:
        super().__init__(cast)
        self._settings = settings
        self._receiver = receiver

    async def _play(self) -> None:
        order = self._cast.orders[3]
        line = order["lines"][0]
        supplier = line["supplier"]
        self._title(f"{supplier} is told by a webhook that Fine Shoes cancels {line['sku']} of {order['reference']}")
        secret = await self._register(supplier)
        path = f"/orders/items/cancel/{line['line']}/"
        await self._step("the retailer asks to cancel the item", "DELETE", path, "Fine Shoes", 204)
        told = await self._heard("the supplier's receiver is told", secret, "cancellation.asked")
        data = told.get("data", {})
        self._check("it is about this item", data.get("line"), line["line"])
        accept = urlsplit(data.get("links", {}).get("accept", "")).path
        await self._step(f"{supplier} accepts through the link in it", "POST", accept, supplier, 200, {})
        told = await self._heard("the receiver is told of the end, too", secret, "cancellation.accepted")
        units = told.get("data", {}).get("state", {})
        self._check("all units are cancelled", units.get("cancelled"), line["units"])

    async def _register(self, supplier: str) -> str:
        """An endpoint of the supplier, added as ``countermand endpoint add`` does it. Returns its secret."""
        party = UUID(self._cast.parties[supplier])
        async with opened(self._settings) as application:
            added = await application.database.write(
                lambda connection: endpoints.add(
                    connection,
                    application.ids,
                    application.keyring,
                    application.clock(),
                    party=party,
                    url=self._receiver.url,
                    kinds=("cancellation.asked", "cancellation.accepted"),
                    rules=self._settings.address_rules,
                    by="demo",
                )
            )
        self._told(f"its endpoint is {self._receiver.url}", added.secret is not None)
        return added.secret or ""

    async def _heard(self, what: str, secret: str, kind: str) -> dict[str, Any]:
        delivery = await self._receiver.next(wait_s=10)
        if delivery is None:
            self._check(what, None, kind)
            return {}
        told: dict[str, Any] = json.loads(delivery.body)
        print(f"  {'ok  '} {what}\n      POST {self._receiver.url} {told['type']}, {told['id']}")
        try:
            verify([secret], delivery.headers, delivery.body, now=datetime.now(UTC))
        except SignatureError as error:
            self._told(f"its signature is right: {error}", False)
        else:
            self._told("its signature is right (Standard Webhooks)", True)
        self._check("it is of the kind that was waited for", told["type"], f"countermand.{kind}.v1")
        return told
