"""Quotes, refunds and the money of orders, for those who may see what the customer paid."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Connection, Select, bindparam, func, select, true

from countermand.domain.money.account import OrderAccount
from countermand.domain.money.pricing import OrderMoney, PricedLine, Returned, quote
from countermand.domain.money.refunds import RefundKind
from countermand.domain.parties import PartyKind
from countermand.domain.refusals import NO_MONEY, UNKNOWN_LINE, UNKNOWN_ORDER, Refusal, RefusalKind
from countermand.ids import earliest
from countermand.reads.cancellations import PAGE_MAX, CancellationRow, waiting_units
from countermand.reads.lookup import Lookup, all_orders_found
from countermand.reads.scope import ANYBODY, Scope, is_cancellation, retailer_of, whoever
from countermand.store import tables as t
from countermand.store.columns import IdList, PairList, Record, one_of, pair_of
from countermand.store.money import account_of, given_back_of, money_of_terms
from countermand.store.views import RefundRow, view, view_or_none


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """What would go back for some units of one order. ``money`` has no payments where none is known."""

    order: UUID
    units: Mapping[UUID, int]
    money: OrderMoney
    back: Returned


def quote_order(connection: Connection, scope: Scope, order: UUID) -> Quoted | Refusal:
    """What would go back if all were cancelled that can still be."""
    home = select(t.id_directory.c.retailer_id).where(t.id_directory.c.id == order, _may_see_home(scope))
    lines = select(t.lines.c.id, t.lines.c.open + t.lines.c.asked).where(
        t.lines.c.retailer_id == home.scalar_subquery(), t.lines.c.order_id == order
    )
    left = {row[0]: row[1] for row in connection.execute(lines)}
    if not left:
        return UNKNOWN_ORDER
    wanted: dict[UUID, int | None] = {line: units for line, units in left.items() if units}
    if not wanted:
        detail = "Nothing of this order can be cancelled any more."
        return Refusal(kind=RefusalKind.ALREADY_CANCELLED, detail=detail)
    return quote_units(connection, scope, wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedUnits:
    """Units of lines of one order, ``None`` for all that can still be cancelled, of which a party asks for a quote.

    The quote is as before these cancellations were ``accepted``: what they cancelled is not counted, nor what goes back
    for them.
    """

    scope: Scope
    units: Mapping[UUID, int | None]
    accepted: Sequence[UUID] = ()


OrderKey = tuple[UUID, UUID]
"""An order with its retailer, who stands first."""


def quotes_asked(
    connection: Connection, asks: Sequence[QuotedUnits], known: Mapping[UUID, OrderKey]
) -> list[Quoted | None]:
    """What each of these asks gives back, if it is known. The orders of lines that are ``known`` are not looked up."""
    quoted = iter(_quotes(connection, [each for each in asks if each.units], known))
    found = [next(quoted) if each.units else None for each in asks]
    return [None if isinstance(each, Refusal) else each for each in found]


def quote_units(connection: Connection, scope: Scope, wanted: Mapping[UUID, int | None]) -> Quoted | Refusal:
    """What would go back if so many more units of these lines of one order were cancelled; ``None`` means all.

    A supplier does not see what the customer paid, so it is shown no such line.
    """
    [quoted] = _quotes(connection, [QuotedUnits(scope=scope, units=wanted)], {})
    return quoted


def _quotes(
    connection: Connection, asks: Sequence[QuotedUnits], known: Mapping[UUID, OrderKey]
) -> list[Quoted | Refusal]:
    """The quote for each, in a number of statements that does not grow with them."""
    unknown = [each for each in asks if not each.units.keys() <= known.keys()]
    found = {**known, **_orders_of(connection, unknown)}
    orders = {line: found[line] for each in asks for line in each.units if line in found}
    lines = _lines_of_orders(connection, sorted(set(orders.values())))
    before = _before(connection, [(orders.get(next(iter(each.units))), each.accepted) for each in asks])
    quoted: list[Quoted | Refusal] = []
    for each in asks:
        mine = [orders[line] for line in each.units if line in orders and _may_see(each.scope, orders[line][0])]
        of_one_order = len(mine) == len(each.units) and len(set(mine)) == 1
        quoted.append(_quote(lines[mine[0]], each, before) if of_one_order else UNKNOWN_LINE)
    return quoted


def _quote(lines: Mapping[UUID, Record], asked: QuotedUnits, before: "_Before") -> Quoted | Refusal:
    money, moved = _money_of(lines)
    cancelled, moved = before.of(lines, moved, asked.accepted)
    left_of = {line: row.ordered - row.shipped - cancelled[line] for line, row in lines.items()}
    units = {line: left_of[line] if n is None else n for line, n in asked.units.items()}
    for line, n in units.items():
        if n < 1 or n > left_of[line]:
            left = left_of[line]
            detail = f"{left} {'unit' if left == 1 else 'units'} of this order item can still be cancelled, not {n}."
            return Refusal(kind=RefusalKind.TOO_MANY_UNITS if n > 0 else RefusalKind.UNITS_INVALID, detail=detail)
    if money is None:
        return Refusal(kind=RefusalKind.NO_PRICE, detail="This order came without prices.")
    order = next(iter(lines.values())).order_id
    return Quoted(order=order, units=units, money=money, back=quote(money, cancelled, units, moved))


@dataclass(frozen=True, slots=True)
class _Before:
    """What some cancellations cancelled, and what was owed for them."""

    asks: Mapping[UUID, Record]
    refunds: Mapping[UUID, Sequence[Record]]

    def of(
        self, lines: Mapping[UUID, Record], moved: Mapping[str, tuple[int, int]], accepted: Sequence[UUID]
    ) -> tuple[dict[UUID, int], dict[str, tuple[int, int]]]:
        """How many units of each line were cancelled, and what had gone back, before these were accepted."""
        cancelled, moved = {line: row.cancelled for line, row in lines.items()}, dict(moved)
        for each in accepted:
            cancelled[self.asks[each].line_id] -= self.asks[each].accepted_units
            for owed in self.refunds.get(each, ()):
                refunded, released = moved.get(owed.payment_id, (0, 0))
                is_refund = owed.kind == RefundKind.REFUND.value
                minor = owed.amount_minor
                moved[owed.payment_id] = (refunded - minor, released) if is_refund else (refunded, released - minor)
        return cancelled, moved


def _before(connection: Connection, accepted: Sequence[tuple[OrderKey | None, Sequence[UUID]]]) -> _Before:
    pairs = sorted((order[0], each) for order, mine in accepted if order for each in mine)
    if not pairs:
        return _Before({}, {})
    refunds: dict[UUID, list[Record]] = defaultdict(list)
    for owed in connection.execute(_OWED_FOR, {"cancellations": pairs}):
        refunds[owed.cancellation_id].append(owed)
    return _Before({row.id: row for row in connection.execute(_ACCEPTED, {"cancellations": pairs})}, refunds)


def _of_cancellations(retailer: Column[UUID], cancellation: Column[UUID]) -> ColumnElement[bool]:
    return pair_of(retailer, cancellation, bindparam("cancellations", type_=PairList()))


_ACCEPTED: Final = select(t.cancellations.c.id, t.cancellations.c.line_id, t.cancellations.c.accepted_units).where(
    _of_cancellations(t.cancellations.c.retailer_id, t.cancellations.c.id)
)


_OWED_FOR: Final = select(
    t.refunds.c.cancellation_id, t.refunds.c.payment_id, t.refunds.c.kind, t.refunds.c.amount_minor
).where(_of_cancellations(t.refunds.c.retailer_id, t.refunds.c.cancellation_id))


def _orders_of(connection: Connection, asks: Sequence[QuotedUnits]) -> dict[UUID, OrderKey]:
    """The orders of the lines."""
    if not asks:
        return {}
    homes = _homes(connection, asks)
    rows = connection.execute(_KNOWN, {"lines": sorted(((home, line) for line, home in homes.items()))})
    return {row.id: (row.retailer_id, row.order_id) for row in rows}


def _homes(connection: Connection, asks: Sequence[QuotedUnits]) -> dict[UUID, UUID]:
    """The retailers of the lines: what one party asks about is part of its condition, as in ``_may_see_home``."""
    scopes = {each.scope for each in asks}
    scope = scopes.pop() if len(scopes) == 1 else ANYBODY
    given = {"ids": sorted({line for each in asks for line in each.units}), "party": scope.party}
    return {row.id: row.retailer_id for row in connection.execute(_homes_of(scope.kind), given)}


@cache
def _homes_of(kind: PartyKind) -> Select[*tuple[Any, ...]]:
    directory = t.id_directory.c
    wanted = one_of(directory.id, bindparam("ids", type_=IdList()))
    return select(directory.retailer_id, directory.id).where(wanted, _may_see_home(whoever(kind)))


_KNOWN: Final = select(t.lines.c.retailer_id, t.lines.c.order_id, t.lines.c.id).where(
    pair_of(t.lines.c.retailer_id, t.lines.c.id, bindparam("lines", type_=PairList()))
)


def _may_see_home(scope: Scope) -> ColumnElement[bool]:
    """As a condition of the query, so that an id of another party costs as much as an unknown id."""
    return true() if scope.kind is PartyKind.PLATFORM else t.id_directory.c.retailer_id == scope.party


def _may_see(scope: Scope, retailer: UUID) -> bool:
    return scope.kind is PartyKind.PLATFORM or scope.party == retailer


def _lines_of_orders(connection: Connection, orders: Sequence[OrderKey]) -> dict[OrderKey, dict[UUID, Record]]:
    """The lines of these orders, in one statement."""
    if not orders:
        return {}
    found: dict[OrderKey, dict[UUID, Record]] = {}
    for row in connection.execute(_LINES_OF_ORDERS, {"orders": list(orders)}):
        found.setdefault((row.retailer_id, row.order_id), {})[row.id] = row
    return found


_LINES: Final = (
    select(
        *(t.lines.c[each] for each in ("retailer_id", "order_id", "id", "unit_price_minor")),
        *(t.lines.c[each] for each in ("ordered", "shipped", "cancelled")),
        t.orders.c.currency,
        t.order_money.c.terms,
        t.order_money.c.given_back,
    )
    .join(t.orders, t.named_by(t.lines.c.order_id, t.orders))
    .outerjoin(t.order_money, t.named_by(t.lines.c.order_id, t.order_money))
)


_LINES_OF_ORDERS: Final = _LINES.where(
    pair_of(t.lines.c.retailer_id, t.lines.c.order_id, bindparam("orders", type_=PairList()))
).order_by(t.lines.c.position)


def _money_of(lines: Mapping[UUID, Record]) -> tuple[OrderMoney | None, dict[str, tuple[int, int]]]:
    """The money of an order, and what went back. Without payments, an order is worth what its lines cost."""
    row = next(iter(lines.values()))
    if row.terms is not None:
        return money_of_terms(row.terms), given_back_of(row.given_back)
    if any(each.unit_price_minor is None for each in lines.values()):
        return None, {}
    priced = tuple(
        PricedLine(id=line, units=each.ordered, unit_price_minor=each.unit_price_minor) for line, each in lines.items()
    )
    return OrderMoney(currency=row.currency, lines=priced), {}


def account_by_order(connection: Connection, scope: Scope, order: UUID) -> OrderAccount | Refusal:
    """The money of an order. A supplier is shown no such order."""
    orders, money = t.orders.c, t.order_money.c
    query = select(orders.retailer_id, orders.id, money.terms, money.cancelled, money.given_back)
    query = query.outerjoin(t.order_money, t.named_by(orders.id, t.order_money))
    row = connection.execute(query.where(orders.retailer_id == retailer_of(order), orders.id == order)).first()
    if row is None or not _may_see(scope, row.retailer_id):
        return UNKNOWN_ORDER
    if row.terms is None:
        return NO_MONEY
    return account_of(dict(row._mapping))


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundView(RefundRow):
    """A refund with the line and the order that it is about."""

    sku: str
    order_reference: str
    retailer_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What a cancellation gives back: what it would if all that waits were accepted, or what is ``owed`` for it."""

    minor: int
    currency: str
    owed: bool


