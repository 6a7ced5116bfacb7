"""A small world for tests: a retailer, two suppliers, their tokens, and orders on demand."""

import os
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

import httpx2
from pydantic import BaseModel
from sqlalchemy import Connection

from countermand.admin import credentials, parties
from countermand.admin.audit import Author
from countermand.admin.callers import PLATFORM
from countermand.app import Service, opened
from countermand.domain.commands import Command
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.orders import NewLine, PlaceOrder
from countermand.domain.parties import Actor, PartyKind
from countermand.reads import events as event_reads
from countermand.reads import parties as party_reads
from countermand.reads.parties import find_party
from countermand.reads.scope import Scope
from countermand.service.calls import Call, Done, Outcome, ProcessRequest
from countermand.serving import doors
from countermand.settings import PREFIX, Settings, config_file
from countermand.wire.limits import Asgi
from tests.support import templates
from tests.support.waiting import HANGS_S

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


def settings_for(url: str, **more: Any) -> Settings:
    """Settings for a test: nothing is remembered, so that a revoked token ends at once."""
    given = {
        "database": url,
        "allow_losing_acknowledged_calls": True,
        "credential_cache_s": 0,
        "database_timeout_s": HANGS_S,
        "read_timeout_s": HANGS_S,
        # Many tests share one service whose clock stands still.
        "wrong_token_limit": "",
        **more,
    }
    return Settings(**given) if _configured() else _validated(given)


def _configured() -> bool:
    """Whether the environment or a file says anything, or might."""
    names = {PREFIX + name.upper() for name in Settings.model_fields}
    return config_file().exists() or not names.isdisjoint(os.environ)


def _validated(given: dict[str, Any]) -> Settings:
    """These settings without a look at environment and file, which takes as long as opening a service."""
    settings = Settings.__new__(Settings)
    BaseModel.__init__(settings, **given)
    return settings


def author_at(application: Service, name: str = "test") -> Author:
    """Whoever changes what is no order, by the clock of a service."""
    return Author(name=name, door="test", at=application.clock(), ids=application.ids)


@dataclass(kw_only=True)
class World:
    """An opened service with a few parties in it."""

    application: Service
    clock: Clock
    retailer: UUID
    other_retailer: UUID
    supplier: UUID
    other_supplier: UUID
    tokens: dict[UUID, str] = field(default_factory=dict)

    @cached_property
    def asgi(self) -> Asgi:
        """The doors of the service. Most tests of the store call at none, and do without."""
        return doors(self.application)

    def client(self) -> httpx2.AsyncClient:
        """Calls straight into the application, without sockets."""
        return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self.asgi), base_url="http://test")

    def token(self, party: UUID) -> dict[str, str]:
        """The header a CRUX client sends."""
        return {"Authorization": f"Token {self.tokens[party]}"}

    def actor(self, party: UUID) -> Actor:
        suppliers = (self.supplier, self.other_supplier)
        return Actor(party=party, kind=PartyKind.SUPPLIER if party in suppliers else PartyKind.RETAILER, name="test")

    def author(self, name: str = "test") -> Author:
        """Whoever changes what is no order, now."""
        return author_at(self.application, name)

    def scope(self, party: UUID) -> Scope:
        """As what a party reads."""
        kind = PartyKind.PLATFORM if party == PLATFORM else self.actor(party).kind
        return Scope(party=party, kind=kind)

    async def order(
        self, *units: int, fulfillers: Sequence[UUID] = (), retailer: UUID | None = None, held: bool = False
    ) -> PlaceOrder:
        """Place an order with a line for each number of units (default: one line of one)."""
        new = self.application.ids.new
        retailer = retailer or self.retailer
        wanted = units or (1,)
        holders = fulfillers or (self.supplier,) * len(wanted)
        command = PlaceOrder(
            id=new(),
            actor=self.actor(retailer),
            retailer=retailer,
            reference=f"PO-{new().hex[-6:]}",
            placed_at=self.clock(),
            held=held,
            lines=tuple(
                NewLine(id=new(), fulfiller=holder, sku=f"SKU-{place}", units=count, details={})
                for place, (count, holder) in enumerate(zip(wanted, holders, strict=True))
            ),
            details={},
        )
        outcome = await self.submit(command, retailer=retailer)
        assert isinstance(outcome, Done), outcome
        return command

    async def submit(
        self,
        command: Command | PlaceOrder,
        *,
        retailer: UUID | None = None,
        once: IdempotencyKey | None = None,
        process: ProcessRequest | None = None,
    ) -> Outcome:
        call = Call(command=command, door="test", retailer=retailer, once=once, process=process)
        return await self.application.lanes.submit(call)

    async def line(self, line: UUID) -> Any:
        """The row of a line."""
        from sqlalchemy import select

        from countermand.store.tables import lines

        return await self.application.database.read(
            lambda connection: connection.execute(select(lines).where(lines.c.id == line)).one()
        )

    async def name(self, party: UUID) -> str | None:
        """What a party is called."""
        return await self.application.database.read(lambda connection: party_reads.party_name(connection, party))

    async def buckets(self, line: UUID) -> tuple[int, int, int, int]:
        """Open, asked, cancelled, shipped."""
        row = await self.line(line)
        return row.open, row.asked, row.cancelled, row.shipped

    async def events(self, subject: UUID) -> list[Any]:
        everything = Scope(party=PLATFORM, kind=PartyKind.PLATFORM)
        return list(
            await self.application.database.read(
                lambda connection: event_reads.timeline(connection, everything, subject)
            )
        )


async def populate(application: Service, clock: Clock) -> World:
    """Add the parties."""

    def add(connection: Connection) -> dict[str, UUID]:
        return {
            name: parties.enter(connection, application.ids, clock(), kind=kind, name=name)
            for name, kind in (
                ("retailer", PartyKind.RETAILER),
                ("other_retailer", PartyKind.RETAILER),
                ("supplier", PartyKind.SUPPLIER),
                ("other_supplier", PartyKind.SUPPLIER),
            )
        }

    def tokens(connection: Connection) -> dict[UUID, str]:
        return {
            party: credentials.issue_token(
                connection, application.ids, clock(), party=find_party(connection, str(party)), label="test"
            )
            for party in added.values()
        }

    added = await application.database.write(add)
    return World(
        application=application,
        clock=clock,
        tokens=await application.database.write(tokens),
        **added,
    )


def running(url: str, clock: Clock, **settings: Any) -> AbstractAsyncContextManager[Service]:
    """The service on this database, by this clock. A SQLite file that is not there yet has the schema by then."""
    templates.fill_if_absent(url)
    return opened(settings_for(url, **settings), clock)
