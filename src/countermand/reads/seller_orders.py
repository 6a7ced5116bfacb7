"""Orders as bol's sellers see them: what is left to send, and what was lately finished."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, TextClause, select, true

from countermand.domain.parties import PartyKind
from countermand.ids import earliest
from countermand.reads.events import Span, span_of
from countermand.reads.orders import asked_by_customer, orders_of
from countermand.reads.scope import Scope, as_indexed
from countermand.reads.views import LineRow, OrderRow
from countermand.store import tables as t
from countermand.store.columns import Record
from countermand.store.views import view

VISIBLE: Final = timedelta(hours=48)
"""How long an order is listed after its last change once nothing of it is left to send (docs/retailer.md)."""


class Progress(StrEnum):
    """Which order items are wanted: those with units left to send, those that were sent, or all."""

    OPEN = "OPEN"
    SHIPPED = "SHIPPED"
    ALL = "ALL"


@dataclass(frozen=True, slots=True, kw_only=True)
class SellerOrder:
    """An order of a retailer with its items. ``asked_by_customer`` are those with an ask that waits for an answer."""

    row: OrderRow
    lines: tuple[LineRow, ...]
    asked_by_customer: frozenset[UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class SellerFilter:
    """Which orders to list: by progress, and where there is a ``since``, those that changed from then to ``until``."""

    progress: Progress
    now: datetime
    since: datetime | None = None
    until: datetime | None = None


def seller_orders(
    connection: Connection, retailer: UUID, wanted: SellerFilter, *, start: int, count: int
) -> list[SellerOrder]:
    """A page of a retailer's orders, those that were placed last first."""
    keys: dict[UUID, Record] = {}
    for query in _branches(connection, retailer, wanted):
        keys |= {row.order_id: row for row in connection.execute(query.limit(start + count))}
    page = sorted(keys.values(), key=lambda row: (row.placed_at, row.order_id.int), reverse=True)[start : start + count]
    return _with_lines(connection, retailer, orders_of(connection, page), _items(wanted.progress))


def seller_order(connection: Connection, retailer: UUID, number: int) -> SellerOrder | None:
    """The retailer's order with this number of bol's, with all of its items."""
    query = select(t.orders).where(t.orders.c.retailer_id == retailer, t.orders.c.number == number)
    orders = [view(OrderRow, row) for row in connection.execute(query)]
    return next(iter(_with_lines(connection, retailer, orders, true())), None)


Keys = Select[tuple[UUID, UUID, datetime]]
Condition = ColumnElement[bool] | TextClause


def _branches(connection: Connection, retailer: UUID, wanted: SellerFilter) -> Iterable[Keys]:
    """Each way to orders that fit, in the order of the list."""
    since = wanted.since
    if since is None and wanted.progress is not Progress.SHIPPED:
        yield _in_order(_lines(retailer, as_indexed("lines.unfinished")))
    if since is None and wanted.progress is not Progress.OPEN:
        since = wanted.now - VISIBLE
    if since is not None:
        span = span_of(connection, Scope(party=retailer, kind=PartyKind.RETAILER), since, wanted.until)
        yield _in_order(_lines(retailer, _items(wanted.progress), t.lines.c.id.in_(_changed(retailer, span))))


def _items(progress: Progress) -> ColumnElement[bool]:
    """In words that no index has: these are found by their order, or by what happened to them."""
    match progress:
        case Progress.OPEN:
            return t.lines.c.open + t.lines.c.asked > 0
        case Progress.SHIPPED:
            return t.lines.c.shipped + 0 > 0
        case Progress.ALL:
            return true()


def _changed(retailer: UUID, span: Span) -> Select[tuple[UUID]]:
    """Lines about which something was recorded in this span. What is changed has an event."""
    events = t.events.c
    conditions = [
        events.retailer_id == retailer,
        events.position >= span.first,
        events.position < span.end,
        events.id >= earliest(span.since),
    ]
    if span.until is not None:
        conditions.append(events.id < earliest(span.until))
    return select(events.line_id).where(*conditions)


def _lines(retailer: UUID, *conditions: Condition) -> Keys:
    lines = t.lines.c
    return select(lines.retailer_id, lines.order_id, lines.placed_at).where(lines.retailer_id == retailer, *conditions)


def _in_order(keys: Keys) -> Keys:
    return keys.distinct().order_by(t.lines.c.placed_at.desc(), t.lines.c.order_id.desc())


def _with_lines(
    connection: Connection, retailer: UUID, orders: Sequence[OrderRow], items: ColumnElement[bool]
) -> list[SellerOrder]:
    if not orders:
        return []
    wanted = t.lines.c.order_id.in_([order.id for order in orders])
    query = select(t.lines).where(t.lines.c.retailer_id == retailer, wanted, items).order_by(t.lines.c.position)
    lines = [view(LineRow, row) for row in connection.execute(query)]
    asked = asked_by_customer(connection, retailer, [line.id for line in lines if line.asked])
    of_order: dict[UUID, list[LineRow]] = {}
    for line in lines:
        of_order.setdefault(line.order_id, []).append(line)
    return [
        SellerOrder(row=order, lines=tuple(of_order.get(order.id, ())), asked_by_customer=asked) for order in orders
    ]
