"""What several answers of the native API have in common."""

from uuid import UUID

from pydantic import BaseModel


class PartyOut(BaseModel):
    """A party, by its id and by its name."""

    id: UUID
    name: str
