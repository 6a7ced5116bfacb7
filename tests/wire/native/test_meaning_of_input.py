"""What numbers, texts and times mean to the native API."""

import re
from typing import Any
from uuid import uuid4

import pytest

from countermand.admin.callers import PLATFORM, Permission
from tests.wire.native.calling import PATH, Native, places
from tests.wire.native.test_operations import calls, description

pytestmark = pytest.mark.anyio

NO_UNITS: list[Any] = [True, "1", "1_000", 1.0, 1.5, 1e3, 2**53 + 1, None, [], {}]


@pytest.mark.parametrize("units", NO_UNITS, ids=repr)
async def test_what_is_no_whole_number_is_no_quantity(sqlite_native: Native, units: Any) -> None:
    if units is None:
        return
    line = await sqlite_native.line(3)
    assert await sqlite_native.refused({"line": str(line), "units": units}) == (422, "invalid")


@pytest.mark.parametrize("limit", ["1_0", "1e1", "+5", "%205", "5.0", "%D9%A5", "%EF%BC%95", "true", "", "0x5"])
@pytest.mark.parametrize("path", [PATH, "/v1/refunds", "/v1/events"])
async def test_what_is_no_number_is_no_limit(sqlite_native: Native, path: str, limit: str) -> None:
    answer = await sqlite_native.call("GET", f"{path}?limit={limit}", sqlite_native.retailer)
    assert (answer.status_code, places(answer)[0]) == (422, ["query", "limit"])


@pytest.mark.parametrize("since", ["20261332", "0", "1764288000", "1764288000000", "2026", "", "yesterday"])
async def test_what_is_no_time_is_refused_and_never_1970(sqlite_native: Native, since: str) -> None:
    party = sqlite_native.retailer
    for path, name in (("/v1/events", "since"), (f"/v1/scorecards/{party}", "as_of")):
        answer = await sqlite_native.call("GET", f"{path}?{name}={since}", party)
        assert (answer.status_code, places(answer)[0]) == (422, ["query", name])


async def test_a_day_is_a_time_in_a_filter(sqlite_native: Native) -> None:
    await sqlite_native.line()
    for since, count in (("2026-11-02", 1), ("20261102", 1), ("2026-11-03", 0)):
        answer = await sqlite_native.call("GET", f"/v1/events?since={since}", sqlite_native.retailer)
        assert len(answer.json()["events"]) == count


@pytest.mark.parametrize("amount", [18.0, 18, True, "1e1", "1_8", " 18", "+18", "\u0661\u0668", "NaN", ""], ids=repr)
async def test_an_amount_is_decimal_text(sqlite_native: Native, amount: Any) -> None:
    path = f"/v1/orders/{uuid4()}/payments"
    for way, body in ((path, {"id": "card", "captured": amount}), (f"{path}/card/capture", {"captured": amount})):
        answer = await sqlite_native.call("POST", way, sqlite_native.retailer, body)
        assert (answer.status_code, places(answer)[0]) == (422, ["body", "captured"])


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b'{"lines": [], "lines": []}', "'lines' is there twice"),
        (b'{"lines": NaN}', "NaN is no number"),
        (b'{"lines": -Infinity}', "Infinity is no number"),
        (b'{"lines": ' + b"9" * 401 + b"}", "more than 400 digits"),
        (b'{"lines": [' + b"1," * 10_000 + b"1]}", "more than 10000 values"),
        (b'{"lines": "\xff"}', "not UTF-8"),
    ],
    ids=lambda each: str(each)[:30],
)
async def test_json_means_one_thing_only(sqlite_native: Native, content: bytes, word: str) -> None:
    answer = await sqlite_native.call("POST", PATH, sqlite_native.retailer, content=content)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert word in answer.json()["detail"]


async def test_half_a_pair_among_the_kinds_of_events_is_named(sqlite_native: Native) -> None:
    content = b'{"url": "https://hooks.example.com/in", "events": ["\\ud800"]}'
    answer = await sqlite_native.call("POST", "/v1/endpoints", sqlite_native.retailer, content=content)
    assert (answer.status_code, answer.json()["errors"]) == (
        422,
        [
            {
                "in": "body",
                "pointer": "/events/0",
                "code": "bad_text",
                "detail": "half of a surrogate pair is not allowed",
            }
        ],
    )


@pytest.mark.parametrize("note", ["", " ", "\u200b", "\n"])
async def test_a_note_that_is_needed_is_not_blank(sqlite_native: Native, note: str) -> None:
    [made] = await sqlite_native.asked({"line": str(await sqlite_native.line()), "units": 1})
    answer = await sqlite_native.call("POST", f"{PATH}/{made['id']}/notes", sqlite_native.retailer, {"note": note})
    assert (answer.status_code, places(answer)[0]) == (422, ["body", "note"])


async def test_an_id_is_written_in_hex_digits_only(sqlite_native: Native) -> None:
    for line in ("{" + "0" * 32 + "}", "urn:uuid:" + "0" * 32, "\u0660" * 32, "0" * 31 + "_"):
        assert await sqlite_native.refused({"line": line}) == (422, "invalid")


NO_OBJECTS = [b"0", b"0.0", b"-0.0e1", b"false", b"true", b'""', b'"x"', b"[]", b"[{}]", b"null", b"17"]


async def test_a_body_that_may_be_missing_is_an_object_if_it_is_there(sqlite_native: Native) -> None:
    platform = await sqlite_native.token(PLATFORM)
    tried = 0
    for method, path, call in calls(await description(sqlite_native)):
        if "application/json" not in call.get("requestBody", {}).get("content", {}):
            continue
        way = re.sub(r"\{\w+\}", str(uuid4()), path)
        for content in NO_OBJECTS:
            answer = await sqlite_native.call(method, way, platform, content=content)
            assert (answer.status_code, places(answer)) == (422, [["body"]]), (path, content)
            tried += 1
    assert tried > 30 * len(NO_OBJECTS)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"a": 1, "a": 2}', b'{"x": "\\ud800"}'])
async def test_who_may_not_call_is_told_so_before_what_is_wrong_with_the_body(
    sqlite_native: Native, content: bytes
) -> None:
    viewer = await sqlite_native.token(sqlite_native.retailer, permissions=[Permission.VIEW_ORDER])
    for path, code in (("/v1/policies", "wrong_party"), (PATH, "forbidden")):
        answer = await sqlite_native.call("POST", path, viewer, content=content)
        assert (answer.status_code, answer.json()["code"]) == (403, code)
