"""One yes is one step, and a part that is accepted is that part."""

from dataclasses import replace

import pytest

from countermand.domain.commands import AcceptCancellation, DeclineCancellation, LineCommand
from countermand.domain.events import EventKind
from countermand.domain.line import State
from countermand.domain.parties import Actor
from countermand.domain.policy import Policy, Silence
from countermand.domain.reasons import DeclineReason
from countermand.domain.refusals import RefusalKind
from tests.domain.story import (
    PLATFORM,
    RETAILER,
    SUPPLIER,
    Story,
    accept,
    ask,
    buckets,
    cancel_own,
    customer_asks,
    decline,
    escalate,
    note,
    pass_deadline,
    retailer_cancel,
    ship,
    withdraw,
)

K = EventKind


# A part


@pytest.mark.parametrize("actor", [RETAILER, PLATFORM])
def test_only_what_the_retailer_accepts_is_passed_on(actor: Actor) -> None:
    story = Story(held := Story().line)
    asked = story.asked(customer_asks(5))
    decision = story.heeds(accept(2, actor=actor, cancellation=asked, step=1, rest_reason=DeclineReason.ALREADY_PICKED))
    [event] = decision.events
    assert (event.kind, event.units, event.rest, event.rest_reason) == (
        K.CANCELLATION_PASSED_ON,
        2,
        3,
        "already_picked",
    )
    assert (event.step, event.waiting, event.open, event.asked) == (2, 2, 3, 2)
    found = story.cancellation(asked)
    assert (found.units, found.waiting_units, found.step, found.awaiting) == (5, 2, 2, SUPPLIER.party)
    assert buckets(story.line) == (3, 2, 0, 0)
    assert held.ordered == 5


ENDINGS = {
    "accepted": (accept(), (3, 0, 2, 0), State.ACCEPTED, 2, "already_picked"),
    "accepted by number": (accept(2), (3, 0, 2, 0), State.ACCEPTED, 2, "already_picked"),
    "accepted in part": (accept(1), (4, 0, 1, 0), State.ACCEPTED, 1, "already_picked"),
    "accepted in part, and why": (
        accept(1, rest_reason=DeclineReason.OTHER),
        (4, 0, 1, 0),
        State.ACCEPTED,
        1,
        "other",
    ),
    "declined": (decline(), (5, 0, 0, 0), State.DECLINED, 0, "in_packing"),
    "withdrawn": (withdraw(None, actor=PLATFORM), (5, 0, 0, 0), State.WITHDRAWN, 0, None),
    "cancelled by the supplier": (cancel_own(), (0, 0, 5, 0), State.ACCEPTED, 2, "already_picked"),
    "shipped all the same": (ship(5, override=True), (0, 0, 0, 5), State.DECLINED, 0, "already_shipped"),
}


@pytest.mark.parametrize(("command", "left", "state", "accepted", "why"), ENDINGS.values(), ids=ENDINGS.keys())
def test_a_part_that_was_passed_on_ends_as_that_part(
    command: LineCommand, left: tuple[int, ...], state: State, accepted: int, why: str | None
) -> None:
    story = Story()
    asked = story.asked(customer_asks(5))
    story.heeds(accept(2, actor=RETAILER, rest_reason=DeclineReason.ALREADY_PICKED))
    story.heeds(command)
    found = story.cancellation(asked)
    assert buckets(story.line) == left
    assert (found.state, found.accepted_units, found.waiting_units) == (state, accepted, 0)
    assert found.decline_reason == why


@pytest.mark.parametrize(
    ("silence", "left"),
    [(Silence.ACCEPT, (3, 0, 2, 0)), (Silence.LAPSE, (5, 0, 0, 0)), (Silence.ESCALATE, (3, 2, 0, 0))],
)
def test_silence_after_a_part_is_about_that_part(silence: Silence, left: tuple[int, ...]) -> None:
    story = Story(policy=Policy(silence=silence))
    asked = story.asked(customer_asks(5))
    story.heeds(accept(2, actor=RETAILER))
    story.after(hours=48).heeds(pass_deadline(asked))
    assert buckets(story.line) == left


def test_more_than_was_passed_on_cannot_be_accepted() -> None:
    story = Story()
    story.heeds(customer_asks(5))
    story.heeds(accept(2, actor=RETAILER))
    refusal = story.refuses(accept(3))
    assert refusal.kind is RefusalKind.TOO_MANY_UNITS
    assert "only 2 units asked" in refusal.detail


def test_what_the_retailer_did_not_accept_can_be_shipped_and_asked_for_again() -> None:
    story = Story()
    story.heeds(customer_asks(5))
    story.heeds(accept(2, actor=RETAILER))
    story.heeds(ship(2))
    story.heeds(customer_asks(1, key="again"))
    assert buckets(story.line) == (0, 3, 0, 2)


def test_a_retailers_part_is_repeated_with_the_same_number_only() -> None:
    story = Story()
    asked = story.asked(customer_asks(5))
    story.heeds(accept(2, actor=RETAILER, cancellation=asked))
    story.repeats(accept(2, actor=RETAILER, cancellation=asked))
    story.repeats(accept(2, actor=RETAILER))
    for units in (None, 3, 5):
        refusal = story.refuses(accept(units, actor=RETAILER, cancellation=asked))
        assert refusal.kind is RefusalKind.ALREADY_ANSWERED


