"""What the tests of the store share: every world is checked when it ends, row by row and connection by connection."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.store.holding import all_given_back, assert_sound
from tests.support import templates
from tests.support.pgnode import Node
from tests.support.world import Clock, World, populate, running


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Errors are logged on purpose here; drawing their tracebacks in colour would take seconds each."""
    with capture_logs():
        yield


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a database with the schema and nothing in it."""
    return templates.filled_file(tmp_path / "test.sqlite3")


@pytest.fixture
def postgres_url(postgres: Node) -> str:
    """The same on PostgreSQL."""
    return templates.new_database(postgres)


@pytest.fixture
async def world(database_url: str, clock: Clock) -> AsyncIterator[World]:
    """A service with a few parties, on each engine in turn. When it ends, all must be sound and nothing leaked."""
    async with running(database_url, clock) as application:
        yield await populate(application, clock)
        await application.lanes.drain()
        await all_given_back(application.database)
        await assert_sound(application.database)
