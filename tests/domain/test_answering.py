"""Answering: in whole or in part, once, by the party whose answer is due."""

from datetime import timedelta
from uuid import UUID

import pytest

from countermand.domain.commands import LineCommand
from countermand.domain.events import EventKind
from countermand.domain.line import Line, State
from countermand.domain.parties import Actor
from countermand.domain.policy import Policy, Silence
from countermand.domain.reasons import DeclineReason
from countermand.domain.refusals import RefusalKind
from tests.domain.story import (
    NOBODYS,
    PLATFORM,
    RETAILER,
    SUPPLIER,
    SUPPLIER_DIRECTLY,
    Story,
    accept,
    ask,
    buckets,
    customer_asks,
    decline,
    held_by_retailer,
    not_yet_sent,
    pass_deadline,
    reported,
    retailer_cancel,
    withdraw,
)

ACCEPTED, PASSED_ON = EventKind.CANCELLATION_ACCEPTED, EventKind.CANCELLATION_PASSED_ON


def test_a_partial_acceptance_leaves_the_rest_on_order() -> None:
    story = Story()
    asked = story.asked(ask(5))
    decision = story.heeds(accept(3, cancellation=asked))  # EC-15
    assert buckets(story.line) == (2, 0, 3, 0)
    assert (story.cancellation(asked).units, story.cancellation(asked).accepted_units) == (5, 3)
    assert reported(decision) == [(ACCEPTED, 3)]


def test_the_asker_is_told_both_numbers_and_why_not_the_rest() -> None:
    """EC-15."""
    story = Story()
    asked = story.asked(ask(5))
    [event] = story.heeds(accept(3, cancellation=asked, rest_reason=DeclineReason.IN_PACKING)).events
    assert (event.units, event.rest, event.rest_reason) == (3, 2, DeclineReason.IN_PACKING)
    assert story.cancellation(asked).decline_reason is DeclineReason.IN_PACKING


def test_who_accepts_all_declines_no_rest() -> None:
    story = Story()
    asked = story.asked(ask(5))
    [event] = story.heeds(accept(5, cancellation=asked, rest_reason=DeclineReason.IN_PACKING)).events
    assert (event.rest, event.rest_reason, story.cancellation(asked).decline_reason) == (0, "", None)


def test_the_words_that_come_with_a_yes_are_kept_and_told() -> None:
    story = Story()
    asked = story.asked(ask(5))
    [event] = story.heeds(accept(3, rest_reason=DeclineReason.MADE_TO_ORDER, note="two are engraved")).events
    assert (event.note, event.rest, event.rest_reason) == ("two are engraved", 2, DeclineReason.MADE_TO_ORDER)
    found = story.cancellation(asked)
    assert (found.answer_note, found.decline_reason) == ("two are engraved", DeclineReason.MADE_TO_ORDER)


@pytest.mark.parametrize("command", [accept(actor=RETAILER), retailer_cancel(), ask()])
def test_what_a_retailer_passes_on_is_due_by_the_policy_it_was_asked_under(command: LineCommand) -> None:
    """EC-33."""
    story = Story(policy=Policy(version=1, answer_within_s=3600))
    asked = story.asked(customer_asks(5))
    story.policy = Policy(version=2, answer_within_s=60, customer_asks_retailer_first=False)
    story.heeds(command)
    assert story.cancellation(asked).due_at == story.now + timedelta(hours=1)
    story.repeats(command)


def test_what_an_operator_may_a_retailer_may_only_with_its_own_asks() -> None:
    story = Story()
    own = story.asked(ask(1))
    brought = story.asked(customer_asks(1, actor=RETAILER))
    through_platform = story.asked(customer_asks(1, key="b"))
    story.heeds(withdraw(None))
    assert [c.id for c in story.line.asks] == [through_platform]
    assert {story.cancellation(each).state for each in (own, brought)} == {State.WITHDRAWN}
    assert story.refuses(withdraw(None, cancellation=through_platform)).kind is RefusalKind.UNKNOWN_CANCELLATION
    story.heeds(withdraw(None, actor=PLATFORM))
    assert story.line.asks == ()


def test_the_words_of_a_retailer_that_passes_an_ask_on_are_told_and_are_no_answer() -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    [event] = story.heeds(accept(actor=RETAILER, note="a good customer")).events
    assert event.note == "a good customer"
    assert story.cancellation(asked).answer_note == ""


@pytest.mark.parametrize("units", [0, -3])
def test_fewer_than_one_unit_cannot_be_accepted(units: int) -> None:
    story = Story()
    story.heeds(ask(2))
    assert story.refuses(accept(units)).kind is RefusalKind.UNITS_INVALID


