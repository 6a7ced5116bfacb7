"""Tokens, Plaza keys and OAuth clients as JSON, without their secrets."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from countermand.documents.parties import PartyOut
from countermand.ids import show
from countermand.reads.credentials import CredentialView


class CredentialOut(BaseModel):
    """A token, a pair of Plaza keys or an OAuth client. ``public`` is the public half of a pair, or the client's id.

    ``last_used_at`` is right to the minute.
    """

    id: str
    party: PartyOut
    kind: str
    label: str
    permissions: list[str]
    status: Literal["active", "expired", "revoked"]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    public: str | None
    user: Annotated[str | None, Field(description="e-mail address of who logged in to get it; null for all others")]


def credential_shown(row: CredentialView, now: datetime) -> CredentialOut:
    """One credential as it is at this time."""
    expired = row.expires_at is not None and row.expires_at <= now
    return CredentialOut(
        id=show("crd", row.id),
        party=PartyOut(id=row.party, name=row.party_name),
        kind=row.kind,
        label=row.label,
        permissions=sorted(row.permissions),
        status="revoked" if row.revoked_at else "expired" if expired else "active",
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        public=row.public,
        user=row.email,
    )
