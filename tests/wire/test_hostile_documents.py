"""No document costs a door out of proportion: to its size, and to what reading as much JSON costs."""

import json
from collections.abc import AsyncIterator, Callable, Collection
from functools import partial
from typing import Final
from uuid import UUID

import httpx2
import pytest

from countermand.wire.bol_plaza.messages import read_cancellation
from tests.support.proportion import Yard, out_of_proportion
from tests.wire.bol_plaza.calling import Seller, cancel_path, new_seller, opened_plaza
from tests.wire.bol_plaza.hostile import corpus
from tests.wire.bol_plaza.test_hostile_calls import CALLS
from tests.wire.native.calling import Native, new_retailer

pytestmark = pytest.mark.anyio

SIZE: Final = 256 * 1024
Make = Callable[[int], bytes]
"""What makes a document of so many bytes."""

ID: Final = "019a0000-0000-7000-8000-000000000003"


def filled(before: bytes, unit: bytes, after: bytes, between: bytes = b",") -> Make:
    """As many units as fit."""

    def make(size: int) -> bytes:
        many = (size - len(before) - len(after)) // (len(unit) + len(between))
        return before + between.join([unit] * many) + after

    return make


def numbered(before: bytes, unit: bytes, after: bytes) -> Make:
    """The same, each with a name of its own."""

    def make(size: int) -> bytes:
        found, left, number = [], size - len(before) - len(after), 0
        while (left := left - len(each := unit % number) - 1) >= 0:
            found.append(each)
            number += 1
        return before + b",".join(found) + after

    return make


def repeated(before: bytes, unit: bytes, after: bytes = b"") -> Make:
    return filled(before, unit, after, between=b"")


JSON: Final[dict[str, Make]] = {
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
    "a member twice at the end": numbered(b"{", b'"m%x": 1', b',"last":1,"last":1}'),
    "a member of a line twice at the end": numbered(b'{"lines": [{', b'"m%x":1', b',"last":1,"last":1}]}'),
    "names that nearly agree": numbered(b"{", b'"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%x": 1', b"}"),
    "a long text": repeated(b'{"note": "', b"x", b'"}'),
    "escapes": repeated(b'{"note": "', b"\\u00e9", b'"}'),
    "surrogates": repeated(b'{"note": "', b"\\ud83d\\ude00", b'"}'),
    "backslashes": repeated(b'{"note": "', b"\\\\", b'"}'),
    "quotes only": repeated(b"", b'"'),
    "brackets in texts": filled(b"[", b'"["', b"]"),
    "open brackets": repeated(b"", b"["),
    "open objects": repeated(b"", b'{"a":'),
    "as deep as allowed": filled(b"[", b"[" * 60 + b"]" * 60, b"]"),
    "one number": repeated(b"", b"1"),
    "one fraction": repeated(b"0.", b"1"),
    "one exponent": repeated(b"1e", b"9"),
    "numbers": filled(b"[", b"1", b"]"),
    "long numbers": filled(b'{"lines": [', b"9" * 400, b"]}"),
    "texts": filled(b'{"events": [', b'"x"', b"]}"),
    "blanks": repeated(b"", b" "),
    "no JSON at all": repeated(b"", b"\xff"),
    "cut off": filled(b'{"lines": [', b'{"line": "%s"}' % ID.encode(), b""),
    "events that are none": filled(b'{"url": "https://a.example/", "events": [', b'"x"', b"]}"),
    "a long address": repeated(b'{"url": "https://', b"a.", b'"}'),
    "a long user name": repeated(b'{"username": "', b"a", b'", "password": "x"}'),
}
FORMS: Final[dict[str, Make]] = {
    "fields": filled(b"", b"a=1", b"", b"&"),
    "ampersands": repeated(b"", b"&"),
    "percents": repeated(b"answer=accept&note=", b"%41"),
    "broken percents": repeated(b"answer=accept&note=", b"%"),
    "lines": repeated(b"answer=accept&note=", b"%0D%0A"),
    "pluses": repeated(b"answer=accept&note=", b"+"),
    "a long text": repeated(b"answer=decline&reason=other&note=", b"x"),
    "units": repeated(b"answer=accept&units=", b"9"),
    "high bytes": repeated(b"", b"\xff"),
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


async def _no_call_costs_much(
    http: httpx2.AsyncClient, calls: Collection[tuple[str, str]], documents: dict[str, Make], headers: dict[str, str]
) -> None:
    found = {}
    for name, make in documents.items():
        whole, quarter = make(SIZE), make(SIZE // 4)
        for method, path in calls:
            call = partial(_call, http, method, path, headers)
            found[path, name] = await out_of_proportion(partial(call, whole), YARD, partial(call, quarter))
    assert {where: fault for where, fault in found.items() if fault} == {}


async def _call(http: httpx2.AsyncClient, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
    answer = await http.request(method, path, content=body, headers=headers)
    assert 200 <= answer.status_code < 500, answer.text[:500]
    assert len(answer.content) < 200_000


async def _read() -> None:
    json.loads(PLAIN)


PLAIN: Final = JSON["wrong skus"](SIZE)
YARD: Final = Yard(_read)


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
    documents = {name: _cut(make()) for name, make in XML.items()}
    documents |= {case.name: _of_size(case.shorter) for case in corpus() if case.shorter}
    await _no_call_costs_much(plaza.http, [("PUT", cancel_path(1))], documents, seller.signed("PUT", cancel_path(1)))


def _cut(content: bytes) -> Make:
    return lambda size: b"<Cancellation>" + content[: size - 100]


def _of_size(shorter: Callable[[int], bytes]) -> Make:
    return lambda size: shorter(SIZE // size)


async def test_no_document_however_short_costs_plaza_much(plaza: Seller) -> None:
    """A short one may stand for a long one, as entities that are made of entities do."""
    seller = await new_seller(plaza.world, plaza.http)
    found = {}
    for case in corpus():
        method, path = CALLS.get(case.read, ("PUT", cancel_path(1)))
        found[case.name] = await out_of_proportion(partial(seller.call, method, path, case.body), YARD)
    assert {name: fault for name, fault in found.items() if fault} == {}


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
