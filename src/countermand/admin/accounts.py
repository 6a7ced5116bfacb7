"""Who takes part: parties, their users, and the credentials they call with."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from countermand.domain.parties import Actor, PartyKind
from countermand.ids import Ids, digest
from countermand.keyring import Keyring
from countermand.store import statements as sql
from countermand.store import tables as t
from countermand.store.changes import change_exactly
from countermand.store.columns import Record
from countermand.store.revisions import agreements_changed

if TYPE_CHECKING:
    from argon2 import PasswordHasher


class Permission(StrEnum):
    """What a credential may do. All but the last two are CRUX's (docs/crux.md), by the names its clients know."""

    VIEW_ORDER = "view_order"
    CREATE_ORDER = "create_order"
    CANCEL_ORDER = "cancel_order"
    ALLOCATE_ORDER = "allocate_order"
    ADD_ORDER_TRACKING = "add_order_tracking"
    MANAGE_ENDPOINTS = "manage_endpoints"
    MANAGE_REFUNDS = "manage_refunds"


PERMISSIONS: Final[dict[PartyKind, frozenset[Permission]]] = {
    PartyKind.PLATFORM: frozenset(Permission),
    PartyKind.RETAILER: frozenset(Permission) - {Permission.MANAGE_REFUNDS},
    PartyKind.SUPPLIER: frozenset(Permission) - {Permission.MANAGE_REFUNDS, Permission.CREATE_ORDER},
}
"""What each kind of party may be permitted at most; a credential has all of it unless told otherwise."""

PLATFORM: Final = UUID(int=1)
"""The party that runs this service. It is there from the first migration on."""


@cache
def _hasher() -> "PasswordHasher":
    # Few commands and calls hash a password.
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    """The hash of a password that nobody has."""
    return _hasher().hash("nobody has this password")


def hash_of_password(password: str) -> str:
    """What is kept of a password. Slow on purpose."""
    return _hasher().hash(password)


class TakenError(ValueError):
    """The name or e-mail address belongs to another one already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is calling: the party, and what this credential may do. ``expires_at`` is when it stops to count."""

    party: UUID
    kind: PartyKind
    party_number: int
    name: str
    permissions: frozenset[str]
    credential: UUID
    user_name: str = ""
    email: str = ""
    expires_at: datetime | None = None

    @property
    def actor(self) -> Actor:
        """The caller, as the rules know it."""
        return Actor(party=self.party, kind=self.kind, name=self.name)

    @property
    def sees(self) -> UUID | None:
        """Whose rows alone the database shows this caller; ``None`` shows a platform all."""
        return None if self.kind is PartyKind.PLATFORM else self.party

    def may(self, permission: Permission) -> bool:
        """Whether this credential carries the permission."""
        return permission in self.permissions


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a user gets for a right password."""

    token: str
    user: UUID
    party: UUID
    kind: PartyKind
    permissions: tuple[str, ...]


def add_party(connection: Connection, ids: Ids, now: datetime, *, kind: PartyKind, name: str) -> UUID:
    """Add a party. Its number is what bol calls ``sellerId``.

    Raises:
        TakenError: another party has this name.
    """
    if connection.execute(select(t.parties.c.id).where(t.parties.c.name == name)).first():
        raise TakenError(f"There is a party called {name} already.")
    party = ids.new()
    number = connection.execute(sql.TAKE_NUMBERS, {"of_name": "bol", "size": 1}).scalar_one() - 1
    connection.execute(
        insert(t.parties).values(id=party, number=number, kind=kind.value, name=name, created_at=now, status="active")
    )
    return party


def set_active(connection: Connection, party: UUID, *, active: bool) -> None:
    """Let a party take part, or not any more: then its credentials open nothing, and operators answer for it (EC-26).

    What waits for it already has to be handed over separately: each is a matter of its line's history.
    """
    status = "active" if active else "deactivated"
    change_exactly(connection, 1, update(t.parties).where(t.parties.c.id == party).values(status=status))
    agreements_changed(connection)


def add_user(
    connection: Connection,
    ids: Ids,
    now: datetime,
    *,
    party: Record,
    email: str,
    name: str,
    password: str,
    permissions: Collection[str] | None = None,
) -> UUID:
    """Add a person who can log in for a party.

    Raises:
        TakenError: somebody has this e-mail address.
    """
    email = email.strip().lower()
    if connection.execute(select(t.users.c.id).where(t.users.c.email == email)).first():
        raise TakenError(f"There is a user with the e-mail address {email} already.")
    user = ids.new()
    connection.execute(
        insert(t.users).values(
            id=user,
            party_id=party.id,
            email=email,
            name=name,
            password_hash=hash_of_password(password),
            permissions=_permitted(PartyKind(party.kind), permissions),
            status="active",
            created_at=now,
        )
    )
    return user


def create_token(
    connection: Connection,
    ids: Ids,
    now: datetime,
    *,
    party: Record,
    permissions: Collection[str] | None = None,
    label: str = "",
    expires_at: datetime | None = None,
    user: UUID | None = None,
) -> str:
    """Make a token and return it; only its digest is kept, so this is the one time it can be read."""
    token = ids.token("cmt")
    connection.execute(
        insert(t.credentials).values(
            id=ids.new(),
            party_id=party.id,
            user_id=user,
            kind="token",
            lookup=digest(token),
            label=label,
            permissions=_permitted(PartyKind(party.kind), permissions),
            created_at=now,
            expires_at=expires_at,
        )
    )
    return token


def caller_of_token(connection: Connection, lookup: str) -> Caller | None:
    """The caller whose token has this digest, expired or not; ``None`` when it is unknown or was revoked."""
    row = connection.execute(_CALLER.where(t.credentials.c.kind == "token", t.credentials.c.lookup == lookup)).first()
    return _caller(row) if row else None


def find_user(connection: Connection, email: str) -> Record | None:
    """The active user with this e-mail address, of an active party."""
    return connection.execute(
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
    ).first()


def is_password(user: Record | None, password: str) -> bool:
    """Whether the password is this user's. Takes the same time for a user who does not exist. Slow on purpose."""
    from argon2.exceptions import Argon2Error, InvalidHashError

    try:
        _hasher().verify(user.password_hash if user else _nobodys_hash(), password)
    except (Argon2Error, InvalidHashError):
        return False
    return user is not None


