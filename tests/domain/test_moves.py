"""The table of moves: what each command does to the units, and who may give it."""

from dataclasses import replace

import pytest

from countermand.domain.cancellation import MOVES
from countermand.domain.commands import AskCancellation, LineCommand
from countermand.domain.events import EventKind
from countermand.domain.line import Decision, Line, State
from countermand.domain.parties import Actor, Asker
from countermand.domain.refusals import RefusalKind
from tests.domain.story import (
    NOW,
    OTHER_RETAILER,
    OTHER_SUPPLIER,
    PLATFORM,
    RETAILER,
    RETAILER_FIRST,
    SUPPLIER,
    Story,
    accept,
    allocate,
    ask,
    buckets,
    cancel_own,
    change_transport,
    customer_asks,
    decline,
    held_by_retailer,
    held_by_supplier,
    not_yet_sent,
    reported,
    retailer_cancel,
    ship,
    withdraw,
)

Table = dict[str, RefusalKind | None]

HOLDER_IS_SUPPLIER: Table = {"retailer": RefusalKind.UNKNOWN_LINE, "supplier": None}
SELLER: Table = {"retailer": None, "supplier": RefusalKind.UNKNOWN_LINE}
NEITHER: Table = {"retailer": RefusalKind.UNKNOWN_LINE, "supplier": RefusalKind.UNKNOWN_LINE}
SUPPLIERS_TURN: Table = {"retailer": RefusalKind.NOTHING_ASKED, "supplier": None}
RETAILERS_TURN: Table = {"retailer": None, "supplier": RefusalKind.NOTHING_ASKED}
WHO_BROUGHT_IT: Table = {"retailer": RefusalKind.NOTHING_ASKED, "supplier": RefusalKind.UNKNOWN_LINE}
"""The platform brought the customer's ask, and it alone speaks for the customer."""

ACTORS: dict[str, Actor] = {
    "retailer": RETAILER,
    "supplier": SUPPLIER,
    "platform": PLATFORM,
    "other retailer": OTHER_RETAILER,
    "other supplier": OTHER_SUPPLIER,
}
STRANGERS: Table = {
    "platform": None,
    "other retailer": RefusalKind.UNKNOWN_LINE,
    "other supplier": RefusalKind.UNKNOWN_LINE,
}


def by(actor: Actor) -> dict[str, LineCommand]:
    return {
        "ask": ask(1, actor=actor),
        "customer asks": customer_asks(1, actor=actor),
        "accept": accept(actor=actor),
        "decline": decline(actor=actor),
        "withdraw": withdraw(actor=actor),
        "customer withdraws": withdraw(Asker.CUSTOMER, actor=actor),
        "cancel own": cancel_own(actor=actor),
        "retailer cancels": retailer_cancel(actor=actor),
        "ship": ship(actor=actor),
        "allocate": allocate(5, actor=actor),
        "change transport": change_transport(actor=actor),
    }


def situation(line: Line, asked: AskCancellation) -> Story:
    story = Story(line)
    story.heeds(asked)
    return story


SITUATIONS: dict[str, tuple[Line, AskCancellation, dict[str, Table]]] = {
    "a supplier holds the goods, the retailer asked": (
        held_by_supplier(),
        ask(2),
        {
            "ask": SELLER,
            "customer asks": SELLER,
            "accept": SUPPLIERS_TURN,
            "decline": SUPPLIERS_TURN,
            "withdraw": SELLER,
            "cancel own": HOLDER_IS_SUPPLIER,
            "retailer cancels": SELLER,
            "ship": HOLDER_IS_SUPPLIER,
            "allocate": HOLDER_IS_SUPPLIER,
            "change transport": HOLDER_IS_SUPPLIER,
        },
    ),
    "a supplier holds the goods, the customer asked": (
        held_by_supplier(),
        customer_asks(2),
        {
            "accept": RETAILERS_TURN,
            "decline": RETAILERS_TURN,
            "customer withdraws": WHO_BROUGHT_IT,
            "retailer cancels": SELLER,
            "cancel own": HOLDER_IS_SUPPLIER,
        },
    ),
    "a supplier holds the goods, the customer asked through the retailer": (
        held_by_supplier(),
        customer_asks(2, actor=RETAILER),
        {"customer withdraws": SELLER},
    ),
    "the retailer holds the goods, the customer asked": (
        held_by_retailer(),
        customer_asks(2),
        {name: SELLER for name in by(RETAILER) if name != "withdraw"} | {"customer withdraws": WHO_BROUGHT_IT},
    ),
    "the supplier was not told yet, the customer asked": (
        not_yet_sent(),
        customer_asks(2),
        {
            "ask": SELLER,
            "accept": SELLER,
            "decline": SELLER,
            "customer withdraws": WHO_BROUGHT_IT,
            "cancel own": SELLER,
            "retailer cancels": SELLER,
            "ship": NEITHER,
            "allocate": NEITHER,
            "change transport": NEITHER,
        },
    ),
    "the retailer holds the goods and keeps the order back, the customer asked": (
        replace(held_by_retailer(), with_fulfiller=False),
        customer_asks(2),
        {name: SELLER for name in by(RETAILER) if name != "withdraw"} | {"customer withdraws": WHO_BROUGHT_IT},
    ),
}


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize(
    ("name", "command"), [(name, command) for name, (_, _, table) in SITUATIONS.items() for command in table]
)
def test_each_command_is_heeded_from_those_it_belongs_to_and_from_nobody_else(
    name: str, command: str, actor: str
) -> None:
    line, asked, table = SITUATIONS[name]
    outcome = situation(line, asked).decide(by(ACTORS[actor])[command])
    expected = (table[command] | STRANGERS)[actor]
    assert (None if isinstance(outcome, Decision) else outcome.kind) == expected


