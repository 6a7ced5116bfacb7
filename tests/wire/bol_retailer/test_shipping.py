"""Shipments, transports, process statuses and performance indicators."""

import pytest

from countermand.reads import scores
from tests.support.threads import watch
from tests.wire.bol_retailer.calling import RetailerSeller, new_retailer_seller, queued
from tests.wire.bol_retailer.test_orders import UNFIT, item_of

pytestmark = pytest.mark.anyio

TRANSPORT = {"transporterCode": "TNT", "trackAndTrace": "3S1"}


async def test_a_parcel_of_two_items_and_what_is_said_of_it(shop: RetailerSeller) -> None:
    placed = await shop.seller.order(2, 1)
    numbers = [str(await shop.seller.number(line.id)) for line in placed.lines]
    process = await shop.process(await shop.ship(*numbers, shipmentReference="REF-1", transport=TRANSPORT))
    assert (process["status"], process["eventType"], process["description"]) == (
        "SUCCESS", "CREATE_SHIPMENT", "Create shipment.",
    )  # fmt: skip
    (listed,) = (await shop.get("/retailer/shipments"))["shipments"]
    assert process["entityId"] == listed["shipmentId"]
    assert listed["shipmentReference"] == "REF-1"
    assert [item["orderItemId"] for item in listed["shipmentItems"]] == numbers
    order = listed["order"]["orderId"]
    assert (await shop.get(f"/retailer/shipments?order-id={order}"))["shipments"] == [listed]
    assert (await shop.get("/retailer/shipments?order-id=1"))["shipments"] == []
    assert (await shop.get("/retailer/shipments?fulfilment-method=FBB"))["shipments"] == []
    whole = await shop.get(f"/retailer/shipments/{listed['shipmentId']}")
    assert whole["transport"] == {"transportId": listed["transport"]["transportId"], **TRANSPORT, "transportEvents": []}
    assert [item["quantityShipped"] for item in whole["shipmentItems"]] == [2, 1]
    assert {"shipmentDetails", "billingDetails", "order", "pickupPoint"} <= set(whole)


async def test_shipping_declines_what_the_customer_asked(shop: RetailerSeller) -> None:
    line, number = await item_of(shop)
    await shop.seller.ask(line)
    assert await shop.outcome(await shop.ship(number)) == ("SUCCESS", None)
    kinds = [kind for kind, _, _ in await shop.seller.reported(line)]
    assert kinds == ["cancellation.asked", "cancellation.declined", "line.shipped"]


async def test_some_units_now_and_the_rest_later(shop: RetailerSeller) -> None:
    line, number = await item_of(shop, 3)
    await shop.ship(number, quantity=1)
    assert await shop.world.buckets(line) == (2, 0, 0, 1)
    await shop.ship(number)
    assert await shop.world.buckets(line) == (0, 0, 0, 3)
    status, sentence = await shop.outcome(await shop.ship(number, quantity=5))
    assert status == "FAILURE"
    assert sentence


@pytest.mark.parametrize(
    ("first", "second", "shipped"),
    [
        ({}, {}, 1),
        ({"transport": TRANSPORT}, {"transport": TRANSPORT}, 1),
        ({"shipmentReference": "one"}, {"shipmentReference": "one"}, 1),
        ({"transport": TRANSPORT}, {"transport": {**TRANSPORT, "trackAndTrace": "3S2"}}, 2),
        ({"shipmentReference": "one"}, {"shipmentReference": "two"}, 2),
        ({}, {"shipmentReference": "two"}, 2),
    ],
)
async def test_a_parcel_that_is_reported_again_ships_once(
    sqlite_shop: RetailerSeller, first: dict[str, object], second: dict[str, object], shipped: int
) -> None:
    shop = sqlite_shop
    line, number = await item_of(shop, 3)
    ended = [await shop.process(await shop.ship(number, quantity=1, **more)) for more in (first, second)]
    assert [each["status"] for each in ended] == ["SUCCESS", "SUCCESS"]
    assert await shop.world.buckets(line) == (3 - shipped, 0, 0, shipped)
    parcels = [each["shipmentId"] for each in (await shop.get("/retailer/shipments"))["shipments"]]
    assert {each["entityId"] for each in ended} == set(parcels), "a repeat leads to the parcel that is there"
    assert len(parcels) == shipped


