"""The chain of schema changes, and how to run it: by code, on a connection that is handed in."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

LATEST: Final = "0001"
"""The revision that this version of the code needs: the last one in ``versions/``."""


def migrate(connection: Connection) -> None:
    """Bring the schema up to date, in the transaction that is open."""
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
