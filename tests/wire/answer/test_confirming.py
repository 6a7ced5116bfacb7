"""A mailbox gets its confirmation and nothing else before somebody who reads it has pressed the button."""

import re
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from countermand.admin import endpoints
from countermand.admin.callers import PLATFORM
from countermand.admin.endpoints import TooManyConfirmationsError
from countermand.domain.commands import AcceptCancellation, AskCancellation, EscalateCancellation
from countermand.domain.endpoint import Endpoint, EndpointState
from countermand.domain.parties import Actor, Asker, PartyKind
from countermand.store import owner_mails
from countermand.store import tables as t
from countermand.store.revisions import agreements_changed
from tests.support.world import World
from tests.worker.station import ERROR, Station, endpoint, notices, station

pytestmark = pytest.mark.anyio

FORM = {"content-type": "application/x-www-form-urlencoded"}
ADDRESS = "orders@alpine.example"


async def added(world: World, party: UUID | None = None, address: str = ADDRESS, **more: Any) -> Endpoint:
    application = world.application
    wanted = {"party": party or world.supplier, "url": f"mailto:{address}", **more}
    made = await application.database.write(lambda c: endpoints.add(c, world.author(), application.keyring, **wanted))
    return made.endpoint


async def state(world: World, endpoint: Endpoint) -> EndpointState:
    return (await world.application.database.read(lambda c: endpoints.find(c, endpoint.id))).state


async def asked(world: World, by: Asker = Asker.RETAILER) -> UUID:
    line = (await world.order(2)).lines[0].id
    ask = AskCancellation(line=line, actor=world.actor(world.retailer), units=1, asker=by)
    await world.submit(ask, retailer=world.retailer)
    return line


def link(world: World, endpoint: Endpoint, address: str = ADDRESS) -> str:
    url = world.application.links.confirmation(endpoint.id, address, endpoint.created_at)
    return url.removeprefix(world.application.settings.base_url)


async def call(world: World, path: str, method: str = "GET", **fields: str) -> httpx2.Response:
    async with world.client() as client:
        if method == "POST":
            return await client.post(path, content=urlencode(fields), headers=FORM)
        return await client.request(method, path)


async def test_only_the_confirmation_goes_there_and_then_what_has_waited(world: World) -> None:
    made = await added(world)
    post: Station = station(world)
    await asked(world)
    await post.later(10)
    await post.later(3600)
    assert [(to, which, who) for to, which, who, _ in post.postman.asked_to_confirm] == [(ADDRESS, made.id, "supplier")]
    assert (post.postman.given, post.postman.reported) == ([], [])
    assert [row.state for row in await notices(world)] == ["due"]
    assert (await call(world, link(world, made), "POST", answer="confirm")).status_code == 200
    assert await state(world, made) is EndpointState.ACTIVE
    await post.later(10)
    assert [event.kind for _, event in post.postman.given] == ["cancellation.asked"]
    assert [row.state for row in await notices(world)] == ["sent"]
    assert len(post.postman.asked_to_confirm) == 1


async def test_a_confirmation_is_tried_again_as_the_same_message(sqlite_world: World) -> None:
    world = sqlite_world
    await added(world)
    post = station(world)
    post.postman.owner_hears.append(ERROR)
    await post.later(1)
    await post.later(60)
    first, second = post.postman.asked_to_confirm
    assert first == second


@pytest.mark.parametrize("ends", ["confirmed", "removed"])
async def test_what_is_called_for_no_more_is_not_sent(sqlite_world: World, ends: str) -> None:
    world = sqlite_world
    made = await added(world)
    end = endpoints.confirm if ends == "confirmed" else endpoints.remove
    await world.application.database.write(lambda c: end(c, world.author(), made.id))
    post = station(world)
    await post.later(10)
    assert post.postman.asked_to_confirm == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
async def test_looking_confirms_nothing(sqlite_world: World, method: str) -> None:
    world = sqlite_world
    made = await added(world)
    for _ in range(3):
        reply = await call(world, link(world, made), method)
        assert reply.status_code == (200 if method in ("GET", "HEAD") else 405)
    assert await state(world, made) is EndpointState.UNCONFIRMED
    if method == "GET":
        assert '<button class="primary">Confirm this mailbox</button>' in reply.text
        assert ADDRESS in reply.text
        assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("fields", [{}, {"answer": "accept"}, {"answer": ""}, {"confirm": "yes"}])
