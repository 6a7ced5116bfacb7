"""Lines in lists, allocations, parcels and timelines."""

from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from countermand.admin.callers import PLATFORM
from tests.wire.native.calling import PATH, Native

pytestmark = pytest.mark.anyio

SHIPMENTS = "/v1/shipments"


async def ship(
    native: Native, order: UUID, *lines: UUID, who: UUID | str | None = None, **more: Any
) -> httpx2.Response:
    named = [{"line": str(line)} for line in lines]
    body = {"order": str(order), "lines": named, "carrier": "DHL", "tracking_number": "JD0142", **more}
    return await native.call("POST", SHIPMENTS, who or native.world.supplier, body)


async def parcels(native: Native, query: str, who: UUID | str | None = None) -> list[str]:
    answer = await native.call("GET", f"{SHIPMENTS}?{query}", who or native.retailer)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["shipments"]]


async def skus(native: Native, query: str, who: UUID | str | None = None) -> list[str]:
    answer = await native.call("GET", f"/v1/lines?{query}", who or native.retailer)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["lines"]]


async def test_a_parcel_is_reported_once(native: Native) -> None:
    order = await native.order(3, 2)
    one, two = (line.id for line in order.lines)
    answer = await ship(native, order.id, one, two, shipped_on="2026-11-02", reference="box 1")
    made = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"{SHIPMENTS}/{made['id']}"), made
    assert {each["line"]: each["units"] for each in made["lines"]} == {str(one): 3, str(two): 2}
    assert (made["carrier"], made["tracking_number"], made["shipped_on"]) == ("DHL", "JD0142", "2026-11-02")
    again = await ship(native, order.id, one, two, shipped_on="2026-11-02", reference="box 1")
    assert (again.status_code, again.json()) == (200, {**made, "repeated": True})
    more = await ship(native, order.id, one, reference="box 2")
    assert (more.status_code, more.json()["code"]) == (409, "already_shipped")
    for who in (native.retailer, native.world.supplier):
        assert (await native.call("GET", f"{SHIPMENTS}/{made['id']}", who)).json() == made
        for query in (f"order={order.id}", f"line={two}", "tracking_number=JD0142&limit=1"):
            assert await parcels(native, query, who) == [made["id"]], query
    found = await native.call("GET", "/v1/orders?tracking_number=JD0142&limit=1", native.retailer)
    assert [each["id"] for each in found.json()["orders"]] == [str(order.id)]


async def test_a_parcel_is_its_parties(native: Native) -> None:
    world, order = native.world, await native.order(3)
    made = (await ship(native, order.id, order.lines[0].id)).json()
    for who in (world.other_retailer, world.other_supplier):
        for thing in (made["id"], uuid4(), "nonsense"):
            for method, body in (("GET", None), ("PATCH", {"carrier": "UPS"})):
                refused = await native.call(method, f"{SHIPMENTS}/{thing}", who, body)
                assert (refused.status_code, refused.json()["code"]) == (404, "unknown_shipment")
        assert await parcels(native, f"order={order.id}", who) == []
        foreign = await ship(native, order.id, order.lines[0].id, who=who)
        assert (foreign.status_code, foreign.json()["code"]) == (404, "unknown_order")
    platform = await native.token(PLATFORM)
    assert made["id"] in await parcels(native, "limit=200", platform)
    assert await parcels(native, f"after={made['id']}&order={order.id}", platform) == []
    corrected = await native.call("PATCH", f"{SHIPMENTS}/{made['id']}", world.supplier, {"carrier": "UPS"})
    assert (corrected.status_code, corrected.json()) == (200, {**made, "carrier": "UPS"})
    again = await native.call("PATCH", f"{SHIPMENTS}/{made['id']}", world.supplier, {"carrier": "UPS"})
    assert again.json()["repeated"] is True


