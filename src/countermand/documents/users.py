"""People who can log in, as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Literal, TypedDict

from pydantic import BaseModel

from countermand.documents.parties import PartyOut
from countermand.ids import show
from countermand.reads.users import UserView


class UserDocument(TypedDict):
    """A user, and the party that the user acts for."""

    id: str
    email: str
    name: str
    party: str
    status: str
    permissions: Sequence[str]
    created_at: datetime


def user_document(row: UserView) -> UserDocument:
    """One user."""
    return {
        "id": show("usr", row.id),
        "email": row.email,
        "name": row.name,
        "party": row.party_name,
        "status": row.status,
        "permissions": row.permissions,
        "created_at": row.created_at,
    }


class UserShown(BaseModel):
    """A person who can log in for a party. ``last_login_at`` is the last log-in that is still known."""

    id: str
    party: PartyOut
    email: str
    name: str
    permissions: list[str]
    status: Literal["active", "disabled"]
    created_at: datetime
    last_login_at: datetime | None


def user_shown(row: UserView) -> UserShown:
    """One user, with the party by id and name."""
    return UserShown.model_validate(
        {
            **asdict(row),
            "id": show("usr", row.id),
            "party": PartyOut(id=row.party, name=row.party_name),
            "permissions": sorted(row.permissions),
        }
    )
