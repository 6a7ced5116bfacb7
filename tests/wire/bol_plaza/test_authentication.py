"""Who may call, in the order in which the sheet checks it (docs/plaza.md)."""

from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select
from starlette.routing import Mount, Router

from countermand.admin.audit import Author
from countermand.admin.credentials import PlazaKey, TooManyKeysError, revoke_plaza_key
from countermand.domain.parties import PartyKind
from countermand.store import tables as t
from countermand.wire.bol_plaza import signature
from tests.wire.bol_plaza.calling import (
    ORDERS,
    V2_1,
    Seller,
    cancel_path,
    cancellation,
    checked,
    http_date,
    new_key,
    new_seller,
    opened_plaza,
)

pytestmark = pytest.mark.anyio

UNKNOWN_KEY, INVALID_HEADERS, WRONG_SIGNATURE, INACTIVE = (401, 41101), (401, 41102), (401, 41103), (401, 41104)


@pytest.mark.parametrize("content_type", ["application/xml", "application/xml; charset=UTF-8"])
async def test_both_content_types_are_signed_as_they_are_sent(seller: Seller, content_type: str) -> None:
    assert (await seller.call("GET", ORDERS, content_type=content_type)).status == 200
    _, number = await seller.line()
    body = cancellation("OUT_OF_STOCK")
    assert (await seller.call("PUT", cancel_path(number), body, content_type=content_type)).status == 200
    swapped = {"Content-Type": "application/xml;charset=UTF-8"}
    answer = await seller.call("GET", ORDERS, content_type=content_type, headers=swapped)
    assert answer.error == WRONG_SIGNATURE


async def test_neither_query_nor_accept_nor_body_is_signed(seller: Seller) -> None:
    assert (await seller.call("GET", f"{ORDERS}?page=2&anything=else", headers=V2_1)).status == 200


@pytest.mark.parametrize(
    ("offset_s", "denied"),
    [(0, False), (300, False), (-300, False), (301, True), (-301, True), (86_400, True), (-86_400, True)],
)
async def test_the_date_may_be_five_minutes_off(sqlite_seller: Seller, offset_s: int, denied: bool) -> None:
    date = http_date(sqlite_seller.world.clock() + timedelta(seconds=offset_s))
    answer = await sqlite_seller.call("GET", ORDERS, date=date)
    assert answer.status == 200 if not denied else answer.error == INVALID_HEADERS


async def test_a_signature_ends_by_the_clock(sqlite_plaza: Seller) -> None:
    seller = await new_seller(sqlite_plaza.world, sqlite_plaza.http)
    headers = seller.signed("GET", ORDERS, date=http_date(seller.world.clock()))
    seller.world.clock.advance(minutes=5)
    assert checked(await seller.http.get(ORDERS, headers=headers)).status == 200
    seller.world.clock.advance(seconds=1)
    assert checked(await seller.http.get(ORDERS, headers=headers)).error == INVALID_HEADERS


async def test_a_date_may_have_a_numeric_zone(sqlite_seller: Seller) -> None:
    from zoneinfo import ZoneInfo

    for zone in ("Europe/Amsterdam", "America/New_York", "Asia/Kolkata"):
        date = format_datetime(sqlite_seller.world.clock().astimezone(ZoneInfo(zone)))
        assert not date.endswith("GMT")
        assert (await sqlite_seller.call("GET", ORDERS, date=date)).status == 200


@pytest.mark.parametrize("name", ["Content-Type", "X-BOL-Date", "X-BOL-Authorization"])
async def test_a_header_that_is_missing_is_told_before_anything_else(sqlite_seller: Seller, name: str) -> None:
    answer = await sqlite_seller.call("GET", ORDERS, headers={name: None})
    assert answer.error == INVALID_HEADERS
    assert answer.sentence == "Request contains invalid authentication headers"


async def test_a_bearer_token_opens_nothing_here(sqlite_plaza: Seller) -> None:
    token = sqlite_plaza.world.tokens[sqlite_plaza.party]
    for scheme in ("Token", "Bearer"):
        response = await sqlite_plaza.http.get(ORDERS, headers={"Authorization": f"{scheme} {token}"})
        assert checked(response).error == INVALID_HEADERS


async def test_the_codes_come_in_the_order_of_the_sheet(seller: Seller) -> None:
    stale = http_date(seller.world.clock() - timedelta(hours=1))
    unknown = replace(seller, key=PlazaKey(public="cmp_nobody", private="secret"))
    assert (await unknown.call("GET", ORDERS, date=stale)).error == INVALID_HEADERS
    assert (await unknown.call("GET", ORDERS)).error == UNKNOWN_KEY
    assert (await seller.call("GET", ORDERS, secret="wrong")).error == WRONG_SIGNATURE
    await seller.deactivate()
    assert (await seller.call("GET", ORDERS, date=stale)).error == INVALID_HEADERS
    assert (await seller.call("GET", ORDERS, secret="wrong")).error == INACTIVE
    assert (await seller.call("GET", ORDERS)).error == INACTIVE


async def test_a_supplier_has_no_orders_to_sell(sqlite_plaza: Seller) -> None:
    supplier = await new_seller(sqlite_plaza.world, sqlite_plaza.http, PartyKind.SUPPLIER)
    answer = await supplier.call("GET", ORDERS)
    assert answer.error == (403, 41000)
    assert answer.sentence == "Only a retailer can make this call"


