"""Quotes and refunds through the native API, on both engines."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx2
import pytest

from countermand.admin.callers import PLATFORM, Permission
from countermand.domain.commands import CancelOwn
from countermand.domain.orders import PlaceOrder
from countermand.domain.reasons import CancelReason
from tests.store.holding import assert_sound
from tests.support.money import place_paid
from tests.wire.native.calling import Native

pytestmark = pytest.mark.anyio


def stripe(native: Native) -> dict[str, str]:
    """A payment of this test's retailer: it cannot be another one's."""
    return {"provider": "stripe", "reference": f"pi_{native.retailer.hex}", "captured": "27.00"}


async def paid(native: Native, **changes: Any) -> PlaceOrder:
    mine = replace(native.world, retailer=native.retailer)
    return await place_paid(mine, **changes)


async def cancelled(native: Native, units: int = 1, **changes: Any) -> PlaceOrder:
    native.world.tokens[PLATFORM] = await native.token(PLATFORM)
    order = await paid(native, **changes)
    actor = native.world.actor(native.world.supplier)
    await native.do(CancelOwn(line=order.lines[0].id, actor=actor, reason=CancelReason.OUT_OF_STOCK, units=units))
    return order


async def listed(native: Native, query: str = "", who: UUID | None = None) -> list[dict[str, Any]]:
    response = await native.call("GET", "/v1/refunds" + query, who or native.retailer)
    assert response.status_code == 200, response.text
    return list(response.json()["refunds"])


async def test_a_quote_tells_what_would_go_back_by_payment(native: Native) -> None:
    order = await paid(native)
    body = {"lines": [{"line": str(order.lines[0].id), "units": 2}]}
    response = await native.call("POST", "/v1/quotes", native.retailer, body)
    assert response.status_code == 200
    quote = response.json()
    assert (quote["refund"], quote["currency"], quote["order"]) == ("18.00", "EUR", str(order.id))
    assert quote["payments"][0] == {
        "id": "1",
        "provider": "manual",
        "method": "card",
        "reference": "PAY-1",
        "refund": "18.00",
        "refund_minor": 1800,
        "release": "0.00",
        "release_minor": 0,
    }
    assert await listed(native) == []


async def test_a_quote_that_cannot_be_made_is_refused(native: Native) -> None:
    first, second = await paid(native), await paid(native)
    lines = [{"line": str(each.lines[0].id)} for each in (first, second)]
    unpriced = await native.line()
    for body, who, expected in (
        ({"lines": [{**lines[0], "units": 4}]}, native.retailer, (409, "too_many_units")),
        ({"lines": lines}, native.retailer, (404, "unknown_line")),
        ({"lines": lines[:1]}, native.world.supplier, (403, "wrong_party")),
        ({"lines": lines[:1]}, native.world.other_retailer, (404, "unknown_line")),
        ({"lines": [{"line": str(unpriced)}]}, native.retailer, (409, "no_price")),
        ({"lines": [*lines[:1], *lines[:1]]}, native.retailer, (422, "invalid")),
        ({"lines": []}, native.retailer, (422, "invalid")),
        ({"lines": [{**lines[0], "units": 0}]}, native.retailer, (422, "invalid")),
    ):
        response = await native.call("POST", "/v1/quotes", who, body)
        assert (response.status_code, response.json()["code"]) == expected, body


async def test_refunds_are_listed_in_pages_and_shown_one_by_one(native: Native) -> None:
    order = await cancelled(native)
    native.world.clock.advance(seconds=1)
    await cancelled(native, payments=[stripe(native)])
    first, second = await listed(native)
    assert (first["amount"], first["state"], second["state"]) == ("9.00", "by_hand", "due")
    page = (await native.call("GET", "/v1/refunds?limit=1", native.retailer)).json()
    assert page["next"] == first["id"]
    assert await listed(native, f"?limit=1&after={page['next']}") == [second]
    assert await listed(native, "?state=due") == [second]
    assert await listed(native, f"?line={order.lines[0].id}") == [first]
    shown = await native.call("GET", f"/v1/refunds/{first['id']}", native.retailer)
    assert shown.json() == first
    assert (await native.call("GET", "/v1/refunds", native.world.supplier)).json()["code"] == "wrong_party"


async def test_a_refund_of_somebody_else_is_not_there(native: Native) -> None:
    await cancelled(native)
    [refund] = await listed(native)
    for who, status in ((native.world.supplier, 403), (native.world.other_retailer, 404)):
        assert (await native.call("GET", f"/v1/refunds/{refund['id']}", who)).status_code == status
    for wrong in ("nonsense", "rfd_" + "0" * 32):
        assert (await native.call("GET", f"/v1/refunds/{wrong}", native.retailer)).status_code == 404
    assert (await native.call("GET", "/v1/refunds?after=nonsense", native.retailer)).status_code == 422


async def parked(native: Native) -> dict[str, Any]:
    """A refund of 9.00 that its provider refused."""
    await cancelled(native, payments=[stripe(native)])
    await native.world.application.worker.settle_refunds()
    [refund] = await listed(native, "?state=parked")
    return refund


async def said(
    native: Native, refund: dict[str, Any], call: str, who: UUID | str, note: str | None = None, **more: Any
) -> httpx2.Response:
    body: dict[str, Any] | None = None if note is None else {"note": note}
    if body and call == "correct":
        body |= {"refunded_elsewhere": "0.00", "step": 2}
    return await native.call("POST", f"/v1/refunds/{refund['id']}/{call}", who, body, **more)


async def test_the_platform_closes_a_parked_refund_with_a_note(native: Native) -> None:
    refund = await parked(native)
    response = await said(native, refund, "close", PLATFORM, "paid back in the shop")
    assert response.status_code == 200, response.text
    assert (response.json()["state"], response.json()["note"]) == ("closed", "paid back in the shop")
    again = await said(native, refund, "close", PLATFORM, "once more")
    assert (again.status_code, again.json()["code"]) == (409, "refund_not_open")
    events = await native.call("GET", "/v1/events", native.retailer)
    assert "countermand.refund.closed.v1" in {each["type"] for each in events.json()["events"]}
    await assert_sound(native.world.application.database)


async def test_a_refund_is_closed_for_a_reason(native: Native) -> None:
    refund = await parked(native)
    for note in ("", " "):
        response = await said(native, refund, "close", PLATFORM, note)
        assert (response.status_code, response.json()["code"]) == (422, "invalid")
        assert [(each["pointer"], each["code"]) for each in response.json()["errors"]] == [("/note", "blank")]
    unsaid = await said(native, refund, "close", PLATFORM)
    assert unsaid.status_code == 422
    assert (await said(native, refund, "close", PLATFORM, "x" * 1001)).json()["code"] == "invalid"
    assert await listed(native, "?state=parked") == [refund]


async def test_the_platform_says_that_a_refund_was_paid(native: Native) -> None:
    await cancelled(native)
    [refund] = await listed(native, "?state=by_hand")
    response = await said(native, refund, "paid", PLATFORM)
    assert (response.json()["state"], response.json()["note"]) == ("confirmed", "")
    await assert_sound(native.world.application.database)


async def test_the_platform_has_a_parked_refund_tried_again_once_for_one_key(native: Native) -> None:
    refund = await parked(native)
    once = {"headers": native.keyed("again")}
    first = await said(native, refund, "retry", PLATFORM, "funds are there", **once)
    assert (first.json()["state"], first.json()["note"]) == ("due", "funds are there")
    repeated = await said(native, refund, "retry", PLATFORM, "funds are there", **once)
    assert (repeated.status_code, repeated.json()) == (200, first.json())
    other = await said(native, refund, "retry", PLATFORM, "other words", **once)
    assert other.json()["code"] == "key_reused"
    assert (await said(native, refund, "retry", PLATFORM)).json()["code"] == "refund_not_open"


@pytest.mark.parametrize("call", ["paid", "close", "retry", "correct"])
async def test_nobody_but_the_platform_sees_to_refunds(native: Native, call: str) -> None:
    refund = await parked(native)
    world = native.world
    for who in (native.retailer, world.other_retailer, world.supplier):
        response = await said(native, refund, call, who, "because")
        assert (response.status_code, response.json()["code"]) == (403, "wrong_party")
    shop = await native.token(PLATFORM, permissions=[Permission.VIEW_ORDER, Permission.CANCEL_ORDER])
    response = await said(native, refund, call, shop, "because")
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert (await said(native, refund, call, "nonsense", "because")).status_code == 401
    for unknown in ("nonsense", "rfd_" + "0" * 32):
        response = await said(native, {"id": unknown}, call, PLATFORM, "because")
        assert (response.status_code, response.json()["code"]) == (404, "unknown_refund")
    assert await listed(native, "?state=parked") == [refund]


async def correction(native: Native, refund: dict[str, Any], body: dict[str, Any], **more: Any) -> httpx2.Response:
    return await native.call("POST", f"/v1/refunds/{refund['id']}/correct", PLATFORM, body, **more)


async def test_the_platform_corrects_what_was_refunded_outside(native: Native) -> None:
    """The stories: a step is needed, the same correction twice is one, and another one hears what stands."""
    refund = await parked(native)
    assert (refund["step"], refund["refunded_elsewhere"]) == (2, "0.00")
    body = {"refunded_elsewhere": "5.00", "note": "goodwill"}
    needed = await correction(native, refund, body)
    assert (needed.status_code, needed.json()["code"]) == (428, "step_needed")
    first = await correction(native, refund, body | {"step": 2})
    assert first.status_code == 200, first.text
    shown = {name: first.json()[name] for name in ("state", "step", "refunded_elsewhere", "note")}
    assert shown == {"state": "due", "step": 3, "refunded_elsewhere": "5.00", "note": "goodwill"}
    assert (await correction(native, refund, body | {"step": 2})).json() == first.json()
    other = await correction(native, refund, {"refunded_elsewhere": "0.00", "note": "no", "step": 2})
    assert (other.status_code, other.json()["code"]) == (409, "state_changed")
    assert other.json()["current"] | {"state": "due", "step": 3} == other.json()["current"]
    under_way = await correction(native, refund, {"refunded_elsewhere": "0.00", "note": "no", "step": 3})
    assert (under_way.status_code, under_way.json()["code"]) == (409, "refund_not_open")
    events = (await native.call("GET", "/v1/events", native.retailer)).json()["events"]
    [told] = [each["data"]["refund"] for each in events if each["type"] == "countermand.refund.corrected.v1"]
    assert (told["refunded_elsewhere"], told["step"], told["note"]) == ("5.00", 3, "goodwill")
    await assert_sound(native.world.application.database)


@pytest.mark.parametrize(
    "body",
    [
        {"refunded_elsewhere": "9.01"},
        {"refunded_elsewhere": "1.001"},
        {"refunded_elsewhere": "-1.00"},
        {"refunded_elsewhere": 1},
        {"refunded_elsewhere": "1_0"},
        {"refunded_elsewhere": "٣.00"},
        {"refunded_elsewhere": ""},
        {"note": ""},
        {"note": " \t"},
        {"step": "2"},
        {"step": True},
        {"step": 0},
        {"more": 1},
    ],
    ids=str,
)
async def test_a_correction_that_makes_no_sense_is_invalid(native: Native, body: dict[str, Any]) -> None:
    refund = await parked(native)
    response = await correction(native, refund, {"refunded_elsewhere": "1.00", "note": "why", "step": 2} | body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid"), response.text
    assert await listed(native, "?state=parked") == [refund]


@pytest.mark.parametrize("call", ["paid", "close", "retry"])
async def test_whoever_names_the_step_is_told_when_another_decision_came_between(native: Native, call: str) -> None:
    refund = await parked(native)
    path = f"/v1/refunds/{refund['id']}/{call}"
    for _ in range(2):
        body = {"note": "seen to", "step": 1}
        late = await native.call("POST", path, PLATFORM, body, headers=native.keyed("late"))
        assert (late.status_code, late.json()["code"]) == (409, "state_changed")
        assert late.json()["current"] | {"state": "parked", "step": 2} == late.json()["current"]
    now = await native.call("POST", path, PLATFORM, {"note": "seen to", "step": 2})
    assert (now.status_code, now.json()["step"]) == (200, 3)
