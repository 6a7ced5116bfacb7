"""People who can log in, with the parties that they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, select

from countermand.store import tables as t
from countermand.store.views import view


@dataclass(frozen=True, slots=True, kw_only=True)
class UserView:
    """A user with the name of the party."""

    id: UUID
    email: str
    name: str
    status: str
    permissions: Sequence[str]
    created_at: datetime
    party_name: str


def list_users(connection: Connection, *, party: UUID | None, after: UUID | None, limit: int) -> list[UserView]:
    """Users with their party, newest first, disabled ones too."""
    columns = (t.users.c.id, t.users.c.email, t.users.c.name, t.users.c.status, t.users.c.permissions)
    query = select(*columns, t.users.c.created_at, t.parties.c.name.label("party_name")).join(t.parties)
    if party:
        query = query.where(t.users.c.party_id == party)
    if after:
        query = query.where(t.users.c.id < after)
    return [view(UserView, row) for row in connection.execute(query.order_by(t.users.c.id.desc()).limit(limit))]
