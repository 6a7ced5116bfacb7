import re
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

import pytest

from countermand.admin.callers import PLATFORM
from countermand.documents.sentences import count, from_now, moment
from countermand.domain.commands import AcceptCancellation, AskCancellation, EscalateCancellation
from countermand.domain.events import EventKind
from countermand.domain.parties import Actor, Asker, PartyKind
from countermand.outlets.email_text import MailText, confirmation_mail, mail_of, stopped_mail, trial_mail
from countermand.reads import events as event_reads
from tests.support.world import START, World

pytestmark = pytest.mark.anyio


async def reported(world: World, line: Any, kind: EventKind, reader: Any) -> MailText:
    """The message about the last event of this kind, three hours later."""
    events = [event for event in await world.events(line) if event.kind == kind]
    key = (events[-1].retailer_id, line, events[-1].seq)
    rows = await world.application.database.read(partial(event_reads.events_for_sending, keys=[key]))
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
    mail = await reported(world, line, EventKind.CANCELLATION_ASKED, world.supplier)
    assert re.fullmatch(r"Can 2 units still be cancelled\? \(can_[0-9a-f]{32}\)", mail.subject)
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
    asked_first = await reported(world, line, EventKind.CANCELLATION_ASKED, world.retailer)
    assert "Asked by:    the customer, through retailer" in asked_first.text
    assert "/answer/" in asked_first.text
    assert "/answer/" not in (await reported(world, line, EventKind.CANCELLATION_ASKED, world.supplier)).text
    await world.submit(AcceptCancellation(line=line, actor=world.actor(world.retailer)), retailer=world.retailer)
    passed_on = await reported(world, line, EventKind.CANCELLATION_PASSED_ON, world.supplier)
    assert "/answer/" in passed_on.text
    assert "the customer, through retailer" in passed_on.text
    assert "/answer/" not in (await reported(world, line, EventKind.CANCELLATION_PASSED_ON, world.retailer)).text


@pytest.mark.parametrize("kind", [EventKind.LINE_PLACED, EventKind.CANCELLATION_ACCEPTED])
async def test_other_events_are_told_and_ask_nothing(sqlite_world: World, kind: EventKind) -> None:
    world = sqlite_world
    line = await ask(world)
    await world.submit(AcceptCancellation(line=line, actor=world.actor(world.supplier)), retailer=world.retailer)
    mail = await reported(world, line, kind, world.retailer)
    sentence = {
        EventKind.LINE_PLACED: "retailer ordered 5 units",
        EventKind.CANCELLATION_ACCEPTED: "supplier accepted the cancellation of 2 units",
    }[kind]
    subject = {
        EventKind.LINE_PLACED: "Ordered: 5 units (line ",
        EventKind.CANCELLATION_ACCEPTED: "Cancelled: 2 units (can_",
    }
    assert mail.subject.startswith(subject[kind])
    assert sentence in mail.text
    assert sentence in mail.html
    assert "You need not answer." in mail.text
    assert "href" not in mail.html


async def test_an_owner_is_told_that_an_endpoint_has_stopped() -> None:
    mail = stopped_mail("https://hooks.example/<a>", "It failed for five days.\r\nReally.")
    assert "https://hooks.example/<a>" in mail.text
    assert "https://hooks.example/&lt;a&gt;" in mail.html
    assert "It failed for five days. Really." in mail.text


HOSTILE = (
    "URGENT pay here https://evil.example/pay",
    "\u202egnp.kcehc\u202c",
    "x\r\nBcc: victim@example.com",
    "=?utf-8?q?URGENT?=",
    "\u200b\ue000\x1b[31m",
)
WORDS = (
    "reference", "sku", "title", "retailer_name", "fulfiller_name", "actor", "actor_name", "cancellation_note",
    "customer", "note", "reason", "rest_reason", "answer", "tracking", "asked_for",
)  # fmt: skip


class Written:
    """An event in which a stranger wrote every text that anybody but this service can write."""

    def __init__(self, row: Any, words: str, kind: EventKind) -> None:
        self._row, self._words = row, words
        self.kind = kind.value
        self.facts = {
            **row.facts,
            **dict.fromkeys(("note", "reason", "rest_reason", "tracking", "answer"), words),
            "refund": {
                "id": str(row.id), "cancellation": str(row.id), "payment": words, "amount_minor": 100,
                "currency": "EUR", "released": False, "step": 1, "elsewhere_minor": 0,
            },
            "payment": {"id": words, "captured_minor": 100, "authorised_minor": 0, "currency": "EUR"},
        }  # fmt: skip

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._row, name)
        return self._words if name in WORDS or (isinstance(value, str) and name != "actor_kind") else value


@pytest.mark.parametrize("kind", EventKind)
async def test_no_subject_holds_a_strangers_words(sqlite_world: World, kind: EventKind) -> None:
    world = sqlite_world
    line = await ask(world)
    [asked] = [event for event in await world.events(line) if event.kind == EventKind.CANCELLATION_ASKED]
    keys = [(asked.retailer_id, line, asked.seq)]
    [row] = await world.application.database.read(partial(event_reads.events_for_sending, keys=keys))
    for reader in (world.supplier, world.retailer):
        subjects = {
            mail_of(
                cast(Any, Written(row, words, kind)),
                reader=world.scope(reader),
                page=lambda event: "https://shop.example/answer/x",
                now=world.clock(),
            ).subject
            for words in ("plain", *HOSTILE)
        }
        assert len(subjects) == 1
        assert re.fullmatch(r"[A-Za-z0-9 :?]+ \(can_[0-9a-f]{32}\)", subjects.pop())


@pytest.mark.parametrize("words", HOSTILE)
def test_no_subject_of_other_mails_holds_a_strangers_words(words: str) -> None:
    link = "https://shop.example/answer/mailbox-x"
    assert {
        stopped_mail(words, words).subject,
        confirmation_mail(words, source="https://shop.example", link=link, until=START).subject,
        trial_mail("https://shop.example").subject,
    } == {"Notices to your endpoint have stopped", "Please confirm this mailbox", "A test"}


async def test_an_operator_gets_the_link_of_what_escalated(world: World) -> None:
    line = await ask(world)
    [asked] = [event for event in await world.events(line) if event.kind == EventKind.CANCELLATION_ASKED]
    operator = Actor(party=PLATFORM, kind=PartyKind.PLATFORM, name="operator")
    await world.submit(
        EscalateCancellation(line=line, actor=operator, cancellation=asked.cancellation_id), retailer=world.retailer
    )
    assert "/answer/" in (await reported(world, line, EventKind.CANCELLATION_ESCALATED, PLATFORM)).text
    assert "/answer/" not in (await reported(world, line, EventKind.CANCELLATION_ESCALATED, world.retailer)).text
    assert "/answer/" not in (await reported(world, line, EventKind.CANCELLATION_ASKED, PLATFORM)).text


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
