"""Tokens, Plaza keys and OAuth clients: make them, name them, revoke them. ``reads/credentials.py`` lists them.

Those who issue one without an author have it in no audit trail: log-ins, and what a system begins with.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, insert, select, update

from countermand.admin.audit import Action, Author, Change, record
from countermand.admin.callers import PERMISSIONS, Permission, permitted
from countermand.domain.parties import PartyKind
from countermand.domain.problems import RefusedError, UnfitError, UnknownError
from countermand.domain.texts import NO_LABEL, is_label
from countermand.ids import Ids, digest
from countermand.keyring import Keyring
from countermand.reads.credentials import list_plaza_keys
from countermand.reads.views import PartyView
from countermand.store import tables as t
from countermand.store.changes import change_exactly, change_returning


class UnknownCredentialError(UnknownError):
    """There is no such credential, or it was revoked before. The message says which."""

    code = "unknown_credential"


class TooManyKeysError(RefusedError):
    """The party has two Plaza keys that count already; that is enough to replace one by the other."""

    code = "too_many_keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlazaKey:
    """A Plaza key pair at the one time that its private half can be read."""

    public: str
    private: str
    id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """The id and the secret of an OAuth client, at the one time that the secret can be read."""

    id: UUID
    secret: str


PLAZA_KEYS_MAX: Final = 2


class UnknownKeyError(UnknownError):
    """There is no such Plaza key, or it was revoked before."""

    code = "unknown_credential"


class BadLabelError(UnfitError):
    """A label is short and can be shown."""

    code = "bad_name"


class BadPermissionError(UnfitError):
    """The kind of party cannot have the permission."""

    code = "bad_permission"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token at the one time that it can be read."""

    id: UUID
    secret: str


def issue_token(
    connection: Connection,
    ids: Ids,
    now: datetime,
    *,
    party: PartyView,
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
            permissions=permitted(PartyKind(party.kind), permissions),
            created_at=now,
            expires_at=expires_at,
        )
    )
    return token


def check_permissions(party: PartyView, permissions: Collection[Permission] | None) -> None:
    """Whether a party can have these permissions.

    Raises:
        BadPermissionError: its kind of party cannot have one of them.
    """
    possible = PERMISSIONS[PartyKind(party.kind)]
    impossible = [permission.value for permission in permissions or () if permission not in possible]
    if impossible:
        can = ", ".join(sorted(possible))
        raise BadPermissionError(f"A {party.kind} cannot have {', '.join(impossible)}; it can have {can}.")


def create_token(
    connection: Connection,
    author: Author,
    *,
    party: PartyView,
    permissions: Collection[Permission] | None,
    label: str,
    expires_at: datetime | None,
) -> NewToken:
    """Make a token for a party. Without ``permissions`` it may do all that its kind of party may.

    Raises:
        BadPermissionError: its kind of party cannot have one of them.
    """
    check_permissions(party, permissions)
    secret = issue_token(
        connection,
        author.ids,
        author.at,
        party=party,
        permissions=permissions,
        label=label,
        expires_at=expires_at,
    )
    return NewToken(id=_record_creation(connection, author, digest(secret)), secret=secret)


def issue_plaza_key(
    connection: Connection, ids: Ids, keyring: Keyring, now: datetime, *, party: PartyView, label: str = ""
) -> PlazaKey:
    """Make a key pair for the HMAC of bol's Plaza API (docs/plaza.md); the private half is kept encrypted.

    Raises:
        TooManyKeysError: the party has two active pairs.
    """
    active = sum(row.revoked_at is None for row in list_plaza_keys(connection, party.id))
    if active >= PLAZA_KEYS_MAX:
        raise TooManyKeysError(f"{party.name} has {active} active Plaza keys. Revoke one first.")
    made = ids.new()
    pair = PlazaKey(public=ids.token("cmp"), private=ids.token("cmps"), id=made)
    connection.execute(
        insert(t.credentials).values(
            id=made,
            party_id=party.id,
            kind="plaza_key",
            lookup=pair.public,
            secret=keyring.encrypt(pair.private.encode()),
            label=label,
            permissions=permitted(PartyKind(party.kind), None),
            created_at=now,
        )
    )
    return pair


def create_plaza_key(
    connection: Connection, author: Author, keyring: Keyring, *, party: PartyView, label: str
) -> PlazaKey:
    """Make a key pair for a retailer.

    Raises:
        TooManyKeysError: the party has two active pairs.
    """
    pair = issue_plaza_key(connection, author.ids, keyring, author.at, party=party, label=label)
    _record_creation(connection, author, pair.public)
    return pair


def issue_client(
    connection: Connection, ids: Ids, now: datetime, *, party: PartyView, label: str = ""
) -> ClientCredentials:
    """Make an OAuth client of bol's Retailer API (docs/retailer.md). Of its secret only the digest is kept."""
    client = ClientCredentials(id=ids.new(), secret=ids.token("cmc"))
    connection.execute(
        insert(t.credentials).values(
            id=client.id,
            party_id=party.id,
            kind="oauth_client",
            lookup=digest(client.secret),
            label=label,
            permissions=permitted(PartyKind(party.kind), None),
            created_at=now,
        )
    )
    return client


