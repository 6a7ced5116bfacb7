"""What HTTP asks of every door alike: one Host, HEAD, bodies that are understood, and nothing kept by caches."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
import pytest

from countermand.admin.callers import PLATFORM
from countermand.outlets.links import PATH as ANSWER
from tests.support.world import World
from tests.wire.bol_plaza.calling import ORDERS, Seller, cancel_path, cancellation, new_seller, opened_plaza
from tests.wire.native.calling import Native, new_retailer, places

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def plaza(sqlite_url: str) -> AsyncIterator[Seller]:
    async with opened_plaza(
        sqlite_url,
        payment_providers=["stripe"],
        stripe_api_key="sk_test_x",
        stripe_webhook_secret="whsec_eA==",
    ) as seller:
        yield seller


@pytest.fixture
async def native(plaza: Seller) -> Native:
    return await new_retailer(plaza.world, plaza.http)


@dataclass(frozen=True, kw_only=True)
class Door:
    """A call of one door, as far as it goes without a body."""

    path: str
    method: str = "GET"
    media_type: str = "application/json"
    kind: str


DOORS = {
    "crux": Door(path="/orders/", method="POST", kind="detail"),
    "timp": Door(path="/timp/orders/", method="POST", kind="detail"),
    "no crux": Door(path="/orders/x/y/z", kind="detail"),
    "log-in": Door(path="/organizations/user-login/", method="POST", kind="detail"),
    "native": Door(path="/v1/quotes", method="POST", kind="code"),
    "native list": Door(path="/v1/cancellations", kind="code"),
    "health": Door(path="/healthz", kind="code"),
    "description": Door(path="/openapi.json", kind="code"),
    "root": Door(path="/", kind="code"),
    "plaza": Door(path=ORDERS, media_type="application/xml", kind="<ErrorCode>41100"),
    "no plaza": Door(path="/services/x", kind="<ErrorCode>41100"),
    "schema": Door(path="/services/xsd/v2/plazaapi.xsd", kind="<ErrorCode>41100"),
    "retailer": Door(path="/retailer/orders", kind="https://api.bol.com/problems"),
    "no retailer": Door(path="/shared/x", kind="https://api.bol.com/problems"),
    "access token": Door(path="/token", method="POST", kind="https://api.bol.com/problems"),
    "page": Door(path=f"{ANSWER}x", method="POST", media_type="application/x-www-form-urlencoded", kind="<h1>"),
    "style": Door(path=f"{ANSWER}style.css", kind="<h1>"),
    "provider": Door(path="/v1/providers/stripe/webhook", method="POST", kind="code"),
}


async def called(world: World, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> Any:
    """The status, headers and body of a call whose headers are these and no others."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await world.asgi(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(each.get("body", b"") for each in sent[1:])


HOST = (b"host", b"shop.example")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("hosts", "sentence"),
    [
        ([], "The Host header is missing."),
        ([HOST, HOST], "The Host header is there more than once."),
        ([HOST, (b"host", b"")], "The Host header is there more than once."),
        ([(b"host", b"")], "The Host header is not a host and port."),
        ([(b"host", b"a b")], "The Host header is not a host and port."),
        ([(b"host", b"a, b")], "The Host header is not a host and port."),
        ([(b"host", b"a/b")], "The Host header is not a host and port."),
        ([(b"host", b"a@b")], "The Host header is not a host and port."),
        ([(b"host", b"a:b")], "The Host header is not a host and port."),
    ],
)
async def test_a_host_that_is_not_one_is_refused_at_every_door(
    plaza: Seller, door: str, hosts: list[tuple[bytes, bytes]], sentence: str
) -> None:
    call = DOORS[door]
    status, headers, body = await called(plaza.world, call.method, call.path, hosts)
    assert status == 400
    assert call.kind in body.decode()
    assert sentence.rstrip(".") in body.decode()
    assert headers[b"cache-control"] == b"no-store"


@pytest.mark.parametrize("host", [b"a", b"A.example", b"a:80", b"a:", b"127.0.0.1:8765", b"[::1]", b"[::1]:8765"])
async def test_any_host_and_port_is_fine(plaza: Seller, host: bytes) -> None:
    assert (await called(plaza.world, "GET", "/healthz", [(b"host", host)]))[0] == 200


