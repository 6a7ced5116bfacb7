"""What else is done to orders: cancel whole ones, answer them, allocate, track (docs/crux.md)."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from countermand.domain.orders import PlaceOrder
from countermand.domain.parties import PartyKind
from countermand.domain.policy import Policy, WholeOrder
from tests.wire.crux.calling import PREFIXES, UNKNOWN, Crux, refusal

pytestmark = pytest.mark.anyio

both_generations = pytest.mark.parametrize("prefix", PREFIXES, ids=["v1", "timp"])


async def cancel_order(crux: Crux, order: Any, prefix: str = "", **more: Any) -> Any:
    return await crux.call("PATCH", f"{prefix}/orders/cancel/", crux.world.retailer, {"order_uuid": str(order)}, **more)


async def answer_order(crux: Crux, verb: str, order: UUID, who: UUID | None = None, **more: Any) -> Any:
    path = f"/timp/orders/cancel/{order}/{verb}/"
    return await crux.call("PATCH", path, who or crux.world.supplier, **more)


async def all_buckets(crux: Crux, order: PlaceOrder) -> list[tuple[int, int, int, int]]:
    return [await crux.world.buckets(line.id) for line in order.lines]


# Cancel an order


@both_generations
async def test_cancelling_an_order_asks_every_supplier_for_what_is_open(crux: Crux, prefix: str) -> None:
    world = crux.world
    order = await world.order(2, 3, 1, 4, fulfillers=[world.supplier, world.other_supplier] * 2)
    await crux.ship(order, order.lines[0].id, 1)
    await crux.cancelled(order.lines[2].id)
    answer = await cancel_order(crux, order.id, prefix)
    assert (answer.status_code, answer.content) == (204, b"")
    assert await all_buckets(crux, order) == [(0, 1, 0, 1), (0, 3, 0, 0), (0, 0, 1, 0), (0, 4, 0, 0)]


async def test_each_supplier_answers_for_its_own_lines_only(crux: Crux) -> None:
    world = crux.world
    order = await world.order(1, 2, fulfillers=[world.supplier, world.other_supplier])
    await cancel_order(crux, order.id)
    assert (await answer_order(crux, "confirm", order.id)).status_code == 204
    assert await all_buckets(crux, order) == [(0, 0, 1, 0), (0, 2, 0, 0)]
    assert (await answer_order(crux, "reject", order.id, world.other_supplier)).status_code == 204
    assert await all_buckets(crux, order) == [(0, 0, 1, 0), (2, 0, 0, 0)]
    assert refusal(await answer_order(crux, "confirm", order.id)) == "already_answered"


@both_generations
async def test_repeating_it_while_it_is_pending_is_204_and_sends_nothing_twice(crux: Crux, prefix: str) -> None:
    order = await crux.world.order(1, 2)
    await cancel_order(crux, order.id, prefix)
    reported = [event.id for event in await crux.world.events(order.id)]
    assert (await cancel_order(crux, order.id, prefix)).status_code == 204
    assert [event.id for event in await crux.world.events(order.id)] == reported


async def test_an_order_with_nothing_to_cancel_is_422_and_says_why(crux: Crux) -> None:
    shipped = await crux.world.order(1, 1)
    await crux.ship(shipped, shipped.lines[0].id)
    await crux.cancelled(shipped.lines[1].id)
    assert refusal(await cancel_order(crux, shipped.id)) == "already_shipped"
    cancelled = await crux.world.order(1)
    await crux.cancelled(cancelled.lines[0].id)
    answer = await cancel_order(crux, cancelled.id)
    assert (answer.status_code, refusal(answer)) == (422, "already_cancelled")


async def test_all_or_nothing_by_policy_leaves_every_line_as_it_was(crux: Crux) -> None:
    """EC-10."""
    supplier = await crux.party(PartyKind.SUPPLIER, "strict")
    await crux.agree(supplier, Policy(whole_order=WholeOrder.ALL_OR_NOTHING))
    order = await crux.world.order(1, 1, fulfillers=[crux.world.supplier, supplier])
    await crux.ship(order, order.lines[0].id)
    assert refusal(await cancel_order(crux, order.id)) == "already_shipped"
    assert await all_buckets(crux, order) == [(0, 0, 0, 1), (1, 0, 0, 0)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"order_uuid": ["This field is required."]}),
        ({"order_uuid": None}, {"order_uuid": ["This field may not be null."]}),
        ({"order_uuid": "x"}, {"order_uuid": ["Must be a valid UUID."]}),
        ({"order_uuid": ""}, {"order_uuid": ["Must be a valid UUID."]}),
        ({"order_uuid": 3}, {"order_uuid": ["Must be a valid UUID."]}),
        ([], {"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]}),
        (None, {"non_field_errors": ["Invalid data. Expected a dictionary, but got null."]}),
        ("x", {"non_field_errors": ["Invalid data. Expected a dictionary, but got str."]}),
    ],
)
@both_generations
async def test_which_order_must_be_said(sqlite_crux: Crux, prefix: str, body: Any, expected: Any) -> None:
    answer = await sqlite_crux.call("PATCH", f"{prefix}/orders/cancel/", sqlite_crux.world.retailer, body)
    assert (answer.status_code, answer.json()) == (400, expected)


async def test_what_the_pages_text_demands_besides_is_ignored(sqlite_crux: Crux) -> None:
    order = await sqlite_crux.world.order()
    body = {"order_uuid": str(order.id), "auth_token": "x", "skus": [{"supplier_id": 1, "sku_id": 2, "quantity": "3"}]}
    answer = await sqlite_crux.call("PATCH", "/orders/cancel/", sqlite_crux.world.retailer, body)
    assert answer.status_code == 204


# Confirm and reject


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"content": b""},
        {"content": b"{}"},
        {"headers": {"Cookie": "sessionid=x7mu2mvbeztgtuyxg7mg7e2e6w4wl3oc"}},
        {"headers": {"Content-Type": "text/plain"}},
        {"body": {"reason": "ignored"}},
    ],
)
@pytest.mark.parametrize(("verb", "buckets"), [("confirm", (0, 0, 2, 0)), ("reject", (2, 0, 0, 0))])
async def test_an_answer_needs_no_body_no_type_and_no_cookie(
    sqlite_crux: Crux, verb: str, buckets: tuple[int, ...], more: dict[str, Any]
) -> None:
    item, order = await sqlite_crux.world.order(2), await sqlite_crux.world.order(2)
    for each in (item, order):
        await cancel_order(sqlite_crux, each.id)
    path = f"/timp/orders/items/cancel/{item.lines[0].id}/{verb}/"
    answer = await sqlite_crux.call("PATCH", path, sqlite_crux.world.supplier, **more)
    assert (answer.status_code, answer.content) == (204, b"")
    answer = await answer_order(sqlite_crux, verb, order.id, **more)
    assert (answer.status_code, answer.content) == (204, b"")
    assert await all_buckets(sqlite_crux, item) == await all_buckets(sqlite_crux, order) == [buckets]


async def test_a_cookie_is_no_credential(sqlite_crux: Crux) -> None:
    cookie = {"Cookie": f"sessionid={sqlite_crux.world.tokens[sqlite_crux.world.supplier]}"}
    path = f"/timp/orders/items/cancel/{UNKNOWN}/confirm/"
    assert (await sqlite_crux.call("PATCH", path, headers=cookie)).status_code == 401


async def test_a_first_generation_ask_is_answered_by_either_generation(sqlite_crux: Crux) -> None:
    for prefix in PREFIXES:
        line = await sqlite_crux.new_line()
        await sqlite_crux.cancel(line)
        path = f"{prefix}/orders/items/cancel/{line}/confirm/"
        assert (await sqlite_crux.call("PATCH", path, sqlite_crux.world.supplier)).status_code == 204
        assert await sqlite_crux.world.buckets(line) == (0, 0, 1, 0)


# Allocation


def word(line: Any, accepted: Any = 0, backordered: Any = 0, rejected: Any = 0, **more: Any) -> dict[str, Any]:
    quantities = {
        "quantity_accepted": accepted,
        "quantity_backordered": backordered,
        "quantity_rejected": rejected,
    }
    return {"line_item_uuid": str(line), "allocation": {**quantities, **more}}


async def allocate(crux: Crux, order: Any, *words: Any, prefix: str = "", who: UUID | None = None) -> Any:
    path = f"{prefix}/orders/allocation/{order}/"
    return await crux.call("PUT", path, who or crux.world.supplier, {"line_items": list(words)})


@both_generations
async def test_allocation_answers_a_word_for_each_line_in_the_order_given(crux: Crux, prefix: str) -> None:
    world = crux.world
    order = await world.order(5, 5, 5, 5, 5, 5, fulfillers=[*[world.supplier] * 5, world.other_supplier])
    full, back, none, cancelled, shipped, foreign = (line.id for line in order.lines)
    await crux.cancelled(cancelled)
    await crux.ship(order, shipped)
    answer = await allocate(
        crux,
        order.id,
        word(none, rejected="5"),
        word(UNKNOWN, 5),
        word(full, "5"),
        word(cancelled, 5),
        word(back, "3", "2", "0", backorder_date="2026-12-24"),
        word(shipped, 5),
        word(foreign, 5),
        prefix=prefix,
    )
    assert answer.status_code == 200
    assert answer.json() == [
        {str(none): "Rejected"},
        {UNKNOWN: "Item Not Found"},
        {str(full): "Allocated"},
        {str(cancelled): "Cancelled"},
        {str(back): "Backordered"},
        {str(shipped): "Allocated"},
        {str(foreign): "Item Not Found"},
    ]
    assert await all_buckets(crux, order) == [
        (5, 0, 0, 0),
        (5, 0, 0, 0),
        (0, 0, 5, 0),
        (0, 0, 5, 0),
        (0, 0, 0, 5),
        (5, 0, 0, 0),
    ]
    shown = (await crux.call("GET", f"/timp/orders/{order.id}/", world.retailer)).json()["line_items"][1]
    assert shown["allocation"] == {
        "quantity_ordered": 5,
        "quantity_accepted": 3,
        "quantity_backordered": 2,
        "quantity_rejected": 0,
        "backorder_date": "2026-12-24",
    }


async def test_units_rejected_at_allocation_are_cancelled_by_the_one_who_holds_the_goods(crux: Crux) -> None:
    order = await crux.world.order(5)
    line = order.lines[0].id
    await allocate(crux, order.id, word(line, 3, 0, 2))
    assert await crux.world.buckets(line) == (3, 0, 2, 0)
    event = (await crux.world.events(line))[-1]
    assert (event.kind, event.actor_id) == ("cancellation.accepted", crux.world.supplier)
    assert (event.facts["reason"], event.facts["unasked"]) == ("rejected_at_allocation", True)


async def test_rejecting_everything_confirms_what_was_asked(crux: Crux) -> None:
    order = await crux.world.order(2)
    line = order.lines[0].id
    await crux.cancel(line)
    assert (await allocate(crux, order.id, word(line, 0, 0, 2))).json() == [{str(line): "Rejected"}]
    assert await crux.world.buckets(line) == (0, 0, 2, 0)


async def test_the_sum_is_not_enforced(crux: Crux) -> None:
    """The vendor's own sample accepts 5 and has 1 on back-order, of 5 ordered (docs/crux.md)."""
    order = await crux.world.order(5)
    line = order.lines[0].id
    assert (await allocate(crux, order.id, word(line, 5, 1, 0))).status_code == 200


