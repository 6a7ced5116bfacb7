"""The ``-demo`` paths: the true calls over fixed data, of which nothing is kept."""

import pytest

from countermand.store import tables as t
from tests.wire.bol_retailer.calling import RetailerSeller, checked, queued

pytestmark = pytest.mark.anyio


async def test_a_client_tries_its_day_and_nothing_is_kept(sqlite_shop: RetailerSeller) -> None:
    shop = sqlite_shop
    first, second = (await shop.get("/retailer-demo/orders"))["orders"]
    (asked,) = first["orderItems"]
    assert (asked["cancellationRequest"], second["orderItems"][0]["cancellationRequest"]) == (True, False)
    assert len((await shop.get("/retailer-demo/orders?status=ALL"))["orders"]) == 3
    assert len((await shop.get("/retailer-demo/orders?status=SHIPPED"))["orders"]) == 1
    assert (await shop.get("/retailer-demo/orders?page=2"))["orders"] == []
    whole = await shop.get(f"/retailer-demo/orders/{first['orderId']}")
    assert whole["orderItems"][0]["orderItemId"] == asked["orderItemId"]
    body = {"orderItems": [{"orderItemId": asked["orderItemId"], "reasonCode": "REQUESTED_BY_CUSTOMER"}]}
    answer = await shop.call("PUT", "/retailer-demo/orders/cancellation", body)
    assert queued(answer) == "1"
    assert answer.body["entityId"] == asked["orderItemId"]
    assert answer.body["links"][0]["href"].endswith("/shared-demo/process-status/1")
    sent = {"orderItems": [{"orderItemId": "1"}]}
    assert queued(await shop.call("POST", "/retailer-demo/shipments", sent)) == "1"
    assert queued(await shop.call("PUT", "/retailer-demo/transports/5", {"trackAndTrace": "3S"})) == "1"
    (parcel,) = (await shop.get("/retailer-demo/shipments"))["shipments"]
    assert (await shop.get(f"/retailer-demo/shipments/{parcel['shipmentId']}"))["transport"]["transporterCode"] == "TNT"
    path = "/retailer-demo/insights/performance/indicator?name=CANCELLATIONS&year=2026&week=2"
    (indicator,) = (await shop.get(path))["performanceIndicators"]
    assert indicator["details"]["score"]["denominator"] == 88
    assert (await shop.get("/retailer-demo/retailers/current"))["displayName"] == "Demo seller"
    assert await shop.seller.count(t.process_statuses, t.orders, t.shipments) == 0


async def test_each_process_status_is_in_another_state(sqlite_shop: RetailerSeller) -> None:
    states = [(await sqlite_shop.get(f"/shared-demo/process-status/{each}"))["status"] for each in range(1, 5)]
    assert states == ["PENDING", "SUCCESS", "FAILURE", "TIMEOUT"]
    queries = {"processStatusQueries": [{"processStatusId": "3"}, {"processStatusId": "9"}]}
    found = await sqlite_shop.call("POST", "/shared-demo/process-status", queries)
    assert [each["processStatusId"] for each in found.body["processStatuses"]] == ["3"]
    about = found.body["processStatuses"][0]["entityId"]
    listed = await sqlite_shop.get(f"/shared-demo/process-status?entity-id={about}&event-type=CANCEL_ORDER")
    assert listed == found.body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/retailer-demo/orders/1", 404),
        ("GET", "/retailer-demo/shipments/1", 404),
        ("GET", "/shared-demo/process-status/5", 404),
        ("GET", "/retailer-demo/retailers/7", 404),
        ("GET", "/retailer-demo/orders?page=x", 400),
        ("GET", "/retailer-demo/orders?latest-change-date=x", 400),
        ("GET", "/retailer-demo/orders?latest-change-date=2026-11-02", 200),
        ("GET", "/retailer-demo/orders?latest-change-date=2026-11-03", 400),
        ("GET", "/retailer-demo/nothing", 404),
        ("DELETE", "/retailer-demo/orders", 405),
    ],
)
async def test_what_is_wrong_is_told_as_by_the_true_calls(
    sqlite_shop: RetailerSeller, method: str, path: str, status: int
) -> None:
    assert (await sqlite_shop.call(method, path)).status == status


async def test_nobody_plays_without_a_token(sqlite_shop: RetailerSeller) -> None:
    answer = checked(await sqlite_shop.seller.http.get("/retailer-demo/orders"))
    assert answer.status == 401
