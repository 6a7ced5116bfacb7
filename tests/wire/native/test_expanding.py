"""``expand``: what the objects of a page show inside them, to whom, and at what cost, on both databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, event

from countermand.admin.callers import PLATFORM
from countermand.documents import expanded
from countermand.domain.parties import PartyKind
from countermand.reads import expansions
from countermand.reads.cancellations import CancellationFilter, list_cancellations
from countermand.reads.line_lists import LineQuery, list_lines
from countermand.reads.order_lists import OrderFilter
from countermand.reads.order_summaries import OrderQuery, list_order_summaries
from countermand.reads.refunds import RefundFilter, list_refunds
from countermand.reads.scope import Scope
from tests.wire.native.calling import PATH, Native, places

pytestmark = pytest.mark.anyio

NAMES = {
    "orders": ("lines", "shipments", "cancellations"),
    "lines": ("order", "cancellations"),
    "cancellations": ("line", "order", "refunds"),
    "refunds": ("cancellation", "order"),
    "notices": ("attempts",),
}


async def got(native: Native, path: str, who: Any = None) -> Any:
    answer = await native.call("GET", f"/v1/{path}", who or native.retailer)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def placed(native: Native, *units: int, **more: Any) -> dict[str, Any]:
    """A paid order of the retailer with goods of a supplier."""
    lines = [
        {"sku": f"boot-{place}", "units": each, "supplier": "supplier", "unit_price": "10.00"}
        for place, each in enumerate(units)
    ]
    paid = [{"id": "card", "provider": "manual", "reference": str(uuid4()), "captured": f"{sum(units) * 10}.00"}]
    body = {"retailer": str(native.retailer), "reference": f"PO-{uuid4()}", "lines": lines, "payments": paid, **more}
    answer = await native.call("POST", "/v1/orders", native.retailer, body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def told(native: Native) -> dict[str, Any]:
    """An order of two lines: one is shipped in a parcel, one cancelled by its supplier's answer and paid back."""
    order = await placed(native, 1, 2)
    shipped, asked = (each["id"] for each in order["lines"])
    parcel = {"order": order["id"], "lines": [{"line": shipped}], "tracking_number": f"3S{uuid4().hex}"}
    assert (await native.call("POST", "/v1/shipments", native.world.supplier, parcel)).status_code == 201
    (ask,) = await native.asked({"line": asked, "units": 1}, asker="retailer")
    accepted = await native.call("POST", f"{PATH}/{ask['id']}/accept", native.world.supplier, {})
    assert accepted.status_code == 200, accepted.text
    refund = (await got(native, f"refunds?order={order['id']}"))["refunds"][0]
    return {"order": order["id"], "line": asked, "cancellation": ask["id"], "refund": refund["id"]}


@pytest.mark.parametrize("noun", NAMES)
async def test_a_name_that_is_unknown_or_two_levels_deep_is_refused_with_those_there_are(
    sqlite_native: Native, noun: str
) -> None:
    for name in ("retailer", "order.lines", "", "LINES"):
        for path in (noun, f"{noun}/{uuid4()}"):
            answer = await sqlite_native.call("GET", f"/v1/{path}?expand={name}", sqlite_native.retailer)
            assert (answer.status_code, answer.json()["code"], places(answer)) == (
                422,
                "invalid",
                [["query", "expand"]],
            )
            detail = answer.json()["errors"][0]["detail"]
            assert all(f"'{each}'" in detail for each in NAMES[noun]), detail


async def test_at_most_five_names_are_taken(sqlite_native: Native) -> None:
    for count, status in ((5, 200), (6, 422)):
        names = "&".join(["expand=order"] * count)
        answer = await sqlite_native.call("GET", f"/v1/lines?{names}", sqlite_native.retailer)
        assert answer.status_code == status, answer.text


async def test_what_is_expanded_is_what_its_own_call_shows(native: Native) -> None:
    ids = await told(native)
    order = await got(native, f"orders/{ids['order']}?expand=shipments&expand=cancellations")
    plain = await got(native, f"orders/{ids['order']}")
    assert {**plain, "shipments": order["shipments"], "cancellations": order["cancellations"]} == order
    assert order["shipments"] == (await got(native, f"shipments?order={ids['order']}"))["shipments"]
    assert order["cancellations"] == await native.listed(f"?order={ids['order']}")
    cancellation = await got(native, f"cancellations/{ids['cancellation']}")
    line, bare = await got(native, f"lines/{ids['line']}"), {**plain, "lines": None}
    seen = await got(native, f"cancellations/{ids['cancellation']}?expand=line&expand=order&expand=refunds")
    refunds = (await got(native, f"refunds?cancellation={ids['cancellation']}"))["refunds"]
    assert seen == {**cancellation, "refunds": refunds, "expanded": {"line": line, "order": bare}}
    assert len(refunds) == 1
    seen = await got(native, f"lines/{ids['line']}?expand=order&expand=cancellations")
    assert seen == {**line, "cancellations": [cancellation], "expanded": {"order": bare}}
    refund = await got(native, f"refunds/{ids['refund']}")
    seen = await got(native, f"refunds/{ids['refund']}?expand=cancellation&expand=order")
    assert seen == {**refund, "expanded": {"cancellation": cancellation, "order": bare}}
    only = await got(native, f"refunds/{ids['refund']}?expand=order")
    assert only["expanded"] == {"cancellation": None, "order": bare}


