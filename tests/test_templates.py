"""The databases of the tests: migrated once, and what the migrations make."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import alembic.command
import pytest
from sqlalchemy import create_engine, inspect, text

from countermand.store.migrations import LATEST, lacking
from tests.support import templates
from tests.support.world import Clock, running

pytestmark = pytest.mark.anyio


@pytest.fixture
def no_migration(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    """From here on the migrations cannot run. The templates were made before, if ever, for ``database_url``."""
    monkeypatch.delattr(alembic.command, "upgrade")


async def test_a_world_runs_no_migration(no_migration: None, database_url: str, tmp_path: Path, clock: Clock) -> None:
    templates.fill_if_absent(f"sqlite:///{tmp_path}/template.sqlite3")
    for url in (database_url, f"sqlite:///{tmp_path}/new.sqlite3"):
        async with running(url, clock) as application:
            assert await application.database.read(lacking) == []


def test_commands_run_no_migration(
    no_migration: None, countermand: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    assert countermand("party", "list").returncode == 0


def test_a_template_is_at_the_latest_revision_and_otherwise_empty(database_url: str) -> None:
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == LATEST
        assert "orders" in inspect(connection).get_table_names()
        assert connection.execute(text("SELECT count(*) FROM orders")).scalar_one() == 0
    engine.dispose()
