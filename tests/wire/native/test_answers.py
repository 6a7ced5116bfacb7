"""Accept, decline and withdraw: what each comes to, who may, and the same call twice."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from countermand.admin.callers import PLATFORM
from countermand.documents import timeline
from countermand.domain.commands import PassDeadline
from countermand.domain.reasons import DeclineReason
from tests.wire.native.calling import PATH, Native, new_retailer

pytestmark = pytest.mark.anyio

SAID: dict[str, Any] = {"accept": None, "decline": {"reason": "in_packing"}, "withdraw": None}


async def answer(
    native: Native, cancellation: str, verb: str, body: Any = None, *, who: UUID | str, key: str | None = None
) -> httpx2.Response:
    headers = native.keyed(key) if key else None
    return await native.call("POST", f"{PATH}/{cancellation}/{verb}", who, body, headers=headers)


async def answered(native: Native, cancellation: str, verb: str, body: Any = None, **more: Any) -> dict[str, Any]:
    response = await answer(native, cancellation, verb, body, **more)
    assert response.status_code == 200, response.text
    shown: dict[str, Any] = response.json()
    return shown


async def refused(native: Native, cancellation: str, verb: str, body: Any = None, **more: Any) -> tuple[int, str]:
    response = await answer(native, cancellation, verb, body, **more)
    return response.status_code, response.json()["code"]


async def asked_of_supplier(native: Native, units: int = 2) -> dict[str, Any]:
    (made,) = await native.asked({"line": str(await native.line(5)), "units": units}, asker="retailer")
    return made


async def test_the_supplier_accepts(native: Native) -> None:
    made = await asked_of_supplier(native)
    native.world.clock.advance(minutes=5)
    shown = await answered(native, made["id"], "accept", who=native.world.supplier)
    assert shown == await _shown(native, made["id"])
    assert (shown["state"], shown["accepted_units"], shown["awaiting"]) == ("accepted", 2, None)
    assert shown["answered_by"] == str(native.world.supplier)
    assert await native.world.buckets(UUID(made["line"])) == (3, 0, 2, 0)
    assert (await native.world.events(UUID(made["line"])))[-1].door == "native"


async def test_it_accepts_some_and_the_rest_is_open_again(native: Native) -> None:
    made = await asked_of_supplier(native, 5)
    shown = await answered(native, made["id"], "accept", {"units": 3}, who=native.world.supplier)
    assert (shown["state"], shown["units"], shown["accepted_units"]) == ("accepted", 5, 3)
    assert await native.world.buckets(UUID(made["line"])) == (2, 0, 3, 0)


async def test_a_retailers_yes_to_the_customer_goes_on_to_the_supplier(native: Native) -> None:
    (made,) = await native.asked(await native.line(2))
    shown = await answered(native, made["id"], "accept", who=native.retailer)
    assert (shown["state"], shown["awaiting"]) == ("asked", str(native.world.supplier))
    shown = await answered(native, made["id"], "accept", who=native.world.supplier)
    assert shown["state"] == "accepted"


@pytest.mark.parametrize("reason", [each for each in DeclineReason if each is not DeclineReason.NOT_STATED])
async def test_the_supplier_declines_for_a_reason(sqlite_native: Native, reason: DeclineReason) -> None:
    native = sqlite_native
    made = await asked_of_supplier(native)
    said = {"reason": reason.value, "note": "on the belt 📦"}
    shown = await answered(native, made["id"], "decline", said, who=native.world.supplier)
    assert (shown["state"], shown["decline_reason"], shown["answer_note"]) == (
        "declined",
        reason.value,
        "on the belt 📦",
    )
    assert await native.world.buckets(UUID(made["line"])) == (5, 0, 0, 0)


async def test_the_words_of_a_partial_yes_are_kept_and_told_to_the_asker(native: Native) -> None:
    made = await asked_of_supplier(native, 5)
    said = {"units": 3, "rest_reason": "made_to_order", "note": "Two are engraved ✒"}
    shown = await answered(native, made["id"], "accept", said, who=native.world.supplier)
    assert (shown["decline_reason"], shown["answer_note"]) == ("made_to_order", "Two are engraved ✒")
    told = (await _told(native, made["line"]))["cancellation"]
    assert (told["accepted_units"], told["decline_reason"]) == (3, "made_to_order")
    assert told["answer_note"] == "Two are engraved ✒"
    assert (await _sentences(native, made["line"]))[-1] == (
        "supplier accepted the cancellation of 3 of 5 units, not the rest (made to order): Two are engraved ✒."
    )


async def test_the_parcel_that_a_decline_names_is_kept_and_told_to_the_asker(native: Native) -> None:
    made = await asked_of_supplier(native)
    said = {"reason": "already_shipped", "tracking": "PostNL 3S1", "note": "this morning"}
    await answered(native, made["id"], "decline", said, who=native.world.supplier)
    told = await _told(native, made["line"])
    assert (told["tracking"], told["cancellation"]["answer_note"]) == ("PostNL 3S1", "this morning")
    assert (await _sentences(native, made["line"]))[-1] == (
        "supplier declined the cancellation of 2 units (already shipped), PostNL 3S1: this morning."
    )


async def test_words_that_settle_nothing_are_told_with_their_own_event(native: Native) -> None:
    (made,) = await native.asked(await native.line(2), note="wrong size")
    await answered(native, made["id"], "accept", {"note": "a good customer"}, who=native.retailer)
    told = (await _told(native, made["line"]))["cancellation"]
    assert (told["state"], told["note"], told["answer_note"]) == ("asked", "wrong size", "a good customer")
    native.world.clock.advance(hours=49)
    late = {"reason": "already_shipped", "note": "it had left", "tracking": "3S1"}
    assert await refused(native, made["id"], "decline", late, who=native.world.supplier) == (409, "already_answered")
    told = await _told(native, made["line"])
    assert (told["answer"], told["tracking"], told["cancellation"]["answer_note"]) == ("decline", "3S1", "it had left")
    assert (await _shown(native, made["id"]))["answer_note"] == ""


async def test_a_note_is_told_and_changes_nothing(native: Native) -> None:
    """EC-40: the parcel's label was bought, and cannot be voided."""
    made = await asked_of_supplier(native)
    before = await answered(native, made["id"], "accept", who=native.world.supplier)
    said = {"note": "The label could not be voided: 4.95 EUR.", "tracking": "PostNL 3S1"}
    for repeated in (False, True):
        after = await answered(native, made["id"], "notes", said, who=native.world.supplier)
        assert after == before | {"repeated": repeated}
    told = await _told(native, made["line"])
    assert (told["tracking"], told["cancellation"]["state"]) == ("PostNL 3S1", "accepted")
    assert told["cancellation"]["answer_note"] == said["note"]
    assert len(await native.world.events(UUID(made["line"]))) == 4
    assert (await _sentences(native, made["line"]))[-1] == (
        "supplier added a note to the cancellation of 2 units, PostNL 3S1: The label could not be voided: 4.95 EUR."
    )
    stranger = native.world.other_supplier
    assert await refused(native, made["id"], "notes", said, who=stranger) == (404, "unknown_cancellation")


