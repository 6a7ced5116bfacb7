"""A seller on both databases, ``sqlite_seller`` where the database does not matter.

A module's tests share a world, as making one costs more than most of them; each has a seller of its own.
"""

from collections.abc import AsyncIterator

import pytest

from tests.wire.bol_plaza.calling import Seller, new_seller, opened_plaza


@pytest.fixture(scope="module")
async def shared_plaza(shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Seller]:
    async with opened_plaza(shared_url, key_file=tmp_path_factory.mktemp("keys") / "keys") as seller:
        yield seller


@pytest.fixture
async def seller(shared_plaza: Seller) -> Seller:
    return await new_seller(shared_plaza.world, shared_plaza.http)


@pytest.fixture(scope="module")
async def sqlite_plaza(sqlite_url: str) -> AsyncIterator[Seller]:
    async with opened_plaza(sqlite_url) as seller:
        yield seller


@pytest.fixture
async def sqlite_seller(sqlite_plaza: Seller) -> Seller:
    return await new_seller(sqlite_plaza.world, sqlite_plaza.http)
