"""POST /v1/cancellations and its two readings: what a shop asks, who may, and what it is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermand.admin.callers import PLATFORM
from countermand.domain.commands import AcceptCancellation, DeclineCancellation, Parcel, Ship, ShipOrder
from countermand.domain.reasons import AskReason, CancelReason, DeclineReason
from countermand.wire.native.operations import OPERATIONS
from tests.support.effort import examples
from tests.wire.native.calling import PATH, Native, new_retailer, opened_native, places

pytestmark = pytest.mark.anyio


async def test_an_ask_is_accepted_for_an_answer(native: Native) -> None:
    order = await native.order(3)
    line = order.lines[0].id
    (made,) = await native.asked(
        {"line": str(line), "units": 2}, asker="customer", reason="ordered_twice", note="Zwei zu viel 🥾"
    )
    assert UUID(made.pop("id").removeprefix("can_")).version == 7
    assert datetime.fromisoformat(made.pop("asked_at")) == native.world.clock()
    assert datetime.fromisoformat(made.pop("due_at")) == native.world.clock() + timedelta(hours=48)
    assert made == {
        "line": str(line),
        "order": str(order.id),
        "sku": "SKU-0",
        "units": 2,
        "of_units": 3,
        "state": "asked",
        "asker": "customer",
        "awaiting": str(native.retailer),
        "reason": "ordered_twice",
        "note": "Zwei zu viel 🥾",
        "accepted_units": 0,
        "answered_at": None,
        "answered_by": None,
        "decline_reason": None,
        "answer_note": "",
        "by_policy": False,
        "unasked": False,
        "agreed": False,
        "reference": order.reference,
        "number": (await native.world.line(line)).number,
        "retailer": {"id": str(native.retailer), "name": await native.world.name(native.retailer)},
        "fulfiller": {"id": str(native.world.supplier), "name": "supplier"},
        "escalated": False,
        "step": 1,
        "policy": None,
        "waiting_units": 2,
        "repeated": False,
        "can": ["accept", "decline", "withdraw", "note"],
    }
    assert await native.world.buckets(line) == (1, 2, 0, 0)


async def test_the_retailers_own_wish_goes_to_the_supplier(native: Native) -> None:
    (made,) = await native.asked(await native.line(2), asker="retailer")
    assert (made["state"], made["asker"], made["awaiting"]) == ("asked", "retailer", str(native.world.supplier))


async def test_the_retailers_own_wish_on_its_own_goods_answers_itself_and_counts(native: Native) -> None:
    (made,) = await native.asked(await native.line(2, by=native.retailer), asker="retailer", reason="out_of_stock")
    assert (made["state"], made["asker"], made["accepted_units"], made["unasked"]) == ("accepted", "nobody", 2, True)


@pytest.mark.parametrize("reason", get_args(AskReason))
async def test_every_reason_has_its_name(sqlite_native: Native, reason: CancelReason) -> None:
    (made,) = await sqlite_native.asked(await sqlite_native.line(), reason=reason.value)
    assert made["reason"] == reason.value


async def test_the_same_ask_again_is_the_same_ask(native: Native) -> None:
    line = await native.line(3)
    (first,) = await native.asked({"line": str(line), "units": 1})
    assert await native.asked({"line": str(line), "units": 1}) == [first | {"repeated": True}]
    assert await native.world.buckets(line) == (2, 1, 0, 0)
    (shown,) = await native.listed(f"?line={line}")
    assert shown == first, "what is read repeats nothing"


@pytest.mark.parametrize(
    "more", [{"units": 2}, {"asker": "retailer"}, {"note": "another"}, {"reason": "ordered_twice"}, {"key": "k"}]
)
async def test_without_a_key_an_ask_that_differs_is_a_further_ask(native: Native, more: dict[str, Any]) -> None:
    line = await native.line(5)
    (first,) = await native.asked({"line": str(line), "units": 1}, note="one")
    wish = {"line": str(line), "units": more.get("units", 1)}
    (second,) = await native.asked(wish, **{"note": "one", **{k: v for k, v in more.items() if k != "units"}})
    assert second["id"] != first["id"]
    assert second["repeated"] is False
    assert await native.world.buckets(line) == (4 - wish["units"], 1 + wish["units"], 0, 0)


async def test_equal_asks_under_keys_of_their_own_are_separate(native: Native) -> None:
    line = await native.line(5)
    made = [
        (await native.asked({"line": str(line), "units": units}, key=key))[0]
        for units, key in ((2, "A"), (2, "B"), (1, "C"))
    ]
    assert [each["units"] for each in made] == [2, 2, 1]
    assert len({each["id"] for each in made}) == 3
    assert not any(each["repeated"] for each in made)
    assert await native.world.buckets(line) == (0, 5, 0, 0)
    assert (await native.asked({"line": str(line), "units": 2}, key="B"))[0]["id"] == made[1]["id"]
    assert await native.refused({"line": str(line), "units": 2}, key="D") == (409, "already_asked")
    assert await native.refused(line, key="E") == (409, "already_asked")


async def test_a_key_of_the_platform_is_not_the_retailers(native: Native) -> None:
    line, platform = await native.line(5), await native.token(PLATFORM)
    (mine,) = await native.asked({"line": str(line), "units": 2}, key="k")
    (theirs,) = await native.asked({"line": str(line), "units": 2}, key="k", who=platform)
    assert mine["id"] != theirs["id"]
    assert await native.world.buckets(line) == (1, 4, 0, 0)


async def test_of_twenty_asks_with_twenty_keys_as_many_are_taken_as_there_are_units(native: Native) -> None:
    line = await native.line(5)
    wish = {"line": str(line), "units": 1}
    responses = await asyncio.gather(*(native.ask(wish, key=f"key-{place}") for place in range(20)))
    taken = [each.json()["cancellations"][0]["id"] for each in responses if each.status_code == 202]
    assert len(set(taken)) == len(taken) == 5
    assert [each.json()["code"] for each in responses if each.status_code != 202] == ["already_asked"] * 15
    assert await native.world.buckets(line) == (0, 5, 0, 0)


async def test_of_a_call_about_several_lines_each_says_whether_it_is_repeated(native: Native) -> None:
    first, second = (line.id for line in (await native.order(3, 3)).lines)
    await native.asked({"line": str(first), "units": 1})
    both = await native.asked({"line": str(first), "units": 1}, {"line": str(second), "units": 1}, key="k")
    assert [each["repeated"] for each in both] == [False, False], "a key makes it another ask"
    both = await native.asked({"line": str(first), "units": 1}, {"line": str(second), "units": 2})
    assert [each["repeated"] for each in both] == [True, False]


async def test_a_repeat_answers_with_its_own_cancellation_only(native: Native) -> None:
    line = await native.line(3)
    named = {"line": str(line), "units": 1}
    by_retailer = await native.asked(named, asker="retailer")
    by_customer = await native.asked(named, asker="customer")
    assert [each["asker"] for each in by_customer] == ["customer"]
    assert [each["id"] for each in await native.asked(named, asker="customer")] == [by_customer[0]["id"]]
    assert [each["id"] for each in await native.asked(named, asker="retailer")] == [by_retailer[0]["id"]]
    assert await native.asked(line, asker="retailer") != by_retailer, "one unit was open"
    assert len(await native.listed(f"?line={line}")) == 3
    assert {each["asker"] for each in await native.asked(line, asker="customer")} == {"customer"}


# Several lines


async def test_lines_of_one_order_are_asked_together(native: Native) -> None:
    order = await native.order(2, 3, 1)
    first, second, third = (line.id for line in order.lines)
    made = await native.asked({"line": str(second), "units": 2}, first)
    assert [(each["line"], each["units"]) for each in made] == [(str(second), 2), (str(first), 2)]
    assert await native.world.buckets(third) == (1, 0, 0, 0)


async def test_it_is_all_or_nothing(native: Native) -> None:
    order = await native.order(2, 3)
    first, second = (line.id for line in order.lines)
    elsewhere = await native.line()
    stranger = await new_retailer(native.world, native.http)
    foreign = await stranger.line()
    for wrong, refusal in (
        ({"line": str(second), "units": 4}, (409, "too_many_units")),
        (str(uuid4()), (404, "unknown_line")),
        (elsewhere, (404, "unknown_line")),
        (foreign, (404, "unknown_line")),
    ):
        assert await native.refused(first, wrong) == refusal
        assert await native.refused(wrong, first) == refusal
    assert [await native.world.buckets(line) for line in (first, second)] == [(2, 0, 0, 0), (3, 0, 0, 0)]
    assert await native.listed() == []
    assert len(await native.world.events(order.id)) == 2


async def test_a_line_named_twice_could_mean_two_things(native: Native) -> None:
    line = await native.line(4)
    twice = {"line": str(line), "units": 1}
    response = await native.ask(twice, {"line": line.hex.upper(), "units": 2})
    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert response.json()["errors"][0]["detail"] == "a line is named more than once"
    assert await native.world.buckets(line) == (4, 0, 0, 0)


async def test_an_order_of_a_thousand_lines_is_the_most(native: Native) -> None:
    order = await native.order(*[1] * 1000)
    lines = [line.id for line in order.lines]
    assert await native.refused(*lines, uuid4()) == (422, "invalid")
    assert len(await native.asked(*lines)) == 1000


# Refusals


async def test_each_refusal_has_its_name(native: Native) -> None:
    supplier = native.world.actor(native.world.supplier)
    assert await native.refused(str(uuid4())) == (404, "unknown_line")
    order = await native.order(2)
    line = order.lines[0].id
    assert await native.refused({"line": str(line), "units": 3}) == (409, "too_many_units")
    (standing,) = await native.asked(line, asker="retailer")
    response = await native.ask({"line": str(line), "units": 1}, asker="retailer")
    assert (response.status_code, response.json()["code"]) == (409, "already_asked")
    assert response.json()["cancellation"] == standing["id"]
    await native.do(AcceptCancellation(line=line, actor=supplier))
    assert await native.refused(line) == (409, "already_cancelled")
    order = await native.order(2)
    line = order.lines[0].id
    parcel = Parcel(id=uuid4())
    await native.do(ShipOrder(order=order.id, actor=supplier, lines=(Ship(line=line, actor=supplier),), parcel=parcel))
    assert await native.refused(line) == (409, "already_shipped")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, ["body"]),
        ({"lines": []}, ["body", "lines"]),
        ({"lines": [{}]}, ["body", "lines", 0, "line"]),
        ({"lines": [{"line": "x"}]}, ["body", "lines", 0, "line"]),
        ({"lines": [{"line": str(UUID(int=1)), "units": 0}]}, ["body", "lines", 0, "units"]),
        ({"lines": [{"line": str(UUID(int=1)), "units": -1}]}, ["body", "lines", 0, "units"]),
        ({"lines": [{"line": str(UUID(int=1)), "units": 1_000_001}]}, ["body", "lines", 0, "units"]),
        ({"lines": [{"line": str(UUID(int=1)), "units": True}]}, ["body", "lines", 0, "units"]),
        ({"lines": [{"line": str(UUID(int=1)), "units": "1"}]}, ["body", "lines", 0, "units"]),
        ({"lines": [{"line": str(UUID(int=1)), "units": 1.5}]}, ["body", "lines", 0, "units"]),
        ({"lines": [{"line": str(UUID(int=1)), "unit": 1}]}, ["body", "lines", 0, "unit"]),
        ({"lines": [{"line": str(UUID(int=1))}], "asker": "supplier"}, ["body", "asker"]),
        ({"lines": [{"line": str(UUID(int=1))}], "reason": "OUT_OF_STOCK"}, ["body", "reason"]),
        ({"lines": [{"line": str(UUID(int=1))}], "note": "x" * 1001}, ["body", "note"]),
        ({"lines": [{"line": str(UUID(int=1))}], "note": "nul \0"}, ["body", "note"]),
        ({"lines": [{"line": str(UUID(int=1))}], "nota": "x"}, ["body", "nota"]),
        ([], ["body"]),
        (None, ["body"]),
    ],
)
async def test_what_is_wrong_with_a_body_is_told_by_place(sqlite_native: Native, body: Any, where: list[Any]) -> None:
    response = await sqlite_native.call("POST", PATH, sqlite_native.retailer, body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert places(response) == [where]


async def test_nobody_is_no_asker(sqlite_native: Native) -> None:
    assert await sqlite_native.refused(await sqlite_native.line(), asker="nobody") == (422, "invalid")
    described = (await sqlite_native.http.get("/openapi.json")).json()["components"]["schemas"]["CancellationIn"]
    assert described["properties"]["asker"]["enum"] == ["customer", "retailer", "platform"]


@pytest.mark.parametrize("content", [b" ", b"\r\n", b"\t\n "])
async def test_blanks_are_no_body_even_where_none_is_needed(sqlite_native: Native, content: bytes) -> None:
    (made,) = await sqlite_native.asked(await sqlite_native.line(), asker="retailer")
    path = f"{PATH}/{made['id']}/withdraw"
    blank = await sqlite_native.call("POST", path, sqlite_native.retailer, content=content)
    assert (blank.status_code, blank.json()["code"]) == (400, "malformed")
    assert (await sqlite_native.call("POST", path, sqlite_native.retailer, content=b"")).status_code == 200


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"nonsense", b'{"lines": ' + b"9" * 5000 + b"}"])
async def test_what_is_no_json_is_malformed(sqlite_native: Native, content: bytes) -> None:
    response = await sqlite_native.call("POST", PATH, sqlite_native.retailer, content=content)
    assert (response.status_code, response.json()["code"]) in ((400, "malformed"), (422, "invalid"))
    assert response.status_code == (422 if not content else 400)


async def test_half_a_surrogate_pair_anywhere_is_no_error_of_ours(sqlite_native: Native) -> None:
    for content in (
        b'{"lines": [], "\\ud800": 1}',
        b'{"lines": [{"line": "\\ud800"}]}',
        b'{"lines": [{"line": "01a19b7c-a680-704c-ba9e-2126ec73631e"}], "note": "\\udfff"}',
        b'{"lines": [{"line": "01a19b7c-a680-704c-ba9e-2126ec73631e"}], "asker": "\\udfff"}',
    ):
        response = await sqlite_native.call("POST", PATH, sqlite_native.retailer, content=content)
        assert response.status_code == 422, response.text


async def test_a_body_has_limits(sqlite_native: Native) -> None:
    deep = b'{"lines": ' + b"[" * 70 + b"]" * 70 + b"}"
    response = await sqlite_native.call("POST", PATH, sqlite_native.retailer, content=deep)
    assert (response.status_code, response.json()["code"]) == (400, "malformed")
    response = await sqlite_native.call("POST", PATH, sqlite_native.retailer, content=b" " * (256 * 1024 + 1))
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


async def test_a_body_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with opened_native(f"sqlite:///{tmp_path}/x.sqlite3", body_timeout_s=0.01) as native:
        response = await native.call("POST", PATH, native.retailer, content=stuck())
        assert (response.status_code, response.json()["code"]) == (408, "too_slow")


# Who may


async def test_a_token_is_needed(native: Native) -> None:
    body = {"lines": [{"line": str(await native.line())}]}
    for who in (None, "", "nonsense", "cmt_" + "x" * 50):
        for call in (("POST", PATH, who, body), ("GET", PATH, who), ("GET", f"{PATH}/{uuid4()}", who)):
            response = await native.call(*call)
            assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")
    token = native.world.tokens[native.retailer]
    response = await native.call("GET", PATH, None, headers={"Authorization": f"Token {token}"})
    assert response.status_code == 401, "CRUX's scheme is CRUX's"


async def test_a_token_may_only_what_it_is_permitted(native: Native) -> None:
    viewer = await native.token(native.retailer, permissions=["view_order"])
    canceller = await native.token(native.retailer, permissions=["cancel_order"])
    line = await native.line()
    assert await native.refused(line, who=viewer) == (403, "forbidden")
    assert (await native.call("GET", PATH, canceller)).status_code == 403
    assert len(await native.asked(line, who=canceller)) == 1
    assert len(await native.listed(who=viewer)) == 1


async def test_a_token_ends(native: Native) -> None:
    token = await native.token(native.retailer, expires_at=native.world.clock() + timedelta(minutes=1))
    assert await native.listed(who=token) == []
    native.world.clock.advance(minutes=1)
    assert (await native.call("GET", PATH, token)).status_code == 401


@pytest.mark.parametrize("asker", ["customer", "retailer"])
async def test_only_the_seller_asks(native: Native, asker: str) -> None:
    world = native.world
    line = await native.line()
    stranger = await new_retailer(world, native.http)
    for who in (world.supplier, world.other_supplier):
        assert await native.refused(line, who=who, asker=asker) == (403, "wrong_party")
    assert await native.refused(line, who=stranger.retailer, asker=asker) == (404, "unknown_line")
    answers = {(await native.ask(each, who=stranger.retailer)).content for each in (line, uuid4())}
    assert len(answers) == 1, "a stranger's line looks like no line"
    platform = await native.token(UUID(int=1))
    (made,) = await native.asked(line, who=platform, asker=asker)
    assert made["asker"] == asker


async def test_who_sees_which_cancellation(native: Native) -> None:
    world = native.world
    stranger = await new_retailer(world, native.http)
    platform = await native.token(UUID(int=1))
    mine = (await native.asked(await native.line()))[0]
    own = (await native.asked(await native.line(by=native.retailer)))[0]
    (unseen,) = await native.asked((await native.order(1, held=True)).lines[0].id)
    sees: dict[str, set[UUID | str]] = {
        mine["id"]: {native.retailer, world.supplier, platform},
        own["id"]: {native.retailer, platform},
        unseen["id"]: {native.retailer, platform},
    }
    everybody = (native.retailer, world.supplier, world.other_supplier, stranger.retailer, platform)
    for cancellation, seen_by in sees.items():
        line = next(each["line"] for each in (mine, own, unseen) if each["id"] == cancellation)
        for who in everybody:
            one = await native.call("GET", f"{PATH}/{cancellation}", who)
            listed = await native.listed(f"?line={line}", who)
            if who in seen_by:
                assert one.status_code == 200
                assert listed == [one.json()]
            else:
                assert (one.status_code, one.json()["code"]) == (404, "unknown_cancellation")
                assert listed == []


@pytest.mark.parametrize(
    "named", ["x", "can_", "can_x", "%20", "1" * 33, str(UUID(int=0)), "%00", "%ff", "can_%F0%9F%A5%BE"]
)
async def test_an_id_that_is_none_is_an_unknown_one(sqlite_native: Native, named: str) -> None:
    response = await sqlite_native.call("GET", f"{PATH}/{named}", sqlite_native.retailer)
    assert (response.status_code, response.json()["code"]) == (404, "unknown_cancellation")


# The list


async def test_the_list_is_newest_first_in_pages(native: Native) -> None:
    made = []
    for _ in range(5):
        native.world.clock.advance(seconds=1)
        made.append((await native.asked(await native.line()))[0]["id"])
    made.reverse()
    assert [each["id"] for each in await native.listed()] == made
    seen: list[str] = []
    path: str | None = "?limit=2"
    while path is not None:
        page = (await native.call("GET", PATH + path, native.retailer)).json()
        seen += [each["id"] for each in page["cancellations"]]
        path = f"?limit=2&after={page['next']}" if page["next"] else None
    assert seen == made


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 199, 200])
async def test_no_empty_page_is_offered(native: Native, limit: int) -> None:
    for _ in range(4):
        await native.asked(await native.line())
    query, sizes = f"?limit={limit}", []
    while query:
        found = (await native.call("GET", PATH + query, native.retailer)).json()
        sizes.append(len(found["cancellations"]))
        query = f"?limit={limit}&after={found['next']}" if found["next"] else ""
    assert sizes == [min(limit, 4)] * (4 // min(limit, 4)) + [4 % min(limit, 4)] * (4 % min(limit, 4) > 0)


async def test_the_list_is_filtered(native: Native) -> None:
    world = native.world
    lines = [await native.line() for _ in range(4)]
    for line in lines:
        await native.asked(line, asker="retailer")
    (customers,) = await native.asked(await native.line(), asker="customer")
    supplier = world.actor(world.supplier)
    await native.do(AcceptCancellation(line=lines[0], actor=supplier))
    await native.do(DeclineCancellation(line=lines[1], actor=supplier, reason=DeclineReason.IN_PACKING))
    by_state = {state: await native.listed(f"?state={state}") for state in ("asked", "accepted", "declined")}
    assert [len(found) for found in by_state.values()] == [3, 1, 1]
    assert by_state["declined"][0]["decline_reason"] == "in_packing"
    assert [each["id"] for each in await native.listed("?awaiting_me=true")] == [customers["id"]]
    waiting = {each["line"] for each in await native.listed("?awaiting_me=1&limit=200", world.supplier)}
    assert {str(line) for line in lines[2:]} <= waiting
    assert not {str(line) for line in lines[:2]} & waiting
    assert [each["id"] for each in await native.listed(f"?order={customers['order']}")] == [customers["id"]]
    assert await native.listed(f"?order={uuid4()}") == []


@pytest.mark.parametrize(
    "query",
    [
        *("?limit=0", "?limit=201", "?limit=x", "?state=x", "?line=x", "?order=x", "?after=x", "?after="),
        *("?awaiting_me=x", "?sort=x", "?sort=due_at&state=accepted", "?sort=due_at&after=x", "?late=x"),
        *("?due_before=x", "?number=0", "?q=x"),
    ],
)
async def test_a_filter_that_is_none_is_refused(sqlite_native: Native, query: str) -> None:
    response = await sqlite_native.call("GET", PATH + query, sqlite_native.retailer)
    assert (response.status_code, response.json()["code"]) == (422, "invalid")


async def test_orders_are_found_by_what_is_at_hand_and_by_nothing_of_others(native: Native) -> None:
    world = native.world
    order = await native.order(2, 2)
    (first,) = await native.asked(order.lines[0].id, asker="retailer")
    (second,) = await native.asked(order.lines[1].id)
    await native.asked(await native.line())
    number = first["number"]
    both = {first["id"], second["id"]}
    for query in (f"reference={order.reference}", f"number={number}", f"q={number}", f"q={order.id}"):
        assert {each["id"] for each in await native.listed(f"?{query}")} == both, query
        assert await native.listed(f"?{query}", world.other_retailer) == [], query
    mine = await native.listed(f"?reference={order.reference}&state=asked&awaiting={native.retailer}")
    assert [each["id"] for each in mine] == [second["id"]]
    assert await native.listed("?payment_reference=tr_9&email=a@b.example") == []
    refunds = await native.call("GET", f"/v1/refunds?q={number}&provider=manual", native.retailer)
    assert (refunds.status_code, refunds.json()["refunds"]) == (200, [])


async def test_what_waits_is_paged_by_when_it_is_due(native: Native) -> None:
    made = []
    for _ in range(3):
        made += await native.asked(await native.line())
        native.world.clock.advance(seconds=1)
    pages: list[str] = []
    after = ""
    while True:
        page = (await native.call("GET", f"{PATH}?sort=due_at&limit=1{after}", native.retailer)).json()
        pages += [each["id"] for each in page["cancellations"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert pages == [each["id"] for each in made]
    assert await native.listed("?late=true") == []
    due = datetime.fromisoformat(made[1]["due_at"]).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert [each["id"] for each in await native.listed(f"?due_before={due}")] == [made[0]["id"]]


# The same call, twice


async def test_a_key_gets_the_same_answer(native: Native) -> None:
    line = await native.line(4)
    wish = {"line": str(line), "units": 1}
    first = await native.ask(wish, key="order-7")
    assert await native.asked(wish, key="order-7") == first.json()["cancellations"]
    await native.do(AcceptCancellation(line=line, actor=native.world.actor(native.retailer)))
    assert await native.asked(wish, key="order-7") == first.json()["cancellations"], "as it was then"
    assert len(await native.listed()) == 1


async def test_a_key_gets_the_same_refusal(native: Native) -> None:
    order = await native.order(2)
    wish = {"line": str(order.lines[0].id), "units": 3}
    refused = await native.ask(wish, key="k")
    assert refused.status_code == 409
    again = await native.ask(wish, key="k")
    assert (again.status_code, again.content) == (refused.status_code, refused.content)


async def test_a_key_is_for_one_content(native: Native) -> None:
    line = await native.line(4)
    wish = {"line": str(line), "units": 1}
    await native.asked(wish, key="k")
    for more in ({"note": "x"}, {"asker": "retailer"}, {"reason": "other"}):
        assert await native.refused(wish, key="k", **more) == (422, "key_reused")
    assert await native.refused({"line": str(line), "units": 2}, key="k") == (422, "key_reused")
    spelled = {"line": line.hex.upper(), "units": 1}
    assert len(await native.asked(spelled, key="k", asker="customer", note="")) == 1, "the same, spelled otherwise"
    assert await native.world.buckets(line) == (3, 1, 0, 0)


async def test_a_key_is_the_callers_own(native: Native) -> None:
    platform = await native.token(UUID(int=1))
    line = await native.line(4)
    first = await native.asked({"line": str(line), "units": 1}, key="k")
    other = await native.asked({"line": str(line), "units": 2}, key="k", who=platform, asker="retailer")
    assert first != other
    second_token = await native.token(native.retailer)
    assert await native.asked({"line": str(line), "units": 1}, key="k", who=second_token) == first


async def test_twins_are_one(native: Native) -> None:
    line = await native.line(8)
    wish = {"line": str(line), "units": 1}
    twins = await asyncio.gather(*(native.asked(wish, key="k") for _ in range(8)))
    assert len({each[0]["id"] for each in twins}) == 1
    assert await native.world.buckets(line) == (7, 1, 0, 0)


async def test_a_key_that_is_too_long_is_refused(sqlite_native: Native) -> None:
    line = await sqlite_native.line()
    assert await sqlite_native.refused(line, key="k" * 256) == (422, "invalid")
    assert len(await sqlite_native.asked(line, key="k" * 222)) == 1, "with what makes it this test's own"


# The description


async def test_the_description_is_whole(sqlite_native: Native) -> None:
    described = (await sqlite_native.http.get("/openapi.json")).json()
    assert described["openapi"].startswith("3.1.")
    operations = [each for path in described["paths"].values() for each in path.values()]
    assert sorted(each["operationId"] for each in operations) == sorted(OPERATIONS)
    for operation in operations:
        assert operation["description"]
        permission = OPERATIONS[operation["operationId"]].permission
        assert operation["security"] == [{"bearer": [permission.value] if permission else []}]
        for status, answer in operation["responses"].items():
            shown = set(answer.get("content", ()))
            if shown and operation["operationId"] != "events.stream":
                assert "application/json" in shown, (operation["operationId"], status)
    for reference in _references(described):
        found: Any = described
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [each for inner in value.values() for each in _references(inner)]
    return [each for inner in value for each in _references(inner)] if isinstance(value, list) else []


@pytest.mark.parametrize("path", ["/v2", "/v1", "/v1/nothing", "/v1/cancellations/a/b", "/doc", "/redoc", "/%ff"])
async def test_what_is_no_call_is_a_problem(sqlite_native: Native, path: str) -> None:
    response = await sqlite_native.call("GET", path, None)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "FOO"])
async def test_another_verb_is_told_which_there_are(sqlite_native: Native, method: str) -> None:
    response = await sqlite_native.http.request(method, PATH)
    assert response.status_code == 405
    assert response.headers["allow"]


# Anything at all

TEXT = st.text(st.characters(), max_size=12)
KEYS = st.text(st.characters(codec="ascii", exclude_categories=["C"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
LINES = st.lists(
    st.fixed_dictionaries({}, optional={"line": st.uuids().map(str) | JSON, "units": st.integers() | JSON, "x": JSON})
    | JSON,
    max_size=3,
)
BODIES = JSON | st.fixed_dictionaries(
    {"lines": LINES | JSON},
    optional={
        "asker": st.sampled_from(["customer", "retailer", "nobody"]) | JSON,
        "reason": st.sampled_from(list(CancelReason)) | JSON,
        "note": JSON,
        "x": JSON,
    },
)


@settings(max_examples=examples(100, 300), deadline=None)
@given(
    body=BODIES, known=st.booleans(), key=st.none() | st.text(st.characters(codec="ascii", exclude_categories=["C"]))
)
async def test_no_ask_is_answered_with_an_error_of_ours(
    shared_sqlite_native: Native, body: Any, known: bool, key: str | None
) -> None:
    native = shared_sqlite_native
    if known and isinstance(body, dict) and isinstance(body.get("lines"), list):
        for each in body["lines"]:
            if isinstance(each, dict):
                each["line"] = str(await native.line(3))
    headers = {"Idempotency-Key": key} if key is not None else None
    response = await native.call("POST", PATH, native.retailer, content=json.dumps(body).encode(), headers=headers)
    assert response.status_code < 500


@settings(max_examples=examples(70, 200), deadline=None)
@given(
    content=st.binary(max_size=100),
    query=st.text(st.characters(codec="utf-8"), max_size=30),
    named=st.text(st.characters(codec="utf-8"), max_size=20),
)
async def test_no_reading_is_answered_with_an_error_of_ours(
    shared_sqlite_native: Native, content: bytes, query: str, named: str
) -> None:
    native = shared_sqlite_native
    for method, path in (
        ("GET", f"{PATH}?{quote(query, safe='=&')}"),
        ("GET", f"{PATH}?after={quote(query)}&limit=1"),
        ("GET", f"{PATH}/{quote(named, safe='') if named.strip('.') else 'x'}"),
        ("POST", PATH),
    ):
        response = await native.call(method, path, native.retailer, content=content)
        assert response.status_code < 500
