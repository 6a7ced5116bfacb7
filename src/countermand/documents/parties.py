"""Parties as JSON, for the API and the command line."""

from typing import TypedDict
from uuid import UUID

from pydantic import BaseModel

from countermand.reads.views import PartyView


class PartyOut(BaseModel):
    """A party, by its id and by its name."""

    id: UUID
    name: str


class PartyDocument(TypedDict):
    """A party as a list shows it."""

    id: str
    kind: str
    name: str
    number: int


def party_document(row: PartyView) -> PartyDocument:
    """One party."""
    return {"id": str(row.id), "kind": row.kind, "name": row.name, "number": row.number}
