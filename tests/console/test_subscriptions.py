"""Subscriptions of bol's Retailer API among the endpoints: what of them the console shows and does, and for whom."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from countermand.admin.callers import PLATFORM
from countermand.domain.subscriptions import PROCESS_FINISHED
from countermand.ids import show
from tests.console.test_webhooks import notices_to, wrong_fields
from tests.console.visiting import Person, links_in, person, words
from tests.support.receiver import Receiver, answer
from tests.wire.bol_retailer.calling import RetailerSeller, new_retailer_seller, opened_retailer, queued

pytestmark = pytest.mark.anyio

API = "/retailer/subscriptions"
LOOPBACK: dict[str, Any] = {"webhook_inner_addresses": ["127.0.0.0/8"], "webhook_http": True, "webhook_ports": []}


@pytest.fixture(scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RetailerSeller]:
    folder: Path = tmp_path_factory.mktemp("subscriptions")
    async with opened_retailer(f"sqlite:///{folder}/test.sqlite3", key_file=folder / "keys", **LOOPBACK) as shop:
        yield shop


@pytest.fixture
async def shop(opened: RetailerSeller) -> RetailerSeller:
    return await new_retailer_seller(opened.world, opened.seller.http)


async def subscribed(shop: RetailerSeller, url: str) -> str:
    """The page of a new subscription."""
    body = {"resources": ["PROCESS_STATUS", "ORDER"], "url": url, "subscriptionType": "WEBHOOK"}
    process = await shop.process(queued(await shop.call("POST", API, body)))
    return f"/console/webhooks/ept_{process['entityId'].replace('-', '')}"


async def the_one(shop: RetailerSeller) -> Any:
    """The only subscription, as bol's API shows it."""
    (found,) = (await shop.get(API))["subscriptions"]
    return found


async def done(who: Person, path: str, **fields: Any) -> str:
    """What the page says after a form was sent."""
    reply = await who.post(path, fields)
    assert reply.status_code == 303, (path, words(reply))
    return words(await who.look(reply.headers["location"]))


@pytest.mark.parametrize("by", ["seller", "operator"])
async def test_it_stands_among_the_endpoints_with_what_it_reports(
    shop: RetailerSeller, receiver: Receiver, by: str
) -> None:
    path = await subscribed(shop, receiver.url)
    who = await person(shop.world, shop.party if by == "seller" else PLATFORM)
    listed = await who.look("/console/webhooks")
    assert path in links_in(listed)
    assert "PROCESS_STATUS, ORDER (subscription of bol's Retailer API)" in words(listed)
    told = words(await who.look(path))
    for fact in (receiver.url, "PROCESS_STATUS, ORDER", "One signed message about nothing.", PROCESS_FINISHED):
        assert fact in told
    assert "Change the secret" not in told
    assert "through bol's Retailer API" in told


async def test_another_address_and_label_are_its_only_changes(shop: RetailerSeller, receiver: Receiver) -> None:
    path = await subscribed(shop, receiver.url)
    who = await person(shop.world, shop.party)
    form = await who.look(f"{path}/edit")
    assert 'name="kind"' not in form.text
    reply = await who.fill_in(f"{path}/edit", url=f"{receiver.url}/two", label="bol")
    assert "Saved." in words(await who.look(reply.headers["location"]))
    changed = await the_one(shop)
    assert (changed["url"], changed["resources"]) == (f"{receiver.url}/two", ["PROCESS_STATUS", "ORDER"])
    for url in ("mailto:desk@seller.example", "ftp://x"):
        reply = await who.fill_in(f"{path}/edit", url=url, label="bol")
        assert (reply.status_code, wrong_fields(reply)) == (422, ["url"]), url
    reply = await who.fill_in(f"{path}/edit", url=receiver.url, label="bol", kind="line.placed")
    assert reply.status_code in (409, 422), words(reply)
    assert (await the_one(shop))["resources"] == ["PROCESS_STATUS", "ORDER"]
    secret = await who.look(f"{path}/secret")
    assert (secret.status_code, "signed with the service's keys" in words(secret)) == (409, True)
    assert (await who.post(f"{path}/secret", {})).status_code == 409


async def test_what_is_done_to_it_is_seen_by_bols_api(shop: RetailerSeller, receiver: Receiver) -> None:
    path = await subscribed(shop, receiver.url)
    who = await person(shop.world, shop.party)
    assert "we are moving" in await done(who, f"{path}/pause", reason="we are moving")
    assert (await the_one(shop))["enabled"] is False
    await done(who, f"{path}/resume")
    assert (await the_one(shop))["enabled"] is True
    assert "The endpoint is removed." in await done(who, f"{path}/remove")
    assert (await shop.get(API))["subscriptions"] == []
    assert (await who.look(path)).status_code == 404


async def test_a_test_is_a_message_of_bols_and_shown_with_what_came_back(
    shop: RetailerSeller, receiver: Receiver
) -> None:
    path = await subscribed(shop, receiver.url)
    who = await person(shop.world, shop.party)
    receiver.script = [answer(418)]
    assert "cancellation.asked" not in (await who.look(f"{path}/test")).text
    told = await done(who, f"{path}/test")
    (sent,) = receiver.requests
    assert json.loads(sent.body)["event"]["resource"] == "TEST"
    for fact in ("It failed", "418", '"resource":"TEST"', "Without the signature"):
        assert fact in told


async def test_a_message_about_a_process_is_of_no_line_and_is_sent_again(
    shop: RetailerSeller, receiver: Receiver
) -> None:
    path = await subscribed(shop, receiver.url)
    who = await person(shop.world, shop.party)
    await shop.world.application.worker.once()
    (notice,) = await notices_to(shop.world, path)
    page = f"/console/notices/{show('ntc', notice.id)}"
    assert page in links_in(await who.look(path))
    shown = words(await who.look(page))
    for fact in (PROCESS_FINISHED, "PROCESS_STATUS"):
        assert fact in shown
    assert "The notice is due again." in await done(who, f"{page}/resend")
    await shop.world.application.worker.once()
    bodies = [json.loads(each.body) for each in receiver.requests]
    assert bodies == [bodies[0]] * 2
    stranger = await person(shop.world, shop.world.other_retailer)
    assert (await stranger.look(page)).status_code == 404
    assert (await stranger.post(f"{page}/resend", {})).status_code == 404


@pytest.mark.parametrize("act", ["", "/edit", "/test", "/remove", "/recover", "/secret"])
async def test_nobody_else_finds_it(shop: RetailerSeller, receiver: Receiver, act: str) -> None:
    path = await subscribed(shop, receiver.url)
    for party in (shop.world.other_retailer, shop.world.supplier):
        stranger = await person(shop.world, party)
        assert (await stranger.look(f"{path}{act}")).status_code == 404
        assert path not in links_in(await stranger.look("/console/webhooks"))


async def test_who_may_not_manage_endpoints_changes_nothing(shop: RetailerSeller, receiver: Receiver) -> None:
    path = await subscribed(shop, receiver.url)
    viewer = await person(shop.world, shop.party, permissions=["view_order"])
    for act, fields in (
        ("/pause", {"reason": "x"}), ("/test", {}), ("/remove", {}), ("/edit", {"seen": "1", "url": receiver.url}),
    ):  # fmt: skip
        assert (await viewer.post(f"{path}{act}", fields)).status_code == 403, act
    kept = await the_one(shop)
    assert (kept["enabled"], kept["url"]) == (True, receiver.url)
    assert receiver.requests == []