async def test_only_the_form_of_the_page_confirms(sqlite_world: World, fields: dict[str, str]) -> None:
    made = await added(sqlite_world)
    assert (await call(sqlite_world, link(sqlite_world, made), "POST", **fields)).status_code == 400
    assert await state(sqlite_world, made) is EndpointState.UNCONFIRMED


async def test_a_used_link_says_that_the_mailbox_is_confirmed(sqlite_world: World) -> None:
    world = sqlite_world
    made = await added(world)
    assert "Thank you" in (await call(world, link(world, made), "POST", answer="confirm")).text
    for method in ("GET", "POST"):
        again = await call(world, link(world, made), method, answer="confirm")
        assert (again.status_code, "This mailbox is confirmed already" in again.text) == (200, True)


async def test_a_link_expires(sqlite_world: World) -> None:
    world = sqlite_world
    made = await added(world)
    world.clock.advance(days=7, seconds=-1)
    assert (await call(world, link(world, made))).status_code == 200
    world.clock.advance(seconds=1)
    for method in ("GET", "POST"):
        late = await call(world, link(world, made), method, answer="confirm")
        assert late.status_code == 410
        assert "to have a new one sent" in late.text
    assert await state(world, made) is EndpointState.UNCONFIRMED


async def test_a_link_of_what_was_removed_or_has_another_address_opens_nothing(sqlite_world: World) -> None:
    world = sqlite_world
    made, other = await added(world), await added(world, address="other@alpine.example")
    removed, foreign = link(world, made), link(world, other, ADDRESS)
    await world.application.database.write(lambda c: endpoints.remove(c, world.author(), made.id))
    for path in (removed, foreign):
        for method in ("GET", "POST"):
            gone = await call(world, path, method, answer="confirm")
            assert (gone.status_code, "not registered any more" in gone.text) == (410, True)
    assert await state(world, other) is EndpointState.UNCONFIRMED


async def test_a_forged_link_opens_nothing(sqlite_world: World) -> None:
    world = sqlite_world
    made = await added(world)
    good = link(world, made)
    answers = world.application.links.page(
        retailer=made.id, line=made.id, cancellation=made.id, party=made.id, at=world.clock()
    )
    token = good.rpartition("mailbox-")[2]
    for path in (
        *(f"/answer/mailbox-{token[:n]}{'A' if token[n] != 'A' else 'B'}{token[n + 1 :]}" for n in range(len(token))),
        f"/answer/{token}",
        good[:-1],
        f"{good}A",
        f"{good}==",
        "/answer/mailbox-",
        f"/answer/mailbox-{answers.rpartition('/')[2]}",
    ):
        assert (await call(world, path, "POST", answer="confirm")).status_code == 404, path
    assert await state(world, made) is EndpointState.UNCONFIRMED


async def test_a_pause_is_not_ended_by_a_confirmation_nor_the_other_way_round(sqlite_world: World) -> None:
    world = sqlite_world
    made, write = await added(world), world.application.database.write
    await write(lambda c: endpoints.pause(c, world.author(), made.id, reason="x"))
    await write(lambda c: endpoints.resume(c, world.author(), made.id))
    assert await state(world, made) is EndpointState.UNCONFIRMED
    await write(lambda c: endpoints.pause(c, world.author(), made.id, reason="x"))
    await call(world, link(world, made), "POST", answer="confirm")
    assert await state(world, made) is EndpointState.PAUSED
    await write(lambda c: endpoints.resume(c, world.author(), made.id))
    assert await state(world, made) is EndpointState.ACTIVE


@pytest.mark.parametrize(
    "again", [ADDRESS, "ORDERS@alpine.example", "orders+1@alpine.example", "Orders+x+y@ALPINE.example"]
)
async def test_nobody_is_bombed(world: World, again: str) -> None:
    for party in (world.supplier, world.retailer, world.other_supplier):
        await added(world, party)
        world.clock.advance(hours=1)
    with pytest.raises(TooManyConfirmationsError, match="asked for at 2026-11-03 09:00 UTC"):
        await added(world, world.other_retailer, again)
    await added(world, world.other_retailer, "someone@alpine.example")
    world.clock.advance(hours=21)
    await added(world, world.other_retailer, again)
    found = await world.application.database.read(endpoints.of_party)
    assert len(found) == 5


