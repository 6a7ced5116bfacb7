"""What tests share: both databases, a world in them, and a real server on a real port."""

import io
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog
from argon2 import PasswordHasher
from hypothesis import HealthCheck, settings

from countermand.admin import sessions
from countermand.cli import main
from countermand.cli import running as running_module
from tests.support import citus, cluster, templates
from tests.support.citus_rules import judging_statements
from tests.support.logs import log_plainly
from tests.support.pgnode import Node, in_memory
from tests.support.receiver import Receiver
from tests.support.waiting import HANGS_S
from tests.support.world import Clock, World, populate, running

# On a busy machine, everything takes its time.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

log_plainly()

# Files of tests lie in memory, too, where there is room: half of the time went by until the disk had them.
if folder := in_memory():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", folder)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Node]:
    """One PostgreSQL for all tests of this process. It does not sync: durability has tests of its own."""
    with templates.node(durable=False) as node:
        yield node


@pytest.fixture(scope="session", autouse=True)
def slow_hasher() -> Iterator[PasswordHasher]:
    """What hashes passwords outside of tests. In tests, hashing them would take a tenth of all time."""
    slow = sessions.password_hasher()
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sessions, "password_hasher", lambda: quick)
        yield slow


@pytest.fixture(autouse=cluster.IN_ITS_SQL in os.environ)
def statements_keep_the_rules() -> Iterator[None]:
    """In the SQL for Citus, no statement that was sent is one that Citus refuses."""
    with judging_statements():
        yield


@pytest.fixture(params=cluster.engines())
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with the schema and nothing in it, on each engine in turn."""
    return _new_database(request, tmp_path, cluster.EACH)


@pytest.fixture(scope="module", params=cluster.engines())
def shared_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same for all tests of a module, which share what it costs to open a service."""
    return _new_database(request, tmp_path_factory.mktemp("shared"), cluster.SHARED)


def _new_database(request: pytest.FixtureRequest, folder: Path, schema: str) -> str:
    match request.param:
        case "sqlite":
            return templates.filled_file(folder / "test.sqlite3")
        case "citus":
            return cluster.fresh(schema)
        case "citus-sql":
            return citus.new_database(request.getfixturevalue("postgres"))
        case _:
            return templates.new_database(request.getfixturevalue("postgres"))


@pytest.fixture(scope="module")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One of SQLite's for all tests of a module, where the engine does not matter."""
    return templates.filled_file(tmp_path_factory.mktemp("shared") / "test.sqlite3")


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
def countermand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line as its users do, but in this process: starting one for each command takes a second."""
    monkeypatch.setattr(running_module, "configure_logging", lambda level: None)
    database = f"sqlite:///{tmp_path}/cli.sqlite3"
    templates.fill_if_absent(database)

    def run(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        given = {"COUNTERMAND_DATABASE": database, "NO_COLOR": "1", **environment}
        out, err = io.StringIO(), io.StringIO()
        quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
        with monkeypatch.context() as patched:
            for name, value in given.items():
                patched.setenv(name, value)
            patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            patched.setattr(sys, "stdout", out)
            patched.setattr(sys, "stderr", err)
            structlog.configure(wrapper_class=quiet)
            try:
                # A thread of its own, for tests in which an event loop runs.
                code = ThreadPoolExecutor(1).submit(_code_of, arguments).result(HANGS_S)
            finally:
                log_plainly()
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    return run


def _code_of(arguments: tuple[str, ...]) -> int:
    try:
        main(list(arguments))
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A server that takes notices, and answers them as it is told."""
    async with Receiver() as listening:
        yield listening
