"""Events as each party may read them: the feed, those that are sent to endpoints, and the timeline of one order."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    exists,
    literal_column,
    or_,
    select,
    true,
    union_all,
)

from countermand.domain.events import MONEY
from countermand.domain.parties import PartyKind
from countermand.ids import earliest
from countermand.reads.cancellations import PAGE_MAX
from countermand.reads.scope import (
    Scope,
    as_indexed,
    event_scope,
    is_cancellation,
    line_scope,
    retailer_of,
    until_it_left,
)
from countermand.store import feed
from countermand.store import tables as t
from countermand.store.columns import PairList, Record, pair_of
from countermand.store.events import events_by_key
from countermand.store.views import view

_FIRST_POSITIONS: Final = 256
LAST_ID: Final = UUID(int=2**128 - 1)
"""The id of the place where a page ends that has all there is for now."""
_ONE: Final[ColumnElement[int]] = literal_column("1")
"""As a literal: for a limit in a parameter, PostgreSQL expects many rows and sorts all to find the first."""

_LONGEST: Final = timedelta(hours=1)
"""No transaction takes longer between getting its number and making its ids; the database ends it long before."""

_DAY_MS: Final = 24 * 3600 * 1000

_BACK: Final = (timedelta(days=1), timedelta(days=32))
"""How far back the event is searched after which a list begins: in the first try, then in the second."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an event stands in the feed."""

    position: int
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events to list: those after a place or an event, or from a time on; of these kinds; about these things.

    With ``looks`` no more than so many events are looked at, of whatever kind: so a reader who wants few kinds goes
    through many events in small steps.
    """

    behind: Place | None = None
    after: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    kinds: frozenset[str] = frozenset()
    order: UUID | None = None
    line: UUID | None = None
    cancellation: UUID | None = None
    limit: int = 50
    looks: int | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether it names something that has few events."""
        return bool(self.order or self.line or self.cancellation)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEvent:
    """An event, with the article that it is about and the name of the party that acted."""

    retailer_id: UUID
    line_id: UUID
    seq: int
    id: UUID
    order_id: UUID
    cancellation_id: UUID | None
    kind: str
    at: datetime
    actor_id: UUID | None
    actor: str
    door: str
    facts: Mapping[str, Any]
    recorded_at: datetime | None
    position: int
    fulfiller_id: UUID
    actor_name: str | None
    sku: str
    ordered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView(PastEvent):
    """An event with the names of its parties, and with its cancellation as it is now."""

    actor_kind: str | None
    reference: str
    order_number: int
    title: str
    retailer_name: str
    fulfiller_name: str
    former_id: UUID | None
    former_name: str | None
    cancellation_units: int | None
    cancellation_asked_by: UUID | None
    cancellation_asked_at: datetime | None
    cancellation_note: str | None
    cancellation_accepted_units: int | None
    cancellation_decline_reason: str | None
    cancellation_answer_note: str | None
    cancellation_answered_at: datetime | None


# The feed


def list_events(connection: Connection, scope: Scope, wanted: EventFilter) -> tuple[list[EventView], Place]:
    """Events that this party may see, in the order of the feed, each with its envelope; and where to go on."""
    limit, horizon = wanted.looks or min(wanted.limit, PAGE_MAX), feed.horizon(connection)
    begin, since = _begin(connection, scope, wanted)
    until = earliest(wanted.until) if wanted.until else None
    if until:
        horizon = min(horizon, _first_after(connection, scope, until, horizon))
    kinds = frozenset() if wanted.looks else wanted.kinds
    span = _Span(begin=begin, horizon=horizon, since=since, until=until, kinds=kinds, limit=limit)
    if wanted.is_narrow:
        keys = connection.execute(_of_things(scope, wanted, span)).all()
    elif scope.kind is PartyKind.PLATFORM:
        keys = _of_all(connection, span)
    else:
        keys = connection.execute(_of_party(scope, span)).all()
    end = Place(horizon - 1, LAST_ID)
    place = Place(keys[-1].position, keys[-1].id) if len(keys) == limit else max(begin, end)
    if wanted.looks:
        fitting = [key for key in keys if not wanted.kinds or key.kind in wanted.kinds]
        keys = fitting[: wanted.limit]
        place = place if len(keys) == len(fitting) else Place(keys[-1].position, keys[-1].id)
    return _in_order(connection, keys), place


