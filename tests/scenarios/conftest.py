"""A world on each engine in turn, shared by the module; each story has an order of its own."""

from collections.abc import AsyncIterator

import pytest

from tests.wire.bol_plaza.calling import Seller, opened_plaza
from tests.wire.bol_retailer.calling import UNLIMITED


@pytest.fixture(scope="module")
async def retailer(shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Seller]:
    """A retailer with a Plaza key and, in its world, tokens for everybody."""
    keys = tmp_path_factory.mktemp("story") / "keys"
    async with opened_plaza(shared_url, key_file=keys, retailer_limits=UNLIMITED) as seller:
        yield seller
