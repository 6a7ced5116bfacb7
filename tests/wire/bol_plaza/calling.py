"""How these tests call the door: as a seller with a key, each answer held against the packaged schemas."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx2
from lxml import etree
from sqlalchemy import Table, func, select, update

from countermand.admin import credentials, parties
from countermand.admin.credentials import PlazaKey
from countermand.domain.commands import (
    AcceptCancellation,
    AskCancellation,
    Command,
    DeclineCancellation,
    WithdrawCancellation,
)
from countermand.domain.orders import PlaceOrder
from countermand.domain.parties import Actor, Asker, PartyKind
from countermand.domain.reasons import DeclineReason
from countermand.reads import process_statuses as process_reads
from countermand.reads.parties import find_party
from countermand.service.calls import Done
from countermand.store import tables as t
from countermand.wire.bol_plaza import vocabulary, writing
from countermand.wire.bol_plaza.signature import sign
from tests.support.world import Clock, World, populate, running

_CALLS: Final = count()
ROOT: Final = "/services/rest"
ORDERS: Final = f"{ROOT}/orders/v2"
SHIPMENTS: Final = f"{ROOT}/shipments/v2"
XML: Final = "application/xml"
V2_1: Final = {"Accept": "application/vnd.orders-v2.1+xml"}
SHIPMENTS_V2_1: Final = {"Accept": "application/vnd.shipments-v2.1+xml"}

FOLDER: Final = Path(str(writing.__file__)).parent
SCHEMAS: Final = {
    namespace: etree.XMLSchema(etree.parse(FOLDER / name))
    for namespace, name in (
        (vocabulary.PLAZA_NAMESPACE, "plazaapi.xsd"),
        (vocabulary.ERROR_NAMESPACE, "serviceerror-1.5.xsd"),
    )
}
_NS: Final = {"p": vocabulary.PLAZA_NAMESPACE, "e": vocabulary.ERROR_NAMESPACE}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A valid document, and the status and headers it came with."""

    status: int
    root: etree._Element
    headers: httpx2.Headers
    content: bytes

    def all(self, *path: str) -> list[etree._Element]:
        """The elements at this path below the root; its children when there is no path."""
        if not path:
            return list(self.root)
        return self.root.findall("/".join(f"{{*}}{name}" for name in path))

    def texts(self, *path: str) -> list[str]:
        return [each.text or "" for each in self.all(*path)]

    def text(self, *path: str) -> str:
        (text,) = self.texts(*path)
        return text

    @property
    def error(self) -> tuple[int, int]:
        """The status and bol's code of a refused call."""
        return self.status, int(self.text("ErrorCode"))

    @property
    def sentence(self) -> str:
        """What a refused call was told, without the prefix that every error has."""
        prefix, _, sentence = self.text("ErrorMessage").partition(" = ")
        assert prefix == f"BOL-ERROR [PAI-{self.text('ErrorCode')}]"
        return sentence


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process status, taken apart."""

    id: int
    event_type: str
    entity_id: str
    status: str
    error: str | None


@dataclass(frozen=True, kw_only=True)
class Seller:
    """A retailer with a key, calling."""

    world: World
    http: httpx2.AsyncClient
    party: UUID
    key: PlazaKey

    async def call(
        self,
        method: str,
        path: str,
        body: bytes | AsyncIterator[bytes] = b"",
        *,
        headers: Mapping[str, str | None] | None = None,
        **signing: Any,
    ) -> Answer:
        """One signed call. ``headers`` replace those that are signed, or with ``None`` take them away."""
        sent = {**self.signed(method, path.partition("?")[0], **signing), **(headers or {})}
        response = await self.http.request(
            method, path, content=body, headers={name: value for name, value in sent.items() if value is not None}
        )
        return checked(response)

    def signed(
        self, method: str, path: str, *, content_type: str = XML, date: str | None = None, secret: str | None = None
    ) -> dict[str, str]:
        """The headers of a call that is signed now, or at the ``date`` given."""
        # A second of its own for each call, as the clock of tests stands still: what is signed in one is one call.
        stamp = date if date is not None else http_date(self.world.clock() + timedelta(seconds=next(_CALLS) % 200))
        key = (secret or self.key.private).encode()
        mac = sign(key, method=method, content_type=content_type, date=stamp, path=path)
        return {
            "Content-Type": content_type,
            "X-BOL-Date": stamp,
            "X-BOL-Authorization": f"{self.key.public}:{mac}",
        }

    # The calls

    async def orders(self, query: str = "", headers: Mapping[str, str] | None = None) -> Answer:
        answer = await self.call("GET", ORDERS + query, headers=headers)
        assert answer.status == 200
        return answer

    async def shipments(self, query: str = "", headers: Mapping[str, str] | None = None) -> Answer:
        answer = await self.call("GET", SHIPMENTS + query, headers=headers)
        assert answer.status == 200
        return answer

    async def cancel(self, number: int | str, reason: str = "OTHER", date_time: str = "2026-11-02T10:00:00") -> int:
        """The number of the process that this PUT started; it is always answered PENDING."""
        return queued(await self.call("PUT", cancel_path(number), cancellation(reason, date_time)))

    async def ship(self, number: int | str, transport: str = "", *, headers: Mapping[str, str] | None = None) -> int:
        """The number of the process that this POST started; with ``headers`` for v2.1 it is one of those."""
        body = shipment(number, transport, old=not headers)
        return queued(await self.call("POST", SHIPMENTS, body, headers=headers))

    async def process(self, number: int) -> Process:
        return process_of(await self.call("GET", f"{ROOT}/process-status/v2/{number}"))

    async def outcome(self, number: int) -> tuple[str, str | None]:
        """How the process stands, and what went wrong with it."""
        process = await self.process(number)
        return process.status, process.error

    # What happens around them

    async def order(self, *units: int, by: UUID | None = None) -> PlaceOrder:
        """An order of so many units each, held by the seller itself or ``by`` a supplier."""
        wanted = units or (1,)
        return await self.world.order(*wanted, fulfillers=(by or self.party,) * len(wanted), retailer=self.party)

    async def line(self, units: int = 1, *, by: UUID | None = None) -> tuple[UUID, int]:
        """A line of an order of its own: its id, and bol's number of it."""
        placed = await self.order(units, by=by)
        return placed.lines[0].id, await self.number(placed.lines[0].id)

    async def number(self, line: UUID) -> int:
        return int((await self.world.line(line)).number)

    async def ask(self, line: UUID, units: int | None = None, *, asker: Asker = Asker.CUSTOMER) -> UUID:
        """Somebody wants units cancelled."""
        return (await self.do(AskCancellation(line=line, actor=self.actor, asker=asker, units=units))).cancellations[0]

    async def withdraw(self, line: UUID, *, asker: Asker = Asker.CUSTOMER) -> None:
        await self.do(WithdrawCancellation(line=line, actor=self.actor, asker=asker))

    async def accept(self, line: UUID, *, by: UUID | None = None, units: int | None = None) -> None:
        await self.do(AcceptCancellation(line=line, actor=self.world.actor(by or self.party), units=units))

    async def decline(
        self, line: UUID, *, by: UUID | None = None, reason: DeclineReason = DeclineReason.IN_PACKING
    ) -> None:
        await self.do(DeclineCancellation(line=line, actor=self.world.actor(by or self.party), reason=reason))

    async def do(self, command: Command) -> Done:
        outcome = await self.world.submit(command)
        assert isinstance(outcome, Done), outcome
        return outcome

    @property
    def actor(self) -> Actor:
        return self.world.actor(self.party)

    async def reported(self, line: UUID) -> list[tuple[str, int, bool]]:
        """What happened to a line after it was placed: kind of event, units, whether it counts against anybody."""
        events = await self.world.events(line)
        return [(event.kind, event.facts["units"], bool(event.facts.get("unasked"))) for event in events[1:]]

    async def kept(self, number: int) -> Any:
        """The row of a process status."""
        row = await self.world.application.database.read(
            partial(process_reads.process_status, retailer=self.party, number=number)
        )
        assert row is not None
        return row

    async def another_key(self) -> "Seller":
        return replace(self, key=await new_key(self.world, self.party))

    async def deactivate(self) -> None:
        await self.world.application.database.write(
            lambda connection: connection.execute(
                update(t.parties).where(t.parties.c.id == self.party).values(status="deactivated")
            )
        )

    async def count(self, *tables: Table) -> int:
        """How many rows of this seller's there are."""
        counts = [select(func.count()).where(table.c.retailer_id == self.party) for table in tables]
        return await self.world.application.database.read(
            lambda connection: sum(connection.execute(each).scalar_one() for each in counts)
        )


