"""Orders as each party may see them, with their lines and the parcels these went in."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from uuid import UUID

from sqlalchemy import (
    Connection,
    bindparam,
    exists,
    select,
)

from countermand.reads.cancellations import PAGE_MAX
from countermand.reads.lookup import Lookup, orders_found
from countermand.reads.order_lists import OrderFilter, PlaceInTime, keys_behind, order_page
from countermand.reads.scope import (
    Scope,
    as_indexed,
    line_scope,
    order_scope,
    retailer_of,
)
from countermand.reads.views import LineRow, OrderRow, ShipmentRow
from countermand.store import tables as t
from countermand.store.columns import IdList, PairList, Record, one_of, pair_of
from countermand.store.views import view


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelRow(ShipmentRow):
    """A parcel that a line went in, with so many of its units."""

    line_id: UUID
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """A line with the names around it and the parcels it went in."""

    row: LineRow
    supplier_name: str
    parcels: tuple[ParcelRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """An order as one party may see it."""

    row: OrderRow
    retailer_name: str
    lines: tuple[LineView, ...] = ()


def list_orders(
    connection: Connection, scope: Scope, wanted: OrderFilter, *, start: int, count: int, newest_first: bool
) -> tuple[int, list[OrderView]]:
    """How many orders match, and the ones from position ``start`` on, at most ``count``, by time of placing.

    Of a long list the number is the least that it has: nothing is counted to its end.
    """
    page = order_page(connection, scope, wanted, start=start, count=count, newest_first=newest_first)
    return page.total, _with_lines(connection, scope, orders_of(connection, page.keys))


def orders_behind(
    connection: Connection, scope: Scope, wanted: OrderFilter, place: PlaceInTime | None, count: int
) -> list[OrderView]:
    """At most ``count`` orders after that place of the list, newest first: see ``keys_behind``."""
    keys = keys_behind(connection, scope, wanted, place, count)
    return _with_lines(connection, scope, orders_of(connection, keys))


def order_by_id(connection: Connection, scope: Scope, order: UUID) -> OrderView | None:
    """One order, or ``None`` when there is none that this party may see."""
    mine = (t.orders.c.retailer_id == retailer_of(order), t.orders.c.id == order)
    rows = connection.execute(select(t.orders).where(*mine, order_scope(scope)))
    return next(iter(_with_lines(connection, scope, [view(OrderRow, row) for row in rows])), None)


def orders_by_lookup(
    connection: Connection, scope: Scope, wanted: Lookup, count: int, behind: PlaceInTime | None = None
) -> list[OrderView]:
    """At most ``count`` orders that match, newest first, after a place of the list."""
    keys = orders_found(connection, scope, wanted, count, (behind.placed_at, behind.id) if behind else None)
    return _with_lines(connection, scope, orders_of(connection, keys))


def orders_by_reference(connection: Connection, scope: Scope, reference: str) -> list[OrderView]:
    """Every order with this purchase order number, oldest first: a number need not be unique."""
    wanted = OrderFilter(reference=reference)
    page = order_page(connection, scope, wanted, start=0, count=PAGE_MAX, newest_first=False)
    return _with_lines(connection, scope, orders_of(connection, page.keys))


def orders_of(connection: Connection, keys: Sequence[Record]) -> list[OrderRow]:
    """These orders, each given as a retailer and an id, in the order in which they are given."""
    if not keys:
        return []
    pairs = bindparam("orders", [(key.retailer_id, key.order_id) for key in keys], type_=PairList())
    found = connection.execute(select(t.orders).where(pair_of(t.orders.c.retailer_id, t.orders.c.id, pairs)))
    by_id = {row.id: view(OrderRow, row) for row in found}
    return [by_id[key.order_id] for key in keys]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """An order of a retailer with those of its lines that are neither shipped nor cancelled in full.

    ``asked_by_customer`` holds the lines that a customer wants cancelled and nobody has answered yet.
    """

    row: OrderRow
    lines: tuple[LineRow, ...]
    asked_by_customer: frozenset[UUID]


def open_orders(
    connection: Connection, retailer: UUID, *, start: int, count: int, number: int | None = None
) -> list[OpenOrder]:
    """A retailer's orders with something left to ship, newest first; ``number`` picks one by bol's number."""
    unfinished = as_indexed("lines.unfinished")
    if number is not None:
        mine = (t.orders.c.retailer_id == retailer, t.orders.c.number == number)
        inside = (t.lines.c.retailer_id == t.orders.c.retailer_id, t.lines.c.order_id == t.orders.c.id)
        numbered = select(t.orders).where(*mine, exists().where(*inside, unfinished))
        orders = [view(OrderRow, row) for row in connection.execute(numbered.offset(start).limit(count))]
    else:
        keys = (
            select(t.lines.c.retailer_id, t.lines.c.order_id, t.lines.c.placed_at)
            .where(t.lines.c.retailer_id == retailer, unfinished)
            .distinct()
            .order_by(t.lines.c.placed_at.desc(), t.lines.c.order_id.desc())
        )
        orders = orders_of(connection, connection.execute(keys.offset(start).limit(count)).all())
    if not orders:
        return []
    query = (
        select(t.lines)
        .where(t.lines.c.retailer_id == retailer, t.lines.c.order_id.in_([order.id for order in orders]), unfinished)
        .order_by(t.lines.c.position)
    )
    lines = [view(LineRow, row) for row in connection.execute(query)]
    asked = asked_by_customer(connection, retailer, [line.id for line in lines if line.asked])
    of_order: dict[UUID, list[LineRow]] = {}
    for line in lines:
        of_order.setdefault(line.order_id, []).append(line)
    return [OpenOrder(row=order, lines=tuple(of_order[order.id]), asked_by_customer=asked) for order in orders]


def asked_by_customer(connection: Connection, retailer: UUID, lines: list[UUID]) -> frozenset[UUID]:
    """Which of these lines have an ask of their customer that waits for an answer."""
    if not lines:
        return frozenset()
    rows = connection.execute(
        select(t.cancellations.c.line_id).where(
            t.cancellations.c.retailer_id == retailer,
            # One parameter, however many lines there are: both drivers count them, and the list of v2.0 has no pages.
            one_of(t.cancellations.c.line_id, bindparam("lines", lines, type_=IdList())),
            t.cancellations.c.state == "asked",
            t.cancellations.c.asker == "customer",
        )
    )
    return frozenset(row.line_id for row in rows)


def _with_lines(connection: Connection, scope: Scope, orders: Sequence[OrderRow]) -> list[OrderView]:
    if not orders:
        return []
    pairs = bindparam("orders", [(order.retailer_id, order.id) for order in orders], type_=PairList())
    query = (
        select(t.lines)
        .where(pair_of(t.lines.c.retailer_id, t.lines.c.order_id, pairs), line_scope(scope))
        .order_by(t.lines.c.position)
    )
    lines = [view(LineRow, row) for row in connection.execute(query)]
    parcels = _parcels(connection, lines)
    names = _names(connection, {order.retailer_id for order in orders} | {line.fulfiller_id for line in lines})
    views: dict[UUID, list[LineView]] = {}
    for line in lines:
        shown = LineView(row=line, supplier_name=names[line.fulfiller_id], parcels=tuple(parcels.get(line.id, ())))
        views.setdefault(line.order_id, []).append(shown)
    return [
        OrderView(row=order, retailer_name=names[order.retailer_id], lines=tuple(views.get(order.id, ())))
        for order in orders
    ]


def _parcels(connection: Connection, lines: Sequence[LineRow]) -> dict[UUID, list[ParcelRow]]:
    pairs = bindparam("lines", [(line.retailer_id, line.id) for line in lines], type_=PairList())
    rows = connection.execute(
        select(t.shipment_lines.c.line_id, t.shipment_lines.c.units, t.shipments)
        .join(t.shipments, t.named_by(t.shipment_lines.c.shipment_id, t.shipments))
        .where(pair_of(t.shipment_lines.c.retailer_id, t.shipment_lines.c.line_id, pairs))
    )
    parcels: dict[UUID, list[ParcelRow]] = {}
    # Sorted here: SQLite would go through all of the retailers' to have them in order.
    for row in sorted(rows, key=attrgetter("id")):
        parcels.setdefault(row.line_id, []).append(view(ParcelRow, row))
    return parcels


def _names(connection: Connection, parties: set[UUID]) -> dict[UUID, str]:
    rows = connection.execute(select(t.parties.c.id, t.parties.c.name).where(t.parties.c.id.in_(parties)))
    return {row.id: row.name for row in rows}
