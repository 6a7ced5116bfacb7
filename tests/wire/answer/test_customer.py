"""What a customer sees behind a signed link: what became of the units and of the money, and no supplier."""

from collections.abc import Awaitable, Callable
from typing import Final

import httpx2
import pytest

from countermand.domain.commands import AcceptCancellation, DeclineCancellation, PassDeadline, WithdrawCancellation
from countermand.domain.parties import Actor, Asker
from countermand.domain.policy import Policy, Silence
from countermand.domain.reasons import DeclineReason
from tests.support.world import World
from tests.wire.answer.test_page import Page, asked, words
from tests.wire.answer.test_sentences import agree

pytestmark = pytest.mark.anyio

Act = Callable[[Page], Awaitable[None]]


def path_of(page: Page) -> str:
    links, settings = page.world.application.links, page.world.application.settings
    url = links.status(retailer=page.world.retailer, cancellation=page.cancellation, at=page.world.clock())
    return url.removeprefix(settings.base_url)


async def look(page: Page, method: str = "GET", query: str = "") -> httpx2.Response:
    async with page.world.client() as client:
        return await client.request(method, path_of(page) + query)


def supplier(page: Page) -> Actor:
    return page.world.actor(page.world.supplier)


async def waits(page: Page) -> None:
    """Nothing happens."""


async def accepted(page: Page) -> None:
    await page.world.submit(
        AcceptCancellation(line=page.line, actor=supplier(page), cancellation=page.cancellation, units=1)
    )


async def declined(page: Page) -> None:
    await page.world.submit(
        DeclineCancellation(
            line=page.line, actor=supplier(page), cancellation=page.cancellation, reason=DeclineReason.ALREADY_SHIPPED
        )
    )


async def withdrawn(page: Page) -> None:
    await page.world.submit(
        WithdrawCancellation(
            line=page.line, actor=page.world.actor(page.world.retailer), cancellation=page.cancellation
        )
    )


async def lapsed(page: Page) -> None:
    page.world.clock.advance(hours=100)
    await page.world.submit(PassDeadline(line=page.line, cancellation=page.cancellation))


SHOWN: Final[dict[str, tuple[Act, tuple[str, ...]]]] = {
    "waits": (
        waits,
        (
            "Your cancellation is being checked",
            "The answer is due by Wednesday 4 November 2026, 10:00 in Amsterdam (09:00 UTC).",
            "If nobody answers by then, you receive it as ordered.",
        ),
    ),
    "accepted in part": (
        accepted,
        ("Your cancellation is confirmed", "1 unit is cancelled.", "1 unit could not be stopped and will be sent."),
    ),
    "declined": (
        declined,
        ("It could not be cancelled", "It has been sent already.", "ask retailer how to send it back."),
    ),
    "withdrawn": (withdrawn, ("The cancellation was taken back", "You receive 2 units as ordered.")),
    "lapsed": (lapsed, ("Nobody could confirm the cancellation in time.",)),
}


@pytest.mark.parametrize(("act", "sentences"), SHOWN.values(), ids=SHOWN.keys())
async def test_the_customer_sees_what_became_of_it(world: World, act: Act, sentences: tuple[str, ...]) -> None:
    page = await asked(world, by=Asker.RETAILER, note="a secret of the shop")
    await act(page)
    before = len(await world.events(page.line))
    reply = await look(page)
    assert reply.status_code == 200
    for sentence in (*sentences, "To cancel 2 of 5 units ordered", "Questions? Contact retailer."):
        assert sentence in words(reply)
    assert "supplier" not in words(reply)
    assert "secret" not in words(reply)
    assert "<form" not in reply.text
    assert (await look(page, "POST")).status_code == 405
    assert len(await world.events(page.line)) == before


@pytest.mark.parametrize(
    ("silence", "sentence"),
    [
        (Silence.ACCEPT, "If nobody answers by then, it is cancelled."),
        (Silence.ESCALATE, "If nobody answers by then, an operator decides."),
    ],
)
async def test_the_policy_says_what_silence_means(sqlite_world: World, silence: Silence, sentence: str) -> None:
    await agree(sqlite_world, Policy(version=1, silence=silence))
    page = await asked(sqlite_world)
    assert sentence in words(await look(page))
    ours = words(await page.look())
    assert {
        Silence.ACCEPT: "If you say nothing, the answer is yes. 2 units will be cancelled.",
        Silence.ESCALATE: "If you say nothing, an operator of the platform decides.",
    }[silence] in ours


@pytest.mark.parametrize("query", ["", "?lang=de", "?lang=xx"])
async def test_it_has_the_headers_of_every_page(sqlite_world: World, query: str) -> None:
    reply = await look(await asked(sqlite_world), query=query)
    assert reply.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert ("Ihre Stornierung wird geprüft" in reply.text) == (query == "?lang=de")


async def test_a_link_of_another_kind_opens_nothing(sqlite_world: World) -> None:
    page = await asked(sqlite_world)
    status, answer = path_of(page).removeprefix("/status/"), page.path.removeprefix("/answer/")
    async with sqlite_world.client() as client:
        for path in (f"/answer/{status}", f"/status/{answer}", "/status/", "/status/x", f"/status/{status}x"):
            assert (await client.get(path)).status_code == 404, path
        assert (await client.get("/status/style.css")).status_code == 200
    sqlite_world.clock.advance(hours=24 * 31)
    old = path_of(page)
    sqlite_world.clock.advance(hours=24 * 31)
    async with sqlite_world.client() as client:
        assert (await client.get(old)).status_code == 410
