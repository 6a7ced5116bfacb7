"""POST /orders/create/ in both generations (docs/crux.md)."""

from copy import deepcopy
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from countermand.domain.parties import PartyKind
from countermand.store import tables as t
from tests.support.money import place_paid
from tests.wire.crux.calling import PREFIXES, UNKNOWN, Crux

pytestmark = pytest.mark.anyio

ADDRESS = {
    "name": "Jane Doe",
    "address1": "1 Main Street",
    "city": "Denver",
    "state": "CO",
    "postal_code": 80202,
    "phone_number": "555 0100",
}


def v1_order(crux: Crux, **changes: Any) -> dict[str, Any]:
    """As the pages of the first generation have it, numbers in quotes."""
    sku = {"sku_id": "7-SKU", "quantity": "2", "supplier_uuid": str(crux.world.supplier), "price": "27"}
    order: dict[str, Any] = {"skus": [sku], "address": deepcopy(ADDRESS), "purchase_order_id": "PO-7"}
    return order | {"shipping_carrier": "UPS", "shipping_method": "Ground", "notes": "leave at door"} | changes


def timp_order(crux: Crux, **changes: Any) -> dict[str, Any]:
    """As the pages of the second generation have it."""
    sku = {
        "sku_id": "7-SKU",
        "quantity": "2",
        "supplier_org_uuid": str(crux.world.supplier),
        "retailer_provided_sku_cost": "27.5",
        "retailer_provided_shipping_carrier": "UPS",
        "retailer_provided_shipping_method": "Ground",
        "retailer_line_item_instructions": "gift wrap",
        "retailer_provided_line_item_attributes": [{"attribute_name": "colour", "attribute_value": "red"}],
    }
    order = {
        "skus": [sku],
        "address": deepcopy(ADDRESS),
        "po_number": "PO-7",
        "retailer_provided_order_fee": "1.5",
        "retailer_provided_tax": 2,
        "retailer_provided_shipping_cost": "10",
        "retailer_provided_dropship_fee": 0.99,
        "retailer_provided_notes": "leave at door",
        "retailer_provided_order_attributes": [{"name": "channel", "value": "web"}],
    }
    return order | changes


async def create(crux: Crux, body: Any, prefix: str = "", who: UUID | None = None) -> Any:
    return await crux.call("POST", f"{prefix}/orders/create/", who or crux.world.retailer, body)


async def test_v1_answers_the_whole_order(crux: Crux) -> None:
    answer = await create(crux, v1_order(crux))
    assert answer.status_code == 201
    order = answer.json()
    UUID(order["uuid"])
    line = order["line_items"][0]
    assert {name: order[name] for name in ("status", "is_allocated", "purchase_order_id", "notes", "created_date")} == {
        "status": "New",
        "is_allocated": False,
        "purchase_order_id": "PO-7",
        "notes": "leave at door",
        "created_date": "2026-11-02T09:00:00.000000Z",
    }
    assert order["fees"] == {"estimated_shipping_cost": 0, "drop_ship_fee": 0, "order_fee": 0}
    assert order["retailer"] == {
        "name": "retailer",
        "uuid": str(crux.world.retailer),
        "user": {"name": "", "email": ""},
    }
    assert order["requested_shipping"] == {"shipping_carrier": "UPS", "shipping_method": "Ground"}
    assert order["address"] == {
        **ADDRESS,
        "postal_code": "80202",
        "business_name": None,
        "address2": None,
        "country": None,
    }
    assert {name: line[name] for name in ("status", "sku_id", "cost", "supplier_uuid", "supplier_name")} == {
        "status": "Unallocated",
        "sku_id": "7-SKU",
        "cost": 27.0,
        "supplier_uuid": str(crux.world.supplier),
        "supplier_name": "supplier",
    }
    assert line["tracking_numbers"] == []
    assert line["allocation"] == {
        "quantity_ordered": 2,
        "quantity_allocated": 0,
        "quantity_backordered": 0,
        "quantity_rejected": 0,
        "backorder_date": None,
    }
    assert len({line["uuid"], line["item_uuid"], line["sku_uuid"]}) == 3
    assert (await crux.call("GET", f"/orders/{order['uuid']}/", crux.world.retailer)).json() == order


