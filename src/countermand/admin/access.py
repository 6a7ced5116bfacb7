"""What a party's own managers and operators do with its users and credentials, with what they may give."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from countermand.admin import credentials, users
from countermand.admin.audit import Author
from countermand.admin.callers import Permission, permitted
from countermand.admin.credentials import UnknownCredentialError
from countermand.admin.users import UnknownUserError, UserChange
from countermand.domain.parties import PartyKind
from countermand.domain.problems import RefusedError
from countermand.ids import show
from countermand.keyring import Keyring
from countermand.reads.credentials import CredentialView, credential_by_id
from countermand.reads.parties import find_party
from countermand.reads.users import UserView, user_by_id
from countermand.reads.views import PartyView


class BeyondError(RefusedError):
    """Nobody gives more than it has."""

    code = "forbidden"


def add_user(
    connection: Connection,
    author: Author,
    *,
    party: PartyView,
    email: str,
    name: str,
    password_hash: str,
    permissions: Collection[Permission],
) -> UserView:
    """Add a person who can log in for a party.

    Raises:
        BadPermissionError, TakenError: as ``users.add``.
    """
    user = users.add(
        connection,
        author,
        party=party,
        email=email,
        name=name,
        password_hash=password_hash,
        permissions=permissions,
    )
    return _user(connection, user, None)


def change_user(
    connection: Connection,
    author: Author,
    *,
    user: UUID,
    party: UUID | None,
    change: UserChange,
    held: Collection[str],
    as_seen: Callable[[UserView], None],
) -> UserView:
    """Change a user; with ``party`` only one of that party's. ``held`` is what whoever changes it may do.

    ``as_seen`` raises if the user is not as the caller saw it.

    Raises:
        UnknownUserError: there is no such user.
        BeyondError: the user would get more than is held, or a password of somebody else's choice and has more.
        BadPermissionError: the kind of party cannot have one of the permissions.
    """
    before = _user(connection, user, party, lock=True)
    as_seen(before)
    check_beyond(set(change.permissions or ()) - set(before.permissions), held)
    if change.password_hash is not None:
        # Whoever sets a password can log in with it.
        check_beyond(change.permissions if change.permissions is not None else before.permissions, held)
    users.update_user(connection, author, find_party(connection, str(before.party)), before, change)
    return _user(connection, user, party)


def end_sessions(connection: Connection, author: Author, *, user: UUID, party: UUID | None) -> UserView:
    """End all log-ins and tokens of a user.

    Raises:
        UnknownUserError: as ``change_user``.
    """
    _user(connection, user, party, lock=True)
    users.log_out(connection, author, users.find_user(connection, show("usr", user)))
    return _user(connection, user, party)


def check_beyond(permissions: Collection[str], held: Collection[str]) -> None:
    """Whether all of these are held.

    Raises:
        BeyondError: one is not.
    """
    beyond = sorted(set(permissions) - set(held))
    if beyond:
        raise BeyondError(f"This token cannot give what it lacks: {', '.join(beyond)}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """A credential at the one time that its secret can be read."""

    credential: CredentialView
    secret: str


def add_token(
    connection: Connection,
    author: Author,
    *,
    party: PartyView,
    permissions: Collection[Permission],
    label: str,
    expires_at: datetime | None,
) -> NewCredential:
    """Make a token for a party.

    Raises:
        BadLabelError: the label is too long or cannot be shown.
        BadPermissionError: as ``credentials.create_token``.
    """
    credentials.check_label(label)
    made = credentials.create_token(
        connection, author, party=party, permissions=permissions, label=label, expires_at=expires_at
    )
    return NewCredential(credential=find_credential(connection, made.id, None), secret=made.secret)


def add_plaza_key(
    connection: Connection, author: Author, keyring: Keyring, *, party: PartyView, label: str
) -> NewCredential:
    """Make a pair of Plaza keys for a retailer.

    Raises:
        BadLabelError: as ``add_token``.
        TooManyKeysError: the party has two that count.
    """
    credentials.check_label(label)
    made = credentials.create_plaza_key(connection, author, keyring, party=party, label=label)
    assert made.id
    return NewCredential(credential=find_credential(connection, made.id, None), secret=made.private)


def add_client(connection: Connection, author: Author, *, party: PartyView, label: str) -> NewCredential:
    """Make an OAuth client of bol's Retailer API for a retailer.

    Raises:
        BadLabelError: as ``add_token``.
    """
    credentials.check_label(label)
    made = credentials.create_client(connection, author, party=party, label=label)
    return NewCredential(credential=find_credential(connection, made.id, None), secret=made.secret)


def of_retailer(party: PartyView) -> list[str]:
    """What a pair of Plaza keys or an OAuth client of this party may do."""
    return permitted(PartyKind(party.kind), None)


def revoke(
    connection: Connection, author: Author, *, credential: UUID, party: UUID | None, note: str = ""
) -> CredentialView:
    """End a credential; with ``party`` only one of that party's. One that has ended stays as it is.

    Raises:
        UnknownCredentialError: there is none.
    """
    found = find_credential(connection, credential, party)
    if found.revoked_at is None:
        credentials.revoke_one(connection, author, credential, note)
    return find_credential(connection, credential, party)


def find_credential(connection: Connection, credential: UUID, party: UUID | None) -> CredentialView:
    """A credential; with ``party`` only one of that party's.

    Raises:
        UnknownCredentialError: there is none.
    """
    found = credential_by_id(connection, credential)
    if found is None or party not in (None, found.party):
        raise UnknownCredentialError("There is no such credential.")
    return found


def find_user(connection: Connection, user: UUID, party: UUID | None) -> UserView:
    """A user; with ``party`` only one of that party's.

    Raises:
        UnknownUserError: there is none.
    """
    return _user(connection, user, party)


def _user(connection: Connection, user: UUID, party: UUID | None, *, lock: bool = False) -> UserView:
    found = user_by_id(connection, user, party, lock=lock)
    if found is None:
        raise UnknownUserError("There is no such user.")
    return found
