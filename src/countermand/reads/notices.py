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

    state: str | None = None
    endpoint: UUID | None = None
    since: datetime | None = None
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
    if wanted.since is not None:
        query = query.where(notices.created_at >= wanted.since)
    if wanted.state is not None:
        # As a literal: a partial index serves no parameter.
        query = query.where(notices.state == literal_column(f"'{NoticeState(wanted.state)}'"))
    if wanted.after is not None:
        query = query.where(notices.id < wanted.after)
        now = min(now, moment_of(wanted.after) + _FIRST_PIECE)
    query = query.order_by(notices.id.desc())
    if wanted.state in (NoticeState.DUE, NoticeState.DEAD):
        here = notices.partition.in_(range(t.PARTITIONS))
        return [view(NoticeView, row) for row in connection.execute(query.where(here).limit(limit))]
    mine = query.where(_of_sellers(connection, wanted.endpoint))
    return [view(NoticeView, row) for row in _backwards(connection, mine, limit, wanted.since, now)]


def _of_sellers(connection: Connection, endpoint: UUID | None) -> ColumnElement[bool]:
    """Of retailers whose lines the owner of this endpoint may see, or of any."""
    scope = Scope(party=UUID(int=0), kind=PartyKind.PLATFORM)
    if endpoint is not None:
        owner = select(t.parties.c.id, t.parties.c.kind).join(t.endpoints, t.endpoints.c.party_id == t.parties.c.id)
        row = connection.execute(owner.where(t.endpoints.c.id == endpoint)).first()
        if row is None:
            return false()
        scope = Scope(party=row.id, kind=PartyKind(row.kind))
    sellers = bindparam("sellers", sorted(_sellers(connection, scope)), type_=IdList())
    return one_of(t.notices.c.retailer_id, sellers)


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


_FIRST_PIECE: Final = timedelta(hours=1)


_FIRST_DAY: Final = datetime(2020, 1, 1, tzinfo=UTC)


"""Nothing here is older."""
