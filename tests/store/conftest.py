"""What the tests of the store share: every world is checked when it ends, row by row and connection by connection."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool
from structlog.testing import capture_logs

from tests.store.holding import assert_sound, connections_in_use
from tests.support.pgnode import Node
from tests.support.world import Clock, World, populate, running

_COUNT = itertools.count()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Errors are logged on purpose here; drawing their tracebacks in colour would take seconds each."""
    with capture_logs():
        yield


async def _fill(url: str) -> None:
    async with running(url, Clock()):
        pass


@pytest.fixture(scope="session")
def filled_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the schema and nothing in it, to be copied: quicker than many migrations."""
    path = tmp_path_factory.mktemp("filled") / "filled.sqlite3"
    asyncio.run(_fill(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_admin(postgres: Node) -> Iterator[Engine]:
    """The server, with a filled database to copy."""
    engine = create_engine(
        postgres.url().replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE filled"))
    asyncio.run(_fill(postgres.url("filled")))
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_url(filled_file: Path, tmp_path: Path) -> str:
    """The URL of a database with the schema and nothing in it."""
    shutil.copy(filled_file, tmp_path / "test.sqlite3")
    return f"sqlite:///{tmp_path}/test.sqlite3"


@pytest.fixture
def postgres_url(postgres: Node, postgres_admin: Engine) -> str:
    """The same on PostgreSQL."""
    name = f"store_{next(_COUNT)}"
    with postgres_admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE filled"))
    return postgres.url(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The same on each engine in turn."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture
async def world(database_url: str, clock: Clock) -> AsyncIterator[World]:
    """A service with a few parties, on each engine in turn. When it ends, all must be sound and nothing leaked."""
    async with running(database_url, clock) as application:
        yield await populate(application, clock)
        await application.lanes.drain()
        assert connections_in_use(application.database) == 0
        await assert_sound(application.database)