async def new_seller(world: World, http: httpx2.AsyncClient, kind: PartyKind = PartyKind.RETAILER) -> Seller:
    """A party of its own with a key."""
    application = world.application
    party = await application.database.write(
        lambda connection: parties.enter(
            connection, application.ids, world.clock(), kind=kind, name=f"seller {application.ids.new()}"
        )
    )
    return Seller(world=world, http=http, party=party, key=await new_key(world, party))


async def new_key(world: World, party: UUID) -> PlazaKey:
    application = world.application
    return await application.database.write(
        lambda connection: credentials.issue_plaza_key(
            connection,
            application.ids,
            application.keyring,
            world.clock(),
            party=find_party(connection, str(party)),
        )
    )


@asynccontextmanager
async def opened_plaza(url: str, **settings: Any) -> AsyncIterator[Seller]:
    """A fresh world in this database, and its retailer calling."""
    clock = Clock()
    async with running(url, clock, **settings) as application:
        world = await populate(application, clock)
        async with world.client() as http:
            key = await new_key(world, world.retailer)
            yield Seller(world=world, http=http, party=world.retailer, key=key)


def checked(response: httpx2.Response) -> Answer:
    """The document of an answer, when it is valid and written as Plaza's clients need it."""
    content = response.content
    assert response.headers["content-type"] == XML, (response.status_code, content)
    root = etree.fromstring(content)
    namespace = etree.QName(root).namespace or ""
    assert (namespace == vocabulary.ERROR_NAMESPACE) == (response.status_code != 200), content
    SCHEMAS[namespace].assertValid(root)
    for element in root.iter():
        assert len(element) or element.text or element.attrib or element is root, f"{element.tag} is empty"
    assert not root.attrib
    prefix = "ns1" if etree.QName(root).localname == "ProcessStatus" else None
    assert {element.prefix for element in root.iter()} == {prefix}
    assert content.startswith(b'<?xml version="1.0" encoding="UTF-8"?><')
    return Answer(status=response.status_code, root=root, headers=response.headers, content=content)


