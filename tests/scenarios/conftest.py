"""A world on each engine in turn, shared by the module; each story has an order of its own."""

from collections.abc import AsyncIterator

import pytest

from tests.support import templates
from tests.wire.bol_plaza.calling import Seller, opened_plaza
from tests.wire.bol_retailer.calling import UNLIMITED


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
async def retailer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Seller]:
    """A retailer with a Plaza key and, in its world, tokens for everybody."""
    folder = tmp_path_factory.mktemp("story")
    if request.param == "sqlite":
        url = f"sqlite:///{folder}/test.sqlite3"
    else:
        url = templates.new_database(request.getfixturevalue("postgres"))
    async with opened_plaza(url, key_file=folder / "keys", retailer_limits=UNLIMITED) as seller:
        yield seller
