"""Which orders a list shows, and about how many there are: by an index for each kind of caller and each filter.

A page is made of branches: what the caller sold, and what it holds for others. Each comes from an index in the order of
the list, so that no more is read than the page needs, unless a filter fits few. Nothing is counted to its end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    false,
    func,
    or_,
    select,
    true,
    union,
)

from countermand.domain.line_status import Allocation, LineStatus
from countermand.domain.parties import PartyKind
from countermand.domain.search import term_of_sku, term_of_word, words_of
from countermand.reads.lookup import Lookup, orders_found
from countermand.reads.scope import Scope, as_indexed, line_scope, order_scope, retailer_of
from countermand.reads.terms import exists_by_key, has_part, key_columns, keys_from, keys_with_terms
from countermand.store import tables as t
from countermand.store.columns import Record
from countermand.store.engines.protocol import engine_of
from countermand.store.tables import SHIPPED_ANYWHERE

COUNTED_MAX: Final = 5_000
"""At most so many orders are counted. For a longer list, the count is a lower bound."""

CHECKED_MAX: Final = 1_000
"""So many are looked at to count those that a filter fits, and to find a word before the index of words is asked."""

CHECKED_A_ROW: Final = 20
"""For a long page so many are looked at for each row of it."""

KEYED_PARTIES_MAX: Final = 10
"""Of so many parties the orders are found by the keys of each; with more, the list is gone through."""


Bucket = Literal["open", "asked", "cancelled", "shipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which orders to list; what is left out does not filter.

    An order matches ``allocation`` and ``statuses`` when one of its lines has one of them, ``line_statuses`` as the
    ``conjunction`` says: ``or`` is the same, ``and`` wants a line of each, ``only`` no line of another. ``None`` among
    them is a status that no line has. ``supplier``, ``sku`` and ``bucket`` are of one of its lines: who holds it, what
    it is, and where it has units.
    """

    placed_from: datetime | None = None
    placed_to: datetime | None = None
    placed_before: datetime | None = None
    retailer: UUID | None = None
    supplier: UUID | None = None
    sku: str | None = None
    bucket: Bucket | None = None
    reference: str | None = None
    term: str | None = None
    title_word: str | None = None
    parties: tuple[UUID, ...] = ()
    sent: bool | None = None
    allocation: tuple[Allocation | None, ...] = ()
    statuses: tuple[LineStatus | None, ...] = ()
    line_statuses: tuple[LineStatus | None, ...] = ()
    conjunction: str = "or"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The keys of the orders of a page, and how many there are in all, or at least."""

    keys: Sequence[Record]
    total: int


Keys = Select[*tuple[Any, ...]]
"""Keys of orders: retailer_id, order_id, placed_at."""


@dataclass(frozen=True, slots=True)
class Branch:
    """Keys of orders that come from one index, each order once, and the columns that they are made of."""

    keys: Keys
    retailer_id: Any
    order_id: Any
    placed_at: Any


def order_page(
    connection: Connection, scope: Scope, wanted: OrderFilter, *, start: int, count: int, newest_first: bool
) -> Page:
    """The orders from position ``start`` on, at most ``count``, by time of placing."""
    span = _Span(start=start, count=count, newest_first=newest_first)
    branches = list(_by_term(connection, scope, wanted) if wanted.term else _listed(scope, wanted))
    if not branches or (wanted.title_word and not words_of(wanted.title_word)):
        return Page(keys=(), total=0)
    if wanted.title_word:
        keys, counted = _by_word(connection, branches, scope, wanted, span)
    else:
        keys, counted = _keys(connection, branches, scope, wanted, span)
    return Page(keys=keys[:count], total=max(counted, start + len(keys) if keys else 0))


@dataclass(frozen=True, slots=True)
class PlaceInTime:
    """Where an order stands in a list by time of placing."""

    placed_at: datetime
    id: UUID


def keys_behind(
    connection: Connection, scope: Scope, wanted: OrderFilter, place: PlaceInTime | None, count: int
) -> Sequence[Record]:
    """The keys of at most ``count`` orders after that place, newest first, for a filter without search words.

    A list of any length is read so, page by page, without reading again what the pages before had.
    """
    wanted = replace(wanted, placed_to=place.placed_at) if place else wanted
    span = _Span(start=0, count=count, newest_first=True)
    found = _by_sku(connection, scope, wanted, wanted.sku) if wanted.sku is not None else _listed(scope, wanted)
    branches = [replace(each, keys=each.keys.where(*_behind(each, place))) for each in found]
    return connection.execute(_merged(branches, count, span, scope, wanted).limit(count)).all() if branches else ()


def keys_looked_up(
    connection: Connection, scope: Scope, wanted: OrderFilter, lookup: Lookup, place: PlaceInTime | None, count: int
) -> Sequence[Record]:
    """The same of the orders that a look-up finds.

    Raises:
        TooManyFoundError: as ``orders_found``.
    """

    def narrowed(keys: Keys) -> Keys:
        # Of a subquery, so that its own lines are not taken for those that are looked at.
        found = key_columns("looked_up")
        orders = _checked_orders.c
        mine = [] if wanted.retailer is None else [orders.retailer_id == wanted.retailer]
        # Looked at in each order that is found: no index by retailer or time is to lead to them.
        such = [_some_order(found, and_(true(), *mine, *_placed(orders.placed_at, wanted)))]
        fit = (*such, *_checks(scope, wanted, found))
        return keys_from(keys.subquery("looked_up")).where(*fit)

    behind = (place.placed_at, place.id) if place else None
    how = None if wanted == OrderFilter() else narrowed
    return orders_found(connection, scope, lookup, count, behind, narrowed=how)


def _behind(branch: Branch, place: PlaceInTime | None) -> list[ColumnElement[bool]]:
    return [] if place is None else [or_(branch.placed_at < place.placed_at, branch.order_id < place.id)]


def _by_sku(connection: Connection, scope: Scope, wanted: OrderFilter, sku: str) -> list[Branch]:
    found = _searched(connection, scope, wanted, [term_of_sku(sku)], begin=False)
    if wanted.retailer is None:
        return [found]
    return [replace(found, keys=found.keys.where(found.retailer_id == wanted.retailer))]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    start: int
    count: int
    newest_first: bool

    @property
    def most(self) -> int:
        """How many keys fill the page, and one more that shows whether more follow."""
        return self.start + self.count + 1

    def sorted(self, keys: Keys, columns: Any) -> Keys:
        """All of these keys in the order of the list."""
        order = (columns.placed_at, columns.order_id)
        return keys.order_by(*(each.desc() if self.newest_first else each for each in order))


def _keys(
    connection: Connection, branches: list[Branch], scope: Scope, wanted: OrderFilter, span: _Span
) -> tuple[Sequence[Record], int]:
    """One key more than the page has, and how many orders are counted."""
    counted = _count(connection, branches, scope, wanted, span)
    if not span.count:
        return (), counted
    found = _merged(branches, span.most, span, scope, wanted)
    return connection.execute(found.offset(span.start).limit(span.count + 1)).all(), counted


def _merged(branches: list[Branch], most: int, span: _Span, scope: Scope, wanted: OrderFilter | None) -> Keys:
    """The first keys of all branches in the order of the list, each once: those that fit, or all without a filter."""
    firsts = [
        span.sorted(each.keys.where(*(_checks(scope, wanted, each) if wanted else [])), each).limit(most)
        for each in branches
    ]
    if len(firsts) == 1:
        return firsts[0]
    keys = union(*(select(first.subquery(f"branch_{place}")) for place, first in enumerate(firsts))).subquery("keys")
    return span.sorted(select(keys), keys.c)


def _count(connection: Connection, branches: list[Branch], scope: Scope, wanted: OrderFilter, span: _Span) -> int:
    most = CHECKED_MAX if _has_checks(wanted) else COUNTED_MAX
    first = _merged(branches, most, span, scope, None).limit(most).subquery("first")
    query = select(func.count()).select_from(first).where(*_checks(scope, wanted, first.c))
    return connection.execute(query).scalar_one()


# Branches


_listed_parts = t.order_parts.alias("listed_parts").c


def _listed(scope: Scope, wanted: OrderFilter) -> Iterator[Branch]:
    """All that the party may list and that has the keys that are wanted."""
    if wanted.reference is not None:
        yield _by_reference(scope, wanted, wanted.reference)
    elif wanted.retailer or wanted.supplier:
        yield from _between(wanted.retailer, wanted.supplier, scope, wanted)
    elif lines := _index_of_lines(wanted):
        yield from _with_such_lines(lines, scope, wanted)
    elif 0 < len(wanted.parties) <= KEYED_PARTIES_MAX:
        for party in wanted.parties:
            yield from _shared_with(party, scope, wanted)
    elif scope.kind is PartyKind.PLATFORM:
        yield _sold(None, wanted)
    else:
        if scope.kind is PartyKind.RETAILER:
            yield _sold(scope.party, wanted)
        yield from _held(wanted, _listed_parts.fulfiller_id == scope.party)


_listed_lines = t.lines.alias("listed_lines").c


def _with_such_lines(indexed: str, scope: Scope, wanted: OrderFilter) -> Iterator[Branch]:
    if scope.kind is PartyKind.PLATFORM:
        yield _by_lines(_INDEXED_ANYWHERE[indexed], wanted)
        return
    if scope.kind is PartyKind.RETAILER:
        yield _by_lines(indexed, wanted, _listed_lines.retailer_id == scope.party)
    another = (
        as_indexed("listed_lines.with_fulfiller"),
        as_indexed("listed_lines.fulfiller_id <> listed_lines.retailer_id"),
    )
    yield _by_lines(indexed, wanted, _listed_lines.fulfiller_id == scope.party, *another)


def _by_lines(indexed: str, wanted: OrderFilter, *mine: Any) -> Branch:
    """Orders with a line that has an index of its own: the others are not gone through."""
    lines = _listed_lines
    keys = select(lines.retailer_id, lines.order_id, lines.placed_at).distinct()
    fits: tuple[Any, ...] = (as_indexed(f"listed_lines.{indexed}"), *mine, *_placed(lines.placed_at, wanted))
    return Branch(keys.where(*fits), lines.retailer_id, lines.order_id, lines.placed_at)


def _index_of_lines(wanted: OrderFilter) -> str | None:
    """The condition of an index of lines that all orders have which can be what is wanted."""
    if wanted.bucket in ("open", "asked"):
        return "unfinished"
    if wanted.bucket == "shipped":
        return "shipped > 0"
    for indexed, names in _INDEXED.items():
        if any(given and set(given) <= names for given in (wanted.statuses, wanted.line_statuses)):
            return indexed
    return None


def _shared_with(party: UUID, scope: Scope, wanted: OrderFilter) -> Iterator[Branch]:
    """Orders in which this party has a part, as the seller or the holder, of those that the caller may list."""
    parts, me = _listed_parts, scope.party
    if scope.kind is PartyKind.PLATFORM or (scope.kind is PartyKind.RETAILER and party == me):
        yield _sold(party, wanted)
    if scope.kind is PartyKind.PLATFORM:
        yield _parts(wanted, parts.fulfiller_id == party)
    elif party == me:
        yield from _held(wanted, parts.fulfiller_id == me)
    else:
        yield from _held(wanted, parts.retailer_id == party, parts.fulfiller_id == me)
        if scope.kind is PartyKind.RETAILER:
            yield _parts(wanted, parts.retailer_id == me, parts.fulfiller_id == party)


def _between(retailer: UUID | None, supplier: UUID | None, scope: Scope, wanted: OrderFilter) -> Iterator[Branch]:
    """Orders of this retailer with lines that this party holds, as far as the caller may list them."""
    parts, me = _listed_parts, scope.party
    sells = scope.kind is PartyKind.PLATFORM or (scope.kind is PartyKind.RETAILER and retailer in (None, me))
    seller = retailer or (me if sells and scope.kind is PartyKind.RETAILER else None)
    if sells and supplier is None:
        yield _sold(seller, wanted)
    elif sells:
        sold = [] if seller is None else [parts.retailer_id == seller]
        yield _parts(wanted, *sold, parts.fulfiller_id == supplier)
        if seller in (None, supplier):
            # What a retailer holds itself.
            yield _sold(supplier, wanted)
    if scope.kind is not PartyKind.PLATFORM and supplier in (None, me):
        of_retailer = [] if retailer is None else [parts.retailer_id == retailer]
        yield from _held(wanted, *of_retailer, parts.fulfiller_id == me)


def _sold(retailer: UUID | None, wanted: OrderFilter, *mine: Any) -> Branch:
    orders = t.orders.c
    conditions = [*mine, *_placed(orders.placed_at, wanted)]
    if retailer is not None:
        conditions.append(orders.retailer_id == retailer)
    if wanted.sent is False:
        # They are few, and have an index of their own.
        conditions.append(as_indexed("NOT orders.sent_to_fulfiller"))
    keys = select(orders.retailer_id, orders.id.label("order_id"), orders.placed_at).where(*conditions)
    return Branch(keys, orders.retailer_id, orders.id, orders.placed_at)


def _parts(wanted: OrderFilter, *mine: ColumnElement[bool]) -> Branch:
    """Orders of which another party than the retailer holds lines."""
    another = as_indexed("listed_parts.fulfiller_id <> listed_parts.retailer_id")
    keys = select(_listed_parts.retailer_id, _listed_parts.order_id, _listed_parts.placed_at)
    fits: list[Any] = [another, *mine, *_placed(_listed_parts.placed_at, wanted)]
    return Branch(keys.where(*fits), _listed_parts.retailer_id, _listed_parts.order_id, _listed_parts.placed_at)


def _held(wanted: OrderFilter, *mine: ColumnElement[bool]) -> list[Branch]:
    """Only orders that are not held, which the holders of their lines can see."""
    return [] if wanted.sent is False else [_parts(wanted, *mine, _listed_parts.held == true())]


def _by_reference(scope: Scope, wanted: OrderFilter, reference: str) -> Branch:
    return _sold(None, wanted, t.orders.c.reference == reference, order_scope(scope))


def _by_term(connection: Connection, scope: Scope, wanted: OrderFilter) -> Iterator[Branch]:
    """A term is the id of an order, its purchase order number or a SKU."""
    term = wanted.term or ""
    yield _by_reference(scope, wanted, term)
    try:
        order = UUID(term)
    except ValueError:
        pass
    else:
        of_id = (t.orders.c.retailer_id == retailer_of(order), t.orders.c.id == order)
        yield _sold(None, wanted, *of_id, order_scope(scope))
    yield _searched(connection, scope, wanted, [term_of_sku(term)], begin=False)


# Words


def _by_word(
    connection: Connection, branches: list[Branch], scope: Scope, wanted: OrderFilter, span: _Span
) -> tuple[Sequence[Record], int]:
    """Orders with lines whose titles have all these words, or words that begin so.

    A word that many titles have is found quickly among the first of the list. One that few have is found quickly by
    the index of words. Where the first way fills the page, the second is not gone.
    """
    terms = [term_of_word(word) for word in words_of(wanted.title_word or "")]
    most = max(CHECKED_MAX, CHECKED_A_ROW * span.most)
    # Where the first few have none, so many that they fill the page are hardly among the others.
    for checked in (most // 4, most):
        first = _merged(branches, checked, span, scope, None).limit(checked).subquery("first")
        fit = select(first).where(has_part(scope, terms, first.c), *_checks(scope, wanted, first.c))
        keys = connection.execute(span.sorted(fit, first.c).limit(None if checked == most else 1)).all()
        if not keys:
            break
    if len(keys) >= span.most:
        return keys[span.start : span.most], len(keys)
    return _all_found(connection, _searched(connection, scope, wanted, terms, begin=True), scope, wanted, span)


def _all_found(
    connection: Connection, found: Branch, scope: Scope, wanted: OrderFilter, span: _Span
) -> tuple[Sequence[Record], int]:
    """Of what was searched for all is there at once, so it is counted as well, and searched for only once."""
    fit = found.keys.where(*_checks(scope, wanted, found)).add_columns(func.count().over().label("counted"))
    keys = connection.execute(span.sorted(fit, found).offset(span.start).limit(span.count + 1)).all()
    return keys, keys[0].counted if keys else 0


def _searched(
    connection: Connection, scope: Scope, wanted: OrderFilter, terms: Sequence[str], *, begin: bool
) -> Branch:
    """Orders with a part that has these terms, or terms that ``begin`` so, by the full-text index of either engine."""
    engine = engine_of(connection)
    keys = keys_with_terms(engine, scope, terms, begin=begin).distinct()
    keys = keys.where(*_placed(keys.selected_columns.placed_at, wanted))
    # Found first, and sorted then: else a planner may go through all orders by time and look for the words in each.
    columns: Any = keys.cte("searched", nesting=True).prefix_with("MATERIALIZED").c
    return Branch(select(*columns), columns.retailer_id, columns.order_id, columns.placed_at)


# Filters


def _placed(placed_at: ColumnElement[Any], wanted: OrderFilter) -> list[ColumnElement[bool]]:
    conditions = []
    if wanted.placed_from:
        conditions.append(placed_at >= wanted.placed_from)
    if wanted.placed_to:
        conditions.append(placed_at <= wanted.placed_to)
    if wanted.placed_before:
        conditions.append(placed_at < wanted.placed_before)
    return conditions


def _has_checks(wanted: OrderFilter) -> bool:
    searched = wanted.term or wanted.title_word
    by_key = wanted.reference is None or not searched
    return (
        bool(wanted.parties or wanted.sent is not None or wanted.allocation or wanted.statuses or wanted.line_statuses)
        or not by_key
    )


def _checks(scope: Scope, wanted: OrderFilter, keys: Any) -> list[ColumnElement[bool]]:
    """What is looked up of each order that its key has led to."""
    mine = line_scope(scope)
    conditions = []
    if such := such_lines(wanted):
        conditions.append(_some_line(keys, mine, *such))
    if wanted.parties:
        theirs = or_(t.lines.c.retailer_id.in_(wanted.parties), t.lines.c.fulfiller_id.in_(wanted.parties))
        conditions.append(_some_line(keys, mine, theirs))
    if wanted.sent is not None:
        conditions.append(
            _some_order(keys, _checked_orders.c.sent_to_fulfiller == (true() if wanted.sent else false()))
        )
    if wanted.reference is not None and (wanted.term or wanted.title_word):
        conditions.append(_some_order(keys, _checked_orders.c.reference == wanted.reference))
    if wanted.allocation:
        conditions.append(_some_line(keys, mine, or_(*(ALLOCATION.get(each, false()) for each in wanted.allocation))))
    if wanted.statuses:
        conditions.append(_some_line(keys, mine, or_(*(STATUS.get(each, false()) for each in wanted.statuses))))
    if wanted.line_statuses:
        conditions.append(_by_conjunction(keys, mine, wanted))
    return conditions


def such_lines(wanted: OrderFilter) -> list[ColumnElement[bool]]:
    """What is wanted of one and the same line."""
    lines = t.lines.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.supplier is not None:
        conditions.append(lines.fulfiller_id == wanted.supplier)
    if wanted.sku is not None:
        conditions.append(lines.sku == wanted.sku)
    if wanted.bucket is not None:
        conditions.append(lines[wanted.bucket] > 0)
    return conditions


def _by_conjunction(keys: Any, mine: ColumnElement[bool], wanted: OrderFilter) -> ColumnElement[bool]:
    each = [STATUS.get(status, false()) for status in wanted.line_statuses]
    match wanted.conjunction:
        case "and":
            return and_(*(_some_line(keys, mine, condition) for condition in each))
        case "only":
            return and_(_some_line(keys, mine), ~_some_line(keys, mine, ~or_(*each)))
        case _:
            return _some_line(keys, mine, or_(*each))


def _some_line(keys: Any, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    lines = t.lines.c
    return exists_by_key(t.lines, lines.retailer_id == keys.retailer_id, lines.order_id == keys.order_id, *conditions)


_checked_orders: Final = t.orders.alias("checked_orders")


def _some_order(keys: Any, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    orders = _checked_orders.c
    return exists_by_key(_checked_orders, orders.retailer_id == keys.retailer_id, orders.id == keys.order_id, condition)


_lines = t.lines.c
_REJECTED = and_(_lines.cancelled == _lines.ordered, _lines.rejected >= _lines.cancelled)
_CANCELLED = and_(_lines.cancelled == _lines.ordered, _lines.rejected < _lines.cancelled)
_LIVE = _lines.cancelled < _lines.ordered
_WAITS = and_(_LIVE, _lines.shipped == 0)

ALLOCATION: Final[dict[Allocation | None, ColumnElement[bool]]] = {
    Allocation.NOTHING: _lines.allocated == false(),
    Allocation.PART: and_(_lines.allocated == true(), _lines.accepted > 0, _lines.accepted < _lines.ordered),
    Allocation.ALL: and_(_lines.allocated == true(), or_(_lines.accepted == 0, _lines.accepted >= _lines.ordered)),
}

STATUS: Final[dict[LineStatus | None, ColumnElement[bool]]] = {
    LineStatus.SHIPPED: _lines.shipped > 0,
    LineStatus.REJECTED: and_(_lines.shipped == 0, _REJECTED),
    LineStatus.CANCELLED: and_(_lines.shipped == 0, _CANCELLED),
    LineStatus.BACKORDERED: and_(_WAITS, _lines.backordered > 0),
    LineStatus.ALLOCATED: and_(_WAITS, _lines.backordered == 0, _lines.allocated == true()),
    LineStatus.UNALLOCATED: and_(_WAITS, _lines.allocated == false()),
}

_INDEXED: Final = {
    "unfinished": frozenset({LineStatus.BACKORDERED, LineStatus.ALLOCATED, LineStatus.UNALLOCATED}),
    "shipped > 0": frozenset({LineStatus.SHIPPED}),
}
"""Statuses of lines with units that are neither shipped nor cancelled, and of those with units that are shipped."""

_INDEXED_ANYWHERE: Final = {"unfinished": "unfinished", "shipped > 0": SHIPPED_ANYWHERE}
