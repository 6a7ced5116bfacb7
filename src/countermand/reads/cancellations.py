"""Which cancellations a list shows: each kind of caller and each filter has an index that gives them in their order."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
)

from countermand.domain.line import State
from countermand.domain.parties import PartyKind
from countermand.ids import earliest
from countermand.reads.lookup import Lookup, all_orders_found
from countermand.reads.policies import ANY_FULFILLER
from countermand.reads.scope import (
    ANYBODY,
    Scope,
    as_indexed,
    asked_before_it_left,
    is_cancellation,
    line_scope,
    retailer_of,
    whoever,
)
from countermand.reads.views import PartyView
from countermand.store import tables as t
from countermand.store.columns import Id, IdList, PairList, one_of, pair_of
from countermand.store.views import view, view_or_none, views

PAGE_MAX: Final = 200

_STATES: Final = tuple(state.value for state in State)


@dataclass(frozen=True, slots=True)
class DuePlace:
    """Where a cancellation stands in a list by due time; ``due_at`` is ``None`` for those that are due at no time."""

    due_at: datetime | None
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationFilter:
    """Which cancellations to list, newest first.

    ``escalated`` are those that wait for the operator. ``late`` are those whose answer was due before that time, and
    those that were escalated for it. ``overdue`` are those that a party should have answered before that time, and
    that nothing has been done about. ``not_awaiting`` leaves out those that wait for this party. ``by_due`` lists what
    waits, the longest due first. ``after`` is the id of the last one of the page before, ``behind`` its place by due
    time. ``states`` are some of which it has one; with ``asked_if_escalated``, one that is asked only if it waits for
    the operator. ``since`` and ``until`` are about when it was asked, or is due in a list by that. ``orders`` are pairs
    of a retailer and an order, ``lookup`` finds them.
    """

    state: str | None = None
    states: tuple[str, ...] = ()
    asked_if_escalated: bool = False
    escalated: bool = False
    retailer: UUID | None = None
    fulfiller: UUID | None = None
    asker: str | None = None
    reasons: tuple[str, ...] = ()
    sku: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    awaiting: UUID | None = None
    late: datetime | None = None
    overdue: datetime | None = None
    not_awaiting: UUID | None = None
    due_before: datetime | None = None
    line: UUID | None = None
    order: UUID | None = None
    orders: tuple[tuple[UUID, UUID], ...] | None = None
    lookup: Lookup | None = None
    by_due: bool = False
    after: UUID | None = None
    behind: DuePlace | None = None
    limit: int = 50

    @property
    def of_lines(self) -> bool:
        """Whether it names the lines or orders that all hangs on."""
        return self.line is not None or self.order is not None or self.orders is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationRow:
    """A cancellation by itself."""

    retailer_id: UUID
    id: UUID
    line_id: UUID
    order_id: UUID
    fulfiller_id: UUID
    units: int
    state: str
    asker: str
    asked_by: UUID
    asked_at: datetime
    awaiting: UUID | None
    due_at: datetime | None
    policy_version: int
    reason: str
    note: str
    ask_key: str
    accepted_units: int
    answered_at: datetime | None
    answered_by: UUID | None
    decline_reason: str | None
    answer_note: str
    by_policy: bool
    unasked: bool
    group_id: UUID | None
    agreed: bool
    door: str
    rest_units: int
    rest_reason: str | None
    step: int
    moved_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationView(CancellationRow):
    """A cancellation with the line that it is about, and names."""

    sku: str
    title: str
    ordered: int
    line_number: int
    reference: str
    retailer_name: str
    fulfiller_name: str
    awaiting_name: str | None
    policy_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationToAnswer(CancellationRow):
    """A cancellation with all that a person needs to answer it."""

    sku: str
    title: str
    ordered: int
    open: int
    asked: int
    shipped: int
    reference: str
    retailer_name: str
    asked_by_name: str
    awaiting_name: str | None
    answered_by_name: str | None


Keys = Select[*tuple[Any, ...]]


def cancellation_keys(scope: Scope, wanted: CancellationFilter) -> Keys:
    """The keys of the page that is wanted, in its order."""
    # One more shows whether there is a further page.
    limit = min(wanted.limit, PAGE_MAX + 1)
    branches = [
        _KEYS.where(*where, *_common(scope, wanted))
        .order_by(*order_of(t.cancellations.c, wanted))
        .limit(limit)
        .subquery(f"branch_{place}")
        for place, where in enumerate(_branches(scope, wanted))
    ]
    together = union_all(*(select(branch) for branch in branches)).subquery("keys")
    return select(together).order_by(*order_of(together.c, wanted)).limit(limit)


def order_of(columns: Any, wanted: CancellationFilter) -> list[Any]:
    """How the list is sorted."""
    if wanted.by_due:
        return [columns.due_at.is_(None), columns.due_at, columns.id]
    return [columns.id.desc()]


_KEYS: Final = select(t.cancellations.c.retailer_id, t.cancellations.c.id, t.cancellations.c.due_at)
_WAITS: Final = as_indexed("cancellations.state = 'asked'")
_ESCALATED: Final = as_indexed("cancellations.awaiting IS NULL")
_NOT_AGREED: Final = as_indexed("NOT cancellations.agreed")
_HELD: Final = as_indexed("cancellations.fulfiller_id <> cancellations.retailer_id")


def _common(scope: Scope, wanted: CancellationFilter) -> list[Any]:
    """What holds in every branch besides its key."""
    cancellations = t.cancellations.c
    given = {"state": wanted.state, "awaiting": wanted.awaiting, "line_id": wanted.line, "order_id": wanted.order}
    conditions: list[Any] = [cancellations[name] == value for name, value in given.items() if value is not None]
    if wanted.after and not wanted.by_due:
        conditions.append(cancellations.id < wanted.after)
    if wanted.behind:
        conditions.append(_behind(wanted.behind))
    if wanted.states:
        conditions.append(cancellations.state.in_(wanted.states))
    if wanted.asked_if_escalated:
        conditions.append(or_(cancellations.state != State.ASKED.value, and_(_ESCALATED, _NOT_AGREED)))
    conditions += [*_of_parties(wanted), *_of_kind(wanted), *_in_span(wanted)]
    if wanted.escalated:
        conditions += [_WAITS, _ESCALATED, _NOT_AGREED]
    if wanted.by_due:
        conditions.append(_WAITS)
    if wanted.due_before is not None:
        conditions += [_WAITS, cancellations.due_at < wanted.due_before]
    if wanted.late is not None:
        conditions += [_WAITS, _NOT_AGREED, _is_late(wanted.late)]
    if wanted.overdue is not None:
        conditions += [_WAITS, _NOT_AGREED, cancellations.awaiting.is_not(None)]
    if wanted.not_awaiting is not None:
        conditions.append(cancellations.awaiting != wanted.not_awaiting)
    return conditions


def _of_parties(wanted: CancellationFilter) -> Iterator[ColumnElement[bool]]:
    cancellations = t.cancellations.c
    if wanted.retailer is not None:
        yield cancellations.retailer_id == wanted.retailer
    if wanted.fulfiller is not None:
        yield cancellations.fulfiller_id == wanted.fulfiller


def _of_kind(wanted: CancellationFilter) -> Iterator[ColumnElement[bool]]:
    cancellations, lines = t.cancellations.c, t.lines.c
    if wanted.asker is not None:
        yield cancellations.asker == wanted.asker
    if wanted.reasons:
        yield cancellations.reason.in_(wanted.reasons)
    if wanted.sku is not None:
        of_sku = (t.named_by(cancellations.line_id, t.lines), lines.sku == wanted.sku)
        query: Select[Any] = select(literal_column("1")).select_from(t.lines).where(*of_sku).offset(0)
        yield query.correlate_except(t.lines).exists()


def _in_span(wanted: CancellationFilter) -> Iterator[ColumnElement[bool]]:
    """By ids, which tell when it was asked; in a list by due time, by that."""
    cancellations = t.cancellations.c
    if wanted.since is not None:
        begin = wanted.since if wanted.by_due else earliest(wanted.since)
        yield (cancellations.due_at if wanted.by_due else cancellations.id) >= begin
    if wanted.until is not None:
        end = wanted.until if wanted.by_due else earliest(wanted.until)
        yield (cancellations.due_at if wanted.by_due else cancellations.id) < end


def may_see(scope: Scope) -> ColumnElement[bool]:
    """Looked up row by row: ``OFFSET 0`` keeps PostgreSQL from joining all lines instead."""
    seen = (t.named_by(t.cancellations.c.line_id, t.lines), line_scope(scope))
    lines: Select[Any] = select(literal_column("1")).select_from(t.lines).where(*seen).offset(0)
    return or_(lines.correlate_except(t.lines).exists(), asked_before_it_left(scope))


def _is_late(at: datetime) -> ColumnElement[bool]:
    """Nobody but the operator is left, and no time runs any more: the time that did has passed."""
    cancellations = t.cancellations.c
    return or_(cancellations.due_at < at, and_(cancellations.due_at.is_(None), cancellations.awaiting.is_(None)))


def _behind(place: DuePlace) -> ColumnElement[bool]:
    due_at, id_ = t.cancellations.c.due_at, t.cancellations.c.id
    if place.due_at is None:
        return and_(due_at.is_(None), id_ > place.id)
    later = and_(due_at >= place.due_at, or_(due_at > place.due_at, id_ > place.id))
    return or_(due_at.is_(None), later)


def _branches(scope: Scope, wanted: CancellationFilter) -> Iterator[list[Any]]:
    """The keys that together lead to all that the party may see, and to nothing twice."""
    seen = [] if scope.kind is PartyKind.PLATFORM else [may_see(scope)]
    if wanted.of_lines:
        yield [*_of_lines(wanted), *seen]
    elif wanted.escalated:
        yield seen
    elif wanted.by_due or wanted.due_before or wanted.late or wanted.overdue:
        yield from ([*each, *seen] for each in _waiting(scope, wanted))
    elif wanted.awaiting is not None:
        yield seen
    else:
        yield from _by_state(scope, wanted)


def _by_state(scope: Scope, wanted: CancellationFilter) -> Iterator[list[Any]]:
    cancellations = t.cancellations.c
    states = wanted.states or ([wanted.state] if wanted.state else _STATES)
    if scope.kind is PartyKind.PLATFORM and wanted.retailer is not None:
        yield [cancellations.retailer_id == wanted.retailer]
        return
    if scope.kind is PartyKind.PLATFORM and wanted.fulfiller is not None:
        # What a retailer holds itself is among what it sold.
        yield [cancellations.retailer_id == wanted.fulfiller]
        for state in states:
            yield [_HELD, cancellations.fulfiller_id == wanted.fulfiller, cancellations.state == state]
        return
    if scope.kind is PartyKind.RETAILER:
        yield [cancellations.retailer_id == scope.party]
    for state in states:
        if scope.kind is PartyKind.PLATFORM:
            yield [cancellations.state == state]
        else:
            yield [_HELD, cancellations.fulfiller_id == scope.party, cancellations.state == state, may_see(scope)]


def _waiting(scope: Scope, wanted: CancellationFilter) -> Iterator[list[Any]]:
    """By indexes on when an answer is due, those that are due at some time apart from the others."""
    due_at = t.cancellations.c.due_at
    before = wanted.late or wanted.overdue
    dated = due_at.is_not(None) if before is None else due_at < before
    if wanted.behind and wanted.behind.due_at:
        dated = and_(dated, due_at >= wanted.behind.due_at)
    if not wanted.behind or wanted.behind.due_at:
        yield from ([_WAITS, *mine, dated] for mine in _whose(scope, wanted))
    if wanted.due_before or wanted.overdue:
        return
    if wanted.late is not None:
        yield [_WAITS, _ESCALATED, _NOT_AGREED, due_at.is_(None)]
        return
    for mine in _whose(scope, wanted):
        yield [_WAITS, *mine, due_at.is_(None)]


def _whose(scope: Scope, wanted: CancellationFilter) -> Iterator[list[Any]]:
    """Whoever's answer is due is the retailer, or holds the goods."""
    cancellations = t.cancellations.c
    platform = scope.kind is PartyKind.PLATFORM
    party = wanted.awaiting if platform else scope.party
    if party is None:
        yield []
        return
    if platform or scope.kind is PartyKind.RETAILER:
        yield [cancellations.retailer_id == party]
    yield [_HELD, cancellations.fulfiller_id == party]