async def test_a_party_has_a_bounded_number_of_confirmations_though_it_removes_its_mailboxes(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    monkeypatch.setattr(endpoints, "ENDPOINTS_MAX", 2)
    for name in ("a", "b"):
        made = await added(world, address=f"{name}@alpine.example")
        await world.application.database.write(partial(endpoints.remove, author=world.author(), endpoint=made.id))
        world.clock.advance(seconds=1)
    with pytest.raises(TooManyConfirmationsError, match="for this party"):
        await added(world, address="c@alpine.example")
    await added(world, world.retailer, address="c@alpine.example")


async def test_a_mailbox_that_is_not_confirmed_hears_of_no_stop(sqlite_world: World) -> None:
    world = sqlite_world
    await added(world, world.retailer)
    hook = await endpoint(world, world.retailer)
    await world.application.database.write(lambda c: owner_mails.owe(c, hook, "gone", world.clock()))
    post = station(world)
    await post.later(1)
    assert post.postman.reported == []


async def test_notices_wait_thirty_days_and_a_warning_tells_of_them(world: World) -> None:
    made = await added(world)
    await asked(world)
    post = station(world)
    await post.worker.renew_leases()
    with capture_logs() as logs:
        await post.worker.retention.sweep_all()
    reported = [each for each in logs if each["event"] == "mailbox_unconfirmed"]
    assert [(each["log_level"], each["waiting"], each["given_up"]) for each in reported] == [("warning", 1, 0)]
    post.pass_time(timedelta(days=30, seconds=1).total_seconds())
    await post.worker.renew_leases()
    with capture_logs() as logs:
        done = await post.worker.retention.sweep_all()
    assert done["notices_given_up"] == 1
    [row] = await notices(world)
    assert (row.state, row.last_result) == ("dead", "The mailbox was not confirmed within 30 days.")
    assert await state(world, made) is EndpointState.UNCONFIRMED


# What a mailbox is told of


async def confirmed(world: World, party: UUID, **more: Any) -> None:
    made = await added(world, party, address=f"{party.hex}@alpine.example", **more)
    await world.application.database.write(lambda c: endpoints.confirm(c, world.author(), made.id))


async def reported(world: World) -> list[str]:
    return [row.kind for row in await notices(world)]


@pytest.mark.parametrize(
    ("whose", "kinds"),
    [
        ("supplier", ["cancellation.passed_on"]),
        ("retailer", ["cancellation.asked"]),
        ("platform", ["cancellation.escalated"]),
        ("other_supplier", []),
    ],
)
async def test_without_kinds_it_gets_what_asks_for_its_answer(world: World, whose: str, kinds: list[str]) -> None:
    await confirmed(world, PLATFORM if whose == "platform" else getattr(world, whose))
    line = await asked(world, Asker.CUSTOMER)
    await world.submit(AcceptCancellation(line=line, actor=world.actor(world.retailer)), retailer=world.retailer)
    [passed_on] = [event for event in await world.events(line) if event.kind == "cancellation.passed_on"]
    operator = Actor(party=PLATFORM, kind=PartyKind.PLATFORM, name="operator")
    escalate = EscalateCancellation(line=line, actor=operator, cancellation=passed_on.cancellation_id)
    await world.submit(escalate, retailer=world.retailer)
    assert await reported(world) == kinds


async def test_with_kinds_it_gets_those_and_a_webhook_without_gets_all(sqlite_world: World) -> None:
    world = sqlite_world
    await confirmed(world, world.supplier, kinds=["line.placed", "cancellation.asked"])
    await world.order(1)
    assert await reported(world) == ["line.placed"]
    await world.application.database.write(lambda c: c.execute(update(t.endpoints).values(url="https://a.example/")))
    await world.application.database.write(lambda c: c.execute(update(t.endpoints).values(event_kinds=[])))
    await world.application.database.write(agreements_changed)
    await asked(world)
    assert sorted(await reported(world)) == ["cancellation.asked", "line.placed", "line.placed"]


async def test_the_link_has_one_spelling(sqlite_world: World) -> None:
    world = sqlite_world
    made = Endpoint(
        id=UUID(int=7), party=UUID(int=8), url="", label="", event_kinds=(), state=EndpointState.UNCONFIRMED,
        state_reason="", created_at=world.clock(), failing_since=None, secrets=None,
    )  # fmt: skip
    assert re.fullmatch("/answer/mailbox-[A-Za-z0-9_-]{69}[AQgw]", link(world, made))
