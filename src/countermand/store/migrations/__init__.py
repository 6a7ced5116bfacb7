"""The chain of schema changes, and how to run it: by code, on a connection that is handed in.

Each step is a transaction of its own, so that an upgrade which is cut off goes on where it was. A program also works
with the schema of a later version, as long as that version says so (docs/decisions/0032).
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from countermand.store.changes import change_exactly
from countermand.store.engines.protocol import UnsafeDatabaseError, engine_of
from countermand.store.tables import metadata

LATEST: Final = "0039"
"""The revision that this version of the code needs: the last one in ``versions/``."""

SERVES_FROM: Final = "0035"
"""Programs whose ``LATEST`` is at least this work with the schema of ``LATEST``, beside this version.

A migration that takes away or renames what they use raises it to its own number.
"""

KNOWN: Final = frozenset(path.name.partition("_")[0] for path in Path(__file__).parent.glob("versions/[0-9]*_*.py"))
"""Every revision that this version can start from."""

_WHOM_IT_SERVES: Final = text("SELECT serves_from FROM schema_window")
_SAY_WHOM_IT_SERVES: Final = text("UPDATE schema_window SET serves_from = :from")
_SQLITE_ERROR: Final = 1


def steps_after(revision: str | None) -> Sequence[str]:
    """The revisions that are still to be reached, each of which is a transaction of its own.

    An empty database is filled in one.
    """
    return [each for each in sorted(KNOWN) if each > revision] if revision else [LATEST]


def migrate(connection: Connection, to: str = LATEST) -> None:
    """Bring the schema to a revision, in the transaction that is open. Does nothing if it is there or beyond."""
    engine_of(connection).prepare_to_migrate(connection)
    if (current_revision(connection) or "") >= to:
        return
    # Alembic takes a while to import, and only this needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def bring_up_to_date(connection: Connection) -> None:
    """Migrate what can be migrated, and see that nothing is missing afterwards, in the transaction that is open.

    Raises:
        UnsafeDatabaseError: the schema is a newer version's, or parts of it are missing. The message says what to do.
    """
    bring_to(connection, LATEST)
    refuse_incomplete(connection)


def bring_to(connection: Connection, step: str) -> None:
    """Do one step of an upgrade, in the transaction that is open.

    Raises:
        UnsafeDatabaseError: the schema is a newer version's, or does not fit. The message says what to do.
    """
    revision = current_revision(connection)
    if revision is None and inspect(connection).has_table("orders"):
        raise UnsafeDatabaseError(
            "This database has tables of countermand, but does not say of which version: it is incomplete."
            " Restore it from a backup, or start with a new one."
        )
    refuse_newer(revision)
    try:
        migrate(connection, step)
    except DBAPIError as error:
        if _is_about_the_schema(error):
            raise UnsafeDatabaseError(
                f"The schema of this database is at {revision} and does not fit that: {error.orig}."
                " This step changed nothing. Restore it from a backup, or start with a new one."
            ) from error
        raise
    if step == LATEST:
        change_exactly(connection, 1, _SAY_WHOM_IT_SERVES, {"from": SERVES_FROM})


def serves(connection: Connection, revision: str | None) -> bool:
    """Whether a schema of a later version says that this one can work with it."""
    if revision is None or revision in KNOWN or not inspect(connection).has_table("schema_window"):
        return False
    first = connection.execute(_WHOM_IT_SERVES).scalar()
    return first is not None and first <= LATEST


def refuse_newer(revision: str | None) -> None:
    """Nothing here knows how to read what a later version has made of the schema.

    Raises:
        UnsafeDatabaseError: this version does not know the revision.
    """
    if revision is not None and revision not in KNOWN:
        raise UnsafeDatabaseError(
            f"The schema of this database is at {revision}, and this version knows it up to {LATEST}:"
            " a newer version has changed it. Run that version, or a later one."
        )


def refuse_incomplete(connection: Connection) -> None:
    """The number of the schema alone does not show whether it is complete.

    Raises:
        UnsafeDatabaseError: something is missing.
    """
    if lacks := lacking(connection):
        raise UnsafeDatabaseError(
            f"The schema of this database is incomplete: it lacks {', '.join(lacks[:3])}."
            " Restore it from a backup, or start with a new one."
        )


def _is_about_the_schema(error: DBAPIError) -> bool:
    """Whether the statement did not fit what is there, and not whether the database was away or full."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code == _SQLITE_ERROR or str(getattr(error.orig, "sqlstate", None))[:2] == "42"


def current_revision(connection: Connection) -> str | None:
    """The revision this database is at; ``None`` when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def lacking(connection: Connection) -> list[str]:
    """The tables and columns that the code needs and this database has not, as ``table`` or ``table.column``."""
    found = defaultdict(set)
    for table_name, column_name in connection.execute(engine_of(connection).columns):
        found[table_name].add(column_name)
    lacks = []
    for table in metadata.sorted_tables:
        if table.name not in found:
            lacks.append(table.name)
            continue
        lacks += [f"{table.name}.{column.name}" for column in table.columns if column.name not in found[table.name]]
    return lacks
