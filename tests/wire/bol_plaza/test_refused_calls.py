"""Calls that never reach a rule: wrong paths and verbs, bodies beyond the limits, quotas; and what anybody may read."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from countermand.settings import PLAZA_LIMITS
from countermand.store import tables as t
from tests.support.effort import examples
from tests.wire.bol_plaza.calling import (
    FOLDER,
    ORDERS,
    ROOT,
    SHIPMENTS,
    V2_1,
    Answer,
    Seller,
    cancel_path,
    cancellation,
    checked,
    opened_plaza,
    shipment,
    transport,
    transport_path,
)

pytestmark = pytest.mark.anyio

PATHS = {
    ORDERS: "GET, HEAD",
    f"{ORDERS}/1": "GET, HEAD",
    f"{ORDERS}/process/1": "GET, HEAD",
    SHIPMENTS: "GET, HEAD, POST",
    cancel_path(1): "PUT",
    transport_path(1): "PUT",
    f"{ROOT}/process-status/v2/1": "GET, HEAD",
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "FOO"])
async def test_another_verb_is_told_which_ones_there_are(sqlite_seller: Seller, path: str, method: str) -> None:
    if method in PATHS[path].split(", "):
        return
    answer = await sqlite_seller.call(method, path)
    assert (answer.error, answer.sentence) == ((405, 41000), f"Method {method} is not allowed here")
    assert answer.headers["allow"] == PATHS[path]
    assert (answer.headers.get("connection") == "close") == (method == "DELETE")


@pytest.mark.parametrize("path", PATHS)
async def test_the_head_alone_can_be_asked_for_wherever_there_is_more(sqlite_seller: Seller, path: str) -> None:
    response = await sqlite_seller.http.head(path, headers=sqlite_seller.signed("HEAD", path))
    assert response.content == b""
    assert (response.status_code == 405) == ("HEAD" not in PATHS[path])


async def test_who_calls_is_asked_before_what_is_called(sqlite_seller: Seller) -> None:
    answer = await sqlite_seller.call("DELETE", ORDERS, secret="wrong")
    assert answer.error == (401, 41103)


@pytest.mark.parametrize(
    "path",
    [
        "/services",
        "/services/",
        "/services/rest",
        f"{ORDERS}/",
        f"{ORDERS}/1/2",
        "/services/rest/orders/v3",
        "/services/rest/orders/v2/process/",
        "/services/rest/orders/v2/process/1/2",
        "/services/rest/order-items/v2//cancellation",
        "/services/rest/order-items/v2/1",
        "/services/rest/order-items/v2/1/cancellation/",
        "/services/rest/return-items/v2/unhandled",
        "/services/rest/payments/v2/201601",
        "/services/xsd/v2/",
        "/services/xsd/v2/..%2F..%2F..%2Fetc/passwd",
        "/services/xsd/v2/%2e%2e/door.py",
        "/services/%ff",
        "/services/rest/%0A/x%0D%0A",
    ],
)
async def test_what_is_no_call_is_told_in_xml(sqlite_seller: Seller, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        response = await sqlite_seller.http.request(method, path)
        if path == "/services":
            assert response.status_code == 404
            continue
        answer = checked(response)
        assert (answer.error, answer.sentence) == ((404, 41000), "There is no such call")


@pytest.mark.parametrize("name", ["v2/plazaapi.xsd", "serviceerror-1.5.xsd"])
async def test_the_schemas_are_served_to_anybody(sqlite_seller: Seller, name: str) -> None:
    path = f"/services/xsd/{name}"
    response = await sqlite_seller.http.get(path)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/xml")
    assert response.content == (FOLDER / Path(name).name).read_bytes()
    etree.XMLSchema(etree.fromstring(response.content))
    answer = checked(await sqlite_seller.http.post(path))
    assert (answer.error, answer.headers["allow"]) == ((405, 41000), "GET, HEAD")


WRITES = [
    ("PUT", cancel_path(1), cancellation()),
    ("POST", SHIPMENTS, shipment(1)),
    ("PUT", transport_path(1), transport("UPS", "1Z")),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
async def test_a_body_may_be_256_kilobytes(sqlite_seller: Seller, method: str, path: str, body: bytes) -> None:
    most = body.ljust(256 * 1024)
    assert (await sqlite_seller.call(method, path, most)).status == 200
    before = await sqlite_seller.count(t.process_statuses)

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(most), 1000):
            yield most[start : start + 1000]
        yield b" "

    for content in (most + b" ", in_pieces()):
        answer = await sqlite_seller.call(method, path, content)
        assert answer.error == (413, 41202)
        assert answer.sentence.endswith("but may not have a value larger than 262144 bytes")
    assert await sqlite_seller.count(t.process_statuses) == before


async def test_a_body_in_pieces_is_read_whole(sqlite_seller: Seller) -> None:
    async def in_pieces() -> AsyncIterator[bytes]:
        for byte in cancellation():
            yield bytes([byte])

    assert (await sqlite_seller.call("PUT", cancel_path(1), in_pieces())).status == 200


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
async def test_a_body_that_does_not_come_is_given_up(tmp_path: Path, method: str, path: str, body: bytes) -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield body[:10]
        await asyncio.Event().wait()

    async with opened_plaza(f"sqlite:///{tmp_path}/x.sqlite3", body_timeout_s=0.01) as seller:
        answer = await seller.call(method, path, stuck())
        assert (answer.error, answer.sentence) == ((408, 41000), "The body did not arrive in time")
        assert await seller.count(t.process_statuses) == 0


@pytest.mark.parametrize(
    ("body", "code", "sentence"),
    [
        (b"", 41100, "The message is empty; Cancellation was expected."),
        (b"<Cancellation/>", 41201, "Message is missing required tag DateTime."),
        (cancellation(reason=""), 41201, "Message is missing required tag ReasonCode."),
        (cancellation(date_time=""), 41201, "Message is missing required tag DateTime."),
        (shipment(1), 41100, "The message must be a Cancellation."),
        (
            cancellation(date_time="yesterday"),
            41100,
            "DateTime must be a date and time such as 2020-01-31T12:00:00+01:00.",
        ),
        (cancellation(reason="x" * 2_000), 41202, "ReasonCode has more than 1000 characters."),
        (b"<!DOCTYPE x>" + cancellation(), 41100, "The message has a DOCTYPE, which is not allowed."),
    ],
)
async def test_an_unreadable_body_is_told_which_element_is_wrong(
    sqlite_seller: Seller, body: bytes, code: int, sentence: str
) -> None:
    line, number = await sqlite_seller.line()
    answer = await sqlite_seller.call("PUT", cancel_path(number), body)
    assert (answer.error, answer.sentence) == ((400, code), sentence)
    assert await sqlite_seller.count(t.process_statuses, t.cancellations) == 0
    assert await sqlite_seller.world.buckets(line) == (1, 0, 0, 0)


async def test_a_reason_that_is_none_is_told_all_that_there_are(sqlite_seller: Seller) -> None:
    answer = await sqlite_seller.call("PUT", cancel_path(1), cancellation(reason="WHIM"))
    assert answer.error == (400, 41100)
    assert answer.sentence.startswith("ReasonCode must be one of OUT_OF_STOCK, REQUESTED_BY_CUSTOMER, ")


async def test_an_item_number_too_large_for_a_shipment_is_told_the_limit(sqlite_seller: Seller) -> None:
    answer = await sqlite_seller.call("POST", SHIPMENTS, shipment(10_000_000_000))
    assert answer.error == (400, 41202)
    assert answer.sentence == "OrderItemId is 10000000000, but may not have a value larger than 9999999999."


# Quotas

QUOTAS = {
    "GET orders": [("GET", ORDERS, b""), ("GET", f"{ORDERS}/1", b"")],
    "PUT cancellation": [("PUT", cancel_path(1), cancellation()), ("PUT", cancel_path(2), b"")],
    "GET process-status": [("GET", f"{ROOT}/process-status/v2/1", b"")] * 2,
    "GET shipments": [("GET", SHIPMENTS, b"")] * 2,
    "POST shipments": [("POST", SHIPMENTS, shipment(1)), ("POST", SHIPMENTS, b"")],
    "PUT transports": [("PUT", transport_path(1), transport("UPS", "1Z")), ("PUT", transport_path(2), b"")],
}


def test_every_quota_of_the_sheet_is_a_setting() -> None:
    assert PLAZA_LIMITS == {
        "GET orders": "400/hour",
        "PUT cancellation": "5000/day",
        "GET process-status": "50000/hour",
        "GET shipments": "400/hour",
        "POST shipments": "5000/day",
        "PUT transports": "5000/day",
    }
    assert set(QUOTAS) == set(PLAZA_LIMITS)


@pytest.mark.parametrize("name", QUOTAS)
async def test_a_key_that_used_up_its_quota_waits(tmp_path: Path, name: str) -> None:
    async with opened_plaza(f"sqlite:///{tmp_path}/x.sqlite3", plaza_limits={name: "2/hour"}) as seller:

        async def calls(who: Seller) -> list[Answer]:
            return [await who.call(*call) for call in (*QUOTAS[name], QUOTAS[name][0])]

        used = await calls(seller)
        assert [answer.status for answer in used].index(409) == 2
        assert (used[2].error, used[2].sentence) == ((409, 41501), "Too many requests")
        other = await seller.another_key()
        assert [answer.status == 409 for answer in await calls(other)] == [False, False, True], "quotas are per key"
        seller.world.clock.advance(minutes=29)
        assert (await seller.call(*QUOTAS[name][0])).error == (409, 41501)
        seller.world.clock.advance(minutes=1)
        assert [answer.status == 409 for answer in await calls(seller)] == [False, True, True]
        seller.world.clock.advance(days=7)
        assert [answer.status == 409 for answer in await calls(seller)] == [False, False, True]


async def test_a_call_beyond_the_quota_changes_nothing(tmp_path: Path) -> None:
    async with opened_plaza(f"sqlite:///{tmp_path}/x.sqlite3", plaza_limits={"PUT cancellation": "1/day"}) as seller:
        line, number = await seller.line()
        await seller.cancel(1)
        assert (await seller.call("PUT", cancel_path(number), cancellation())).error == (409, 41501)
        assert await seller.world.buckets(line) == (1, 0, 0, 0)
        assert await seller.count(t.process_statuses) == 1


async def test_one_setting_leaves_the_other_quotas_as_they_are_and_can_lift_its_own(tmp_path: Path) -> None:
    async with opened_plaza(f"sqlite:///{tmp_path}/x.sqlite3", plaza_limits={"GET orders": ""}) as seller:
        for _ in range(400):
            assert (await seller.call("GET", SHIPMENTS)).status == 200
        assert (await seller.call("GET", SHIPMENTS)).error == (409, 41501)
        for _ in range(401):
            assert (await seller.call("GET", f"{ORDERS}/x")).status == 200


async def test_a_refused_signature_draws_on_no_quota(tmp_path: Path) -> None:
    async with opened_plaza(f"sqlite:///{tmp_path}/x.sqlite3", plaza_limits={"GET orders": "1/day"}) as seller:
        for _ in range(3):
            assert (await seller.call("GET", ORDERS, secret="wrong")).error == (401, 41103)
        assert (await seller.call("GET", ORDERS)).status == 200


# Anything at all

SEGMENT = st.text(max_size=12).filter(lambda text: text.strip(".")).map(lambda text: quote(text, safe=""))
TARGETS = st.sampled_from(
    [
        ORDERS, ORDERS + "/{}", SHIPMENTS, ROOT + "/order-items/v2/{}/cancellation", ROOT + "/process-status/v2/{}",
        ROOT + "/transports/v2/{}", ROOT + "/{}", "/services/xsd/{}",
    ]
)  # fmt: skip
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(["page", "fulfilment-method", "fulfilmentmethod", "order-id", "x"]) | SEGMENT,
        SEGMENT | st.integers().map(str),
    ),
    max_size=3,
)
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)


@settings(max_examples=examples(100, 300), deadline=None)
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    target=TARGETS,
    segment=SEGMENT | st.integers(0).map(str),
    query=QUERIES,
    accept=HEADER | st.sampled_from([*V2_1.values(), "*/*"]),
    body=st.binary(max_size=200) | st.sampled_from([cancellation(), shipment(1), transport("UPS", "1Z")]),
)
async def test_no_call_is_answered_with_an_error_of_ours(
    sqlite_plaza: Seller, method: str, target: str, segment: str, query: list[tuple[str, str]], accept: str, body: bytes
) -> None:
    seller = sqlite_plaza
    # No quota ends this: the clock goes on.
    seller.world.clock.advance(hours=1)
    path = target.format(segment or "0")
    more = "&".join(f"{name}={value}" for name, value in query)
    answer = await seller.call(method, f"{path}?{more}", body, headers={"Accept": accept})
    assert answer.status < 500
    assert answer.status != 401


@settings(max_examples=examples(70, 200), deadline=None)
@given(
    date=HEADER | st.just("Mon, 02 Nov 2026 09:00:00 GMT"),
    authorization=HEADER | st.tuples(HEADER, HEADER).map(":".join),
    content_type=HEADER,
)
async def test_no_headers_open_the_door_or_break_it(
    sqlite_plaza: Seller, date: str, authorization: str, content_type: str
) -> None:
    headers = {"Content-Type": content_type, "X-BOL-Date": date, "X-BOL-Authorization": authorization}
    try:
        response = await sqlite_plaza.http.get(ORDERS, headers=headers)
    except httpx2.HTTPError:  # pragma: no cover - the client found the header unfit to send
        return
    assert checked(response).status == 401
