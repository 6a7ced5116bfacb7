"""Credentials, without their secrets."""

from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, bindparam, case, or_, select

from countermand.reads.filters import given
from countermand.store import tables as t
from countermand.store.columns import Record
from countermand.store.views import view


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialView:
    """A credential with its party and, if a person logged in to get it, the person.

    ``public`` is what names it to whoever calls with it: the public half of a pair, or the id of an OAuth client.
    """

    id: UUID
    kind: str
    label: str
    permissions: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    party: UUID
    party_name: str
    user: UUID | None
    user_name: str | None
    email: str | None
    public: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlazaKeyView:
    """A pair of keys, by its public half."""

    lookup: str
    label: str
    created_at: datetime
    revoked_at: datetime | None


def credential_by_id(connection: Connection, credential: UUID) -> CredentialView | None:
    """The credential with this id, of any party."""
    row = connection.execute(_credentials().where(t.credentials.c.id == credential)).first()
    return _view(row) if row else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialFilter:
    """Which credentials to list. ``status`` is what they are at the time ``now``: active, expired or revoked."""

    kind: str | None = None
    party: UUID | None = None
    status: str | None = None
    now: datetime | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: UUID | None = None
    limit: int = 50


def list_credentials(connection: Connection, wanted: CredentialFilter) -> list[CredentialView]:
    """Credentials with their party and user, newest first, revoked ones too. Never a secret.

    Without a kind these are tokens, pairs of keys and clients: log-ins to the console are shown nowhere.
    """
    kinds = (wanted.kind,) if wanted.kind else LISTED_KINDS
    # Each kind is a walk along an index; of both together none has the order.
    found = [each for kind in kinds for each in _of_kind(connection, kind, wanted)]
    return sorted(found, key=attrgetter("id"), reverse=True)[: wanted.limit]


def _of_kind(connection: Connection, kind: str, wanted: CredentialFilter) -> list[CredentialView]:
    held = t.credentials.c
    query = _credentials().where(
        # Written out, as some kinds are rare: PostgreSQL would go through those of all kinds.
        held.kind == bindparam("kind", kind, literal_execute=True),
        *given(
            (held.party_id.__eq__, wanted.party),
            (held.created_at.__ge__, wanted.since),
            (held.created_at.__lt__, wanted.until),
            (held.id.__lt__, wanted.after),
        ),
        *_that_are(wanted.status, wanted.now),
    )
    return [_view(row) for row in connection.execute(query.order_by(held.id.desc()).limit(wanted.limit))]


LISTED_KINDS: Final = ("token", "plaza_key", "oauth_client")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginView:
    """A log-in of a person that still counts: in the console, or a token that a program got."""

    kind: str
    label: str
    created_at: datetime
    expires_at: datetime | None


def logins_of_user(connection: Connection, user: UUID, now: datetime, limit: int) -> list[LoginView]:
    """A person's log-ins and tokens that count now, newest first."""
    held = t.credentials.c
    query = select(held.kind, held.label, held.created_at, held.expires_at).where(
        held.user_id == user, *_that_are("active", now)
    )
    # By time, which no index has: a walk along the ids would go through those of everybody.
    newest = query.order_by(held.created_at.desc(), held.id.desc()).limit(limit)
    return [view(LoginView, row) for row in connection.execute(newest)]


def _that_are(status: str | None, now: datetime | None) -> list[ColumnElement[bool]]:
    held = t.credentials.c
    match status:
        case None:
            return []
        case "revoked":
            return [held.revoked_at.is_not(None)]
        case "expired":
            return [held.revoked_at.is_(None), held.expires_at <= now]
        case _:
            return [held.revoked_at.is_(None), or_(held.expires_at.is_(None), held.expires_at > now)]


def _credentials() -> Select[*tuple[Any, ...]]:
    held, parties, users = t.credentials, t.parties, t.users
    return select(
        *(held.c.id, held.c.kind, held.c.label, held.c.permissions),
        *(held.c.created_at, held.c.expires_at, held.c.revoked_at, held.c.last_used_at),
        held.c.party_id.label("party"),
        parties.c.name.label("party_name"),
        held.c.user_id.label("user"),
        users.c.name.label("user_name"),
        users.c.email,
        case((held.c.kind == "plaza_key", held.c.lookup)).label("public"),
    ).select_from(held.join(parties).outerjoin(users, users.c.id == held.c.user_id))


def _view(row: Record) -> CredentialView:
    public = str(row.id) if row.kind == "oauth_client" else row.public
    return CredentialView(**{**row._asdict(), "permissions": tuple(row.permissions), "public": public})


def list_plaza_keys(connection: Connection, party: UUID) -> list[PlazaKeyView]:
    """The party's Plaza keys, oldest first, revoked ones too."""
    query = (
        select(
            t.credentials.c.lookup,
            t.credentials.c.label,
            t.credentials.c.created_at,
            t.credentials.c.revoked_at,
        )
        .where(t.credentials.c.party_id == party, t.credentials.c.kind == "plaza_key")
        .order_by(t.credentials.c.id)
    )
    return [view(PlazaKeyView, row) for row in connection.execute(query)]
