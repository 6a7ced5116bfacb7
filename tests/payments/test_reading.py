"""What comes back is read strictly: whatever it is, nothing is raised, and nothing is believed that is not there."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.payments.answers import UnreadableError, integer, items, read_document, text
from countermand.payments.provider import Movement, Provider
from tests.payments.conftest import Make, adapter, refund_request
from tests.support.receiver import Receiver, answer, raw
from tests.support.world import Clock

pytestmark = pytest.mark.anyio

STRIPE = {
    "id": "re_1",
    "object": "refund",
    "amount": 2500,
    "currency": "eur",
    "payment_intent": "pi_1",
    "status": "succeeded",
    "metadata": {"countermand_reference": "rfd_1", "countermand_key": "cm-refund-rfd_1-1"},
}
MOLLIE = {
    "resource": "refund",
    "id": "re_1",
    "amount": {"currency": "EUR", "value": "25.00"},
    "status": "refunded",
    "paymentId": "tr_1",
    "metadata": {"countermand_reference": "rfd_1", "countermand_key": "cm-refund-rfd_1-1"},
}
INTENT = {"id": "pi_1", "object": "payment_intent", "status": "succeeded", "currency": "eur", "amount": 10000}
PAYMENT = {"stripe": "pi_1", "mollie": "tr_1"}
GOOD: dict[str, dict[str, Any]] = {"stripe": STRIPE, "mollie": MOLLIE}


def page(name: str, refund: Any) -> bytes:
    listed = {"data": [refund], "has_more": False} if name == "stripe" else {"_embedded": {"refunds": [refund]}}
    return json.dumps(listed).encode()


async def told_of(provider: Provider, receiver: Receiver, name: str, body: bytes, status: int = 200) -> Movement:
    """What the adapter makes of this answer to a request, when the provider's list says that there is nothing."""
    receiver.script = [answer(200, json.dumps(INTENT).encode())] if name == "stripe" else []
    receiver.script += [answer(status, body), answer(200, page(name, None).replace(b"null", b""))]
    return (await provider.refund(refund_request(PAYMENT[name]))).movement


SPOILT: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("not an object", lambda good: [good]),
    ("nothing", lambda good: None),
    ("a number", lambda good: 1),
    ("no id", lambda good: {**good, "id": None}),
    ("an empty id", lambda good: {**good, "id": ""}),
    ("a long id", lambda good: {**good, "id": "r" * 256}),
    ("no state", lambda good: {**good, "status": None}),
    ("a state that is a list", lambda good: {**good, "status": ["succeeded", "refunded"]}),
    ("a state of other letters", lambda good: {**good, "status": "Succeeded"}),
    ("an unknown state", lambda good: {**good, "status": "reversed"}),
    ("no amount", lambda good: {**good, "amount": None}),
    ("an amount that is a float", lambda good: {**good, "amount": 2500.0}),
    ("an amount that is true", lambda good: {**good, "amount": True}),
    ("an amount that is a text", lambda good: {**good, "amount": "2500"}),
    ("an amount below zero", lambda good: {**good, "amount": -2500}),
    ("a value that is a number", lambda good: {**good, "amount": {"currency": "EUR", "value": 25}}),
    ("a value with an exponent", lambda good: {**good, "amount": {"currency": "EUR", "value": "25e0"}}),
    ("a value in other digits", lambda good: {**good, "amount": {"currency": "EUR", "value": "２５.00"}}),
    ("a value too fine", lambda good: {**good, "amount": {"currency": "EUR", "value": "25.001"}}),
    ("a value below zero", lambda good: {**good, "amount": {"currency": "EUR", "value": "-25.00"}}),
    ("another object", lambda good: {**good, "object": "charge", "resource": "payment"}),
    ("nested deeply", lambda good: {**good, "more": _nested(40)}),
]


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("spoil", [each[1] for each in SPOILT], ids=[each[0] for each in SPOILT])
async def test_a_spoilt_answer_is_not_believed(make: Make, name: str, spoil: Callable[[dict[str, Any]], Any]) -> None:
    async with Receiver() as receiver:
        provider = make(name, receiver.url.removesuffix("/hook"))
        movement = await told_of(provider, receiver, name, json.dumps(spoil(GOOD[name])).encode())
        assert movement is Movement.UNKNOWN


