"""What is shown inside the objects of a page: one statement for each kind of it, however many objects there are.

Of each object at most ``INNER_MAX`` are read, the first of their list, and of a page no more than ``TOGETHER_MAX``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import Column, Connection, Select, and_, bindparam, func, select, tuple_

from countermand.domain.orders import LINES_MAX
from countermand.reads.cancellations import CANCELLATIONS, CancellationView, may_see
from countermand.reads.lines import LINES, LineDetail
from countermand.reads.order_summaries import ORDERS, OrderSummary, with_sums
from countermand.reads.refunds import REFUNDS, RefundView, sees_refunds_of
from countermand.reads.scope import Scope, line_scope, order_scope
from countermand.reads.shipments import Parcel, may_see_parcel, with_contents
from countermand.store import tables as t
from countermand.store.columns import PairList, Record, pair_of
from countermand.store.engines.protocol import TooBroadError
from countermand.store.views import views

INNER_MAX: Final = 200
TOGETHER_MAX: Final = 10_000

T = TypeVar("T")
Pair = tuple[UUID, UUID]
"""A retailer, and an order, line, cancellation or refund of it."""


class TooMuchInsideError(TooBroadError):
    """The objects of a page have more inside than is shown at once."""

    def __init__(self) -> None:
        Exception.__init__(self, f"These objects have more than {TOGETHER_MAX} others inside.")
        self.advice = "Ask for fewer, with limit."


def lines_inside(connection: Connection, scope: Scope, orders: Sequence[Pair]) -> dict[UUID, list[LineDetail]]:
    """The lines of these orders, by order.

    Raises:
        TooMuchInsideError: there are too many.
    """
    lines = t.lines.c
    mine = (pair_of(lines.retailer_id, lines.order_id, _given(orders)), line_scope(scope))
    inner = _Inner(rows=LINES, outer=lines.order_id, mine=mine, order=lines.position, most=LINES_MAX)
    rows = views(LineDetail, _first_of_each(connection, inner))
    return _by_outer((row.order_id, row) for row in sorted(rows, key=lambda row: row.position))


def cancellations_of_orders(
    connection: Connection, scope: Scope, orders: Sequence[Pair]
) -> dict[UUID, list[CancellationView]]:
    """The cancellations of these orders, by order, newest first.

    Raises:
        TooMuchInsideError: there are too many.
    """
    lines, cancellations = t.lines.c, t.cancellations.c
    of_orders = select(lines.retailer_id, lines.id).where(pair_of(lines.retailer_id, lines.order_id, _given(orders)))
    mine = tuple_(cancellations.retailer_id, cancellations.line_id).in_(of_orders)
    rows = _cancellations(connection, scope, cancellations.order_id, mine)
    return _by_outer((row.order_id, row) for row in rows)


def cancellations_of_lines(
    connection: Connection, scope: Scope, lines: Sequence[Pair]
) -> dict[UUID, list[CancellationView]]:
    """The cancellations of these lines, by line, newest first.

    Raises:
        TooMuchInsideError: there are too many.
    """
    cancellations = t.cancellations.c
    mine = pair_of(cancellations.retailer_id, cancellations.line_id, _given(lines))
    rows = _cancellations(connection, scope, cancellations.line_id, mine)
    return _by_outer((row.line_id, row) for row in rows)


def _cancellations(connection: Connection, scope: Scope, outer: Column[Any], mine: Any) -> list[CancellationView]:
    newest_first = t.cancellations.c.id.desc()
    inner = _Inner(rows=CANCELLATIONS, outer=outer, mine=(mine, may_see(scope)), order=newest_first, most=INNER_MAX)
    rows = views(CancellationView, _first_of_each(connection, inner))
    return sorted(rows, key=lambda row: row.id, reverse=True)


def parcels_of_orders(connection: Connection, scope: Scope, orders: Sequence[Pair]) -> dict[UUID, list[Parcel]]:
    """The parcels of these orders, by order, newest first.

    Raises:
        TooMuchInsideError: there are too many.
    """
    parcels = t.shipments.c
    mine = (pair_of(parcels.retailer_id, parcels.order_id, _given(orders)), may_see_parcel(scope))
    inner = _Inner(rows=select(t.shipments), outer=parcels.order_id, mine=mine, order=parcels.id.desc(), most=INNER_MAX)
    rows = sorted(_first_of_each(connection, inner), key=lambda row: row.id, reverse=True)
    return _by_outer((each.row.order_id, each) for each in with_contents(connection, rows))


def refunds_of_cancellations(
    connection: Connection, scope: Scope, cancellations: Sequence[Pair]
) -> dict[UUID, list[RefundView]]:
    """The refunds of these cancellations, by cancellation, oldest first.

    Raises:
        TooMuchInsideError: there are too many.
    """
    refunds = t.refunds.c
    mine = (pair_of(refunds.retailer_id, refunds.cancellation_id, _given(cancellations)), *sees_refunds_of(scope))
    inner = _Inner(rows=REFUNDS, outer=refunds.cancellation_id, mine=mine, order=refunds.id, most=INNER_MAX)
    rows = views(RefundView, _first_of_each(connection, inner))
    return _by_outer((row.cancellation_id, row) for row in sorted(rows, key=lambda row: row.id))


def orders_around(connection: Connection, scope: Scope, orders: Sequence[Pair]) -> dict[UUID, OrderSummary]:
    """Those of these orders that this party may see, by their ids."""
    mine = pair_of(t.orders.c.retailer_id, t.orders.c.id, _given(orders))
    rows = connection.execute(ORDERS.where(mine, order_scope(scope))).all()
    return {row.id: row for row in with_sums(connection, scope, rows)}


def lines_around(connection: Connection, scope: Scope, lines: Sequence[Pair]) -> dict[UUID, LineDetail]:
    """Those of these lines that this party may see, by their ids."""
    mine = pair_of(t.lines.c.retailer_id, t.lines.c.id, _given(lines))
    return {row.id: row for row in views(LineDetail, connection.execute(LINES.where(mine, line_scope(scope))))}


def cancellations_around(
    connection: Connection, scope: Scope, cancellations: Sequence[Pair]
) -> dict[UUID, CancellationView]:
    """Those of these cancellations that this party may see, by their ids."""
    mine = pair_of(t.cancellations.c.retailer_id, t.cancellations.c.id, _given(cancellations))
    rows = connection.execute(CANCELLATIONS.where(mine, may_see(scope)))
    return {row.id: row for row in views(CancellationView, rows)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inner:
    """What is shown inside: how its rows are read, the column that names the outer object, which of them, the order."""

    rows: Select[Any]
    outer: Column[Any]
    mine: Sequence[Any]
    order: Any
    most: int


def _first_of_each(connection: Connection, inner: _Inner) -> Sequence[Record]:
    """The first rows of each outer object, in any order."""
    table = inner.outer.table.c
    place = func.row_number().over(partition_by=inner.outer, order_by=inner.order).label("place")
    placed = select(table.retailer_id, table.id, place).where(*inner.mine).subquery("placed").c
    first = select(placed.retailer_id, placed.id).where(placed.place <= inner.most)
    chosen = first.limit(TOGETHER_MAX + 1).subquery("chosen")
    same = and_(chosen.c.retailer_id == table.retailer_id, chosen.c.id == table.id)
    rows = connection.execute(inner.rows.join(chosen, same)).all()
    if len(rows) > TOGETHER_MAX:
        raise TooMuchInsideError
    return rows


def _by_outer(pairs: Iterable[tuple[UUID, T]]) -> dict[UUID, list[T]]:
    found: dict[UUID, list[T]] = {}
    for outer, row in pairs:
        found.setdefault(outer, []).append(row)
    return found


def _given(pairs: Sequence[Pair]) -> Any:
    return bindparam("outer_pairs", sorted(set(pairs)), type_=PairList())
