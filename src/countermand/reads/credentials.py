"""Credentials, without their secrets."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, select

from countermand.store import tables as t


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialView:
    """A credential with its party and, if a person logged in to get it, the person."""

    id: UUID
    kind: str
    label: str
    permissions: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    party: UUID
    party_name: str
    user: UUID | None
    user_name: str | None
    email: str | None


def credential_by_id(connection: Connection, credential: UUID) -> CredentialView | None:
    """The credential with this id, of any party."""
    held, parties, users = t.credentials, t.parties, t.users
    query = (
        select(
            *(held.c.id, held.c.kind, held.c.label, held.c.permissions),
            *(held.c.created_at, held.c.expires_at, held.c.revoked_at),
            held.c.party_id.label("party"),
            parties.c.name.label("party_name"),
            held.c.user_id.label("user"),
            users.c.name.label("user_name"),
            users.c.email,
        )
        .select_from(held.join(parties).outerjoin(users, users.c.id == held.c.user_id))
        .where(held.c.id == credential)
    )
    row = connection.execute(query).mappings().first()
    return CredentialView(**{**row, "permissions": tuple(row["permissions"])}) if row else None
