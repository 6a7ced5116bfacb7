"""Parcels with what is in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, bindparam, or_, select, true

from countermand.domain.parties import PartyKind
from countermand.domain.search import BEGINNING_CHARS_MIN, spellings_of
from countermand.ids import earliest
from countermand.reads.beginnings import near
from countermand.reads.cancellations import PAGE_MAX
from countermand.reads.scope import Scope, as_indexed, retailer_of
from countermand.reads.views import LineRow, OrderRow, ShipmentRow
from countermand.store import tables as t
from countermand.store.columns import PairList, Record, pair_of
from countermand.store.views import view


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedLine(LineRow):
    """A line with how many of its units went in one parcel."""

    shipment_id: UUID
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentView:
    """A parcel with its order and what was in it: pairs of a line and how many of its units."""

    row: ShipmentRow
    order: OrderRow
    contents: tuple[tuple[LineRow, int], ...]


def shipments(
    connection: Connection,
    retailer: UUID,
    *,
    start: int = 0,
    count: int = PAGE_MAX,
    order_number: int | None = None,
    number: int | None = None,
) -> list[ShipmentView]:
    """Parcels of a retailer's orders, newest first; ``number`` picks one by bol's number of it."""
    conditions = [t.shipments.c.retailer_id == retailer]
    if number is not None:
        conditions.append(t.shipments.c.number == number)
    if order_number is not None:
        numbered = select(t.orders.c.id).where(t.orders.c.retailer_id == retailer, t.orders.c.number == order_number)
        conditions.append(t.shipments.c.order_id == numbered.scalar_subquery())
    query = select(t.shipments).where(*conditions)
    if number is None and order_number is None:
        query = query.order_by(t.shipments.c.id.desc()).offset(start).limit(count)
        rows = list(connection.execute(query))
    else:
        # Few, and sorted here: SQLite would go through all of the retailer's to have them in order.
        rows = sorted(connection.execute(query), key=attrgetter("id"), reverse=True)[start : start + count]
    if not rows:
        return []
    order_ids = {row.order_id for row in rows}
    orders = {
        row.id: view(OrderRow, row)
        for row in connection.execute(
            select(t.orders).where(t.orders.c.retailer_id == retailer, t.orders.c.id.in_(order_ids))
        )
    }
    contents: dict[UUID, list[tuple[LineRow, int]]] = {}
    inside = connection.execute(
        select(t.shipment_lines.c.shipment_id, t.shipment_lines.c.units, t.lines)
        .join(t.lines, t.named_by(t.shipment_lines.c.line_id, t.lines))
        .where(t.shipment_lines.c.retailer_id == retailer, t.shipment_lines.c.shipment_id.in_([r.id for r in rows]))
        .order_by(t.lines.c.position)
    )
    for line in inside:
        contents.setdefault(line.shipment_id, []).append((view(ShippedLine, line), line.units))
    return [
        ShipmentView(row=view(ShipmentRow, row), order=orders[row.order_id], contents=tuple(contents.get(row.id, ())))
        for row in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A parcel with the units of lines that are in it."""

    row: ShipmentRow
    contents: tuple[tuple[UUID, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelFilter:
    """Which parcels to list, newest first. ``after`` is the id of the last one of the page before."""

    order: UUID | None = None
    line: UUID | None = None
    tracking_number: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: UUID | None = None
    limit: int = 50


def list_parcels(connection: Connection, scope: Scope, wanted: ParcelFilter) -> list[Parcel]:
    """Parcels that this party may see: a retailer those of its orders, a supplier those that it sent."""
    keyed = _keys(wanted)
    branches = [[*keyed, may_see_parcel(scope)]] if keyed else _branches(scope)
    found = dict[UUID, Record]()
    for conditions in branches:
        query = select(t.shipments).where(*conditions, *_span(wanted))
        if not keyed:
            query = query.order_by(t.shipments.c.id.desc()).limit(wanted.limit)
        found |= {row.id: row for row in connection.execute(query)}
    # Those of one order or number are few, and sorted here: SQLite would go through all to have them in order.
    rows = sorted(found.values(), key=attrgetter("id"), reverse=True)[: wanted.limit]
    return with_contents(connection, rows)


def parcels_numbered(connection: Connection, scope: Scope, text: str, limit: int) -> list[Parcel]:
    """Parcels that this party may see with this tracking number, newest first, then those whose number begins so."""
    parcels, spellings = t.shipments.c, spellings_of(text)
    whole = select(t.shipments).where(parcels.tracking_folded.in_(spellings), may_see_parcel(scope))
    rows = sorted(connection.execute(whole), key=attrgetter("id"), reverse=True)[:limit]
    if len(text) >= BEGINNING_CHARS_MIN:
        ways = near(scope, t.shipments, "tracking_folded", spellings, [each.name for each in t.shipments.columns])
        begun = [row for each in ways for row in connection.execute(select(each))]
        rows += sorted(begun, key=attrgetter("id"), reverse=True)
    return with_contents(connection, list({row.id: row for row in rows}.values())[:limit])


def parcel_by_id(connection: Connection, scope: Scope, parcel: UUID) -> Parcel | None:
    """One parcel, or ``None`` when there is none that this party may see."""
    rows = connection.execute(select(t.shipments).where(t.shipments.c.id == parcel, may_see_parcel(scope))).all()
    return next(iter(with_contents(connection, rows)), None)


def with_contents(connection: Connection, rows: Sequence[Record]) -> list[Parcel]:
    """These parcels with what is in them, in this order."""
    if not rows:
        return []
    inside = t.shipment_lines.c
    parcels = bindparam("parcels", [(row.retailer_id, row.id) for row in rows], type_=PairList())
    query = select(inside.shipment_id, inside.line_id, inside.units)
    contents: dict[UUID, list[tuple[UUID, int]]] = {}
    for row in connection.execute(query.where(pair_of(inside.retailer_id, inside.shipment_id, parcels))):
        contents.setdefault(row.shipment_id, []).append((row.line_id, row.units))
    return [
        Parcel(row=view(ShipmentRow, row), contents=tuple(sorted(contents.get(row.id, ()), key=itemgetter(0))))
        for row in rows
    ]


def may_see_parcel(scope: Scope) -> ColumnElement[bool]:
    """Which parcels the party may see: a retailer those of its orders, a supplier those that it sent."""
    parcels = t.shipments.c
    match scope.kind:
        case PartyKind.PLATFORM:
            return true()
        case PartyKind.RETAILER:
            return or_(parcels.retailer_id == scope.party, parcels.fulfiller_id == scope.party)
        case PartyKind.SUPPLIER:
            return parcels.fulfiller_id == scope.party


def _branches(scope: Scope) -> list[list[Any]]:
    parcels = t.shipments.c
    held = [as_indexed("shipments.fulfiller_id <> shipments.retailer_id"), parcels.fulfiller_id == scope.party]
    match scope.kind:
        case PartyKind.PLATFORM:
            return [[]]
        case PartyKind.RETAILER:
            return [[parcels.retailer_id == scope.party], held]
        case PartyKind.SUPPLIER:
            return [held]


def _keys(wanted: ParcelFilter) -> list[Any]:
    parcels, inside = t.shipments.c, t.shipment_lines.c
    conditions: list[Any] = []
    if wanted.order is not None:
        conditions += [parcels.retailer_id == retailer_of(wanted.order), parcels.order_id == wanted.order]
    if wanted.line is not None:
        home = retailer_of(wanted.line)
        of_line = select(inside.shipment_id).where(inside.retailer_id == home, inside.line_id == wanted.line)
        conditions += [parcels.retailer_id == home, parcels.id.in_(of_line)]
    if wanted.tracking_number is not None:
        conditions.append(parcels.tracking_number == wanted.tracking_number)
    return conditions


def _span(wanted: ParcelFilter) -> list[ColumnElement[bool]]:
    """By ids, which tell the time."""
    ids = t.shipments.c.id
    conditions = []
    if wanted.since is not None:
        conditions.append(ids >= earliest(wanted.since))
    if wanted.until is not None:
        conditions.append(ids < earliest(wanted.until))
    if wanted.after is not None:
        conditions.append(ids < wanted.after)
    return conditions