def event_by_id(connection: Connection, scope: Scope, event: UUID) -> EventView | None:
    """One event with its envelope; ``None`` if there is none that this party may see."""
    seen = [] if scope.kind is PartyKind.PLATFORM else [or_(t.events.c.retailer_id == scope.party, _is_shown(scope))]
    # As a range and in order: it is found by the index of ids.
    query = _EVENT_KEYS.where(t.events.c.id.between(event, event), *seen).order_by(t.events.c.id).limit(_ONE)
    found = _in_order(connection, connection.execute(query).all())
    return found[0] if found else None


def newest_events(
    connection: Connection, scope: Scope, kinds: Collection[str], *, limit: int, looks: int
) -> list[EventView]:
    """The newest events of these kinds that this party may see, newest first: of the last ``looks``, of all kinds."""
    span = _Span(
        begin=Place(0, UUID(int=0)),
        horizon=feed.horizon(connection),
        since=None,
        until=None,
        kinds=frozenset(),
        limit=looks,
        newest=True,
    )
    if scope.kind is PartyKind.PLATFORM:
        shown = _EVENT_KEYS.where(t.events.c.position < span.horizon)
        keys = connection.execute(shown.order_by(t.events.c.id.desc()).limit(looks)).all()
    else:
        keys = connection.execute(_of_party(scope, span)).all()
    return _in_order(connection, [key for key in keys if key.kind in kinds][:limit])


def newest_place(connection: Connection) -> Place | None:
    """Where the event stands that was made last, which may not be shown yet; ``None`` if there are none."""
    query = select(t.events.c.position, t.events.c.id).order_by(t.events.c.id.desc()).limit(_ONE)
    row = connection.execute(query).first()
    return Place(row.position, row.id) if row else None


def newest_shown(connection: Connection) -> Place:
    """The place in the feed behind all that is shown by now."""
    return Place(feed.horizon(connection) - 1, LAST_ID)


def event_keys_shown(
    connection: Connection, scope: Scope, keys: Collection[tuple[UUID, UUID, int]]
) -> list[tuple[UUID, UUID, int]]:
    """Which of these events, by retailer, line and ``seq``, a party may see that did not sell them."""
    events = t.events.c
    lines = bindparam("lines", [(retailer, line) for retailer, line, _ in keys], type_=PairList())
    query = select(events.retailer_id, events.line_id, events.seq).where(
        pair_of(events.retailer_id, events.line_id, lines),
        events.seq.in_(sorted({seq for _, _, seq in keys})),
        _is_shown(scope),
    )
    wanted = set(keys)
    return [key for row in connection.execute(query) if (key := (row.retailer_id, row.line_id, row.seq)) in wanted]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """Which part of the feed a page is of, and from which end on it is read."""

    begin: Place
    horizon: int
    since: UUID | None
    until: UUID | None
    kinds: frozenset[str]
    limit: int
    newest: bool = False

    def of(self, columns: Any, position: ColumnElement[Any] | None = None) -> list[ColumnElement[bool]]:
        """Events that are in it."""
        position = columns.position if position is None else position
        same = and_(position == self.begin.position, columns.id > self.begin.id)
        found = [position >= self.begin.position, or_(position > self.begin.position, same), position < self.horizon]
        if self.since:
            found.append(columns.id > self.since)
        if self.until:
            found.append(columns.id < self.until)
        if self.kinds:
            found.append(columns.kind.in_(sorted(self.kinds)))
        return found


Keys = Select[*tuple[Any, ...]]
"""Of events: position, id, retailer_id, line_id, seq, kind."""

_EVENT_KEYS: Final = select(*(t.events.c[name] for name in ("position", "id", "retailer_id", "line_id", "seq", "kind")))


def _of_things(scope: Scope, wanted: EventFilter, span: _Span) -> Keys:
    """A line leads to its events, which are few: they are not to be found by going along the index of positions."""
    events, position = t.events.c, t.events.c.position + 0
    seen = [] if scope.kind is PartyKind.PLATFORM else [or_(events.retailer_id == scope.party, _is_shown(scope))]
    mine = [condition for given in _things(wanted) for condition in given]
    return _EVENT_KEYS.where(*mine, *seen, *span.of(events, position)).order_by(position, events.id).limit(span.limit)