async def test_more_than_was_ordered_is_refused_and_nothing_of_the_call_happens(crux: Crux) -> None:
    order = await crux.world.order(2, 2)
    first, second = (line.id for line in order.lines)
    answer = await allocate(crux, order.id, word(first, 2), word(second, 0, 0, 3))
    assert (answer.status_code, refusal(answer)) == (422, "too_many_units")
    assert (await crux.world.line(first)).allocated is False


async def test_the_same_allocation_again_changes_nothing(crux: Crux) -> None:
    order = await crux.world.order(2)
    line = order.lines[0].id
    for _ in range(2):
        assert (await allocate(crux, order.id, word(line, 1, 0, 1))).json() == [{str(line): "Allocated"}]
    assert len(await crux.world.events(line)) == 3


@pytest.mark.parametrize(
    ("backorder_date", "shown"),
    [
        ("2026-12-24", "2026-12-24"),
        ("2026-12-24T00:00:00+01:00", "2026-12-24"),
        ("2026-12-24 10:00:00", "2026-12-24"),
        ("", None),
        (None, None),
    ],
)
async def test_a_back_order_date_may_be_a_datetime_or_nothing(
    sqlite_crux: Crux, backorder_date: str | None, shown: str | None
) -> None:
    order = await sqlite_crux.world.order(2)
    line = order.lines[0].id
    answer = await allocate(sqlite_crux, order.id, word(line, 0, 2, 0, backorder_date=backorder_date))
    assert answer.status_code == 200
    detail = (await sqlite_crux.call("GET", f"/orders/{order.id}/", sqlite_crux.world.supplier)).json()
    assert detail["line_items"][0]["allocation"]["backorder_date"] == shown


