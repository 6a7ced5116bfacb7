"""Log-ins of people in the web console: sessions, and links that log in once. Both are credentials of their own kind.

Of a session and of a link only the digest is stored. What ends all tokens of a user (``admin/users.py``) ends the
user's sessions, too. A session is of one authentication: who gives the password again gets a new one.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, update

from countermand.admin import credentials
from countermand.admin.audit import Author
from countermand.admin.callers import PLATFORM, Caller, caller_of, permitted
from countermand.admin.sessions import LoginUser
from countermand.domain.parties import PartyKind
from countermand.ids import Ids, digest
from countermand.store import tables as t
from countermand.store.changes import change_returning
from countermand.store.columns import IdList, one_of
from countermand.store.views import view_or_none

SESSION: Final = "session"
LINK: Final = "login_link"

LASTS: Final = timedelta(hours=12)
"""How long a session counts: a working day."""

FRESH: Final = timedelta(minutes=15)
"""For so long after the password was given, it is not asked for again."""

LINK_LASTS: Final = timedelta(hours=1)
"""How long a link that logs in once can be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSession:
    """Who is logged in by which session, and since when the password is known to be right."""

    id: UUID
    user: UUID
    caller: Caller
    since: datetime
    expires_at: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Whether the password was given so lately that it need not be given again."""
        return now - self.since < FRESH


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedLink:
    """What a link was good for: the user that it logs in; ``None`` makes the first operator."""

    user: UUID | None


def open_session(connection: Connection, ids: Ids, now: datetime, *, user: UUID, party: UUID, label: str) -> str:
    """Begin a session of a user who is known by now. Returns the secret of its cookie."""
    return _issue(connection, ids, now, SESSION, party=party, user=user, lasts=LASTS, label=label)


def issue_link(
    connection: Connection,
    ids: Ids,
    now: datetime,
    *,
    party: UUID = PLATFORM,
    user: UUID | None = None,
    lasts: timedelta = LINK_LASTS,
) -> str:
    """The secret of a link that logs a user in once; without a user, it makes the first operator."""
    return _issue(connection, ids, now, LINK, party=party, user=user, lasts=lasts, label="one-time link")


def _issue(
    connection: Connection,
    ids: Ids,
    now: datetime,
    kind: str,
    *,
    party: UUID,
    user: UUID | None,
    lasts: timedelta,
    label: str,
) -> str:
    secret = ids.token("cmw")
    connection.execute(
        insert(t.credentials).values(
            id=ids.new(),
            party_id=party,
            user_id=user,
            kind=kind,
            lookup=digest(secret),
            label=label,
            # A session may what its user may at that moment.
            permissions=[],
            created_at=now,
            expires_at=now + lasts,
        )
    )
    return secret


def session_of(connection: Connection, lookup: str, now: datetime) -> WebSession | None:
    """The session whose secret has this digest, if it still counts, of an active user of an active party."""
    query = (
        select(
            t.credentials.c.id,
            t.credentials.c.created_at,
            t.credentials.c.expires_at,
            t.users.c.id.label("user"),
            t.users.c.name,
            t.users.c.email,
            t.users.c.permissions,
            t.parties.c.id.label("party"),
            t.parties.c.kind,
            t.parties.c.number,
            t.parties.c.name.label("party_name"),
        )
        .select_from(
            t.credentials.join(t.users, t.users.c.id == t.credentials.c.user_id).join(
                t.parties, t.parties.c.id == t.users.c.party_id
            )
        )
        .where(t.credentials.c.lookup == lookup, *_counts(now))
    )
    row = view_or_none(_Session, connection.execute(query).first())
    return _session(row) if row else None


def still_counting(connection: Connection, sessions: Collection[UUID], now: datetime) -> set[UUID]:
    """Which of these sessions count, as ``session_of`` has it."""
    query = (
        select(t.credentials.c.id)
        .select_from(
            t.credentials.join(t.users, t.users.c.id == t.credentials.c.user_id).join(
                t.parties, t.parties.c.id == t.users.c.party_id
            )
        )
        .where(one_of(t.credentials.c.id, bindparam("ids", sorted(sessions), type_=IdList())), *_counts(now))
    )
    return set(connection.execute(query).scalars())


def _counts(now: datetime) -> tuple[ColumnElement[bool], ...]:
    mine = t.credentials.c
    return (
        mine.kind == SESSION,
        mine.revoked_at.is_(None),
        mine.expires_at > now,
        t.users.c.status == "active",
        t.parties.c.status == "active",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    id: UUID
    created_at: datetime
    expires_at: datetime
    user: UUID
    name: str
    email: str
    permissions: list[str]
    party: UUID
    kind: str
    number: int
    party_name: str


def _session(row: _Session) -> WebSession:
    caller = caller_of(
        row.party,
        row.kind,
        row.number,
        row.party_name,
        permissions=permitted(PartyKind(row.kind), row.permissions),
        by=row.id,
        user_name=row.name,
        email=row.email,
        expires_at=row.expires_at,
    )
    return WebSession(id=row.id, user=row.user, caller=caller, since=row.created_at, expires_at=row.expires_at)


def end_session(connection: Connection, author: Author, session: UUID) -> None:
    """Log out of one session. One that has ended stays so."""
    credentials.revoke_where(connection, author, t.credentials.c.id == session)


def renew_session(connection: Connection, author: Author, session: WebSession) -> str:
    """End a session whose user gave the password again, and begin another one. Returns the secret of its cookie."""
    end_session(connection, author, session.id)
    who = session.caller
    label = f"console log-in of {who.user_name}"
    return open_session(connection, author.ids, author.at, user=session.user, party=who.party, label=label)


def find_link(connection: Connection, lookup: str, now: datetime) -> UsedLink | None:
    """What a link is good for, if it can still be used. It stays usable: mail scanners follow every link."""
    query = select(t.credentials.c.user_id.label("user")).where(*_usable(lookup, now))
    return view_or_none(UsedLink, connection.execute(query).first())


def use_link(connection: Connection, lookup: str, now: datetime) -> UsedLink | None:
    """Use a link up. Of two who use it at once, one gets ``None``."""
    used = (
        update(t.credentials)
        .where(*_usable(lookup, now))
        .values(revoked_at=now)
        .returning(t.credentials.c.user_id.label("user"))
    )
    return next(iter(change_returning(connection, used, UsedLink)), None)


def _usable(lookup: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    mine = t.credentials.c
    return mine.kind == LINK, mine.lookup == lookup, mine.revoked_at.is_(None), mine.expires_at > now


def user_by_id(connection: Connection, user: UUID) -> LoginUser | None:
    """The active user of an active party."""
    columns = (t.users.c[name] for name in ("id", "name", "password_hash", "permissions", "party_id"))
    query = (
        select(*columns, t.parties.c.kind)
        .join(t.parties)
        .where(t.users.c.id == user, t.users.c.status == "active", t.parties.c.status == "active")
    )
    return view_or_none(LoginUser, connection.execute(query).first())


def has_operator(connection: Connection) -> bool:
    """Whether somebody can log in for the platform."""
    someone = select(t.users.c.id).where(t.users.c.party_id == PLATFORM, t.users.c.status == "active").limit(1)
    return connection.execute(someone).first() is not None
