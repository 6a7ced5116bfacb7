"""People who can log in: add and disable them, change their password, end their log-ins."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from countermand.admin import credentials
from countermand.admin.audit import Action, Author, Change, differences, record
from countermand.admin.callers import Permission, permitted
from countermand.admin.parties import TakenError, lock_names
from countermand.admin.sessions import hash_of_password
from countermand.domain.parties import PartyKind
from countermand.domain.problems import UnknownError
from countermand.ids import Ids, read, show
from countermand.reads.users import UserView
from countermand.reads.views import PartyView
from countermand.store import tables as t
from countermand.store.changes import change_exactly
from countermand.store.views import view


class UnknownUserError(UnknownError):
    """There is no such user. The message says which was looked for."""

    code = "unknown_user"


def enter(
    connection: Connection,
    ids: Ids,
    now: datetime,
    *,
    party: PartyView,
    email: str,
    name: str,
    password: str = "",
    password_hash: str | None = None,
    permissions: Collection[str] | None = None,
) -> UUID:
    """Add a person who can log in for a party, in no audit trail. A password may come hashed.

    Raises:
        TakenError: somebody has this e-mail address.
    """
    email = email.strip().lower()
    lock_names(connection)
    if connection.execute(select(t.users.c.id).where(t.users.c.email == email)).first():
        raise TakenError(f"There is a user with the e-mail address {email} already.")
    user = ids.new()
    connection.execute(
        insert(t.users).values(
            id=user,
            party_id=party.id,
            email=email,
            name=name,
            password_hash=password_hash or hash_of_password(password),
            permissions=permitted(PartyKind(party.kind), permissions),
            status="active",
            created_at=now,
        )
    )
    return user


def add(
    connection: Connection,
    author: Author,
    *,
    party: PartyView,
    email: str,
    name: str,
    password: str = "",
    password_hash: str | None = None,
    permissions: Collection[Permission] | None,
) -> UUID:
    """Add a person who can log in for a party. A password may come hashed.

    Raises:
        BadPermissionError: its kind of party cannot have one of the permissions.
        TakenError: somebody has this e-mail address.
    """
    credentials.check_permissions(party, permissions)
    user = enter(
        connection,
        author.ids,
        author.at,
        party=party,
        email=email,
        name=name,
        password=password,
        password_hash=password_hash,
        permissions=permissions,
    )
    _record(connection, author, Action.USER_ADDED, find_user(connection, str(user)))
    return user


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user by itself."""

    id: UUID
    party_id: UUID
    email: str
    name: str
    status: str


def find_user(connection: Connection, text: str) -> User:
    """The user with this id or e-mail address, disabled or not.

    Raises:
        UnknownUserError: there is none.
    """
    user = read("usr", text)
    where = t.users.c.id == user if user else t.users.c.email == text.strip().lower()
    columns = (t.users.c[name] for name in ("id", "party_id", "email", "name", "status"))
    row = connection.execute(select(*columns).where(where)).first()
    if row is None:
        raise UnknownUserError(f"There is no user with the id or e-mail address {text!r}.")
    return view(User, row)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChange:
    """What changes of a user; ``None`` leaves it. A password is its hash, as hashing takes long."""

    name: str | None = None
    permissions: Collection[Permission] | None = None
    password_hash: str | None = None
    active: bool | None = None


def update_user(connection: Connection, author: Author, party: PartyView, before: UserView, change: UserChange) -> None:
    """Change a user who was locked. A new password, or to be disabled, ends the user's log-ins and tokens.

    Raises:
        BadPermissionError: the kind of party cannot have one of the permissions.
    """
    credentials.check_permissions(party, change.permissions)
    user = find_user(connection, show("usr", before.id))
    values: dict[str, Any] = {}
    if change.name is not None and change.name != before.name:
        values["name"] = change.name
    if change.permissions is not None and set(change.permissions) != set(before.permissions):
        values["permissions"] = permitted(PartyKind(party.kind), change.permissions)
    if values:
        change_exactly(connection, 1, update(t.users).where(t.users.c.id == user.id).values(values))
        was = {"name": before.name, "permissions": sorted(before.permissions)}
        detail = {"email": user.email, **differences(was, values)}
        entry = Change(action=Action.USER_CHANGED, party=user.party_id, target=user.id, detail=detail)
        record(connection, author, entry)
    if change.password_hash is not None:
        set_password(connection, author, user, change.password_hash)
    if change.active is not None and change.active != (before.status == "active"):
        (enable if change.active else disable)(connection, author, user)


def disable(connection: Connection, author: Author, user: User) -> int:
    """Let a user log in no more, and end the user's tokens. Returns how many tokens ended."""
    change_exactly(connection, 1, update(t.users).where(t.users.c.id == user.id).values(status="disabled"))
    ended = _end_tokens(connection, author, user.id)
    _record(connection, author, Action.USER_DISABLED, user)
    return ended


def enable(connection: Connection, author: Author, user: User) -> None:
    """Let a user log in again. Tokens that ended stay ended."""
    change_exactly(connection, 1, update(t.users).where(t.users.c.id == user.id).values(status="active"))
    _record(connection, author, Action.USER_ENABLED, user)


def change_password(connection: Connection, author: Author, user: User, password: str) -> int:
    """Replace a user's password, and end the user's tokens. Returns how many tokens ended."""
    return set_password(connection, author, user, hash_of_password(password))


def set_password(connection: Connection, author: Author, user: User, hashed: str) -> int:
    """The same for a password that was hashed before."""
    change_exactly(connection, 1, update(t.users).where(t.users.c.id == user.id).values(password_hash=hashed))
    ended = _end_tokens(connection, author, user.id)
    _record(connection, author, Action.USER_PASSWORD_CHANGED, user)
    return ended


def log_out(connection: Connection, author: Author, user: User) -> int:
    """End all of a user's log-ins and tokens. Returns how many there were."""
    ended = _end_tokens(connection, author, user.id)
    _record(connection, author, Action.USER_LOGGED_OUT, user)
    return ended


def _end_tokens(connection: Connection, author: Author, user: UUID) -> int:
    return credentials.revoke_where(connection, author, t.credentials.c.user_id == user)


def _record(connection: Connection, author: Author, action: Action, user: User, **more: Any) -> None:
    change = Change(action=action, party=user.party_id, target=user.id, detail={"email": user.email, **more})
    record(connection, author, change)
