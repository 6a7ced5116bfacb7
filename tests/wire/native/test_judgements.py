"""/v1/judgements: the platform says what counts in a score; a party reads what was said about its own."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from countermand.admin.callers import PLATFORM
from countermand.domain.commands import CancelOwn
from countermand.domain.reasons import CancelReason
from tests.wire.native.calling import PATH as CANCELLATIONS
from tests.wire.native.calling import Native

pytestmark = pytest.mark.anyio

PATH = "/v1/judgements"


async def counted(native: Native) -> str:
    """A cancellation that counts against the retailer."""
    line = await native.line(1)
    (made,) = await native.asked(str(line), asker="retailer", reason="out_of_stock")
    answer = await native.call("POST", f"{CANCELLATIONS}/{made['id']}/accept", native.world.supplier, {})
    assert answer.status_code == 200, answer.text
    return str(made["id"])


async def judge(native: Native, operator: str, wanted: str, verdict: str, **more: Any) -> Any:
    native.world.clock.advance(milliseconds=1)
    body = {"cancellation": wanted, "verdict": verdict, "reason": "mail on file", **more}
    return await native.call("POST", PATH, operator, body)


async def listed(native: Native, who: UUID | str, query: str = "") -> list[Any]:
    answer = await native.call("GET", f"{PATH}{query}", who)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["judgements"]
    return found


async def numerator(native: Native) -> int:
    card = await native.call("GET", f"/v1/scorecards/{native.retailer}?weeks=1", native.retailer)
    count: int = card.json()["weeks"][-1]["numerator"]
    return count


async def test_a_cancellation_is_taken_out_and_counts_again(native: Native) -> None:
    operator, wanted = await native.token(PLATFORM, label="desk 1"), await counted(native)
    assert await numerator(native) == 1
    made = await judge(native, operator, wanted, "excluded")
    assert made.status_code == 201, made.text
    first = made.json()
    assert first["id"].startswith("jdg_")
    assert {name: first[name] for name in ("cancellation", "party", "verdict", "reason", "version")} == {
        "cancellation": wanted,
        "party": str(native.retailer),
        "verdict": "excluded",
        "reason": "mail on file",
        "version": 1,
    }
    assert first["by"].endswith("(desk 1)")
    assert await numerator(native) == 0
    again = await judge(native, operator, wanted, "excluded")
    assert (again.status_code, again.json()["errors"][0]["code"]) == (422, "nothing_to_judge")
    second = (await judge(native, operator, wanted, "restored", party=str(native.retailer))).json()
    assert (second["version"], second["verdict"]) == (2, "restored")
    assert await numerator(native) == 1
    assert await listed(native, native.retailer) == [second, first]
    assert await listed(native, operator, f"?cancellation={wanted}&limit=1") == [second]
    assert await listed(native, operator, f"?cancellation={wanted}&after={second['id']}") == [first]
    assert await listed(native, operator, f"?party={native.retailer}") == [second, first]
    assert await listed(native, native.world.supplier, f"?cancellation={wanted}") == []
    other = await native.call("GET", f"{PATH}?party={native.retailer}", native.world.supplier)
    assert (other.status_code, other.json()["code"]) == (403, "wrong_party")


async def test_a_supplier_reads_what_was_said_about_its_own_score(native: Native) -> None:
    supplier, operator = native.world.supplier, await native.token(PLATFORM)
    line = await native.line(1)
    await native.do(CancelOwn(line=line, actor=native.world.actor(supplier), reason=CancelReason.OUT_OF_STOCK))
    (made,) = await native.listed(f"?line={line}")
    both = await judge(native, operator, made["id"], "excluded")
    assert (both.status_code, both.json()["errors"][0]["code"]) == (422, "whose_score")
    answer = await judge(native, operator, made["id"], "excluded", party=str(supplier))
    assert answer.status_code == 201, answer.text
    assert answer.json()["party"] == str(supplier)
    assert await listed(native, supplier, f"?cancellation={made['id']}") == [answer.json()]
    assert await listed(native, native.retailer, f"?cancellation={made['id']}") == []
    assert await listed(native, supplier, f"?cancellation={made['id']}&until=2020-01-01") == []


async def test_a_repeated_call_judges_once(native: Native) -> None:
    operator, wanted = await native.token(PLATFORM), await counted(native)
    body = {"cancellation": wanted, "verdict": "excluded", "reason": "x"}
    key = native.keyed("judge")
    first = await native.call("POST", PATH, operator, body, headers=key)
    again = await native.call("POST", PATH, operator, body, headers=key)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert len(await listed(native, operator, f"?cancellation={wanted}")) == 1


async def test_of_judgements_at_once_one_is_written(native: Native) -> None:
    operator, wanted = await native.token(PLATFORM), await counted(native)
    answers = await asyncio.gather(*(judge(native, operator, wanted, "excluded") for _ in range(4)))
    assert sorted(each.status_code for each in answers) == [201, 422, 422, 422]


@pytest.mark.parametrize(
    ("more", "status", "code", "where"),
    [
        ({"cancellation": f"can_{uuid4().hex}"}, 404, "unknown_cancellation", None),
        ({"cancellation": "x"}, 422, "invalid", ("/cancellation", "bad_id")),
        ({"party": str(uuid4())}, 404, "unknown_party", None),
        ({"party": "platform"}, 422, "invalid", ("/cancellation", "not_counted")),
        ({"verdict": "restored"}, 422, "invalid", ("/verdict", "nothing_to_judge")),
        ({"verdict": "x"}, 422, "invalid", ("/verdict", "not_listed")),
        ({"reason": ""}, 422, "invalid", ("/reason", "blank")),
        ({"reason": " "}, 422, "invalid", ("/reason", "blank")),
        ({"reason": "two\nlines"}, 422, "invalid", ("/reason", "bad_reason")),
        ({"reason": "x" * 1001}, 422, "invalid", ("/reason", "too_long")),
        ({"reason": None}, 422, "invalid", ("/reason", "null")),
    ],
)
async def test_what_cannot_be_judged(
    sqlite_native: Native, more: dict[str, Any], status: int, code: str, where: tuple[str, str] | None
) -> None:
    native = sqlite_native
    operator, wanted = await native.token(PLATFORM), await counted(native)
    body = {"cancellation": wanted, "verdict": "excluded", "reason": "x", **more}
    answer = await native.call("POST", PATH, operator, body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    if where:
        assert [(each["pointer"], each["code"]) for each in problem["errors"]] == [where]
    assert await listed(native, operator, f"?cancellation={wanted}") == []


async def test_an_ask_that_counts_against_nobody(sqlite_native: Native) -> None:
    native = sqlite_native
    (made,) = await native.asked(str(await native.line(1)))
    answer = await judge(native, await native.token(PLATFORM), made["id"], "excluded")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "not_counted")
