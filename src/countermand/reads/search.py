"""One search over orders, lines, cancellations, refunds, parcels and parties: each kind by what it is looked up by."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import Connection, exists, or_, select

from countermand.domain.parties import PartyKind
from countermand.ids import read
from countermand.reads.cancellations import cancellation_by_id
from countermand.reads.line_lists import LineQuery, list_lines
from countermand.reads.lines import LineDetail, line_view
from countermand.reads.lookup import Lookup
from countermand.reads.order_lists import OrderFilter
from countermand.reads.order_summaries import OrderQuery, OrderSummary, list_order_summaries, order_keys
from countermand.reads.refunds import refund_by_id
from countermand.reads.scope import Scope
from countermand.reads.shipments import Parcel, ParcelFilter, list_parcels, parcel_by_id
from countermand.store import tables as t
from countermand.store.statements import NUMBER_END

Kind = Literal["orders", "lines", "cancellations", "refunds", "shipments", "parties"]
KINDS: Final[tuple[Kind, ...]] = ("orders", "lines", "cancellations", "refunds", "shipments", "parties")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Something that was found: of which kind, what it is called, by what it was found, and whether by all of that."""

    kind: Kind
    id: UUID
    title: str
    matched: str
    exact: bool


def find(connection: Connection, scope: Scope, text: str, kinds: Sequence[Kind], limit: int) -> list[Hit]:
    """What this party may see and the text leads to: exact hits first, at most ``limit`` of a kind.

    Raises:
        TooManyFoundError: as ``orders_found``.
    """
    ways = {
        "orders": _orders,
        "lines": _lines,
        "cancellations": _cancellations,
        "refunds": _refunds,
        "shipments": _parcels,
        "parties": _parties,
    }
    hits: list[Hit] = []
    for kind in kinds:
        found = {hit.id: hit for hit in reversed(list(ways[kind](connection, scope, text, limit)))}
        hits += sorted(found.values(), key=lambda hit: not hit.exact)[:limit]
    return sorted(hits, key=lambda hit: not hit.exact)


def _orders(connection: Connection, scope: Scope, text: str, limit: int) -> Iterator[Hit]:
    """By whole ids, numbers, references, addresses, payments and parcels; and by words of the customer's name."""
    rows = list_order_summaries(connection, scope, OrderQuery(lookup=Lookup(anything=text), limit=limit))
    by_others = _by_others(connection, scope, text, limit)
    for row in rows:
        matched = _matched(row, text) or by_others.get(row.id, "name")
        title = f"{row.reference}, {row.retailer_name}"
        yield Hit(kind="orders", id=row.id, title=title, matched=matched, exact=matched != "name")


def _matched(row: OrderSummary, text: str) -> str:
    """By what of an order it was found, as far as the order tells."""
    if row.reference == text:
        return "reference"
    if any(read(prefix, text) for prefix in ("ord", "can", "rfd")):
        return "id"
    if text.isascii() and text.isdigit():
        return "number"
    return "email" if "@" in text else ""


def _by_others(connection: Connection, scope: Scope, text: str, limit: int) -> dict[UUID, str]:
    """Which orders are found by a payment, and which by a parcel."""
    lookups = {"payment_reference": Lookup(payment=text), "tracking_number": Lookup(tracking=text)}
    return {
        key.order_id: name
        for name, lookup in lookups.items()
        for key in order_keys(connection, scope, OrderQuery(lookup=lookup, limit=limit))
    }


def _lines(connection: Connection, scope: Scope, text: str, limit: int) -> Iterator[Hit]:
    line = read("lin", text)
    if line and (row := line_view(connection, scope, line)):
        yield _line(row, "id")
    if text.isascii() and text.isdigit() and len(text) <= len(str(NUMBER_END)):
        query = LineQuery(number=int(text), limit=limit)
        yield from (_line(row, "number") for row in list_lines(connection, scope, query))
    by_sku = LineQuery(filter=OrderFilter(sku=text), limit=limit)
    yield from (_line(row, "sku") for row in list_lines(connection, scope, by_sku))


def _line(row: LineDetail, matched: str) -> Hit:
    return Hit(kind="lines", id=row.id, title=f"{row.sku}, {row.reference}", matched=matched, exact=True)


def _cancellations(connection: Connection, scope: Scope, text: str, limit: int) -> Iterator[Hit]:
    wanted = read("can", text)
    row = cancellation_by_id(connection, scope, wanted) if wanted else None
    if row:
        title = f"{row.units} of {row.ordered} {row.sku}, {row.reference}"
        yield Hit(kind="cancellations", id=row.id, title=title, matched="id", exact=True)


def _refunds(connection: Connection, scope: Scope, text: str, limit: int) -> Iterator[Hit]:
    wanted = read("rfd", text)
    row = refund_by_id(connection, scope, wanted) if wanted and scope.kind is not PartyKind.SUPPLIER else None
    if row:
        yield Hit(kind="refunds", id=row.id, title=f"{row.sku}, {row.order_reference}", matched="id", exact=True)


def _parcels(connection: Connection, scope: Scope, text: str, limit: int) -> Iterator[Hit]:
    wanted = read("shp", text)
    if wanted and (parcel := parcel_by_id(connection, scope, wanted)):
        yield _parcel(parcel, "id")
    numbered = list_parcels(connection, scope, ParcelFilter(tracking_number=text, limit=limit))
    yield from (_parcel(each, "tracking_number") for each in numbered)


def _parcel(parcel: Parcel, matched: str) -> Hit:
    title = f"{parcel.row.carrier} {parcel.row.tracking_number}".strip()
    return Hit(kind="shipments", id=parcel.row.id, title=title, matched=matched, exact=True)


def _parties(connection: Connection, scope: Scope, text: str, limit: int) -> Iterator[Hit]:
    """All for the platform; for others themselves, and with whom they have orders."""
    parties, known = t.parties.c, t.connections.c
    wanted = read("pty", text)
    named = or_(parties.name == text, parties.id == wanted) if wanted else parties.name == text
    query = select(parties.id, parties.name).where(named).order_by(parties.id).limit(limit)
    if scope.kind is not PartyKind.PLATFORM:
        partner = or_(
            exists().where(known.retailer_id == scope.party, known.supplier_id == parties.id),
            exists().where(known.supplier_id == scope.party, known.retailer_id == parties.id),
        )
        query = query.where(or_(parties.id == scope.party, partner))
    for row in connection.execute(query):
        matched = "name" if row.name == text else "id"
        yield Hit(kind="parties", id=row.id, title=row.name, matched=matched, exact=True)
