"""One migration by itself, on a schema that was put back to what it began from."""

from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from countermand.store import migrations


def run_migration(connection: Connection, revision: str) -> None:
    """Run this one, whatever came after it."""
    found = ScriptDirectory(str(Path(migrations.__file__).parent)).get_revision(revision)
    assert found is not None
    with Operations.context(MigrationContext.configure(connection)):
        found.module.upgrade()