def _of_lines(wanted: CancellationFilter) -> list[Any]:
    cancellations, lines = t.cancellations.c, t.lines.c
    if wanted.line is not None:
        return [cancellations.retailer_id == retailer_of(wanted.line)]
    if wanted.order is not None:
        home = retailer_of(wanted.order)
        of_order = select(lines.id).where(lines.retailer_id == home, lines.order_id == wanted.order)
        return [cancellations.retailer_id == home, cancellations.line_id.in_(of_order)]
    orders = bindparam("orders", list(wanted.orders or ()), type_=PairList())
    of_orders = select(lines.retailer_id, lines.id).where(pair_of(lines.retailer_id, lines.order_id, orders))
    return [tuple_(cancellations.retailer_id, cancellations.line_id).in_(of_orders)]


def list_cancellations(connection: Connection, scope: Scope, wanted: CancellationFilter) -> list[CancellationView]:
    """Cancellations with the line each is about, and names: newest first, or longest due first."""
    if wanted.lookup and wanted.lookup.is_given:
        wanted = replace(wanted, orders=all_orders_found(connection, scope, wanted.lookup))
    keys = cancellation_keys(scope, wanted).subquery()
    query = CANCELLATIONS.join(
        keys, and_(keys.c.retailer_id == t.cancellations.c.retailer_id, keys.c.id == t.cancellations.c.id)
    )
    return [view(CancellationView, row) for row in connection.execute(query.order_by(*order_of(keys.c, wanted)))]


