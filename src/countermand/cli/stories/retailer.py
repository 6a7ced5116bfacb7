"""bol's Retailer API v10: a customer asks, the retailer confirms; and what has shipped cannot be cancelled any more."""

from typing import Any
from uuid import UUID

import httpx2

from countermand.admin.finding import EVERYTHING
from countermand.cli.stories.story import Story
from countermand.reads import cancellations as cancellation_reads
from countermand.reads.cancellations import CancellationFilter
from countermand.wire.bol_retailer.vocabulary import MEDIA_TYPE


class RetailerStory(Story):
    """The retailer logs in to bol's Retailer API, confirms what a customer asked, and ships the rest."""

    _token = ""

    async def _play(self) -> None:
        order = [order for order in self._cast.orders if order["lines"][0]["supplier"] is None][-1]
        asked, sent = order["lines"][:2]
        self._title(f"A customer wants {asked['sku']} of {order['reference']} cancelled; Fine Shoes uses Retailer v10")
        await self._log_in()
        await self._request_is("the open order list before", asked, wanted=False)
        body = {"lines": [{"line": asked["line"]}], "asker": "customer", "note": "found it elsewhere"}
        await self._step("the shop enters the customer's ask", "POST", "/v1/cancellations", "Platform", 202, body)
        await self._request_is("the open order list now says so", asked, wanted=True)
        await self._cancel("Fine Shoes confirms", asked, "REQUESTED_BY_CUSTOMER", "SUCCESS")
        found = await self._read(
            lambda connection: cancellation_reads.list_cancellations(
                connection, EVERYTHING, CancellationFilter(line=UUID(asked["line"]), state="accepted")
            )
        )
        self._check("it does not count against Fine Shoes", [row.unasked for row in found], [False])
        self._title(f"Fine Shoes ships {sent['sku']}; after that it cannot be cancelled")
        await self._ship(sent)
        await self._cancel("Fine Shoes has sent it, and cancels it all the same", sent, "OUT_OF_STOCK", "FAILURE")

    async def _log_in(self) -> None:
        client = httpx2.BasicAuth(self._cast.bol_client_id, self._cast.bol_client_secret)
        answer = await self._http.post("/token", auth=client, data={"grant_type": "client_credentials"})
        self._answered("Fine Shoes gets an access token", answer, 200)
        self._token = answer.json().get("access_token", "")
        self._check("it is good for so many seconds", answer.json().get("expires_in"), 299)

    async def _request_is(self, what: str, line: dict[str, Any], *, wanted: bool) -> None:
        listed = await self._call(what, "GET", "/retailer/orders", 200)
        items = [item for order in listed["orders"] for item in order["orderItems"]]
        found = [item["cancellationRequest"] for item in items if item["orderItemId"] == str(line["number"])]
        self._check(f"cancellationRequest of item {line['number']} is {str(wanted).lower()}", found, [wanted])

    async def _cancel(self, what: str, line: dict[str, Any], reason: str, expected: str) -> None:
        body = {"orderItems": [{"orderItemId": str(line["number"]), "reasonCode": reason}]}
        await self._ends(await self._call(what, "PUT", "/retailer/orders/cancellation", 202, body), expected)

    async def _ship(self, line: dict[str, Any]) -> None:
        transport = {"transporterCode": "TNT", "trackAndTrace": "3SBOL0000001"}
        body = {"orderItems": [{"orderItemId": str(line["number"])}], "transport": transport}
        await self._ends(await self._call("it reports the parcel", "POST", "/retailer/shipments", 202, body), "SUCCESS")

    async def _ends(self, process: dict[str, Any], expected: str) -> None:
        self._check("the answer is PENDING", process["status"], "PENDING")
        path = f"/shared/process-status/{process['processStatusId']}"
        ended = await self._call("the process status has its end", "GET", path, 200)
        self._check(f"it is {expected}", ended["status"], expected)

    async def _call(self, what: str, method: str, path: str, expected: int, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": MEDIA_TYPE}
        if body is not None:
            headers["Content-Type"] = MEDIA_TYPE
        answer = await self._http.request(method, path, headers=headers, json=body)
        self._answered(what, answer, expected)
        return answer.json()
