"""Notices for operators."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    false,
    literal_column,
    select,
)

from countermand.domain.delivery import NoticeState
from countermand.domain.parties import PartyKind
from countermand.ids import earliest, moment_of
from countermand.reads.scope import (
    Scope,
)
from countermand.store import tables as t
from countermand.store.columns import IdList, Record, one_of
from countermand.store.views import view, view_or_none


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRow:
    """A notice by itself."""

    retailer_id: UUID
    id: UUID
    partition: int
    endpoint_id: UUID
    event_id: UUID
    line_id: UUID
    seq: int
    kind: str
    state: str
    attempts: int
    due_at: datetime | None
    last_result: str
    attempted_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeView(NoticeRow):
    """A notice with the address of its endpoint."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFilter:
    """Which notices to list; what is left out does not matter."""

    states: frozenset[str] = frozenset()
    endpoint: UUID | None = None
    owner: UUID | None = None
    """The party whose endpoints they are for."""
    event: UUID | None = None
    kinds: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    after: UUID | None = None
    """The last one of the page before."""


def list_notices(connection: Connection, wanted: NoticeFilter, limit: int, now: datetime) -> list[NoticeView]:
    """Notices with the addresses of their endpoints, newest first.

    What is due and what is dead have indexes of their own. Anything else is looked for from now on backwards, by keys,
    in pieces of time that grow: what is older than the page is not read.
    """
    notices = t.notices.c
    query = select(t.notices, t.endpoints.c.url).join(t.endpoints, t.endpoints.c.id == notices.endpoint_id)
    if wanted.endpoint is not None:
        query = query.where(notices.endpoint_id == wanted.endpoint)
    if wanted.owner is not None:
        query = query.where(t.endpoints.c.party_id == wanted.owner)
    if wanted.kinds:
        query = query.where(notices.kind.in_(sorted(wanted.kinds)))
    if wanted.since is not None:
        query = query.where(notices.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(notices.created_at < wanted.until)
        now = min(now, wanted.until + _FIRST_PIECE)
    state = next(iter(wanted.states)) if len(wanted.states) == 1 else None
    if state is not None:
        # As a literal: a partial index serves no parameter.
        query = query.where(notices.state == literal_column(f"'{NoticeState(state)}'"))
    elif wanted.states:
        query = query.where(notices.state.in_(sorted(wanted.states)))
    if wanted.after is not None:
        query = query.where(notices.id < wanted.after)
        now = min(now, moment_of(min(wanted.after, earliest(now))) + _FIRST_PIECE)
    query = query.order_by(notices.id.desc())
    if wanted.event is not None:
        of_event = _of_event(connection, wanted.event)
        return [view(NoticeView, row) for row in connection.execute(query.where(*of_event).limit(limit))]
    if state in (NoticeState.DUE, NoticeState.DEAD):
        here = notices.partition.in_(range(t.PARTITIONS))
        return [view(NoticeView, row) for row in connection.execute(query.where(here).limit(limit))]
    mine = query.where(_of_sellers(connection, wanted))
    return [view(NoticeView, row) for row in _backwards(connection, mine, limit, wanted.since, now)]


def _of_event(connection: Connection, event: UUID) -> list[ColumnElement[bool]]:
    """A notice is of the retailer of its event, and was made in one transaction with it."""
    events, notices = t.events.c, t.notices.c
    # As a range and in order: it is found by the index of ids.
    home = (
        select(events.retailer_id).where(events.id.between(event, event)).order_by(events.id).limit(literal_column("1"))
    )
    retailer = connection.execute(home).scalar()
    if retailer is None:
        return [false()]
    made = moment_of(event)
    near = (notices.id >= earliest(made - _FIRST_PIECE), notices.id < earliest(made + _FIRST_PIECE))
    return [notices.retailer_id == retailer, *near, notices.event_id == event]


def _of_sellers(connection: Connection, wanted: NoticeFilter) -> ColumnElement[bool]:
    """Of retailers whose lines the owner of the endpoints may see, or of any."""
    scope = Scope(party=UUID(int=0), kind=PartyKind.PLATFORM)
    if wanted.endpoint is not None or wanted.owner is not None:
        owner = select(t.parties.c.id, t.parties.c.kind)
        if wanted.endpoint is not None:
            owner = owner.join(t.endpoints, t.endpoints.c.party_id == t.parties.c.id)
            owner = owner.where(t.endpoints.c.id == wanted.endpoint)
        if wanted.owner is not None:
            owner = owner.where(t.parties.c.id == wanted.owner)
        row = connection.execute(owner).first()
        if row is None:
            return false()
        scope = Scope(party=row.id, kind=PartyKind(row.kind))
    sellers = bindparam("sellers", sorted(_sellers(connection, scope)), type_=IdList())
    return one_of(t.notices.c.retailer_id, sellers)


def sellers_of(connection: Connection, endpoint: UUID) -> list[UUID]:
    """The retailers whose lines the owner of this endpoint may see, by their ids."""
    owner = select(t.parties.c.id, t.parties.c.kind).join(t.endpoints, t.endpoints.c.party_id == t.parties.c.id)
    row = connection.execute(owner.where(t.endpoints.c.id == endpoint)).first()
    return sorted(_sellers(connection, Scope(party=row.id, kind=PartyKind(row.kind)))) if row else []


def _sellers(connection: Connection, scope: Scope) -> set[UUID]:
    """The retailers some of whose lines this party may see."""
    if scope.kind is PartyKind.PLATFORM:
        query = select(t.parties.c.id).where(t.parties.c.kind == PartyKind.RETAILER.value)
    else:
        query = select(t.connections.c.retailer_id).where(t.connections.c.supplier_id == scope.party)
    own = {scope.party} if scope.kind is PartyKind.RETAILER else set()
    return own | set(connection.execute(query).scalars())


def _backwards(
    connection: Connection, query: Select[Any], limit: int, since: datetime | None, now: datetime
) -> list[Record]:
    """The first rows of a query of notices, by their ids, which sort by time."""
    notices, first = t.notices.c, max(since or _FIRST_DAY, _FIRST_DAY)
    rows: list[Record] = []
    end, piece = None, _FIRST_PIECE
    begin = now - piece
    while True:
        here = [notices.id > earliest(begin)] if end is None else [notices.id > earliest(begin), notices.id <= end]
        rows += connection.execute(query.where(*here).limit(limit - len(rows))).all()
        # An id may be a little older than what it names.
        if len(rows) >= limit or begin < first - _FIRST_PIECE:
            return rows
        end, piece = earliest(begin), 2 * piece
        begin = max(begin - piece, _FIRST_DAY - 2 * _FIRST_PIECE)


def notice_by_id(connection: Connection, notice: UUID) -> NoticeRow | None:
    """One notice of any party; ``None`` if there is none."""
    retailers = select(t.parties.c.id).where(t.parties.c.kind == PartyKind.RETAILER.value)
    query = select(t.notices).where(t.notices.c.retailer_id.in_(retailers), t.notices.c.id == notice)
    return view_or_none(NoticeRow, connection.execute(query).first())


def notice_shown(connection: Connection, scope: Scope, notice: UUID) -> NoticeView | None:
    """One notice with the address of its endpoint; ``None`` if there is none that this party may see."""
    retailers = select(t.parties.c.id).where(t.parties.c.kind == PartyKind.RETAILER.value)
    query = select(t.notices, t.endpoints.c.url).join(t.endpoints, t.endpoints.c.id == t.notices.c.endpoint_id)
    query = query.where(t.notices.c.retailer_id.in_(retailers), t.notices.c.id == notice)
    if scope.kind is not PartyKind.PLATFORM:
        query = query.where(t.endpoints.c.party_id == scope.party)
    return view_or_none(NoticeView, connection.execute(query).first())


_FIRST_PIECE: Final = timedelta(hours=1)


_FIRST_DAY: Final = datetime(2020, 1, 1, tzinfo=UTC)


"""Nothing here is older."""