async def test_a_good_answer_is_believed(make: Make, name: str) -> None:
    async with Receiver() as receiver:
        provider = make(name, receiver.url.removesuffix("/hook"))
        assert await told_of(provider, receiver, name, json.dumps(GOOD[name]).encode()) is Movement.CONFIRMED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"\xff\xfe",
        b"{" * 100_000,
        b'{"id": NaN}',
        b"<html>",
        b'{"a": "\\ud800"}',
        b"[" * 31 + b"]" * 31,
    ],
    ids=["empty", "no fields", "null", "no text", "deep", "NaN", "html", "half a character", "lists"],
)
@pytest.mark.parametrize("status", [200, 201, 302, 400, 402, 404, 422, 500, 503, 599])
async def test_any_body_under_any_status_leaves_it_unknown(make: Make, name: str, body: bytes, status: int) -> None:
    async with Receiver() as receiver:
        provider = make(name, receiver.url.removesuffix("/hook"))
        assert await told_of(provider, receiver, name, body, status) is Movement.UNKNOWN


async def test_an_answer_that_is_too_long_is_not_believed(make: Make, name: str) -> None:
    body = json.dumps({**GOOD[name], "description": "x" * 1_100_000}).encode()
    async with Receiver() as receiver:
        provider = make(name, receiver.url.removesuffix("/hook"))
        assert await told_of(provider, receiver, name, body) is Movement.UNKNOWN


async def test_a_redirect_is_not_followed(make: Make, name: str) -> None:
    async with Receiver() as elsewhere, Receiver() as receiver:
        provider = make(name, receiver.url.removesuffix("/hook"))
        moved = f"HTTP/1.1 307 Moved\r\nlocation: {elsewhere.url}\r\ncontent-length: 0\r\n\r\n".encode()
        receiver.otherwise = raw(moved, then_close=False)
        assert (await provider.find(refund_request(PAYMENT[name]))).movement is Movement.UNKNOWN
        assert elsewhere.requests == []


async def test_the_link_to_the_next_page_does_not_say_where_calls_go(make: Make) -> None:
    async with Receiver() as elsewhere, Receiver() as receiver:
        first = {"_embedded": {"refunds": [MOLLIE]}, "_links": {"next": {"href": f"{elsewhere.url}?from=re_2&limit=1"}}}
        receiver.script = [answer(200, json.dumps(first).encode()), answer(200, page("mollie", MOLLIE))]
        listed = await make("mollie", receiver.url.removesuffix("/hook")).list_refunds("tr_1")
        assert listed is not None
        assert len(listed) == 2
        assert elsewhere.requests == []
        assert receiver.requests[1].target == "/v2/payments/tr_1/refunds?limit=250&from=re_2"


async def test_what_leaves_is_what_the_documentation_says(make: Make, name: str) -> None:
    async with Receiver(otherwise=answer(200, json.dumps(INTENT).encode())) as receiver:
        await make(name, receiver.url.removesuffix("/hook"), api_key="sk_1").refund(refund_request(PAYMENT[name]))
        sent = next(each for each in receiver.requests if each.method == "POST")
    assert sent.headers["authorization"] == "Bearer sk_1"
    assert sent.headers["idempotency-key"] == "cm-refund-rfd_1-1"
    if name == "stripe":
        assert (sent.target, sent.headers["stripe-version"]) == ("/v1/refunds", "2025-04-30.basil")
        assert sent.body == (
            b"payment_intent=pi_1&amount=2500&metadata%5Bcountermand_reference%5D=rfd_1"
            b"&metadata%5Bcountermand_key%5D=cm-refund-rfd_1-1"
        )
    else:
        assert sent.target == "/v2/payments/tr_1/refunds"
        assert json.loads(sent.body) == {
            "amount": {"currency": "EUR", "value": "25.00"},
            "description": "Refund rfd_1",
            "metadata": MOLLIE["metadata"],
        }


async def test_a_failure_inside_is_logged_and_told(name: str) -> None:
    provider = adapter(name, "http://127.0.0.1:1", Clock())
    provider._api = None  # type: ignore[attr-defined]
    for call in (provider.refund, provider.release, provider.find):
        assert (await call(refund_request(PAYMENT[name]))).result == "The call failed here, and was logged."
    assert await provider.list_refunds(PAYMENT[name]) is None


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.recursive(st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_any_bytes_are_a_document_or_unreadable(body: bytes) -> None:
    try:
        document = read_document(body)
    except UnreadableError:
        return
    assert isinstance(document, dict)


@given(
    st.dictionaries(
        st.sampled_from("abc"),
        st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.lists(st.none()),
    )
)
def test_any_field_is_of_its_type_or_unreadable(document: dict[str, Any]) -> None:
    for read, kind in ((text, str), (integer, int), (items, list)):
        try:
            value = read(document, "a")
        except UnreadableError:
            continue
        assert type(value) is kind
