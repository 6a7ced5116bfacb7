"""Orders with the sums over their lines, as far as a party may see them, and pages of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, func, select

from countermand.reads.lines import LineDetail, lines_of_orders
from countermand.reads.lookup import Lookup
from countermand.reads.order_lists import OrderFilter, PlaceInTime, keys_behind, keys_looked_up
from countermand.reads.scope import Scope, line_scope, order_scope, retailer_of
from countermand.reads.views import OrderRow
from countermand.store import tables as t
from countermand.store.columns import PairList, Record, pair_of
from countermand.store.money import money_of_terms
from countermand.store.views import view_or_none

Pair = tuple[UUID, UUID]
"""A retailer, and one of its orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSummary:
    """An order with the sums over those of its lines that the party may see.

    ``total_minor`` is what the whole order cost, if that is known.
    """

    retailer_id: UUID
    id: UUID
    number: int
    reference: str
    placed_at: datetime
    sent_to_fulfiller: bool
    currency: str
    customer_erased_at: datetime | None
    retailer_name: str
    total_minor: int | None
    line_count: int = 0
    ordered: int = 0
    open: int = 0
    asked: int = 0
    cancelled: int = 0
    shipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderQuery:
    """Which orders to list, newest first, after the one at the place ``behind``."""

    filter: OrderFilter = field(default_factory=OrderFilter)
    lookup: Lookup = field(default_factory=Lookup)
    behind: PlaceInTime | None = None
    limit: int = 50


def order_keys(connection: Connection, scope: Scope, wanted: OrderQuery) -> Sequence[Record]:
    """The keys of the page: ``retailer_id``, ``order_id``, ``placed_at``.

    Raises:
        TooManyFoundError: several things are looked up by, and one of them fits too many orders.
    """
    if wanted.lookup.is_given:
        return keys_looked_up(connection, scope, wanted.filter, wanted.lookup, wanted.behind, wanted.limit)
    return keys_behind(connection, scope, wanted.filter, wanted.behind, wanted.limit)


def list_order_summaries(connection: Connection, scope: Scope, wanted: OrderQuery) -> list[OrderSummary]:
    """The orders of a page.

    Raises:
        TooManyFoundError: as ``order_keys``.
    """
    keys = order_keys(connection, scope, wanted)
    return order_summaries(connection, scope, [(key.retailer_id, key.order_id) for key in keys])


def order_summaries(connection: Connection, scope: Scope, orders: Sequence[Pair]) -> list[OrderSummary]:
    """These orders, each by its retailer and its id, in this order. The party may see them."""
    if not orders:
        return []
    wanted = pair_of(t.orders.c.retailer_id, t.orders.c.id, _pairs(orders))
    found = {row.id: row for row in connection.execute(ORDERS.where(wanted))}
    return with_sums(connection, scope, [found[order] for _, order in orders if order in found])


def order_summary(connection: Connection, scope: Scope, order: UUID) -> OrderSummary | None:
    """One order, or ``None`` when there is none that this party may see."""
    mine = (t.orders.c.retailer_id == retailer_of(order), t.orders.c.id == order)
    rows = connection.execute(ORDERS.where(*mine, order_scope(scope))).all()
    return next(iter(with_sums(connection, scope, rows)), None)


def order_with_lines(connection: Connection, scope: Scope, order: UUID) -> tuple[OrderSummary, list[LineDetail]] | None:
    """One order with its lines, or ``None`` when there is none that this party may see."""
    row = order_summary(connection, scope, order)
    if row is None:
        return None
    return row, lines_of_orders(connection, scope, [(row.retailer_id, row.id)]).get(row.id, [])


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOrder:
    """An order with all that is kept of it."""

    row: OrderRow
    lines: Sequence[LineDetail]
    terms: Mapping[str, Any] | None


def stored_order(connection: Connection, scope: Scope, order: UUID) -> StoredOrder | None:
    """One order with all that is kept of it, or ``None`` when there is none that this party may see."""
    mine = (t.orders.c.retailer_id == retailer_of(order), t.orders.c.id == order)
    row = view_or_none(OrderRow, connection.execute(select(t.orders).where(*mine, order_scope(scope))).first())
    if row is None:
        return None
    money = t.order_money.c
    of_order = (money.retailer_id == row.retailer_id, money.id == row.id)
    terms = connection.execute(select(money.terms).where(*of_order)).scalar()
    lines = lines_of_orders(connection, scope, [(row.retailer_id, row.id)]).get(row.id, [])
    return StoredOrder(row=row, lines=lines, terms=terms)


def latest_of(connection: Connection, scope: Scope, order: UUID) -> PlaceInTime | None:
    """Where an order stands in a list of all that the party may see."""
    mine = (t.orders.c.retailer_id == retailer_of(order), t.orders.c.id == order)
    row = connection.execute(select(t.orders.c.placed_at).where(*mine, order_scope(scope))).first()
    return None if row is None else PlaceInTime(row.placed_at, order)


def with_sums(connection: Connection, scope: Scope, rows: Sequence[Record]) -> list[OrderSummary]:
    """Orders as ``ORDERS`` reads them, with the sums over those of their lines that this party may see."""
    if not rows:
        return []
    summaries = [_summary(row) for row in rows]
    lines = t.lines.c
    of_orders = pair_of(lines.retailer_id, lines.order_id, _pairs([(row.retailer_id, row.id) for row in rows]))
    sums = {row.order_id: row for row in connection.execute(_SUMS.where(of_orders, line_scope(scope)))}
    return [_with(summary, sums.get(summary.id)) for summary in summaries]


def _with(summary: OrderSummary, sums: Record | None) -> OrderSummary:
    if sums is None:
        return summary
    total = summary.total_minor
    if total is None and sums.priced == sums.line_count:
        total = int(sums.goods)
    units: dict[str, Any] = {name: int(getattr(sums, name)) for name in (*_BUCKETS, "line_count")}
    return replace(summary, total_minor=total, **units)


def _summary(row: Record) -> OrderSummary:
    terms: Mapping[str, Any] | None = row.terms
    total = money_of_terms(dict(terms)).total_minor if terms is not None else None
    values = {name: value for name, value in row._mapping.items() if name != "terms"}
    return OrderSummary(**values, total_minor=total)


def _pairs(orders: Sequence[Pair]) -> Any:
    return bindparam("orders", list(orders), type_=PairList())


_BUCKETS: Final = ("ordered", "open", "asked", "cancelled", "shipped")

ORDERS: Final[Select[*tuple[Any, ...]]] = select(
    *(
        t.orders.c[name]
        for name in (
            *("retailer_id", "id", "number", "reference", "placed_at", "sent_to_fulfiller"),
            *("currency", "customer_erased_at"),
        )
    ),
    t.order_money.c.terms,
    t.parties.c.name.label("retailer_name"),
).select_from(
    t.orders.join(t.parties, t.parties.c.id == t.orders.c.retailer_id).outerjoin(
        t.order_money,
        (t.order_money.c.retailer_id == t.orders.c.retailer_id) & (t.order_money.c.id == t.orders.c.id),
    )
)

_SUMS: Final[Select[*tuple[Any, ...]]] = select(
    t.lines.c.order_id,
    func.count().label("line_count"),
    *(func.sum(t.lines.c[name]).label(name) for name in _BUCKETS),
    func.count(t.lines.c.unit_price_minor).label("priced"),
    func.sum(t.lines.c.ordered * t.lines.c.unit_price_minor).label("goods"),
).group_by(t.lines.c.order_id)
