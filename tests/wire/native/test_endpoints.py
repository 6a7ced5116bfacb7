"""/v1/endpoints: a party's own, secrets shown once, and the same call twice."""

import asyncio
import json
import zlib
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select

from countermand.admin import endpoints
from countermand.admin.callers import PLATFORM
from countermand.documents.events import Envelope
from countermand.documents.samples import write_sample
from countermand.domain.addresses.address import STRICT
from countermand.domain.events import EventKind
from countermand.outlets.signature import verify
from countermand.settings import Settings
from countermand.store import tables as t
from tests.support.receiver import Receiver, answer
from tests.wire.native.calling import Native, new_retailer, opened_native, places

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
        "party": str(native.retailer),
        "url": URL,
        "events": ["line.shipped", "cancellation.asked"],
        "resources": None,
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
        ({"party": "nul \0"}, ["body", "party"]),
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
    elif whose == "own" or (whose, role) == ("foreign", "platform"):
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


# Of any party, page by page


async def test_the_platform_names_any_party_and_others_only_themselves(native: Native) -> None:
    platform, retailer = await native.token(PLATFORM), native.retailer
    name = await native.world.name(retailer)
    mine = await added(native)
    by_platform = [(await added(native, platform, party=each))["id"] for each in (str(retailer), name)]
    assert {each["party"] for each in await listed(native)} == {str(retailer)}
    own = sorted([mine["id"], *by_platform])
    assert [each["id"] for each in await listed(native)] == own
    for who in (platform, retailer):
        for whose in (str(retailer), name):
            found = (await native.call("GET", f"{PATH}?party={whose}", who)).json()
            assert [each["id"] for each in found["endpoints"]] == own
            assert found["next"] is None
    for whose in (str(native.world.supplier), "supplier", "nobody"):
        refused = await native.call("GET", f"{PATH}?party={whose}", retailer)
        assert (refused.status_code, refused.json()["code"]) == (403, "wrong_party")
        refused = await add(native, party=whose)
        assert (refused.status_code, refused.json()["code"]) == (403, "wrong_party")
    assert (await native.call("GET", f"{PATH}?party=nobody", platform)).json() == {"endpoints": [], "next": None}
    unknown = await add(native, platform, party="nobody")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_party")
    paused = await do(native, mine, "pause", {"reason": "a fire"}, who=platform)
    assert paused.json()["state_reason"] == "Paused by the platform: a fire"
    assert (await do(native, mine, "resume")).json()["state"] == "active"
    assert (await native.call("DELETE", f"{PATH}/{mine['id']}", platform)).status_code == 204