@pytest.mark.parametrize("body", [{"reason": "not_stated"}, {"reason": "out_of_stock"}], ids=str)
async def test_a_decline_has_one_of_the_reasons_for_declines(native: Native, body: dict[str, Any]) -> None:
    made = await asked_of_supplier(native)
    assert await refused(native, made["id"], "decline", body, who=native.world.supplier) == (422, "invalid")
    rest = {"units": 1, "rest_reason": body["reason"]}
    assert await refused(native, made["id"], "accept", rest, who=native.world.supplier) == (422, "invalid")


async def test_only_a_supplier_says_what_it_rejected_at_allocation(native: Native) -> None:
    line = await native.line(2)
    assert await native.refused(line, reason="rejected_at_allocation") == (422, "invalid")


@pytest.mark.parametrize("said", [{}, {"note": "no"}])
async def test_a_decline_says_why(native: Native, said: dict[str, Any]) -> None:
    made = await asked_of_supplier(native)
    assert await refused(native, made["id"], "decline", said, who=native.world.supplier) == (422, "reason_required")
    assert await native.world.buckets(UUID(made["line"])) == (3, 2, 0, 0)


async def test_the_asker_takes_it_back(native: Native) -> None:
    made = await asked_of_supplier(native)
    shown = await answered(native, made["id"], "withdraw", who=native.retailer)
    assert (shown["state"], shown["awaiting"]) == ("withdrawn", None)
    assert await native.world.buckets(UUID(made["line"])) == (5, 0, 0, 0)


async def test_the_customers_ask_is_taken_back_by_who_brought_it(native: Native) -> None:
    platform = await native.token(PLATFORM)
    (through_shop,) = await native.asked(await native.line(), who=native.retailer)
    (through_platform,) = await native.asked(await native.line(), who=platform)
    assert await refused(native, through_platform["id"], "withdraw", who=native.retailer) == (
        404,
        "unknown_cancellation",
    )
    assert (await answered(native, through_platform["id"], "withdraw", who=platform))["state"] == "withdrawn"
    assert (await answered(native, through_shop["id"], "withdraw", who=native.retailer))["state"] == "withdrawn"


