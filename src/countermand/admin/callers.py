"""Callers: the party of a token, a Plaza key or an OAuth client, and what that credential may do."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, select

from countermand.domain.parties import Actor, PartyKind
from countermand.reads.views import PartyView
from countermand.store import tables as t
from countermand.store.views import view_or_none


class Permission(StrEnum):
    """What a credential may do. The first five are CRUX's (docs/crux.md), by the names its clients know."""

    VIEW_ORDER = "view_order"
    CREATE_ORDER = "create_order"
    CANCEL_ORDER = "cancel_order"
    ALLOCATE_ORDER = "allocate_order"
    ADD_ORDER_TRACKING = "add_order_tracking"
    MANAGE_ENDPOINTS = "manage_endpoints"
    MANAGE_REFUNDS = "manage_refunds"
    MANAGE_PARTIES = "manage_parties"
    MANAGE_ACCESS = "manage_access"
    MANAGE_POLICIES = "manage_policies"
    MANAGE_SCORES = "manage_scores"


CRUX_PERMISSIONS: Final = frozenset(
    {
        Permission.VIEW_ORDER,
        Permission.CREATE_ORDER,
        Permission.CANCEL_ORDER,
        Permission.ALLOCATE_ORDER,
        Permission.ADD_ORDER_TRACKING,
    }
)
"""Those that clients of CRUX know."""

_OPERATORS: Final = frozenset(
    {
        Permission.MANAGE_REFUNDS,
        Permission.MANAGE_PARTIES,
        Permission.MANAGE_POLICIES,
        Permission.MANAGE_SCORES,
    }
)

PERMISSIONS: Final[dict[PartyKind, frozenset[Permission]]] = {
    PartyKind.PLATFORM: frozenset(Permission),
    PartyKind.RETAILER: frozenset(Permission) - _OPERATORS,
    PartyKind.SUPPLIER: frozenset(Permission) - _OPERATORS - {Permission.CREATE_ORDER},
}
"""The permissions that each kind of party can have. A credential has all of them by default."""

PLATFORM: Final = UUID(int=1)
"""The party that runs this service. It is there from the first migration on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is calling: the party, and what this credential may do. ``expires_at`` is when it stops to count.

    ``actor`` is the caller as the rules know it. ``sees`` is whose rows alone the database shows it; ``None`` shows a
    platform all.
    """

    party: UUID
    kind: PartyKind
    party_number: int
    name: str
    actor: Actor
    sees: UUID | None
    permissions: frozenset[str]
    credential: UUID
    user_name: str = ""
    email: str = ""
    expires_at: datetime | None = None

    def may(self, permission: Permission) -> bool:
        """Whether this credential carries the permission."""
        return permission in self.permissions


def caller_of_token(connection: Connection, lookup: str) -> Caller | None:
    """The caller whose token has this digest, expired or not; ``None`` when it is unknown or was revoked."""
    query = _CALLER.where(t.credentials.c.kind == "token", t.credentials.c.lookup == lookup)
    row = view_or_none(_Credential, connection.execute(query).first())
    return _caller(row) if row else None


def plaza_key(connection: Connection, public: str) -> tuple[Caller, bytes, bool] | None:
    """The caller, the encrypted private half, and whether the party is active; ``None`` for an unknown key."""
    query = _CREDENTIAL.where(t.credentials.c.kind == "plaza_key", t.credentials.c.lookup == public)
    row = view_or_none(_Credential, connection.execute(query).first())
    return (_caller(row), row.secret, row.status == "active") if row and row.secret else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client of OAuth: its caller, the digest of its secret, and whether its party is active."""

    caller: Caller
    digest: str
    is_active: bool


def oauth_client(connection: Connection, client: UUID) -> Client | None:
    """The client with this id; ``None`` for one that is unknown or was revoked."""
    query = _CREDENTIAL.where(t.credentials.c.id == client, t.credentials.c.kind == "oauth_client")
    row = view_or_none(_Credential, connection.execute(query).first())
    return Client(caller=_caller(row), digest=row.lookup, is_active=row.status == "active") if row else None


def permitted(kind: PartyKind, requested: Collection[str] | None) -> list[str]:
    """What a credential of such a party may do: what was requested, and no more than its kind of party can have."""
    most = {permission.value for permission in PERMISSIONS[kind]}
    return sorted(most if requested is None else most & set(requested))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Credential:
    """A credential with its party, and its user if it has one."""

    id: UUID
    party_id: UUID
    permissions: Sequence[str]
    label: str
    expires_at: datetime | None
    secret: bytes | None
    lookup: str
    kind: str
    status: str
    number: int
    name: str
    user_name: str | None
    email: str | None


_CREDENTIAL = (
    select(
        t.credentials.c.id,
        t.credentials.c.party_id,
        t.credentials.c.permissions,
        t.credentials.c.label,
        t.credentials.c.expires_at,
        t.credentials.c.secret,
        t.credentials.c.lookup,
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


def caller_as(party: PartyView) -> Caller:
    """A party itself, with all that its kind may do, for what an operator reads in its place."""
    return caller_of(
        party.id, party.kind, party.number, party.name, permissions=permitted(PartyKind(party.kind), None), by=party.id
    )


def _caller(row: _Credential) -> Caller:
    return caller_of(
        row.party_id,
        row.kind,
        row.number,
        row.name,
        permissions=row.permissions,
        by=row.id,
        label=row.label,
        user_name=row.user_name or "",
        email=row.email or "",
        expires_at=row.expires_at,
    )


def caller_of(
    party: UUID,
    kind: str,
    number: int,
    name: str,
    *,
    permissions: Collection[str],
    by: UUID,
    label: str = "",
    user_name: str = "",
    email: str = "",
    expires_at: datetime | None = None,
) -> Caller:
    """The caller that a party is with the credential ``by``, called after its user, or else after its label."""
    its_kind, who = PartyKind(kind), user_name or label
    shown = f"{name} ({who})" if who else name
    return Caller(
        party=party,
        kind=its_kind,
        party_number=number,
        name=shown,
        actor=Actor(party=party, kind=its_kind, name=shown),
        sees=None if its_kind is PartyKind.PLATFORM else party,
        permissions=frozenset(permissions),
        credential=by,
        user_name=user_name,
        email=email,
        expires_at=expires_at,
    )
