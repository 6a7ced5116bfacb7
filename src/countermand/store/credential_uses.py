"""When credentials were last used."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, or_, update

from countermand.store import tables as t
from countermand.store.changes import change_any


def save_uses(connection: Connection, used: Mapping[UUID, datetime]) -> None:
    """Keep that these credentials were used then, in the order of their ids, as rows are locked everywhere."""
    held = t.credentials.c
    for credential, at in sorted(used.items()):
        is_later = or_(held.last_used_at.is_(None), held.last_used_at < at)
        change_any(connection, update(t.credentials).where(held.id == credential, is_later).values(last_used_at=at))