_ROW = word(UNKNOWN, 1)
_REQUIRED = ["This field is required."]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"line_items": _REQUIRED}),
        ({"line_items": []}, {"line_items": ["This list may not be empty."]}),
        ({"line_items": [{}]}, {"line_items": [{"line_item_uuid": _REQUIRED, "allocation": _REQUIRED}]}),
        (
            {"line_items": [_ROW, {**_ROW, "allocation": {}}]},
            {
                "line_items": [
                    {},
                    {
                        "allocation": {
                            "quantity_accepted": _REQUIRED,
                            "quantity_rejected": _REQUIRED,
                            "quantity_backordered": _REQUIRED,
                        }
                    },
                ]
            },
        ),
        (
            {"line_items": [word("x", -1, 1.5, "a", backorder_date="soon")]},
            {
                "line_items": [
                    {
                        "line_item_uuid": ["Must be a valid UUID."],
                        "allocation": {
                            "quantity_accepted": ["Ensure this value is greater than or equal to 0."],
                            "quantity_rejected": ["A valid integer is required."],
                            "quantity_backordered": ["A valid integer is required."],
                            "backorder_date": ["Date has wrong format. Use YYYY-MM-DD, between 1970 and 2200."],
                        },
                    }
                ]
            },
        ),
    ],
)
@both_generations
async def test_an_allocation_of_the_wrong_form_is_400_field_by_field(
    sqlite_crux: Crux, prefix: str, body: Any, expected: Any
) -> None:
    order = await sqlite_crux.world.order()
    path = f"{prefix}/orders/allocation/{order.id}/"
    answer = await sqlite_crux.call("PUT", path, sqlite_crux.world.supplier, body)
    assert (answer.status_code, answer.json()) == (400, expected)


