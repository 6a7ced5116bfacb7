"""One search over orders, lines, cancellations, refunds, parcels and parties: each kind by what it is looked up by."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import Connection

from countermand.domain.parties import PartyKind
from countermand.domain.search import words_of
from countermand.ids import read
from countermand.reads.cancellations import cancellation_by_id
from countermand.reads.line_lists import LineQuery, lines_of_sku, list_lines
from countermand.reads.lines import LineDetail, line_view, lines_of_orders
from countermand.reads.lookup import found_by, keys_titled
from countermand.reads.order_summaries import order_summaries
from countermand.reads.parties import parties_named, party_seen
from countermand.reads.refunds import refund_by_id
from countermand.reads.scope import Scope
from countermand.reads.shipments import Parcel, parcel_by_id, parcels_numbered
from countermand.store.columns import Record
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
    """What this party may see and the text leads to: exact hits first, at most ``limit`` of a kind."""
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
    """By all that an order is looked up by. A name and a word of a title may be many orders', so they are not exact."""
    by: dict[UUID, tuple[str, bool]] = {}
    keys: dict[bool, dict[UUID, Record]] = {True: {}, False: {}}
    for hits in found_by(connection, scope, text, limit):
        exact = hits.whole and hits.by != "name"
        for key in hits.keys:
            if key.order_id not in by or (exact and not by[key.order_id][1]):
                by[key.order_id] = hits.by, exact
            keys[by[key.order_id][1]].setdefault(key.order_id, key)
    for exact, found in keys.items():
        newest = sorted(found.values(), key=lambda key: (key.placed_at, key.order_id), reverse=True)[:limit]
        for row in order_summaries(connection, scope, [(key.retailer_id, key.order_id) for key in newest]):
            if by[row.id][1] is exact:
                title = f"{row.reference}, {row.retailer_name}"
                yield Hit(kind="orders", id=row.id, title=title, matched=by[row.id][0], exact=exact)


def _lines(connection: Connection, scope: Scope, text: str, limit: int) -> Iterator[Hit]:
    line = read("lin", text)
    if line and (row := line_view(connection, scope, line)):
        yield _line(row, "id")
    if text.isascii() and text.isdigit() and len(text) <= len(str(NUMBER_END)):
        query = LineQuery(number=int(text), limit=limit)
        yield from (_line(row, "number") for row in list_lines(connection, scope, query))
    for row in lines_of_sku(connection, scope, text, limit):
        yield _line(row, "sku", exact=row.sku.lower() == text.lower())
    yield from (_line(row, "title", exact=False) for row in _lines_titled(connection, scope, text, limit))


def _lines_titled(connection: Connection, scope: Scope, text: str, limit: int) -> Iterator[LineDetail]:
    """Lines whose titles have all these words, or words that begin so, of the newest orders with such lines."""
    words = words_of(text)
    orders = [(key.retailer_id, key.order_id) for key in keys_titled(connection, scope, text, limit)]
    inside = lines_of_orders(connection, scope, orders)
    for _, order in orders:
        for line in inside.get(order, []):
            title = words_of(line.title)
            if all(any(each.startswith(word) for each in title) for word in words):
                yield line


def _line(row: LineDetail, matched: str, *, exact: bool = True) -> Hit:
    return Hit(kind="lines", id=row.id, title=f"{row.sku}, {row.reference}", matched=matched, exact=exact)


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
    for parcel in parcels_numbered(connection, scope, text, limit):
        yield _parcel(parcel, "tracking_number", exact=parcel.row.tracking_number.lower() == text.lower())


def _parcel(parcel: Parcel, matched: str, *, exact: bool = True) -> Hit:
    title = f"{parcel.row.carrier} {parcel.row.tracking_number}".strip()
    return Hit(kind="shipments", id=parcel.row.id, title=title, matched=matched, exact=exact)


def _parties(connection: Connection, scope: Scope, text: str, limit: int) -> Iterator[Hit]:
    """All for the platform; for others themselves, and with whom they have orders."""
    wanted = read("pty", text)
    if wanted and (party := party_seen(connection, scope, wanted)):
        yield Hit(kind="parties", id=party.id, title=party.name, matched="id", exact=True)
    for party in parties_named(connection, scope, text, limit):
        exact = party.name.lower() == text.lower()
        yield Hit(kind="parties", id=party.id, title=party.name, matched="name", exact=exact)
