"""PUT …/orders/cancellation, and how its process ends: what it means is what Plaza's call means."""

from typing import Any

import pytest

from countermand.wire.bol.vocabulary import REASONS, ReasonCode
from tests.wire.bol_retailer.calling import RetailerSeller
from tests.wire.bol_retailer.test_orders import item_of

pytestmark = pytest.mark.anyio

BY_CUSTOMER = "REQUESTED_BY_CUSTOMER"
ACCEPTED, ASKED = "cancellation.accepted", "cancellation.asked"
PATH = "/retailer/orders/cancellation"
EMPTY = "The supplied value is empty, but is required."


async def test_the_answer_is_pending_and_has_every_member(shop: RetailerSeller) -> None:
    _, number = await item_of(shop)
    body = {"orderItems": [{"orderItemId": number, "reasonCode": "OUT_OF_STOCK"}]}
    answer = await shop.call("PUT", PATH, body)
    process = answer.body["processStatusId"]
    assert answer.status == 202
    assert answer.body == {
        "processStatusId": process,
        "entityId": number,
        "eventType": "CANCEL_ORDER",
        "description": f"Cancel order item with id {number}.",
        "status": "PENDING",
        "createTimestamp": "2026-11-02T10:00:00+01:00",
        "links": [
            {
                "rel": "self",
                "href": f"{shop.world.application.settings.base_url}/shared/process-status/{process}",
                "method": "GET",
            }
        ],
    }
    assert await shop.process(process) == {**answer.body, "status": "SUCCESS"}


async def test_a_customers_request_is_confirmed_and_does_not_count(shop: RetailerSeller) -> None:
    line, number = await item_of(shop, 2)
    await shop.seller.ask(line)
    assert await shop.outcome(await shop.cancel(number, BY_CUSTOMER)) == ("SUCCESS", None)
    assert await shop.seller.reported(line) == [(ASKED, 2, False), (ACCEPTED, 2, False)]


@pytest.mark.parametrize("reason", list(REASONS))
async def test_what_nobody_asked_for_counts_whatever_the_reason(sqlite_shop: RetailerSeller, reason: str) -> None:
    line, number = await item_of(sqlite_shop, 2)
    assert await sqlite_shop.outcome(await sqlite_shop.cancel(number, reason)) == ("SUCCESS", None)
    assert await sqlite_shop.seller.reported(line) == [(ACCEPTED, 2, True)]
    last = (await sqlite_shop.world.events(line))[-1]
    assert last.facts["reason"] == REASONS[ReasonCode(reason)].value


async def test_a_supplier_is_asked_and_its_answer_ends_the_process(shop: RetailerSeller) -> None:
    supplier = shop.world.supplier
    yes, one = await item_of(shop, by=supplier)
    no, two = await item_of(shop, by=supplier)
    accepted, declined = await shop.cancel(one), await shop.cancel(two)
    assert await shop.outcome(accepted) == await shop.outcome(declined) == ("PENDING", None)
    await shop.seller.accept(yes, by=supplier)
    await shop.seller.decline(no, by=supplier)
    assert await shop.outcome(accepted) == ("SUCCESS", None)
    status, sentence = await shop.outcome(declined)
    assert status == "FAILURE"
    assert sentence is not None
    assert "declined by the supplier" in sentence


@pytest.mark.parametrize("item", ["1", "nonsense", "0", "99999999999999", "12.5", "x" * 100, "\u0663"])
async def test_an_item_that_there_is_not_fails_later(sqlite_shop: RetailerSeller, item: str) -> None:
    process = await sqlite_shop.cancel(item)
    polled = await sqlite_shop.process(process)
    assert (polled["status"], polled["entityId"]) == ("FAILURE", item)
    assert polled["errorMessage"] == "There is no such order item that you can act on."


