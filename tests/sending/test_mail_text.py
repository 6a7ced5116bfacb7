from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from countermand import reads
from countermand.domain.commands import AcceptCancellation, AskCancellation, Asker
from countermand.domain.events import EventKind
from countermand.sending.mail_text import MailText, mail_of, stopped_mail
from countermand.sending.words import count, from_now, moment
from tests.support.world import START, World

pytestmark = pytest.mark.anyio


async def told(world: World, line: Any, kind: EventKind, reader: Any) -> MailText:
    """The message about the last event of this kind, three hours later."""
    events = [event for event in await world.events(line) if event.kind == kind]
    key = (events[-1].retailer_id, line, events[-1].seq)
    rows = await world.application.database.read(partial(reads.events_for_sending, keys=[key]))
    page = partial(world.application.links.page_of, party=reader)
    return mail_of(rows[0], reader=world.scope(reader), page=page, now=world.clock() + timedelta(hours=3))


async def ask(world: World, *, asker: Asker = Asker.RETAILER, note: str = "") -> Any:
    order = await world.order(5)
    command = AskCancellation(
        line=order.lines[0].id, actor=world.actor(world.retailer), units=2, asker=asker, note=note
    )
    await world.submit(command, retailer=world.retailer)
    return order.lines[0].id


async def test_a_question_names_the_facts_and_the_link(world: World) -> None:
    line = await ask(world, note="Came <b>twice</b>\n\nOrder:  PO-forged\x1b[0m")
    mail = await told(world, line, EventKind.CANCELLATION_ASKED, world.supplier)
    assert mail.subject.startswith("Can 2 units of SKU-0 still be cancelled? Order PO-")
    for fact in (
        "Can 2 units still be cancelled?",
        "Retailer:    retailer",
        "Article:     SKU-0",
        "To cancel:   2 of 5 units ordered",
        "Asked by:    retailer",
        "Asked on:    Monday 2 November 2026, 09:00 UTC",
        "Answer due:  Wednesday 4 November 2026, 09:00 UTC (in 1 day and 21 hours)",
        "> Came <b>twice</b>",
        "> Order: PO-forged [0m",
        "http://127.0.0.1:8765/answer/",
    ):
        assert fact in mail.text
    assert max(len(each) for each in mail.text.splitlines() if "/answer/" not in each) <= 78
    assert "Came &lt;b&gt;twice&lt;/b&gt;" in mail.html
    assert "&lt;" not in mail.text
    link = next(each for each in mail.text.splitlines() if "/answer/" in each)
    assert f'href="{link}"' in mail.html
    async with world.client() as client:
        assert (await client.get(link.removeprefix("http://127.0.0.1:8765"))).status_code == 200


async def test_only_whose_answer_is_due_gets_a_link(sqlite_world: World) -> None:
    world = sqlite_world
    line = await ask(world, asker=Asker.CUSTOMER)
    asked_first = await told(world, line, EventKind.CANCELLATION_ASKED, world.retailer)
    assert "Asked by:    the customer, through retailer" in asked_first.text
    assert "/answer/" in asked_first.text
    assert "/answer/" not in (await told(world, line, EventKind.CANCELLATION_ASKED, world.supplier)).text
    await world.submit(AcceptCancellation(line=line, actor=world.actor(world.retailer)), retailer=world.retailer)
    passed_on = await told(world, line, EventKind.CANCELLATION_PASSED_ON, world.supplier)
    assert "/answer/" in passed_on.text
    assert "the customer, through retailer" in passed_on.text
    assert "/answer/" not in (await told(world, line, EventKind.CANCELLATION_PASSED_ON, world.retailer)).text


@pytest.mark.parametrize("kind", [EventKind.LINE_PLACED, EventKind.CANCELLATION_ACCEPTED])
async def test_other_events_are_told_and_ask_nothing(sqlite_world: World, kind: EventKind) -> None:
    world = sqlite_world
    line = await ask(world)
    await world.submit(AcceptCancellation(line=line, actor=world.actor(world.supplier)), retailer=world.retailer)
    mail = await told(world, line, kind, world.retailer)
    sentence = {
        EventKind.LINE_PLACED: "retailer ordered 5 units",
        EventKind.CANCELLATION_ACCEPTED: "supplier accepted the cancellation of 2 units",
    }[kind]
    assert sentence in mail.subject
    assert sentence in mail.text
    assert sentence in mail.html
    assert "Nothing is asked of you here." in mail.text
    assert "href" not in mail.html


async def test_an_owner_is_told_that_an_endpoint_has_stopped() -> None:
    mail = stopped_mail("https://hooks.example/<a>", "It failed for five days.\r\nReally.")
    assert "https://hooks.example/<a>" in mail.text
    assert "https://hooks.example/&lt;a&gt;" in mail.html
    assert "It failed for five days. Really." in mail.text


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0, "now"),
        (0.9, "now"),
        (1, "in 1 minute"),
        (59, "in 59 minutes"),
        (60, "in 1 hour"),
        (61, "in 1 hour and 1 minute"),
        (1440, "in 1 day"),
        (1441, "in 1 day"),
        (2 * 1440 + 3 * 60 + 5, "in 2 days and 3 hours"),
        (-1, "1 minute ago"),
        (-1500, "1 day and 1 hour ago"),
    ],
)
def test_how_far_away(minutes: float, words: str) -> None:
    assert from_now(START + timedelta(minutes=minutes), START) == words


def test_a_moment_is_in_utc() -> None:
    assert moment(datetime.fromisoformat("2026-11-03T00:30:00+13:00")) == "Monday 2 November 2026, 11:30 UTC"


def test_counts() -> None:
    assert [count(1), count(2), count(0)] == ["1 unit", "2 units", "0 units"]
