"""The description of this API: served to everybody, sound, and about every call that there is."""

import pytest
from openapi_spec_validator import validate

from countermand.wire.bol_retailer import describing
from tests.wire.bol_retailer.calling import RetailerSeller

pytestmark = pytest.mark.anyio


async def test_it_is_sound_and_anybody_may_read_it(sqlite_shop: RetailerSeller) -> None:
    answered = await sqlite_shop.seller.http.get("/retailer/openapi.json")
    assert (answered.status_code, answered.headers["content-type"]) == (200, "application/json")
    document = answered.json()
    validate(document)
    names = {call["operationId"] for path in document["paths"].values() for call in path.values()}
    assert names == {"token", *describing.CALLS, *(f"{name}_demo" for name in describing.CALLS)}
    assert document["servers"] == [{"url": sqlite_shop.world.application.settings.base_url}]


async def test_every_path_of_it_is_a_call_that_needs_a_token(sqlite_shop: RetailerSeller) -> None:
    document = (await sqlite_shop.seller.http.get("/retailer/openapi.json")).json()
    for path, calls in document["paths"].items():
        for method in calls if path != "/token" else ():
            answered = await sqlite_shop.call(method.upper(), path.format(target="1"), headers={"Authorization": None})
            assert answered.status == 401, (method, path)