def cancellation_by_id(connection: Connection, scope: Scope, cancellation: UUID) -> CancellationView | None:
    """One cancellation, or ``None`` when there is none that this party may see."""
    given = {"cancellation": cancellation, "party": scope.party}
    return view_or_none(CancellationView, connection.execute(_by_id(scope.kind), given).first())


@cache
def _by_id(kind: PartyKind) -> Select[*tuple[Any, ...]]:
    return CANCELLATIONS.where(is_cancellation(bindparam("cancellation", type_=Id)), may_see(whoever(kind)))


def cancellations_by_id(
    connection: Connection, wanted: Sequence[tuple[Scope, Sequence[UUID]]]
) -> list[list[CancellationView]]:
    """Those of these cancellations that each party may see, in the same order.

    What the platform asks for, and retailers of what they sold, is read by one statement for all of them.
    """
    ids_of: dict[Scope, set[UUID]] = defaultdict(set)
    for scope, ids in wanted:
        ids_of[scope].update(ids)
    sellers = [ids for scope, ids in ids_of.items() if scope.kind is not PartyKind.SUPPLIER]
    sold = _with_ids(connection, ANYBODY, set().union(*sellers))
    seen = {scope: _seen(connection, scope, ids, sold) for scope, ids in ids_of.items()}
    return [[seen[scope][each] for each in ids if each in seen[scope]] for scope, ids in wanted]


