"""GET /v1/events: the caller's own, oldest first, each as it is sent, and none missed from page to page."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermand.admin.callers import PLATFORM
from countermand.documents.events import Envelope
from countermand.domain.commands import AcceptCancellation, AskCancellation, CancelOwn
from countermand.domain.reasons import CancelReason
from countermand.service.calls import Call, Done
from countermand.service.lanes import Lanes
from countermand.store.engines.postgresql.engine import POSITION
from tests.support.money import place_paid
from tests.wire.native.calling import Native, new_retailer

pytestmark = pytest.mark.anyio

PATH = "/v1/events"


async def page(native: Native, who: UUID | str | None = None, **query: Any) -> dict[str, Any]:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    response = await native.call("GET", f"{PATH}?{asked}", who or native.retailer)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def listed(native: Native, who: UUID | str | None = None, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await page(native, who, **query))["events"]
    for event in found:
        Envelope.model_validate(event, strict=False)
    return found


def kinds(found: list[dict[str, Any]]) -> list[str]:
    return [each["type"].removeprefix("countermand.").removesuffix(".v1") for each in found]


async def test_events_are_listed_as_they_are_sent(native: Native) -> None:
    line = await native.line(3)
    native.world.clock.advance(seconds=1)
    (made,) = await native.asked({"line": str(line), "units": 2}, asker="retailer", note="two too many")
    native.world.clock.advance(seconds=1)
    await native.do(AcceptCancellation(line=line, actor=native.world.actor(native.world.supplier)))
    found = await listed(native)
    assert kinds(found) == ["line.placed", "cancellation.asked", "cancellation.accepted"]
    assert [each["data"]["seq"] for each in found] == [1, 2, 3]
    asked = found[1]["data"]
    assert (asked["cancellation"]["id"], asked["cancellation"]["note"]) == (made["id"], "two too many")
    assert asked["cancellation"]["state"] == "asked"
    assert asked["links"] == {"withdraw": f"http://127.0.0.1:8765/v1/cancellations/{made['id']}/withdraw"}
    (for_supplier,) = [
        each for each in await listed(native, native.world.supplier, line=line) if each["id"] == found[1]["id"]
    ]
    assert set(for_supplier["data"]["links"]) == {"accept", "decline"}


async def test_each_party_has_its_own(native: Native) -> None:
    world = native.world
    stranger = await new_retailer(world, native.http)
    lines = {
        "mine": await native.line(),
        "own goods": await native.line(by=native.retailer),
        "held": (await native.order(1, held=True)).lines[0].id,
        "others": await stranger.line(by=world.other_supplier),
    }
    sees: dict[UUID | str, set[str]] = {
        native.retailer: {"mine", "own goods", "held"},
        stranger.retailer: {"others"},
        world.supplier: {"mine"},
        world.other_supplier: {"others"},
        await native.token(PLATFORM): set(lines),
    }
    for who, seen in sees.items():
        for name, line in lines.items():
            found = await listed(native, who, line=line)
            assert [each["subject"] for each in found] == ([str(line)] if name in seen else []), f"{name} by {who}"
    assert {each["subject"] for each in await listed(native)} == {
        str(lines[name]) for name in ("mine", "own goods", "held")
    }


async def test_money_is_no_business_of_the_suppliers(native: Native) -> None:
    world = native.world
    shop = replace(world, retailer=native.retailer)
    line = (await place_paid(shop)).lines[0].id
    await native.do(CancelOwn(line=line, actor=world.actor(world.supplier), reason=CancelReason.OUT_OF_STOCK, units=1))
    placed = ["line.placed", "cancellation.accepted"]
    for who in (native.retailer, await native.token(PLATFORM)):
        assert set(kinds(await listed(native, who, line=line))) == {*placed, "refund.due"}
    assert set(kinds(await listed(native, world.supplier, line=line))) == set(placed)


async def test_it_takes_a_token_that_may_look(native: Native) -> None:
    assert (await native.call("GET", PATH, None)).status_code == 401
    canceller = await native.token(native.retailer, permissions=["cancel_order"])
    assert (await native.call("GET", PATH, canceller)).status_code == 403
    viewer = await native.token(native.retailer, permissions=["view_order"])
    assert await listed(native, viewer) == []


async def test_from_page_to_page_none_is_missed_and_old_ones_come_once(native: Native) -> None:
    made = []
    for hours in (0, 0, 1, 5, 0, 300):
        native.world.clock.advance(hours=hours, seconds=1)
        made.append(str(await native.line()))
    native.world.clock.advance(minutes=1)
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    for _ in range(4):
        found = await page(native, **query)
        seen += [each["subject"] for each in found["events"]]
        query["after"] = found["next"]
    assert seen == made
    found = await page(native, **query)
    assert found["events"] == []
    one_more = str(await native.line())
    assert [each["subject"] for each in await listed(native, after=found["next"])] == [one_more]


async def test_none_comes_twice_though_it_is_young(native: Native) -> None:
    """All of this happens in one millisecond, in which ids have no order."""
    made, seen, query = [], [], dict[str, Any](since=_now(native))
    for _ in range(20):
        made.append(str(await native.line()))
        found = await page(native, **query, limit=1)
        seen += [each["subject"] for each in found["events"]]
        query = {"after": found["next"]}
    assert seen == made
    assert (await page(native, **query))["events"] == []


async def test_an_event_can_be_told_by_its_id_where_to_go_on(native: Native) -> None:
    made = [str(await native.line()) for _ in range(3)]
    found = await listed(native)
    assert [each["subject"] for each in await listed(native, after=found[0]["id"])] == made[1:]
    assert [each["subject"] for each in await listed(native, after=found[0]["id"].removeprefix("evt_"))] == made[1:]
    assert await listed(native, after=found[2]["id"]) == []


async def test_none_is_missed_however_long_a_transaction_takes(native: Native) -> None:
    """One makes its event first, and ends when later ones have long been told."""
    if native.world.application.database.engine.name != "postgresql":
        return
    before = str(await native.line())
    first = await page(native)
    assert [each["subject"] for each in first["events"]] == [before]
    url = native.world.application.settings.database.replace("postgresql+asyncpg", "postgresql")
    with psycopg.connect(url) as slow:
        slow.execute(
            "INSERT INTO events (retailer_id, line_id, seq, id, order_id, kind, at, actor, door, facts, fulfiller_id,"
            " position)"
            " SELECT retailer_id, line_id, seq + 1, gen_random_uuid(), order_id, kind, at, actor, door, facts,"
            f" fulfiller_id, {POSITION} FROM events WHERE line_id = %s",
            [before],
        )
        after = first["next"]
        later = []
        for _ in range(3):
            native.world.clock.advance(hours=1)
            later.append(str(await native.line()))
            waiting = await page(native, after=after)
            assert waiting["events"] == []
            after = waiting["next"]
        slow.commit()
    seen: list[str] = []
    for _ in range(5):
        found = await page(native, after=after, limit=1)
        seen += [each["subject"] for each in found["events"]]
        after = found["next"]
    assert seen == [before, *later]


async def test_events_of_a_line_are_in_their_order_whichever_transaction_began_first(native: Native) -> None:
    """The one that changes the line last began first, and waited for another line meanwhile."""
    world = native.world
    if world.application.database.engine.name != "postgresql":
        return
    # Locks are taken in the order of ids.
    first, between, shared = sorted([await native.line(2) for _ in range(3)])
    url = world.application.settings.database.replace("postgresql+asyncpg", "postgresql")

    def ask(line: UUID) -> Call:
        asked = AskCancellation(line=line, actor=world.actor(native.retailer), units=1, key=uuid4().hex)
        return Call(command=asked, door="test", retailer=native.retailer)

    roads = [Lanes(world.application.database, world.clock, world.application.ids.new) for _ in range(2)]
    with psycopg.connect(url) as holder:
        holder.execute("SELECT FROM lines WHERE id = %s FOR UPDATE", [between])
        early = asyncio.gather(*(roads[0].submit(ask(line)) for line in (first, between, shared)))
        with psycopg.connect(url, autocommit=True) as watcher:
            while not watcher.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert isinstance(await roads[1].submit(ask(shared)), Done)
        world.clock.advance(seconds=1)
        holder.commit()
    assert {type(outcome) for outcome in await early} == {Done}
    found = [event["data"]["seq"] for event in await listed(native) if event["subject"] == str(shared)]
    assert found == [1, 2, 3]


def _now(native: Native) -> str:
    return native.world.clock().isoformat().replace("+", "%2B")


async def test_it_begins_thirty_days_back_unless_told_otherwise(native: Native) -> None:
    first = str(await native.line())
    began = native.world.clock()
    native.world.clock.advance(days=31)
    second = str(await native.line())
    assert [each["subject"] for each in await listed(native)] == [second]
    since = (began - timedelta(hours=1)).isoformat().replace("+", "%2B")
    assert [each["subject"] for each in await listed(native, since=since)] == [first, second]
    nothing_after = f"evt_{UUID(int=0).hex}"
    assert [each["subject"] for each in await listed(native, after=nothing_after)] == [first, second]
    assert await listed(native, after=f"evt_{UUID(int=2**128 - 1).hex}") == []
    assert await listed(native, since="2199-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    "query",
    ["after=x", "after=", "limit=0", "limit=201", "limit=x", "line=x", "since=x", "since=0001-01-01T00:00:00Z"],
)
async def test_a_filter_that_is_none_is_refused(sqlite_native: Native, query: str) -> None:
    response = await sqlite_native.call("GET", f"{PATH}?{query}", sqlite_native.retailer)
    assert (response.status_code, response.json()["code"]) == (422, "invalid")


@settings(max_examples=60, deadline=None)
@given(
    after=st.uuids() | st.text(max_size=10),
    since=st.datetimes() | st.text(max_size=10) | st.none(),
    limit=st.integers(-1, 300),
)
async def test_no_question_is_answered_with_an_error_of_ours(
    shared_sqlite_native: Native, after: UUID | str, since: Any, limit: int
) -> None:
    native = shared_sqlite_native
    headers = {"Authorization": f"Bearer {native.world.tokens[native.retailer]}"}
    for begin in ({"after": str(after)}, {"since": str(since)}, {}):
        response = await native.http.get(PATH, params={**begin, "limit": str(limit)}, headers=headers)
        assert response.status_code < 500


async def test_a_line_of_nobody_has_no_events(native: Native) -> None:
    assert await listed(native, line=uuid4()) == []


async def test_kinds_times_and_things_narrow_the_list(native: Native) -> None:
    clock = native.world.clock
    order = await native.order(3, 2)
    first, second = (line.id for line in order.lines)
    other = await native.line()
    clock.advance(days=1)
    (made,) = await native.asked({"line": str(first), "units": 1})
    clock.advance(days=1)
    await native.asked({"line": str(second), "units": 1})
    day = f"{clock() - timedelta(days=1):%Y-%m-%d}"
    for query, expected in (
        ({"type": "cancellation.asked"}, 2),
        ({"type": "cancellation.*"}, 2),
        ({"type": "refund.*"}, 0),
        ({"order": order.id}, 4),
        ({"order": order.id, "type": "line.placed"}, 2),
        ({"line": first}, 2),
        ({"line": other, "order": order.id}, 0),
        ({"cancellation": made["id"]}, 1),
        ({"cancellation": made["id"].removeprefix("can_")}, 1),
        ({"cancellation": made["id"], "line": second}, 0),
        ({"order": uuid4()}, 0),
        ({"since": day}, 2),
        ({"until": day}, 4),
        ({"since": day, "until": day}, 1),
        ({"since": day, "until": day, "zone": "Pacific/Auckland"}, 1),
        ({"since": day, "until": day, "zone": "Pacific/Kiritimati", "type": "line.placed"}, 0),
    ):
        assert len(await listed(native, **query)) == expected, query
    both = "/v1/events?type=line.*&type=cancellation.asked"
    assert len((await native.call("GET", both, native.retailer)).json()["events"]) == 5
    for who, seen in ((native.world.supplier, 1), (native.world.other_supplier, 0)):
        assert len(await listed(native, who, cancellation=made["id"])) == seen
        assert len(await listed(native, who, order=order.id, type="line.placed")) == 2 * seen


async def test_events_of_a_cancellation_have_those_of_its_refund(native: Native) -> None:
    supplier = native.world.supplier
    priced = {"sku": "SKU-0", "units": 3, "unit_price": "10.00", "supplier": str(supplier)}
    paid = await place_paid(replace(native.world, retailer=native.retailer), lines=[priced])
    holder = native.world.actor(supplier)
    await native.do(CancelOwn(line=paid.lines[0].id, actor=holder, reason=CancelReason.OUT_OF_STOCK, units=1))
    (due,) = await listed(native, type="refund.due")
    about = due["data"]["refund"]["cancellation"]
    assert kinds(await listed(native, cancellation=about)) == ["cancellation.accepted", "refund.due"]
    assert kinds(await listed(native, cancellation=about, type="refund.*")) == ["refund.due"]


async def test_an_event_is_shown_by_its_id(native: Native) -> None:
    line = await native.line()
    (event,) = await listed(native)
    for spelled in (event["id"], event["id"].removeprefix("evt_"), event["id"].upper().replace("EVT", "evt")):
        answer = await native.call("GET", f"{PATH}/{spelled}", native.retailer)
        assert (answer.status_code, answer.json()) == (200, event)
    (seen,) = await listed(native, native.world.supplier, line=line)
    assert (await native.call("GET", f"{PATH}/{event['id']}", native.world.supplier)).json() == seen
    for who, name in (
        (native.world.other_supplier, event["id"]),
        (native.retailer, f"evt_{uuid4().hex}"),
        (native.retailer, "x"),
    ):
        answer = await native.call("GET", f"{PATH}/{name}", who)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_event")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("type=refund", "type"),
        ("type=line.placed&type=nothing.*", "type"),
        ("until=yesterday", "until"),
        ("since=2026-13-01", "since"),
        ("zone=Nowhere", "zone"),
        ("zone=../etc/passwd", "zone"),
        ("cancellation=x", "cancellation"),
        ("order=x", "order"),
        ("order=", "order"),
    ],
)
async def test_filters_that_make_no_sense_are_named(native: Native, query: str, name: str) -> None:
    answer = await native.call("GET", f"{PATH}?{query}", native.retailer)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert answer.json()["errors"][0]["name"].startswith(name)
