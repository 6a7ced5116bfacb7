"""/v1/policies: the terms of a retailer and a supplier, seen by both, written by the platform."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from countermand.admin.callers import PLATFORM
from tests.wire.native.calling import Native

pytestmark = pytest.mark.anyio

PATH = "/v1/policies"
DEFAULTS = {
    "answer_within": "48h",
    "answer_within_s": 172800,
    "silence": "lapse",
    "whole_order": "what_can_be",
    "free_window": "0s",
    "free_window_s": 0,
    "accepts_until": "shipped",
    "accepts_for": "always",
    "accepts_for_s": None,
    "customer_asks_retailer_first": True,
    "proof_within": "never",
    "proof_within_s": None,
    "working_hours": "none",
    "holidays": "none",
}


class Agreeing:
    """The platform, and the pair of this test's retailer and the supplier."""

    def __init__(self, native: Native, operator: str) -> None:
        self.native = native
        self.operator = operator
        self.pair = {"retailer": str(native.retailer), "supplier": str(native.world.supplier)}

    async def read(self, path: str, who: UUID | str | None = None) -> Any:
        answer = await self.native.call("GET", f"{PATH}{path}", who or self.operator)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def in_force(self, who: UUID | str | None = None) -> Any:
        return await self.read(f"/in_force?retailer={self.pair['retailer']}&supplier={self.pair['supplier']}", who)

    async def create(self, based_on: int, *, every: bool = False, **terms: Any) -> Any:
        self.native.world.clock.advance(milliseconds=1)
        whom = {"retailer": self.pair["retailer"]} if every else self.pair
        answer = await self.native.call("POST", PATH, self.operator, {**whom, "based_on": based_on, **terms})
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert answer.headers["location"] == f"{PATH}/{made['id']}"
        return made

    async def refused(self, body: dict[str, Any], path: str = PATH, **more: Any) -> tuple[int, str, list[Any]]:
        answer = await self.native.call("POST", path, self.operator, {**self.pair, "based_on": 0, **body}, **more)
        assert answer.status_code >= 400, answer.text
        problem = answer.json()
        return (
            answer.status_code,
            problem["code"],
            [(each["pointer"], each["code"]) for each in problem.get("errors", ())],
        )


@pytest.fixture
async def agreeing(native: Native) -> Agreeing:
    # The two are partners from the first order on.
    await native.order(1)
    return Agreeing(native, await native.token(PLATFORM))


async def test_a_policy_is_previewed_written_and_read_by_both(agreeing: Agreeing) -> None:
    native, supplier = agreeing.native, agreeing.native.world.supplier
    held = await agreeing.in_force()
    assert (held["id"], held["version"], held["created_at"]) == (None, 0, None)
    assert {name: held[name] for name in DEFAULTS} == DEFAULTS
    hours = "mon,wed 09:00-17:00 America/New_York"
    terms: dict[str, Any] = {"answer_within": "90m", "silence": "accept", "working_hours": hours}
    shown = await native.call("POST", f"{PATH}/preview", agreeing.operator, {**agreeing.pair, "based_on": 0, **terms})
    assert shown.status_code == 200, shown.text
    preview = shown.json()
    assert [(each["term"], each["from"], each["to"]) for each in preview["changes"]] == [
        ("answer_within", "48h", "90m"),
        ("silence", "lapse", "accept"),
        ("working_hours", "none", "mon,wed 09:00-17:00 America/New_York"),
    ]
    assert {each["sentence"] for each in preview["changes"]} <= set(preview["sentences"])
    assert preview["open_asks"] == 0
    assert (await agreeing.in_force()) == held, "a preview changes nothing"
    made = await agreeing.create(0, **terms)
    assert (made["version"], made["answer_within_s"], made["sentences"]) == (1, 5400, preview["sentences"])
    assert made["id"].startswith("plc_")
    for who in (agreeing.operator, native.retailer, supplier):
        assert await agreeing.in_force(who) == made
        assert await agreeing.read(f"/{made['id']}", who) == made
    assert made["supplier"] == {"id": str(supplier), "name": held["supplier"]["name"]}


