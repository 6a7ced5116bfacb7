"""The stories of the contract that are about orders, cancellations and their money, on both databases."""

from typing import Any
from uuid import uuid4

import pytest

from countermand.admin import policies
from countermand.admin.callers import PLATFORM
from countermand.domain.policy import Policy, Silence
from tests.wire.native.calling import PATH, Native

pytestmark = pytest.mark.anyio

BOOTS = {"sku": "boot-42", "units": 5, "supplier": "supplier", "unit_price": "10.00"}


async def placed(native: Native, *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An order of the retailer, paid by card unless it says otherwise."""
    total = sum(each["units"] * 10 for each in lines)
    paid = [{"id": "card", "provider": "manual", "reference": f"PAY-{uuid4()}", "captured": f"{total}.00"}]
    body = {"retailer": str(native.retailer), "reference": f"PO-{uuid4()}", "lines": lines, "payments": paid, **more}
    answer = await native.call("POST", "/v1/orders", native.retailer, body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def ask(native: Native, who: Any, *, key: str | None = None, **body: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return await native.call("POST", PATH, who, body, headers=headers)


async def answer(native: Native, who: Any, cancellation: str, verb: str, **body: Any) -> Any:
    return await native.call("POST", f"{PATH}/{cancellation}/{verb}", who, body)


async def test_story_one_two_of_five(native: Native) -> None:
    platform, made = await native.token(PLATFORM), await placed(native, BOOTS)
    line = made["lines"][0]["id"]
    wish = {"lines": [{"line": line, "units": 2}], "note": "wrong size"}
    dry = await ask(native, platform, **wish, dry_run=True, key="k1")
    told = {"line": line, "units": 2, "outcome": "would_ask", "cancellation": None, "code": "", "detail": ""}
    assert dry.status_code == 200, dry.text
    assert (dry.json()["dry_run"], dry.json()["cancellations"], dry.json()["outcomes"]) == (True, [], [told])
    quote = dry.json()["quote"]
    assert (quote["refund"], quote["refund_minor"], quote["lines"]) == ("20.00", 2000, [{"line": line, "units": 2}])
    assert await native.listed(f"?line={line}") == []
    real = await ask(native, platform, **wish, key="k1")
    (cancellation,) = real.json()["cancellations"]
    assert (real.status_code, real.json()["quote"], real.json()["dry_run"]) == (202, quote, False)
    assert real.json()["outcomes"] == [{**told, "outcome": "asked", "cancellation": cancellation["id"]}]
    assert (cancellation["step"], cancellation["waiting_units"], cancellation["reference"]) == (1, 2, made["reference"])
    assert cancellation["can"] == ["accept", "decline", "withdraw", "note"]
    seen = (await native.call("GET", f"{PATH}/{cancellation['id']}", native.world.supplier)).json()
    assert seen["can"] == ["note"], "the retailer answers first"
    passed = (await answer(native, native.retailer, cancellation["id"], "accept", step=1)).json()
    assert (passed["step"], passed["awaiting"], passed["state"]) == (2, str(native.world.supplier), "asked")
    done = (await answer(native, native.world.supplier, cancellation["id"], "accept")).json()
    assert (done["step"], done["state"], done["accepted_units"], done["waiting_units"]) == (3, "accepted", 2, 0)
    assert done["can"] == ["note"]
    # Story two: the answer was lost.
    again = await ask(native, platform, **wish, key="k1")
    assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (202, real.json(), "true")
    other = await ask(native, platform, lines=[{"line": line, "units": 1}], note="wrong size", key="k1")
    assert (other.status_code, other.json()["code"], other.json()["differs"]) == (
        422,
        "key_reused",
        ["/lines/0/units"],
    )


async def test_story_three_two_operators(native: Native) -> None:
    platform, made = await native.token(PLATFORM), await placed(native, BOOTS)
    (asked,) = (await ask(native, platform, lines=[{"line": made["lines"][0]["id"], "units": 2}])).json()[
        "cancellations"
    ]
    for _ in range(2):
        accepted = await answer(native, platform, asked["id"], "accept", step=1)
        assert (accepted.status_code, accepted.json()["step"]) == (200, 2)
    late = await answer(native, platform, asked["id"], "decline", step=1, reason="other")
    problem = late.json()
    assert (late.status_code, problem["code"], problem["cancellation"]) == (409, "state_changed", asked["id"])
    current = problem["current"]
    assert (current["state"], current["step"], current["awaiting"]) == ("asked", 2, str(native.world.supplier))
    assert current["answered_by"] == str(PLATFORM)


async def test_story_five_captured_later(native: Native) -> None:
    made = await placed(native, {**BOOTS, "units": 3, "supplier": str(native.retailer)}, payments=[])
    path, line = f"/v1/orders/{made['id']}/payments", made["lines"][0]["id"]
    card = {"id": "card", "authorised": "30.00"}
    assert (await native.call("POST", path, native.retailer, card)).status_code == 200
    asked = (await ask(native, native.retailer, lines=[{"line": line, "units": 1}], asker="retailer")).json()
    assert [each["outcome"] for each in asked["outcomes"]] == ["accepted"]
    assert (asked["quote"]["release"], asked["quote"]["refund"]) == ("10.00", "0.00"), "as before it was accepted"
    paid = (await native.call("GET", path, native.retailer)).json()["payments"][0]
    assert (paid["released"], paid["released_minor"]) == ("10.00", 1000)
    for amount, status in (("20.00", 200), ("30.00", 409)):
        captured = await native.call("POST", f"{path}/card/capture", native.retailer, {"captured": amount})
        assert captured.status_code == status, captured.text
    assert captured.json()["code"] == "payment_differs"


async def test_story_seven_escalated(native: Native) -> None:
    world, platform = native.world, await native.token(PLATFORM)
    terms = Policy(silence=Silence.ESCALATE, answer_within_s=3600)
    await world.application.database.write(
        lambda connection: policies.put_in_force(
            connection, world.clock(), retailer=native.retailer, fulfiller=world.supplier, policy=terms, by="test"
        )
    )
    made = await placed(native, BOOTS)
    (asked,) = (await ask(native, platform, lines=[{"line": made["lines"][0]["id"]}])).json()["cancellations"]
    await answer(native, native.retailer, asked["id"], "accept")
    world.clock.advance(hours=2)
    await world.application.worker.fire_deadlines()
    listed = await native.listed(f"?state=escalated&order={made['id']}", platform)
    assert [(each["id"], each["step"], each["escalated"]) for each in listed] == [(asked["id"], 3, True)]
    declined = await answer(native, platform, asked["id"], "decline", step=3, reason="already_picked")
    assert (declined.status_code, declined.json()["state"]) == (200, "declined")


async def test_a_whole_order_is_asked_for(native: Native) -> None:
    world = native.world
    lines = ({**BOOTS, "units": 2}, {**BOOTS, "sku": "sock", "units": 1}, {**BOOTS, "sku": "hat", "units": 1})
    made = await placed(native, *lines)
    one, two, three = (each["id"] for each in made["lines"])
    parcel = {"order": made["id"], "lines": [{"line": three}]}
    assert (await native.call("POST", "/v1/shipments", world.supplier, parcel)).status_code == 201
    dry = (await ask(native, native.retailer, order=made["id"], asker="retailer", dry_run=True)).json()
    outcomes = {each["line"]: (each["outcome"], each["code"], each["units"]) for each in dry["outcomes"]}
    shipped = ("refused", "already_shipped", 0)
    assert outcomes == {one: ("would_ask", "", 2), two: ("would_ask", "", 1), three: shipped}
    assert dry["quote"]["refund"] == "30.00"
    quote = await native.call("POST", "/v1/quotes", native.retailer, {"order": made["id"]})
    assert (quote.status_code, quote.json()["refund"]) == (200, "30.00")
    real = await ask(native, native.retailer, order=made["id"], asker="retailer")
    assert (real.status_code, len(real.json()["cancellations"])) == (202, 2)
    again = await ask(native, native.retailer, order=made["id"], asker="retailer", key="k")
    problem = again.json()
    assert (again.status_code, problem["code"]) == (409, "already_shipped")
    codes = {each["line"]: each["code"] for each in problem["outcomes"]}
    assert codes == {one: "already_asked", two: "already_asked", three: "already_shipped"}
    assert {each["cancellation"] for each in problem["outcomes"]} > {None}
    replayed = await ask(native, native.retailer, order=made["id"], asker="retailer", key="k")
    assert (replayed.json(), replayed.headers["idempotent-replayed"]) == (problem, "true")
    for who, thing in ((world.other_retailer, made["id"]), (native.retailer, str(uuid4()))):
        foreign = await ask(native, who, order=thing)
        assert (foreign.status_code, foreign.json()["code"]) == (404, "unknown_order")
        quote = await native.call("POST", "/v1/quotes", who, {"order": thing})
        assert (quote.status_code, quote.json()["code"]) == (404, "unknown_order")


async def test_all_lines_are_asked_for_or_none(native: Native) -> None:
    made = await placed(native, BOOTS, {**BOOTS, "sku": "sock"})
    one, two = (each["id"] for each in made["lines"])
    wish = [{"line": one, "units": 2}, {"line": two, "units": 9}]
    refused = await ask(native, native.retailer, lines=wish)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_units")
    told = [(each["outcome"], each["units"], each["code"]) for each in refused.json()["outcomes"]]
    assert told == [("would_ask", 2, ""), ("refused", 9, "too_many_units")]
    dry = await ask(native, native.retailer, lines=wish, dry_run=True)
    told = [(each["outcome"], each["units"], each["code"]) for each in dry.json()["outcomes"]]
    assert (dry.status_code, told) == (200, [("would_ask", 2, ""), ("refused", 9, "too_many_units")])
    assert dry.json()["quote"]["refund"] == "20.00"
    wrong: dict[str, Any]
    for wrong in ({}, {"lines": wish, "order": made["id"]}, {"lines": []}, {"order": made["id"], "asker": "nobody"}):
        answer = await ask(native, native.retailer, **wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), wrong


async def test_what_the_platform_asks_for_itself_is_its_own(native: Native) -> None:
    platform, made = await native.token(PLATFORM), await placed(native, BOOTS)
    wish: dict[str, Any] = {"lines": [{"line": made["lines"][0]["id"], "units": 1}], "asker": "platform"}
    refused = await ask(native, native.retailer, **wish)
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_party")
    (asked,) = (await ask(native, platform, **wish)).json()["cancellations"]
    assert (asked["asker"], asked["awaiting"]) == ("platform", str(native.world.supplier))
    seen = (await native.call("GET", f"{PATH}/{asked['id']}", native.retailer)).json()
    assert seen["can"] == ["note"]
    assert (await answer(native, native.retailer, asked["id"], "withdraw")).status_code == 404
    done = await answer(native, native.world.supplier, asked["id"], "accept")
    assert done.json()["state"] == "accepted"
    for party in (native.retailer, native.world.supplier):
        card = (await native.call("GET", f"/v1/scorecards/{party}?weeks=1&evidence=true", platform)).json()
        assert made["lines"][0]["id"] not in str(card), party


async def test_a_list_has_those_that_match_all_filters(native: Native) -> None:
    world, platform = native.world, await native.token(PLATFORM)
    one, two = await placed(native, BOOTS), await placed(native, {**BOOTS, "sku": "sock", "supplier": "other_supplier"})
    first = (await ask(native, platform, lines=[{"line": one["lines"][0]["id"], "units": 1}])).json()
    world.clock.advance(hours=1)
    later = world.clock.now.isoformat().replace("+00:00", "Z")
    wish = {"asker": "retailer", "reason": "ordered_twice"}
    second = (await ask(native, native.retailer, lines=[{"line": two["lines"][0]["id"], "units": 1}], **wish)).json()
    (a,), (b,) = first["cancellations"], second["cancellations"]
    await answer(native, world.other_supplier, b["id"], "decline", reason="other")
    mine = f"retailer={native.retailer}"
    for query, found in (
        (mine, [b, a]),
        (f"{mine}&state=asked", [a]),
        (f"{mine}&state=asked&state=declined", [b, a]),
        (f"{mine}&state=escalated&state=declined", [b]),
        (f"{mine}&state=escalated", []),
        (f"{mine}&fulfiller=supplier", [a]),
        (f"{mine}&asker=retailer", [b]),
        (f"{mine}&reason=ordered_twice&reason=other", [b]),
        (f"{mine}&sku=sock", [b]),
        (f"{mine}&since={later}", [b]),
        (f"{mine}&until={later}", [a]),
        (f"{mine}&sort=due_at&until={later}", []),
        (f"retailer={world.other_retailer}&sku=sock", []),
        ("retailer=Nobody", []),
    ):
        for who in (platform, native.retailer):
            listed = await native.listed(f"?{query}", who)
            assert [each["id"] for each in listed] == [each["id"] for each in found], (query, who)
    assert [each["id"] for each in await native.listed(f"?{mine}&fulfiller=supplier", world.supplier)] == [a["id"]]


async def test_refunds_are_listed_by_what_they_are_of(native: Native) -> None:
    world, platform = native.world, await native.token(PLATFORM)
    made = await placed(native, {**BOOTS, "supplier": str(native.retailer)})
    line = made["lines"][0]["id"]
    (asked,) = (await ask(native, native.retailer, lines=[{"line": line, "units": 1}], asker="retailer")).json()[
        "cancellations"
    ]
    later = "2200-01-01"

    async def found(query: str, who: Any) -> list[str]:
        page = await native.call("GET", f"/v1/refunds?{query}", who)
        assert page.status_code == 200, page.text
        return [each["cancellation"] for each in page.json()["refunds"]]

    mine = f"retailer={native.retailer}"
    for query, count in (
        (mine, 1),
        (f"{mine}&state=by_hand&state=due", 1),
        (f"{mine}&state=parked", 0),
        (f"order={made['id']}", 1),
        (f"cancellation={asked['id']}&until={later}", 1),
        (f"cancellation={asked['id']}&since={later}", 0),
        (f"cancellation={uuid4()}", 0),
        (f"order={uuid4()}", 0),
    ):
        for who in (platform, native.retailer):
            assert await found(query, who) == [asked["id"]] * count, query
    for query in (mine, f"order={made['id']}", f"cancellation={asked['id']}"):
        assert await found(query, world.other_retailer) == []
    (refund,) = (await native.call("GET", f"/v1/refunds?order={made['id']}", platform)).json()["refunds"]
    assert (refund["retailer_id"], refund["amount_minor"]) == (str(native.retailer), 1000)
    assert (refund["state"], refund["can"]) == ("by_hand", ["mark_paid", "close", "correct"])
    own = (await native.call("GET", f"/v1/refunds/{refund['id']}", native.retailer)).json()
    assert own["can"] == []
    assert (await native.call("GET", "/v1/orders/nonsense/payments", native.retailer)).json()["code"] == "unknown_order"
