"""bol Plaza: a customer asks, the retailer confirms; and it cancels what it has not got, which counts."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import UUID

from countermand.admin.finding import EVERYTHING
from countermand.cli.stories.story import Story
from countermand.reads import cancellations as cancellation_reads
from countermand.reads.cancellations import CancellationFilter
from countermand.wire.bol_plaza.signature import sign
from countermand.wire.bol_plaza.vocabulary import PLAZA_NAMESPACE


class PlazaStory(Story):
    """A customer asks in the shop, the retailer confirms through bol's Plaza API; and cancels what it has not got."""

    _at = datetime.fromtimestamp(0, UTC)

    async def _play(self) -> None:
        order = next(order for order in self._cast.orders if order["lines"][0]["supplier"] is None)
        asked, missing = order["lines"][:2]
        self._title(f"A customer changes their mind about {asked['sku']} of {order['reference']}; Fine Shoes confirms")
        await self._cancel_requests_are("the open order list before", asked, "false")
        body = {"lines": [{"line": asked["line"]}], "asker": "customer", "note": "ordered the wrong size"}
        await self._step("the shop enters the customer's ask", "POST", "/v1/cancellations", "Platform", 202, body)
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
            lambda connection: cancellation_reads.list_cancellations(
                connection, EVERYTHING, CancellationFilter(line=UUID(line["line"]), state="accepted")
            )
        )
        self._check(what, [row.unasked for row in found], [unasked])

    async def _signed(self, what: str, method: str, path: str, document: str = "") -> str:
        # A signature is of one second: another call in the same one would be the same call again.
        self._at = max(datetime.now(UTC), self._at + timedelta(seconds=1))
        date = format_datetime(self._at, usegmt=True)
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
