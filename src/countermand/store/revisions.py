"""How those who keep what they read learn that it changed (docs/decisions/0013)."""

from sqlalchemy import Connection, update

from countermand.store import tables as t
from countermand.store.changes import change_exactly


def agreements_changed(connection: Connection) -> None:
    """To be called in every transaction that changes a policy or an endpoint."""
    revisions = t.revisions
    mine = update(revisions).where(revisions.c.name == t.AGREEMENTS)
    change_exactly(connection, 1, mine.values(number=revisions.c.number + 1))