def _things(wanted: EventFilter) -> Iterator[tuple[ColumnElement[bool], ...]]:
    events = t.events.c
    if wanted.line:
        yield events.retailer_id == retailer_of(wanted.line), events.line_id == wanted.line
    if wanted.order:
        lines = t.lines.c
        home = retailer_of(wanted.order)
        of_order = select(lines.id).where(lines.retailer_id == home, lines.order_id == wanted.order)
        yield events.retailer_id == home, events.line_id.in_(of_order)
    if wanted.cancellation:
        asked = select(t.cancellations.c.retailer_id, t.cancellations.c.line_id).where(
            is_cancellation(wanted.cancellation)
        )
        about = asked.subquery("about").c
        home, line = (select(column).limit(_ONE).scalar_subquery() for column in (about.retailer_id, about.line_id))
        # A refund's event names the cancellation in what it says.
        refunded = events.facts[("refund", "cancellation")].as_string() == str(wanted.cancellation)
        yield (
            events.retailer_id == home,
            events.line_id == line,
            or_(events.cancellation_id == wanted.cancellation, refunded),
        )


def _of_all(connection: Connection, span: _Span) -> list[Record]:
    """By an index that the retailers lead, looked through in pieces that grow: no more is read than the page needs."""
    keys: list[Record] = []
    retailers = select(t.parties.c.id).where(t.parties.c.kind == literal_column(f"'{PartyKind.RETAILER.value}'"))
    query = _EVENT_KEYS.where(t.events.c.retailer_id.in_(retailers))
    begin, piece = span.begin, _FIRST_POSITIONS
    while begin.position < span.horizon and len(keys) < span.limit:
        end = min(begin.position + piece, span.horizon)
        here = replace(span, begin=begin, horizon=end)
        found = query.where(*here.of(t.events.c)).order_by(t.events.c.position, t.events.c.id)
        keys += connection.execute(found.limit(span.limit - len(keys))).all()
        begin, piece = Place(end, UUID(int=0)), 4 * piece
    return keys


def _of_party(scope: Scope, span: _Span) -> Keys:
    """What it sold; what it held when it happened; and what happened to it before the party got it, or as it left."""
    events, others = t.events.c, t.handover_events.c
    held = (as_indexed("events.fulfiller_id <> events.retailer_id"), events.fulfiller_id == scope.party)
    branches = [_first(_EVENT_KEYS.where(*held, _is_shown(scope), *span.of(events)), events, span)]
    # Which kind it is stands in the event itself.
    kind = select(events.kind).where(_same_event(others)).correlate(t.handover_events).scalar_subquery()
    columns = (others.position, others.id, others.retailer_id, others.line_id, others.seq, kind.label("kind"))
    of_kinds = [events.kind.in_(sorted(span.kinds))] if span.kinds else []
    seen = (others.party_id == scope.party, _exists(t.events, _same_event(others), _is_shown(scope), *of_kinds))
    anything = replace(span, kinds=frozenset())
    branches.append(_first(select(*columns).where(*seen, *anything.of(others)), others, span))
    if scope.kind is PartyKind.RETAILER:
        sold = (events.retailer_id == scope.party, *span.of(events))
        branches.append(_first(_EVENT_KEYS.where(*sold), events, span))
    firsts = (select(branch.subquery(f"branch_{place}")) for place, branch in enumerate(branches))
    keys = union_all(*firsts).subquery("keys")
    return _first(select(keys), keys.c, span)


def _first(keys: Keys, columns: Any, span: _Span) -> Keys:
    order = (columns.position, columns.id)
    return keys.order_by(*(each.desc() for each in order) if span.newest else order).limit(span.limit)


def _same_event(others: Any) -> ColumnElement[bool]:
    events = t.events.c
    return and_(*(events[name] == others[name] for name in ("retailer_id", "line_id", "seq")))


def _is_shown(scope: Scope) -> ColumnElement[bool]:
    """Whether a party that did not sell the line may see the event: not if it is about money."""
    seen = _exists(t.lines, t.named_by(t.events.c.line_id, t.lines), line_scope(scope))
    return and_(t.events.c.kind.not_in(sorted(MONEY)), or_(seen, until_it_left(scope)))


