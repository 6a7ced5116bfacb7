"""Parties as JSON, for the API and the command line."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from countermand.domain.parties import PartyKind
from countermand.reads.views import PartyView


class PartyOut(BaseModel):
    """A party, by its id and by its name."""

    id: UUID
    name: str


class PartyShown(PartyOut):
    """A party by itself."""

    number: int
    kind: PartyKind
    status: Literal["active", "deactivated"]
    created_at: datetime


def party_document(row: PartyView) -> PartyShown:
    """One party."""
    return PartyShown.model_validate(row, from_attributes=True)
