"""The chain of schema changes, and how to run it: by code, on a connection that is handed in."""

from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

_MIGRATING: Final = 0x636D  # any number that no other user of this database locks


def migrate(connection: Connection) -> None:
    """Bring the schema up to date, in the transaction that is open."""
    if connection.dialect.name == "postgresql":
        # Two processes that start on an empty database: the second one waits, and finds nothing left to do.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
    command.upgrade(_config(connection), "head")


def current_revision(connection: Connection) -> str | None:
    """The revision this database is at; ``None`` when it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def latest_revision() -> str:
    """The revision this version of the code needs."""
    head = ScriptDirectory.from_config(_config(None)).get_current_head()
    if head is None:  # pragma: no cover - the package always carries migrations
        raise LookupError("no migrations")
    return head


def _config(connection: Any) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
