"""How these tests call the door: as a seller with an access token, each answer held against the dialect's rules."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx2
from sqlalchemy import select

from countermand.admin import credentials
from countermand.admin.credentials import ClientCredentials
from countermand.reads.parties import find_party
from countermand.store import tables as t
from countermand.wire.bol_retailer.auth import AccessTokens
from countermand.wire.bol_retailer.errors import PROBLEMS
from countermand.wire.bol_retailer.vocabulary import MEDIA_TYPE
from tests.support.world import Clock, World, populate, running
from tests.wire.bol_plaza.calling import Seller, new_seller

TYPE: Final = f"{MEDIA_TYPE};charset=UTF-8"
UNLIMITED: Final = dict.fromkeys(
    (
        "POST token", "GET orders", "GET order", "PUT cancellation", "GET shipments", "GET shipment", "POST shipments",
        "PUT transports", "GET process-statuses", "POST process-statuses", "GET process-status", "GET performance",
        "GET retailer", "subscriptions",
    ),
    "",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A document, and the status and headers it came with."""

    status: int
    body: Any
    headers: httpx2.Headers

    @property
    def violations(self) -> dict[str, str]:
        """What is wrong with which member of a call."""
        assert (self.status, self.body["detail"]) == (400, "Bad request")
        return {each.get("name", ""): each["reason"] for each in self.body["violations"]}


@dataclass(frozen=True, kw_only=True)
class RetailerSeller:
    """A retailer with client credentials, calling. ``seller`` makes happen what happens around its calls."""

    seller: Seller
    client: ClientCredentials

    @property
    def world(self) -> World:
        return self.seller.world

    @property
    def party(self) -> UUID:
        return self.seller.party

    def token(self) -> str:
        """An access token, made as the token endpoint makes it."""
        return AccessTokens(self.world.application.keyring).make(self.client.id, self.world.clock())

    async def call(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str | None] | None = None
    ) -> Answer:
        """One call with a token. ``headers`` replace those that are sent, or with ``None`` take them away."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent: dict[str, str | None] = {"Authorization": f"Bearer {self.token()}", "Accept": MEDIA_TYPE}
        if content:
            sent["Content-Type"] = MEDIA_TYPE
        named = {name: value for name, value in {**sent, **(headers or {})}.items() if value is not None}
        http = self.seller.http
        request = http.build_request(method, path, content=content)
        for name in ("accept", "user-agent"):
            request.headers.pop(name, None)
        request.headers.update([(name.encode(), value.encode("latin-1")) for name, value in named.items()])
        return checked(await http.send(request))

    async def get(self, path: str) -> Any:
        answer = await self.call("GET", path)
        assert answer.status == 200, answer.body
        return answer.body

    async def cancel(self, item: int | str, reason: str = "OUT_OF_STOCK") -> str:
        """The number of the process that this PUT started; it is always answered PENDING."""
        body = {"orderItems": [{"orderItemId": str(item), "reasonCode": reason}]}
        return queued(await self.call("PUT", "/retailer/orders/cancellation", body))

    async def ship(self, *items: int | str, quantity: int | None = None, **more: Any) -> str:
        """The number of the process that this POST started."""
        units = {} if quantity is None else {"quantity": quantity}
        body = {"orderItems": [{"orderItemId": str(item), **units} for item in items], **more}
        return queued(await self.call("POST", "/retailer/shipments", body))

    async def process(self, number: str) -> Any:
        return await self.get(f"/shared/process-status/{number}")

    async def outcome(self, number: str) -> tuple[str, str | None]:
        """How the process stands, and what went wrong with it."""
        process = await self.process(number)
        return process["status"], process.get("errorMessage")

    async def orders(self, query: str = "") -> dict[str, Any]:
        """The items of the list, by their ids."""
        listed = (await self.get(f"/retailer/orders{query}"))["orders"]
        return {item["orderItemId"]: item for order in listed for item in order["orderItems"]}

    async def order_of(self, item: str) -> Any:
        """The order that an item is of, whole."""
        row = await self.world.application.database.read(
            lambda connection: connection.execute(
                select(t.orders.c.number)
                .join(t.lines, t.lines.c.order_id == t.orders.c.id)
                .where(t.lines.c.retailer_id == self.party, t.lines.c.number == int(item))
            ).scalar_one()
        )
        return await self.get(f"/retailer/orders/{row}")


def checked(response: httpx2.Response) -> Answer:
    """The document of an answer, when it is written as this API writes it."""
    assert response.headers["content-type"] == TYPE, (response.status_code, response.content)
    body = response.json()
    assert isinstance(body, dict)
    if response.status_code >= 400:
        assert body["type"] == PROBLEMS
        assert body["status"] == response.status_code
        assert body["title"]
        assert body["detail"]
        assert body["instance"].startswith("http")
        assert ("violations" in body) == (response.status_code == 400)
    return Answer(status=response.status_code, body=body, headers=response.headers)


def queued(answer: Answer) -> str:
    assert answer.status == 202, answer.body
    assert answer.body["status"] == "PENDING"
    assert "errorMessage" not in answer.body
    return str(answer.body["processStatusId"])


async def new_retailer_seller(world: World, http: httpx2.AsyncClient) -> RetailerSeller:
    """A party of its own with client credentials."""
    seller = await new_seller(world, http)
    return RetailerSeller(seller=seller, client=await new_client(world, seller.party))


async def new_client(world: World, party: UUID) -> ClientCredentials:
    application = world.application
    return await application.database.write(
        lambda connection: credentials.issue_client(
            connection, application.ids, world.clock(), party=find_party(connection, str(party))
        )
    )


@asynccontextmanager
async def opened_retailer(url: str, **settings: Any) -> AsyncIterator[RetailerSeller]:
    """A fresh world in this database, and a retailer calling."""
    clock = Clock()
    async with running(url, clock, **{"retailer_limits": UNLIMITED, **settings}) as application:
        world = await populate(application, clock)
        async with world.client() as http:
            yield await new_retailer_seller(world, http)


def basic(name: object, secret: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{secret}'.encode()).decode()}"}
