"""What every answer of the native API carries, and what a problem says of itself."""

from typing import Any, Final

import pytest
from pydantic import BaseModel

from countermand.documents.new_orders import NewDiscount, NewLine, NewShipping, PaymentOfOrder
from countermand.store.engines.protocol import UnavailableError
from countermand.wire.native.problem_pages import MEANINGS
from countermand.wire.replies import REPLIES
from tests.wire.native.calling import Native, places

pytestmark = pytest.mark.anyio

PATH = "/v1/cancellations"


@pytest.mark.parametrize("given", ["abcdefgh", "req_1234-5.6", "A" * 128])
async def test_the_callers_id_of_a_call_is_kept(sqlite_native: Native, given: str) -> None:
    for path in (PATH, "/v1/nothing", "/healthz", "/openapi.json"):
        answer = await sqlite_native.call("GET", path, sqlite_native.retailer, headers={"Request-Id": given})
        assert answer.headers["request-id"] == given


@pytest.mark.parametrize("given", ["", "short", "A" * 129, "with space", "line\ttab", "caf\u00e9-caf\u00e9"])
async def test_an_id_that_cannot_be_used_is_replaced(sqlite_native: Native, given: str) -> None:
    found = [
        (await sqlite_native.http.get("/v1/nothing", headers=[(b"request-id", given.encode())])).headers["request-id"]
        for _ in range(2)
    ]
    assert found[0] != found[1]
    assert all((each.startswith("req_") and given not in ("", each)) or not given for each in found)


@pytest.mark.parametrize(
    ("body", "where", "code"),
    [
        ({"lines": [{"line": "x"}]}, ["body", "lines", 0, "line"], "bad_id"),
        ({"lines": [{}]}, ["body", "lines", 0, "line"], "required"),
        ({"lines": [{"line": "0" * 32, "units": True}]}, ["body", "lines", 0, "units"], "integer"),
        ({"lines": [{"line": "0" * 32, "units": 0}]}, ["body", "lines", 0, "units"], "out_of_range"),
        ({"lines": [{"line": "0" * 32, "units": None}]}, ["body", "lines", 0, "units"], "null"),
        ({"lines": [{"line": "0" * 32}], "note": None}, ["body", "note"], "null"),
        ({"lines": [{"line": "0" * 32}], "note": "x" * 1001}, ["body", "note"], "too_long"),
        ({"lines": [{"line": "0" * 32}], "note": "nul \0"}, ["body", "note"], "bad_text"),
        ({"lines": [{"line": "0" * 32}], "reason": "because"}, ["body", "reason"], "not_listed"),
        ({"lines": [{"line": "0" * 32}], "z/~": 1}, ["body", "z/~"], "unknown_member"),
        ({"lines": [{"line": "0" * 32}, {"line": "0" * 32}]}, ["body", "lines"], "twice"),
    ],
)
async def test_each_error_has_its_place_and_a_code(
    sqlite_native: Native, body: dict[str, Any], where: list[Any], code: str
) -> None:
    answer = await sqlite_native.call("POST", PATH, sqlite_native.retailer, body)
    assert (answer.status_code, places(answer)) == (422, [where])
    assert [each["code"] for each in answer.json()["errors"]] == [code]


ORDER: dict[str, Any] = {"retailer": "r", "reference": "PO-1", "lines": [{"sku": "boot", "units": 1}]}
FINE: dict[str, Any] = {**ORDER["lines"][0], "unit_price": "1.001"}


@pytest.mark.parametrize(
    ("call", "body", "place", "code", "words"),
    [
        ("GET /v1/orders?foo=1", None, "foo", "unknown_parameter", "no such parameter"),
        ("GET /v1/orders?q=ab&q=cd", None, "q", "twice", "more than once"),
        ("GET /v1/orders?q=a", None, "q", "out_of_range", "has less than 2 characters"),
        ("GET /v1/orders?sku=", None, "sku", "blank", "may not be blank"),
        ("GET /v1/cancellations?state=foo", None, "state", "not_listed", "'asked', 'accepted'"),
        ("GET /v1/cancellations?state=asked&state=foo", None, "state", "not_listed", "'escalated'"),
        ("POST /v1/orders", {**ORDER, "currency": "XXQ"}, "/currency", "bad_currency", "XXQ is no currency"),
        ("POST /v1/orders", {**ORDER, "currency": "eur"}, "/currency", "bad_currency", "eur is no currency"),
        ("POST /v1/orders", {**ORDER, "lines": [FINE]}, "/lines/0/unit_price", "bad_amount", "1.001 has more decimals"),
        ("POST /v1/orders", {**ORDER, "reference": "x" * 256}, "/reference", "too_long", "more than 255 characters"),
        ("POST /v1/orders", {**ORDER, "lines": []}, "/lines", "out_of_range", "at least 1 item"),
        (
            "POST /v1/cancellations",
            {"order": "0" * 32, "asker": "nobody"},
            "/asker",
            "not_listed",
            "'customer', 'ret",
        ),
        (
            "POST /v1/cancellations",
            {"order": "0" * 32, "reason": "x"},
            "/reason",
            "not_listed",
            "'not_stated', 'req",
        ),
        ("POST /v1/jobs", {"kind": "recover", "format": "csv"}, "/kind", "not_listed", "be 'ask', 'answer' or 'order'"),
        ("POST /v1/users", {"email": "a@b.example", "password": "short"}, "/password", "out_of_range", "12 characters"),
    ],
    ids=str,
)
async def test_an_error_is_told_in_the_words_of_the_api(
    sqlite_native: Native, call: str, body: Any, place: str, code: str, words: str
) -> None:
    method, _, path = call.partition(" ")
    answer = await sqlite_native.call(method, path, sqlite_native.retailer, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), answer.text
    (told,) = answer.json()["errors"]
    assert (told.get("pointer", told.get("name")), told["code"]) == (place, code)
    assert words in told["detail"], told
    assert "<" not in told["detail"]


