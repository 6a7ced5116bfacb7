"""Asking for lines, for a whole order, for the platform, and only to see what would happen."""

from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from countermand.admin.callers import PLATFORM
from countermand.admin.policies import put_in_force
from countermand.domain.commands import Allocate, CancelOwn, Ship
from countermand.domain.orders import PlaceOrder
from countermand.domain.policy import Policy, WholeOrder
from countermand.domain.reasons import CancelReason
from tests.wire.native.calling import Native
from tests.wire.native.test_refunds import paid

pytestmark = pytest.mark.anyio

PATH = "/v1/cancellations"


async def ask(native: Native, body: dict[str, Any], who: UUID | str | None = None, key: str = "") -> Any:
    headers = native.keyed(key) if key else None
    return await native.call("POST", PATH, who or native.retailer, body, headers=headers)


def outcomes(reply: Any) -> list[tuple[str, int, str]]:
    return [(each["outcome"], each["units"], each["code"]) for each in reply.json()["outcomes"]]


def of_lines(reply: Any, order: PlaceOrder) -> list[tuple[str, int, str]]:
    """The outcomes in the order of the order's lines."""
    found = dict(zip((each["line"] for each in reply.json()["outcomes"]), outcomes(reply), strict=True))
    return [found[str(line.id)] for line in order.lines]


async def events(native: Native) -> int:
    return len((await native.call("GET", "/v1/events?limit=200", native.retailer)).json()["events"])


async def test_a_dry_run_says_what_would_happen_and_changes_nothing(native: Native) -> None:
    order = await paid(native)
    line = str(order.lines[0].id)
    before = await events(native)
    body = {"lines": [{"line": line, "units": 2}], "note": "wrong size"}
    for _ in range(2):
        dry = await ask(native, {**body, "dry_run": True}, key="dry")
        assert (dry.status_code, dry.json()["dry_run"], dry.json()["cancellations"]) == (200, True, [])
        assert "idempotent-replayed" not in dry.headers
        assert dry.json()["outcomes"] == [
            {"line": line, "units": 2, "outcome": "would_ask", "cancellation": None, "code": "", "detail": ""}
        ]
        quote = dry.json()["quote"]
        assert (quote["refund"], quote["refund_minor"], quote["lines"]) == ("18.00", 1800, [{"line": line, "units": 2}])
    assert await events(native) == before

    real = await ask(native, body, key="dry")
    assert (real.status_code, outcomes(real), real.json()["quote"]) == (202, [("asked", 2, "")], quote)
    [made] = real.json()["cancellations"]
    assert real.json()["outcomes"][0]["cancellation"] == made["id"]
    again = await ask(native, body, key="dry")
    assert (again.json(), again.headers["idempotent-replayed"]) == (real.json(), "true")


async def test_what_cannot_be_asked_names_each_line(native: Native) -> None:
    order = await native.order(2, 3, 1)
    first, second, third = [line.id for line in order.lines]
    supplier = native.world.actor(native.world.supplier)
    await native.do(Ship(line=second, actor=supplier))
    lines = [{"line": str(first)}, {"line": str(second), "units": 1}, {"line": str(third), "units": 2}]
    dry = await ask(native, {"lines": lines, "dry_run": True})
    reply = await ask(native, {"lines": lines}, key="each")
    assert (dry.status_code, reply.status_code, reply.json()["code"]) == (200, 409, "already_shipped")
    for answer in (dry, reply):
        found = [(each["outcome"], each["code"]) for each in answer.json()["outcomes"]]
        assert found == [("would_ask", ""), ("refused", "already_shipped"), ("refused", "too_many_units")]
        assert all(each["detail"].endswith(".") == bool(each["code"]) for each in answer.json()["outcomes"])
    again = await ask(native, {"lines": lines}, key="each")
    assert (again.json(), again.headers["idempotent-replayed"]) == (reply.json(), "true")
    assert not await native.listed(f"?order={order.id}")


async def test_all_that_is_open_of_an_order_is_asked_for(native: Native) -> None:
    order = await native.order(2, 3, 1)
    first, second, third = [line.id for line in order.lines]
    supplier = native.world.actor(native.world.supplier)
    await native.do(Ship(line=first, actor=supplier))
    await native.do(CancelOwn(line=second, actor=supplier, reason=CancelReason.OUT_OF_STOCK, units=1))
    for dry_run, status, word in ((True, 200, "would_ask"), (False, 202, "asked")):
        reply = await ask(native, {"order": str(order.id), "dry_run": dry_run})
        assert (reply.status_code, reply.json()["quote"]) == (status, None)
        assert of_lines(reply, order) == [("refused", 0, "already_shipped"), (word, 2, ""), (word, 1, "")]
    assert {each["line"] for each in reply.json()["cancellations"]} == {str(second), str(third)}
    repeated = await ask(native, {"order": str(order.id)})
    assert [each["repeated"] for each in repeated.json()["cancellations"]] == [True, True]
    ids = [{each["id"] for each in answer.json()["cancellations"]} for answer in (reply, repeated)]
    assert ids[0] == ids[1]


async def test_an_order_that_goes_as_a_whole_is_refused_as_a_whole(native: Native) -> None:
    order = await native.order(2, 3)
    whole = Policy(version=1, whole_order=WholeOrder.ALL_OR_NOTHING)
    await native.world.application.database.write(
        partial(
            put_in_force,
            now=native.world.clock(),
            retailer=native.retailer,
            fulfiller=native.world.supplier,
            policy=whole,
            by="test",
        )
    )
    await native.do(Ship(line=order.lines[0].id, actor=native.world.actor(native.world.supplier)))
    reply = await ask(native, {"order": str(order.id)})
    assert (reply.status_code, reply.json()["code"]) == (409, "already_shipped")
    assert of_lines(reply, order) == [("refused", 0, "already_shipped"), ("would_ask", 3, "")]


