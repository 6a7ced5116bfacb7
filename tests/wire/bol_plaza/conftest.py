"""A seller on both databases, ``sqlite_seller`` where the database does not matter.

A module's tests share a world, as making one costs more than most of them; each has a seller of its own.
"""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import new_postgres_database
from tests.wire.bol_plaza.calling import Seller, new_seller, opened_plaza


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An empty database for a module, on each engine in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('plaza')}/test.sqlite3"
    return new_postgres_database(request.getfixturevalue("postgres"))


@pytest.fixture(scope="module")
async def shared_plaza(shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Seller]:
    async with opened_plaza(shared_url, key_file=tmp_path_factory.mktemp("keys") / "keys") as seller:
        yield seller


@pytest.fixture
async def seller(shared_plaza: Seller) -> Seller:
    return await new_seller(shared_plaza.world, shared_plaza.http)


@pytest.fixture(scope="module")
async def sqlite_plaza(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Seller]:
    async with opened_plaza(f"sqlite:///{tmp_path_factory.mktemp('plaza')}/test.sqlite3") as seller:
        yield seller


@pytest.fixture
async def sqlite_seller(sqlite_plaza: Seller) -> Seller:
    return await new_seller(sqlite_plaza.world, sqlite_plaza.http)