FINER: Final = "0.001"
PRICED: Final[dict[str, Any]] = {"sku": "boot", "units": 1, "unit_price": "10.00"}
AMOUNTS: Final = {
    f"/lines/1/{name}": {"lines": [PRICED, {**PRICED, name: FINER}], "payments": []}
    for name in ("unit_price", "discount", "tax", "fee")
} | {
    f"/{part}/0/{name}": {"lines": [PRICED], "payments": [], part: [{"amount": "1.00", name: FINER}]}
    for part, names in (("discounts", ("amount", "starts_from")), ("shipping", ("amount", "tax")))
    for name in names
} | {
    f"/payments/1/{name}": {"lines": [PRICED], "payments": [{"captured": "1"}, {name: FINER}]}
    for name in ("captured", "authorised")
}  # fmt: skip
"""Orders in which one amount is finer than its currency, by where that is."""


@pytest.mark.parametrize("place", AMOUNTS)
async def test_an_amount_that_is_too_fine_is_named_by_its_place(sqlite_native: Native, place: str) -> None:
    body = {"retailer": "r", "reference": "PO-1", **AMOUNTS[place]}
    answer = await sqlite_native.call("POST", "/v1/orders", sqlite_native.retailer, body)
    assert answer.status_code == 422, answer.text
    [told] = answer.json()["errors"]
    assert (told["pointer"], told["code"]) == (place, "bad_amount")
    assert told["detail"] == "0.001 has more decimals than EUR, which has 2"


def test_every_amount_of_an_order_is_in_this_table() -> None:
    parts: dict[str, type[BaseModel]] = {
        "lines": NewLine,
        "discounts": NewDiscount,
        "shipping": NewShipping,
        "payments": PaymentOfOrder,
    }
    found = {
        (part, name)
        for part, model in parts.items()
        for name, member in model.model_json_schema()["properties"].items()
        if "[0-9]{1,16}" in str(member) and name != "tax_percent"
    }
    assert found == {(place.split("/")[1], place.split("/")[3]) for place in AMOUNTS}


async def test_every_line_without_a_price_is_named_where_it_needs_one(sqlite_native: Native) -> None:
    body = {**ORDER, "lines": [*ORDER["lines"], PRICED, *ORDER["lines"]], "payments": []}
    answer = await sqlite_native.call("POST", "/v1/orders", sqlite_native.retailer, body)
    told = answer.json()["errors"]
    assert [each["pointer"] for each in told] == ["/lines/0/unit_price", "/lines/2/unit_price"]
    assert {each["code"] for each in told} == {"required"}


async def test_all_that_is_wrong_is_listed(sqlite_native: Native) -> None:
    answer = await sqlite_native.call("GET", f"{PATH}?x=1&limit=5&y=2", sqlite_native.retailer)
    assert places(answer) == [["query", "x"], ["query", "y"]]
    assert {each["code"] for each in answer.json()["errors"]} == {"unknown_parameter"}
    body = {"lines": [{"line": "x", "units": 0}], "note": None}
    answer = await sqlite_native.call("POST", PATH, sqlite_native.retailer, body)
    assert sorted(each["code"] for each in answer.json()["errors"]) == ["bad_id", "null", "out_of_range"]


async def test_a_problem_says_whether_the_same_call_can_succeed_later(sqlite_native: Native) -> None:
    for token, status in ((None, 401), ("cmt_wrong", 401)):
        answer = await sqlite_native.call("GET", PATH, token)
        assert (answer.status_code, answer.json()["retryable"]) == (status, False)


async def test_every_problem_has_the_page_that_its_type_names(sqlite_native: Native) -> None:
    for kind, row in REPLIES.items():
        answer = await sqlite_native.http.get(f"/problems/{kind.value}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert f"<code>{kind.value}</code>, status {row.native}" in answer.text
        assert answer.headers["content-security-policy"] == "default-src 'none'"
    answer = await sqlite_native.call("GET", "/problems/no_such", None)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_every_outcome_has_its_meaning() -> None:
    assert {kind.value for kind in REPLIES} == MEANINGS.keys()
    assert all(meaning.endswith(".") for meaning in MEANINGS.values())


async def test_the_address_itself_says_what_this_is(sqlite_native: Native) -> None:
    answer = await sqlite_native.http.get("/")
    assert answer.json()["service"] == "Countermand"
    for path in (answer.json()["description"], answer.json()["health"]):
        assert (await sqlite_native.http.get(path)).status_code == 200


async def test_it_is_ready_while_the_database_answers(native: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = await native.http.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ok")
    assert [each["name"] for each in ready.json()["checks"]] == ["database", "schema", "keys", "worker", "disk"]
    assert all(each["ok"] for each in ready.json()["checks"])

    async def away(*_: object, **__: object) -> None:
        raise UnavailableError

    monkeypatch.setattr(native.world.application.database, "read", away)
    monkeypatch.setattr("countermand.health.FRESH_S", -1.0)
    gone = await native.http.get("/readyz")
    assert (gone.status_code, gone.json()["status"]) == (503, "unavailable")
