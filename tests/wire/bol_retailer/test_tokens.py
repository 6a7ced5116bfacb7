"""POST /token, in all the ways that clients in the field use it, and what an access token is good for."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import httpx2
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import update

from countermand.keyring import Keyring
from countermand.store import tables as t
from countermand.wire.bol_retailer.auth import LIFETIME, AccessTokens
from countermand.wire.bol_retailer.vocabulary import MEDIA_TYPE
from tests.wire.bol_retailer.calling import RetailerSeller, basic, new_client, opened_retailer

pytestmark = pytest.mark.anyio

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def ask(shop: RetailerSeller, variant: str, secret: str | None = None) -> httpx2.Response:
    name, secret = str(shop.client.id), secret if secret is not None else shop.client.secret
    both = f"client_id={name}&client_secret={secret}&grant_type=client_credentials".encode()
    header = basic(name, secret)
    ways: Mapping[str, tuple[str, Mapping[str, str], bytes]] = {
        "header and form": ("/token", {**header, **FORM}, b"grant_type=client_credentials"),
        "header and everything in the form": ("/token", {**header, **FORM}, both),
        "header and query": ("/token?grant_type=client_credentials", header, b""),
        "header, query and an empty object": (
            "/token?grant_type=client_credentials", {**header, "Content-Type": "application/json"}, b"{}",
        ),
        "form alone": ("/token", FORM, both),
    }  # fmt: skip
    path, headers, content = ways[variant]
    return await shop.seller.http.post(path, headers={"Accept": "application/json", **headers}, content=content)


VARIANTS = (
    "header and form", "header and everything in the form", "header and query", "header, query and an empty object",
    "form alone",
)  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
async def test_every_variant_of_the_field_gets_a_token_that_is_good(shop: RetailerSeller, variant: str) -> None:
    answer = await ask(shop, variant)
    assert answer.status_code == 200, answer.content
    assert answer.headers["content-type"] == "application/json;charset=UTF-8"
    assert answer.headers["cache-control"] == "no-store"
    token = answer.json()
    assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 299, "RETAILER")
    listed = await shop.call("GET", "/retailer/orders", headers={"Authorization": f"Bearer {token['access_token']}"})
    assert (listed.status, listed.body) == (200, {"orders": []})


@pytest.mark.parametrize("variant", VARIANTS)
async def test_a_wrong_secret_gets_none(sqlite_shop: RetailerSeller, variant: str) -> None:
    answer = await ask(sqlite_shop, variant, secret="cmc_wrong")
    assert answer.status_code == 401
    assert answer.json() == {"error": "invalid_client", "error_description": "Bad client credentials"}
    assert answer.headers["www-authenticate"] == 'Basic realm="bol"'


@pytest.mark.parametrize(
    ("name", "secret"),
    [("", ""), ("nobody", "x"), ("00000000-0000-0000-0000-000000000000", ""), ("\u00e9", "\x00"), ("a" * 5000, "b")],
)
async def test_nobody_is_no_client(sqlite_shop: RetailerSeller, name: str, secret: str) -> None:
    headers = basic(name, secret)
    answer = await sqlite_shop.seller.http.post("/token?grant_type=client_credentials", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("query", "content_type", "body", "error"),
    [
        ("", None, b"", "invalid_request"),
        ("", "application/x-www-form-urlencoded", b"grant_type=", "invalid_request"),
        ("", "application/x-www-form-urlencoded", b"grant_type=password", "unsupported_grant_type"),
        ("?grant_type=authorization_code", None, b"", "unsupported_grant_type"),
        ("", "application/json", b"{", "invalid_request"),
        ("", "application/json", b"[]", "invalid_request"),
        ("", "application/x-www-form-urlencoded", b"&".join([b"a=b"] * 100), "invalid_request"),
        ("", "application/x-www-form-urlencoded", b"grant_type=client_credentials&grant_type=x", "invalid_request"),
        ("", "application/json", b'{"grant_type": "client_credentials", "grant_type": "x"}', "invalid_request"),
        ("", "application/json", b'{"grant_type": 5}', "invalid_request"),
        ("?grant_type=client_credentials&grant_type=client_credentials", None, b"", "invalid_request"),
        (
            "?grant_type=password",
            "application/x-www-form-urlencoded",
            b"grant_type=client_credentials",
            "invalid_request",
        ),
    ],
)
async def test_another_grant_is_refused(
    sqlite_shop: RetailerSeller, query: str, content_type: str | None, body: bytes, error: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await sqlite_shop.seller.http.post(f"/token{query}", headers=headers, content=body)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "application/json"])
async def test_what_is_not_read_is_ignored_also_twice(sqlite_shop: RetailerSeller, content_type: str) -> None:
    client = sqlite_shop.client
    body = f"grant_type=client_credentials&client_id={client.id}&client_secret={client.secret}&x=1&x=2"
    if content_type == "application/json":
        body = json.dumps({**dict(parse_qsl(body)), "x": [1, 2]})
    headers = {"Content-Type": content_type}
    answer = await sqlite_shop.seller.http.post("/token?y=1&y=2", headers=headers, content=body.encode())
    assert answer.status_code == 200, answer.text


async def test_where_a_header_and_a_form_name_clients_the_header_counts(sqlite_shop: RetailerSeller) -> None:
    client, other = sqlite_shop.client, await new_client(sqlite_shop.world, sqlite_shop.party)
    form = f"grant_type=client_credentials&client_id={other.id}&client_secret={other.secret}".encode()
    for secret, status in ((client.secret, 200), ("wrong", 401)):
        headers = {**basic(client.id, secret), **FORM}
        assert (await sqlite_shop.seller.http.post("/token", headers=headers, content=form)).status_code == status


@pytest.mark.parametrize(
    "header",
    [
        b"Basic",
        b"Basic !",
        b"Basic \xff",
        b"Basic " + base64.b64encode(b"\xff:\xff"),
        b"Basic " + base64.b64encode(b"a"),
    ],
)
async def test_a_header_that_cannot_be_read_names_no_client(sqlite_shop: RetailerSeller, header: bytes) -> None:
    answer = await sqlite_shop.seller.http.post(
        "/token?grant_type=client_credentials", headers=[(b"Authorization", header)]
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_a_secret_in_the_query_is_not_read(sqlite_shop: RetailerSeller) -> None:
    client = sqlite_shop.client
    query = f"grant_type=client_credentials&client_id={client.id}&client_secret={client.secret}"
    assert (await sqlite_shop.seller.http.post(f"/token?{query}")).status_code == 401


async def test_an_expired_token_says_so_in_the_words_that_clients_look_for(sqlite_shop: RetailerSeller) -> None:
    shop, token = sqlite_shop, sqlite_shop.token()
    shop.world.clock.advance(seconds=298)
    headers = {"Authorization": f"Bearer {token}"}
    assert (await shop.call("GET", "/retailer/orders", headers=headers)).status == 200
    shop.world.clock.advance(seconds=1)
    answer = await shop.call("GET", "/retailer/orders", headers=headers)
    assert (answer.status, answer.body["title"]) == (401, "Expired JWT")
    now = f"{shop.world.clock():%Y-%m-%dT%H:%M:%SZ}"
    assert answer.body["detail"] == f"JWT expired at {now}. Current time: {now}."
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer nonsense", "Bearer gAAAAABm", "Basic YTpi", "Token x", "Bearer \u00e9", "bearer  a b"],
)
async def test_without_a_token_of_ours_nobody_gets_in(sqlite_shop: RetailerSeller, authorization: str | None) -> None:
    encoded: Any = authorization
    answer = await sqlite_shop.call("GET", "/retailer/orders", headers={"Authorization": encoded})
    assert (answer.status, answer.body["title"]) == (401, "Unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_what_else_the_keys_close_is_no_token(sqlite_shop: RetailerSeller) -> None:
    for content in (b"", b"bol access token\0", b"x" * 41, b"bol access token\0" + b"y" * 25):
        closed = sqlite_shop.world.application.keyring.encrypt(content).decode()
        answer = await sqlite_shop.call("GET", "/retailer/orders", headers={"Authorization": f"Bearer {closed}"})
        assert answer.status == 401


def test_a_token_is_good_for_as_long_as_its_key_is_in_the_file(tmp_path: Path) -> None:
    old, new = Fernet.generate_key(), Fernet.generate_key()
    file, client, now = tmp_path / "keys", UUID(int=1), datetime(2026, 11, 2, 9, tzinfo=UTC)
    file.write_bytes(old)
    token = AccessTokens(Keyring(file)).make(client, now)
    opened = []
    for keys in (old, new + b"\n" + old, new):
        file.write_bytes(keys)
        sealed = AccessTokens(Keyring(file)).open(token)
        opened.append(sealed and (sealed.client, sealed.expires_at - now))
    assert opened == [(client, LIFETIME), (client, LIFETIME), None]


async def test_a_revoked_client_is_out_at_once(sqlite_shop: RetailerSeller) -> None:
    shop, token = sqlite_shop, sqlite_shop.token()
    now = shop.world.clock()
    await shop.world.application.database.write(
        lambda connection: connection.execute(
            update(t.credentials).where(t.credentials.c.id == shop.client.id).values(revoked_at=now)
        )
    )
    answer = await shop.call("GET", "/retailer/orders", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status, answer.body["title"]) == (401, "Unauthorized")
    assert (await ask(shop, "form alone")).status_code == 401


async def test_an_account_that_is_not_active_is_denied(sqlite_shop: RetailerSeller) -> None:
    await sqlite_shop.seller.deactivate()
    answer = await sqlite_shop.call("GET", "/retailer/orders")
    assert (answer.status, answer.body["title"]) == (403, "Forbidden")
    assert answer.body["detail"].startswith("Account is not active, access denied")


async def test_a_supplier_is_told_that_it_is_none(sqlite_shop: RetailerSeller) -> None:
    client = await new_client(sqlite_shop.world, sqlite_shop.world.supplier)
    stranger = RetailerSeller(seller=sqlite_shop.seller, client=client)
    answer = await stranger.call("GET", "/retailer/orders")
    assert (answer.status, answer.body["detail"]) == (403, "Only a retailer can make this call.")


async def test_each_kind_of_call_has_a_quota_and_says_what_is_left(tmp_path: Path) -> None:
    limits = {"GET orders": "2/minute", "POST token": "1/minute"}
    async with opened_retailer(f"sqlite:///{tmp_path}/test.sqlite3", retailer_limits=limits) as shop:
        left = []
        for _ in range(2):
            answer = await shop.call("GET", "/retailer/orders")
            left.append([answer.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset")])
        assert left == [["2", "1", "30"], ["2", "0", "60"]]
        answer = await shop.call("GET", "/retailer/orders")
        assert (answer.status, answer.headers["retry-after"]) == (429, "30")
        assert answer.body["detail"] == "Too many requests, retry in 30 seconds."
        assert answer.headers["x-ratelimit-remaining"] == "0"
        other = await shop.call("GET", "/shared/process-status/1")
        assert (other.status, other.headers["x-ratelimit-limit"]) == (404, "100")
        assert (await ask(shop, "form alone")).status_code == 200
        again = await ask(shop, "form alone")
        assert (again.status_code, again.headers["retry-after"]) == (429, "60")


async def test_media_types(sqlite_shop: RetailerSeller) -> None:
    body = {"orderItems": [{"orderItemId": "1", "reasonCode": "OTHER"}]}
    path = "/retailer/orders/cancellation"
    table: list[tuple[dict[str, str | None], int]] = [
        ({}, 202),
        ({"Accept": None}, 202),
        ({"Accept": "*/*"}, 202),
        ({"Accept": "application/json"}, 202),
        ({"Accept": f"text/html, {MEDIA_TYPE};q=0.5"}, 202),
        ({"Accept": "text/html"}, 406),
        ({"Accept": "application/vnd.retailer.v9+json"}, 406),
        ({"Accept": f"{MEDIA_TYPE};q=0"}, 406),
        ({"Accept": f"{MEDIA_TYPE};q=0, */*"}, 406),
        ({"Accept": "application/*;q=0, */*"}, 406),
        ({"Accept": f"*/*;q=0, {MEDIA_TYPE}"}, 202),
        ({"Accept": "*/*;q=0, application/json"}, 202),
        ({"Accept": "application/json;q=0, */*"}, 202),
        ({"Accept": ","}, 202),
        ({"Accept": "application/vnd.advertiser.v10+json"}, 406),
        ({"Content-Type": f"{MEDIA_TYPE}; charset=utf-8"}, 202),
        ({"Content-Type": MEDIA_TYPE.upper()}, 202),
        ({"Content-Type": None}, 400),
        ({"Content-Type": ""}, 400),
        ({"Content-Type": "application/json"}, 415),
        ({"Content-Type": "application/vnd.retailer.v9+json"}, 415),
        ({"Content-Type": "application/vnd.advertiser.v10+json"}, 415),
        ({"Content-Type": f"{MEDIA_TYPE}; charset=utf-16"}, 415),
        ({"Content-Encoding": "gzip"}, 415),
    ]
    found = [(headers, (await sqlite_shop.call("PUT", path, body, headers=headers)).status) for headers, _ in table]
    assert found == table


ADVERTISER = "application/vnd.advertiser.v10+json"


@pytest.mark.parametrize("root", ["shared", "shared-demo"])
@pytest.mark.parametrize(
    ("accepted", "answered"),
    [
        (ADVERTISER, ADVERTISER),
        (f"{ADVERTISER.upper()};q=0.5, */*;q=0.1", ADVERTISER),
        (f"{ADVERTISER}, {MEDIA_TYPE}", MEDIA_TYPE),
        (f"{ADVERTISER};q=0, */*", MEDIA_TYPE),
        ("*/*", MEDIA_TYPE),
    ],
)
async def test_what_is_shared_is_answered_in_the_type_of_who_calls(
    sqlite_shop: RetailerSeller, root: str, accepted: str, answered: str
) -> None:
    headers = {"Authorization": f"Bearer {sqlite_shop.token()}", "Accept": accepted, "Content-Type": ADVERTISER}
    http, path = sqlite_shop.seller.http, f"/{root}/process-status"
    found = await http.post(path, headers=headers, content=b'{"processStatusQueries": [{"processStatusId": "9"}]}')
    refused = await http.post(path, headers=headers, content=b"{}")
    assert (found.status_code, refused.status_code) == (200, 400)
    assert found.headers["content-type"] == refused.headers["content-type"] == f"{answered};charset=UTF-8"