def log_in(connection: Connection, ids: Ids, now: datetime, *, user: Record, expires_at: datetime | None) -> Login:
    """Give a user whose password was right a token that ends at ``expires_at``."""
    party = connection.execute(select(t.parties).where(t.parties.c.id == user.party_id)).one()
    token = create_token(
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


class TooManyKeysError(ValueError):
    """The party has two Plaza keys that count already; that is enough to replace one by the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlazaKey:
    """A Plaza key pair at the one time that its private half can be read."""

    public: str
    private: str


PLAZA_KEYS_MAX: Final = 2


def create_plaza_key(
    connection: Connection, ids: Ids, keyring: Keyring, now: datetime, *, party: Record, label: str = ""
) -> PlazaKey:
    """Make a key pair for the HMAC of bol's Plaza API (docs/plaza.md); the private half is kept encrypted.

    Raises:
        TooManyKeysError: the party has two active pairs.
    """
    active = sum(row.revoked_at is None for row in list_plaza_keys(connection, party.id))
    if active >= PLAZA_KEYS_MAX:
        raise TooManyKeysError(f"{party.name} has {active} active Plaza keys. Revoke one first.")
    pair = PlazaKey(public=ids.token("cmp"), private=ids.token("cmps"))
    connection.execute(
        insert(t.credentials).values(
            id=ids.new(),
            party_id=party.id,
            kind="plaza_key",
            lookup=pair.public,
            secret=keyring.encrypt(pair.private.encode()),
            label=label,
            permissions=_permitted(PartyKind(party.kind), None),
            created_at=now,
        )
    )
    return pair


def list_plaza_keys(connection: Connection, party: UUID) -> Sequence[Record]:
    """The party's Plaza keys, oldest first, revoked ones too."""
    return connection.execute(
        select(
            t.credentials.c.lookup,
            t.credentials.c.label,
            t.credentials.c.created_at,
            t.credentials.c.revoked_at,
        )
        .where(t.credentials.c.party_id == party, t.credentials.c.kind == "plaza_key")
        .order_by(t.credentials.c.id)
    ).all()


def plaza_key(connection: Connection, public: str) -> tuple[Caller, bytes, bool] | None:
    """The caller, the encrypted private half, and whether the party is active; ``None`` for an unknown key."""
    row = connection.execute(
        _CREDENTIAL.where(t.credentials.c.kind == "plaza_key", t.credentials.c.lookup == public)
    ).first()
    return (_caller(row), row.secret, row.status == "active") if row else None


_CREDENTIAL = (
    select(
        t.credentials.c.id,
        t.credentials.c.party_id,
        t.credentials.c.permissions,
        t.credentials.c.label,
        t.credentials.c.expires_at,
        t.credentials.c.secret,
        t.parties.c.kind,
        t.parties.c.status,
        t.parties.c.number,
        t.parties.c.name,
        t.users.c.name.label("user_name"),
        t.users.c.email,
    )
    .select_from(t.credentials.join(t.parties).outerjoin(t.users, t.users.c.id == t.credentials.c.user_id))
    .where(t.credentials.c.revoked_at.is_(None))
)

_CALLER = _CREDENTIAL.where(t.parties.c.status == "active", (t.users.c.status == "active") | t.users.c.status.is_(None))


def _caller(row: Record) -> Caller:
    who = row.user_name or row.label
    return Caller(
        party=row.party_id,
        kind=PartyKind(row.kind),
        party_number=row.number,
        name=f"{row.name} ({who})" if who else row.name,
        permissions=frozenset(row.permissions),
        credential=row.id,
        user_name=row.user_name or "",
        email=row.email or "",
        expires_at=row.expires_at,
    )


def _permitted(kind: PartyKind, wished: Collection[str] | None) -> list[str]:
    most = {permission.value for permission in PERMISSIONS[kind]}
    return sorted(most if wished is None else most & set(wished))
