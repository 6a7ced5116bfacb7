"""No document of 256 kB costs a door more than 50 ms of CPU of a quiet machine, whatever is in it."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final
from uuid import UUID

import httpx2
import pytest

from countermand.wire.bol_plaza.messages import read_cancellation
from tests.wire.bol_plaza.calling import Seller, cancel_path, new_seller, opened_plaza
from tests.wire.bol_plaza.hostile import corpus
from tests.wire.native.calling import Native, new_retailer

pytestmark = pytest.mark.anyio

SIZE: Final = 256 * 1024
YARD_STEPS: Final = 1_100_000
"""Steps of a loop that take 50 ms of a quiet machine's CPU, and as much more of a busy one's as all work does."""
ID: Final = "019a0000-0000-7000-8000-000000000003"


def filled(before: bytes, unit: bytes, after: bytes, between: bytes = b",") -> bytes:
    """As many units as fit."""
    many = (SIZE - len(before) - len(after)) // (len(unit) + len(between))
    return before + between.join([unit] * many) + after


def numbered(before: bytes, unit: bytes, after: bytes) -> bytes:
    """The same, each with a name of its own."""
    found, size, number = [], len(before) + len(after), 0
    while size + len(each := unit % number) + 1 <= SIZE:
        found.append(each)
        size += len(each) + 1
        number += 1
    return before + b",".join(found) + after


JSON: Final = {
    "empty lists": filled(b"[", b"[]", b"]"),
    "empty objects": filled(b"[", b"{}", b"]"),
    "lists in a member": filled(b'{"lines": [', b"[]", b"]}"),
    "lines of nothing": filled(b'{"lines": [', b"{}", b"]}"),
    "wrong lines": filled(b'{"lines": [', b'{"line": 1, "x": 2}', b"]}"),
    "skus of nothing": filled(b'{"skus": [', b"{}", b"]}"),
    "wrong skus": filled(b'{"skus": [', b'{"sku": 1, "quantity": "x", "price": [], "supplier": 1}', b"]}"),
    "lines of one id": filled(b'{"lines": [', b'{"line": "%s", "units": 1}' % ID.encode(), b"]}"),
    "unknown members": numbered(b"{", b'"m%x": 1', b"}"),
    "unknown members of a line": numbered(b'{"lines": [{', b'"m%x": 1', b"}]}"),
    "one member many times": filled(b"{", b'"lines": []', b"}"),
    "a member twice at the end": numbered(b"{", b'"m%x": 1', b',"last":1,"last":1}')[:SIZE],
    "a member of a line twice at the end": numbered(b'{"lines": [{', b'"m%x":1', b',"last":1,"last":1}]}')[:SIZE],
    "names that nearly agree": numbered(b"{", b'"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%x": 1', b"}"),
    "a long text": b'{"note": "' + b"x" * (SIZE - 12) + b'"}',
    "escapes": b'{"note": "' + b"\\u00e9" * (SIZE // 6 - 3) + b'"}',
    "surrogates": b'{"note": "' + b"\\ud83d\\ude00" * (SIZE // 12 - 3) + b'"}',
    "backslashes": b'{"note": "' + b"\\\\" * (SIZE // 2 - 8) + b'"}',
    "quotes only": b'"' * SIZE,
    "brackets in texts": filled(b"[", b'"["', b"]"),
    "open brackets": b"[" * SIZE,
    "open objects": b'{"a":' * (SIZE // 5),
    "as deep as allowed": filled(b"[", b"[" * 60 + b"]" * 60, b"]"),
    "one number": b"1" * SIZE,
    "one fraction": b"0." + b"1" * (SIZE - 2),
    "one exponent": b"1e" + b"9" * (SIZE - 2),
    "numbers": filled(b"[", b"1", b"]"),
    "long numbers": filled(b'{"lines": [', b"9" * 400, b"]}"),
    "texts": filled(b'{"events": [', b'"x"', b"]}"),
    "blanks": b" " * SIZE,
    "no JSON at all": b"\xff" * SIZE,
    "cut off": filled(b'{"lines": [', b'{"line": "%s"}' % ID.encode(), b""),
    "events that are none": filled(b'{"url": "https://a.example/", "events": [', b'"x"', b"]}"),
    "a long address": b'{"url": "https://' + b"a." * (SIZE // 2 - 20) + b'"}',
    "a long user name": b'{"username": "' + b"a" * (SIZE - 40) + b'", "password": "x"}',
}
FORMS: Final = {
    "fields": filled(b"", b"a=1", b"", b"&"),
    "ampersands": b"&" * SIZE,
    "percents": b"answer=accept&note=" + b"%41" * (SIZE // 3 - 10),
    "broken percents": b"answer=accept&note=" + b"%" * (SIZE - 30),
    "lines": b"answer=accept&note=" + b"%0D%0A" * (SIZE // 6 - 10),
    "pluses": b"answer=accept&note=" + b"+" * (SIZE - 30),
    "a long text": b"answer=decline&reason=other&note=" + b"x" * (SIZE - 40),
    "units": b"answer=accept&units=" + b"9" * (SIZE - 40),
    "high bytes": b"\xff" * SIZE,
}
CRUX: Final = (
    ("POST", "/orders/create/"),
    ("POST", "/timp/orders/create/"),
    ("POST", "/orders/"),
    ("POST", "/organizations/user-login/"),
    ("DELETE", f"/orders/items/cancel/{ID}/"),
    ("PATCH", "/orders/cancel/"),
)
CRUX_OF_SUPPLIERS: Final = (("PUT", f"/timp/orders/allocation/{ID}/"), ("POST", f"/orders/tracking/{ID}/"))
NATIVE: Final = (
    ("POST", "/v1/cancellations"),
    ("POST", "/v1/quotes"),
    ("POST", "/v1/endpoints"),
    ("POST", "/v1/cancellations/can_1/decline"),
    ("POST", f"/v1/orders/{ID}/payments"),
)


@pytest.fixture(scope="module")
async def plaza(sqlite_url: str) -> AsyncIterator[Seller]:
    async with opened_plaza(
        sqlite_url,
        payment_providers=["stripe", "mollie"],
        stripe_api_key="sk_test_x",
        stripe_webhook_secret="whsec_eA==",
        mollie_api_key="test_x",
        plaza_limits=dict.fromkeys(("PUT cancellation", "POST shipments"), ""),
        login_limit="",
    ) as seller:
        yield seller


@pytest.fixture
async def native(plaza: Seller) -> Native:
    return await new_retailer(plaza.world, plaza.http)


async def _measure(http: httpx2.AsyncClient, method: str, path: str, body: bytes, headers: dict[str, str]) -> float:
    """The CPU that answering takes, at its best of three, with what the client of this test takes in it."""
    spent = []
    for _ in range(3):
        before = time.process_time()
        answer = await http.request(method, path, content=body, headers=headers)
        spent.append(time.process_time() - before)
        assert 200 <= answer.status_code < 500, answer.text[:500]
        assert len(answer.content) < 200_000
    return min(spent)


def _yard() -> float:
    """What the most that a document may cost is now, in seconds of CPU."""
    before, total = time.process_time(), 0
    for number in range(YARD_STEPS):
        total += number * number % 7
    return time.process_time() - before


async def _no_call_costs_much(
    http: httpx2.AsyncClient, calls: Any, documents: dict[str, bytes], headers: dict[str, str]
) -> None:
    found, yard = {}, _yard()
    for method, path in calls:
        for name, body in documents.items():
            found[path, name] = await _measure(http, method, path, body, headers)
        yard = max(yard, _yard())
    print(*(f"{path} {name}: {spent * 1000:.0f} ms" for (path, name), spent in found.items()), sep="\n")
    assert {where: spent for where, spent in found.items() if spent > yard} == {}


async def test_no_json_costs_crux_much(plaza: Seller, native: Native) -> None:
    for calls, party in ((CRUX, native.retailer), (CRUX_OF_SUPPLIERS, native.world.supplier)):
        headers = {"Content-Type": "application/json", "Authorization": f"Token {native.world.tokens[party]}"}
        await _no_call_costs_much(plaza.http, calls, JSON, headers)


async def test_no_json_costs_the_native_api_much(plaza: Seller, native: Native) -> None:
    token = native.world.tokens[native.retailer]
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    await _no_call_costs_much(plaza.http, NATIVE, JSON, headers)


async def test_no_form_costs_the_page_much(plaza: Seller, native: Native) -> None:
    line = await native.line()
    (made,) = await native.asked(line)
    ids = {"retailer": native.retailer, "line": line, "cancellation": UUID(made["id"].removeprefix("can_"))}
    url = native.world.application.links.page(step=1, **ids, party=native.world.supplier, at=native.world.clock())
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    await _no_call_costs_much(plaza.http, [("POST", url.partition("8765")[2])], FORMS, headers)


@pytest.mark.parametrize("name", ["stripe", "mollie"])
async def test_no_news_cost_the_providers_door_much(plaza: Seller, name: str) -> None:
    headers = {"Stripe-Signature": "t=1,v1=" + "0" * 64}
    await _no_call_costs_much(plaza.http, [("POST", f"/v1/providers/{name}/webhook")], JSON | FORMS, headers)


XML: Final[dict[str, Callable[[], bytes]]] = {
    "a namespace of 200 kB over 9,900 elements": lambda: b'<a xmlns="' + b"x" * 200_000 + b'">' + b"<b/>" * 9_900,
    "a namespace of 256 over 9,900 elements": lambda: b'<a xmlns="' + b"x" * 256 + b'">' + b"<b/>" * 9_900,
    "64 prefixes over 9,900 elements": lambda: (
        b"<a " + b" ".join(b'xmlns:n%d="u"' % each for each in range(64)) + b">" + b"<n63:b/>" * 9_900
    ),
    "3,000 prefixes over 8,000 elements": lambda: (
        b"".join(
            b"<a " + b" ".join(b'xmlns:n%d_%d="u"' % (depth, each) for each in range(62)) + b">" for depth in range(48)
        )
        + b"<n47_61:b/>" * 8_000
    ),
    "prefixed attributes": lambda: b'<a xmlns:n="u">' + b'<b n:a="" n:b="" n:c=""/>' * 9_000,
    "names of 256": lambda: (b"<" + b"x" * 256 + b"/>") * 1_000,
    "three attributes on each element": lambda: b'<a b="" c="" d=""/>' * 13_000,
    "64 attributes on each element": lambda: (b"<a " + b" ".join(b'b%d=""' % each for each in range(64)) + b"/>") * 560,
    "references": lambda: b"<a>" + b"&lt;" * 60_000,
    "lines": lambda: b"<a>" + b"x\n" * 120_000,
}


async def test_no_signed_document_costs_plaza_much(plaza: Seller) -> None:
    seller = await new_seller(plaza.world, plaza.http)
    made = {name: b"<Cancellation>" + make()[: SIZE - 100] for name, make in XML.items()}
    documents = made | {case.name: case.body for case in corpus() if len(case.body) <= SIZE and len(case.body) > 1_000}
    headers = seller.signed("PUT", cancel_path(1))
    await _no_call_costs_much(plaza.http, [("PUT", cancel_path(1))], documents, headers)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (b'<Cancellation xmlns="%s"/>' % (b"x" * 257), "A namespace is longer than 256 characters."),
        (b'<Cancellation xmlns:a="%s"/>' % (b"x" * 257), "A namespace is longer than 256 characters."),
        (b"<Cancellation><%s/></Cancellation>" % (b"x" * 257), "A name is longer than 256 characters."),
        (b'<Cancellation %s=""/>' % (b"x" * 257), "A name is longer than 256 characters."),
        (b"<a:Cancellation/>", "A name has a prefix that is not declared."),
        (b'<Cancellation><a xmlns:b="u"/><b:c/></Cancellation>', "A name has a prefix that is not declared."),
        (b'<Cancellation a:b=""/>', "A name has a prefix that is not declared."),
        (b'<a:b:Cancellation xmlns:a="u"/>', "A name has more than one colon, or nothing before or after it."),
        (b'<Cancellation xmlns:a=""/>', "A namespace is declared that cannot be."),
    ],
)
def test_namespaces_and_names_are_bounded_and_prefixes_declared(document: bytes, sentence: str) -> None:
    assert getattr(read_cancellation(document), "sentence", "") == sentence