def test_more_than_was_asked_cannot_be_accepted() -> None:
    story = Story()
    story.heeds(ask(2))
    refusal = story.refuses(accept(3))
    assert refusal.kind is RefusalKind.TOO_MANY_UNITS
    assert refusal.detail == "3 units named, but there are only 2 units asked."


def test_a_decline_needs_a_reason() -> None:
    story = Story()
    story.heeds(ask(2))
    assert story.refuses(decline(None)).kind is RefusalKind.REASON_REQUIRED  # EC-16
    assert buckets(story.line) == (3, 2, 0, 0)


@pytest.mark.parametrize(
    ("winner", "loser", "state", "why"),
    [
        (accept, decline, "accepted", ""),
        (decline, accept, "declined", ": in_packing"),
    ],
)
def test_the_second_of_two_answers_hears_who_was_first_and_when(
    winner: type, loser: type, state: str, why: str
) -> None:
    story = Story()
    asked = story.asked(ask(2))
    story.heeds(winner(cancellation=asked))
    after = buckets(story.line)
    refusal = story.after(seconds=1).refuses(loser(cancellation=asked))  # EC-22
    assert (refusal.kind, refusal.cancellation) == (RefusalKind.ALREADY_ANSWERED, asked)
    assert refusal.detail == (f"This cancellation was {state} by the supplier at 2026-03-02T10:00:00Z{why}.")
    assert buckets(story.line) == after


def test_a_late_answer_hears_that_the_policy_was_first() -> None:
    story = Story()
    asked = story.asked(ask(2))
    story.after(hours=48).heeds(pass_deadline(asked))
    refusal = story.after(seconds=1).refuses(accept(cancellation=asked))  # EC-23
    assert refusal.kind is RefusalKind.ALREADY_ANSWERED
    assert refusal.detail == (
        "This cancellation lapsed by policy at 2026-03-04T10:00:00Z, as nobody had answered in time."
    )


@pytest.mark.parametrize("answer", [accept, decline])
@pytest.mark.parametrize("actor", [RETAILER, SUPPLIER, PLATFORM])
def test_an_answer_needs_a_question(answer: type, actor: Actor) -> None:
    assert Story().refuses(answer(actor=actor)).kind is RefusalKind.NOTHING_ASKED
    assert Story().refuses(answer(actor=actor, cancellation=NOBODYS)).kind is RefusalKind.UNKNOWN_CANCELLATION


def test_one_answer_without_a_name_answers_all_that_await_the_party() -> None:
    story = Story()
    story.heeds(ask(1, key="a"))
    story.heeds(ask(2, key="b"))
    theirs = story.asked(customer_asks(1))
    assert reported(story.heeds(accept())) == [(ACCEPTED, 1), (ACCEPTED, 2)]
    assert [c.id for c in story.line.asks] == [theirs]


@pytest.mark.parametrize(("first", "second"), [(2, 2), (3, 1), (1, 3)])
def test_a_number_without_a_name_is_about_the_oldest_ask_alone(first: int, second: int) -> None:
    story = Story()
    story.heeds(ask(first, key="a"))
    younger = story.asked(ask(second, key="b"))
    story.heeds(accept(1))
    assert buckets(story.line) == (5 - second - 1, second, 1, 0)
    assert [c.id for c in story.line.asks] == [younger]


@pytest.mark.parametrize("answer", [accept, decline])
def test_an_operator_answers_for_whoever_is_due(answer: type) -> None:
    story = Story()
    asked = story.asked(ask(2))
    story.heeds(answer(actor=PLATFORM, cancellation=asked, step=1))
    assert story.cancellation(asked).answered_by == PLATFORM.party


# The chain: customer, retailer, supplier


def test_a_retailer_accepts_a_customers_ask_by_passing_it_on() -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    decision = story.after(hours=3).heeds(accept(actor=RETAILER, cancellation=asked))
    passed_on = story.cancellation(asked)
    assert reported(decision) == [(PASSED_ON, 2)]
    assert (passed_on.state, passed_on.awaiting) == (State.ASKED, SUPPLIER.party)
    assert passed_on.due_at == Policy().answer_due(story.now)
    story.heeds(accept(cancellation=asked))
    assert (buckets(story.line), story.cancellation(asked).unasked) == ((3, 0, 2, 0), False)


def test_the_supplier_has_no_say_before_the_retailer() -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    for answer in (accept(cancellation=asked), decline(cancellation=asked), accept(), decline()):
        assert story.refuses(answer).kind is RefusalKind.NOTHING_ASKED


@pytest.mark.parametrize("answer", [accept, decline])
@pytest.mark.parametrize("command", [ask(2), customer_asks(2)])
def test_a_retailer_cannot_answer_for_the_supplier(answer: type, command: LineCommand) -> None:
    story = Story(policy=SUPPLIER_DIRECTLY)
    asked = story.asked(command)  # type: ignore[arg-type]
    for cancellation in (asked, None):
        refusal = story.refuses(answer(actor=RETAILER, cancellation=cancellation))
        assert refusal.kind is RefusalKind.NOTHING_ASKED


