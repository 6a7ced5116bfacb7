"""Orders: place them, once however often; show and list them; hand held ones over; erase the customer."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from countermand.admin.callers import PLATFORM, Permission
from tests.wire.native.calling import Native, places

pytestmark = pytest.mark.anyio

ORDERS = "/v1/orders"
ADDRESS = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "street": "Dorpsstraat",
    "house_number": "1",
    "postcode": "1011AA",
    "city": "Amsterdam",
    "country": "NL",
    "email": "ada@example.com",
}


def order_of(native: Native, **more: Any) -> dict[str, Any]:
    """An order of this retailer's, as a shop sends it; a member that is ``None`` is left out."""
    body = {
        "retailer": str(native.retailer),
        "reference": "PO-1001",
        "lines": [{"sku": "boot-42", "units": 5, "supplier": "supplier", "unit_price": "10.00"}],
        **more,
    }
    return {name: value for name, value in body.items() if value is not None}


async def place(
    native: Native, who: UUID | str | None = None, *, key: str | None = None, **more: Any
) -> httpx2.Response:
    headers: Mapping[str, str] = {"Idempotency-Key": key} if key else {}
    return await native.call("POST", ORDERS, who or native.retailer, order_of(native, **more), headers=headers)


async def placed(native: Native, **more: Any) -> dict[str, Any]:
    answer = await place(native, **more)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def listed(native: Native, query: str, who: UUID | str | None = None) -> list[str]:
    answer = await native.call("GET", f"{ORDERS}?{query}", who or native.retailer)
    assert answer.status_code == 200, answer.text
    return [each["reference"] for each in answer.json()["orders"]]


async def test_an_order_is_placed_and_shown(native: Native) -> None:
    answer = await place(native, shipping_address=ADDRESS, placed_at="2026-11-02T10:00:00+02:00")
    made = answer.json()
    assert answer.status_code == 201, made
    assert answer.headers["location"] == f"{ORDERS}/{made['id']}"
    assert made["retailer"]["id"] == str(native.retailer)
    assert made["units"] == {"ordered": 5, "open": 5, "asked": 0, "cancelled": 0, "shipped": 0}
    assert (made["total"], made["total_minor"], made["currency"]) == ("50.00", 5000, "EUR")
    assert (made["held"], made["erased"], made["repeated"], made["line_count"]) == (False, False, False, 1)
    (line,) = made["lines"]
    assert (line["sku"], line["unit_price"], line["fulfiller"]["name"]) == ("boot-42", "10.00", "supplier")
    assert (await native.call("GET", f"{ORDERS}/{made['id']}", native.retailer)).json() == made
    seen = (await native.call("GET", f"{ORDERS}/ord_{UUID(made['id']).hex}/", native.world.supplier)).json()
    assert (seen["total"], seen["lines"][0]["unit_price"], seen["units"]) == (None, None, made["units"])
    for who in (native.world.other_supplier, native.world.other_retailer):
        for unseen in (made["id"], uuid4(), "nonsense"):
            refused = await native.call("GET", f"{ORDERS}/{unseen}", who)
            assert (refused.status_code, refused.json()["code"]) == (404, "unknown_order")


async def test_the_same_order_again_is_a_repeat(native: Native) -> None:
    made = await placed(native, shipping_address=ADDRESS)
    for again in (
        {"shipping_address": ADDRESS},
        {"shipping_address": ADDRESS, "currency": "EUR", "held": False},
        {"shipping_address": {**ADDRESS, "phone": ""}},
        {"shipping_address": ADDRESS, "retailer": str(native.retailer).upper()},
        {
            "shipping_address": ADDRESS,
            "lines": [{"unit_price": "10", "supplier": str(native.world.supplier), "units": 5, "sku": "boot-42"}],
        },
    ):
        answer = await place(native, **again)
        assert (answer.status_code, answer.json()) == (200, {**made, "repeated": True}), again
        assert "location" not in answer.headers
    assert await listed(native, "reference=PO-1001") == ["PO-1001"]