@pytest.mark.parametrize("quantity", ["2", "2.0", "2e0", "20E-1"])
async def test_a_whole_number_may_be_written_in_any_way(sqlite_shop: RetailerSeller, quantity: str) -> None:
    line, number = await item_of(sqlite_shop, 3)
    body = f'{{"orderItems": [{{"orderItemId": "{number}", "quantity": {quantity}}}]}}'.encode()
    process = queued(await sqlite_shop.call("POST", "/retailer/shipments", body))
    assert await sqlite_shop.outcome(process) == ("SUCCESS", None)
    assert await sqlite_shop.world.buckets(line) == (1, 0, 0, 2)


async def test_items_that_there_are_not_or_of_two_orders_fail_and_ship_nothing(shop: RetailerSeller) -> None:
    (first, one), (second, two) = await item_of(shop), await item_of(shop)
    for numbers in (("1",), (one, "1"), (one, two)):
        status, sentence = await shop.outcome(await shop.ship(*numbers))
        assert (status, bool(sentence)) == ("FAILURE", True)
    assert await shop.world.buckets(first) == await shop.world.buckets(second) == (1, 0, 0, 0)


async def test_a_parcel_is_corrected(shop: RetailerSeller) -> None:
    _, number = await item_of(shop)
    process = await shop.process(await shop.ship(number, transport=TRANSPORT))
    changed = await shop.call("PUT", f"/retailer/transports/{process['entityId']}", {"trackAndTrace": "3S2"})
    assert changed.body["description"] == f"Change transport with id {process['entityId']}."
    assert await shop.outcome(queued(changed)) == ("SUCCESS", None)
    whole = await shop.get(f"/retailer/shipments/{process['entityId']}")
    assert (whole["transport"]["transporterCode"], whole["transport"]["trackAndTrace"]) == ("TNT", "3S2")


@pytest.mark.parametrize("id_", ["nonsense", "0", "x" * 300, *UNFIT])
async def test_a_parcel_that_there_is_not_fails_later(shop: RetailerSeller, id_: str) -> None:
    unknown = await shop.call("PUT", f"/retailer/transports/{id_}", TRANSPORT)
    assert (await shop.outcome(queued(unknown)))[0] == "FAILURE"
    about = f"/shared/process-status?entity-id={id_}&event-type=CHANGE_TRANSPORT"
    (found,) = (await shop.get(about))["processStatuses"]
    assert found["entityId"] == unknown.body["entityId"]


@pytest.mark.parametrize(
    ("body", "name", "reason"),
    [
        ({}, "orderItems", "empty"),
        ({"orderItems": []}, "orderItems", "at least 1"),
        ({"orderItems": [{"orderItemId": "1"}] * 101}, "orderItems", "at most 100"),
        ({"orderItems": [{"orderItemId": "1", "quantity": 0}]}, "orderItems[0].quantity", ""),
        ({"orderItems": [{"orderItemId": "1", "quantity": "1"}]}, "orderItems[0].quantity", ""),
        ({"orderItems": [{"orderItemId": "1", "quantity": 1.5}]}, "orderItems[0].quantity", ""),
        ({"orderItems": [{"orderItemId": "1"}], "shipmentReference": ""}, "shipmentReference", "empty"),
        ({"orderItems": [{"orderItemId": "1"}], "shipmentReference": "x" * 91}, "shipmentReference", "90"),
        ({"orderItems": [{"orderItemId": "1"}], "transport": []}, "transport", "The value must be an object."),
        ({"orderItems": [{"orderItemId": "1"}], "transport": {}}, "transport.transporterCode", "empty"),
        ({"orderItems": [{"orderItemId": "1"}], "shippingLabelId": "x"}, "shippingLabelId", "no shipping label"),
        (
            {"orderItems": [{"orderItemId": "1"}], "shippingLabelId": "x", "transport": TRANSPORT},
            "",
            "Conflicting transport method: Either provide Transport or ShippingLabelId. "
            "The current request contains both.",
        ),
    ],
)
async def test_a_wrong_shipment_is_a_violation(
    sqlite_shop: RetailerSeller, body: object, name: str, reason: str
) -> None:
    answer = await sqlite_shop.call("POST", "/retailer/shipments", body)
    assert reason in answer.violations[name]


# Process statuses


