"""The chain of schema changes, and how to run it: by code, on a connection that is handed in."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

LATEST: Final = "0001"
"""The revision that this version of the code needs: the last one in ``versions/``."""

_MIGRATING: Final = 0x636D  # any number that no other user of this database locks


def migrate(connection: Connection) -> None:
    """Bring the schema up to date, in the transaction that is open."""
    if connection.dialect.name == "postgresql":
        # Two processes that start on an empty database: the second one waits, and finds nothing left to do.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
    # Alembic takes a while to import, and only this needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def current_revision(connection: Connection) -> str | None:
    """The revision this database is at; ``None`` when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
