"""Log-ins: whether a password is a user's, and the token that a right one is worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Connection, select

from countermand.admin.credentials import issue_token
from countermand.domain.parties import PartyKind
from countermand.ids import Ids
from countermand.reads.views import PartyView
from countermand.store import tables as t
from countermand.store.views import view, view_or_none

if TYPE_CHECKING:
    from argon2 import PasswordHasher


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a user gets for a right password."""

    token: str
    user: UUID
    party: UUID
    kind: PartyKind
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginUser:
    """An active user, as a log-in needs it."""

    id: UUID
    name: str
    password_hash: str
    permissions: Sequence[str]
    party_id: UUID
    kind: str


def find_user(connection: Connection, email: str) -> LoginUser | None:
    """The active user with this e-mail address, of an active party."""
    query = (
        select(
            t.users.c.id,
            t.users.c.name,
            t.users.c.password_hash,
            t.users.c.permissions,
            t.users.c.party_id,
            t.parties.c.kind,
        )
        .join(t.parties)
        .where(t.users.c.email == email.strip().lower(), t.users.c.status == "active", t.parties.c.status == "active")
    )
    return view_or_none(LoginUser, connection.execute(query).first())


def is_password(user: LoginUser | None, password: str) -> bool:
    """Whether the password is this user's. Takes the same time for a user who does not exist. Slow on purpose."""
    from argon2.exceptions import Argon2Error, InvalidHashError

    try:
        password_hasher().verify(user.password_hash if user else _nobodys_hash(), password)
    except (Argon2Error, InvalidHashError):
        return False
    return user is not None


def log_in(connection: Connection, ids: Ids, now: datetime, *, user: LoginUser, expires_at: datetime | None) -> Login:
    """Give a user whose password was right a token that ends at ``expires_at``."""
    party = view(PartyView, connection.execute(select(t.parties).where(t.parties.c.id == user.party_id)).one())
    token = issue_token(
        connection,
        ids,
        now,
        party=party,
        permissions=user.permissions,
        label=f"login of {user.name}",
        expires_at=expires_at,
        user=user.id,
    )
    return Login(
        token=token,
        user=user.id,
        party=party.id,
        kind=PartyKind(party.kind),
        permissions=tuple(user.permissions),
    )


@cache
def password_hasher() -> "PasswordHasher":
    """Hashes as slowly as RFC 9106 recommends, in its variant for little memory."""
    # Few commands and calls hash a password.
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    """The hash of a password that nobody has."""
    return password_hasher().hash("nobody has this password")


def hash_of_password(password: str) -> str:
    """What is kept of a password. Slow on purpose."""
    return password_hasher().hash(password)