# Tracking


def parcel(line: Any, units: Any = 1, prefix: str = "", **more: Any) -> dict[str, Any]:
    if prefix:
        row = {"line_item_uuid": str(line), "quantity_shipped": units, "supplier_provided_sku_cost": "1"}
        return {"tracking_number": "1Z999", "line_items": [row], **more}
    return {"tracking": "1Z999", "line_items": [{"line_item_uuid": str(line), "quantity": units}], **more}


async def track(crux: Crux, order: Any, body: Any, prefix: str = "", who: UUID | None = None) -> Any:
    return await crux.call("POST", f"{prefix}/orders/tracking/{order}/", who or crux.world.supplier, body)


async def test_v1_tracking_is_204_and_the_parcel_shows(crux: Crux) -> None:
    order = await crux.world.order(3)
    line = order.lines[0].id
    body = parcel(line, "2", carrier="UPS", method="Ground", weight=1.5, ship_cost="9.95")
    answer = await track(crux, order.id, body)
    assert (answer.status_code, answer.content) == (204, b"")
    assert await crux.world.buckets(line) == (1, 0, 0, 2)
    shown = (await crux.call("GET", f"/orders/{order.id}/", crux.world.retailer)).json()["line_items"][0]
    assert shown["status"] == "HasTracking"
    assert shown["tracking_numbers"] == [
        {
            "tracking_number": "1Z999",
            "shipping_carrier": "UPS",
            "shipping_method": "Ground",
            "shipping_weight": "1.5",
            "shipping_cost": 9.95,
            "shipping_date": None,
            "quantity": 2,
        }
    ]