LINE = {"sku": "boot-42", "units": 5, "supplier": "supplier", "unit_price": "10.00"}


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"lines": [{**LINE, "units": 4}]}, ["/lines/0/units"]),
        ({"lines": [{**LINE, "unit_price": "10.01"}]}, ["/lines/0/unit_price"]),
        ({"lines": [{**LINE, "supplier": "other_supplier", "sku": "x"}]}, ["/lines/0/supplier", "/lines/0/sku"]),
        ({"lines": [{**LINE, "promised_on": "2026-12-01"}]}, ["/lines/0/promised_on"]),
        ({"lines": [LINE, LINE]}, ["/lines/1"]),
        ({"currency": "USD"}, ["/currency"]),
        ({"held": True}, ["/held"]),
        ({"shipping_address": {**ADDRESS, "city": "Delft"}}, ["/shipping_address/city"]),
        ({"shipping_address": None, "billing_address": ADDRESS}, None),
        ({"payments": []}, ["/payments"]),
        ({"id": str(UUID(int=7))}, ["/id"]),
        ({"placed_at": "2026-10-01"}, ["/placed_at"]),
    ],
)
async def test_another_order_with_its_reference_differs(
    native: Native, change: dict[str, Any], differs: list[str] | None
) -> None:
    made = await placed(native, shipping_address=ADDRESS)
    answer = await place(native, **{"shipping_address": ADDRESS, **change})
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["order"]) == (409, "order_exists", made["id"])
    assert differs is None or problem["differs"] == differs
    assert differs is not None or len(problem["differs"]) > 5
    assert (await placed(native, reference="PO-1002"))["id"] != made["id"]


async def test_an_order_may_have_the_reference_of_another(native: Native) -> None:
    first, own = await placed(native), str(uuid4())
    needed = await place(native, allow_same_reference=True)
    assert (needed.status_code, needed.json()["errors"][0]["code"]) == (422, "required")
    again = await placed(native, allow_same_reference=True, id=own)
    assert again["id"] == own != first["id"]
    repeated = await place(native, allow_same_reference=True, id=own)
    assert (repeated.status_code, repeated.json()["repeated"]) == (200, True)
    other = await place(native, allow_same_reference=True, id=own, currency="USD")
    assert (other.status_code, other.json()["differs"]) == (409, ["/currency"])
    assert len(await listed(native, "reference=PO-1001")) == 2


async def test_an_id_of_anothers_order_is_taken_and_named_nowhere(native: Native) -> None:
    theirs = await native.world.order(1, fulfillers=(native.world.supplier,), retailer=native.world.other_retailer)
    for taken in (theirs.id, theirs.lines[0].id):
        answer = await place(native, id=str(taken))
        assert (answer.status_code, answer.json()["code"]) == (409, "order_exists")
        assert "order" not in answer.json()
        assert "differs" not in answer.json()


async def test_a_key_gives_the_first_answer_again(native: Native) -> None:
    first = await place(native, key="k1")
    again = await place(native, key="k1")
    assert (again.status_code, again.json()) == (201, first.json())
    other = await place(native, key="k1", reference="PO-1009")
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert (await place(native, key="k2")).status_code == 200


async def test_a_dry_run_places_nothing(native: Native) -> None:
    answer = await place(native, dry_run=True, key="k1")
    shown = answer.json()
    assert (answer.status_code, shown["id"], shown["number"], shown["lines"]) == (200, None, None, None)
    assert (shown["total"], shown["units"]["ordered"], shown["line_count"]) == ("50.00", 5, 1)
    assert await listed(native, "reference=PO-1001") == []
    made = await placed(native, key="k1")
    repeated = await place(native, dry_run=True)
    assert (repeated.status_code, repeated.json()) == (200, {**made, "repeated": True})
    refused = await place(native, dry_run=True, currency="USD")
    assert (refused.status_code, refused.json()["code"]) == (409, "order_exists")


async def test_an_order_has_its_money(native: Native) -> None:
    card = {"id": "card", "provider": "stripe", "reference": f"pi_{uuid4()}", "captured": "53.00"}
    made = await placed(native, payments=[card], shipping=[{"amount": "5.00"}], discounts=[{"amount": "2.00"}])
    assert made["total"] == "53.00"
    paid = (await native.call("GET", f"{ORDERS}/{made['id']}/payments", native.retailer)).json()
    assert (paid["total"], paid["left_to_pay"], paid["payments"][0]["id"]) == ("53.00", "0.00", "card")
    world = native.world
    stolen = order_of(native, retailer="other_retailer", payments=[card], shipping=[{"amount": "5.00"}])
    refused = await native.call("POST", ORDERS, world.other_retailer, stolen)
    assert (refused.status_code, refused.json()["code"]) == (409, "payment_taken")


