"""Attempts to send notices and tests, for those who own the endpoints."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, bindparam, select

from countermand.domain.parties import PartyKind
from countermand.ids import earliest, moment_of
from countermand.reads.scope import Scope
from countermand.reads.subjects import Subject, subjects_of
from countermand.store import tables as t
from countermand.store.attempts import AttemptRow
from countermand.store.columns import IdList, Record, one_of
from countermand.store.views import views

_FIRST_PIECE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView(AttemptRow):
    """An attempt, and to whom: the party that owns the endpoint. ``event`` is what was sent, unless it was a test.

    ``subscription`` is what makes the endpoint one.
    """

    party_id: UUID
    party_kind: str
    subscription: Mapping[str, Any] | None
    event: Subject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFilter:
    """Which attempts to list; what is left out does not matter. ``after`` is the last one of the page before."""

    notice: UUID | None = None
    endpoint: UUID | None = None
    ok: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: UUID | None = None
    limit: int = 50


def list_attempts(
    connection: Connection, scope: Scope, wanted: AttemptFilter, now: datetime, oldest: datetime
) -> list[AttemptView]:
    """Attempts at endpoints that this party may see, newest first. None is kept that is older than ``oldest``."""
    attempts = t.attempts.c
    query = _of(scope).order_by(attempts.id.desc())
    if wanted.ok is not None:
        query = query.where(attempts.ok.is_(wanted.ok))
    if wanted.endpoint is not None:
        query = query.where(attempts.endpoint_id == wanted.endpoint)
    if wanted.since is not None:
        query = query.where(attempts.id >= earliest(wanted.since))
        oldest = max(oldest, wanted.since)
    if wanted.until is not None:
        query = query.where(attempts.id < earliest(wanted.until))
        now = min(now, wanted.until)
    if wanted.after is not None:
        query = query.where(attempts.id < wanted.after)
        now = min(now, moment_of(min(wanted.after, earliest(now + _FIRST_PIECE))))
    if wanted.notice is not None:
        rows = connection.execute(query.where(attempts.notice_id == wanted.notice).limit(wanted.limit)).all()
    else:
        rows = _backwards(connection, query.where(_endpoints(scope)), wanted.limit, now, oldest)
    return _with_events(connection, rows)


def attempts_of(connection: Connection, notices: Collection[UUID], most: int) -> list[AttemptView]:
    """All attempts for these notices, oldest first, ``most`` of them at most. Whoever asks may see the notices."""
    mine = one_of(t.attempts.c.notice_id, bindparam("notices", sorted(notices), type_=IdList()))
    query = _ATTEMPTS.where(mine).order_by(t.attempts.c.id).limit(most)
    return _with_events(connection, connection.execute(query).all()) if notices else []


def attempt_by_id(connection: Connection, scope: Scope, attempt: UUID) -> AttemptView | None:
    """One attempt; ``None`` if there is none at an endpoint that this party may see."""
    found = connection.execute(_of(scope).where(t.attempts.c.id == attempt, _endpoints(scope))).all()
    return next(iter(_with_events(connection, found)), None)


_ATTEMPTS: Final[Select[Any]] = (
    select(t.attempts, t.endpoints.c.party_id, t.endpoints.c.subscription, t.parties.c.kind.label("party_kind"))
    .join(t.endpoints, t.endpoints.c.id == t.attempts.c.endpoint_id)
    .join(t.parties, t.parties.c.id == t.endpoints.c.party_id)
)


def _of(scope: Scope) -> Select[Any]:
    return _ATTEMPTS if scope.kind is PartyKind.PLATFORM else _ATTEMPTS.where(t.endpoints.c.party_id == scope.party)


def _endpoints(scope: Scope) -> ColumnElement[bool]:
    """Attempts are found by their endpoints, which are few."""
    mine = select(t.endpoints.c.id)
    if scope.kind is not PartyKind.PLATFORM:
        mine = mine.where(t.endpoints.c.party_id == scope.party)
    return t.attempts.c.endpoint_id.in_(mine)


def _backwards(connection: Connection, query: Select[Any], limit: int, now: datetime, oldest: datetime) -> list[Record]:
    """The newest rows, looked for in pieces of time that grow: what is older than the page is not read."""
    rows: list[Record] = []
    end, piece = now + _FIRST_PIECE, 2 * _FIRST_PIECE
    while len(rows) < limit and end > oldest:
        begin = max(end - piece, oldest - _FIRST_PIECE)
        here = (t.attempts.c.id >= earliest(begin), t.attempts.c.id < earliest(end))
        rows += connection.execute(query.where(*here).limit(limit - len(rows))).all()
        end, piece = begin, 4 * piece
    return rows


def _with_events(connection: Connection, rows: Collection[Record]) -> list[AttemptView]:
    found = views(AttemptView, rows)
    subjects = subjects_of(connection, found)
    return [replace(row, event=subjects.get(row.event_id)) for row in found]
