"""The list of open orders in its two representations (docs/plaza.md)."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import update

from countermand.documents.orders import OrderIn, place
from countermand.domain.commands import Parcel, Ship, ShipOrder
from countermand.domain.parties import Asker
from countermand.service.calls import Done
from countermand.store import tables as t
from tests.wire.bol_plaza.calling import ORDERS, V2_1, Answer, Seller, new_seller

pytestmark = pytest.mark.anyio

V2_0: dict[str, str] = {}


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        (None, "2.0"),
        ("*/*", "2.0"),
        ("application/xml", "2.0"),
        ("application/xml; charset=UTF-8", "2.0"),
        ("application/vnd.orders-v2+xml", "2.0"),
        ("application/vnd.orders-v2.1+xml", "2.1"),
        ("application/vnd.orders-v2.1+xml; charset=UTF-8", "2.1"),
        ("application/vnd.orders-v2.1+xml;q=1, */*;q=0.1", "2.1"),
        ("Application/Vnd.Orders-V2.1+XML", "2.1"),
    ],
)
async def test_accept_chooses_the_representation(sqlite_seller: Seller, accept: str | None, version: str) -> None:
    await _rich_order(sqlite_seller)
    answer = await sqlite_seller.call("GET", ORDERS, headers={"Accept": accept} if accept else {"Accept": None})
    item = _item(answer)
    assert ("FulfilmentMethod" in item, "LatestDeliveryDate" in item) == (version == "2.1",) * 2
    assert ("PromisedDeliveryDate" in item) == (version == "2.0")


async def test_an_order_is_shown_in_full(seller: Seller) -> None:
    await _rich_order(seller)
    for headers in (V2_0, V2_1):
        answer = await seller.orders(headers=headers)
        assert [each.tag.rpartition("}")[2] for each in answer.all("Order")[0]] == [
            "OrderId", "DateTimeCustomer", "DateTimeDropShipper", "CustomerDetails", "OrderItems",
        ]  # fmt: skip
        assert answer.text("Order", "DateTimeCustomer") == "2026-11-01T19:30:00+01:00"
        shipping = {
            e.tag.rpartition("}")[2]: e.text for e in answer.all("Order", "CustomerDetails", "ShipmentDetails", "*")
        }
        assert shipping == {
            "SalutationCode": "02",
            "Firstname": "Ada",
            "Surname": "de Vries & Zn",
            "Streetname": "Dam",
            "Housenumber": "1",
            "HousenumberExtended": "bis",
            "AddressSupplement": "achter",
            "ZipCode": "1012 JS",
            "City": "Amsterdam",
            "CountryCode": "NL",
            "Email": "ada@example.com",
            "DeliveryPhoneNumber": "020",
            "Company": "<Zn>",
            "VatNumber": "NL001",
        }
        assert answer.text("Order", "CustomerDetails", "BillingDetails", "Surname") == "Bos"
        item = _item(answer)
        promised = item.pop("LatestDeliveryDate" if headers else "PromisedDeliveryDate")
        assert promised == "2026-12-24+01:00"
        item.pop("FulfilmentMethod", None)
        assert item.pop("OrderItemId").isdigit()
        assert item == {
            "EAN": "8712345678906",
            "OfferReference": "REF-1",
            "Title": "Boot <36> & lace",
            "Quantity": "3",
            "OfferPrice": "89.95",
            "TransactionFee": "1.50",
            "OfferCondition": "AS_NEW",
            "CancelRequest": "false",
        }


async def test_an_order_of_which_little_is_known_is_valid_too(seller: Seller) -> None:
    placed = await seller.order(2)
    answer = await seller.orders()
    assert _item(answer)["Title"] == placed.lines[0].sku


async def test_a_promised_day_that_no_calendar_has_is_left_out(sqlite_seller: Seller) -> None:
    """Such a day is refused now; databases of 0.1.0 can have one."""
    with pytest.raises(ValidationError, match="between 1970 and 2200"):
        await _rich_order(sqlite_seller, promised_on="0001-01-01")
    await _rich_order(sqlite_seller)
    await sqlite_seller.world.application.database.write(
        lambda connection: connection.execute(update(t.lines).values(promised_on=date(1, 1, 1)))
    )
    assert "PromisedDeliveryDate" not in _item(await sqlite_seller.orders())


async def test_the_newest_order_comes_first_in_pages_of_25(seller: Seller) -> None:
    numbers = []
    for _ in range(27):
        seller.world.clock.advance(seconds=1)
        placed = await seller.order()
        numbers.append(str(await seller.number(placed.lines[0].id)))
    numbers.reverse()

    def items(answer: Answer) -> list[str]:
        return answer.texts("Order", "OrderItems", "OrderItem", "OrderItemId")

    assert items(await seller.orders()) == numbers
    assert items(await seller.orders("?page=2")) == numbers, "v2.0 has no pages"
    assert items(await seller.orders(headers=V2_1)) == numbers[:25]
    assert items(await seller.orders("?page=1", headers=V2_1)) == numbers[:25]
    assert items(await seller.orders("?page=002", headers=V2_1)) == numbers[25:]
    assert items(await seller.orders("?page=3", headers=V2_1)) == []
    assert items(await seller.orders("?page=9999999", headers=V2_1)) == []


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("?fulfilment-method=FBR", True),
        ("?fulfilment-method=fbr", True),
        ("?fulfilment-method=FBB", False),
        ("?fulfilment-method=fbb", False),
        ("?fulfilment-method=", True),
        ("?fulfilmentmethod=FBB", True),
        ("?page=&x=%ff&%00=1&&&=", True),
        ("?" + "a=1&" * 2_000, True),
    ],
)
async def test_bols_own_warehouse_holds_nothing_and_unknown_parameters_are_ignored(
    sqlite_seller: Seller, query: str, shown: bool
) -> None:
    await sqlite_seller.order()
    assert len((await sqlite_seller.orders(query, V2_1)).all("Order")) == shown
    assert len((await sqlite_seller.orders(query)).all("Order")) == 1, "v2.0 has no such filter"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?page=0", "page is not a number from 1 on"),
        ("?page=-1", "page is not a number from 1 on"),
        ("?page=x", "page is not a number from 1 on"),
        ("?page=%D9%A3", "page is not a number from 1 on"),
        ("?page=1.0", "page is not a number from 1 on"),
        ("?page=99999999999999999999", "page is not a number from 1 on"),
        ("?fulfilment-method=other", "fulfilment-method must be FBR or FBB"),
    ],
)
async def test_a_page_or_filter_that_is_none_is_refused(sqlite_seller: Seller, query: str, sentence: str) -> None:
    answer = await sqlite_seller.call("GET", ORDERS + query, headers=V2_1)
    assert (answer.error, answer.sentence) == ((400, 41100), sentence)


async def test_a_customers_ask_is_shown_until_it_is_answered(seller: Seller) -> None:
    first, second = (await seller.order(2, 1)).lines

    async def wishes() -> list[str]:
        answers = [await seller.orders(headers=headers) for headers in (V2_0, V2_1)]
        shown = [each.texts("Order", "OrderItems", "OrderItem", "CancelRequest") for each in answers]
        assert shown[0] == shown[1]
        return shown[0]

    assert await wishes() == ["false", "false"]
    await seller.ask(first.id)
    assert await wishes() == ["true", "false"]
    await seller.withdraw(first.id)
    assert await wishes() == ["false", "false"]
    await seller.ask(first.id)
    await seller.decline(first.id)
    assert await wishes() == ["false", "false"]
    await seller.ask(first.id, 1)
    assert await wishes() == ["true", "false"]
    await seller.accept(first.id)
    assert await wishes() == ["false", "false"], "one of two is left, and nobody wants that one cancelled"
    await seller.ask(second.id)
    await seller.accept(second.id)
    assert await wishes() == ["false"]


async def test_only_a_customers_ask_is_a_cancel_request(seller: Seller) -> None:
    line, _ = await seller.line(2, by=seller.world.supplier)
    await seller.ask(line, 1, asker=Asker.RETAILER)
    assert _item(await seller.orders())["CancelRequest"] == "false"
    await seller.ask(line)
    assert _item(await seller.orders())["CancelRequest"] == "true"


async def test_what_is_shipped_or_cancelled_is_gone_and_the_rest_is_counted(seller: Seller) -> None:
    placed = await seller.order(3, 1)
    first, second = placed.lines
    ships = (Ship(line=first.id, actor=seller.actor, units=1),)
    parcel = Parcel(id=seller.world.application.ids.new())
    await seller.do(ShipOrder(order=placed.id, actor=seller.actor, lines=ships, parcel=parcel))
    await seller.ask(first.id, 1)
    answer = await seller.orders()
    assert answer.texts("Order", "OrderItems", "OrderItem", "Quantity") == ["2", "1"]
    await seller.cancel(await seller.number(second.id))
    assert len((await seller.orders()).all("Order", "OrderItems", "OrderItem")) == 1
    await seller.cancel(await seller.number(first.id), "REQUESTED_BY_CUSTOMER")
    assert (await seller.orders()).texts("Order", "OrderItems", "OrderItem", "Quantity") == ["1"]
    await seller.cancel(await seller.number(first.id))
    assert (await seller.orders()).all() == []


async def test_one_order_is_a_list_of_one(seller: Seller) -> None:
    await seller.order(1)
    placed = await seller.order(2, 1)
    listed = await seller.orders()
    number = next(
        order.findtext("{*}OrderId")
        for order in listed.all("Order")
        if len(order.findall("{*}OrderItems/{*}OrderItem")) == len(placed.lines)
    )
    for headers in (V2_0, V2_1):
        for path in (f"/{number}", f"/000{number}", f"/{number}?page=7"):
            one = await seller.orders(path, headers)
            assert one.texts("Order", "OrderId") == [number]
            assert one.texts("Order", "OrderItems", "OrderItem", "Quantity") == ["2", "1"]


@pytest.mark.parametrize(
    "number", ["1", "0", "2147483647", "2147483648", "99999999999999999999", "x", "%D9%A3", "-1", "1.5", "%00"]
)
async def test_an_order_that_is_not_there_is_an_empty_list(seller: Seller, number: str) -> None:
    assert (await seller.orders(f"/{number}")).all() == []


async def test_an_order_of_somebody_else_is_not_there(seller: Seller) -> None:
    await seller.order()
    number = (await seller.orders()).text("Order", "OrderId")
    stranger = await new_seller(seller.world, seller.http)
    assert (await stranger.orders()).all() == []
    assert (await stranger.orders(f"/{number}")).content == (await stranger.orders("/1")).content


def _item(answer: Answer) -> dict[str, str]:
    """The one item of the one order."""
    (item,) = answer.all("Order", "OrderItems", "OrderItem")
    return {str(each.tag).rpartition("}")[2]: each.text or "" for each in item}


async def _rich_order(seller: Seller, promised_on: str = "2026-12-24") -> None:
    """An order of which everything is known that the documents can hold."""
    person: dict[str, Any] = {
        "last_name": "Bos", "street": "Spui", "house_number": "2", "postcode": "1012 WX", "city": "Amsterdam",
        "country": "NL",
    }  # fmt: skip
    order = OrderIn.model_validate(
        {
            "retailer": "me",
            "reference": "A1",
            "placed_at": "2026-11-01T18:30:00Z",
            "shipping_address": person
            | {
                "salutation": "female",
                "first_name": "Ada",
                "last_name": "de Vries & Zn",
                "company": "<Zn>",
                "street": "Dam",
                "house_number": "1",
                "house_number_extension": "bis",
                "supplement": "achter",
                "postcode": "1012 JS",
                "email": "ada@example.com",
                "phone": "020",
                "vat_number": "NL001",
            },
            "billing_address": person,
            "lines": [
                {
                    "sku": "boot",
                    "units": 3,
                    "title": "Boot <36> & lace",
                    "unit_price": "89.95",
                    "fee": "1.50",
                    "ean": "8712345678906",
                    "offer_reference": "REF-1",
                    "condition": "AS_NEW",
                    "promised_on": promised_on,
                }
            ],
        }
    )
    world = seller.world
    command = place(
        order, actor=seller.actor, party=lambda _: seller.party, ids=world.application.ids, now=world.clock()
    )
    assert isinstance(await world.submit(command, retailer=seller.party), Done)