async def test_processes_by_what_they_are_about_and_many_at_once(shop: RetailerSeller) -> None:
    _, number = await item_of(shop, 2)
    first, second = await shop.cancel(number), await shop.cancel(number)
    path = f"/shared/process-status?entity-id={number}&event-type="
    found = (await shop.get(f"{path}CANCEL_ORDER"))["processStatuses"]
    assert {each["processStatusId"] for each in found} == {first, second}
    assert (await shop.get(f"{path}CREATE_SHIPMENT"))["processStatuses"] == []
    assert (await shop.get(f"{path}CREATE_OFFER"))["processStatuses"] == []
    assert (await shop.get(f"{path}CANCEL_ORDER&page=2"))["processStatuses"] == []
    wanted = [{"processStatusId": each} for each in (second, "1", "nonsense", first, first)]
    many = await shop.call("POST", "/shared/process-status", {"processStatusQueries": wanted})
    assert sorted(each["processStatusId"] for each in many.body["processStatuses"]) == sorted([first, second])
    stranger = await new_retailer_seller(shop.world, shop.seller.http)
    assert (await stranger.get(f"{path}CANCEL_ORDER"))["processStatuses"] == []
    theirs = await stranger.call("POST", "/shared/process-status", {"processStatusQueries": wanted})
    assert theirs.body["processStatuses"] == []
    assert (await stranger.call("GET", f"/shared/process-status/{first}")).body["detail"] == "Not Found"


async def test_a_thousand_at_once_and_not_one_more(sqlite_shop: RetailerSeller) -> None:
    queries = [{"processStatusId": str(number)} for number in range(1, 1002)]
    answer = await sqlite_shop.call("POST", "/shared/process-status", {"processStatusQueries": queries[:1000]})
    assert (answer.status, answer.body) == (200, {"processStatuses": []})
    answer = await sqlite_shop.call("POST", "/shared/process-status", {"processStatusQueries": queries})
    assert "at most 1000" in answer.violations["processStatusQueries"]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("", "entity-id"),
        ("entity-id=1", "event-type"),
        ("event-type=CANCEL_ORDER", "entity-id"),
        ("entity-id=1&event-type=X", "event-type"),
    ],
)
async def test_a_search_for_processes_names_both(sqlite_shop: RetailerSeller, query: str, name: str) -> None:
    answer = await sqlite_shop.call("GET", f"/shared/process-status?{query}")
    assert set(answer.violations) == {name}


async def test_what_plaza_started_is_polled_here_and_the_other_way_round(shop: RetailerSeller) -> None:
    _, one = await item_of(shop)
    _, two = await item_of(shop)
    theirs = await shop.seller.ship(one)
    process = await shop.process(str(theirs))
    assert (process["eventType"], process["status"]) == ("CREATE_SHIPMENT", "SUCCESS")
    ours = int(await shop.ship(two))
    assert (await shop.seller.process(ours)).event_type == "CONFIRM_SHIPMENT"


# Performance


async def test_the_weeks_cancellations_and_the_norms_of_the_rest(
    shop: RetailerSeller, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = watch(monkeypatch, scores, "card")
    for _ in range(3):
        _, number = await item_of(shop)
    await shop.cancel(number)
    path = "/retailer/insights/performance/indicator"
    answer = await shop.get(f"{path}?name=CANCELLATIONS,REVIEWS,CANCELLATIONS&year=2026&week=45")
    assert threads.aside, "it delays nobody"
    cancellations, reviews = answer["performanceIndicators"]
    assert cancellations == {
        "name": "CANCELLATIONS",
        "type": "PERCENTAGE",
        "details": {
            "period": {"week": "45", "year": "2026"},
            "score": {
                "conforms": False,
                "numerator": 1,
                "denominator": 3,
                "value": pytest.approx(1 / 3),
                "distanceToNorm": pytest.approx(1 / 3 - 0.02),
            },
            "norm": {"condition": "<=", "value": 0.02},
        },
    }
    assert reviews["details"] == {
        "period": {"week": "45", "year": "2026"}, "norm": {"condition": ">=", "value": 8.0},
    }  # fmt: skip
    nothing = await shop.get(f"{path}?name=CANCELLATIONS&year=2025&week=5")
    assert nothing["performanceIndicators"][0]["details"]["period"] == {"week": "05", "year": "2025"}
    assert "score" not in nothing["performanceIndicators"][0]["details"]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("year=2026&week=45", "name"),
        ("name=&year=2026&week=45", "name"),
        ("name=CANCELLATION&year=2026&week=45", "name"),
        ("name=CANCELLATIONS,&year=2026&week=45", "name"),
        ("name=CANCELLATIONS&week=45", "year"),
        ("name=CANCELLATIONS&year=2026", "week"),
        ("name=CANCELLATIONS&year=2026&week=54", "week"),
        ("name=CANCELLATIONS&year=2025&week=53", "week"),
        ("name=CANCELLATIONS&year=26&week=1", "year"),
    ],
)
async def test_a_wrong_week_or_indicator_is_a_violation(sqlite_shop: RetailerSeller, query: str, name: str) -> None:
    answer = await sqlite_shop.call("GET", f"/retailer/insights/performance/indicator?{query}")
    assert set(answer.violations) == {name}
