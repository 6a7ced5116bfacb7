"""/v1/endpoints: a party's own, secrets shown once, and the same call twice."""

import asyncio
import zlib
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select

from countermand.admin import endpoints
from countermand.admin.callers import PLATFORM
from countermand.domain.addresses.address import STRICT
from countermand.settings import Settings
from countermand.store import tables as t
from tests.wire.native.calling import Native, new_retailer, places

pytestmark = pytest.mark.anyio

PATH = "/v1/endpoints"
URL = "https://hooks.example.com/in"


async def add(native: Native, who: UUID | str | None = None, key: str | None = None, **wish: Any) -> httpx2.Response:
    headers = {"Idempotency-Key": key} if key else None
    return await native.call("POST", PATH, who or native.retailer, {"url": URL, **wish}, headers=headers)


async def added(native: Native, who: UUID | str | None = None, **more: Any) -> dict[str, Any]:
    response = await add(native, who, **more)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def listed(native: Native, who: UUID | str | None = None) -> list[dict[str, Any]]:
    response = await native.call("GET", PATH, who or native.retailer)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["endpoints"]
    return found


async def do(native: Native, made: dict[str, Any], verb: str, body: Any = None, **more: Any) -> httpx2.Response:
    who = more.pop("who", native.retailer)
    return await native.call("POST", f"{PATH}/{made['id']}/{verb}", who, body, **more)


