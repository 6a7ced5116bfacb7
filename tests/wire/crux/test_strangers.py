"""No call shows one party another's data: what is foreign looks exactly like what does not exist."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from countermand.domain.orders import PlaceOrder
from tests.wire.crux.calling import PREFIXES, UNKNOWN, Crux

pytestmark = pytest.mark.anyio

Make = Callable[[Any, Any], Any]


def _nothing(order: Any, line: Any) -> Any:
    return {}


def _order_uuid(order: Any, line: Any) -> Any:
    return {"order_uuid": str(order)}


def _allocation(order: Any, line: Any) -> Any:
    quantities = {"quantity_accepted": 1, "quantity_backordered": 0, "quantity_rejected": 0}
    return {"line_items": [{"line_item_uuid": str(line), "allocation": quantities}]}


def _parcel(order: Any, line: Any) -> Any:
    return {"tracking_number": "1Z", "line_items": [{"line_item_uuid": str(line), "quantity": 1}]}


RETAILERS: list[tuple[str, str, Make]] = [
    ("DELETE", "/orders/items/cancel/{line}/", _nothing),
    ("PATCH", "/orders/cancel/", _order_uuid),
    ("GET", "/orders/{order}/", _nothing),
    ("GET", "/orders/po/{reference}/", _nothing),
]

SUPPLIERS: list[tuple[str, str, Make]] = [
    ("PATCH", "/orders/items/cancel/{line}/confirm/", _nothing),
    ("PATCH", "/orders/items/cancel/{line}/reject/", _nothing),
    ("PATCH", "/orders/cancel/{order}/confirm/", _nothing),
    ("PATCH", "/orders/cancel/{order}/reject/", _nothing),
    ("PUT", "/orders/allocation/{order}/", _allocation),
    ("POST", "/orders/tracking/{order}/", _parcel),
    ("GET", "/orders/{order}/", _nothing),
    ("GET", "/orders/po/{reference}/", _nothing),
]


def _ids(table: list[tuple[str, str, Make]]) -> list[str]:
    return [f"{method} {path}" for method, path, _ in table]


async def _state(crux: Crux, order: PlaceOrder) -> Any:
    lines = [await crux.world.buckets(line.id) for line in order.lines]
    return lines, [event.id for event in await crux.world.events(order.id)]


async def _alike(crux: Crux, who: UUID, order: PlaceOrder, method: str, path: str, make: Make) -> None:
    """The stranger's call about this order and the same call about nothing at all get the same answer."""
    line = order.lines[0].id
    before = await _state(crux, order)
    foreign = await crux.call(
        method, path.format(order=order.id, line=line, reference=order.reference), who, make(order.id, line)
    )
    unknown = await crux.call(
        method, path.format(order=UNKNOWN, line=UNKNOWN, reference="unknown"), who, make(UNKNOWN, UNKNOWN)
    )
    assert foreign.status_code == unknown.status_code
    assert foreign.content == unknown.content
    assert [(n, v) for n, v in foreign.headers.items()] == [(n, v) for n, v in unknown.headers.items()]
    assert foreign.status_code in (404, 422) or foreign.json() == []
    assert await _state(crux, order) == before


@pytest.mark.parametrize("asked", [False, True], ids=["open", "asked"])
@pytest.mark.parametrize("prefix", PREFIXES, ids=["v1", "timp"])
@pytest.mark.parametrize(("method", "path", "make"), RETAILERS, ids=_ids(RETAILERS))
async def test_another_retailers_order_looks_like_none(
    crux: Crux, prefix: str, method: str, path: str, make: Make, asked: bool
) -> None:
    order = await crux.world.order(2, 1)
    if asked:
        await crux.ask(order.lines[0].id)
    await _alike(crux, crux.world.other_retailer, order, method, prefix + path, make)


@pytest.mark.parametrize("asked", [False, True], ids=["open", "asked"])
@pytest.mark.parametrize("prefix", PREFIXES, ids=["v1", "timp"])
@pytest.mark.parametrize(("method", "path", "make"), SUPPLIERS, ids=_ids(SUPPLIERS))
async def test_another_suppliers_order_looks_like_none(
    crux: Crux, prefix: str, method: str, path: str, make: Make, asked: bool
) -> None:
    order = await crux.world.order(2, 1)
    if asked:
        await crux.ask(order.lines[0].id)
    await _alike(crux, crux.world.other_supplier, order, method, prefix + path, make)


@pytest.mark.parametrize("prefix", PREFIXES, ids=["v1", "timp"])
async def test_a_supplier_with_a_part_in_an_order_learns_nothing_of_the_other_parts(crux: Crux, prefix: str) -> None:
    world = crux.world
    order = await world.order(2, 2, fulfillers=[world.supplier, world.other_supplier])
    theirs = order.lines[1].id
    await crux.ask(theirs)
    before = await world.buckets(theirs)
    detail = await crux.call("GET", f"{prefix}/orders/{order.id}/", world.supplier)
    assert str(theirs) not in detail.text
    assert str(world.other_supplier) not in detail.text
    for verb in ("confirm", "reject"):
        path = f"{prefix}/orders/items/cancel/{{}}/{verb}/"
        foreign, unknown = [await crux.call("PATCH", path.format(line), world.supplier) for line in (theirs, UNKNOWN)]
        assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content)
    for method, path, make in (
        ("PUT", f"{prefix}/orders/allocation/{order.id}/", _allocation),
        ("POST", f"{prefix}/orders/tracking/{order.id}/", _parcel),
    ):
        foreign, unknown = [
            await crux.call(method, path, world.supplier, make(order.id, line)) for line in (theirs, UNKNOWN)
        ]
        assert foreign.status_code == unknown.status_code
        assert foreign.text.replace(str(theirs), UNKNOWN) == unknown.text
    assert await world.buckets(theirs) == before


@pytest.mark.parametrize("prefix", PREFIXES, ids=["v1", "timp"])
async def test_lists_hold_nothing_of_others(crux: Crux, prefix: str) -> None:
    world = crux.world
    order = await world.order()
    for who in (world.other_retailer, world.other_supplier):
        for wanted in (
            {},
            {"term": str(order.id)},
            {"po_number": order.reference},
            {"org_uuids": [str(world.retailer), str(world.supplier)]},
        ):
            answer = await crux.call("POST", f"{prefix}/orders/", who, wanted)
            assert answer.status_code == 200
            assert all(str(order.id) != each["uuid"] for each in answer.json()["orders"])
