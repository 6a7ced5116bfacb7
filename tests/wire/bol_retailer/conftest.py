"""A seller on both databases, ``sqlite_shop`` where the database does not matter.

A module's tests share a world, as making one costs more than most of them; each has a seller of its own.
"""

from collections.abc import AsyncIterator

import pytest

from tests.wire.bol_retailer.calling import RetailerSeller, new_retailer_seller, opened_retailer


@pytest.fixture(scope="module")
async def shared_retailer(shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RetailerSeller]:
    async with opened_retailer(shared_url, key_file=tmp_path_factory.mktemp("keys") / "keys") as shop:
        yield shop


@pytest.fixture
async def shop(shared_retailer: RetailerSeller) -> RetailerSeller:
    return await new_retailer_seller(shared_retailer.world, shared_retailer.seller.http)


@pytest.fixture(scope="module")
async def sqlite_retailer(sqlite_url: str) -> AsyncIterator[RetailerSeller]:
    async with opened_retailer(sqlite_url) as shop:
        yield shop


@pytest.fixture
async def sqlite_shop(sqlite_retailer: RetailerSeller) -> RetailerSeller:
    return await new_retailer_seller(sqlite_retailer.world, sqlite_retailer.seller.http)
