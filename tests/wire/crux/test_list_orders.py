"""POST /orders/ (list), GET /orders/<uuid>/ and GET /timp/orders/po/<number>/ (docs/crux.md)."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from countermand.domain.orders import PlaceOrder
from tests.support.world import START
from tests.wire.crux.calling import UNKNOWN, Crux, opened_crux

pytestmark = pytest.mark.anyio


@dataclass
class Shelf:
    """Orders in every state, by name; each was placed a minute after the one before."""

    crux: Crux
    orders: dict[str, PlaceOrder] = field(default_factory=dict)
    path: str = "/orders/"

    async def list(self, who: UUID | None = None, /, **body: Any) -> list[str]:
        """The names of the orders that the list shows, in its order."""
        answer = await self.crux.call("POST", self.path, who or self.crux.world.retailer, body)
        assert answer.status_code == 200, answer.text
        names = {str(order.id): name for name, order in self.orders.items()}
        return [names[order["uuid"]] for order in answer.json()["orders"]]

    async def add(self, name: str, *units: int, **more: Any) -> PlaceOrder:
        self.orders[name] = await self.crux.world.order(*units, **more)
        self.crux.world.clock.advance(minutes=1)
        return self.orders[name]


@pytest.fixture(scope="module")
async def filled(crux: Crux) -> Shelf:
    shelf = Shelf(crux)
    world = crux.world
    await shelf.add("new", 1, 1)
    for name, word in (
        ("allocated", {"accepted": 2, "backordered": 0, "rejected": 0}),
        ("partial", {"accepted": 1, "backordered": 0, "rejected": 0}),
        ("backordered", {"accepted": 0, "backordered": 2, "rejected": 0}),
        ("rejected", {"accepted": 0, "backordered": 0, "rejected": 2}),
    ):
        order = await shelf.add(name, 2)
        await crux.allocate(order, order.lines[0].id, **word)
    order = await shelf.add("shipped", 2, 1)
    await crux.ship(order, order.lines[0].id, 1)
    order = await shelf.add("cancelled", 1)
    await crux.cancelled(order.lines[0].id)
    await shelf.add("two suppliers", 1, 1, fulfillers=[world.supplier, world.other_supplier])
    await shelf.add("held", 1, held=True)
    return shelf


@pytest.fixture(params=["/orders/", "/timp/orders/"], ids=["v1", "timp"])
def shelf(request: pytest.FixtureRequest, filled: Shelf) -> Shelf:
    filled.path = request.param
    return filled


EVERYTHING = [
    "new",
    "allocated",
    "partial",
    "backordered",
    "rejected",
    "shipped",
    "cancelled",
    "two suppliers",
    "held",
]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({"line_item_allocation_statuses": ["Unallocated"]}, ["new", "shipped", "cancelled", "two suppliers", "held"]),
        ({"line_item_allocation_statuses": ["Partial"]}, ["partial"]),
        ({"line_item_allocation_statuses": ["Allocated"]}, ["allocated", "backordered", "rejected"]),
        ({"line_item_allocation_statuses": "Partial"}, ["partial"]),
        ({"line_item_allocation_statuses": ["Partial", "Allocated"]}, EVERYTHING[1:5]),
        ({"line_item_designation": "HasTracking"}, ["shipped"]),
        ({"line_item_designation": "NeedsTracking"}, ["allocated", "partial"]),
        ({"line_item_designation": ["Backordered"]}, ["backordered"]),
        ({"line_item_designation": ["Rejected", "Cancelled"]}, ["rejected", "cancelled"]),
        ({"line_item_status": ["unallocated"]}, ["new", "shipped", "two suppliers", "held"]),
        ({"line_item_status": ["allocated", "has_tracking"]}, ["allocated", "partial", "shipped"]),
        ({"line_item_statuses": ["HasTracking", "Cancelled"]}, ["shipped", "cancelled"]),
        ({"line_item_status": ["has_tracking", "unallocated"], "status_conjunction": "and"}, ["shipped"]),
        (
            {"line_item_status": ["unallocated"], "status_conjunction": "only"},
            ["new", "two suppliers", "held"],
        ),
        ({"line_item_statuses": ["Rejected"], "line_item_status_conjunction": "or"}, ["rejected"]),
        ({"line_item_status": ["no such word"]}, []),
        ({"line_item_allocation_statuses": ["no such word"]}, []),
        ({"sent_to_supplier": False}, ["held"]),
        ({"sent_to_supplier": "True"}, EVERYTHING[:-1]),
        ({"sent_to_supplier": ""}, EVERYTHING),
        ({"start_date": "2026-11-02T09:06:00.000Z"}, ["cancelled", "two suppliers", "held"]),
        ({"start_date": "2026-11-02 09:06:00"}, ["cancelled", "two suppliers", "held"]),
        ({"end_date": "2026-11-02 09:01:00"}, ["new", "allocated"]),
        ({"start_date": "2026-11-02T10:01:00+01:00", "end_date": "2026-11-02T09:02:00Z"}, ["allocated", "partial"]),
        ({"start_date": "", "end_date": ""}, EVERYTHING),
        ({"line_item_status": [], "line_item_designation": "", "line_item_allocation_statuses": [""]}, EVERYTHING),
        ({"line_item_status": "", "line_item_designation": None, "org_uuids": [], "term": ""}, EVERYTHING),
        ({"org_uuids": [UNKNOWN]}, []),
        ({"nonsense": 1}, EVERYTHING),
    ],
)
async def test_each_filter_finds_what_it_names(shelf: Shelf, wanted: dict[str, Any], names: list[str]) -> None:
    assert await shelf.list(**wanted) == names


async def test_an_organisation_finds_the_orders_it_has_a_part_in(shelf: Shelf) -> None:
    world = shelf.crux.world
    assert await shelf.list(org_uuids=[str(world.other_supplier)]) == ["two suppliers"]
    assert await shelf.list(org_uuids=[str(world.other_supplier), UNKNOWN]) == ["two suppliers"]
    assert await shelf.list(world.supplier, org_uuids=[str(world.retailer)]) == EVERYTHING[:-1]
    assert await shelf.list(world.supplier, org_uuids=[str(world.other_supplier)]) == []


async def test_a_purchase_order_number_finds_its_orders(shelf: Shelf) -> None:
    assert await shelf.list(po_number=shelf.orders["held"].reference) == ["held"]
    assert await shelf.list(po_number="no such number") == []


async def test_a_term_is_an_id_a_number_or_a_sku_in_v1(filled: Shelf) -> None:
    filled.path = "/orders/"
    order = filled.orders["rejected"]
    assert await filled.list(term=str(order.id)) == ["rejected"]
    assert await filled.list(search_term=order.reference) == ["rejected"]
    assert await filled.list(term="SKU-1") == ["new", "shipped", "two suppliers"]
    assert await filled.list(term="%") == []


async def test_a_term_is_a_word_of_the_article_in_timp(crux: Crux) -> None:
    party = crux.world.retailer
    order = {
        "skus": [{"sku_id": "boot", "quantity": 1, "supplier_id": str(crux.world.supplier)}],
        "address": dict.fromkeys(("name", "address1", "city", "state", "postal_code"), "x"),
        "po_number": "PO",
    }
    await crux.call("POST", "/timp/orders/create/", party, order)
    answer = await crux.call("POST", "/timp/orders/", party, {"term": "boot"})
    assert answer.json()["total_results"] == 0


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ({"start": 0, "limit": 2}, EVERYTHING[0:2]),
        ({"start": 4, "limit": 8}, EVERYTHING[4:8]),
        ({"start": "4", "limit": "8"}, EVERYTHING[4:8]),
        ({"start": 7}, EVERYTHING[7:]),
        ({"limit": 0}, []),
        ({"start": 5, "limit": 5}, []),
        ({"start": 5, "limit": 2}, []),
        ({"start": 100, "limit": 200}, []),
        ({"limit": 2**31 - 1}, EVERYTHING),
        ({"limit": None}, EVERYTHING),
    ],
)
async def test_limit_is_the_position_after_the_last_one(shelf: Shelf, page: dict[str, Any], names: list[str]) -> None:
    assert await shelf.list(end_date="2026-11-02 09:08:00", **page) == names


async def test_the_total_counts_before_the_page_is_cut(shelf: Shelf) -> None:
    wanted = {"start": 1, "limit": 3, "line_item_allocation_statuses": ["Allocated"]}
    answer = (await shelf.crux.call("POST", shelf.path, shelf.crux.world.retailer, wanted)).json()
    assert (answer["total_results"], len(answer["orders"])) == (3, 2)


@pytest.mark.parametrize(
    ("sort", "newest_first"),
    [
        (None, False),
        ({}, False),
        ({"key": "date", "dir": "asc"}, False),
        ({"key": "date", "dir": "ASC"}, False),
        ({"key": "date", "dir": "desc"}, True),
        ({"key": "date", "dir": "des"}, True),
        ({"key": "date"}, True),
        ({"key": "date", "value": "desc"}, True),
        ({"key": "date", "value": "asc"}, False),
        ({"key": "uuid", "dir": "des"}, False),
        ({"key": "status", "dir": "desc"}, False),
        ({"dir": "desc"}, False),
    ],
)
async def test_only_the_date_sorts_and_asc_ascends(shelf: Shelf, sort: Any, newest_first: bool) -> None:
    names = await shelf.list(sort=sort, end_date="2026-11-02 09:08:00")
    assert names == (EVERYTHING[::-1] if newest_first else EVERYTHING)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"start": -1}, "start"),
        ({"start": "x"}, "start"),
        ({"limit": 2**31}, "limit"),
        ({"limit": True}, "limit"),
        ({"start_date": "yesterday"}, "start_date"),
        ({"end_date": "0001-01-01"}, "end_date"),
        ({"end_date": "9999-12-31T23:59:59-12:00"}, "end_date"),
        ({"start_date": 10**20}, "start_date"),
        ({"org_uuids": ["x"]}, "org_uuids"),
        ({"org_uuids": "x"}, "org_uuids"),
        ({"org_uuids": [UNKNOWN] * 201}, "org_uuids"),
        ({"status_conjunction": "nor"}, "status_conjunction"),
        ({"sent_to_supplier": "maybe"}, "sent_to_supplier"),
        ({"sort": "date"}, "sort"),
        ({"term": {}}, "term"),
        ({"term": "x" * 256}, "term"),
    ],
)
async def test_a_filter_of_the_wrong_form_is_400_and_named(shelf: Shelf, body: Any, field: str) -> None:
    answer = await shelf.crux.call("POST", shelf.path, shelf.crux.world.retailer, body)
    assert (answer.status_code, list(answer.json())) == (400, [field])


@pytest.mark.parametrize("content", [None, b"", b"{}"])
async def test_no_body_lists_all(shelf: Shelf, content: bytes | None) -> None:
    answer = await shelf.crux.call("POST", shelf.path, shelf.crux.world.retailer, content=content)
    assert answer.json()["total_results"] >= len(EVERYTHING)


async def test_a_supplier_sees_its_own_lines_of_orders_it_was_told_of(shelf: Shelf) -> None:
    world = shelf.crux.world
    assert await shelf.list(world.supplier, end_date="2026-11-02 09:08:00") == EVERYTHING[:-1]
    assert await shelf.list(world.other_supplier) == ["two suppliers"]
    assert await shelf.list(world.other_retailer) == []
    answer = await shelf.crux.call("POST", shelf.path, world.other_supplier)
    [order] = answer.json()["orders"]
    assert [line["sku_id"] for line in order["line_items"]] == ["SKU-1"]


async def test_the_lists_orders_have_the_keys_of_the_generation(filled: Shelf) -> None:
    crux, retailer = filled.crux, filled.crux.world.retailer
    v1 = (await crux.call("POST", "/orders/", retailer, {"limit": 1})).json()["orders"][0]
    timp = (await crux.call("POST", "/timp/orders/", retailer, {"limit": 1})).json()["orders"][0]
    detail = (await crux.call("GET", f"/timp/orders/{timp['uuid']}/", retailer)).json()
    assert v1 == (await crux.call("GET", f"/orders/{v1['uuid']}/", retailer)).json()
    shared = {"uuid", "purchase_order_id", "is_allocated", "created_date", "fees", "retailer", "address"}
    assert v1.keys() == shared | {"requested_shipping", "status", "notes", "line_items"}
    own = {"order_uuid", "po_number", "retailer_provided_fees", "retailer", "is_allocated"}
    assert timp.keys() == shared | {"requested_shipping"} | (detail.keys() - own)
    assert timp["line_items"] == detail["line_items"]
    assert v1["line_items"][0].keys() == {
        "uuid",
        "status",
        "item_uuid",
        "item_name",
        "sku_uuid",
        "sku_id",
        "sku_name",
        "sku_title_variants",
        "line_item_special_instructions",
        "cost",
        "supplier_uuid",
        "supplier_name",
        "tracking_numbers",
        "allocation",
    }


async def test_what_happened_shows_in_each_generations_words(filled: Shelf) -> None:
    """docs/crux.md: v1 folds both words into one."""
    crux, retailer = filled.crux, filled.crux.world.retailer
    shown = {}
    for name, order in filled.orders.items():
        v1 = (await crux.call("GET", f"/orders/{order.id}/", retailer)).json()
        timp = (await crux.call("GET", f"/timp/orders/{order.id}/", retailer)).json()
        line, other = v1["line_items"][0], timp["line_items"][0]
        shown[name] = (v1["status"], line["status"], other["status"], other["line_item_designation"])
    assert shown == {
        "new": ("New", "Unallocated", "Unallocated", None),
        "allocated": ("Pending", "Allocated", "Allocated", "NeedsTracking"),
        "partial": ("Pending", "Allocated", "Partial", "NeedsTracking"),
        "backordered": ("Pending", "Backordered", "Allocated", "Backordered"),
        "rejected": ("Cancelled", "Rejected", "Allocated", "Rejected"),
        "shipped": ("Pending", "HasTracking", "Unallocated", "HasTracking"),
        "cancelled": ("Cancelled", "Cancelled", "Unallocated", "Cancelled"),
        "two suppliers": ("New", "Unallocated", "Unallocated", None),
        "held": ("New", "Unallocated", "Unallocated", None),
    }


async def test_an_allocated_line_anywhere_makes_the_order_allocated(filled: Shelf) -> None:
    crux = filled.crux
    order = await crux.world.order(1, 1)
    path = f"/orders/{order.id}/"
    assert (await crux.call("GET", path, crux.world.retailer)).json()["is_allocated"] is False
    await crux.allocate(order, order.lines[1].id, accepted=1, backordered=0, rejected=0)
    assert (await crux.call("GET", path, crux.world.retailer)).json()["is_allocated"] is True


@pytest.mark.parametrize("prefix", ["", "/timp"])
async def test_detail_of_what_is_not_ones_own_is_404(filled: Shelf, prefix: str) -> None:
    world = filled.crux.world
    order = filled.orders["new"].id
    for who, target in (
        (world.retailer, UNKNOWN),
        (world.retailer, "x"),
        (world.retailer, uuid4()),
        (world.other_retailer, order),
        (world.other_supplier, order),
        (world.supplier, filled.orders["held"].id),
        (world.retailer, filled.orders["new"].lines[0].id),
    ):
        answer = await filled.crux.call("GET", f"{prefix}/orders/{target}/", who)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_order")


async def test_by_number_answers_an_array_oldest_first_as_a_number_need_not_be_unique(filled: Shelf) -> None:
    crux, world = filled.crux, filled.crux.world
    first = filled.orders["new"]
    path = f"/timp/orders/po/{first.reference}/"
    [order] = (await crux.call("GET", path, world.retailer)).json()
    assert order == (await crux.call("GET", f"/timp/orders/{first.id}/", world.retailer)).json()
    assert (await crux.call("GET", path, world.other_retailer)).json() == []
    body = {
        "skus": [{"sku_id": "x", "quantity": 1, "supplier_id": str(world.supplier)}],
        "address": dict.fromkeys(("name", "address1", "city", "state", "postal_code"), "x"),
        "po_number": "twice & more",
    }
    ids = []
    for _ in range(2):
        ids.append((await crux.call("POST", "/timp/orders/create/", world.retailer, body)).json()["order_uuid"])
        world.clock.advance(seconds=1)
    found = (await crux.call("GET", "/timp/orders/po/twice%20%26%20more/", world.retailer)).json()
    assert [each["order_uuid"] for each in found] == ids


@pytest.mark.parametrize("number", ["unknown", "%00", "%ED%A0%80", "%FF", "x" * 4000])
async def test_an_unknown_number_finds_nothing_whatever_it_holds(crux: Crux, number: str) -> None:
    answer = await crux.call("GET", f"/timp/orders/po/{number}/", crux.world.retailer)
    assert (answer.status_code, answer.json()) == (200, [])


async def test_limit_can_count_orders_instead_by_setting(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/test.sqlite3"
    async with opened_crux(url, crux_limit_is_page_size=True) as crux:
        for _ in range(4):
            await crux.world.order()
            crux.world.clock.advance(seconds=1)
        answer = (await crux.call("POST", "/orders/", crux.world.retailer, {"start": 2, "limit": 1})).json()
        assert answer["total_results"] == 4
        assert [each["created_date"] for each in answer["orders"]] == [_shown(seconds=2)]


async def test_a_page_has_at_most_200_orders(tmp_path: Any) -> None:
    async with opened_crux(f"sqlite:///{tmp_path}/test.sqlite3") as crux:
        for _ in range(201):
            await crux.world.order()
        for body in ({}, {"limit": 1000}):
            answer = (await crux.call("POST", "/orders/", crux.world.retailer, body)).json()
            assert (answer["total_results"], len(answer["orders"])) == (201, 200)


def _shown(**after: float) -> str:
    return (START + timedelta(**after)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