async def test_http_1_0_knows_no_host(plaza: Seller) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "http_version": "1.0", "method": "GET", "path": "/healthz", "headers": []}
    await plaza.world.asgi({**scope, "query_string": b""}, receive, send)
    assert sent[0]["status"] == 200


async def test_head_is_get_without_the_body(plaza: Seller, native: Native) -> None:
    seller = await new_seller(plaza.world, plaza.http)
    order = await native.order(1)
    (made,) = await native.asked(order.lines[0].id)
    bearer = {"Authorization": f"Bearer {native.world.tokens[native.retailer]}"}
    token = {"Authorization": f"Token {native.world.tokens[native.retailer]}"}
    calls: list[tuple[str, dict[str, str] | None]] = [
        ("/v1/cancellations", bearer),
        (f"/v1/cancellations/{made['id']}", bearer),
        ("/v1/refunds", bearer),
        ("/v1/events", bearer),
        ("/v1/endpoints", bearer),
        ("/v1/endpoints/ept_1", bearer),
        (f"/v1/scorecards/{native.retailer}", bearer),
        (f"/orders/{order.id}/", token),
        (f"/timp/orders/{order.id}/", token),
        (f"/orders/po/{order.reference}/", token),
        ("/healthz", {}),
        ("/openapi.json", {}),
        ("/answer/style.css", {}),
        ("/answer/x", {}),
        ("/nothing", {}),
        ("/services/xsd/v2/plazaapi.xsd", {}),
        ("/services/nothing", {}),
        (ORDERS, None),
        ("/services/rest/shipments/v2", None),
        ("/services/rest/process-status/v2/1", None),
    ]
    for path, headers in calls:
        answers = []
        for method in ("GET", "HEAD"):
            signed = seller.signed(method, path) if headers is None else headers
            answers.append(await plaza.http.request(method, path, headers=signed))
        get, head = answers
        assert (head.status_code, head.content) == (get.status_code, b""), path
        assert get.content
        for each in answers:
            each.headers.pop("ratelimit", None)
            each.headers.pop("request-id", None)
        assert dict(head.headers) == dict(get.headers), path


async def test_a_head_of_plazas_that_was_signed_as_get_is_not_let_in(plaza: Seller) -> None:
    seller = await new_seller(plaza.world, plaza.http)
    answer = await plaza.http.head(ORDERS, headers=seller.signed("GET", ORDERS))
    assert answer.status_code == 401


# Which methods there are


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/v1/cancellations", "GET, HEAD, OPTIONS, POST"),
        ("/v1/cancellations/can_1", "GET, HEAD, OPTIONS"),
        ("/v1/cancellations/can_1/accept", "OPTIONS, POST"),
        ("/v1/endpoints", "GET, HEAD, OPTIONS, POST"),
        ("/v1/endpoints/ept_1", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/v1/orders/019a0000-0000-7000-8000-000000000003/payments", "GET, HEAD, OPTIONS, POST"),
        ("/v1/quotes", "OPTIONS, POST"),
        ("/healthz", "GET, HEAD, OPTIONS"),
    ],
)
async def test_allow_names_every_method_of_a_native_path(plaza: Seller, path: str, allow: str) -> None:
    for spelt in (path, f"{path}/"):
        for method in {"PUT", "PATCH", "TRACE", "BREW"} - set(allow.split(", ")):
            answer = await plaza.http.request(method, spelt)
            assert (answer.status_code, answer.headers["allow"]) == (405, allow)
        answer = await plaza.http.options(spelt)
        assert (answer.status_code, answer.headers["allow"], answer.content) == (204, allow, b"")


