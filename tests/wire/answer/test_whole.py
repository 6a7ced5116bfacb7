"""The whole way: a mail arrives at a real mailbox, its link is opened over real HTTP, and the answer counts."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from countermand.domain.commands import AskCancellation
from countermand.domain.delivery import Verdict
from countermand.domain.parties import PartyKind
from countermand.outlets.email_text import mail_of
from countermand.outlets.links import Links
from countermand.outlets.smtp import Mail
from countermand.reads import cancellations as cancellation_reads
from countermand.reads import events as event_reads
from countermand.reads.cancellations import CancellationFilter
from countermand.reads.scope import Scope
from tests.seeds.serving import serving
from tests.support.mailbox import Mailbox
from tests.support.waiting import HANGS_S
from tests.support.world import Clock, World, populate, running

pytestmark = pytest.mark.anyio


@pytest.fixture
async def beside(tmp_path: Path) -> AsyncIterator[tuple[World, str]]:
    """A server in a process of its own, and the same database opened here, as commands do beside a server."""
    url = f"sqlite:///{tmp_path}/whole.sqlite3"
    with serving(url, tmp_path / "server.log") as server:
        clock = Clock()
        async with running(url, clock, public_url=f"http://127.0.0.1:{server.port}") as application:
            yield await populate(application, clock), f"http://127.0.0.1:{server.port}"


async def link_in_the_mailbox(world: World, box: Mailbox, links: Links) -> str:
    """Ask, send the mail about it, and find the link in what arrived."""
    order = await world.order(3)
    line = order.lines[0].id
    ask = AskCancellation(line=line, actor=world.actor(world.retailer), units=2)
    await world.submit(ask, retailer=world.retailer)
    event = (await world.events(line))[-1]
    (row,) = await world.application.database.read(
        partial(event_reads.events_for_sending, keys=[(event.retailer_id, line, event.seq)])
    )
    page = partial(links.page_of, party=world.supplier)
    message = mail_of(row, reader=world.scope(world.supplier), page=page, now=world.clock())
    by = Mail(host="127.0.0.1", port=box.port, sender="Shop <mail@shop.example>", encryption="none")
    count = len(box.letters)
    attempt = await by.send("orders@supplier.example", message.subject, message.text, message.html)
    assert attempt.verdict is Verdict.DELIVERED
    letter = (await box.received(count + 1))[-1]
    link = next(each for each in letter.body("plain").splitlines() if "/answer/" in each)
    assert f'href="{link}"' in letter.body("html")
    return link


async def test_from_the_mail_to_the_answer(beside: tuple[World, str]) -> None:
    """The server tells the time by its own clock, so links are made by the real one."""
    world, base = beside
    world.clock.now = datetime.now(UTC)
    links = world.application.links
    async with Mailbox() as box, httpx2.AsyncClient(timeout=HANGS_S) as browser:
        link = await link_in_the_mailbox(world, box, links)
        assert link.startswith(f"{base}/answer/")

        shown = await browser.get(link)
        assert (shown.status_code, "Can 2 units still be cancelled?" in shown.text) == (200, True)
        style = await browser.get(httpx2.URL(link).join("style.css"))
        assert style.headers["content-type"] == "text/css; charset=utf-8"

        without = await browser.post(link, data={"answer": "decline", "once": _once(shown.text)})
        assert (without.status_code, "A decline must say why: give a reason." in without.text) == (422, True)

        accepted = await browser.post(
            link, data={"answer": "accept", "once": _once(shown.text), "units": "2", "sure": "yes"}
        )
        assert (accepted.status_code, "Your answer is stored." in accepted.text) == (200, True)
        used = await browser.get(link)
        assert "(you) accepted the cancellation of 2 units" in used.text
        assert "<form" not in used.text

        link = await link_in_the_mailbox(world, box, links)
        declined = await browser.post(
            link, data={"answer": "decline", "reason": "made_to_order", "note": "Sorry", "sure": "yes"}
        )
        assert "made to order" in declined.text

        link = await link_in_the_mailbox(world, box, links)
        parcel = {"answer": "ship", "units": "2", "carrier": "PostNL", "tracking_number": "3SABC", "sure": "yes"}
        assert "already shipped" in (await browser.post(link, data=parcel)).text

        expired = Links(world.application.keyring, base, days=-1)
        link = await link_in_the_mailbox(world, box, expired)
        assert (await browser.get(link)).status_code == 410
        assert (await browser.post(link, data=parcel)).status_code == 410
        assert (await browser.get(f"{link[:-1]}{'A' if link[-1] != 'A' else 'B'}")).status_code == 404
    states = [row.state for row in await _cancellations(world)]
    assert sorted(states) == ["accepted", "asked", "declined", "declined"]


def _once(page: str) -> str:
    found = re.search(r'name="once" value="([^"]+)"', page)
    assert found
    return found[1]


async def _cancellations(world: World) -> list[Any]:
    scope = Scope(party=world.supplier, kind=PartyKind.SUPPLIER)
    return list(
        await world.application.database.read(
            partial(cancellation_reads.list_cancellations, scope=scope, wanted=CancellationFilter())
        )
    )
