"""The chain of schema changes, and how to run it: by code, on a connection that is handed in."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine.interfaces import ReflectedColumn

from countermand.store.tables import metadata

LATEST: Final = "0005"
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


def lacking(connection: Connection) -> list[str]:
    """The tables and columns that the code needs and this database has not, as ``table`` or ``table.column``.

    Before the first release the one revision is changed in place, so its number alone does not tell.
    """
    found = {name: {column["name"] for column in columns} for (_, name), columns in _columns(connection).items()}
    lacks = []
    for table in metadata.sorted_tables:
        if table.name not in found:
            lacks.append(table.name)
            continue
        lacks += [f"{table.name}.{column.name}" for column in table.columns if column.name not in found[table.name]]
    return lacks


def _columns(connection: Connection) -> dict[tuple[str | None, str], list[ReflectedColumn]]:
    return inspect(connection).get_multi_columns()