def worth_of(connection: Connection, scope: Scope, rows: Sequence[CancellationRow]) -> dict[UUID, Worth]:
    """What these cancellations give back, by their ids: those of a page.

    Those whose money this party may not see are left out, and those of orders without prices.
    """
    mine = [row for row in rows if _may_see(scope, row.retailer_id)]
    return _owed(connection, mine) | _would_go_back(connection, mine)


def _owed(connection: Connection, rows: Sequence[CancellationRow]) -> dict[UUID, Worth]:
    pairs = [(row.retailer_id, row.id) for row in rows if row.accepted_units]
    if not pairs:
        return {}
    refunds, among = t.refunds.c, bindparam("cancellations", pairs, type_=PairList())
    sums = (
        select(refunds.cancellation_id, refunds.currency, func.sum(refunds.amount_minor).label("minor"))
        .where(pair_of(refunds.retailer_id, refunds.cancellation_id, among))
        .group_by(refunds.cancellation_id, refunds.currency)
    )
    return {
        row.cancellation_id: Worth(minor=int(row.minor), currency=row.currency, owed=True)
        for row in connection.execute(sums)
    }


def _would_go_back(connection: Connection, rows: Sequence[CancellationRow]) -> dict[UUID, Worth]:
    waiting: dict[tuple[UUID, UUID], list[CancellationRow]] = {}
    for row in rows:
        if waiting_units(row):
            waiting.setdefault((row.retailer_id, row.order_id), []).append(row)
    found = {}
    for order, lines in _lines_of_orders(connection, sorted(waiting)).items():
        of_order = waiting[order]
        money, moved = _money_of(lines)
        if money is None:
            continue
        cancelled = {line: each.cancelled for line, each in lines.items()}
        for row in of_order:
            back = quote(money, cancelled, {row.line_id: waiting_units(row)}, moved)
            minor = back.refund_minor + back.release_minor
            if minor:
                found[row.id] = Worth(minor=minor, currency=money.currency, owed=False)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFilter:
    """Which refunds to list; what is left out does not filter. ``after`` is the id of the last one before.

    ``newest`` lists them from the newest on; nothing stands ``after`` another then.
    """

    state: str | None = None
    states: tuple[str, ...] = ()
    provider: str | None = None
    line: UUID | None = None
    order: UUID | None = None
    cancellation: UUID | None = None
    retailer: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    orders: tuple[tuple[UUID, UUID], ...] | None = None
    lookup: Lookup | None = None
    newest: bool = False
    after: UUID | None = None
    limit: int = PAGE_MAX