def _exists(table: Any, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Looked up row by row: ``OFFSET 0`` keeps PostgreSQL from joining the whole table instead."""
    return select(literal_column("1")).select_from(table).where(*conditions).offset(0).correlate_except(table).exists()


# Where a list begins


def _begin(connection: Connection, scope: Scope, wanted: EventFilter) -> tuple[Place, UUID | None]:
    """Where the list begins, and which ids belong to it if it begins at a time."""
    since = earliest(wanted.since) if wanted.since else None
    if wanted.behind:
        return wanted.behind, since
    if wanted.after:
        position = _position_of(connection, scope, wanted.after)
        if position is not None:
            return Place(position, wanted.after), since
        # An event that is not the caller's, or none at all, stands for its time.
        since = max(since or wanted.after, wanted.after)
    if since is None:
        return Place(0, UUID(int=0)), None
    return Place(_last_before(connection, scope, since), LAST_ID), since


def place_before(connection: Connection, scope: Scope, since: datetime) -> Place:
    """A place in the feed before all events that were made from then on. A few that were made earlier are behind it."""
    return Place(_last_before(connection, scope, earliest(since)), LAST_ID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span of time, and which positions in the feed its events have at the least and at the most (less than ``end``).

    The times still have to be compared: the positions hold a few more.
    """

    since: datetime
    until: datetime | None
    first: int
    end: int


def span_of(connection: Connection, scope: Scope, since: datetime, until: datetime | None) -> Span:
    """Where in the feed the events of this time are."""
    horizon = feed.horizon(connection)
    end = min(horizon, _first_after(connection, scope, earliest(until), horizon)) if until else horizon
    return Span(since=since, until=until, first=_last_before(connection, scope, earliest(since)), end=end)


def _position_of(connection: Connection, scope: Scope, event: UUID) -> int | None:
    """Where it stands, if it is of a retailer some of whose lines this party may see."""
    events, connections = t.events.c, t.connections.c
    conditions: list[ColumnElement[bool]] = [events.id.between(event, event)]
    if scope.kind is not PartyKind.PLATFORM:
        knows = exists().where(connections.retailer_id == events.retailer_id, connections.supplier_id == scope.party)
        conditions.append(or_(events.retailer_id == scope.party, knows))
    # As a range and in order: it is found by the index of ids, whatever else is asked of it.
    query = select(events.position).where(*conditions).order_by(events.id).limit(_ONE)
    return connection.execute(query).scalar()


def _last_before(connection: Connection, scope: Scope, since: UUID) -> int:
    """A position before all events that were made from then on."""
    last = _id_before(since, _LONGEST)
    query = select(t.events.c.position).where(t.events.c.id < last).order_by(t.events.c.id.desc()).limit(_ONE)
    # Whoever is shown little would go through all that it is not shown: its own list is the shorter way then.
    limits = [t.events.c.id > _id_before(last, back) for back in _BACK]
    for limit in (*limits, true()) if scope.kind is PartyKind.PLATFORM else limits:
        position: int | None = connection.execute(query.where(limit)).scalar()
        if position is not None:
            return position
    return 0


def _first_after(connection: Connection, scope: Scope, until: UUID, horizon: int) -> int:
    """A position after all events that were made before then, or ``horizon``."""
    first = UUID(int=min(until.int + (int(_LONGEST.total_seconds() * 1000) << 80), LAST_ID.int))
    query = select(t.events.c.position).where(t.events.c.id >= first).order_by(t.events.c.id).limit(_ONE)
    if scope.kind is not PartyKind.PLATFORM:
        # As in _last_before.
        query = query.where(t.events.c.id < UUID(int=min(first.int + (_DAY_MS << 80), LAST_ID.int)))
    position: int | None = connection.execute(query).scalar()
    return horizon if position is None else position


def _id_before(event: UUID, time: timedelta) -> UUID:
    return UUID(int=max(0, event.int - (int(time.total_seconds() * 1000) << 80)))


# Whole events


def events_for_sending(connection: Connection, keys: Collection[tuple[UUID, UUID, int]]) -> list[EventView]:
    """These events, by retailer, line and ``seq``, each with the content of its envelope; missing ones are left out.

    One statement for any number of events.
    """
    found = events_by_key(connection, _ENVELOPE_COLUMNS, set(keys))
    return [view(EventView, row) for row in found]


def _in_order(connection: Connection, keys: Sequence[Record]) -> list[EventView]:
    found = events_for_sending(connection, [(key.retailer_id, key.line_id, key.seq) for key in keys]) if keys else []
    by_id = {row.id: row for row in found}
    return [by_id[key.id] for key in keys]


_actor, _retailer, _fulfiller, _former = (
    t.parties.alias(name) for name in ("actor", "retailer", "fulfiller", "former")
)

_ENVELOPES: Final = (
    select(
        t.events,
        _actor.c.name.label("actor_name"),
        _actor.c.kind.label("actor_kind"),
        t.orders.c.reference,
        t.orders.c.number.label("order_number"),
        t.lines.c.sku,
        t.lines.c.title,
        t.lines.c.ordered,
        _retailer.c.name.label("retailer_name"),
        _fulfiller.c.name.label("fulfiller_name"),
        _former.c.id.label("former_id"),
        _former.c.name.label("former_name"),
        *(
            t.cancellations.c[name].label(f"cancellation_{name}")
            for name in (
                "units",
                "asked_by",
                "asked_at",
                "note",
                "accepted_units",
                "decline_reason",
                "answer_note",
                "answered_at",
            )
        ),
    )
    .join(t.lines, t.named_by(t.events.c.line_id, t.lines))
    .join(t.orders, t.named_by(t.events.c.order_id, t.orders))
    .join(_retailer, _retailer.c.id == t.events.c.retailer_id)
    .join(_fulfiller, _fulfiller.c.id == t.events.c.fulfiller_id)
    .outerjoin(_actor, _actor.c.id == t.events.c.actor_id)
    .outerjoin(
        t.reassignments,
        and_(
            t.reassignments.c.retailer_id == t.events.c.retailer_id,
            t.reassignments.c.line_id == t.events.c.line_id,
            t.reassignments.c.seq == t.events.c.seq,
        ),
    )
    .outerjoin(_former, _former.c.id == t.reassignments.c.former_id)
    .outerjoin(t.cancellations, t.named_by(t.events.c.cancellation_id, t.cancellations))
)


_ENVELOPE_COLUMNS: Final = tuple(_ENVELOPES.selected_columns)


def timeline(connection: Connection, scope: Scope, subject: UUID) -> list[PastEvent]:
    """Every event of an order, a line or a cancellation's line, in order, with the name of the party that acted."""
    lines = _lines_of(connection, subject)
    query = (
        select(t.events, t.parties.c.name.label("actor_name"), t.lines.c.sku, t.lines.c.ordered)
        .join(t.lines, t.named_by(t.events.c.line_id, t.lines))
        .outerjoin(t.parties, t.parties.c.id == t.events.c.actor_id)
        .where(
            pair_of(t.events.c.retailer_id, t.events.c.line_id, bindparam("lines", lines, type_=PairList())),
            event_scope(scope),
            # What the customer paid is no business of the fulfiller's.
            true()
            if scope.kind is PartyKind.PLATFORM
            else or_(t.lines.c.retailer_id == scope.party, t.events.c.kind.not_in(sorted(MONEY))),
        )
        .order_by(t.events.c.order_id, t.lines.c.position, t.events.c.seq)
    )
    return [view(PastEvent, row) for row in connection.execute(query)]


def _lines_of(connection: Connection, subject: UUID) -> list[tuple[UUID, UUID | int]]:
    """The lines of an order, the line itself, or the one that a cancellation is about: each with its retailer.

    The same is looked up whatever it is, so that what is another's takes as long as what is not there.
    """
    query = select(t.id_directory.c.retailer_id).where(t.id_directory.c.id == subject)
    home = connection.execute(query).scalar() or UUID(int=0)
    of_order = select(t.lines.c.id).where(t.lines.c.retailer_id == home, t.lines.c.order_id == subject)
    about = select(t.cancellations.c.retailer_id, t.cancellations.c.line_id).where(is_cancellation(subject))
    of_cancellation = [(row.retailer_id, row.line_id) for row in connection.execute(about)]
    lines = [(home, line) for line in connection.execute(of_order).scalars()]
    return of_cancellation or lines or [(home, subject)]