async def test_timp_tracking_is_201_with_the_parcels_id_and_shows_all_of_it(crux: Crux) -> None:
    order = await crux.world.order(3)
    line = order.lines[0].id
    body = parcel(
        line,
        "2",
        "/timp",
        package_ship_cost="9.95",
        supplier_provided_carrier="UPS",
        supplier_provided_method="Ground",
        package_weight="1.5",
        package_ship_date="2018-09-01",
        package_attributes=[{"attribute_name": "box", "attribute_value": "L"}],
    )
    answer = await track(crux, order.id, body, "/timp")
    assert answer.status_code == 201
    UUID(answer.json()["package_uuid"])
    assert answer.json().keys() == {"package_uuid"}
    shown = (await crux.call("GET", f"/timp/orders/{order.id}/", crux.world.retailer)).json()["line_items"][0]
    assert (shown["line_item_designation"], shown["tracking"]) == (
        "HasTracking",
        [
            {
                "tracking_number": "1Z999",
                "shipping_carrier": "UPS",
                "shipping_method": "Ground",
                "shipping_weight": "1.5",
                "shipping_cost": 9.95,
                "shipping_date": "2018-09-01",
                "created_date": "2026-11-02T09:00:00.000000Z",
                "quantity": 2,
                "package_attributes": [{"attribute_name": "box", "attribute_value": "L"}],
            }
        ],
    )


@both_generations
async def test_a_parcel_reported_again_is_the_same_parcel(crux: Crux, prefix: str) -> None:
    order = await crux.world.order(3)
    line = order.lines[0].id
    first, *others = [await track(crux, order.id, parcel(line, 1, prefix), prefix) for _ in range(3)]
    others += await asyncio.gather(*(track(crux, order.id, parcel(line, "1", prefix), prefix) for _ in range(5)))
    assert {(each.status_code, each.content) for each in others} == {(first.status_code, first.content)}
    assert await crux.world.buckets(line) == (2, 0, 0, 1)
    second = await track(crux, order.id, parcel(line, 1, prefix, package_reference="box 2"), prefix)
    assert (second.status_code, second.content == first.content) == (first.status_code, prefix == "")
    assert await crux.world.buckets(line) == (1, 0, 0, 2)
    await track(crux, order.id, parcel(line, 1, prefix) | {"tracking_number": "1Z998", "tracking": "1Z998"}, prefix)
    assert await crux.world.buckets(line) == (0, 0, 0, 3)
    again = await track(crux, order.id, parcel(line, 1, prefix), prefix)
    assert (again.status_code, again.content) == (first.status_code, first.content)


async def test_a_number_alone_makes_a_parcel(sqlite_crux: Crux) -> None:
    order = await sqlite_crux.world.order(1)
    body = parcel(order.lines[0].id, 1, "/timp")
    assert (await track(sqlite_crux, order.id, body, "/timp")).status_code == 201
    shown = (await sqlite_crux.call("GET", f"/timp/orders/{order.id}/", sqlite_crux.world.retailer)).json()
    parcel_shown = shown["line_items"][0]["tracking"][0]
    empty = {name: parcel_shown[name] for name in parcel_shown if name.startswith("shipping_")}
    assert set(empty.values()) == {None}