@pytest.mark.parametrize(
    ("change", "place", "code"),
    [
        ({"lines": []}, ["body", "lines"], "out_of_range"),
        ({"lines": [{**LINE, "units": True}]}, ["body", "lines", 0, "units"], "integer"),
        ({"lines": [{**LINE, "units": "5"}]}, ["body", "lines", 0, "units"], "integer"),
        ({"lines": [{**LINE, "units": 0}]}, ["body", "lines", 0, "units"], "out_of_range"),
        ({"lines": [{**LINE, "unit_price": 10}]}, ["body", "lines", 0, "unit_price"], "bad_amount"),
        ({"lines": [{**LINE, "discount": 1}]}, ["body", "lines", 0, "discount"], "bad_amount"),
        ({"lines": [{**LINE, "title": None}]}, ["body", "lines", 0, "title"], "null"),
        ({"lines": [{**LINE, "colour": "red"}]}, ["body", "lines", 0, "colour"], "unknown_member"),
        ({"shipping": [{"amount": 5}]}, ["body", "shipping", 0, "amount"], "bad_amount"),
        ({"payments": [{"captured": 5}]}, ["body", "payments", 0, "captured"], "bad_amount"),
        ({"shipping_address": {**ADDRESS, "phone": None}}, ["body", "shipping_address", "phone"], "null"),
        ({"reference": " "}, ["body", "reference"], "blank"),
        ({"id": "nonsense"}, ["body", "id"], "bad_id"),
        ({"placed_at": "soon"}, ["body", "placed_at"], "bad_time"),
        ({"placed_at": "2027-01-01T00:00:00Z"}, ["body", "placed_at"], "in_future"),
    ],
)
async def test_what_makes_no_sense_is_named(
    sqlite_native: Native, change: dict[str, Any], place: list[Any], code: str
) -> None:
    body = {**order_of(sqlite_native), **change}
    answer = await sqlite_native.call("POST", ORDERS, sqlite_native.retailer, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert place in places(answer)
    assert code in {each["code"] for each in answer.json()["errors"]}


async def test_who_places_orders_and_for_whom(native: Native) -> None:
    world = native.world
    assert (await place(native, world.supplier)).status_code == 403
    foreign = await place(native, retailer="other_retailer")
    absent = await place(native, retailer="Nobody")
    assert (foreign.status_code, foreign.content) == (403, absent.content)
    bare = await native.token(native.retailer, permissions=[Permission.VIEW_ORDER])
    assert (await place(native, bare)).json()["code"] == "forbidden"
    platform = await native.token(PLATFORM)
    assert (await place(native, platform, reference="PO-7")).status_code == 201
    for wrong in ({"retailer": "Nobody"}, {"retailer": "supplier"}, {"lines": [{**LINE, "supplier": "Nobody"}]}):
        refused = await place(native, platform, **wrong)
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_party"), wrong
    goods = await place(native, lines=[{**LINE, "supplier": str(PLATFORM)}])
    assert (goods.status_code, goods.json()["code"]) == (404, "unknown_party")


async def test_an_order_has_a_thousand_lines_and_no_more(sqlite_native: Native) -> None:
    lines = [{**LINE, "sku": f"sku-{place}", "title": "x" * 200} for place in range(1001)]
    made = await placed(sqlite_native, lines=lines[:1000])
    assert (made["line_count"], len(made["lines"]), made["units"]["ordered"]) == (1000, 1000, 5000)
    more = await place(sqlite_native, lines=lines, reference="PO-2")
    assert (more.status_code, more.json()["code"]) == (422, "invalid")
    large = await place(sqlite_native, lines=[{**LINE, "title": "x" * 1100} for _ in range(1000)])
    assert (large.status_code, large.json()["code"]) == (413, "too_large")


async def test_a_list_has_the_orders_that_match_all_filters(native: Native) -> None:
    world = native.world
    third = {"reference": "PO-3", "lines": [LINE, {"sku": "sock", "units": 1}], "shipping_address": ADDRESS}
    for more in ({}, {"reference": "PO-2", "lines": [{**LINE, "supplier": "other_supplier"}]}, third):
        made = await placed(native, **more)
        world.clock.advance(hours=1)
    for query, found in (
        ("", ["PO-3", "PO-2", "PO-1001"]),
        ("supplier=supplier", ["PO-3", "PO-1001"]),
        ("supplier=other_supplier", ["PO-2"]),
        (f"supplier={native.retailer}", ["PO-3"]),
        ("supplier=Nobody", []),
        (f"retailer={native.retailer}&sku=sock", ["PO-3"]),
        ("sku=boot-42&supplier=supplier", ["PO-3", "PO-1001"]),
        ("sku=sock&supplier=supplier", []),
        (f"retailer={world.other_retailer}", []),
        ("reference=PO-2", ["PO-2"]),
        ("email=ADA@example.com", ["PO-3"]),
        ("email=ada@example.com&supplier=other_supplier", []),
        ("q=lovelace", ["PO-3"]),
        (f"number={made['number']}", ["PO-3"]),
        ("q=PO-2&sku=boot-42", ["PO-2"]),
        ("tracking_number=3S1", []),
    ):
        assert await listed(native, query) == found, query
    hours = [world.clock.now.isoformat()[:11] + "00:00:00Z"]
    assert await listed(native, f"until={hours[0]}") == []
    assert len(await listed(native, f"since={hours[0]}")) == 3
    platform = await native.token(PLATFORM)
    assert await listed(native, f"retailer={native.retailer}", platform) == ["PO-3", "PO-2", "PO-1001"]
    assert await listed(native, f"retailer={native.retailer}&supplier=supplier", platform) == ["PO-3", "PO-1001"]
    assert await listed(native, f"retailer={native.retailer}", world.other_supplier) == ["PO-2"]
    assert await listed(native, f"retailer={native.retailer}&supplier=supplier", world.other_supplier) == []


async def test_one_search_finds_all_kinds(native: Native) -> None:
    world = native.world
    reference, tracking = f"PO-{uuid4()}", f"JD{uuid4().hex}"
    made = await placed(native, reference=reference, shipping_address=ADDRESS, payments=[])
    line = made["lines"][0]
    (asked,) = await native.asked({"line": line["id"], "units": 1})
    parcel = {"order": made["id"], "lines": [{"line": line["id"], "units": 1}], "tracking_number": tracking}
    sent = (await native.call("POST", "/v1/shipments", world.supplier, parcel)).json()

    async def found(q: str, who: UUID | str | None = None, more: str = "") -> list[tuple[str, str, str]]:
        answer = await native.call("GET", f"/v1/search?q={q}{more}", who or native.retailer)
        assert answer.status_code == 200, answer.text
        return [(each["type"], each["id"], each["matched"]) for each in answer.json()["results"]]

    assert await found(reference) == [("order", made["id"], "reference")]
    assert ("order", made["id"], "id") in await found(made["id"])
    assert ("line", line["id"], "id") in await found(line["id"])
    assert ("line", line["id"], "number") in await found(str(line["number"]))
    assert ("line", line["id"], "sku") in await found("boot-42")
    assert ("cancellation", asked["id"], "id") in await found(asked["id"])
    assert ("shipment", sent["id"], "tracking_number") in await found(tracking)
    assert ("order", made["id"], "name") in await found("lovelace")
    assert ("party", str(native.retailer), "id") in await found(str(native.retailer))
    assert await found("supplier", more="&types=parties") == [("party", str(world.supplier), "name")]
    assert await found(tracking, more="&types=orders&types=lines") == [("order", made["id"], "tracking_number")]
    for stranger in (world.other_retailer, world.other_supplier):
        for q in (reference, made["id"], line["id"], asked["id"], tracking, sent["id"], str(native.retailer)):
            assert await found(q, stranger) == [], q
    assert await found("lovelace", world.supplier, "&types=orders") == []
    for wrong in ("q=x", "", "q=xx&types=all", "q=xx&limit=21"):
        refused = await native.call("GET", f"/v1/search?{wrong}", native.retailer)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid"), wrong


async def test_a_list_goes_on_where_a_page_ended(native: Native) -> None:
    for place in range(5):
        await placed(native, reference=f"PO-{place}")
    seen, after = [], ""
    while True:
        page = (await native.call("GET", f"{ORDERS}?limit=2{after}", native.retailer)).json()
        seen += [each["reference"] for each in page["orders"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert sorted(seen) == [f"PO-{place}" for place in range(5)]
    first = (await native.call("GET", f"{ORDERS}?limit=1", native.retailer)).json()["orders"][0]["id"]
    assert len(await listed(native, f"after={first}")) == 4
    for wrong in (f"after={uuid4()}", "after=x", "zone=Nowhere", "since=soon", "state=held", "limit=0"):
        refused = await native.call("GET", f"{ORDERS}?{wrong}", native.retailer)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid"), wrong


async def test_a_held_order_is_released(native: Native) -> None:
    world, made = native.world, await placed(native, held=True, lines=[LINE, {"sku": "sock", "units": 1}])
    path = f"{ORDERS}/{made['id']}"
    assert made["held"] is True
    assert (await native.call("GET", path, world.supplier)).status_code == 404
    assert (await native.call("POST", f"{path}/release", world.supplier)).json()["code"] == "wrong_party"
    for who, thing in ((world.other_retailer, path), (native.retailer, f"{ORDERS}/{uuid4()}")):
        refused = await native.call("POST", f"{thing}/release", who)
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_order")
    released = await native.call("POST", f"{path}/release", native.retailer)
    assert (released.status_code, released.json()["held"], released.json()["repeated"]) == (200, False, False)
    seen = (await native.call("GET", path, world.supplier)).json()
    assert [line["sku"] for line in seen["lines"]] == ["boot-42"]
    for query in ("", "sku=boot-42", "q=PO-1001"):
        query = f"{query}&retailer={native.retailer}".removeprefix("&")
        assert await listed(native, query, world.supplier) == ["PO-1001"], query
    again = await native.call("POST", f"{path}/release", native.retailer)
    assert (again.status_code, again.json()) == (200, {**released.json(), "repeated": True})
    line = made["lines"][0]["id"]
    for who in (native.retailer, world.supplier):
        events = (await native.call("GET", f"/v1/events?line={line}", who)).json()["events"]
        kinds = [event["type"] for event in events]
        assert kinds == ["countermand.line.placed.v1", "countermand.line.released.v1"]
    own = (await native.call("GET", f"/v1/events?line={made['lines'][1]['id']}", native.retailer)).json()["events"]
    assert len(own) == 1, "the retailer had it all the time"
    (asked,) = await native.asked(line, asker="retailer")
    assert asked["awaiting"] == str(world.supplier)


async def test_a_customer_is_erased(native: Native) -> None:
    made = await placed(native, shipping_address=ADDRESS)
    path = f"{ORDERS}/{made['id']}/erase"
    needed = await native.call("POST", path, native.retailer, {})
    assert places(needed) == [["body", "note"]]
    for who in (native.world.other_retailer, native.world.supplier):
        assert (await native.call("POST", path, who, {"note": "x"})).status_code in (403, 404)
    erased = await native.call("POST", path, native.retailer, {"note": "asked by mail"})
    assert (erased.status_code, erased.json()["erased"], erased.json()["repeated"]) == (200, True, False)
    assert (await native.call("POST", path, native.retailer, {"note": "again"})).json()["repeated"] is True
    assert await listed(native, "email=ada@example.com") == []
    again = await place(native, shipping_address=ADDRESS)
    assert (again.status_code, again.json()["code"]) == (409, "order_exists"), "what it said is not known any more"


@pytest.mark.parametrize("member", ["held", "commission_returned", "allow_same_reference", "dry_run"])
@pytest.mark.parametrize("said", ["yes", "true", 1, 0, 1.0, "", []])
async def test_true_and_false_are_no_texts_or_numbers(sqlite_native: Native, member: str, said: Any) -> None:
    answer = await place(sqlite_native, **{member: said})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{member}")