async def test_terms_that_are_not_said_stay(agreeing: Agreeing) -> None:
    first = await agreeing.create(
        0, working_hours="sun-thu 08:00-16:00 Asia/Dubai", holidays="AE", free_window="30m", accepts_for="14d"
    )
    assert (first["working_hours"], first["holidays"]) == ("sun-thu 08:00-16:00 Asia/Dubai", "AE")
    second = await agreeing.create(1, working_hours="mon-mon 08:00-16:00 UTC")
    assert (second["holidays"], second["free_window"], second["accepts_for"]) == ("AE", "30m", "336h")
    third = await agreeing.create(2, holidays="none", proof_within="2h")
    assert (third["working_hours"], third["holidays"]) == ("mon-mon 08:00-16:00 UTC", "none")
    fourth = await agreeing.create(3, working_hours="none", accepts_for="always", answer_within="never")
    assert (fourth["working_hours"], fourth["accepts_for_s"], fourth["answer_within_s"]) == ("none", None, None)
    assert fourth["proof_within_s"] == 7200


async def test_what_is_shown_of_a_term_can_be_sent_again(agreeing: Agreeing) -> None:
    made = await agreeing.create(0, working_hours="fri-mon 08:00-16:00 UTC", holidays="DE-BY", free_window="90s")
    again: dict[str, Any] = {name: made[name] for name in DEFAULTS if not name.endswith("_s")}
    second = await agreeing.create(1, **again)
    assert {name: second[name] for name in DEFAULTS} == {name: made[name] for name in DEFAULTS}


async def test_another_version_than_the_one_that_was_seen_is_not_overwritten(agreeing: Agreeing) -> None:
    await agreeing.create(0, silence="accept")
    for path in (PATH, f"{PATH}/preview"):
        assert await agreeing.refused({"silence": "lapse"}, path) == (409, "state_changed", [])
    every = await agreeing.create(0, every=True, silence="escalate")
    assert (every["version"], every["supplier"]) == (2, None)
    assert (await agreeing.in_force())["version"] == 1, "its own terms hold before those with every supplier"
    answers = await asyncio.gather(
        *(
            agreeing.native.call("POST", PATH, agreeing.operator, {**agreeing.pair, "based_on": 1, "silence": silence})
            for silence in ("lapse", "escalate", "accept")
        )
    )
    assert sorted(each.status_code for each in answers) == [201, 409, 409]