def process_of(answer: Answer) -> Process:
    assert answer.status == 200, answer.content
    assert etree.QName(answer.root).localname == "ProcessStatus"
    errors = answer.texts("errorMessage")
    return Process(
        id=int(answer.text("id")),
        event_type=answer.text("eventType"),
        entity_id=answer.text("entityId"),
        status=answer.text("status"),
        error=errors[0] if errors else None,
    )


def queued(answer: Answer) -> int:
    process = process_of(answer)
    assert (process.status, process.error) == ("PENDING", None)
    return process.id


def cancel_path(number: int | str) -> str:
    return f"{ROOT}/order-items/v2/{number}/cancellation"


def transport_path(number: int | str) -> str:
    return f"{ROOT}/transports/v2/{number}"


def cancellation(reason: str = "OTHER", date_time: str = "2026-11-02T10:00:00") -> bytes:
    return _document(
        "Cancellation", f"<DateTime>{date_time}</DateTime><ReasonCode>{reason}</ReasonCode>", vocabulary.PLAZA_NAMESPACE
    )


def shipment(number: int | str, transport: str = "", *, old: bool = True) -> bytes:
    """v2.0 says when it was sent, v2.1 does not and has a namespace of its own."""
    when = "<DateTime>2026-11-01T17:00:00+01:00</DateTime>" if old else ""
    namespace = vocabulary.PLAZA_NAMESPACE if old else "https://plazaapi.bol.com/services/xsd/v2.1/plazaapi.xsd"
    return _document("ShipmentRequest", f"<OrderItemId>{number}</OrderItemId>{when}{transport}", namespace)


def transport(code: str, number: str) -> bytes:
    parts = f"<TransporterCode>{code}</TransporterCode><TrackAndTrace>{number}</TrackAndTrace>"
    return _document("ChangeTransportRequest", parts, vocabulary.PLAZA_NAMESPACE)


def _document(root: str, content: str, namespace: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><{root} xmlns="{namespace}">{content}</{root}>'.encode()


def http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)