def test_a_retailers_confirmation_passes_on_all_that_waits() -> None:
    story = Story()
    story.heeds(customer_asks(3))
    story.heeds(retailer_cancel())
    assert buckets(story.line) == (2, 3, 0, 0)


# Steps


def test_the_platform_names_the_step_that_it_answers() -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    for command in (accept(actor=PLATFORM, cancellation=asked), decline(actor=PLATFORM, cancellation=asked)):
        refusal = story.refuses(command)
        assert refusal.kind is RefusalKind.STEP_NEEDED
        assert "It is at step 1, which waits for the answer of the retailer." in refusal.detail
        assert refusal.current
        assert (refusal.current.step, refusal.current.awaiting) == (1, RETAILER.party)
    assert story.cancellation(asked).step == 1


def test_two_operators_that_say_yes_to_one_step_have_one_effect() -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    yes = accept(actor=PLATFORM, cancellation=asked, step=1)
    story.heeds(yes)
    story.repeats(yes)
    story.repeats(replace(yes, note="the other desk"))
    found = story.cancellation(asked)
    assert (found.state, found.awaiting, found.step) == (State.ASKED, SUPPLIER.party, 2)
    refusal = story.refuses(decline(actor=PLATFORM, cancellation=asked, step=1))
    assert refusal.kind is RefusalKind.STATE_CHANGED
    assert refusal.detail.startswith("At step 1 this cancellation was passed on to the supplier by the platform at")
    assert refusal.current
    assert (refusal.current.state, refusal.current.step, refusal.current.awaiting) == (State.ASKED, 2, SUPPLIER.party)
    assert (refusal.current.answered_by, refusal.current.answered_at) == (PLATFORM.party, story.now)
    story.heeds(accept(actor=PLATFORM, cancellation=asked, step=2))
    story.repeats(yes)
    story.repeats(accept(actor=PLATFORM, cancellation=asked, step=2))
    assert story.refuses(decline(actor=PLATFORM, cancellation=asked, step=2)).kind is RefusalKind.STATE_CHANGED


def test_whoever_had_to_answer_a_step_may_repeat_what_was_answered_for_it() -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    story.heeds(accept(actor=PLATFORM, cancellation=asked, step=1))
    story.repeats(accept(actor=RETAILER, cancellation=asked, step=1))
    refusal = story.refuses(accept(actor=SUPPLIER, cancellation=asked, step=1))
    assert refusal.kind is RefusalKind.STATE_CHANGED, "the first yes was not the supplier's to give"
    story.heeds(accept(actor=SUPPLIER, cancellation=asked, step=2))


@pytest.mark.parametrize("command", [accept(2), decline(), accept(1)])
def test_a_step_that_is_not_there_yet_is_not_answered(command: AcceptCancellation | DeclineCancellation) -> None:
    story = Story()
    asked = story.asked(ask(2))
    ahead = replace(command, cancellation=asked, step=2)
    refusal = story.refuses(ahead)
    assert (refusal.kind, refusal.detail) == (
        RefusalKind.STATE_CHANGED,
        "It is at step 1, which waits for the answer of the supplier.",
    )


def test_whoever_withdraws_may_name_the_state_it_saw() -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    story.heeds(accept(actor=RETAILER))
    mine = withdraw(None, actor=PLATFORM, cancellation=asked, step=1)
    assert story.refuses(mine).kind is RefusalKind.STATE_CHANGED
    story.heeds(replace(mine, step=2))
    story.repeats(replace(mine, step=2))
    assert story.cancellation(asked).step == 3


def test_a_late_answer_is_kept_whatever_its_refusal() -> None:
    story = Story()
    asked = story.asked(ask(2))
    story.after(hours=48).heeds(pass_deadline(asked))
    refusal = story.refuses(accept(cancellation=asked, step=1))
    assert refusal.kind is RefusalKind.STATE_CHANGED
    assert [event.kind for noted in refusal.remarks for event in noted.events] == [K.CANCELLATION_LATE_ANSWER]


PROOF = Policy(proof_within_s=3600, customer_asks_retailer_first=False)
SHIPPED = DeclineReason.ALREADY_SHIPPED


def test_a_decline_that_wants_its_proof_is_a_step_and_the_proof_is_not_taken_for_its_repeat() -> None:
    story = Story(policy=PROOF)
    asked = story.asked(ask(2))
    story.heeds(decline(SHIPPED, cancellation=asked, step=1))
    assert story.cancellation(asked).step == 2
    story.repeats(decline(SHIPPED, cancellation=asked, step=1))
    proof = decline(SHIPPED, cancellation=asked, step=1, tracking="3S1")
    assert story.refuses(proof).kind is RefusalKind.STATE_CHANGED
    story.heeds(replace(proof, step=2))
    assert story.cancellation(asked).step == 3


def test_every_decision_is_one_step_and_a_note_is_none() -> None:
    story = Story(policy=Policy(silence=Silence.ESCALATE))
    asked = story.asked(customer_asks(2))
    seen = [event.step for event in story.heeds(note("hm", asked, actor=RETAILER)).events]
    seen += [event.step for event in story.heeds(accept(actor=RETAILER)).events]
    seen += [event.step for event in story.heeds(escalate(asked)).events]
    seen += [event.step for event in story.heeds(accept(actor=PLATFORM, cancellation=asked, step=3)).events]
    assert seen == [1, 2, 3, 4]


def test_what_nobody_asked_for_has_no_step_behind_it() -> None:
    story = Story()
    [made] = story.heeds(cancel_own(2)).cancellations
    assert (made.step, made.decided) == (1, ())