async def test_an_endpoint_is_added_listed_and_shown(native: Native) -> None:
    made = await added(native, events=["line.shipped", "cancellation.asked"], label="the shop")
    assert made.pop("secret").startswith("whsec_")
    assert made == {
        "id": made["id"],
        "url": URL,
        "events": ["line.shipped", "cancellation.asked"],
        "label": "the shop",
        "state": "active",
        "state_reason": "",
        "failing_since": None,
        "created_at": made["created_at"],
    }
    assert await listed(native) == [made]
    assert (await native.call("GET", f"{PATH}/{made['id']}", native.retailer)).json() == made


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the settings let e-mail be sent."""
    monkeypatch.setattr(Settings, "address_rules", property(lambda self: STRICT))


async def test_a_mailbox_is_taken_only_where_mail_can_be_sent(native: Native) -> None:
    refused = await add(native, url="mailto:orders@alpine.example")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert "smtp_host, mail_from and public_url are not set" in refused.json()["detail"]
    assert places(refused) == [["body", "url"]]
    assert await listed(native) == []


@pytest.mark.usefixtures("mail")
async def test_a_mailbox_is_unconfirmed_and_is_asked_again_a_few_times(native: Native) -> None:
    made = await added(native, url=f"mailto:{native.retailer.hex}@alpine.example")
    assert (made["state"], made["events"]) == ("unconfirmed", [])
    assert "Until it is, notices wait." in made["state_reason"]
    clock = native.world.clock
    before = clock.now
    try:
        for _ in range(2):
            clock.advance(seconds=1)
            again = await do(native, made, "confirmation")
            assert (again.status_code, again.json()["state"]) == (202, "unconfirmed")
        clock.advance(seconds=1)
        refused = await do(native, made, "confirmation")
        assert (refused.status_code, refused.json()["code"]) == (409, "limit_reached")
        assert (await do(native, made, "resume")).json()["state"] == "unconfirmed"
    finally:
        clock.now = before


@pytest.mark.usefixtures("mail")
async def test_there_is_nothing_to_confirm_for_a_webhook_and_nothing_of_others(native: Native) -> None:
    refused = await do(native, await added(native), "confirmation")
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_confirm")
    made = await added(native, url=f"mailto:{native.retailer.hex}@alpine.example")
    assert (await do(native, made, "confirmation", who=native.world.supplier)).status_code == 404
    assert (await do(native, made, "confirm")).status_code == 404


@pytest.mark.usefixtures("mail")
async def test_a_mailbox_has_no_secret(native: Native) -> None:
    made = await added(native, url=f"mailto:{native.retailer.hex}@alpine.example")
    assert made["secret"] is None
    response = await do(native, made, "rotate")
    assert (response.status_code, response.json()["code"]) == (409, "not_signed")


async def test_it_is_paused_resumed_and_removed(native: Native) -> None:
    made = await added(native)
    paused = await do(native, made, "pause", {"reason": "a fire"})
    assert (paused.json()["state"], paused.json()["state_reason"]) == ("paused", "Paused by its owner: a fire")
    assert (await do(native, made, "pause")).json()["state_reason"] == "Paused by its owner."
    resumed = await do(native, made, "resume")
    assert (resumed.json()["state"], resumed.json()["state_reason"]) == ("active", "")
    gone = await native.call("DELETE", f"{PATH}/{made['id']}", native.retailer)
    assert (gone.status_code, gone.content) == (204, b"")
    assert await listed(native) == []
    for verb in ("pause", "resume", "rotate"):
        assert (await do(native, made, verb)).status_code == 404
    assert (await native.call("DELETE", f"{PATH}/{made['id']}", native.retailer)).status_code == 404


async def test_a_secret_is_rotated(native: Native) -> None:
    made = await added(native)
    rotated = (await do(native, made, "rotate", {"overlap_s": 60})).json()
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != made["secret"]
    assert rotated["id"] == made["id"]
    assert (await do(native, made, "rotate")).status_code == 200
    full = await do(native, made, "rotate")
    assert (full.status_code, full.json()["code"]) == (409, "limit_reached")
    assert (await do(native, made, "rotate", {"overlap_s": 0})).status_code == 200


async def test_there_is_a_most(native: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "ENDPOINTS_MAX", 1)
    await added(native)
    response = await add(native)
    assert (response.status_code, response.json()["code"]) == (409, "limit_reached")


@pytest.mark.parametrize(
    ("wish", "where"),
    [
        ({"url": "http://hooks.example.com/"}, ["body", "url"]),
        ({"url": "https://user:canary@hooks.example.com/"}, ["body", "url"]),
        ({"url": "https://hooks.example.com:8443/"}, ["body", "url"]),
        ({"url": "x" * 3000}, ["body", "url"]),
        ({"url": None}, ["body", "url"]),
        ({"url": "nul\0"}, ["body", "url"]),
        ({"events": ["no.such"]}, ["body", "events"]),
        ({"events": ["x"] * 101}, ["body", "events"]),
        ({"label": "nul \0"}, ["body", "label"]),
        ({"label": "x" * 256}, ["body", "label"]),
        ({"label": "two\nlines"}, ["body", "label"]),
        ({"party": "x"}, ["body", "party"]),
    ],
)
async def test_what_is_wrong_is_told_by_place(sqlite_native: Native, wish: dict[str, Any], where: list[str]) -> None:
    response = await add(sqlite_native, **wish)
    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert places(response) == [where]
    assert "canary" not in response.text
    assert await listed(sqlite_native) == []


@pytest.mark.parametrize("body", [{"overlap_s": -1}, {"overlap_s": 30 * 86400 + 1}, {"overlap_s": "1"}, {"x": 1}, []])
async def test_an_overlap_has_bounds(sqlite_native: Native, body: Any) -> None:
    response = await do(sqlite_native, await added(sqlite_native), "rotate", body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid")


# Who may


@pytest.mark.parametrize("whose", ["own", "foreign", "absent"])
@pytest.mark.parametrize("role", ["retailer", "supplier", "platform", "without permission", "nobody"])
@pytest.mark.parametrize("call", ["GET", "DELETE", "pause", "resume", "rotate"])
async def test_who_may_do_what_with_which(native: Native, call: str, role: str, whose: str) -> None:
    world = native.world
    stranger = await new_retailer(world, native.http)
    platform = await native.token(PLATFORM)
    every = ["view_order", "create_order", "cancel_order", "allocate_order", "add_order_tracking"]
    who: dict[str, UUID | str] = {
        "retailer": native.retailer,
        "supplier": world.supplier,
        "platform": platform,
        "without permission": await native.token(native.retailer, permissions=every),
        "nobody": "cmt_nothing",
    }
    owner = who[role] if role in ("retailer", "supplier", "platform") else native.retailer
    made = await added(native, owner if whose == "own" else stranger.retailer)
    named = f"ept_{UUID(int=9).hex}" if whose == "absent" else made["id"]
    path, verb = (f"{PATH}/{named}", call) if call.isupper() else (f"{PATH}/{named}/{call}", "POST")
    response = await native.call(verb, path, who[role])
    refusals = {"without permission": (403, "forbidden"), "nobody": (401, "unauthenticated")}
    if role in refusals:
        assert (response.status_code, response.json()["code"]) == refusals[role]
    elif whose == "own":
        assert response.status_code == (204 if call == "DELETE" else 200)
    else:
        assert (response.status_code, response.json()["code"]) == (404, "unknown_endpoint")
        assert made["secret"] not in response.text


async def test_each_party_lists_its_own(native: Native) -> None:
    world = native.world
    stranger = await new_retailer(world, native.http)
    mine, theirs = await added(native), await added(native, stranger.retailer)
    assert [each["id"] for each in await listed(native)] == [mine["id"]]
    assert [each["id"] for each in await listed(native, stranger.retailer)] == [theirs["id"]]
    platforms = {each["id"] for each in await listed(native, await native.token(PLATFORM))}
    assert not {mine["id"], theirs["id"]} & platforms
    for call in (("GET", PATH), ("POST", PATH)):
        assert (await native.call(*call, None)).status_code == 401


@pytest.mark.parametrize("named", ["x", "ept_", "%00", "%ff", "ept_%F0%9F%A5%BE"])
async def test_an_id_that_is_none_is_an_unknown_one(sqlite_native: Native, named: str) -> None:
    response = await sqlite_native.call("GET", f"{PATH}/{named}", sqlite_native.retailer)
    assert (response.status_code, response.json()["code"]) == (404, "unknown_endpoint")


# The same call, twice


async def test_a_key_gets_the_same_endpoint_and_never_its_secret(native: Native) -> None:
    first = await added(native, key="k")
    assert first["secret"]
    assert await added(native, key="k") == {**first, "secret": None}
    assert len(await listed(native)) == 1
    again = await add(native, key="k", label="other")
    assert (again.status_code, again.json()["code"]) == (422, "key_reused")
    assert again.json()["differs"] == ["/label"]
    assert (await added(native, key="l"))["id"] != first["id"]
    stranger = await new_retailer(native.world, native.http)
    assert (await added(native, stranger.retailer, key="k"))["id"] != first["id"]


async def test_a_key_rotates_once(native: Native) -> None:
    made = await added(native)
    headers = {"Idempotency-Key": "r"}
    first = await do(native, made, "rotate", headers=headers)
    again = await do(native, made, "rotate", headers=headers)
    assert {**first.json(), "secret": None} == again.json() != first.json()
    other = await do(native, made, "rotate", {"overlap_s": 1}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert other.json()["differs"] == ["/overlap_s"]


async def test_what_was_refused_can_be_tried_again_with_the_same_key(native: Native) -> None:
    assert (await add(native, key="k", url="http://hooks.example.com/")).status_code == 422
    assert (await add(native, key="k")).status_code == 201


async def test_twins_are_one(native: Native) -> None:
    twins = await asyncio.gather(*(added(native, key="k") for _ in range(6)))
    assert len({each["id"] for each in twins}) == 1
    assert sum(each["secret"] is not None for each in twins) == 1
    assert len(await listed(native)) == 1


async def test_the_secret_of_a_key_is_not_kept(native: Native) -> None:
    made = await added(native, key="k")
    rows = await native.world.application.database.read(
        lambda connection: connection.execute(select(t.idempotency_records)).all()
    )
    kept = [zlib.decompress(row.reply).decode() for row in rows if row.reply]
    assert any(made["id"] in each for each in kept)
    assert made["secret"] not in f"{rows}{kept}"
