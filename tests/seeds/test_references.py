"""Order numbers as shops write them, looked up through the real server."""

import http.client
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.seeds.serving import Server


def call(server: Server, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {"Authorization": f"Token {server.token}", "Content-Type": "application/json"}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    finally:
        connection.close()


@pytest.fixture(scope="module")
def retailer(server: Server) -> str:
    identity: str = call(server, "GET", f"/orders/{server.order}/")[1]["retailer"]["uuid"]
    return identity


def place(server: Server, retailer: str, reference: str) -> str:
    order = {
        "purchase_order_id": reference,
        "skus": [{"sku_id": "A", "quantity": 1, "supplier_uuid": retailer}],
        "address": dict.fromkeys(("name", "address1", "city", "state", "postal_code"), "x"),
    }
    status, made = call(server, "POST", "/orders/create/", order)
    assert (status, made["purchase_order_id"]) == (201, reference)
    identity: str = made["uuid"]
    return identity


REFERENCES = [
    "SO/2026/0001",
    "SO/2026/0002/",
    "/SO/2026/0003",
    "SO//2026//4",
    "a?b=c&d",
    "50%",
    "50%25",
    "%2F",
    "a%2Fb",
    "#7",
    "a b",
    "a+b",
    "a;b=c",
    "..",
    "../../x",
    "..%2f",
    "create",
    "cancel/confirm",
    "a\\b",
    "a:b@c",
    "[1]",
    "Ünïcode/№ 1",
    "订单/1",
    "line\nbreak/1",
    "'\"<>|^`{}",
    "\U0001f4a9",
]


@pytest.mark.parametrize("prefix", ["", "/timp"], ids=["v1", "timp"])
@pytest.mark.parametrize("reference", REFERENCES)
def test_an_order_is_found_by_its_number_whatever_that_holds(
    server: Server, retailer: str, reference: str, prefix: str
) -> None:
    made = place(server, retailer, f"{reference}{prefix and 't'}")
    wanted = f"{reference}{prefix and 't'}"
    for path in (f"{prefix}/orders/po/{quote(wanted, safe='')}/", f"{prefix}/orders/po/{quote(wanted, safe='')}"):
        status, found = call(server, "GET", path.replace("..", "%2E%2E"))
        assert (status, [each.get("uuid") or each["order_uuid"] for each in found]) == (200, [made])


def test_a_slash_that_the_client_leaves_as_it_is_is_part_of_the_number(server: Server, retailer: str) -> None:
    made = place(server, retailer, "PLAIN/2026/1")
    for path in ("/orders/po/PLAIN/2026/1/", "/orders/po/PLAIN/2026/1", "/orders/po/PLAIN%2f2026/1/?x=1"):
        assert [each["uuid"] for each in call(server, "GET", path)[1]] == [made]


@pytest.mark.parametrize("path", ["%00", "%FF", "%ED%A0%80", "x" * 2000, "%01", "nobody/has/this"])
def test_a_number_that_no_order_has_is_an_empty_list(server: Server, path: str) -> None:
    assert call(server, "GET", f"/orders/po/{path}/") == (200, [])


def test_without_a_number_there_is_no_such_call(server: Server) -> None:
    assert call(server, "GET", "/orders/po//")[0] == 404