class Work:
    """Counts what judging a call takes."""

    def __init__(self, seller: Seller, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        application = seller.world.application
        for owner, name in ((application.database, "read"), (application.keyring, "decrypt"), (signature, "sign")):
            monkeypatch.setattr(owner, name, partial(self._noting, name, getattr(owner, name)))

    def _noting(self, name: str, function: Any, *args: Any, **kwargs: Any) -> Any:
        self.done.append(name)
        return function(*args, **kwargs)

    def taken(self) -> list[str]:
        done, self.done = self.done, []
        return done


@pytest.mark.parametrize("remembered_s", [0, 5])
async def test_an_unknown_key_takes_the_work_of_a_wrong_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remembered_s: int
) -> None:
    async with opened_plaza(f"sqlite:///{tmp_path}/x.sqlite3", credential_cache_s=remembered_s) as seller:
        unknown = replace(seller, key=PlazaKey(public="cmp_nobody", private="secret"))
        fresh = await new_seller(seller.world, seller.http)
        assert (await seller.call("GET", ORDERS)).status == 200
        assert (await unknown.call("GET", ORDERS)).error == UNKNOWN_KEY
        # The test itself signs through another name, so what is counted is the door's work.
        work = Work(seller, monkeypatch)
        taken = []
        for caller in (seller, unknown, fresh):
            assert (await caller.call("GET", ORDERS, secret="wrong")).status == 401
            taken.append(work.taken())
        assert taken == [["sign", "read", "decrypt", "sign"]] * 3


async def test_a_wrong_signature_does_not_disturb_the_key_that_is_remembered(tmp_path: Path) -> None:
    async with opened_plaza(f"sqlite:///{tmp_path}/x.sqlite3", credential_cache_s=5) as seller:
        for _ in range(3):
            assert (await seller.call("GET", ORDERS)).status == 200
            assert (await seller.call("GET", ORDERS, secret="wrong")).error == WRONG_SIGNATURE


async def test_two_keys_count_at_a_time(seller: Seller) -> None:
    second = await seller.another_key()
    assert second.key != seller.key
    for each in (seller, second):
        assert (await each.call("GET", ORDERS)).status == 200
    with pytest.raises(TooManyKeysError):
        await new_key(seller.world, seller.party)
    await _revoke(seller)
    assert (await seller.call("GET", ORDERS)).error == UNKNOWN_KEY
    third = await second.another_key()
    assert (await third.call("GET", ORDERS)).status == 200


async def test_a_revoked_key_is_remembered_for_as_long_as_the_setting_says(tmp_path: Path) -> None:
    async with opened_plaza(f"sqlite:///{tmp_path}/x.sqlite3", credential_cache_s=5) as seller:
        assert (await seller.call("GET", ORDERS)).status == 200
        await _revoke(seller)
        assert (await seller.call("GET", ORDERS)).status == 200
        seller.world.clock.advance(seconds=5)
        assert (await seller.call("GET", ORDERS)).error == UNKNOWN_KEY


async def test_the_private_half_is_not_in_the_database(seller: Seller) -> None:
    row = await seller.world.application.database.read(
        lambda connection: connection.execute(
            select(t.credentials).where(t.credentials.c.lookup == seller.key.public)
        ).one()
    )
    assert seller.key.private.encode() not in row.secret
    assert seller.key.private not in repr(row)
    assert seller.world.application.keyring.decrypt(row.secret) == seller.key.private.encode()


@pytest.mark.parametrize("signed", ["/shop/services/rest/orders/v2", "/services/rest/orders/v2"])
async def test_behind_a_prefix_either_path_may_be_signed(sqlite_seller: Seller, signed: str) -> None:
    mounted = Router([Mount("/shop", sqlite_seller.world.asgi)])
    async with _client(mounted) as http:
        response = await http.get("/shop/services/rest/orders/v2", headers=sqlite_seller.signed("GET", signed))
        assert checked(response).status == 200
        forged = sqlite_seller.signed("GET", "/other/services/rest/orders/v2")
        assert checked(await http.get("/shop/services/rest/orders/v2", headers=forged)).error == WRONG_SIGNATURE


@pytest.mark.parametrize("signed", ["/shop/services/rest/orders/v2", "/services/rest/orders/v2"])
async def test_behind_a_proxy_that_takes_the_prefix_off_either_path_may_be_signed(tmp_path: Path, signed: str) -> None:
    url = f"sqlite:///{tmp_path}/x.sqlite3"
    async with opened_plaza(url, public_url="https://example.com/shop/") as seller:
        response = await seller.http.get(ORDERS, headers=seller.signed("GET", signed))
        assert checked(response).status == 200
        _, number = await seller.line()
        body = cancellation()
        answer = await seller.call("PUT", cancel_path(number), body)
        start = "https://example.com/shop/services/rest/process-status/v2/"
        assert [str(value).startswith(start) for value in answer.all("Links", "link")[0].values()] == [
            False,
            True,
            False,
        ]


async def test_the_signed_path_is_the_one_that_was_sent(sqlite_seller: Seller) -> None:
    # A client that escapes a digit signs what it escaped; the line is found all the same.
    _, number = await sqlite_seller.line()
    escaped = cancel_path("".join(f"%{ord(digit):X}" for digit in str(number)))
    answer = await sqlite_seller.call("PUT", escaped, cancellation())
    assert (answer.status, answer.text("entityId")) == (200, str(number))
    headers = sqlite_seller.signed("PUT", cancel_path(number))
    response = await sqlite_seller.http.put(escaped, content=cancellation(), headers=headers)
    assert checked(response).error == WRONG_SIGNATURE


def _client(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test")


async def _revoke(seller: Seller) -> None:
    world = seller.world
    author = Author(name="operator", door="test", at=world.clock(), ids=world.application.ids)
    await world.application.database.write(partial(revoke_plaza_key, author=author, public=seller.key.public))
