"""Which orders a list shows, and about how many there are: by an index for each kind of caller and each filter.

A page is made of branches: what the caller sold, and what it holds for others. Each comes from an index in the order of
the list, so that no more is read than the page needs, unless a filter fits few. Nothing is counted to its end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    text,
    true,
    union,
)

from countermand.domain.commands import PartyKind
from countermand.domain.search import term_of_holder, term_of_retailer, term_of_sku, term_of_word, words_of
from countermand.reads.scope import Scope, as_indexed, line_scope, order_scope, retailer_of
from countermand.store import tables as t
from countermand.store.columns import Record

COUNTED_MAX: Final = 10_000
"""So many orders are counted. Of a longer list only the least number that it has is told."""

CHECKED_MAX: Final = 2_000
"""So many are looked at to count those that a filter fits, and to find a word before the index of words is asked."""

KEYED_PARTIES_MAX: Final = 10
"""Of so many parties the orders are found by the keys of each; with more, the list is gone through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which orders to list; what is left out does not filter.

    ``allocation`` and ``designation`` are CRUX's names for where lines stand (spec/crux.md 7); an order matches when
    one of its lines does. ``statuses`` with ``conjunction`` is the seed revision's form of it (spec/crux.md 6.2).
    """

    placed_from: datetime | None = None
    placed_to: datetime | None = None
    reference: str | None = None
    term: str | None = None
    title_word: str | None = None
    parties: tuple[UUID, ...] = ()
    sent: bool | None = None
    allocation: tuple[str, ...] = ()
    designation: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    conjunction: str = "or"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The keys of the orders of a page, and how many there are in all, or at least."""

    keys: Sequence[Record]
    total: int