def _seen(
    connection: Connection, scope: Scope, ids: set[UUID], sold: Mapping[UUID, CancellationView]
) -> Mapping[UUID, CancellationView]:
    if scope.kind is PartyKind.PLATFORM:
        return sold
    if scope.kind is PartyKind.SUPPLIER:
        return _with_ids(connection, scope, ids)
    mine = {each: sold[each] for each in ids & sold.keys() if sold[each].retailer_id == scope.party}
    return mine | _with_ids(connection, scope, ids - mine.keys())


def _with_ids(connection: Connection, scope: Scope, ids: Collection[UUID]) -> dict[UUID, CancellationView]:
    if not ids:
        return {}
    rows = connection.execute(_by_ids(scope.kind), {"wanted": sorted(ids), "party": scope.party})
    return {row.id: row for row in views(CancellationView, rows)}


@cache
def _by_ids(kind: PartyKind) -> Select[*tuple[Any, ...]]:
    wanted = one_of(t.cancellations.c.id, bindparam("wanted", type_=IdList()))
    states = t.cancellations.c.state.in_([state.value for state in State])
    return CANCELLATIONS.where(states, wanted, may_see(whoever(kind)))


def is_escalated(cancellation: CancellationRow) -> bool:
    """Whether the operator has to answer it."""
    waits = cancellation.state == State.ASKED.value
    return waits and cancellation.awaiting is None and not cancellation.agreed


def waiting_units(cancellation: CancellationRow) -> int:
    """How many units of this one wait for an answer."""
    waits = cancellation.state == State.ASKED.value
    return cancellation.units - cancellation.rest_units if waits else 0


