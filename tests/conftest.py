"""What tests share: both databases, a world in them, and a real server on a real port."""

import itertools
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests.support.pgnode import Node
from tests.support.world import Clock, World, populate, running

_COUNT = itertools.count()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Node]:
    """One PostgreSQL for all tests of this process. It does not sync: durability has tests of its own."""
    with Node(durable=False) as node:
        yield node


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, on each engine in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/test.sqlite3"
    return new_postgres_database(request.getfixturevalue("postgres"))


def new_postgres_database(node: Node) -> str:
    """The URL of an empty database on this server."""
    name = f"test_{next(_COUNT)}"
    engine = create_engine(node.url().replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    return node.url(name)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def world(database_url: str, clock: Clock) -> AsyncIterator[World]:
    """A service with a few parties, on each engine in turn."""
    async with running(database_url, clock) as application:
        yield await populate(application, clock)


@pytest.fixture
async def sqlite_world(tmp_path: Path, clock: Clock) -> AsyncIterator[World]:
    """The same on SQLite only, for tests that are not about storing."""
    async with running(f"sqlite:///{tmp_path}/test.sqlite3", clock) as application:
        yield await populate(application, clock)


@pytest.fixture
def countermand(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line as its users do."""

    def run(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "COUNTERMAND_DATABASE": f"sqlite:///{tmp_path}/cli.sqlite3",
            "NO_COLOR": "1",
            **environment,
        }
        program = Path(sys.executable).parent / "countermand"
        return subprocess.run(
            [program, *arguments], input=stdin, capture_output=True, text=True, timeout=60, env=environment, check=False
        )

    return run