async def test_allow_names_every_method_at_the_other_doors(plaza: Seller, native: Native) -> None:
    seller = await new_seller(plaza.world, plaza.http)
    for path, allow in ((ORDERS, "GET, HEAD"), ("/services/rest/shipments/v2", "GET, HEAD, POST")):
        answer = await seller.call("DELETE", path)
        assert (answer.status, answer.headers["allow"]) == (405, allow)
    token = {"Authorization": f"Token {native.world.tokens[native.retailer]}"}
    for path, allow in (("/orders/019a/", "GET, HEAD, OPTIONS"), ("/orders/", "POST, OPTIONS")):
        got = await plaza.http.put(path, headers=token)
        assert (got.status_code, got.headers["allow"]) == (405, allow)
    for path, allow in (("/answer/x", "GET, HEAD, POST"), ("/answer/style.css", "GET, HEAD")):
        got = await plaza.http.put(path)
        assert (got.status_code, got.headers["allow"]) == (405, allow)
    got = await plaza.http.get("/v1/providers/stripe/webhook")
    assert (got.status_code, got.headers["allow"]) == (405, "POST")


# What is sent


@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP", "identity, gzip", "x-unheard-of"])
async def test_a_coded_body_is_415_at_every_door(plaza: Seller, native: Native, coding: str) -> None:
    for answer in await _posted(plaza, native, {"Content-Encoding": coding}):
        assert answer.status_code == 415, answer.text
        assert answer.headers["accept-encoding"] == "identity"
        assert coding in answer.text.replace("&#34;", '"')


async def test_a_body_that_says_it_is_not_coded_is_read(plaza: Seller, native: Native) -> None:
    for answer in await _posted(plaza, native, {"Content-Encoding": "identity"}):
        assert answer.status_code != 415, answer.text


@pytest.mark.parametrize("charset", ["utf-16", "iso-8859-2", "klingon", '"utf-7"', "utf-8x"])
async def test_a_charset_that_is_not_read_is_415_and_told_what_is(plaza: Seller, native: Native, charset: str) -> None:
    for answer in await _posted(plaza, native, {}, charset):
        # The schema of Plaza's documents knows UTF-16, and of a provider's call nothing is read but what was signed.
        if "ProcessStatus" in answer.text or answer.request.url.path.startswith("/v1/providers"):
            assert charset == "utf-16" or answer.status_code == 400
            continue
        assert answer.status_code == 415, answer.text
        assert charset.strip('"') in answer.text
        assert "utf-8" in answer.text.lower()
        assert answer.headers["accept"]


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "utf8", "us-ascii"])
async def test_utf_8_is_read_however_it_is_spelt(plaza: Seller, native: Native, charset: str) -> None:
    for answer in await _posted(plaza, native, {}, charset):
        assert answer.status_code != 415, answer.text


async def _posted(plaza: Seller, native: Native, headers: dict[str, str], charset: str = "") -> list[httpx2.Response]:
    """A body at every door that reads one."""
    parameter = f"; charset={charset}" if charset else ""
    token = native.world.tokens[native.retailer]
    seller = await new_seller(plaza.world, plaza.http)
    json = {"Content-Type": f"application/json{parameter}", **headers}
    form = {"Content-Type": f"application/x-www-form-urlencoded{parameter}", **headers}
    xml = {**seller.signed("PUT", cancel_path(1), content_type=f"application/xml{parameter}"), **headers}
    link = await _link(native)
    return [
        await plaza.http.post("/orders/", content=b"{}", headers={**json, "Authorization": f"Token {token}"}),
        await plaza.http.post("/organizations/user-login/", content=b"{}", headers=json),
        await plaza.http.post("/v1/quotes", content=b"{}", headers={**json, "Authorization": f"Bearer {token}"}),
        await plaza.http.post(link, content=b"answer=accept", headers=form),
        await plaza.http.put(cancel_path(1), content=cancellation(), headers=xml),
        await plaza.http.post("/v1/providers/stripe/webhook", content=b"{}", headers=json),
    ]


async def _link(native: Native) -> str:
    line = await native.line()
    (made,) = await native.asked(line)
    ids = {"retailer": native.retailer, "line": line, "cancellation": UUID(made["id"].removeprefix("can_"))}
    url = native.world.application.links.page(step=1, **ids, party=native.world.supplier, at=native.world.clock())
    return url.partition("8765")[2]