async def test_what_is_shipped_or_cancelled_fails_and_says_what_happened(shop: RetailerSeller) -> None:
    _, sent = await item_of(shop)
    _, gone = await item_of(shop)
    await shop.ship(sent)
    await shop.cancel(gone)
    for number, words in ((sent, "shipped"), (gone, "cancelled already")):
        status, sentence = await shop.outcome(await shop.cancel(number))
        assert status == "FAILURE"
        assert sentence is not None
        assert words in sentence


ITEM = {"orderItemId": "1", "reasonCode": "OTHER"}


@pytest.mark.parametrize(
    ("body", "name", "reason"),
    [
        (b"", "", EMPTY),
        (b"{", "", "The body cannot be read as JSON"),
        (b"[]", "", "The value must be an object."),
        (b"null", "", EMPTY),
        (b'{"orderItems": [], "orderItems": []}', "", "is there twice"),
        (b"\xff", "", "not UTF-8"),
        ({}, "orderItems", EMPTY),
        ({"orderItems": None}, "orderItems", EMPTY),
        ({"orderItems": []}, "orderItems", "The list has 0 elements, but must have at least 1."),
        ({"orderItems": [ITEM, ITEM]}, "orderItems", "The list has 2 elements, but must have at most 1."),
        ({"orderItems": {}}, "orderItems", ""),
        ({"orderItems": ["1"]}, "orderItems[0]", "The value must be an object."),
        ({"orderItems": [{"reasonCode": "OTHER"}]}, "orderItems[0].orderItemId", EMPTY),
        ({"orderItems": [{**ITEM, "orderItemId": ""}]}, "orderItems[0].orderItemId", EMPTY),
        ({"orderItems": [{**ITEM, "orderItemId": 5}]}, "orderItems[0].orderItemId", ""),
        ({"orderItems": [{**ITEM, "orderItemId": "a\x00"}]}, "orderItems[0].orderItemId", "null characters"),
        ({"orderItems": [{**ITEM, "orderItemId": "x" * 101}]}, "orderItems[0].orderItemId", "at most 100"),
        ({"orderItems": [{"orderItemId": "1"}]}, "orderItems[0].reasonCode", EMPTY),
        ({"orderItems": [{**ITEM, "reasonCode": None}]}, "orderItems[0].reasonCode", EMPTY),
        ({"orderItems": [{**ITEM, "reasonCode": ""}]}, "orderItems[0].reasonCode", EMPTY),
        ({"orderItems": [{**ITEM, "reasonCode": "other"}]}, "orderItems[0].reasonCode", "'other', allowed values: OUT"),
        ({"orderItems": [{**ITEM, "reasonCode": ["OTHER"]}]}, "orderItems[0].reasonCode", "allowed values"),
    ],
)
async def test_a_body_that_cannot_be_read_is_a_violation(
    sqlite_shop: RetailerSeller, body: Any, name: str, reason: str
) -> None:
    headers = {"Content-Type": "application/vnd.retailer.v10+json"}
    answer = await sqlite_shop.call("PUT", PATH, body, headers=headers)
    assert reason in answer.violations[name]
    assert answer.body["title"].startswith("Error validating request body.")


async def test_bols_own_words_for_a_wrong_reason(sqlite_shop: RetailerSeller) -> None:
    body = {"orderItems": [{"orderItemId": "1", "reasonCode": "Unknown"}], "extra": 1}
    answer = await sqlite_shop.call("PUT", PATH, body)
    assert answer.body["violations"] == [
        {
            "name": "orderItems[0].reasonCode",
            "reason": "Request contains invalid value(s): 'Unknown', allowed values: OUT_OF_STOCK, "
            "REQUESTED_BY_CUSTOMER, BAD_CONDITION, HIGHER_SHIPCOST, INCORRECT_PRICE, NOT_AVAIL_IN_TIME, "
            "NO_BOL_GUARANTEE, ORDERED_TWICE, RETAIN_ITEM, TECH_ISSUE, UNFINDABLE_ITEM, OTHER.",
        }
    ]
