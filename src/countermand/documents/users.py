"""People who can log in, as JSON."""

from dataclasses import asdict
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from countermand.documents.parties import PartyOut
from countermand.ids import show
from countermand.reads.users import UserView


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
