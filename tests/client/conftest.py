"""The native door for the client's tests, and one on a real port."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.listening import Listening, listening
from tests.wire.native.calling import Native, new_retailer, opened_native


@pytest.fixture(scope="module")
async def shared_sqlite_native(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Native]:
    async with opened_native(f"sqlite:///{tmp_path_factory.mktemp('client')}/test.sqlite3") as native:
        yield native


@pytest.fixture
async def sqlite_native(shared_sqlite_native: Native) -> Native:
    return await new_retailer(shared_sqlite_native.world, shared_sqlite_native.http)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    with listening(f"sqlite:///{tmp_path_factory.mktemp('client')}/test.sqlite3") as found:
        yield found