async def test_a_repeated_call_writes_one_version(agreeing: Agreeing) -> None:
    native = agreeing.native
    body, key = {**agreeing.pair, "based_on": 0, "silence": "accept"}, native.keyed("policy")
    first = await native.call("POST", PATH, agreeing.operator, body, headers=key)
    again = await native.call("POST", PATH, agreeing.operator, body, headers=key)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    other = await native.call("POST", PATH, agreeing.operator, {**body, "silence": "lapse"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert (await agreeing.in_force())["version"] == 1


async def test_asks_that_wait_are_counted_and_keep_their_terms(agreeing: Agreeing) -> None:
    native = agreeing.native
    line = await native.line(2)
    (asked,) = await native.asked({"line": str(line), "units": 1}, asker="retailer", reason="ordered_twice")
    body = {**agreeing.pair, "based_on": 0, "answer_within": "1h"}
    preview = (await native.call("POST", f"{PATH}/preview", agreeing.operator, body)).json()
    every = {"retailer": agreeing.pair["retailer"], "based_on": 0, "answer_within": "1h"}
    with_all = (await native.call("POST", f"{PATH}/preview", agreeing.operator, every)).json()
    assert (preview["open_asks"], with_all["open_asks"]) == (1, 1)
    await agreeing.create(0, answer_within="1h")
    kept = (await native.call("GET", f"/v1/cancellations/{asked['id']}", native.retailer)).json()
    assert kept["due_at"] == asked["due_at"]
    with_all = (await native.call("POST", f"{PATH}/preview", agreeing.operator, every)).json()
    assert with_all["open_asks"] == 0, "the supplier has terms of its own now"


async def test_the_newest_of_each_pair_is_listed_or_all(agreeing: Agreeing) -> None:
    retailer, supplier = agreeing.native.retailer, agreeing.native.world.supplier
    versions = [await agreeing.create(number, answer_within=f"{number + 1}h") for number in range(3)]
    every = await agreeing.create(0, every=True, silence="accept")
    ids = [every["id"], *(each["id"] for each in reversed(versions))]

    async def listed(query: str, who: UUID | str) -> list[str]:
        page = await agreeing.read(f"?retailer={retailer}&{query}", who)
        return [each["id"] for each in page["policies"]]

    for who in (agreeing.operator, retailer, supplier):
        assert await listed("", who) == ids[:2]
        assert await listed("history=true", who) == ids
        assert await listed(f"supplier={supplier}", who) == ids[1:2]
        first = await agreeing.read(f"?retailer={retailer}&history=true&limit=3", who)
        assert first["next"] == ids[2]
        assert await listed(f"history=true&after={first['next']}", who) == ids[3:]
    stranger = agreeing.native.world.other_supplier
    assert await listed("history=true", stranger) == []
    for path in (f"/{ids[0]}", f"/{ids[1]}"):
        answer = await agreeing.native.call("GET", PATH + path, stranger)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_policy")


@pytest.mark.parametrize(
    ("terms", "where"),
    [
        ({"answer_within": "soon"}, ("/answer_within", "bad_duration")),
        ({"answer_within": "always"}, ("/answer_within", "bad_duration")),
        ({"free_window": "never"}, ("/free_window", "bad_duration")),
        ({"accepts_for": "never"}, ("/accepts_for", "bad_duration")),
        ({"proof_within": "1.5h"}, ("/proof_within", "bad_duration")),
        ({"answer_within": 48}, ("/answer_within", "bad_text")),
        ({"answer_within": None}, ("/answer_within", "null")),
        ({"working_hours": "always"}, ("/working_hours", "bad_working_hours")),
        ({"working_hours": "mon,mon 09:00-17:00 UTC"}, ("/working_hours", "bad_working_hours")),
        ({"working_hours": "mon-fri 17:00-09:00 UTC"}, ("/working_hours", "bad_working_hours")),
        ({"working_hours": "mon-fri 09:00-29:00 UTC"}, ("/working_hours", "bad_working_hours")),
        ({"working_hours": "mon-fri 09:00-17:00 Europe"}, ("/working_hours", "bad_working_hours")),
        ({"working_hours": "mon-fri 09:00-17:00 ../x"}, ("/working_hours", "bad_working_hours")),
        ({"holidays": "NL"}, ("/working_hours", "bad_working_hours")),
        ({"holidays": "XX", "working_hours": "mon-fri 09:00-17:00 UTC"}, ("/working_hours", "bad_working_hours")),
        ({"holidays": "country_holidays"}, ("/holidays", "bad_working_hours")),
        ({"customer_asks_retailer_first": "yes"}, ("/customer_asks_retailer_first", "not_listed")),
        ({"silence": "shout"}, ("/silence", "not_listed")),
        ({"based_on": "0"}, ("/based_on", "integer")),
        ({"based_on": -1}, ("/based_on", "out_of_range")),
        ({"answer_time": "1h"}, ("/answer_time", "unknown_member")),
        ({"answer_within": "59s"}, ("", "bad_terms")),
        ({"answer_within": "999999999d"}, ("", "bad_terms")),
    ],
)
async def test_terms_that_make_no_sense(sqlite_native: Native, terms: dict[str, Any], where: tuple[str, str]) -> None:
    agreeing = Agreeing(sqlite_native, await sqlite_native.token(PLATFORM))
    for path in (PATH, f"{PATH}/preview"):
        status, code, errors = await agreeing.refused(terms, path)
        assert (status, code) == (422, "invalid")
        assert where in errors or not where[0], errors
        assert where[0] or [each[1] for each in errors] == [where[1]], errors
    assert (await agreeing.in_force())["version"] == 0


async def test_who_agrees_with_whom(sqlite_native: Native) -> None:
    agreeing = Agreeing(sqlite_native, await sqlite_native.token(PLATFORM))
    supplier, other = str(sqlite_native.world.supplier), str(sqlite_native.world.other_retailer)
    assert await agreeing.refused({"retailer": str(uuid4())}) == (404, "unknown_party", [])
    assert await agreeing.refused({"retailer": supplier}) == (422, "invalid", [("/retailer", "no_retailer")])
    assert await agreeing.refused({"supplier": other}) == (422, "invalid", [("/supplier", "no_supplier")])
    unknown = await sqlite_native.call("GET", f"{PATH}/plc_x", agreeing.operator)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_policy")
