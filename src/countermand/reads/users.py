"""People who can log in, with the parties that they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, func, select

from countermand.reads.filters import given
from countermand.store import tables as t
from countermand.store.views import view, view_or_none


@dataclass(frozen=True, slots=True, kw_only=True)
class UserView:
    """A user with the name of the party, and when the last log-in was that is still known."""

    id: UUID
    email: str
    name: str
    status: str
    permissions: Sequence[str]
    created_at: datetime
    party: UUID
    party_name: str
    last_login_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFilter:
    """Which users to list. ``begins`` is how their e-mail addresses begin, in any case."""

    party: UUID | None = None
    status: str | None = None
    begins: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: UUID | None = None
    limit: int = 50


def list_users(connection: Connection, wanted: UserFilter) -> list[UserView]:
    """Users with their party, newest first, disabled ones too."""
    users = t.users.c
    query = _users().where(
        *given(
            (users.party_id.__eq__, wanted.party),
            (users.status.__eq__, wanted.status),
            (lambda begin: users.email.startswith(begin.lower(), autoescape=True), wanted.begins),
            (users.created_at.__ge__, wanted.since),
            (users.created_at.__lt__, wanted.until),
            (users.id.__lt__, wanted.after),
        )
    )
    return [view(UserView, row) for row in connection.execute(query.order_by(users.id.desc()).limit(wanted.limit))]


def user_by_id(connection: Connection, user: UUID, party: UUID | None = None, *, lock: bool = False) -> UserView | None:
    """One user; with ``party`` only if the user belongs to it."""
    query = _users().where(t.users.c.id == user)
    if party:
        query = query.where(t.users.c.party_id == party)
    return view_or_none(UserView, connection.execute(query.with_for_update(of=t.users) if lock else query).first())


def _users() -> Select[*tuple[Any, ...]]:
    users, logins = t.users.c, t.credentials.c
    last = select(func.max(logins.created_at)).where(logins.user_id == users.id).scalar_subquery()
    return select(
        *(users.id, users.email, users.name, users.status, users.permissions, users.created_at),
        users.party_id.label("party"),
        t.parties.c.name.label("party_name"),
        last.label("last_login_at"),
    ).join_from(t.users, t.parties)