async def test_an_order_of_which_nothing_is_open_is_refused_by_its_first_line(native: Native) -> None:
    order = await native.order(1, 1)
    for line in order.lines:
        await native.do(Ship(line=line.id, actor=native.world.actor(native.world.supplier)))
    reply = await ask(native, {"order": str(order.id)})
    assert (reply.status_code, reply.json()["code"]) == (409, "already_shipped")
    assert outcomes(reply) == [("refused", 0, "already_shipped")] * 2


async def test_asks_for_an_order_under_other_keys_are_separate(native: Native) -> None:
    order = await native.order(2)
    first = await ask(native, {"order": str(order.id)}, key="one")
    second = await ask(native, {"order": str(order.id)}, key="two")
    assert first.status_code == 202
    assert (second.status_code, second.json()["code"]) == (409, "already_asked")
    assert second.json()["outcomes"][0]["cancellation"] == first.json()["cancellations"][0]["id"]


async def test_what_is_accepted_at_once_is_quoted_as_it_was(native: Native) -> None:
    order = await paid(native)
    free = Policy(version=1, free_window_s=3600)
    await native.world.application.database.write(
        partial(
            put_in_force,
            now=native.world.clock(),
            retailer=native.retailer,
            fulfiller=native.world.supplier,
            policy=free,
            by="test",
        )
    )
    body = {"lines": [{"line": str(order.lines[0].id), "units": 1}], "asker": "customer"}
    dry = await ask(native, {**body, "dry_run": True})
    real = await ask(native, body)
    assert (outcomes(dry), outcomes(real)) == ([("would_accept", 1, "")], [("accepted", 1, "")])
    assert dry.json()["quote"] == real.json()["quote"]
    assert real.json()["quote"]["refund"] == "9.00"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"lines": [{"line": str(uuid4())}], "order": str(uuid4())},
        {"order": "nonsense"},
        {"order": None},
        {"lines": None},
        {"order": str(uuid4()), "dry_run": "yes"},
        {"order": str(uuid4()), "asker": "nobody"},
    ],
)
async def test_one_of_lines_and_order_is_named(sqlite_native: Native, body: dict[str, Any]) -> None:
    for path in (PATH, "/v1/quotes"):
        reply = await sqlite_native.call("POST", path, sqlite_native.retailer, body)
        assert (reply.status_code, reply.json()["code"]) == (422, "invalid")


async def test_an_order_of_another_is_as_unknown_as_none(sqlite_native: Native) -> None:
    foreign = await sqlite_native.world.order(1, retailer=sqlite_native.world.other_retailer)
    line = await sqlite_native.line()
    for order in (foreign.id, uuid4(), line):
        for path in (PATH, "/v1/quotes"):
            reply = await sqlite_native.call("POST", path, sqlite_native.retailer, {"order": str(order)})
            assert (reply.status_code, reply.json()["code"]) == (404, "unknown_order")


async def test_a_quote_for_an_order_is_for_all_that_can_be_cancelled(native: Native) -> None:
    order = await paid(native)
    by_order = await native.call("POST", "/v1/quotes", native.retailer, {"order": str(order.id)})
    lines = [{"line": str(line.id)} for line in order.lines]
    by_lines = await native.call("POST", "/v1/quotes", native.retailer, {"lines": lines})
    assert (by_order.status_code, by_order.json()) == (200, by_lines.json())


# For the platform


async def test_what_the_platform_asks_counts_against_nobody(native: Native) -> None:
    line, token = await native.line(3), await native.token(PLATFORM)
    reply = await ask(native, {"lines": [{"line": str(line)}], "asker": "platform", "reason": "other"}, token)
    [made] = reply.json()["cancellations"]
    assert (made["asker"], made["awaiting"]) == ("platform", str(native.world.supplier))
    withdrawn = await native.call("POST", f"{PATH}/{made['id']}/withdraw", native.retailer)
    assert withdrawn.status_code in (404, 409), "only the platform takes back what it asked"
    accepted = await native.call("POST", f"{PATH}/{made['id']}/accept", native.world.supplier, {})
    assert accepted.json()["state"] == "accepted"
    card = await native.call("GET", f"/v1/scorecards/{native.retailer}?evidence=true", native.retailer)
    assert str(line) not in card.text


async def test_the_retailer_answers_the_platform_where_it_has_the_goods(native: Native) -> None:
    line, token = await native.line(1, by=native.retailer), await native.token(PLATFORM)
    reply = await ask(native, {"lines": [{"line": str(line)}], "asker": "platform"}, token)
    [made] = reply.json()["cancellations"]
    assert (made["state"], made["awaiting"]) == ("asked", str(native.retailer))
    accepted = await native.call("POST", f"{PATH}/{made['id']}/accept", native.retailer, {})
    assert accepted.json()["state"] == "accepted"


async def test_nobody_else_asks_for_the_platform(native: Native) -> None:
    body = {"lines": [{"line": str(await native.line())}], "asker": "platform"}
    reply = await ask(native, body)
    assert (reply.status_code, reply.json()["code"]) == (403, "wrong_party")


async def test_rejected_units_are_not_asked_for(native: Native) -> None:
    order = await native.order(3)
    actor = native.world.actor(native.world.supplier)
    await native.do(Allocate(line=order.lines[0].id, actor=actor, accepted=1, backordered=0, rejected=2))
    reply = await ask(native, {"order": str(order.id), "dry_run": True})
    assert outcomes(reply) == [("would_ask", 1, "")]
