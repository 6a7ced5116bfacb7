"""What is shown is what happened: each situation of a cancellation, and what its page, mail and timeline say of it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Final
from uuid import UUID

import pytest

from countermand.admin.callers import PLATFORM
from countermand.admin.policies import put_in_force
from countermand.documents import timeline
from countermand.domain.commands import (
    AcceptCancellation,
    AskCancellation,
    CancelOrder,
    DeclineCancellation,
    EscalateCancellation,
    NoteCancellation,
    PassDeadline,
    WithdrawCancellation,
)
from countermand.domain.parties import Asker, PartyKind
from countermand.domain.policy import Policy, Silence, WholeOrder
from countermand.domain.reasons import DeclineReason
from countermand.outlets.email_text import MailText, mail_of
from countermand.reads import cancellations as cancellation_reads
from countermand.reads import events as event_reads
from countermand.reads.cancellations import CancellationFilter
from countermand.reads.scope import Scope
from countermand.service.calls import Done
from tests.store.speaking import OPERATOR
from tests.support.world import World
from tests.wire.answer.test_page import Page, words

pytestmark = pytest.mark.anyio

NINE: Final = "on Monday 2 November 2026, 10:00 in Amsterdam (09:00 UTC)"
TOGETHER: Final = Policy(version=1, whole_order=WholeOrder.ALL_OR_NOTHING)


async def agree(world: World, policy: Policy) -> None:
    for fulfiller in (world.supplier, world.other_supplier):
        await world.application.database.write(
            partial(
                put_in_force,
                now=world.clock(),
                retailer=world.retailer,
                fulfiller=fulfiller,
                policy=policy,
                by="test",
            )
        )


class Play:
    """One line of two, asked for; and the link of its supplier."""

    def __init__(self, world: World, lines: list[UUID], page: Page) -> None:
        self.world, self.lines, self.page = world, lines, page

    async def does(self, command: object) -> None:
        await self.world.submit(command)  # type: ignore[arg-type]

    def accept(self, place: int = 0) -> AcceptCancellation:
        supplier = (self.world.supplier, self.world.other_supplier)[place]
        return AcceptCancellation(line=self.lines[place], actor=self.world.actor(supplier))

    def decline(self, place: int = 0, reason: DeclineReason = DeclineReason.IN_PACKING) -> DeclineCancellation:
        supplier = (self.world.supplier, self.world.other_supplier)[place]
        return DeclineCancellation(line=self.lines[place], actor=self.world.actor(supplier), reason=reason)


async def play(world: World, policy: Policy) -> Play:
    if policy != Policy():
        await agree(world, policy)
    order = await world.order(2, 2, fulfillers=[world.supplier, world.other_supplier])
    lines = [line.id for line in order.lines]
    retailer = world.actor(world.retailer)
    whole = policy.whole_order is WholeOrder.ALL_OR_NOTHING
    ask = CancelOrder(order=order.id, actor=retailer) if whole else AskCancellation(line=lines[0], actor=retailer)
    outcome = await world.submit(ask, retailer=world.retailer)
    assert isinstance(outcome, Done)
    scope, wanted = Scope(party=PLATFORM, kind=PartyKind.PLATFORM), CancellationFilter(line=lines[0])
    [asked] = await world.application.database.read(
        partial(cancellation_reads.list_cancellations, scope=scope, wanted=wanted)
    )
    return Play(world, lines, Page(world, lines[0], asked.id, world.supplier))


Act = Callable[[Play], Awaitable[None]]


async def nothing(on: Play) -> None:
    """It waits."""


async def accepts(on: Play) -> None:
    await on.does(on.accept())


async def accepts_a_part(on: Play) -> None:
    await on.does(replace(on.accept(), units=1))


async def declines(on: Play) -> None:
    await on.does(on.decline())


async def another_line_is_declined(on: Play) -> None:
    await on.does(on.accept())
    await on.does(on.decline(1))


async def all_accept(on: Play) -> None:
    await on.does(on.accept())
    await on.does(on.accept(1))


async def the_retailer_withdraws(on: Play) -> None:
    await on.does(WithdrawCancellation(line=on.lines[0], actor=on.world.actor(on.world.retailer)))


async def an_operator_withdraws(on: Play) -> None:
    await on.does(WithdrawCancellation(line=on.lines[0], actor=OPERATOR))


async def an_operator_takes_over(on: Play) -> None:
    await on.does(EscalateCancellation(line=on.lines[0], actor=OPERATOR, cancellation=on.page.cancellation))


async def silence(on: Play) -> None:
    on.world.clock.advance(hours=100)
    await on.does(PassDeadline(line=on.lines[0], cancellation=on.page.cancellation))


async def declines_without_a_parcel(on: Play) -> None:
    await on.does(on.decline(reason=DeclineReason.ALREADY_SHIPPED))


SHOWN: Final[dict[str, tuple[Policy, Act, str, str]]] = {
    "waits": (Policy(), nothing, "Can 2 units still be cancelled?", "You answer for supplier."),
    "accepted": (
        Policy(),
        accepts,
        "This cancellation was accepted",
        f"supplier (you) accepted the cancellation of 2 units {NINE}.",
    ),
    "accepted in part": (Policy(), accepts_a_part, "This cancellation was accepted", "1 unit stays on order."),
    "declined": (
        Policy(),
        declines,
        "This cancellation was declined",
        f"supplier (you) declined the cancellation of 2 units {NINE}: in packing.",
    ),
    "agreed, and another line waits": (
        TOGETHER,
        accepts,
        "This cancellation waits for other lines",
        "supplier (you) accepted the cancellation of 2 units. It was asked together with other lines of the order,"
        " all or nothing",
    ),
    "agreed, and another line was declined": (
        TOGETHER,
        another_line_is_declined,
        "This cancellation has ended",
        f"Another line that was asked together with it was not cancelled, so this one ended {NINE}.",
    ),
    "all agreed": (
        TOGETHER,
        all_accept,
        "This cancellation was accepted",
        f"supplier (you) accepted the cancellation of 2 units {NINE}.",
    ),
    "withdrawn by the retailer": (
        Policy(),
        the_retailer_withdraws,
        "This cancellation was withdrawn",
        f"retailer withdrew it {NINE}.",
    ),
    "withdrawn by an operator": (
        Policy(),
        an_operator_withdraws,
        "This cancellation was withdrawn",
        f"Platform withdrew it {NINE}.",
    ),
    "an operator took over": (
        Policy(),
        an_operator_takes_over,
        "An operator decides",
        "No party has to answer any more: an operator of the platform decides.",
    ),
    "silence escalated": (
        Policy(version=1, silence=Silence.ESCALATE),
        silence,
        "An operator decides",
        "No party has to answer any more: an operator of the platform decides.",
    ),
    "silence lapsed": (
        Policy(),
        silence,
        "This cancellation lapsed",
        "Nobody answered in time, so it ended on Wednesday 4 November 2026, 10:00 in Amsterdam (09:00 UTC).",
    ),
    "silence accepted": (
        Policy(version=1, silence=Silence.ACCEPT),
        silence,
        "This cancellation was accepted",
        "The policy accepted the cancellation of 2 units on Wednesday 4 November 2026, 10:00 in Amsterdam (09:00 UTC).",
    ),
    "accepted at once": (
        Policy(version=1, free_window_s=3600),
        nothing,
        "This cancellation was accepted",
        f"The policy accepted the cancellation of 2 units {NINE}.",
    ),
    "declined without a parcel": (
        Policy(version=1, proof_within_s=3600),
        declines_without_a_parcel,
        "Can 2 units still be cancelled?",
        "It was declined as already shipped. Name the parcel by Monday 2 November 2026, 11:00 in Amsterdam (10:00 UTC),"
        " or the cancellation counts as accepted.",
    ),
}


@pytest.mark.parametrize(("policy", "act", "title", "sentence"), SHOWN.values(), ids=SHOWN.keys())
async def test_the_page_says_what_happened(
    sqlite_world: World, policy: Policy, act: Act, title: str, sentence: str
) -> None:
    on = await play(sqlite_world, policy)
    await act(on)
    if act is declines_without_a_parcel:
        on.page = Page(sqlite_world, on.page.line, on.page.cancellation, sqlite_world.supplier, step=2)
    shown = words(await on.page.look())
    assert title in shown
    assert sentence in shown
    waits = title.startswith("Can ")
    assert ("Answer due" in shown) == waits
    late = words(await on.page.post({"answer": "accept", "once": "x", "units": 1})) if not waits else ""
    assert not late or title in late


async def test_a_decline_that_wants_its_proof_is_told_as_such(sqlite_world: World) -> None:
    on = await play(sqlite_world, Policy(version=1, proof_within_s=3600))
    reply = await on.page.send("decline", reason="already_shipped")
    assert "Thank you. Your answer is stored." in words(reply)
    due = "Monday 2 November 2026, 11:00 in Amsterdam (10:00 UTC)"
    assert f"Name the parcel by {due}, or the cancellation counts as accepted." in words(reply)
    assert "Give the answer that is due now" in words(reply)


async def mail(on: Play, kind: str, reader: UUID) -> MailText:
    event = [each for each in await on.world.events(on.lines[0]) if each.kind == kind][-1]
    rows = await on.world.application.database.read(
        partial(event_reads.events_for_sending, keys=[(event.retailer_id, event.line_id, event.seq)])
    )
    page = partial(on.world.application.links.page_of, party=reader)
    return mail_of(rows[0], reader=on.world.scope(reader), page=page, now=on.world.clock())


async def test_what_is_accepted_at_once_asks_nobody(sqlite_world: World) -> None:
    on = await play(sqlite_world, Policy(version=1, free_window_s=3600))
    reported = await mail(on, "cancellation.asked", sqlite_world.supplier)
    assert "/answer/" not in reported.text
    assert "answer is due" not in reported.text
    sentences = [timeline.sentence(event) for event in await sqlite_world.events(on.lines[0])]
    assert sentences[1:] == [
        "retailer asked to cancel 2 units.",
        "Version 1 of the policy accepted the cancellation of 2 units,"
        " as it was asked within the free time after ordering.",
    ]


async def test_a_mail_names_who_asked_and_when_not_who_passed_it_on(sqlite_world: World) -> None:
    world = sqlite_world
    on = await play(world, Policy(version=1, silence=Silence.ACCEPT))
    line = on.lines[1]
    ask = AskCancellation(line=line, actor=OPERATOR, asker=Asker.CUSTOMER, units=1)
    outcome = await world.submit(ask)
    assert isinstance(outcome, Done)
    world.clock.advance(hours=50)
    await world.submit(PassDeadline(line=line, cancellation=outcome.cancellations[0]))
    on.lines[0] = line
    reported = await mail(on, "cancellation.passed_on", world.other_supplier)
    assert "Asked by:    the customer, through the platform" in reported.text
    assert "Asked on:    Monday 2 November 2026, 09:00 UTC" in reported.text


async def test_a_mail_about_a_missing_proof_asks_for_the_parcel(sqlite_world: World) -> None:
    on = await play(sqlite_world, Policy(version=1, proof_within_s=3600))
    await declines_without_a_parcel(on)
    reported = await mail(on, "cancellation.proof_asked", sqlite_world.supplier)
    assert reported.subject.startswith("Which parcel did 2 units ship in? (can_")
    assert "Asked by:    retailer" in reported.text
    assert "/answer/" in reported.text


async def test_a_mail_about_a_note_asks_nothing_anew(sqlite_world: World) -> None:
    on = await play(sqlite_world, Policy())
    actor = sqlite_world.actor(sqlite_world.retailer)
    await on.does(NoteCancellation(line=on.lines[0], actor=actor, cancellation=on.page.cancellation, note="Soon."))
    reported = await mail(on, "cancellation.noted", sqlite_world.supplier)
    assert "still be cancelled" not in reported.subject
    assert "The supplier's answer is due by 2026-11-04 09:00 UTC" in reported.text


async def test_the_timeline_says_that_a_line_ended_with_another(sqlite_world: World) -> None:
    on = await play(sqlite_world, TOGETHER)
    await another_line_is_declined(on)
    last = (await sqlite_world.events(on.lines[0]))[-1]
    assert timeline.sentence(last) == (
        "Version 1 of the policy ended the cancellation of 2 units, as it was asked together with other lines, all or"
        " nothing: Another line that was asked together with this one was not cancelled."
    )
