"""The native door on both databases (``native``), and where the database does not matter (``sqlite_native``)."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import new_postgres_database
from tests.wire.native.calling import Native, new_retailer, opened_native


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An empty database for a module, on each engine in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('native')}/test.sqlite3"
    return new_postgres_database(request.getfixturevalue("postgres"))


@pytest.fixture(scope="module")
async def shared_native(shared_url: str) -> AsyncIterator[Native]:
    async with opened_native(shared_url) as native:
        yield native


@pytest.fixture
async def native(shared_native: Native) -> Native:
    return await new_retailer(shared_native.world, shared_native.http)


@pytest.fixture(scope="module")
async def shared_sqlite_native(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Native]:
    async with opened_native(f"sqlite:///{tmp_path_factory.mktemp('native')}/test.sqlite3") as native:
        yield native


@pytest.fixture
async def sqlite_native(shared_sqlite_native: Native) -> Native:
    return await new_retailer(shared_sqlite_native.world, shared_sqlite_native.http)
