"""What arrives: a signed envelope at a webhook, a message with a link in a mailbox; the same id whenever it comes."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from countermand.admin import endpoints
from countermand.admin.endpoints import Added
from countermand.domain.addresses.address import AddressRules
from countermand.domain.commands import AskCancellation
from countermand.outlets.signature import verify
from countermand.service.calls import Done
from tests.support.mailbox import Mailbox
from tests.support.receiver import Receiver, answer
from tests.support.waiting import HANGS_S
from tests.support.world import Clock, World, populate, running
from tests.worker.station import notices

pytestmark = pytest.mark.anyio
ANY = AddressRules(http=True, ports=())


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with Mailbox() as listening:
        yield listening


@pytest.fixture
async def world(tmp_path: Path, clock: Clock, mailbox: Mailbox) -> AsyncIterator[World]:
    settings: dict[str, Any] = {
        "webhook_inner_addresses": ["127.0.0.0/8"],
        "webhook_ports": [],
        "smtp_host": "127.0.0.1",
        "smtp_port": mailbox.port,
        "smtp_tls": "none",
        "mail_from": "shop@example.com",
        "public_url": "https://cancel.example.com",
    }
    async with running(f"sqlite:///{tmp_path}/test.sqlite3", clock, **settings) as application:
        yield await populate(application, clock)


async def register(world: World, url: str) -> Added:
    application = world.application
    added = await application.database.write(
        lambda connection: endpoints.add(
            connection,
            world.author(),
            application.keyring,
            party=world.supplier,
            url=url,
            kinds=["cancellation.asked"],
            rules=ANY,
        )
    )
    if added.endpoint.unconfirmed_since is not None:
        await application.database.write(
            lambda connection: endpoints.confirm(connection, world.author(), added.endpoint.id)
        )
    return added


async def ask(world: World) -> None:
    line = (await world.order(2)).lines[0].id
    command = AskCancellation(line=line, actor=world.actor(world.retailer))
    assert isinstance(await world.submit(command, retailer=world.retailer), Done)


async def test_a_webhook_gets_a_signed_envelope_under_one_id(world: World, receiver: Receiver) -> None:
    added = await register(world, receiver.url)
    assert added.secret
    receiver.script = [answer(500), answer(204)]
    await ask(world)
    worker = world.application.worker
    await worker.once()
    [row] = await notices(world)
    assert (row.state, row.attempts) == ("due", 1)
    world.clock.advance(seconds=6)
    async with asyncio.timeout(HANGS_S):
        while (await notices(world))[0].state != "sent":
            await worker.once()
            await asyncio.sleep(0.05)
    first, second = receiver.requests
    for call in (first, second):
        verify([added.secret], call.headers, call.body, now=world.clock())
    reported = json.loads(first.body)
    assert reported == json.loads(second.body)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == reported["id"]
    assert reported["type"] == "countermand.cancellation.asked.v1"
    assert reported["data"]["links"]["accept"].startswith("https://cancel.example.com/v1/cancellations/can_")
    assert reported["data"]["links"]["page"].startswith("https://cancel.example.com/answer/")


async def test_a_mailbox_gets_a_message_with_a_link(world: World, mailbox: Mailbox) -> None:
    await register(world, "mailto:orders@alpine.example")
    await ask(world)
    await world.application.worker.once()
    [letter] = await mailbox.received(1)
    assert letter.to == ["orders@alpine.example"]
    assert "https://cancel.example.com/answer/" in letter.body("plain")
    assert (await notices(world))[0].state == "sent"


async def test_the_owner_of_an_endpoint_that_is_gone_gets_a_message(
    world: World, receiver: Receiver, mailbox: Mailbox
) -> None:
    await register(world, receiver.url)
    await register(world, "mailto:orders@alpine.example")
    receiver.script = [answer(410)]
    await ask(world)
    await world.application.worker.once()
    letters = await mailbox.received(2)
    assert any("stopped" in letter.message["subject"] for letter in letters)
    found = await world.application.database.read(endpoints.of_party)
    assert sorted(each.state for each in found) == ["active", "disabled"]
