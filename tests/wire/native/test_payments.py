"""Payments of an order through the native API, on both engines."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from countermand.admin.callers import PLATFORM
from tests.support.money import place_paid
from tests.wire.native.calling import Native
from tests.wire.native.test_refunds import paid

pytestmark = pytest.mark.anyio


def reserved(native: Native) -> dict[str, str]:
    """A payment of this test's retailer: it cannot be another one's."""
    return {"id": "card", "provider": "stripe", "reference": f"pi_{native.retailer.hex}", "authorised": "27.00"}


async def post(native: Native, order: UUID, body: Any, who: UUID | str | None = None, *, more: str = "") -> Any:
    return await native.call("POST", f"/v1/orders/{order}/payments{more}", who or native.retailer, body)


async def test_an_order_is_paid_later_and_shown(native: Native) -> None:
    order = (await paid(native, payments=[])).id
    for repeated in (False, True):
        response = await post(native, order, {**reserved(native), "captured": "10", "authorised": "17"})
        assert (response.status_code, response.json()["repeated"]) == (200, repeated), response.text
    captured = await post(native, order, {"captured": "20.00"}, await native.token(PLATFORM), more="/card/capture")
    again = await post(native, order, {"captured": "20.00"}, more="/card/capture")
    assert again.json() == {**captured.json(), "repeated": True}
    assert captured.json() == {
        "order": str(order),
        "currency": "EUR",
        "total": "27.00",
        "total_minor": 2700,
        "left_to_pay": "0.00",
        "left_to_pay_minor": 0,
        "payments": [
            {
                "id": "card",
                "provider": "stripe",
                "method": "card",
                "reference": f"pi_{native.retailer.hex}",
                "captured": "20.00",
                "captured_minor": 2000,
                "authorised": "7.00",
                "authorised_minor": 700,
                "refunded": "0.00",
                "refunded_minor": 0,
                "released": "0.00",
                "released_minor": 0,
            }
        ],
        "repeated": False,
    }
    shown = await native.call("GET", f"/v1/orders/{order}/payments", native.retailer)
    assert shown.json() == captured.json()
    events = (await native.call("GET", "/v1/events", native.retailer)).json()["events"]
    [told] = [each["data"]["payment"] for each in events if each["type"] == "countermand.payment.captured.v1"]
    assert told == {
        "id": "card",
        "captured": "20.00",
        "captured_minor": 2000,
        "authorised": "7.00",
        "authorised_minor": 700,
        "currency": "EUR",
    }
    others = (await native.call("GET", f"/v1/events?line={events[0]['data']['line']}", native.world.supplier)).json()
    assert not [each for each in others["events"] if "payment" in each["type"]], "no business of the supplier's"


@pytest.mark.parametrize(
    ("more", "body", "places"),
    [
        ("", {"id": "card", "captured": "0.001"}, ["/captured"]),
        ("", {"id": "card", "authorised": "0.001"}, ["/authorised"]),
        ("", {"id": "card", "captured": "0.001", "authorised": "1.0001"}, ["/captured", "/authorised"]),
        ("/card/capture", {"captured": "0.001"}, ["/captured"]),
    ],
    ids=str,
)
async def test_an_amount_that_is_too_fine_is_named_by_its_place(
    sqlite_native: Native, more: str, body: dict[str, str], places: list[str]
) -> None:
    order = (await paid(sqlite_native, payments=[])).id
    response = await post(sqlite_native, order, body, more=more)
    assert response.status_code == 422, response.text
    errors = response.json()["errors"]
    assert [(each["pointer"], each["code"]) for each in errors] == [(place, "bad_amount") for place in places]


async def test_what_does_not_fit_is_refused_by_name(native: Native) -> None:
    order = (await paid(native, payments=[reserved(native)])).id
    elsewhere = await place_paid(replace(native.world, retailer=native.world.other_retailer), payments=[])
    unpriced = (await native.order(1)).id
    supplier, other, nobody = native.world.supplier, native.world.other_retailer, UUID(int=7)
    cases: list[tuple[UUID, Any, UUID | None, str, tuple[int, str]]] = [
        (order, {**reserved(native), "authorised": "26"}, None, "", (409, "payment_exists")),
        (order, {**reserved(native), "id": "more", "authorised": "0.01"}, None, "", (409, "payment_differs")),
        (elsewhere.id, reserved(native), other, "", (409, "payment_taken")),
        (order, {**reserved(native), "authorised": "0.001"}, None, "", (422, "invalid")),
        (order, {"captured": "1"}, None, "", (422, "invalid")),
        (order, {**reserved(native), "id": "no spaces"}, None, "", (422, "invalid")),
        (order, {"captured": "27.01"}, None, "/card/capture", (409, "payment_differs")),
        (order, {"captured": "1"}, None, "/other/capture", (404, "unknown_payment")),
        (order, {"captured": "-1"}, None, "/card/capture", (422, "invalid")),
        (order, {"captured": "NaN"}, None, "/card/capture", (422, "invalid")),
        (order, {}, None, "/card/capture", (422, "invalid")),
        (order, {"captured": "1"}, supplier, "/card/capture", (403, "wrong_party")),
        (order, {"captured": "1"}, other, "/card/capture", (404, "unknown_order")),
        (nobody, {"captured": "1"}, None, "/card/capture", (404, "unknown_order")),
        (unpriced, {"captured": "1"}, None, "/card/capture", (409, "no_price")),
    ]
    for which, body, who, more, expected in cases:
        response = await post(native, which, body, who, more=more)
        assert (response.status_code, response.json()["code"]) == expected, (body, more)
    for who, status in ((supplier, 403), (other, 404)):
        assert (await native.call("GET", f"/v1/orders/{order}/payments", who)).status_code == status