def cancellation_to_answer(
    connection: Connection, *, party: UUID, retailer: UUID, cancellation: UUID
) -> tuple[PartyView, CancellationToAnswer] | None:
    """A party and all that a person needs to answer one cancellation for it, with names.

    ``None`` when there is no such party, it was deactivated, or may not see the cancellation.
    """
    who = connection.execute(select(t.parties).where(t.parties.c.id == party, t.parties.c.status == "active")).first()
    if who is None:
        return None
    query = _TO_ANSWER.where(
        t.cancellations.c.retailer_id == retailer,
        t.cancellations.c.id == cancellation,
        may_see(Scope(party=who.id, kind=PartyKind(who.kind))),
    )
    row = connection.execute(query).first()
    return None if row is None else (view(PartyView, who), view(CancellationToAnswer, row))


def cancellation_for_customer(
    connection: Connection, *, retailer: UUID, cancellation: UUID
) -> CancellationToAnswer | None:
    """All that is shown to the customer of one cancellation, and names besides."""
    query = _TO_ANSWER.where(t.cancellations.c.retailer_id == retailer, t.cancellations.c.id == cancellation)
    row = connection.execute(query).first()
    return None if row is None else view(CancellationToAnswer, row)


_retailer_party, _asked_by, _awaited, _answered_by = (
    t.parties.alias(name) for name in ("retailer_party", "asked_by", "awaited", "answered_by")
)


def _party_name(column: Column[Any]) -> ScalarSelect[str]:
    """Looked up row by row, like ``looked_up``."""
    return select(t.parties.c.name).where(t.parties.c.id == column).correlate(column.table).scalar_subquery()


def _policy_asked_under() -> ColumnElement[UUID]:
    """The version that holds for it: that of its two parties before that of the retailer with everybody (EC-33)."""
    policies, asks = t.policies.c, t.cancellations.c
    # A version that is newer than the ask is another one with the same number.
    mine = select(policies.id).where(
        policies.retailer_id == asks.retailer_id,
        policies.version == asks.policy_version,
        policies.since <= func.coalesce(asks.moved_at, asks.asked_at),
    )
    whose = (policies.fulfiller_id == asks.fulfiller_id, policies.fulfiller_id == ANY_FULFILLER)
    return func.coalesce(*(mine.where(each).correlate(t.cancellations).scalar_subquery() for each in whose))


CANCELLATIONS: Final = select(
    t.cancellations,
    t.looked_up(t.lines.c.sku, t.cancellations.c.line_id),
    t.looked_up(t.lines.c.title, t.cancellations.c.line_id),
    t.looked_up(t.lines.c.ordered, t.cancellations.c.line_id),
    t.looked_up(t.lines.c.number, t.cancellations.c.line_id).label("line_number"),
    t.looked_up(t.orders.c.reference, t.cancellations.c.order_id),
    _party_name(t.cancellations.c.retailer_id).label("retailer_name"),
    _party_name(t.cancellations.c.fulfiller_id).label("fulfiller_name"),
    _party_name(t.cancellations.c.awaiting).label("awaiting_name"),
    _policy_asked_under().label("policy_id"),
)


_TO_ANSWER: Final = (
    select(
        t.cancellations,
        t.lines.c.sku,
        t.lines.c.title,
        t.lines.c.ordered,
        t.lines.c.open,
        t.lines.c.asked,
        t.lines.c.shipped,
        t.orders.c.reference,
        _retailer_party.c.name.label("retailer_name"),
        _asked_by.c.name.label("asked_by_name"),
        _awaited.c.name.label("awaiting_name"),
        _answered_by.c.name.label("answered_by_name"),
    )
    .join(t.lines, t.named_by(t.cancellations.c.line_id, t.lines))
    .join(t.orders, t.named_by(t.cancellations.c.order_id, t.orders))
    .join(_retailer_party, _retailer_party.c.id == t.cancellations.c.retailer_id)
    .join(_asked_by, _asked_by.c.id == t.cancellations.c.asked_by)
    .outerjoin(_awaited, _awaited.c.id == t.cancellations.c.awaiting)
    .outerjoin(_answered_by, _answered_by.c.id == t.cancellations.c.answered_by)
)