def create_client(connection: Connection, author: Author, *, party: PartyView, label: str) -> ClientCredentials:
    """Make an OAuth client for a retailer."""
    client = issue_client(connection, author.ids, author.at, party=party, label=label)
    _record_creation(connection, author, digest(client.secret))
    return client


def rename(connection: Connection, author: Author, credential: UUID, label: str) -> None:
    """Give a credential another label.

    Raises:
        BadLabelError: the label is too long or cannot be shown.
        UnknownCredentialError: there is none with this id, or it is revoked.
    """
    check_label(label)
    row = _active(connection, credential)
    change_exactly(connection, 1, update(t.credentials).where(t.credentials.c.id == credential).values(label=label))
    detail = {"from": row.label, "to": label}
    record(
        connection, author, Change(action=Action.CREDENTIAL_RENAMED, party=row.party_id, target=row.id, detail=detail)
    )


def check_label(label: str) -> None:
    """Whether a credential can have this label.

    Raises:
        BadLabelError: it is too long or cannot be shown.
    """
    if not is_label(label):
        raise BadLabelError(NO_LABEL)


def revoke(connection: Connection, author: Author, credential: UUID) -> None:
    """End a credential. A running service honours it for a few seconds more (setting ``credential_cache_s``).

    Raises:
        UnknownCredentialError: there is none with this id, or it was revoked before.
    """
    _active(connection, credential)
    if not revoke_where(connection, author, t.credentials.c.id == credential):
        # Somebody else revoked it in between.
        _active(connection, credential)


def revoke_token(connection: Connection, author: Author, secret: str) -> None:
    """End the token with this secret.

    Raises:
        UnknownCredentialError: there is none that still counts.
    """
    if revoke_where(connection, author, t.credentials.c.lookup == digest(secret)) != 1:
        raise UnknownCredentialError("There is no such token, or it was revoked before.")


def revoke_plaza_key(connection: Connection, author: Author, public: str) -> None:
    """End the Plaza key with this public half.

    Raises:
        UnknownKeyError: there is none that still counts.
    """
    kind = t.credentials.c.kind == "plaza_key"
    if revoke_where(connection, author, kind & (t.credentials.c.lookup == public)) != 1:
        raise UnknownKeyError("There is no such key, or it was revoked before.")


def revoke_client(connection: Connection, author: Author, client: UUID) -> None:
    """End the OAuth client with this id.

    Raises:
        UnknownCredentialError: there is none that still counts.
    """
    kind = t.credentials.c.kind == "oauth_client"
    if revoke_where(connection, author, kind & (t.credentials.c.id == client)) != 1:
        raise UnknownCredentialError("There is no such client, or it was revoked before.")


def revoke_one(connection: Connection, author: Author, credential: UUID, note: str) -> None:
    """End a credential, and note why. One that has ended stays as it is."""
    revoke_where(connection, author, t.credentials.c.id == credential, note)


def revoke_where(connection: Connection, author: Author, condition: ColumnElement[bool], note: str = "") -> int:
    """End every credential that meets the condition and still counts. Returns how many there were."""
    revoked = change_returning(
        connection,
        update(t.credentials)
        .where(condition, t.credentials.c.revoked_at.is_(None))
        .values(revoked_at=author.at)
        .returning(t.credentials.c.id, t.credentials.c.party_id, t.credentials.c.kind, t.credentials.c.label),
        _Revoked,
    )
    for row in revoked:
        detail = {"kind": row.kind, "label": row.label, **({"note": note} if note else {})}
        change = Change(action=Action.CREDENTIAL_REVOKED, party=row.party_id, target=row.id, detail=detail)
        record(connection, author, change)
    return len(revoked)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Revoked:
    id: UUID
    party_id: UUID
    kind: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Active:
    id: UUID
    party_id: UUID
    label: str


def _active(connection: Connection, credential: UUID) -> _Active:
    mine = t.credentials.c
    query = select(mine.id, mine.party_id, mine.label, mine.revoked_at).where(mine.id == credential)
    row = connection.execute(query).first()
    if row is None:
        raise UnknownCredentialError("There is no credential with this id.")
    if row.revoked_at is not None:
        raise UnknownCredentialError(f"This credential was revoked on {row.revoked_at:%Y-%m-%d %H:%M} UTC.")
    return _Active(id=row.id, party_id=row.party_id, label=row.label)


def _record_creation(connection: Connection, author: Author, lookup: str) -> UUID:
    row = connection.execute(select(t.credentials).where(t.credentials.c.lookup == lookup)).one()
    detail = {"kind": row.kind, "label": row.label, "permissions": row.permissions}
    change = Change(action=Action.CREDENTIAL_CREATED, party=row.party_id, target=row.id, detail=detail)
    record(connection, author, change)
    found: UUID = row.id
    return found