def order_page(
    connection: Connection, scope: Scope, wanted: OrderFilter, *, start: int, count: int, newest_first: bool
) -> Page:
    """The orders from position ``start`` on, at most ``count``, by time of placing."""
    span = _Span(start=start, count=count, newest_first=newest_first)
    if wanted.title_word and not words_of(wanted.title_word):
        return Page(keys=(), total=0)
    if not (wanted.title_word or wanted.term):
        keys, counted = _keys(connection, _listed(scope, wanted), _checks(scope, wanted), span)
    elif wanted.title_word:
        keys, counted = _by_word(connection, scope, wanted, span)
    else:
        keys, counted = _keys(connection, list(_by_term(connection, scope, wanted)), _checks(scope, wanted), span)
    return Page(keys=keys[:count], total=max(counted, start + len(keys) if keys else 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    start: int
    count: int
    newest_first: bool

    def sort(self, *columns: Any) -> list[Any]:
        return [each.desc() if self.newest_first else each for each in columns]


Branch = Select[*tuple[Any, ...]]
"""Keys of orders: retailer_id, order_id, placed_at. ``orders`` is among its tables."""


def _keys(
    connection: Connection, branches: list[Branch], checks: list[ColumnElement[bool]], span: _Span
) -> tuple[Sequence[Record], int]:
    """One key more than the page has, and how many orders are counted."""
    counted = _count(connection, branches, checks, span)
    if not span.count:
        return (), counted
    most = span.start + span.count + 1
    found = _merged([branch.where(*checks) for branch in branches], most, span)
    return connection.execute(found.offset(span.start).limit(span.count + 1)).all(), counted


def _merged(branches: list[Branch], most: int, span: _Span) -> Select[*tuple[Any, ...]]:
    """The first keys of all branches in the order of the list, each once."""
    firsts = [
        branch.order_by(*span.sort(*_sort_columns(branch))).limit(most).subquery(f"branch_{place}")
        for place, branch in enumerate(branches)
    ]
    if len(firsts) == 1:
        [only] = firsts
        return select(only).order_by(*span.sort(only.c.placed_at, only.c.order_id))
    together = union(*(select(first) for first in firsts)).subquery("keys")
    return select(together).order_by(*span.sort(together.c.placed_at, together.c.order_id))


def _sort_columns(branch: Branch) -> tuple[Any, Any]:
    _, order, placed_at = branch.selected_columns
    return getattr(placed_at, "element", placed_at), getattr(order, "element", order)


def _count(connection: Connection, branches: list[Branch], checks: list[ColumnElement[bool]], span: _Span) -> int:
    most = CHECKED_MAX if checks else COUNTED_MAX
    first = _merged(branches, most, span).limit(most).subquery("counted")
    query = select(func.count()).select_from(first)
    if checks:
        of_order = and_(t.orders.c.retailer_id == first.c.retailer_id, t.orders.c.id == first.c.order_id)
        query = query.join(t.orders, of_order).where(*checks)
    return connection.execute(query).scalar_one()


# Branches


def _listed(scope: Scope, wanted: OrderFilter) -> list[Branch]:
    """All that the party may list and that has the keys that are wanted."""
    if wanted.reference is not None:
        return [_by_reference(scope, wanted)]
    if _are_waiting(wanted):
        return list(_unfinished_of(scope, wanted))
    if 0 < len(wanted.parties) <= KEYED_PARTIES_MAX:
        return [branch for party in wanted.parties for branch in _shared_with(party, scope, wanted)]
    if scope.kind is PartyKind.PLATFORM:
        return [_sold(None, wanted)]
    own = [_sold(scope.party, wanted)] if scope.kind is PartyKind.RETAILER else []
    return [*own, _parts(wanted, t.order_parts.c.fulfiller_id == scope.party, t.order_parts.c.held == true())]


def _unfinished_of(scope: Scope, wanted: OrderFilter) -> Iterator[Branch]:
    if scope.kind is PartyKind.PLATFORM:
        yield _waiting(wanted)
        return
    if scope.kind is PartyKind.RETAILER:
        yield _waiting(wanted, _unfinished.c.retailer_id == scope.party)
    yield _waiting(wanted, _unfinished.c.fulfiller_id == scope.party, *_HELD_BY_ANOTHER)


def _shared_with(party: UUID, scope: Scope, wanted: OrderFilter) -> Iterator[Branch]:
    """Orders in which this party has a part, as the seller or the holder, of those that the caller may list."""
    parts, me = t.order_parts.c, scope.party
    if scope.kind is PartyKind.PLATFORM or (scope.kind is PartyKind.RETAILER and party == me):
        yield _sold(party, wanted)
    if scope.kind is PartyKind.PLATFORM:
        yield _parts(wanted, parts.fulfiller_id == party)
    elif party == me:
        yield _parts(wanted, parts.fulfiller_id == me, parts.held == true())
    else:
        yield _parts(wanted, parts.retailer_id == party, parts.fulfiller_id == me, parts.held == true())
        if scope.kind is PartyKind.RETAILER:
            yield _parts(wanted, parts.retailer_id == me, parts.fulfiller_id == party)


def _sold(retailer: UUID | None, wanted: OrderFilter) -> Branch:
    orders = t.orders.c
    keys = select(orders.retailer_id, orders.id.label("order_id"), orders.placed_at)
    mine = [] if retailer is None else [orders.retailer_id == retailer]
    return keys.where(*mine, *_placed(orders.placed_at, wanted), *_sent(wanted))


def _parts(wanted: OrderFilter, *mine: ColumnElement[bool]) -> Branch:
    """Orders of which another party than the retailer holds lines."""
    parts = t.order_parts.c
    return (
        select(parts.retailer_id, parts.order_id, parts.placed_at)
        .join(t.orders, t.named_by(parts.order_id, t.orders))
        .where(
            as_indexed("order_parts.fulfiller_id <> order_parts.retailer_id"),
            *mine,
            *_placed(parts.placed_at, wanted),
            *_sent(wanted),
        )
    )


_unfinished = t.lines.alias("unfinished_lines")
_HELD_BY_ANOTHER: Final = (
    as_indexed("unfinished_lines.with_fulfiller"),
    as_indexed("unfinished_lines.fulfiller_id <> unfinished_lines.retailer_id"),
)


def _waiting(wanted: OrderFilter, *mine: Any) -> Branch:
    """Orders with a line that is not finished yet: the others, which are most in time, are not gone through."""
    lines = _unfinished.c
    return (
        select(lines.retailer_id, lines.order_id, lines.placed_at)
        .join(t.orders, and_(t.orders.c.retailer_id == lines.retailer_id, t.orders.c.id == lines.order_id))
        .where(as_indexed("unfinished_lines.unfinished"), *mine, *_placed(lines.placed_at, wanted), *_sent(wanted))
        .distinct()
    )


def _by_reference(scope: Scope, wanted: OrderFilter) -> Branch:
    return _sold(None, wanted).where(t.orders.c.reference == wanted.reference, order_scope(scope))


def _by_term(connection: Connection, scope: Scope, wanted: OrderFilter) -> Iterator[Branch]:
    """A term is the id of an order, its purchase order number or a SKU."""
    term = wanted.term or ""
    yield _by_reference(scope, replace(wanted, reference=term))
    try:
        order = UUID(term)
    except ValueError:
        pass
    else:
        mine = (t.orders.c.retailer_id == retailer_of(order), t.orders.c.id == order, order_scope(scope))
        yield _sold(None, wanted).where(*mine)
    yield _searched(connection, scope, wanted, [term_of_sku(term)], begin=False)


def _by_word(connection: Connection, scope: Scope, wanted: OrderFilter, span: _Span) -> tuple[Sequence[Record], int]:
    """Orders with a line whose title has all these words, or words that begin so.

    A word that many titles have is found quickly among the first of the list. One that few have is found quickly by
    the index of words. Where the first way fills the page, the second is not gone.
    """
    terms = [term_of_word(word) for word in words_of(wanted.title_word or "")]
    checks = _checks(scope, wanted)
    first = _merged(_listed(scope, wanted), CHECKED_MAX, span).limit(CHECKED_MAX).subquery("first")
    near = (
        select(first)
        .join(t.orders, and_(t.orders.c.retailer_id == first.c.retailer_id, t.orders.c.id == first.c.order_id))
        .where(_has_part(scope, terms), *checks)
        .order_by(*span.sort(first.c.placed_at, first.c.order_id))
    )
    keys = connection.execute(near.limit(CHECKED_MAX)).all()
    if len(keys) > span.start + span.count:
        return keys[span.start : span.start + span.count + 1], len(keys)
    return _keys(connection, [_searched(connection, scope, wanted, terms, begin=True)], checks, span)


def _has_part(scope: Scope, terms: Sequence[str]) -> ColumnElement[bool]:
    parts = t.order_parts.c
    padded = literal(" ") + parts.terms
    return exists().where(
        parts.retailer_id == t.orders.c.retailer_id,
        parts.order_id == t.orders.c.id,
        _part_scope(scope),
        *(padded.contains(f" {term}") for term in terms),
    )


def _part_scope(scope: Scope) -> ColumnElement[bool]:
    parts = t.order_parts.c
    held = and_(parts.fulfiller_id == scope.party, parts.held == true())
    match scope.kind:
        case PartyKind.PLATFORM:
            return true()
        case PartyKind.RETAILER:
            return or_(parts.retailer_id == scope.party, held)
        case PartyKind.SUPPLIER:
            return held


def _searched(
    connection: Connection, scope: Scope, wanted: OrderFilter, terms: Sequence[str], *, begin: bool
) -> Branch:
    """Orders with a part that has these terms, or terms that ``begin`` so, by the full-text index of either engine."""
    orders = t.orders.c
    keys = select(orders.retailer_id, orders.id.label("order_id"), orders.placed_at).distinct()
    where = [*_placed(orders.placed_at, wanted), *_sent(wanted)]
    if wanted.reference is not None:
        where.append(orders.reference == wanted.reference)
    if connection.dialect.name == "postgresql":
        query = " & ".join([*_whose(scope, " | "), *(f"{term}:*" if begin else term for term in terms)])
        found = text("array_to_tsvector(string_to_array(order_parts.terms, ' ')) @@ CAST(:terms AS tsquery)")
        source = t.order_parts
    else:
        query = " AND ".join([*_whose(scope, " OR "), *(f"{term}*" if begin else term for term in terms)])
        found = text("order_search MATCH :terms")
        source = t.order_search
    of_order = and_(orders.retailer_id == source.c.retailer_id, orders.id == source.c.order_id)
    return keys.select_from(source.join(t.orders, of_order)).where(found.bindparams(bindparam("terms", query)), *where)


def _whose(scope: Scope, either: str) -> list[str]:
    match scope.kind:
        case PartyKind.PLATFORM:
            return []
        case PartyKind.RETAILER:
            return [f"({term_of_retailer(scope.party)}{either}{term_of_holder(scope.party)})"]
        case PartyKind.SUPPLIER:
            return [term_of_holder(scope.party)]


# Filters


def _placed(placed_at: ColumnElement[Any], wanted: OrderFilter) -> list[ColumnElement[bool]]:
    conditions = []
    if wanted.placed_from:
        conditions.append(placed_at >= wanted.placed_from)
    if wanted.placed_to:
        conditions.append(placed_at <= wanted.placed_to)
    return conditions


def _sent(wanted: OrderFilter) -> list[Any]:
    if wanted.sent is None:
        return []
    return [as_indexed("orders.sent_to_fulfiller" if wanted.sent else "NOT orders.sent_to_fulfiller")]


def _checks(scope: Scope, wanted: OrderFilter) -> list[ColumnElement[bool]]:
    """What is looked up of each order that its key has led to."""
    mine = line_scope(scope)
    conditions = []
    if wanted.parties:
        theirs = or_(t.lines.c.retailer_id.in_(wanted.parties), t.lines.c.fulfiller_id.in_(wanted.parties))
        conditions.append(some_line(mine, theirs))
    if wanted.allocation:
        conditions.append(some_line(mine, or_(*(_ALLOCATION.get(each, false()) for each in wanted.allocation))))
    if wanted.designation:
        conditions.append(some_line(mine, or_(*(_DESIGNATION.get(each, false()) for each in wanted.designation))))
    if wanted.statuses:
        conditions.append(_by_conjunction(mine, wanted))
    return conditions


def some_line(*conditions: Any) -> ColumnElement[bool]:
    """Whether a line of the order is like this."""
    return exists().where(
        t.lines.c.retailer_id == t.orders.c.retailer_id, t.lines.c.order_id == t.orders.c.id, *conditions
    )


def _by_conjunction(mine: ColumnElement[bool], wanted: OrderFilter) -> ColumnElement[bool]:
    each = [_STATUS.get(status, false()) for status in wanted.statuses]
    match wanted.conjunction:
        case "and":
            return and_(*(some_line(mine, condition) for condition in each))
        case "only":
            return and_(some_line(mine), ~some_line(mine, ~or_(*each)))
        case _:
            return some_line(mine, or_(*each))


def _are_waiting(wanted: OrderFilter) -> bool:
    """Whether only a line that is not finished can be what is wanted."""
    return any(names and set(names) <= _WAITING for names in (wanted.designation, wanted.statuses))


_lines = t.lines.c
_REJECTED = and_(_lines.cancelled == _lines.ordered, _lines.rejected >= _lines.cancelled)
_CANCELLED = and_(_lines.cancelled == _lines.ordered, _lines.rejected < _lines.cancelled)
_LIVE = _lines.cancelled < _lines.ordered
_WAITS = and_(_LIVE, _lines.shipped == 0)

_ALLOCATION: Final[dict[str, ColumnElement[bool]]] = {
    "Unallocated": _lines.allocated == false(),
    "Partial": and_(_lines.allocated == true(), _lines.accepted > 0, _lines.accepted < _lines.ordered),
    "Allocated": and_(_lines.allocated == true(), or_(_lines.accepted == 0, _lines.accepted >= _lines.ordered)),
}

_DESIGNATION: Final[dict[str, ColumnElement[bool]]] = {
    "HasTracking": _lines.shipped > 0,
    "Rejected": and_(_lines.shipped == 0, _REJECTED),
    "Cancelled": and_(_lines.shipped == 0, _CANCELLED),
    "Backordered": and_(_WAITS, _lines.backordered > 0),
    "NeedsTracking": and_(_WAITS, _lines.backordered == 0, _lines.allocated == true()),
}

_STATUS: Final[dict[str, ColumnElement[bool]]] = {
    "unallocated": and_(_WAITS, _lines.allocated == false()),
    "allocated": _DESIGNATION["NeedsTracking"],
    "has_tracking": _DESIGNATION["HasTracking"],
    "backordered": _DESIGNATION["Backordered"],
    "rejected": _DESIGNATION["Rejected"],
    "cancelled": _DESIGNATION["Cancelled"],
}

_WAITING: Final = frozenset({"Backordered", "NeedsTracking", "unallocated", "allocated", "backordered"})
"""Statuses of lines with units that are neither shipped nor cancelled."""
