"""How these tests call the door: as a CRUX client does, with the bytes and headers under the test's control."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2

from countermand.admin import credentials, parties, users
from countermand.admin.policies import put_in_force
from countermand.domain.commands import (
    AcceptCancellation,
    Allocate,
    AllocateOrder,
    AskCancellation,
    Parcel,
    Ship,
    ShipOrder,
)
from countermand.domain.orders import PlaceOrder
from countermand.domain.parties import Asker, PartyKind
from countermand.domain.policy import Policy
from countermand.reads.parties import find_party
from countermand.service.calls import Done
from tests.support.world import Clock, World, populate, running

PREFIXES: Final = ("", "/timp")
JSON: Final = {"Content-Type": "application/json; charset=utf-8"}
NOTHING: Final = object()
UNKNOWN: Final = "9d6f9b7c-5a0e-4f57-8f5a-2f1b0c7d1e11"
NOT_SIGNED_IN: Final = "Authentication credentials were not provided."


@dataclass(frozen=True, kw_only=True)
class Crux:
    """A world and a client for its CRUX door."""

    world: World
    http: httpx2.AsyncClient

    async def call(
        self,
        method: str,
        path: str,
        who: UUID | str | None = None,
        body: Any = NOTHING,
        *,
        content: bytes | AsyncIterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx2.Response:
        """One call. ``who`` is a party or a token, ``body`` a value to send as JSON, ``content`` raw bytes."""
        token = self.world.tokens[who] if isinstance(who, UUID) else who
        sent = {} if token is None else {"Authorization": f"Token {token}"}
        if body is not NOTHING:
            content = json.dumps(body).encode()
        if content is not None:
            sent |= JSON
        return await self.http.request(method, path, content=content, headers=sent | (headers or {}))

    async def cancel(self, line: UUID | str, who: UUID | str | None = None, **more: Any) -> httpx2.Response:
        """The seed's call, by the retailer unless told otherwise."""
        return await self.call("DELETE", cancel_path(line), who or self.world.retailer, **more)

    async def answer(self, verb: str, line: UUID, who: UUID | None = None) -> httpx2.Response:
        """A supplier confirms or rejects."""
        return await self.call("PATCH", f"/timp/orders/items/cancel/{line}/{verb}/", who or self.world.supplier)

    async def token(self, party: UUID, **terms: Any) -> str:
        """A further token of a party, on these terms."""
        application, now = self.world.application, self.world.clock()
        return await application.database.write(
            lambda connection: credentials.issue_token(
                connection, application.ids, now, party=find_party(connection, str(party)), **terms
            )
        )

    async def user(self, party: UUID, email: str, password: str, **terms: Any) -> UUID:
        """A person who can log in."""
        application, now = self.world.application, self.world.clock()
        return await application.database.write(
            lambda connection: users.enter(
                connection,
                application.ids,
                now,
                party=find_party(connection, str(party)),
                email=email,
                name="Some One",
                password=password,
                **terms,
            )
        )

    async def party(self, kind: PartyKind, name: str) -> UUID:
        """A further party, with a token; its name begins so."""
        application, now = self.world.application, self.world.clock()
        party = await application.database.write(
            lambda connection: parties.enter(connection, application.ids, now, kind=kind, name=f"{name} {uuid4()}")
        )
        self.world.tokens[party] = await self.token(party)
        return party

    async def agree(self, fulfiller: UUID, policy: Policy) -> None:
        """What the retailer and this fulfiller agree on from now on."""
        await self.world.application.database.write(
            lambda connection: put_in_force(
                connection,
                self.world.clock(),
                retailer=self.world.retailer,
                fulfiller=fulfiller,
                policy=policy,
                by="test",
            )
        )

    # What can have happened to a line before the call

    async def new_line(self, units: int = 1, **order: Any) -> UUID:
        """A line that nobody has touched."""
        return (await self.world.order(units, **order)).lines[0].id

    async def ship(self, order: PlaceOrder, line: UUID, units: int | None = None) -> None:
        """The supplier ships."""
        world = self.world
        actor = world.actor(world.supplier)
        parcel = Parcel(id=uuid4(), tracking_number="1Z")
        ships = (Ship(line=line, actor=actor, units=units),)
        await self._done(ShipOrder(order=order.id, actor=actor, lines=ships, parcel=parcel))

    async def allocate(self, order: PlaceOrder, line: UUID, *, accepted: int, backordered: int, rejected: int) -> None:
        """The supplier says how much there is."""
        actor = self.world.actor(self.world.supplier)
        word = Allocate(line=line, actor=actor, accepted=accepted, backordered=backordered, rejected=rejected)
        await self._done(AllocateOrder(order=order.id, actor=actor, lines=(word,)))

    async def ask(self, line: UUID, *, asker: Asker = Asker.RETAILER, units: int | None = None) -> None:
        """Somebody asks to cancel."""
        actor = self.world.actor(self.world.retailer)
        await self._done(AskCancellation(line=line, actor=actor, asker=asker, units=units))

    async def cancelled(self, line: UUID) -> None:
        """A line is cancelled: asked and accepted."""
        await self.ask(line)
        await self._done(AcceptCancellation(line=line, actor=self.world.actor(self.world.supplier)))

    async def _done(self, command: Any) -> None:
        outcome = await self.world.submit(command)
        assert isinstance(outcome, Done), outcome


@asynccontextmanager
async def opened_crux(url: str, **settings: Any) -> AsyncIterator[Crux]:
    """A fresh world in this database, and calls to its door."""
    clock = Clock()
    # The tests of a module share one service, and some have many wrong passwords.
    for limit in ("login_limit", "login_address_limit", "login_person_limit"):
        settings.setdefault(limit, "")
    async with running(url, clock, **settings) as application:
        world = await populate(application, clock)
        async with world.client() as http:
            yield Crux(world=world, http=http)


def cancel_path(line: UUID | str, prefix: str = "") -> str:
    return f"{prefix}/orders/items/cancel/{line}/"


def refusal(response: httpx2.Response) -> str:
    """The name of the refusal, which stands in the body twice: as a code, and before the sentence."""
    body = response.json()
    assert set(body) == {"detail", "code"}, body
    name, _, sentence = body["detail"].partition(": ")
    assert name == body["code"]
    assert sentence.endswith("."), body
    return str(name)