async def test_timp_answers_the_id_and_detail_has_all_that_was_sent(crux: Crux) -> None:
    answer = await create(crux, timp_order(crux), "/timp")
    assert answer.status_code == 201
    assert answer.json()["messages"] == []
    uuid = answer.json()["order_uuid"]
    order = (await crux.call("GET", f"/timp/orders/{uuid}/", crux.world.retailer)).json()
    assert order["order_uuid"] == uuid
    assert order["po_number"] == "PO-7"
    assert order["sent_to_supplier"] is True
    assert order["retailer_provided_order_notes"] == "leave at door"
    assert order["retailer_provided_order_attributes"] == [{"attribute_name": "channel", "attribute_value": "web"}]
    assert order["retailer_provided_fees"] == {
        "order_fee": 1.5,
        "order_tax": 2.0,
        "shipping_cost": 10.0,
        "dropship_fee": 0.99,
    }
    line = order["line_items"][0]
    assert (line["status"], line["line_item_designation"], line["allocation"]) == ("Unallocated", None, None)
    assert line["retailer_provided_sku_cost"] == 27.5
    assert line["retailer_item_notes"] == "gift wrap"
    assert line["retailer_provided_item_attributes"] == [{"attribute_name": "colour", "attribute_value": "red"}]
    assert line["supplier_provided_item_attributes"] is None
    assert line["supplier"]["uuid"] == str(crux.world.supplier)
    assert set(line["product_codes"]) == {"upca", "ean13", "isbn", "gtin14", "asin", "mpn"}


async def test_the_item_that_was_created_can_be_cancelled(crux: Crux) -> None:
    line = (await create(crux, v1_order(crux))).json()["line_items"][0]
    assert (await crux.cancel(line["uuid"])).status_code == 204
    assert (await crux.cancel(line["item_uuid"])).status_code == 422


async def test_the_person_who_ordered_is_shown(crux: Crux) -> None:
    email = f"{crux.world.application.database.engine.name}@example.com"
    await crux.user(crux.world.retailer, email, "secret")
    body = {"username": email, "password": "secret"}
    token = (await crux.call("POST", "/organizations/user-login/", body=body)).json()["auth_token"]
    order = (await crux.call("POST", "/orders/create/", token, v1_order(crux))).json()
    assert order["retailer"]["user"] == {"name": "Some One", "email": email}


@pytest.mark.parametrize(("price", "goods"), [("27.20", "27.20"), (5, "5.00"), ("0.005", "0.01"), ("27.205", "27.21")])
@pytest.mark.parametrize("prefix", ["", "/timp"])
async def test_the_price_is_what_a_unit_is_worth(crux: Crux, prefix: str, price: Any, goods: str) -> None:
    order = timp_order(crux) if prefix else v1_order(crux)
    order["skus"][0]["retailer_provided_sku_cost" if prefix else "price"] = price
    placed = (await create(crux, order, prefix)).json()
    shown = await crux.call("GET", f"/orders/{placed['order_uuid' if prefix else 'uuid']}/", crux.world.retailer)
    [line] = shown.json()["line_items"]
    assert line["cost"] == float(price)
    bearer = {"Authorization": f"Bearer {crux.world.tokens[crux.world.retailer]}"}
    wished = {"lines": [{"line": line["uuid"], "units": 1}]}
    quoted = (await crux.http.post("/v1/quotes", json=wished, headers=bearer)).json()
    assert (quoted["currency"], quoted["goods"], quoted["unpaid"], quoted["refund"]) == ("USD", goods, goods, "0.00")


@pytest.mark.parametrize("prefix", ["", "/timp"])
@pytest.mark.parametrize("name", ["supplier_uuid", "supplier_org_uuid", "supplier_id"])
@pytest.mark.parametrize("reference", ["purchase_order_id", "po_number"])
async def test_every_spelling_of_the_pages_is_taken(sqlite_crux: Crux, prefix: str, name: str, reference: str) -> None:
    order = v1_order(sqlite_crux)
    order["skus"][0] = {"sku_id": 12, "quantity": 3, name: str(sqlite_crux.world.supplier).upper(), "price": ""}
    order[reference] = order.pop("purchase_order_id")
    order |= {"nonsense": True, "auth_token": "x"}
    assert (await create(sqlite_crux, order, prefix)).status_code == 201


