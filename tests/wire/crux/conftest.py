"""The door on a world: ``crux`` on both databases, ``sqlite_crux`` where the database does not matter.

A module's tests share a world, as making one costs more than most of them; each has lines and parties of its own.
"""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import new_postgres_database
from tests.wire.crux.calling import Crux, opened_crux


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An empty database for a module, on each engine in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('crux')}/test.sqlite3"
    return new_postgres_database(request.getfixturevalue("postgres"))


@pytest.fixture(scope="module")
async def crux(shared_url: str) -> AsyncIterator[Crux]:
    async with opened_crux(shared_url) as calls:
        yield calls


@pytest.fixture(scope="module")
async def sqlite_crux(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crux]:
    async with opened_crux(f"sqlite:///{tmp_path_factory.mktemp('crux')}/test.sqlite3") as calls:
        yield calls