async def test_a_list_shows_the_same_inside_as_a_single_object(native: Native) -> None:
    ids = await told(native)
    for noun, names in NAMES.items():
        if noun == "notices":
            continue
        expand = "&".join(f"expand={name}" for name in names)
        one = ids[noun[:-1]]
        single = await got(native, f"{noun}/{one}?{expand}")
        listed = (await got(native, f"{noun}?{expand}"))[noun]
        assert [each for each in listed if each["id"] == one] == [single], noun


async def test_each_party_sees_inside_what_it_may_see(native: Native) -> None:
    ids = await told(native)
    supplier = native.world.supplier
    answer = await native.call("GET", f"/v1/cancellations/{ids['cancellation']}?expand=refunds", supplier)
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_party")
    answer = await native.call("GET", "/v1/cancellations?expand=refunds", supplier)
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_party")
    seen = await got(native, f"cancellations/{ids['cancellation']}?expand=line&expand=order", supplier)
    assert (seen["expanded"]["line"]["unit_price"], seen["expanded"]["order"]["total"]) == (None, None)
    assert seen["expanded"]["order"]["line_count"] == 2
    mine = await got(native, f"cancellations/{ids['cancellation']}?expand=line")
    assert mine["expanded"]["line"]["unit_price"] == "10.00"
    # Of an order that two suppliers share, each sees its own lines, parcels and cancellations.
    shared = await placed(native, 1, 1)
    line = shared["lines"][0]["id"]
    await native.asked(line, asker="retailer")
    moved = await native.call(
        "POST",
        f"/v1/lines/{line}/reassign",
        native.retailer,
        {"fulfiller": str(native.world.other_supplier), "note": "fire"},
        headers={"If-Match": "*"},
    )
    assert moved.status_code == 200, moved.text
    names = "expand=lines&expand=cancellations&expand=shipments"
    (order,) = (await got(native, f"orders?reference={shared['reference']}&{names}", native.world.other_supplier))[
        "orders"
    ]
    assert [each["id"] for each in order["lines"]] == [line]
    (former,) = (await got(native, f"orders?reference={shared['reference']}&{names}", supplier))["orders"]
    assert [each["id"] for each in former["lines"]] == [shared["lines"][1]["id"]]
    # It may still read the ask of its time, and sees no more of a line that is another's now.
    (ask,) = former["cancellations"]
    seen = await got(native, f"cancellations/{ask['id']}?expand=line&expand=order", supplier)
    assert (seen["expanded"]["line"], seen["expanded"]["order"]["id"]) == (None, shared["id"])


async def test_an_etag_changes_with_what_is_shown_inside(native: Native) -> None:
    ids = await told(native)
    path = f"/v1/lines/{ids['line']}"
    plain = (await native.call("GET", path, native.retailer)).headers["etag"]
    tags = []
    for _ in range(2):
        answer = await native.call("GET", f"{path}?expand=order", native.retailer)
        tags.append(answer.headers["etag"])
        known = {"If-None-Match": tags[0]}
        again = await native.call("GET", f"{path}?expand=order", native.retailer, headers=known)
        assert again.status_code == (304 if tags[-1] == tags[0] else 200)
        erased = await native.call("POST", f"/v1/orders/{ids['order']}/erase", native.retailer, {"note": "asked for"})
        assert erased.status_code == 200, erased.text
    assert len({plain, *tags}) == 3
    assert (await native.call("GET", path, native.retailer)).headers["etag"] == plain
    # What is inside is no part of the line that is edited.
    body = {"fulfiller": "supplier", "note": "as it is"}
    same = await native.call("POST", f"{path}/reassign", native.retailer, body, headers={"If-Match": tags[0]})
    assert same.status_code == 200, same.text
    other = {"If-Match": f'"0123456789abcdef{tags[0][17:]}'}
    answer = await native.call("POST", f"{path}/reassign", native.retailer, body, headers=other)
    assert (answer.status_code, answer.json()["code"]) == (412, "etag_mismatch")
    cancellation = f"/v1/cancellations/{ids['cancellation']}?expand=line"
    first = (await native.call("GET", cancellation, native.retailer)).headers["etag"]
    known = {"If-None-Match": first}
    assert (await native.call("GET", cancellation, native.retailer, headers=known)).status_code == 304


