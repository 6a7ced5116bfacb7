"""Whether the database answers."""

from sqlalchemy import Connection, select


def ping(connection: Connection) -> None:
    """Ask it for nothing."""
    connection.execute(select(1)).scalar_one()