@pytest.mark.parametrize("quantity", [1, "1", " 1 ", 1.0, "1.0", 1_000_000])
async def test_a_quantity_may_be_quoted(sqlite_crux: Crux, quantity: Any) -> None:
    order = v1_order(sqlite_crux)
    order["skus"][0]["quantity"] = quantity
    assert (await create(sqlite_crux, order)).status_code == 201


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("quantity", 0, "Ensure this value is greater than or equal to 1."),
        ("quantity", "-1", "Ensure this value is greater than or equal to 1."),
        ("quantity", 1_000_001, "Ensure this value is less than or equal to 1000000."),
        ("quantity", 10**12, "Ensure this value is less than or equal to 1000000."),
        ("quantity", 10**30, "A valid integer is required."),
        ("quantity", 1.5, "A valid integer is required."),
        ("quantity", "two", "A valid integer is required."),
        ("quantity", "", "A valid integer is required."),
        ("quantity", True, "A valid integer is required."),
        ("quantity", [], "A valid integer is required."),
        ("quantity", None, "This field may not be null."),
        ("supplier_uuid", "x", "Must be a valid UUID."),
        ("supplier_uuid", 7, "Must be a valid UUID."),
        ("supplier_uuid", UNKNOWN, "There is no such supplier."),
        ("sku_id", "x" * 256, "Ensure this field has no more than 255 characters."),
        ("sku_id", {}, "Not a valid string."),
        ("price", "dear", "A valid number is required."),
        ("price", -1, "Ensure this value is greater than or equal to 0."),
        ("price", "NaN", "A valid number is required."),
        ("price", "Infinity", "A valid number is required."),
        ("price", "1.23456", "Ensure that there are no more than 4 decimal places."),
        ("price", 10**12, "Ensure that there are no more than 12 digits in total."),
    ],
)
async def test_a_field_that_is_wrong_is_named_where_it_stands(
    sqlite_crux: Crux, field: str, value: Any, text: str
) -> None:
    """The second of two articles is wrong, so the first has no errors (DRF: an empty object)."""
    order = v1_order(sqlite_crux)
    order["skus"].append(order["skus"][0] | {field: value})
    answer = await create(sqlite_crux, order)
    assert (answer.status_code, answer.json()) == (400, {"skus": [{}, {field: [text]}]})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"skus": []}, {"skus": ["This list may not be empty."]}),
        ({"skus": "x"}, {"skus": ['Expected a list of items but got type "str".']}),
        ({"skus": None}, {"skus": ["This field may not be null."]}),
        ({"skus": [3]}, {"skus": [{"non_field_errors": ["Invalid data. Expected a dictionary, but got int."]}]}),
        ({"address": 3}, {"address": {"non_field_errors": ["Invalid data. Expected a dictionary, but got int."]}}),
        (
            {"address": {}},
            {"address": {name: ["This field is required."] for name in ADDRESS if name != "phone_number"}},
        ),
        ({"address": None}, {"address": ["This field may not be null."]}),
        ({"notes": "x" * 4001}, {"notes": ["Ensure this field has no more than 4000 characters."]}),
    ],
)
async def test_wrong_parts_are_400_in_drfs_shape(
    sqlite_crux: Crux, changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    answer = await create(sqlite_crux, v1_order(sqlite_crux, **changes))
    assert (answer.status_code, answer.json()) == (400, expected)


@pytest.mark.parametrize(
    ("prefix", "supplier", "reference"),
    [("", "supplier_uuid", "purchase_order_id"), ("/timp", "supplier_org_uuid", "po_number")],
)
async def test_what_is_missing_is_called_as_the_generation_calls_it(
    sqlite_crux: Crux, prefix: str, supplier: str, reference: str
) -> None:
    required = ["This field is required."]
    answer = await create(sqlite_crux, {"skus": [{}]}, prefix)
    assert answer.status_code == 400
    assert answer.json() == {
        "skus": [{"sku_id": required, "quantity": required, supplier: required}],
        "address": required,
        reference: required,
    }
    order = v1_order(sqlite_crux)
    order["skus"][0]["supplier_uuid"] = UNKNOWN
    assert (await create(sqlite_crux, order, prefix)).json() == {"skus": [{supplier: ["There is no such supplier."]}]}


@pytest.mark.parametrize("count", [1000, 1001])
async def test_an_order_has_at_most_a_thousand_lines(crux: Crux, count: int) -> None:
    sku = {"sku_id": "x", "quantity": 1, "supplier_id": str(crux.world.supplier)}
    answer = await create(crux, v1_order(crux, skus=[sku] * count))
    if count > 1000:
        assert answer.json() == {"skus": ["Ensure this field has no more than 1000 elements."]}
    else:
        assert (answer.status_code, len(answer.json()["line_items"])) == (201, 1000)


@pytest.mark.parametrize(
    "place", [("purchase_order_id",), ("notes",), ("skus", 0, "sku_id"), ("address", "name"), ("unread",)]
)
async def test_a_nul_anywhere_is_400_on_both_databases(crux: Crux, place: tuple[Any, ...]) -> None:
    order = v1_order(crux)
    *way, last = place
    holder: Any = order
    for part in way:
        holder = holder[part]
    holder[last] = "a\0b"
    answer = await create(crux, order)
    assert answer.status_code == 400
    assert answer.json() == {"detail": "JSON parse error - null characters are not allowed"}


async def test_any_other_character_comes_back_as_it_was_sent(crux: Crux) -> None:
    odd = "\t\n\u2028\ufffe\u200b\U0001f4a9 Ünïcode <b>&amp;'\"\\"
    order = (await create(crux, v1_order(crux, notes=odd, purchase_order_id=odd))).json()
    assert (order["notes"], order["purchase_order_id"]) == (odd, odd)


async def test_the_note_that_is_shown_has_at_most_250_characters(sqlite_crux: Crux) -> None:
    assert (await create(sqlite_crux, v1_order(sqlite_crux, notes="n" * 300))).json()["notes"] == "n" * 250


async def test_a_retailer_may_hold_the_goods_itself_but_not_hand_them_to_another_retailer(sqlite_crux: Crux) -> None:
    world = sqlite_crux.world
    order = v1_order(sqlite_crux)
    order["skus"][0]["supplier_uuid"] = str(world.retailer)
    assert (await create(sqlite_crux, order)).status_code == 201
    order["skus"][0]["supplier_uuid"] = str(world.other_retailer)
    assert (await create(sqlite_crux, order)).status_code == 400


async def test_a_supplier_that_was_deactivated_is_not_known(sqlite_crux: Crux) -> None:
    supplier = await sqlite_crux.party(PartyKind.SUPPLIER, "closed")
    await sqlite_crux.world.application.database.write(
        lambda connection: connection.execute(
            t.parties.update().where(t.parties.c.id == supplier).values(status="deactivated")
        )
    )
    order = v1_order(sqlite_crux)
    order["skus"][0]["supplier_uuid"] = str(supplier)
    assert (await create(sqlite_crux, order)).status_code == 400


async def test_an_order_that_is_refused_leaves_nothing(crux: Crux) -> None:
    def count(connection: Any) -> int:
        return len(connection.execute(select(t.orders.c.id)).all())

    before = await crux.world.application.database.read(count)
    await create(crux, v1_order(crux, skus=[{"sku_id": "x", "quantity": 1, "supplier_id": UNKNOWN}]))
    assert await crux.world.application.database.read(count) == before


@pytest.mark.parametrize(("prefix", "status"), [("", 403), ("/timp", 409)])
async def test_a_supplier_cannot_order(sqlite_crux: Crux, prefix: str, status: int) -> None:
    answer = await create(sqlite_crux, v1_order(sqlite_crux), prefix, sqlite_crux.world.supplier)
    assert (answer.status_code, answer.json()) == (status, {"detail": "Only a retailer can make this call."})


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_an_order_from_elsewhere_has_its_address_on_one_line(sqlite_crux: Crux, prefix: str) -> None:
    given = {"last_name": "Bos", "street": "Dam", "house_number": "1", "postcode": "1012 JS", "city": "Amsterdam"}
    more = {"first_name": "Ada", "house_number_extension": "bis", "company": "Zn", "supplement": "achter", "phone": "2"}
    shown = {"state": "", "postal_code": "1012 JS", "city": "Amsterdam", "country": "NL"}
    empty = {"business_name": None, "address2": None, "phone_number": None}
    for address, expected in (
        ({**given, "country": "NL"}, {**shown, **empty, "name": "Bos", "address1": "Dam 1"}),
        (
            {**given, **more, "country": "NL"},
            {
                **shown,
                "name": "Ada Bos",
                "address1": "Dam 1bis",
                "business_name": "Zn",
                "address2": "achter",
                "phone_number": "2",
            },
        ),
        (None, None),
    ):
        order = await place_paid(sqlite_crux.world, shipping_address=address, payments=None)
        answer = await sqlite_crux.call("GET", f"{prefix}/orders/{order.id}/", sqlite_crux.world.retailer)
        assert answer.json()["address"] == expected
