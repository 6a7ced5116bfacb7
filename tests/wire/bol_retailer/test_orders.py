"""GET /retailer/orders and one order: which are listed when, and what is said of them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from countermand.domain.parties import Asker
from countermand.store import tables as t
from tests.wire.bol_retailer.calling import RetailerSeller, new_retailer_seller

pytestmark = pytest.mark.anyio


async def item_of(shop: RetailerSeller, units: int = 1, *, by: UUID | None = None) -> tuple[UUID, str]:
    line, number = await shop.seller.line(units, by=by)
    return line, str(number)


async def test_an_order_in_the_list_has_every_member(shop: RetailerSeller) -> None:
    line, number = await item_of(shop, 2)
    await shop.seller.ask(line)
    (order,) = (await shop.get("/retailer/orders"))["orders"]
    moment = "2026-11-02T10:00:00+01:00"
    assert order == {
        "orderId": order["orderId"],
        "orderPlacedDateTime": moment,
        "orderItems": [
            {
                "orderItemId": number,
                "ean": "0",
                "fulfilmentMethod": "FBR",
                "fulfilmentStatus": "OPEN",
                "quantity": 2,
                "quantityShipped": 0,
                "quantityCancelled": 0,
                "cancellationRequest": True,
                "latestChangedDateTime": moment,
            }
        ],
    }
    assert order["orderId"].isdigit()


async def test_only_a_customers_ask_that_waits_is_a_request(shop: RetailerSeller) -> None:
    asked, by_customer = await item_of(shop)
    declined, no_more = await item_of(shop)
    by_retailer, of_the_shop = await item_of(shop, by=shop.world.supplier)
    await shop.seller.ask(asked)
    await shop.seller.ask(declined)
    await shop.seller.decline(declined)
    await shop.seller.ask(by_retailer, asker=Asker.RETAILER)
    items = await shop.orders()
    requests = {number: items[number]["cancellationRequest"] for number in (by_customer, no_more, of_the_shop)}
    assert requests == {by_customer: True, no_more: False, of_the_shop: False}


async def test_each_status_lists_what_it_says(shop: RetailerSeller) -> None:
    _, left = await item_of(shop, 2)
    _, in_part = await item_of(shop, 2)
    _, sent = await item_of(shop)
    _, cancelled = await item_of(shop)
    await shop.ship(in_part, quantity=1)
    await shop.ship(sent)
    await shop.cancel(cancelled)
    assert set(await shop.orders()) == set(await shop.orders("?status=OPEN")) == {left, in_part}
    assert set(await shop.orders("?status=SHIPPED")) == {in_part, sent}
    items = await shop.orders("?status=ALL")
    shown = {
        number: (item["fulfilmentStatus"], item["quantityShipped"], item["quantityCancelled"])
        for number, item in items.items()
    }
    assert shown == {
        left: ("OPEN", 0, 0),
        in_part: ("OPEN", 1, 0),
        sent: ("HANDLED", 1, 0),
        cancelled: ("HANDLED", 0, 1),
    }


async def test_what_is_finished_is_listed_for_two_days(shop: RetailerSeller) -> None:
    clock = shop.world.clock
    start = clock.now
    try:
        _, left = await item_of(shop)
        _, sent = await item_of(shop)
        await shop.ship(sent)
        clock.advance(hours=47)
        assert set(await shop.orders("?status=ALL")) == {left, sent}
        clock.advance(hours=2)
        assert set(await shop.orders("?status=ALL")) == set(await shop.orders()) == {left}
        assert await shop.orders("?status=SHIPPED") == {}
        order = await shop.order_of(sent)
        assert order["orderItems"][0]["quantityShipped"] == 1
    finally:
        clock.now = start


async def test_changes_of_the_last_minutes_and_of_a_day(shop: RetailerSeller) -> None:
    clock = shop.world.clock
    start = clock.now
    try:
        line, old = await item_of(shop)
        clock.advance(days=1)
        _, new = await item_of(shop)
        clock.advance(minutes=30)
        await shop.seller.ask(line)
        assert set(await shop.orders("?change-interval-minute=29")) == {old}
        assert set(await shop.orders("?change-interval-minute=60")) == {old, new}
        assert await shop.orders("?change-interval-minute=5&status=SHIPPED") == {}
        assert set(await shop.orders("?latest-change-date=2026-11-02")) == {old}
        assert set(await shop.orders("?latest-change-date=2026-11-03&status=ALL")) == {old, new}
        assert await shop.orders("?latest-change-date=2026-11-01&status=ALL") == {}
    finally:
        clock.now = start


async def test_a_day_of_changes_is_one_of_the_last_three_months_in_dutch_time(sqlite_shop: RetailerSeller) -> None:
    shop, clock = sqlite_shop, sqlite_shop.world.clock
    start = clock.now
    # Half past eleven in the evening of UTC is tomorrow in Amsterdam.
    table = {
        (9, 0): {"2026-11-02": 200, "2026-11-03": 400, "2026-08-02": 200, "2026-08-01": 400},
        (23, 30): {"2026-11-02": 200, "2026-11-03": 200, "2026-11-04": 400, "2026-08-03": 200, "2026-08-02": 400},
    }
    try:
        for (hour, minute), days in table.items():
            clock.now = start.replace(hour=hour, minute=minute)
            path = "/retailer/orders?latest-change-date="
            assert {day: (await shop.call("GET", f"{path}{day}")).status for day in days} == days, hour
    finally:
        clock.now = start


async def test_the_edges_of_the_minutes_in_which_something_changed(sqlite_shop: RetailerSeller) -> None:
    shop, clock = sqlite_shop, sqlite_shop.world.clock
    start = clock.now
    try:
        _, number = await item_of(shop)
        listed = []
        for minutes, passed in ((1, 60), (1, 1), (60, 59 * 60 - 1), (60, 1)):
            clock.advance(seconds=passed)
            listed.append(set(await shop.orders(f"?change-interval-minute={minutes}")) == {number})
        assert listed == [True, False, True, False]
    finally:
        clock.now = start


async def test_pages_of_fifty_newest_first(sqlite_shop: RetailerSeller) -> None:
    shop, clock = sqlite_shop, sqlite_shop.world.clock
    start, numbers = clock.now, []
    try:
        for _ in range(53):
            clock.advance(seconds=1)
            numbers.append((await item_of(shop))[1])
        pages = [list(await shop.orders(f"?page={page}")) for page in (1, 2, 3)]
        assert [len(page) for page in pages] == [50, 3, 0]
        assert pages[0] + pages[1] == numbers[::-1]
        assert list(await shop.orders("?status=ALL&page=2")) == pages[1]
    finally:
        clock.now = start


async def test_bols_warehouse_holds_nothing_here(sqlite_shop: RetailerSeller) -> None:
    _, number = await item_of(sqlite_shop)
    listed = {word: set(await sqlite_shop.orders(f"?fulfilment-method={word}")) for word in ("FBR", "FBB", "ALL")}
    assert listed == {"FBR": {number}, "FBB": set(), "ALL": {number}}
    # One client sends this; bol ignores what it does not know, and so must we.
    assert set(await sqlite_shop.orders("?page=1&method=FBR&vvb-only=true")) == {number}


async def test_nobody_sees_the_orders_of_another(shop: RetailerSeller) -> None:
    _, number = await item_of(shop)
    order = (await shop.order_of(number))["orderId"]
    stranger = await new_retailer_seller(shop.world, shop.seller.http)
    assert await stranger.orders("?status=ALL") == {}
    theirs = await stranger.call("GET", f"/retailer/orders/{order}")
    nobodys = await stranger.call("GET", "/retailer/orders/2147483646")
    assert (theirs.status, theirs.body["detail"]) == (404, f"Order for order id {order} not found.")
    assert nobodys.status == 404
    assert theirs.body["title"] == "Not Found"


async def test_one_order_has_every_member(shop: RetailerSeller) -> None:
    placed = await shop.seller.order(2, 1)
    first = str(await shop.seller.number(placed.lines[0].id))
    await _detailed(shop, placed.id, placed.lines[0].id)
    order = await shop.order_of(first)
    person = {
        "salutation": "FEMALE",
        "firstName": "Anna",
        "surname": "de Vries",
        "streetName": "Kade",
        "houseNumber": "7",
        "houseNumberExtension": "b",
        "zipCode": "1011 AB",
        "city": "Amsterdam",
        "countryCode": "NL",
        "email": "anna@example.com",
    }
    assert order["shipmentDetails"] == {**person, "deliveryPhoneNumber": "0201234567"}
    assert order["billingDetails"] == {**person, "orderReference": placed.reference}
    assert (order["pickupPoint"], len(order["orderItems"])) == (False, 2)
    item = order["orderItems"][0]
    assert item == {
        "orderItemId": first,
        "cancellationRequest": False,
        "fulfilment": {
            "method": "FBR",
            "distributionParty": "RETAILER",
            "timeFrameType": "REGULAR",
            "latestDeliveryDate": "2026-11-05",
            "expiryDate": "2026-11-08",
        },
        "offer": {"offerId": str(placed.lines[0].id), "reference": "SKU-0"},
        "product": {"ean": "8712626055150", "title": "SKU-0"},
        "quantity": 2,
        "quantityShipped": 0,
        "quantityCancelled": 0,
        "unitPrice": 12.95,
        "totalPrice": 25.9,
        "discounts": [],
        "commission": 1.5,
        "additionalServices": [],
        "latestChangedDateTime": "2026-11-02T10:00:00+01:00",
    }


async def _detailed(shop: RetailerSeller, order: UUID, line: UUID) -> None:
    address = {
        "salutation": "female", "first_name": "Anna", "last_name": "de Vries", "street": "Kade", "house_number": "7",
        "house_number_extension": "b", "supplement": "", "postcode": "1011 AB", "city": "Amsterdam", "country": "nl",
        "email": "anna@example.com", "phone": "0201234567", "company": "", "vat_number": "",
    }  # fmt: skip
    promised = (shop.world.clock() + timedelta(days=3)).date()
    values = {
        "unit_price_minor": 1295, "promised_on": promised, "details": {"ean": "8712626055150", "fee": "1.50"},
    }  # fmt: skip
    await shop.world.application.database.write(
        lambda connection: (
            connection.execute(
                update(t.orders).where(t.orders.c.id == order).values(details={"shipping_address": address})
            ),
            connection.execute(update(t.lines).where(t.lines.c.id == line).values(**values)),
        )
    )


UNFIT = ("%00", "a%00b", "%ED%A0%80", "%FF", "%0D%0A", "%1B", "\u0661")
"""Ids in a path or a query that no database can hold as they are, or that look like a number and are none."""


@pytest.mark.parametrize("id_", ["abc", "0", "-1", "1.5", "99999999999999999999", "1 OR 1=1", *UNFIT])
async def test_an_id_that_is_none_of_ours_leads_to_nothing(shop: RetailerSeller, id_: str) -> None:
    for path in ("/retailer/orders", "/retailer/shipments", "/retailer/retailers", "/retailer/subscriptions"):
        assert (await shop.call("GET", f"{path}/{id_}")).status == 404
    assert (await shop.call("GET", f"/shared/process-status/{id_}")).status == 404
    assert (await shop.get(f"/retailer/shipments?order-id={id_}"))["shipments"] == []
    about = f"/shared/process-status?entity-id={id_}&event-type=CANCEL_ORDER"
    assert (await shop.get(about))["processStatuses"] == []


async def test_an_id_is_written_in_one_way(sqlite_shop: RetailerSeller) -> None:
    line, number = await item_of(sqlite_shop)
    order = (await sqlite_shop.order_of(number))["orderId"]
    assert (await sqlite_shop.call("GET", f"/retailer/orders/0{order}")).status == 404
    assert (await sqlite_shop.outcome(await sqlite_shop.cancel(f"0{number}")))[0] == "FAILURE"
    assert await sqlite_shop.world.buckets(line) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    "name", ["page", "status", "fulfilment-method", "change-interval-minute", "latest-change-date", "order-id"]
)
async def test_an_empty_parameter_counts_as_none(sqlite_shop: RetailerSeller, name: str) -> None:
    _, number = await item_of(sqlite_shop)
    assert set(await sqlite_shop.orders(f"?{name}=")) == {number}
    assert (await sqlite_shop.get(f"/retailer/shipments?{name}="))["shipments"] == []


@pytest.mark.parametrize(
    ("query", "name", "reason"),
    [
        ("page=0", "page", "from 1 to"),
        ("page=x", "page", "from 1 to"),
        ("page=-1", "page", "from 1 to"),
        ("page=1e3", "page", "from 1 to"),
        ("page=999999999999", "page", "from 1 to"),
        ("status=open", "status", "'open', allowed values: OPEN, SHIPPED, ALL."),
        ("fulfilment-method=FBX", "fulfilment-method", "Request contains invalid value(s): 'FBX', allowed values: FBR"),
        ("change-interval-minute=61", "change-interval-minute", "from 1 to 60"),
        ("change-interval-minute=0", "change-interval-minute", "from 1 to 60"),
        ("latest-change-date=2026-02-30", "latest-change-date", "date such as"),
        ("latest-change-date=02-11-2026", "latest-change-date", "date such as"),
        ("latest-change-date=2026-01-01", "latest-change-date", "three months"),
        ("latest-change-date=2027-01-01", "latest-change-date", "three months"),
    ],
)
async def test_a_wrong_parameter_is_a_violation(
    sqlite_shop: RetailerSeller, query: str, name: str, reason: str
) -> None:
    answer = await sqlite_shop.call("GET", f"/retailer/orders?{query}")
    assert reason in answer.violations[name]
    assert answer.body["title"].startswith("Error validating request. Consult")
    assert answer.body["instance"].endswith(f"/retailer/orders?{query}")


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("DELETE", "/retailer/orders", 405, "GET, HEAD"),
        ("POST", "/retailer/orders/cancellation", 405, "PUT"),
        ("GET", "/token", 405, "POST"),
        ("DELETE", "/retailer/openapi.json", 405, "GET, HEAD"),
        ("GET", "/retailer/offers", 404, None),
        ("GET", "/retailer/orders/", 404, None),
        ("GET", "/shared/nothing", 404, None),
        ("GET", "/retailer", 404, None),
        ("GET", "/shared-demo", 404, None),
        ("GET", "/retailer//orders", 404, None),
        ("GET", "/retailer/orders/%2F", 404, None),
    ],
)
async def test_there_is_no_such_call(
    sqlite_shop: RetailerSeller, method: str, path: str, status: int, allow: Any
) -> None:
    answer = await sqlite_shop.call(method, path)
    assert (answer.status, answer.headers.get("allow")) == (status, allow)


async def test_the_seller_itself(sqlite_shop: RetailerSeller) -> None:
    current = await sqlite_shop.get("/retailer/retailers/current")
    assert current["registrationDate"] == "2026-11-02"
    assert await sqlite_shop.get(f"/retailer/retailers/{current['retailerId']}") == current
    assert (await sqlite_shop.call("GET", "/retailer/retailers/1")).status == 404


@pytest.mark.parametrize("root", ["retailer", "retailer-demo"])
@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("orders?fulfilment-method=FBB&page=x", "page"),
        ("orders?fulfilment-method=FBB&status=x", "status"),
        ("orders?fulfilment-method=FBB&page=7&latest-change-date=x", "latest-change-date"),
        ("orders?change-interval-minute=5&latest-change-date=x", "latest-change-date"),
        ("shipments?fulfilment-method=FBB&page=x", "page"),
        ("shipments?order-id=1&fulfilment-method=x", "fulfilment-method"),
    ],
)
async def test_a_wrong_parameter_is_told_whatever_the_others_say(
    sqlite_shop: RetailerSeller, root: str, call: str, name: str
) -> None:
    assert name in (await sqlite_shop.call("GET", f"/{root}/{call}")).violations
