"""What numbers, texts and days mean, in every member that takes them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from countermand.wire.crux import messages
from tests.wire.crux.calling import PREFIXES, Crux

pytestmark = pytest.mark.anyio

ADDRESS = dict.fromkeys(("name", "address1", "city", "state", "postal_code"), "x")


def order(crux: Crux, **changes: Any) -> dict[str, Any]:
    sku = {"sku_id": "A", "quantity": 1, "supplier_id": str(crux.world.supplier)}
    return {"skus": [sku], "address": dict(ADDRESS), "po_number": "PO", **changes}


async def placed(crux: Crux, body: Any = None, *, content: bytes | None = None) -> tuple[int, Any]:
    more: dict[str, Any] = {"content": content} if content else {"body": body}
    answer = await crux.call("POST", "/orders/create/", crux.world.retailer, **more)
    return answer.status_code, answer.json()


async def test_a_tracking_number_beyond_floats_keeps_its_digits(crux: Crux) -> None:
    placed = await crux.world.order(2)
    line = placed.lines[0].id
    content = (
        b'{"tracking_number": 9400110200881234567890, "line_items": [{"line_item_uuid": "%s", "quantity": 1}]}'
        % str(line).encode()
    )
    path = f"/timp/orders/tracking/{placed.id}/"
    assert (await crux.call("POST", path, crux.world.supplier, content=content)).status_code == 201
    shown = (await crux.call("GET", f"/orders/{placed.id}/", crux.world.retailer)).json()
    assert shown["line_items"][0]["tracking_numbers"][0]["tracking_number"] == "9400110200881234567890"


@pytest.mark.parametrize(
    ("literal", "kept"),
    [
        (b"9007199254740993", "9007199254740993"),
        (b"18446744073709551617", "18446744073709551617"),
        (b"12.50", "12.50"),
        (b"-7", "-7"),
        (b"0.1", "0.1"),
    ],
)
async def test_a_text_that_comes_as_a_number_keeps_its_digits(sqlite_crux: Crux, literal: bytes, kept: str) -> None:

    content = json.dumps(order(sqlite_crux, po_number="$")).encode().replace(b'"$"', literal)
    status, made = await placed(sqlite_crux, content=content)
    assert (status, made["purchase_order_id"]) == (201, kept)


@pytest.mark.parametrize("literal", [b"1e21", b"1E400", b"9.400110200881235e+21", b"true", b"NaN", b"9" * 500])
async def test_a_number_without_digits_of_its_own_is_no_text(sqlite_crux: Crux, literal: bytes) -> None:

    content = json.dumps(order(sqlite_crux, po_number="$")).encode().replace(b'"$"', literal)
    assert (await placed(sqlite_crux, content=content))[0] == 400


async def test_a_member_that_is_there_twice_is_refused(sqlite_crux: Crux) -> None:
    content = b'{"order_uuid": "1", "order_uuid": "2"}'
    answer = await sqlite_crux.call("PATCH", "/orders/cancel/", sqlite_crux.world.retailer, content=content)
    assert answer.status_code == 400
    assert answer.json() == {"detail": "JSON parse error - the member 'order_uuid' is there twice"}


NO_NUMBERS = [True, "1_000", "\u0661", "\uff11", "1e3", "+1", "0x1", "1 0", "NaN", 1.5, "1.5", 2**53 + 1, [], {}]


@pytest.mark.parametrize("given", NO_NUMBERS, ids=repr)
async def test_what_is_no_number_is_no_quantity_and_no_price(sqlite_crux: Crux, given: Any) -> None:
    for name in ("quantity", "price"):
        if name == "price" and given in (1.5, "1.5", 2**53 + 1):
            continue
        body = order(sqlite_crux)
        body["skus"][0][name] = given
        status, problem = await placed(sqlite_crux, body)
        word = "integer" if name == "quantity" else "number"
        assert (status, problem) == (400, {"skus": [{name: [f"A valid {word} is required."]}]})


def required_texts(model: type[messages.Message], *way: Any) -> Iterator[tuple[Any, ...]]:
    """The place of each text that an order needs, found in the messages themselves."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if field.is_required() and inner is str:
            alias = field.validation_alias
            yield (*way, alias.choices[0] if alias and hasattr(alias, "choices") else name)
        elif isinstance(inner, type) and issubclass(inner, messages.Message):
            yield from required_texts(inner, *way, name)
        elif field.is_required() and (item := getattr(inner, "__args__", ())) and issubclass(item[0], messages.Message):
            yield from required_texts(item[0], *way, name, 0)


BLANKS = ["", " ", "\t\n", "\u00a0", "\u200b"]


@pytest.mark.parametrize("blank", BLANKS, ids=repr)
@pytest.mark.parametrize("place", list(required_texts(messages.CreateOrder)), ids=str)
async def test_a_text_that_an_order_needs_is_not_blank(sqlite_crux: Crux, place: tuple[Any, ...], blank: str) -> None:
    body = order(sqlite_crux)
    body["purchase_order_id"] = body.pop("po_number")
    holder: Any = body
    for part in place[:-1]:
        holder = holder[part]
    assert place[-1] in holder
    holder[place[-1]] = blank
    status, problem = await placed(sqlite_crux, body)
    assert (status, "This field may not be blank." in str(problem)) == (400, True)


