"""The door on a world: ``crux`` on both databases, ``sqlite_crux`` where the database does not matter.

A module's tests share a world, as making one costs more than most of them; each has lines and parties of its own.
"""

from collections.abc import AsyncIterator

import pytest

from tests.wire.crux.calling import Crux, opened_crux


@pytest.fixture(scope="module")
async def crux(shared_url: str) -> AsyncIterator[Crux]:
    async with opened_crux(shared_url) as calls:
        yield calls


@pytest.fixture(scope="module")
async def sqlite_crux(sqlite_url: str) -> AsyncIterator[Crux]:
    async with opened_crux(sqlite_url) as calls:
        yield calls
