"""Every call that names something, and things of other parties for it to name."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from random import Random
from typing import Any, Final
from uuid import UUID

import httpx2
from sqlalchemy import Connection, insert, select

from countermand.admin import credentials, endpoints, jobs, policies, users
from countermand.admin.credentials import PlazaKey
from countermand.domain.commands import (
    AskCancellation,
    CancelOwn,
    Command,
    Parcel,
    RetailerCancel,
    Ship,
    ShipOrder,
)
from countermand.domain.jobs import JobFormat, JobKind
from countermand.domain.reasons import CancelReason
from countermand.ids import show
from countermand.reads import events as event_reads
from countermand.reads import refunds
from countermand.reads import shipments as shipment_reads
from countermand.reads.parties import find_party
from countermand.service.calls import Done, ProcessRequest, Refused
from countermand.store import tables as t
from countermand.wire.bol_plaza.signature import sign
from tests.support.money import place_paid
from tests.support.world import World

PLAZA: Final = "/services/rest"
PREFIXES: Final = {
    "cancellation": "can",
    "refund": "rfd",
    "endpoint": "ept",
    "event": "evt",
    "notice": "ntc",
    "attempt": "att",
    "job": "job",
    "policy": "plc",
    "user": "usr",
    "credential": "crd",
}
NUMBERS: Final = frozenset({"item", "order_number", "shipment", "process"})


@dataclass(frozen=True, slots=True)
class Door:
    """One call that names something. ``subject`` says of what kind that is, ``{own}`` is an order of the caller's."""

    party: str
    scheme: str
    method: str
    path: str
    subject: str
    body: Callable[[str], Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """For people to read."""
        return (
            f"{self.method} {self.path.replace('{}', '…').replace('{own}', '(own order)')} {self.subject}, {self.party}"
        )


def _native(party: str, method: str, path: str, subject: str, *more: Any) -> Door:
    return Door(party, "Bearer", method, "/v1" + path, subject, *more)


def _crux(party: str, method: str, path: str, subject: str, *more: Any) -> Door:
    return Door(party, "Token", method, path, subject, *more)


def _plaza(method: str, path: str, subject: str, *more: Any) -> Door:
    return Door("retailer", "Plaza", method, PLAZA + path, subject, *more)


def _doors() -> Iterator[Door]:
    for party in ("retailer", "supplier"):
        yield from _native_reads(party)
        yield from _native_writes(party)
        for prefix in ("", "/timp"):
            yield from _crux_doors(party, prefix)
    yield from _plaza_doors()


def _native_reads(party: str) -> Iterator[Door]:
    yield _native(party, "GET", "/cancellations/{}", "cancellation")
    yield _native(party, "GET", "/cancellations?line={}", "line")
    yield _native(party, "GET", "/cancellations?order={}", "order")
    yield _native(party, "GET", "/cancellations?number={}", "item")
    yield _native(party, "GET", "/cancellations?reference={}", "reference")
    yield _native(party, "GET", "/orders/{}", "order")
    yield _native(party, "GET", "/orders?after={}", "order")
    yield _native(party, "GET", "/orders?reference={}", "reference")
    yield _native(party, "GET", "/orders?q={}", "order")
    for subject in ("order", "line", "cancellation", "refund", "parcel", "reference"):
        yield _native(party, "GET", "/search?q={}", subject)
    yield _native(party, "GET", "/lines?order={}", "order")
    yield _native(party, "GET", "/lines?number={}", "item")
    yield _native(party, "GET", "/lines?after={}", "line")
    yield _native(party, "GET", "/shipments/{}", "parcel")
    yield _native(party, "GET", "/shipments?order={}", "order")
    yield _native(party, "GET", "/shipments?line={}", "line")
    yield _native(party, "GET", "/timeline/{}", "order")
    yield _native(party, "GET", "/timeline/{}", "line")
    yield _native(party, "GET", "/timeline/{}", "cancellation")
    yield _native(party, "GET", "/lines/{}", "line")
    yield _native(party, "GET", "/events?line={}", "line")
    yield _native(party, "GET", "/events?order={}", "order")
    yield _native(party, "GET", "/events?cancellation={}", "cancellation")
    yield _native(party, "GET", "/events?after={}", "event")
    yield _native(party, "GET", "/events/{}", "event")
    yield _native(party, "GET", "/orders/{}/payments", "order")
    yield _native(party, "GET", "/refunds/{}", "refund")
    yield _native(party, "GET", "/refunds?line={}", "refunded_line")
    yield _native(party, "GET", "/scorecards/{}", "party")
    yield _native(party, "GET", "/endpoints/{}", "endpoint")
    yield _native(party, "GET", "/notices/{}", "notice")
    yield _native(party, "GET", "/notices?endpoint={}", "endpoint")
    yield _native(party, "GET", "/attempts/{}", "attempt")
    yield _native(party, "GET", "/attempts?notice={}", "notice")
    yield _native(party, "GET", "/attempts?endpoint={}", "endpoint")
    yield _native(party, "GET", "/jobs/{}", "job")
    yield _native(party, "GET", "/policies/{}", "policy")
    yield _native(party, "GET", "/policies?retailer={}", "seller")
    yield _native(party, "GET", "/policies?supplier={}", "party")
    yield _native(party, "GET", "/policies?after={}", "policy")
    yield _native(party, "GET", "/policies/in_force?retailer={}", "seller")
    yield _native(party, "GET", "/policies/in_force?retailer={own_retailer}&supplier={}", "party")
    yield _native(party, "GET", "/judgements?cancellation={}", "cancellation")
    yield _native(party, "GET", "/jobs/{}/results", "job")
    # A retailer and a supplier that share an order know each other; another retailer is not there.
    yield _native(party, "GET", "/parties/{}", "seller")
    yield _native(party, "GET", "/users/{}", "user")
    yield _native(party, "GET", "/credentials/{}", "credential")


def _native_writes(party: str) -> Iterator[Door]:
    yield _native(party, "POST", "/cancellations/{}/accept", "cancellation", lambda _: {})
    yield _native(party, "POST", "/cancellations/{}/decline", "cancellation", lambda _: {"reason": "already_picked"})
    yield _native(party, "POST", "/cancellations/{}/withdraw", "cancellation", lambda _: {})
    yield _native(party, "POST", "/cancellations/{}/notes", "cancellation", lambda _: {"note": "x"})
    yield _native(party, "POST", "/orders/{}/release", "order")
    yield _native(party, "POST", "/lines/{}/allocate", "line", lambda _: {"accepted": 1})
    yield _native(party, "PATCH", "/shipments/{}", "parcel", lambda _: {"carrier": "DHL"})
    nobodys = str(UUID(int=1))
    shipped = [{"line": nobodys, "units": 1}]
    yield _native(party, "POST", "/shipments", "order", lambda order: {"order": order, "lines": shipped})
    yield _native(party, "POST", "/orders/{}/erase", "order", lambda _: {"note": "x"})
    yield _native(party, "POST", "/quotes", "line", lambda line: {"lines": [{"line": line}]})
    yield _native(party, "POST", "/quotes", "order", lambda order: {"order": order})
    yield _native(party, "POST", "/cancellations", "line", lambda line: {"lines": [{"line": line}]})
    yield _native(party, "POST", "/cancellations", "order", lambda order: {"order": order})
    yield _native(party, "POST", "/cancellations", "order", lambda order: {"order": order, "dry_run": True})
    reassign = {"fulfiller": "supplier", "note": "x"}
    yield _native(party, "POST", "/lines/{}/reassign", "line", lambda _: reassign, {"If-Match": "*"})
    payment = {"id": "9", "provider": "manual", "reference": "PAY-9", "captured": "1.00"}
    yield _native(party, "POST", "/orders/{}/payments", "order", lambda _: payment)
    yield _native(party, "POST", "/orders/{}/payments/1/capture", "order", lambda _: {"captured": "1.00"})
    for step in ("paid", "close", "retry"):
        yield _native(party, "POST", f"/refunds/{{}}/{step}", "refund", lambda _: {"note": "x"})
    correction = {"refunded_elsewhere": "1.00", "note": "x", "step": 1}
    yield _native(party, "POST", "/refunds/{}/correct", "refund", lambda _: correction)
    label = {"label": "x"}
    yield _native(party, "PATCH", "/endpoints/{}", "endpoint", lambda _: label, {"If-Match": "*"})
    for act in ("pause", "resume", "confirmation", "rotate", "test"):
        yield _native(party, "POST", f"/endpoints/{{}}/{act}", "endpoint")
    yield _native(party, "POST", "/notices/{}/resend", "notice")
    yield _native(party, "POST", "/endpoints/{}/recover", "endpoint", lambda _: {"since": "2026-11-01"})
    yield _native(party, "DELETE", "/endpoints/{}", "endpoint")
    yield _native(party, "PATCH", "/users/{}", "user", lambda _: {"name": "x"}, {"If-Match": "*"})
    yield _native(party, "POST", "/users/{}/end_sessions", "user")
    yield _native(party, "POST", "/credentials/{}/revoke", "credential", lambda _: {"note": "x"})
    yield _native(party, "POST", "/jobs/{}/start", "job", lambda _: {"parts": 1})
    yield _native(party, "POST", "/jobs/{}/cancel", "job")
    yield _native(party, "PUT", "/jobs/{}/input?part=1", "job", lambda _: "line\nx\n", {"Content-Type": "text/csv"})


def _crux_doors(party: str, prefix: str) -> Iterator[Door]:
    yield _crux(party, "GET", prefix + "/orders/{}/", "order")
    yield _crux(party, "GET", prefix + "/orders/po/{}/", "reference")
    yield _crux(party, "POST", prefix + "/orders/", "reference", lambda reference: {"po_number": reference})
    yield _crux(party, "DELETE", prefix + "/orders/items/cancel/{}/", "line")
    yield _crux(party, "PATCH", prefix + "/orders/cancel/", "order", lambda order: {"order_uuid": order})
    for verb in ("confirm", "reject"):
        yield _crux(party, "PATCH", prefix + f"/orders/items/cancel/{{}}/{verb}/", "line")
        yield _crux(party, "PATCH", prefix + f"/orders/cancel/{{}}/{verb}/", "order")
    allocation = {"quantity_accepted": 1, "quantity_rejected": 0, "quantity_backordered": 0}
    nobodys = str(UUID(int=1))

    def allocated(line: str) -> Any:
        return {"line_items": [{"line_item_uuid": line, "allocation": allocation}]}

    def tracked(line: str) -> Any:
        return {"tracking_number": "3S1", "line_items": [{"line_item_uuid": line, "quantity": 1}]}

    yield _crux(party, "PUT", prefix + "/orders/allocation/{}/", "order", lambda _: allocated(nobodys))
    yield _crux(party, "PUT", prefix + "/orders/allocation/{own}/", "line", allocated)
    yield _crux(party, "POST", prefix + "/orders/tracking/{}/", "order", lambda _: tracked(nobodys))
    yield _crux(party, "POST", prefix + "/orders/tracking/{own}/", "line", tracked)


def _plaza_doors() -> Iterator[Door]:
    def cancellation(_: str) -> str:
        return "<Cancellation><DateTime>2026-11-02T10:00:00</DateTime><ReasonCode>OTHER</ReasonCode></Cancellation>"

    def shipment(item: str) -> str:
        return f"<ShipmentRequest><OrderItemId>{item}</OrderItemId></ShipmentRequest>"

    def transport(_: str) -> str:
        return (
            "<ChangeTransportRequest><TransporterCode>TNT</TransporterCode>"
            "<TrackAndTrace>3S1</TrackAndTrace></ChangeTransportRequest>"
        )

    newest = {"Accept": "application/vnd.shipments-v2.1+xml"}
    yield _plaza("PUT", "/order-items/v2/{}/cancellation", "item", cancellation)
    yield _plaza("POST", "/shipments/v2", "item", shipment, newest)
    yield _plaza("PUT", "/transports/v2/{}", "shipment", transport)
    yield _plaza("GET", "/orders/v2/{}", "order_number")
    yield _plaza("GET", "/shipments/v2?order-id={}", "order_number", None, newest)
    yield _plaza("GET", "/process-status/v2/{}", "process")
    yield _plaza("GET", "/orders/v2/process/{}", "process")


DOORS: Final = list(_doors())

_PLACE: Final = re.compile(rb'(?<="next":")[0-9]+(?=-f{32}")')
_NUMBER: Final = re.compile(rb"[0-9]+")


@dataclass(kw_only=True)
class Asking:
    """A retailer and a supplier of a world, who name what is another's and what is nobody's."""

    world: World
    theirs: Mapping[str, UUID | int | str]
    """By its kind, something of another retailer and another supplier."""
    own: UUID
    key: PlazaKey
    chance: Random = field(default_factory=lambda: Random(7))

    def absent(self, subject: str) -> UUID | int | str:
        """What is named like such a thing, and is not there."""
        if subject in NUMBERS:
            return int(self.theirs[subject]) + self.chance.randrange(10**5, 9 * 10**5)
        if subject == "event":
            # Of the same millisecond: an event that is not the caller's stands for its time.
            return UUID(int=UUID(str(self.theirs[subject])).int ^ self.chance.randrange(1, 2**60))
        new = self.world.application.ids.new()
        return f"PO-{new.hex[-6:]}" if subject == "reference" else new

    def request(self, http: httpx2.AsyncClient, door: Door, thing: UUID | int | str) -> httpx2.Request:
        """The call about this thing. Calls of Plaza's are signed at the time of the world."""
        name = _name(door, thing)
        path = door.path.format(name, own=self.own, own_retailer=self.world.retailer)
        body = door.body(name) if door.body else None
        content = {"content": body.encode()} if isinstance(body, str) else {} if body is None else {"json": body}
        headers = {"Request-Id": "one-of-a-pair", **door.headers, **self._credential(door, path.partition("?")[0])}
        return http.build_request(door.method, path, headers=headers, **content)

    def comparable(self, door: Door, thing: UUID | int | str, response: httpx2.Response) -> tuple[int, bytes]:
        """What of an answer must be the same: not what was named, nor the number that Plaza gives to poll.

        An empty page of the feed says how far it has come, which also goes by what else happens in the database.
        """
        content = _PLACE.sub(b"#", response.content.replace(_name(door, thing).encode(), b"#"))
        return response.status_code, _NUMBER.sub(b"#", content) if door.scheme == "Plaza" else content

    def _credential(self, door: Door, path: str) -> dict[str, str]:
        if door.scheme != "Plaza":
            party = self.world.retailer if door.party == "retailer" else self.world.supplier
            return {"Authorization": f"{door.scheme} {self.world.tokens[party]}"}
        content_type, date = "application/xml", format_datetime(self.world.clock(), usegmt=True)
        mac = sign(self.key.private.encode(), method=door.method, content_type=content_type, date=date, path=path)
        return {
            "Content-Type": content_type,
            "X-BOL-Date": date,
            "X-BOL-Authorization": f"{self.key.public}:{mac}",
        }


def _name(door: Door, thing: UUID | int | str) -> str:
    prefix = PREFIXES.get(door.subject)
    return show(prefix, thing) if prefix and isinstance(thing, UUID) else str(thing)


async def asking(world: World) -> Asking:
    """The parties of this world, and things of others: a cancellation that waits, a refund, a parcel, and so on."""

    def key(connection: Connection) -> PlazaKey:
        application, party = world.application, find_party(connection, str(world.retailer))
        return credentials.issue_plaza_key(
            connection, application.ids, application.keyring, world.clock(), party=party, label="test"
        )

    theirs = await _theirs(world)
    # Ids tell the time, and no event of the caller's own is of the millisecond of another's.
    world.clock.advance(seconds=1)
    own = await world.order(3, fulfillers=(world.supplier,))
    return Asking(world=world, theirs=theirs, own=own.id, key=await world.application.database.write(key))


async def _theirs(world: World) -> dict[str, UUID | int | str]:
    retailer, supplier, new = world.actor(world.other_retailer), world.other_supplier, world.application.ids.new
    order = await world.order(3, 3, retailer=world.other_retailer, fulfillers=(supplier,) * 2)
    lines = [line.id for line in order.lines]
    asked = await _done(world, AskCancellation(line=lines[0], actor=retailer, units=1))
    shipped = Ship(line=lines[1], actor=world.actor(supplier), units=1)
    parcel = Parcel(id=new(), tracking_number="3S2", carrier="TNT")
    await _done(world, ShipOrder(order=order.id, actor=world.actor(supplier), lines=(shipped,), parcel=parcel))
    cancelled = RetailerCancel(line=new(), actor=retailer, reason=CancelReason.OTHER)
    process = ProcessRequest(event_type="CANCEL_ORDER", entity_id="1")
    refused = await world.submit(cancelled, retailer=world.other_retailer, process=process)
    assert isinstance(refused, Refused), refused
    assert refused.process is not None
    priced = {"sku": "SKU-0", "units": 3, "unit_price": "10.00", "supplier": str(supplier)}
    paid = await place_paid(replace(world, retailer=world.other_retailer), lines=[priced])
    away = CancelOwn(line=paid.lines[0].id, actor=world.actor(supplier), reason=CancelReason.OUT_OF_STOCK, units=1)
    await _done(world, away)

    def ids(connection: Connection) -> dict[str, UUID | int]:
        scope = world.scope(world.other_retailer)
        sent = shipment_reads.shipments(connection, retailer=world.other_retailer, count=1)
        return {
            "refund": refunds.list_refunds(connection, scope, refunds.RefundFilter(limit=1))[0].id,
            "shipment": sent[0].row.number,
            "parcel": sent[0].row.id,
            "order_number": sent[0].order.number,
            "event": event_reads.timeline(connection, scope, order.id)[0].id,
            **_notice(connection, world),
            "job": _job(connection, world),
            "policy": _policy(connection, world),
            **_person(connection, world),
        }

    return {
        "order": order.id,
        "reference": order.reference,
        "line": lines[0],
        "item": (await world.line(lines[0])).number,
        "refunded_line": paid.lines[0].id,
        "cancellation": asked.cancellations[0],
        "party": supplier,
        "seller": world.other_retailer,
        "process": refused.process,
        **await world.application.database.write(ids),
    }


def _endpoint(connection: Connection, world: World) -> UUID:
    application = world.application
    added = endpoints.add(
        connection,
        world.author(),
        application.keyring,
        party=world.other_retailer,
        url="https://hooks.example.com/theirs",
    )
    return added.endpoint.id


def _notice(connection: Connection, world: World) -> dict[str, UUID]:
    """An endpoint of theirs, a notice for it, and an attempt to send that."""
    new, now, to = world.application.ids.new, world.clock(), _endpoint(connection, world)
    about = {
        "retailer_id": world.other_retailer,
        "endpoint_id": to,
        "event_id": new(),
        "line_id": new(),
        "seq": 1,
        "kind": "line.placed",
    }
    notice, attempt = new(), new()
    waits = {"partition": 0, "state": "dead", "attempts": 1, "last_result": "", "created_at": now}
    connection.execute(insert(t.notices).values(id=notice, **about, **waits))
    tried = {"url": "https://hooks.example.com/theirs", "at": now, "ok": False, "duration_ms": 1, "status": 500}
    connection.execute(insert(t.attempts).values(id=attempt, notice_id=notice, answer="", error="", **about, **tried))
    return {"endpoint": to, "notice": notice, "attempt": attempt}


def _person(connection: Connection, world: World) -> dict[str, UUID]:
    """Somebody who logs in for them, and a token of theirs."""
    new, theirs = world.application.ids, world.other_retailer
    party, email = find_party(connection, str(theirs)), f"{new.new().hex}@example.com"
    user = users.enter(connection, new, world.clock(), party=party, email=email, name="Them", password_hash="-")
    token = select(t.credentials.c.id).where(t.credentials.c.party_id == theirs).limit(1)
    return {"user": user, "credential": connection.execute(token).scalar_one()}


def _policy(connection: Connection, world: World) -> UUID:
    made = policies.change_terms(
        connection,
        world.author(),
        retailer=str(world.other_retailer),
        supplier=str(world.other_supplier),
        changes={"answer_within_s": 3600},
        based_on=0,
    )
    return made.id


def _job(connection: Connection, world: World) -> UUID:
    made = jobs.create(
        connection,
        world.author(),
        job=world.application.ids.new(),
        party=world.other_retailer,
        kind=JobKind.ASK,
        written=JobFormat.CSV,
    )
    return made.id


async def _done(world: World, command: Command) -> Done:
    outcome = await world.submit(command)
    assert isinstance(outcome, Done), outcome
    return outcome
