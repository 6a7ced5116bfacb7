"""How those who keep what they read learn that it changed (docs/decisions/0013)."""

from sqlalchemy import Connection, update

from countermand.store import tables as t


def agreements_changed(connection: Connection) -> None:
    """To be called in every transaction that changes a policy or an endpoint."""
    revisions = t.revisions
    connection.execute(update(revisions).where(revisions.c.name == t.AGREEMENTS).values(number=revisions.c.number + 1))
