"""The native door on both databases (``native``), and where the database does not matter (``sqlite_native``)."""

from collections.abc import AsyncIterator

import pytest

from tests.wire.native.calling import Native, new_retailer, opened_native


@pytest.fixture(scope="module")
async def shared_native(shared_url: str) -> AsyncIterator[Native]:
    async with opened_native(shared_url) as native:
        yield native


@pytest.fixture
async def native(shared_native: Native) -> Native:
    return await new_retailer(shared_native.world, shared_native.http)


@pytest.fixture(scope="module")
async def shared_sqlite_native(sqlite_url: str) -> AsyncIterator[Native]:
    async with opened_native(sqlite_url) as native:
        yield native


@pytest.fixture
async def sqlite_native(shared_sqlite_native: Native) -> Native:
    return await new_retailer(shared_sqlite_native.world, shared_sqlite_native.http)