async def test_asked_units_ship_only_when_that_is_said(native: Native) -> None:
    order = await native.order(3)
    (asked,) = await native.asked(order.lines[0].id, asker="retailer")
    refused = await ship(native, order.id, order.lines[0].id)
    assert (refused.status_code, refused.json()["code"], refused.json()["cancellation"]) == (
        409,
        "units_asked",
        asked["id"],
    )
    assert (await ship(native, order.id, order.lines[0].id, override=True)).status_code == 201
    shown = (await native.call("GET", f"{PATH}/{asked['id']}", native.retailer)).json()
    assert (shown["state"], shown["decline_reason"]) == ("declined", "already_shipped")


async def test_lines_are_listed(native: Native) -> None:
    world = native.world
    first = await native.order(3, 2)
    second = await native.order(1, by=world.other_supplier)
    one, two, three = (str(line.id) for line in (*first.lines, *second.lines))
    await native.asked(one)
    world.clock.advance(hours=1)
    for query, found in (
        (f"order={first.id}", [one, two]),
        (f"retailer={native.retailer}&fulfiller={world.other_supplier}", [three]),
        ("bucket=asked", [one]),
        (f"order={first.id}&bucket=open", [two]),
        (f"order={first.id}&bucket=shipped", []),
        (f"number={(await world.line(first.lines[1].id)).number}", [two]),
        ("fulfiller=Nobody", []),
    ):
        assert await skus(native, query) == found, query
    assert sorted(await skus(native, "")) == sorted([one, two, three])
    assert await skus(native, f"order={first.id}&bucket=open", world.supplier) == [two]
    assert await skus(native, f"order={first.id}", world.other_supplier) == []
    seen, after = [], ""
    while True:
        page = (await native.call("GET", f"/v1/lines?limit=1{after}", native.retailer)).json()
        seen += [each["id"] for each in page["lines"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == await skus(native, "")
    assert await skus(native, f"after={seen[0]}") == seen[1:]
    wrong = await native.call("GET", "/v1/lines?after=x_y_1", native.retailer)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")


async def test_a_line_is_allocated(native: Native) -> None:
    world, line = native.world, await native.line(5)
    path = f"/v1/lines/{line}/allocate"
    body = {"accepted": 3, "backordered": 1, "rejected": 1, "reason": "out_of_stock"}
    shown = (await native.call("POST", path, world.supplier, body)).json()
    assert (shown["units"]["open"], shown["units"]["cancelled"], shown["backordered"]) == (4, 1, 1)
    (cancelled,) = await native.listed(f"?line={line}")
    assert (cancelled["asker"], cancelled["reason"], cancelled["unasked"]) == ("nobody", "out_of_stock", True)
    assert (await native.call("POST", path, world.supplier, body)).json() == shown
    for wrong in ({}, {"accepted": -1}, {"accepted": True}, {"accepted": 1, "backorder_on": "soon"}):
        assert (await native.call("POST", path, world.supplier, wrong)).status_code == 422, wrong
    many = await native.call("POST", path, world.supplier, {"accepted": 6})
    assert (many.status_code, many.json()["code"]) == (409, "too_many_units")
    for who in (native.retailer, world.other_supplier):
        refused = await native.call("POST", path, who, body)
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_line")


async def test_a_timeline_tells_what_happened(native: Native) -> None:
    world, order = native.world, await native.order(5)
    line = order.lines[0].id
    (asked,) = await native.asked({"line": str(line), "units": 2}, note="wrong size")
    for subject in (str(order.id), str(line), asked["id"]):
        answer = await native.call("GET", f"/v1/timeline/{subject}", native.retailer)
        first, last = answer.json()["entries"]
        assert "ordered 5 units" in first["sentence"]
        assert "to cancel 2 units" in last["sentence"]
        assert (last["units"], last["line"]) == (2, str(line))
        assert last["state"] == {"ordered": 5, "open": 3, "asked": 2, "cancelled": 0, "shipped": 0}
        assert last["event"].startswith("evt_")
        foreign = await native.call("GET", f"/v1/timeline/{subject}", world.other_retailer)
        assert (foreign.status_code, foreign.json()["code"]) == (404, "unknown_order")
    absent = await native.call("GET", "/v1/timeline/nonsense", native.retailer)
    assert absent.status_code == 404