def test_a_retailer_that_passed_an_ask_on_cannot_decline_it_any_more() -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    story.heeds(accept(actor=RETAILER))
    refusal = story.refuses(decline(actor=RETAILER, cancellation=asked))
    assert refusal.kind is RefusalKind.ALREADY_ANSWERED
    assert "was passed on to the supplier by the retailer at 2026-03-02T10:00:00Z" in refusal.detail


def test_a_retailer_may_decline_what_a_customer_asks_and_the_supplier_never_hears_of_it() -> None:
    story = Story()
    story.heeds(customer_asks(2))
    story.heeds(decline(actor=RETAILER))
    assert buckets(story.line) == (5, 0, 0, 0)


@pytest.mark.parametrize("line", [held_by_retailer(), not_yet_sent()])
def test_a_retailer_that_decides_alone_accepts_a_customers_ask_for_good(line: Line) -> None:
    story = Story(line)
    asked = story.asked(customer_asks(3))
    assert reported(story.heeds(accept(2, actor=RETAILER, cancellation=asked))) == [(ACCEPTED, 2)]
    assert (buckets(story.line), story.cancellation(asked).unasked) == ((3, 0, 2, 0), False)


# Repeats


@pytest.mark.parametrize("answer", [accept, decline])
def test_the_same_answer_by_the_same_party_is_the_same_answer(answer: type) -> None:
    story = Story()
    asked = story.asked(ask(2))
    story.heeds(answer(cancellation=asked))
    story.repeats(answer(cancellation=asked))


def test_a_partial_acceptance_is_repeated_with_the_same_number() -> None:
    story = Story()
    asked = story.asked(ask(3))
    story.heeds(accept(2, cancellation=asked))
    story.repeats(accept(2, cancellation=asked))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (lambda c: accept(3, cancellation=c), lambda c: accept(2, cancellation=c)),
        (lambda c: accept(3, cancellation=c), lambda c: accept(cancellation=c)),
        (lambda c: accept(cancellation=c), lambda c: accept(2, cancellation=c)),
        (lambda c: accept(cancellation=c), lambda c: decline(actor=PLATFORM, cancellation=c, step=2)),
        (lambda c: decline(cancellation=c), lambda c: decline(DeclineReason.OTHER, cancellation=c)),
        (lambda c: decline(cancellation=c), lambda c: accept(actor=PLATFORM, cancellation=c, step=2)),
    ],
)
def test_another_answer_is_no_repeat(first: type, second: type) -> None:
    story = Story()
    asked = story.asked(ask(5))
    story.heeds(first(asked))
    assert story.refuses(second(asked)).kind is RefusalKind.ALREADY_ANSWERED


def test_all_of_it_may_be_said_with_or_without_the_number() -> None:
    story = Story()
    asked = story.asked(ask(3))
    story.heeds(accept(3, cancellation=asked))
    story.repeats(accept(cancellation=asked))


@pytest.mark.parametrize("named", [True, False])
def test_a_retailers_yes_can_be_repeated_after_the_ask_was_passed_on(named: bool) -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    command = accept(actor=RETAILER, cancellation=asked if named else None)
    story.heeds(command)
    story.repeats(command)
    assert story.cancellation(asked).awaiting == SUPPLIER.party


def test_a_retailers_yes_is_no_repeat_for_another_cancellation() -> None:
    story = Story()
    story.heeds(customer_asks(2))
    story.heeds(accept(actor=RETAILER))
    own = story.asked(ask(1))
    assert story.refuses(accept(actor=RETAILER, cancellation=own)).kind is RefusalKind.NOTHING_ASKED


@pytest.mark.parametrize("answer", [accept, decline])
def test_a_retailers_yes_again_is_its_yes_also_after_the_suppliers_answer(answer: type) -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    story.heeds(accept(actor=RETAILER))
    story.heeds(answer(cancellation=asked))
    story.repeats(accept(actor=RETAILER, cancellation=asked))
    story.repeats(accept(actor=RETAILER, cancellation=asked, step=1))
    assert story.refuses(decline(actor=RETAILER, cancellation=asked)).kind is RefusalKind.ALREADY_ANSWERED


@pytest.mark.parametrize("cancellation", [None, NOBODYS])
def test_an_unnamed_answer_is_never_taken_for_a_repeat(cancellation: UUID | None) -> None:
    story = Story(policy=Policy(silence=Silence.ACCEPT))
    asked = story.asked(ask(2))
    story.heeds(accept(cancellation=asked))
    assert not isinstance(story.refuses(accept(cancellation=cancellation)), type(None))
