"""Steps by the native API: one yes is one step, a part is that part, and who comes second is told where it stands."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from countermand.admin.callers import PLATFORM
from tests.wire.native.calling import PATH, Native

pytestmark = pytest.mark.anyio


@pytest.fixture
async def platform(native: Native) -> str:
    return await native.token(PLATFORM)


async def say(native: Native, cancellation: str, verb: str, who: UUID | str, **body: Any) -> Any:
    return await native.call("POST", f"{PATH}/{cancellation}/{verb}", who, body)


async def asked(native: Native, units: int = 5) -> dict[str, Any]:
    (made,) = await native.asked(await native.line(units))
    assert (made["step"], made["waiting_units"]) == (1, units)
    return made


async def told(native: Native, made: dict[str, Any]) -> list[Any]:
    return [(event.kind, event.facts.get("step")) for event in await native.world.events(UUID(made["line"]))]


async def test_a_part_that_the_retailer_accepts_is_that_part(native: Native) -> None:
    made = await asked(native)
    passed = (await say(native, made["id"], "accept", native.retailer, units=2, rest_reason="already_picked")).json()
    assert (passed["state"], passed["units"], passed["waiting_units"], passed["step"]) == ("asked", 5, 2, 2)
    assert await native.world.buckets(UUID(made["line"])) == (3, 2, 0, 0)
    again = (await say(native, made["id"], "accept", native.retailer, units=2)).json()
    assert again == passed | {"repeated": True}
    other = await say(native, made["id"], "accept", native.retailer)
    assert (other.status_code, other.json()["code"]) == (409, "already_answered")
    done = (await say(native, made["id"], "accept", native.world.supplier)).json()
    assert (done["state"], done["accepted_units"], done["waiting_units"], done["step"]) == ("accepted", 2, 0, 3)
    assert done["decline_reason"] == "already_picked"
    assert await native.world.buckets(UUID(made["line"])) == (3, 0, 2, 0)
    events = await native.call("GET", f"/v1/events?line={made['line']}", native.retailer)
    told_in_order = sorted((event["data"] for event in events.json()["events"]), key=lambda data: data["seq"])
    cancellations = [data["cancellation"] for data in told_in_order]
    assert [(c["units"], c["waiting_units"], c["step"]) for c in cancellations if c] == [
        (5, 5, 1),
        (5, 2, 2),
        (5, 0, 3),
    ]


async def test_the_platform_must_name_the_step(native: Native, platform: str) -> None:
    made = await asked(native)
    for verb, more in (("accept", {}), ("decline", {"reason": "other"})):
        refused = await say(native, made["id"], verb, platform, **more)
        assert (refused.status_code, refused.json()["code"]) == (428, "step_needed")
        assert refused.json()["cancellation"] == made["id"]
        assert refused.json()["current"] == {
            "state": "asked",
            "step": 1,
            "awaiting": str(native.retailer),
            "answered_by": None,
            "answered_at": None,
        }
    assert await told(native, made) == [("line.placed", None), ("cancellation.asked", 1)]


async def test_two_operators_have_one_effect_and_the_second_is_told(native: Native, platform: str) -> None:
    made = await asked(native)
    yes = [say(native, made["id"], "accept", platform, step=1) for _ in range(6)]
    answers = [response.json() for response in await asyncio.gather(*yes)]
    assert {(each["state"], each["step"], each["awaiting"]) for each in answers} == {
        ("asked", 2, str(native.world.supplier))
    }
    assert sorted(each["repeated"] for each in answers) == [False] + [True] * 5
    refused = await say(native, made["id"], "decline", platform, step=1, reason="other")
    assert (refused.status_code, refused.json()["code"]) == (409, "state_changed")
    assert refused.json()["current"] == {
        "state": "asked",
        "step": 2,
        "awaiting": str(native.world.supplier),
        "answered_by": str(PLATFORM),
        "answered_at": refused.json()["current"]["answered_at"],
    }
    assert refused.json()["current"]["answered_at"]
    assert await told(native, made) == [
        ("line.placed", None),
        ("cancellation.asked", 1),
        ("cancellation.passed_on", 2),
    ]


async def test_a_refusal_is_replayed_with_where_it_stood(native: Native, platform: str) -> None:
    made = await asked(native)
    await say(native, made["id"], "accept", platform, step=1)
    path, body, headers = f"{PATH}/{made['id']}/decline", {"step": 1, "reason": "other"}, native.keyed("k")
    first = await native.call("POST", path, platform, body, headers=headers)
    assert first.status_code == 409
    await say(native, made["id"], "accept", platform, step=2)
    assert (await native.call("POST", path, platform, body, headers=headers)).json() == first.json()


@pytest.mark.parametrize("step", [0, -1, "1", 1.5, True, 10**7])
async def test_a_step_is_a_number_from_one_on(sqlite_native: Native, step: Any) -> None:
    (made,) = await sqlite_native.asked(await sqlite_native.line())
    for verb, more in (("accept", {}), ("decline", {"reason": "other"}), ("withdraw", {})):
        refused = await say(sqlite_native, made["id"], verb, sqlite_native.retailer, step=step, **more)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid")


async def test_a_withdrawal_may_name_what_it_saw_and_say_why(native: Native) -> None:
    made = await asked(native)
    await say(native, made["id"], "accept", native.retailer, step=1)
    refused = await say(native, made["id"], "withdraw", native.retailer, step=1)
    assert (refused.status_code, refused.json()["code"]) == (409, "state_changed")
    done = (await say(native, made["id"], "withdraw", native.retailer, step=2, note="she wants it after all")).json()
    assert (done["state"], done["answer_note"], done["step"]) == ("withdrawn", "she wants it after all", 3)
    again = (await say(native, made["id"], "withdraw", native.retailer, step=2)).json()
    assert again == done | {"repeated": True}