@pytest.mark.parametrize(
    ("before", "command", "state", "after", "event"),
    [
        ([], ask(2), State.ASKED, (3, 2, 0, 0), (EventKind.CANCELLATION_ASKED, 2)),
        ([], customer_asks(2), State.ASKED, (3, 2, 0, 0), (EventKind.CANCELLATION_ASKED, 2)),
        ([], ask(), State.ASKED, (0, 5, 0, 0), (EventKind.CANCELLATION_ASKED, 5)),
        ([ask(4)], accept(), State.ACCEPTED, (1, 0, 4, 0), (EventKind.CANCELLATION_ACCEPTED, 4)),
        ([ask(4)], accept(3), State.ACCEPTED, (2, 0, 3, 0), (EventKind.CANCELLATION_ACCEPTED, 3)),
        ([ask(4)], decline(), State.DECLINED, (5, 0, 0, 0), (EventKind.CANCELLATION_DECLINED, 4)),
        ([ask(4)], withdraw(), State.WITHDRAWN, (5, 0, 0, 0), (EventKind.CANCELLATION_WITHDRAWN, 4)),
        ([], cancel_own(2), State.ACCEPTED, (3, 0, 2, 0), (EventKind.CANCELLATION_ACCEPTED, 2)),
        ([], cancel_own(), State.ACCEPTED, (0, 0, 5, 0), (EventKind.CANCELLATION_ACCEPTED, 5)),
    ],
)
def test_each_move_of_a_cancellation_moves_its_units(
    before: list[LineCommand],
    command: LineCommand,
    state: State,
    after: tuple[int, int, int, int],
    event: tuple[EventKind, int],
) -> None:
    story = Story()
    for each in before:
        story.heeds(each)
    seq = story.line.seq
    decision = story.heeds(command)
    assert buckets(story.line) == after
    assert [c.state for c in decision.cancellations] == [state]
    assert reported(decision) == [event]
    assert story.line.seq == decision.events[0].seq == seq + 1


@pytest.mark.parametrize("final", [accept(), accept(1), decline(), withdraw()])
@pytest.mark.parametrize("late", [accept, decline, withdraw])
def test_a_final_cancellation_is_never_moved_again(final: LineCommand, late: type) -> None:
    story = Story()
    cancellation = story.asked(ask(2))
    story.heeds(final)
    settled = story.cancellation(cancellation)
    outcome = story.decide(late(cancellation=cancellation))
    assert isinstance(outcome, Decision) or outcome.kind is RefusalKind.ALREADY_ANSWERED
    assert not isinstance(outcome, Decision) or outcome == Decision(line=story.line)
    assert story.cancellation(cancellation) == settled


def test_a_cancellation_remembers_who_asked_what_when_and_under_which_policy() -> None:
    story = Story(policy=RETAILER_FIRST)
    found = story.cancellation(story.asked(ask(2, note="wrong colour", key="k1")))
    assert (found.asker, found.asked_by, found.asked_at) == (Asker.RETAILER, RETAILER.party, NOW)
    assert (found.units, found.key, found.note, found.policy_version) == (2, "k1", "wrong colour", 0)
    assert (found.awaiting, found.answered_at, found.answered_by) == (SUPPLIER.party, None, None)


def test_an_answer_remembers_who_gave_it_when_and_why_and_awaits_nobody() -> None:
    story = Story()
    cancellation = story.asked(ask(2))
    decision = story.after(hours=2).heeds(decline(cancellation=cancellation, note="on the truck"))
    found = story.cancellation(cancellation)
    assert (found.answered_by, found.answered_at, found.answer_note) == (SUPPLIER.party, story.now, "on the truck")
    assert (found.awaiting, found.by_policy, found.unasked) == (None, False, False)
    assert found.due_at is not None, "by when it was due stays readable"
    assert (decision.events[0].reason, decision.events[0].note) == ("in_packing", "on the truck")


def test_only_what_waits_can_become_anything_else() -> None:
    assert MOVES.keys() == set(State)
    assert {state for state, following in MOVES.items() if following} == {State.ASKED}
    assert MOVES[State.ASKED] == set(State) - {State.ASKED}