@both_generations
async def test_a_parcel_of_several_lines_goes_whole_or_not_at_all(crux: Crux, prefix: str) -> None:
    world = crux.world
    order = await world.order(2, 2, 2, fulfillers=[world.supplier, world.supplier, world.other_supplier])
    first, second, foreign = (line.id for line in order.lines)
    whole = parcel(first, 1, prefix)
    whole["line_items"] += parcel(second, 2, prefix)["line_items"] + parcel(first, 1, prefix)["line_items"]
    for bad in (foreign, UNKNOWN):
        body = {**whole, "line_items": whole["line_items"] + parcel(bad, 1, prefix)["line_items"]}
        assert refusal(await track(crux, order.id, body, prefix)) == "unknown_line"
    assert await all_buckets(crux, order) == [(2, 0, 0, 0)] * 3
    assert (await track(crux, order.id, whole, prefix)).status_code in (201, 204)
    assert await all_buckets(crux, order) == [(0, 0, 0, 2), (0, 0, 0, 2), (2, 0, 0, 0)]


@both_generations
async def test_units_that_were_asked_for_are_not_shipped_until_the_ask_is_rejected(crux: Crux, prefix: str) -> None:
    order = await crux.world.order(2)
    line = order.lines[0].id
    await crux.cancel(line)
    answer = await track(crux, order.id, parcel(line, 1, prefix), prefix)
    assert (answer.status_code, refusal(answer)) == (422, "units_asked")
    await crux.answer("reject", line)
    assert (await track(crux, order.id, parcel(line, 1, prefix), prefix)).status_code in (201, 204)
    assert await crux.world.buckets(line) == (1, 0, 0, 1)


@pytest.mark.parametrize(
    ("units", "name"), [(3, "too_many_units"), (1_000_000, "too_many_units")], ids=["one more", "many more"]
)
async def test_more_than_there_is_cannot_be_shipped(sqlite_crux: Crux, units: int, name: str) -> None:
    order = await sqlite_crux.world.order(2)
    answer = await track(sqlite_crux, order.id, parcel(order.lines[0].id, units))
    assert (answer.status_code, refusal(answer)) == (422, name)


async def test_what_is_cancelled_cannot_be_shipped(sqlite_crux: Crux) -> None:
    order = await sqlite_crux.world.order(2)
    await sqlite_crux.cancelled(order.lines[0].id)
    answer = await track(sqlite_crux, order.id, parcel(order.lines[0].id))
    assert (answer.status_code, refusal(answer)) == (422, "already_cancelled")


@pytest.mark.parametrize(
    ("prefix", "number", "units"), [("", "tracking", "quantity"), ("/timp", "tracking_number", "quantity_shipped")]
)
async def test_what_is_missing_from_a_parcel_is_called_as_the_generation_calls_it(
    sqlite_crux: Crux, prefix: str, number: str, units: str
) -> None:
    order = await sqlite_crux.world.order()
    answer = await track(sqlite_crux, order.id, {"line_items": [{}]}, prefix)
    expected = {number: _REQUIRED, "line_items": [{"line_item_uuid": _REQUIRED, units: _REQUIRED}]}
    assert (answer.status_code, answer.json()) == (400, expected)


async def test_an_order_kept_back_is_unknown_to_its_supplier_whatever_it_tries(crux: Crux) -> None:
    """EC-20: it was never sent. The supplier must not learn of it by guessing its id either."""
    order = await crux.world.order(2, held=True)
    line = order.lines[0].id
    for method, path, body in (
        ("GET", "/timp/orders/{order}/", None),
        ("PATCH", "/timp/orders/items/cancel/{line}/confirm/", None),
        ("PATCH", "/timp/orders/cancel/{order}/reject/", None),
        ("PUT", "/timp/orders/allocation/{order}/", {"line_items": [word(line, 2)]}),
        ("POST", "/timp/orders/tracking/{order}/", parcel(line, 1, "/timp")),
    ):
        paths = (path.format(order=order.id, line=line), path.format(order=UNKNOWN, line=UNKNOWN))
        real, unknown = [await crux.call(method, each, crux.world.supplier, body) for each in paths]
        assert (real.status_code, real.content) == (unknown.status_code, unknown.content), path
    assert await crux.world.buckets(line) == (2, 0, 0, 0)