def test_every_text_that_is_needed_is_found() -> None:
    found = {place[-1] for place in required_texts(messages.CreateOrder)}
    assert found == {"sku_id", "name", "address1", "city", "state", "postal_code", "purchase_order_id"}


async def test_a_parcel_without_a_number_is_none(sqlite_crux: Crux) -> None:
    made = await sqlite_crux.world.order(2)
    body = {"tracking_number": " ", "line_items": [{"line_item_uuid": str(made.lines[0].id), "quantity": 1}]}
    answer = await sqlite_crux.call("POST", f"/orders/tracking/{made.id}/", sqlite_crux.world.supplier, body)
    assert answer.status_code == 400
    assert answer.json() == {"tracking_number": ["This field may not be blank."]}


# Days

NO_DATES = [20261128, 0, "0", 1764288000, 1764288000000, "1764288000", "2026-13-01", "28-11-2026", True, "2026", " "]
WRONG = "Datetime has wrong format. Use ISO 8601, between 1970 and 2200."


@pytest.mark.parametrize("name", ["start_date", "end_date"])
@pytest.mark.parametrize("given", NO_DATES, ids=repr)
async def test_what_is_no_date_does_not_filter_by_1970(sqlite_crux: Crux, name: str, given: Any) -> None:
    answer = await sqlite_crux.call("POST", "/orders/", sqlite_crux.world.retailer, {name: given})
    assert (answer.status_code, answer.json()) == (400, {name: [WRONG]})


@pytest.mark.parametrize("given", [20261128, 0, "2026-11-28Tnonsense", "2026-11-31", "1764288000", True], ids=repr)
async def test_a_day_is_a_day(sqlite_crux: Crux, given: Any) -> None:
    made = await sqlite_crux.world.order(2)
    word = {"quantity_accepted": 1, "quantity_rejected": 0, "quantity_backordered": 1, "backorder_date": given}
    body = {"line_items": [{"line_item_uuid": str(made.lines[0].id), "allocation": word}]}
    answer = await sqlite_crux.call("PUT", f"/orders/allocation/{made.id}/", sqlite_crux.world.supplier, body)
    assert answer.status_code == 400
    assert "Date has wrong format" in answer.text


@pytest.mark.parametrize("prefix", PREFIXES, ids=["v1", "timp"])
@pytest.mark.parametrize("day", ["2026-11-28", "20261128"])
async def test_an_end_date_includes_its_day_in_the_zone_of_the_settings(crux: Crux, day: str, prefix: str) -> None:
    world, zone = crux.world, ZoneInfo("Europe/Amsterdam")
    before, world.clock.now = world.clock.now, datetime(2026, 11, 28, 23, 59, 59, tzinfo=zone).astimezone(UTC)
    try:
        last = await world.order()
        world.clock.advance(seconds=2)
        next_day = await world.order()
    finally:
        world.clock.now = before

    async def seen(**dates: str) -> set[str]:
        orders = (await crux.call("POST", f"{prefix}/orders/", world.retailer, dates)).json()["orders"]
        return {each.get("uuid") or each["order_uuid"] for each in orders} & {str(last.id), str(next_day.id)}

    assert await seen(start_date=day, end_date=day) == {str(last.id)}
    assert await seen(start_date="2026-11-29") == {str(next_day.id)}
    assert await seen(end_date="2026-11-28T23:00:01Z") == {str(last.id), str(next_day.id)}


# How much fits


@pytest.mark.parametrize("prefix", PREFIXES, ids=["v1", "timp"])
async def test_a_thousand_lines_of_five_members_fit(crux: Crux, prefix: str) -> None:
    sku = {
        "sku_id": "S" * 60,
        "quantity": "2",
        "supplier_org_uuid": str(crux.world.supplier),
        "retailer_provided_sku_cost": "10.00",
        "retailer_line_item_instructions": "i" * 200,
    }
    body = order(crux, skus=[sku] * 1000)
    answer = await crux.call("POST", f"{prefix}/orders/create/", crux.world.retailer, body)
    assert answer.status_code == 201, answer.text
    made = answer.json().get("uuid") or answer.json()["order_uuid"]
    shown = (await crux.call("GET", f"/orders/{made}/", crux.world.supplier)).json()["line_items"]
    assert len(shown) == 1000
    word = {"quantity_accepted": 1, "quantity_rejected": 0, "quantity_backordered": 1, "backorder_date": "2027-01-01"}
    lines = [{"line_item_uuid": each["uuid"], "allocation": word} for each in shown]
    path = f"{prefix}/orders/allocation/{made}/"
    assert (await crux.call("PUT", path, crux.world.supplier, {"line_items": lines})).status_code == 200


async def test_what_is_too_much_is_refused_with_the_limit(sqlite_crux: Crux) -> None:
    world = sqlite_crux.world
    many = await sqlite_crux.call("POST", "/orders/create/", world.retailer, {"skus": [0] * 50_001})
    assert (many.status_code, many.json()) == (400, {"detail": "JSON parse error - more than 50000 values"})
    large = await sqlite_crux.call("POST", "/orders/create/", world.retailer, {"notes": "x" * 1024 * 1024})
    assert (large.status_code, large.json()) == (413, {"detail": "The body is larger than 1048576 bytes."})
    small = await sqlite_crux.call("POST", "/orders/", world.retailer, {"term": "x" * 256 * 1024})
    assert (small.status_code, small.json()) == (413, {"detail": "The body is larger than 262144 bytes."})