async def test_a_native_call_without_a_content_type_is_415(plaza: Seller, native: Native) -> None:
    token = native.world.tokens[native.retailer]
    bearer = {"Authorization": f"Bearer {token}"}
    for given in (None, "", "text/plain", "application/xml", "application/x-www-form-urlencoded", "application/jsonx"):
        headers = bearer if given is None else {**bearer, "Content-Type": given}
        for path in ("/v1/quotes", "/v1/cancellations", "/v1/endpoints", "/v1/cancellations/can_1/decline"):
            answer = await plaza.http.post(path, content=b"{}", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
            assert answer.headers["accept"] == "application/json"
            assert "application/json" in answer.json()["detail"]
    assert (await plaza.http.post("/v1/quotes", content=b"{}")).status_code == 401
    (made,) = await native.asked(await native.line())
    nothing = await plaza.http.post(f"/v1/cancellations/{made['id']}/withdraw", headers=bearer)
    assert nothing.status_code == 200


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("stat=asked", ["stat"]),
        ("state=asked&x=1&y=", ["x", "y"]),
        ("limit=1&limit=2", ["limit"]),
        ("State=asked", ["State"]),
        ("%00=1", ["\0"]),
        ("%ff=1", ["\N{REPLACEMENT CHARACTER}"]),
    ],
)
async def test_a_query_parameter_that_is_not_known_is_refused_by_name(
    plaza: Seller, native: Native, query: str, named: list[str]
) -> None:
    for path in ("/v1/cancellations", "/v1/events", "/v1/refunds"):
        if path == "/v1/events" and "state=asked" in query:
            continue
        answer = await native.call("GET", f"{path}?{query}", native.retailer)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
        assert places(answer) == [["query", name] for name in named]


async def test_calls_without_parameters_know_none(plaza: Seller, native: Native) -> None:
    (made,) = await native.asked(await native.line())
    for method, path in (("GET", f"/v1/cancellations/{made['id']}"), ("POST", "/v1/quotes"), ("GET", "/v1/endpoints")):
        answer = await native.call(method, f"{path}?page=2", native.retailer, {} if method == "POST" else None)
        assert (answer.status_code, places(answer)[0]) == (422, ["query", "page"])


async def test_a_native_path_with_a_final_slash_is_answered_there(plaza: Seller, native: Native) -> None:
    token = {"Authorization": f"Bearer {await native.token(PLATFORM)}", "Host": "evil.example"}
    for path in ("/v1/cancellations/", "/v1/events/", "/v1/refunds/", "/healthz/", "/openapi.json/"):
        answer = await plaza.http.get(path, headers=token)
        assert answer.status_code == 200, answer.text
        assert "location" not in answer.headers
    for path in ("/v1/cancellations//", "/v1//", "/v1/nothing/"):
        answer = await plaza.http.get(path, headers=token)
        assert (answer.status_code, "location" in answer.headers) == (404, False)


async def test_several_lines_of_accept_are_one(plaza: Seller) -> None:
    seller = await new_seller(plaza.world, plaza.http)
    await seller.order(1)
    lines = [("Accept", "application/xml"), ("Accept", "application/vnd.orders-v2.1+xml"), ("Accept", "*/*")]
    for accept in (lines, lines[::-1], [("Accept", ", ".join(value for _, value in lines))]):
        answer = await plaza.http.get(ORDERS, headers=[*seller.signed("GET", ORDERS).items(), *accept])
        assert "FulfilmentMethod" in answer.text


# What is kept


async def test_a_reply_with_a_secret_is_kept_by_nobody(plaza: Seller, native: Native) -> None:
    made = await native.call("POST", "/v1/endpoints", native.retailer, {"url": "https://hooks.alpine.example/in"})
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    rotated = await native.call("POST", f"/v1/endpoints/{made.json()['id']}/rotate", native.retailer)
    assert (rotated.status_code, rotated.headers["cache-control"]) == (200, "no-store")
    login = await plaza.http.post("/organizations/user-login/", json={"username": "x@y.example", "password": "x"})
    assert login.headers["cache-control"] == "no-store"
    for answer in await _posted(plaza, native, {}):
        assert answer.headers["cache-control"] == "no-store"
    style = await plaza.http.get("/answer/style.css")
    assert style.headers["cache-control"] == "public, max-age=3600"