@pytest.mark.parametrize(("first", "who"), [("accept", "supplier"), ("decline", "supplier"), ("withdraw", "retailer")])
async def test_the_same_again_is_success_again_and_another_answer_is_too_late(
    native: Native, first: str, who: str
) -> None:
    made = await asked_of_supplier(native)
    actors = {"supplier": native.world.supplier, "retailer": native.retailer}
    shown = await answered(native, made["id"], first, SAID[first], who=actors[who])
    again = await answered(native, made["id"], first, SAID[first], who=actors[who])
    assert again == shown | {"repeated": True}
    for other in {"accept", "decline", "withdraw"} - {first}:
        by = native.retailer if other == "withdraw" else native.world.supplier
        response = await answer(native, made["id"], other, SAID[other], who=by)
        assert (response.status_code, response.json()["code"]) == (409, "already_answered")
        assert response.json()["cancellation"] == made["id"]
    assert await _shown(native, made["id"]) == shown


async def test_more_than_was_asked_cannot_be_accepted(native: Native) -> None:
    made = await asked_of_supplier(native)
    assert await refused(native, made["id"], "accept", {"units": 3}, who=native.world.supplier) == (
        409,
        "too_many_units",
    )


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("accept", {"units": 0}),
        ("accept", {"units": True}),
        ("accept", {"units": "1"}),
        ("accept", {"unit": 1}),
        ("accept", {"note": "x" * 1001}),
        ("accept", {"note": "nul \0"}),
        ("accept", []),
        ("decline", None),
        ("decline", {"reason": "no"}),
        ("decline", {"reason": "other", "note": "x" * 1001}),
        ("decline", {"reason": "other", "note": "nul \0"}),
        ("decline", {"reason": "other", "why": ""}),
        ("notes", None),
        ("notes", {"note": ""}),
        ("notes", {"note": "x" * 1001}),
        ("notes", {"note": "nul \0"}),
    ],
)
async def test_what_is_wrong_with_an_answer_is_told(sqlite_native: Native, verb: str, body: Any) -> None:
    native = sqlite_native
    made = await asked_of_supplier(native)
    assert await refused(native, made["id"], verb, body, who=native.world.supplier) == (422, "invalid")


@pytest.mark.parametrize("verb", SAID)
@pytest.mark.parametrize("named", ["x", "can_", "can_x", "%20", f"can_{UUID(int=9).hex}", "%00", "%ff"])
async def test_an_id_that_is_none_is_an_unknown_one(sqlite_native: Native, verb: str, named: str) -> None:
    said = await refused(sqlite_native, named, verb, SAID[verb], who=sqlite_native.retailer)
    assert said == (404, "unknown_cancellation")


# Who may


OWN: dict[str, dict[str, tuple[int, str | None]]] = {
    # One that the retailer asked and the supplier has to answer.
    "accept": {"retailer": (409, "nothing_asked"), "supplier": (200, None), "platform": (428, "step_needed")},
    "decline": {"retailer": (409, "nothing_asked"), "supplier": (200, None), "platform": (428, "step_needed")},
    "withdraw": {"retailer": (200, None), "supplier": (403, "wrong_party"), "platform": (200, None)},
}
NOBODYS = (404, "unknown_cancellation")


@pytest.mark.parametrize("whose", ["own", "foreign", "absent"])
@pytest.mark.parametrize(
    "role", ["retailer", "supplier", "platform", "other_retailer", "other_supplier", "viewer", "nobody"]
)
@pytest.mark.parametrize("verb", SAID)
async def test_who_may_answer_what(native: Native, verb: str, role: str, whose: str) -> None:
    world = native.world
    stranger = await new_retailer(world, native.http)
    who: dict[str, UUID | str] = {
        "retailer": native.retailer,
        "supplier": world.supplier,
        "platform": await native.token(PLATFORM),
        "other_retailer": stranger.retailer,
        "other_supplier": world.other_supplier,
        "viewer": await native.token(world.supplier, permissions=["view_order"]),
        "nobody": "cmt_nothing",
    }
    if whose == "own":
        made = await asked_of_supplier(native)
    else:
        (made,) = await stranger.asked(await stranger.line(2, by=world.other_supplier), asker="retailer")
    named = f"can_{uuid4().hex}" if whose == "absent" else made["id"]
    expected: tuple[int, str | None]
    if role in ("viewer", "nobody"):
        lacks = "wrong_party" if verb == "withdraw" else "forbidden"
        expected = (403, lacks) if role == "viewer" else (401, "unauthenticated")
    elif verb == "withdraw" and role.endswith("supplier"):
        expected = (403, "wrong_party")
    elif whose == "own":
        expected = OWN[verb].get(role, NOBODYS)
    elif whose == "foreign" and role in ("platform", "other_retailer", "other_supplier"):
        part = {"other_retailer": "retailer", "other_supplier": "supplier"}.get(role, role)
        expected = OWN[verb][part]
    else:
        expected = NOBODYS
    response = await answer(native, named, verb, SAID[verb], who=who[role])
    assert (response.status_code, response.json().get("code")) == expected, response.text
    state = (await _shown(native, made["id"], await native.token(PLATFORM)))["state"]
    done = {"accept": "accepted", "decline": "declined", "withdraw": "withdrawn"}[verb]
    assert state == (done if expected[0] == 200 else "asked")