def list_refunds(connection: Connection, scope: Scope, wanted: RefundFilter) -> list[RefundView]:
    """Refunds that this party may see, oldest first unless the newest are wanted."""
    if wanted.lookup and wanted.lookup.is_given:
        wanted = replace(wanted, orders=all_orders_found(connection, scope, wanted.lookup))
    refunds = t.refunds.c
    conditions = [
        refunds[name] == value
        for name, value in (("state", wanted.state), ("provider", wanted.provider), ("line_id", wanted.line))
        if value is not None
    ]
    if wanted.line is not None:
        # The order leads to its refunds, of which there are few.
        home = retailer_of(wanted.line)
        order = select(t.lines.c.order_id).where(t.lines.c.retailer_id == home, t.lines.c.id == wanted.line)
        conditions += [refunds.retailer_id == home, refunds.order_id == order.scalar_subquery()]
    if wanted.order is not None:
        conditions += [refunds.retailer_id == retailer_of(wanted.order), refunds.order_id == wanted.order]
    if wanted.cancellation is not None:
        home = select(t.cancellations.c.retailer_id).where(is_cancellation(wanted.cancellation)).scalar_subquery()
        conditions += [refunds.retailer_id == home, refunds.cancellation_id == wanted.cancellation]
    if wanted.retailer is not None:
        conditions.append(refunds.retailer_id == wanted.retailer)
    if wanted.states:
        conditions.append(refunds.state.in_(wanted.states))
    if wanted.since is not None:
        conditions.append(refunds.id >= earliest(wanted.since))
    if wanted.until is not None:
        conditions.append(refunds.id < earliest(wanted.until))
    if wanted.orders is not None:
        orders = bindparam("orders", list(wanted.orders), type_=PairList())
        conditions.append(pair_of(refunds.retailer_id, refunds.order_id, orders))
    if wanted.after is not None:
        conditions.append(refunds.id > wanted.after)
    place = refunds.id.desc() if wanted.newest else refunds.id.asc()
    query = REFUNDS.where(*conditions, *sees_refunds_of(scope)).order_by(place).limit(wanted.limit)
    return [view(RefundView, row) for row in connection.execute(query)]


def refund_by_id(connection: Connection, scope: Scope, refund: UUID) -> RefundView | None:
    """One refund; ``None`` if there is none that this party may see."""
    found = connection.execute(REFUNDS.where(t.refunds.c.id == refund, *sees_refunds_of(scope))).first()
    return view_or_none(RefundView, found)


REFUNDS: Final = select(
    t.refunds,
    t.looked_up(t.lines.c.sku, t.refunds.c.line_id),
    t.looked_up(t.orders.c.reference, t.refunds.c.order_id).label("order_reference"),
    t.parties.c.name.label("retailer_name"),
).join(t.parties, t.parties.c.id == t.refunds.c.retailer_id)


def sees_refunds_of(scope: Scope) -> list[ColumnElement[bool]]:
    """Which refunds the party may see: a retailer those of its orders."""
    return [] if scope.kind is PartyKind.PLATFORM else [t.refunds.c.retailer_id == scope.party]