async def test_they_are_listed_page_by_page(native: Native) -> None:
    made = [(await added(native))["id"] for _ in range(5)]
    found: list[str] = []
    after = ""
    while True:
        page = (await native.call("GET", f"{PATH}?limit=2{after}", native.retailer)).json()
        found += [each["id"] for each in page["endpoints"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == sorted(made)
    for query in ("after=x", "limit=0", "limit=201", "since=x", "zone=x"):
        assert (await native.call("GET", f"{PATH}?{query}", native.retailer)).status_code == 422
    tomorrow = f"{native.world.clock():%Y-%m-%d}"
    assert (await native.call("GET", f"{PATH}?until={tomorrow}&zone=UTC", native.retailer)).json()["endpoints"]


# Changed


async def changed(native: Native, made: dict[str, Any], etag: str | None, **body: Any) -> httpx2.Response:
    headers = {"If-Match": etag} if etag else None
    return await native.call("PATCH", f"{PATH}/{made['id']}", native.retailer, body, headers=headers)


async def test_it_is_changed_where_it_was_seen(native: Native) -> None:
    made = await added(native, label="old")
    seen = (await native.call("GET", f"{PATH}/{made['id']}", native.retailer)).headers["etag"]
    unsaid = await changed(native, made, None, label="new")
    assert (unsaid.status_code, unsaid.json()["code"]) == (428, "if_match_needed")
    answer = await changed(native, made, seen, label="new", events=["line.shipped"])
    assert (answer.status_code, answer.json()["label"], answer.json()["events"]) == (200, "new", ["line.shipped"])
    assert answer.json()["url"] == URL
    late = await changed(native, made, seen, label="newer")
    assert (late.status_code, late.json()["code"]) == (412, "etag_mismatch")
    again = await changed(native, made, late.headers["etag"], url="https://hooks.example.com/other", events=[])
    assert (again.json()["url"], again.json()["events"], again.json()["label"]) == (
        "https://hooks.example.com/other",
        [],
        "new",
    )
    assert (await changed(native, made, "*")).json() == again.json()
    shown = (await native.call("GET", f"{PATH}/{made['id']}", native.retailer)).json()
    assert shown == again.json()


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"url": "http://hooks.example.com"}, "/url"),
        ({"url": "mailto:a@b.example"}, "/url"),
        ({"events": ["line.lost"]}, "/events"),
        ({"label": "x" * 256}, "/label"),
        ({"label": None}, "/label"),
        ({"party": "x"}, "/party"),
        ({"state": "active"}, "/state"),
    ],
)
@pytest.mark.usefixtures("mail")
async def test_a_change_that_makes_no_sense_is_refused(native: Native, body: dict[str, Any], place: str) -> None:
    made = await added(native)
    refused = await changed(native, made, "*", **body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert refused.json()["errors"][0]["pointer"] == place
    made.pop("secret")
    assert await listed(native) == [made]


@pytest.mark.usefixtures("mail")
async def test_another_mailbox_has_to_be_confirmed(native: Native) -> None:
    made = await added(native, url=f"mailto:{native.retailer.hex}@alpine.example")
    application = native.world.application
    await application.database.write(
        lambda connection: endpoints.confirm(connection, native.world.author(), UUID(made["id"].removeprefix("ept_")))
    )
    same = await changed(native, made, "*", label="desk")
    assert same.json()["state"] == "active"
    other = await changed(native, made, "*", url=f"mailto:b{native.retailer.hex}@alpine.example")
    assert (other.status_code, other.json()["state"]) == (200, "unconfirmed")
    refused = await changed(native, made, "*", url=URL)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")


# Tried


@pytest.mark.parametrize("event", [None, "cancellation.asked", "refund.due"])
async def test_a_test_is_sent_at_once_and_shown(database_url: str, event: str | None) -> None:
    loopback = {"webhook_inner_addresses": ["127.0.0.0/8"], "webhook_http": True, "webhook_ports": []}
    async with opened_native(database_url, **loopback) as native, Receiver() as receiver:
        receiver.otherwise = answer(418, b"no, thanks")
        made = await added(native, url=receiver.url)
        body = {"event": event} if event else None
        tried = await do(native, made, "test", body)
        assert tried.status_code == 200, tried.text
        attempt = tried.json()
        (sent,) = receiver.requests
        verify([made["secret"]], sent.headers, sent.body, now=native.world.clock())
        assert json.loads(sent.body)["type"] == f"countermand.{event or 'endpoint.test'}.v1"
        assert attempt["request"]["body"].encode() == sent.body
        assert attempt["request"]["headers"]["webhook-id"] == sent.headers["webhook-id"]
        assert attempt["request"]["headers"]["webhook-timestamp"] == sent.headers["webhook-timestamp"]
        assert (attempt["ok"], attempt["status"], attempt["answer"]) == (False, 418, "no, thanks")
        assert (attempt["notice"], attempt["endpoint"], attempt["error"]) == (None, made["id"], "")
        for path in (f"attempts/{attempt['id']}", f"attempts?endpoint={made['id']}"):
            found = (await native.call("GET", f"/v1/{path}", native.retailer)).json()
            assert found == attempt or found["attempts"] == [attempt]
        assert (await native.call("GET", "/v1/events", native.retailer)).json()["events"] == []
        assert (await do(native, made, "pause")).status_code == 200
        again = await do(native, made, "test", body, headers={"Idempotency-Key": "k"})
        repeated = await do(native, made, "test", body, headers={"Idempotency-Key": "k"})
        assert repeated.json() == again.json() != attempt
        assert len(receiver.requests) == 2


async def test_a_sample_of_each_kind_is_as_events_are(native: Native) -> None:
    for kind in EventKind:
        document = write_sample(
            kind, endpoint="ept_x", id=UUID(int=1), at=native.world.clock(), source="https://x.example"
        )
        Envelope.model_validate(document, strict=False)
        state = document["data"]["state"]
        assert state["ordered"] == sum(state[each] for each in ("open", "asked", "cancelled", "shipped")), kind


@pytest.mark.usefixtures("mail")
async def test_nothing_is_sent_to_a_mailbox_that_is_not_confirmed(native: Native) -> None:
    made = await added(native, url=f"mailto:{native.retailer.hex}@alpine.example")
    attempt = (await do(native, made, "test")).json()
    assert (attempt["ok"], attempt["status"]) == (False, None)
    assert attempt["error"] == "This mailbox is not confirmed yet. Until it is, notices wait."


async def test_only_kinds_of_events_are_samples(native: Native) -> None:
    made = await added(native)
    refused = await do(native, made, "test", {"event": "line.lost"})
    assert (refused.status_code, places(refused)) == (422, [["body", "event"]])
    unknown = await do(native, {"id": "ept_" + "0" * 32}, "test")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_endpoint")