async def test_a_supplier_that_was_not_told_knows_of_nothing(native: Native) -> None:
    (made,) = await native.asked((await native.order(1, held=True)).lines[0].id)
    for verb, said in SAID.items():
        expected = (403, "wrong_party") if verb == "withdraw" else NOBODYS
        assert await refused(native, made["id"], verb, said, who=native.world.supplier) == expected


# The same call, twice


@pytest.mark.parametrize("verb", SAID)
async def test_a_key_gets_the_same_answer(native: Native, verb: str) -> None:
    made = await asked_of_supplier(native)
    by = native.retailer if verb == "withdraw" else native.world.supplier
    first = await answered(native, made["id"], verb, SAID[verb], who=by, key="k")
    assert await answered(native, made["id"], verb, SAID[verb], who=by, key="k") == first
    assert len(await native.world.events(UUID(made["line"]))) == 3


async def test_a_key_is_for_one_call(native: Native) -> None:
    made, other = await asked_of_supplier(native), await asked_of_supplier(native)
    by = native.world.supplier
    await answered(native, made["id"], "accept", {"units": 1}, who=by, key="k")
    reused = (422, "key_reused")
    assert await refused(native, made["id"], "accept", {"units": 2}, who=by, key="k") == reused
    assert await refused(native, made["id"], "accept", who=by, key="k") == reused
    assert await refused(native, made["id"], "decline", SAID["decline"], who=by, key="k") == reused
    assert await refused(native, other["id"], "accept", {"units": 1}, who=by, key="k") == reused
    assert (await answered(native, other["id"], "accept", {"units": 1}, who=by, key="l"))["state"] == "accepted"


async def test_a_key_of_an_ask_is_not_one_of_an_answer(native: Native) -> None:
    line = await native.line(4)
    await native.asked({"line": str(line), "units": 1}, key="k", asker="retailer")
    made = await asked_of_supplier(native)
    assert await refused(native, made["id"], "withdraw", who=native.retailer, key="k") == (422, "key_reused")


async def test_of_an_accept_and_a_withdrawal_at_once_one_wins(native: Native) -> None:
    for _ in range(5):
        made = await asked_of_supplier(native)
        responses = await asyncio.gather(
            answer(native, made["id"], "accept", who=native.world.supplier),
            answer(native, made["id"], "withdraw", who=native.retailer),
        )
        assert sorted(each.status_code for each in responses) == [200, 409]
        won = "accepted" if responses[0].status_code == 200 else "withdrawn"
        assert (await _shown(native, made["id"]))["state"] == won


async def test_an_answer_after_the_deadline_finds_what_the_policy_said(native: Native) -> None:
    made = await asked_of_supplier(native)
    native.world.clock.advance(hours=49)
    await native.do(PassDeadline(line=UUID(made["line"]), cancellation=UUID(made["id"].removeprefix("can_"))))
    assert await refused(native, made["id"], "accept", who=native.world.supplier) == (409, "already_answered")


async def _told(native: Native, line: str) -> dict[str, Any]:
    """The last event of a line, as it is sent to the retailer."""
    response = await native.call("GET", f"/v1/events?line={line}", native.retailer)
    told: list[dict[str, Any]] = [event["data"] for event in response.json()["events"]]
    return max(told, key=lambda data: int(data["seq"]))


async def _sentences(native: Native, line: str) -> list[str]:
    return [timeline.sentence(event) for event in await native.world.events(UUID(line))]


async def _shown(native: Native, cancellation: str, who: UUID | str | None = None) -> dict[str, Any]:
    response = await native.call("GET", f"{PATH}/{cancellation}", who or native.retailer)
    assert response.status_code == 200, response.text
    shown: dict[str, Any] = response.json()
    return shown