async def test_of_each_object_the_first_of_its_list_are_shown(native: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansions, "INNER_MAX", 2)
    monkeypatch.setattr(expansions, "LINES_MAX", 2)
    order = await placed(native, 9, 1, 1)
    line = order["lines"][0]["id"]
    for units in (1, 2, 3):
        await native.asked({"line": line, "units": units}, asker="retailer")
    asks = await native.listed(f"?order={order['id']}")
    seen = await got(native, f"orders/{order['id']}?expand=cancellations")
    assert [each["id"] for each in seen["cancellations"]] == [each["id"] for each in asks[:2]]
    assert [each["id"] for each in seen["lines"]] == [each["id"] for each in order["lines"][:2]]
    seen = await got(native, f"lines/{line}?expand=cancellations")
    assert [each["id"] for each in seen["cancellations"]] == [each["id"] for each in asks[:2]]


async def test_a_page_with_too_much_inside_is_refused_and_says_what_helps(
    native: Native, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expansions, "TOGETHER_MAX", 2)
    for _ in range(2):
        await placed(native, 1, 1)
    answer = await native.call("GET", "/v1/orders?expand=lines", native.retailer)
    assert (answer.status_code, answer.json()["code"]) == (422, "too_broad")
    assert answer.json()["detail"].endswith("Ask for fewer, with limit.")
    assert len((await got(native, "orders?expand=lines&limit=1"))["orders"]) == 1


@contextmanager
def counted(connection: Connection) -> Iterator[list[str]]:
    """The statements that are sent meanwhile."""
    sent: list[str] = []

    def keep(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent.append(statement)

    engine: Engine = connection.engine
    event.listen(engine, "before_cursor_execute", keep)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", keep)


async def test_a_page_of_any_length_takes_the_same_number_of_statements(native: Native) -> None:
    for _ in range(3):
        await told(native)
    scope = Scope(party=native.retailer, kind=PartyKind.RETAILER)
    everything = OrderFilter()

    def statements(connection: Connection, limit: int) -> dict[str, int]:
        pages: dict[str, Any] = {
            "orders": list_order_summaries(connection, scope, OrderQuery(filter=everything, limit=limit)),
            "lines": list_lines(connection, scope, LineQuery(limit=limit)),
            "cancellations": list_cancellations(connection, scope, CancellationFilter(limit=limit)),
            "refunds": list_refunds(connection, scope, RefundFilter(limit=limit)),
        }
        shown: dict[str, Any] = {
            "orders": expanded.expanded_orders,
            "lines": expanded.expanded_lines,
            "cancellations": expanded.expanded_cancellations,
            "refunds": expanded.expanded_refunds,
        }
        found = {}
        for noun, rows in pages.items():
            assert len(rows) == limit, noun
            with counted(connection) as sent:
                shown[noun](connection, scope, rows, NAMES[noun])
            found[noun] = len(sent)
        return found

    read = native.world.application.database.read
    one, three = [await read(partial(statements, limit=limit)) for limit in (1, 3)]
    assert one == three == {"orders": 4, "lines": 3, "cancellations": 4, "refunds": 3}


async def test_a_cancellation_names_the_policy_that_holds_for_it(native: Native) -> None:
    platform = await native.token(PLATFORM)
    line = await native.line(9)
    (before,) = await native.asked({"line": str(line), "units": 1}, asker="retailer")
    assert before["policy"] is None
    versions: list[str] = []
    expected: dict[str, str | None] = {before["id"]: None}
    for supplier, hours in ((None, "24h"), ("supplier", "48h")):
        body = {"retailer": str(native.retailer), "based_on": len(versions), "answer_within": hours}
        if supplier:
            body["supplier"] = supplier
        made = await native.call("POST", "/v1/policies", platform, body)
        assert made.status_code == 201, made.text
        versions.append(made.json()["id"])
        (asked,) = await native.asked({"line": str(line), "units": 1 + len(versions)}, asker="retailer")
        assert asked["policy"] == versions[-1]
        expected[asked["id"]] = versions[-1]
        assert (await native.call("GET", f"/v1/policies/{asked['policy']}", native.world.supplier)).status_code == 200
    shown = {each["id"]: each["policy"] for each in await native.listed(f"?line={line}")}
    assert shown == expected
    assert (await got(native, f"cancellations/{before['id']}"))["policy"] is None
