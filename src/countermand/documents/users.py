"""People who can log in, as JSON."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

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
