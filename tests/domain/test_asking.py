"""Asking: how many units, by whom, of whom, and what happens when the same is asked again."""

from uuid import UUID

import pytest

from countermand.domain.commands import LineCommand
from countermand.domain.events import EventKind
from countermand.domain.line import Line, State
from countermand.domain.parties import Actor, Asker
from countermand.domain.policy import Cutoff, Policy
from countermand.domain.reasons import CancelReason
from countermand.domain.refusals import RefusalKind
from tests.domain.story import (
    HOUR_S,
    NOBODYS,
    OTHER_RETAILER,
    PLACED,
    PLATFORM,
    RETAILER,
    SUPPLIER,
    SUPPLIER_DIRECTLY,
    Story,
    accept,
    allocate,
    ask,
    buckets,
    cancel_own,
    customer_asks,
    decline,
    held_by_retailer,
    held_by_supplier,
    in_buckets,
    not_yet_sent,
    rejected_line,
    reported,
    ship,
    withdraw,
)

ASKED, PASSED_ON, ACCEPTED = (
    EventKind.CANCELLATION_ASKED,
    EventKind.CANCELLATION_PASSED_ON,
    EventKind.CANCELLATION_ACCEPTED,
)


@pytest.mark.parametrize("units", [0, -1, -(10**9)])
def test_fewer_than_one_unit_cannot_be_asked_for(units: int) -> None:
    assert Story().refuses(ask(units)).kind is RefusalKind.UNITS_INVALID  # EC-03


@pytest.mark.parametrize("units", [6, 10**18])
def test_more_units_than_are_open_cannot_be_asked_for(units: int) -> None:
    refusal = Story().refuses(ask(units))  # EC-03
    assert refusal.kind is RefusalKind.TOO_MANY_UNITS
    assert refusal.detail == f"{units} units named, but there are only 5 units open."


def test_second_cancel_of_a_shipped_unit_is_refused() -> None:
    story = Story(held_by_supplier(1))
    story.heeds(ship())
    for _ in range(2):
        refusal = story.refuses(ask())  # EC-01
        assert refusal.kind is RefusalKind.ALREADY_SHIPPED
        assert refusal.detail == "1 unit of this order item shipped already; ask for a return instead."
    assert story.line.cancellations == ()


def test_a_second_party_is_told_which_ask_stands() -> None:
    story = Story()
    first = story.asked(ask())
    refusal = story.refuses(customer_asks())  # EC-04
    assert (refusal.kind, refusal.cancellation) == (RefusalKind.ALREADY_ASKED, first)
    assert "5 units" in refusal.detail


def test_two_asks_stand_side_by_side() -> None:
    story = Story()
    story.heeds(ask(2, key="first"))
    story.heeds(ask(2, key="second"))  # EC-05
    assert buckets(story.line) == (1, 4, 0, 0)
    assert [c.units for c in story.line.asks] == [2, 2]


def test_two_asks_together_never_exceed_what_is_open() -> None:
    story = Story()
    story.heeds(ask(3))
    assert story.refuses(ask(4)).kind is RefusalKind.TOO_MANY_UNITS  # EC-05
    story.heeds(ask(2))
    assert buckets(story.line) == (0, 5, 0, 0)
    assert story.refuses(ask(1)).kind is RefusalKind.ALREADY_ASKED


def test_another_retailers_line_looks_unknown_whatever_is_asked() -> None:
    for units in (None, 1, 0, 99):
        assert Story().refuses(ask(units, actor=OTHER_RETAILER)).kind is RefusalKind.UNKNOWN_LINE  # EC-07


def test_a_line_whose_supplier_was_never_told_is_cancelled_at_once() -> None:
    story = Story(not_yet_sent(), policy=Policy(accepts_until=Cutoff.NEVER))
    decision = story.heeds(ask(2))  # EC-20
    assert reported(decision) == [(ACCEPTED, 2)]
    [cancellation] = decision.cancellations
    assert (cancellation.state, cancellation.answered_by, cancellation.unasked) == (
        State.ACCEPTED,
        RETAILER.party,
        True,
    )


def test_a_retailer_that_holds_the_goods_answers_itself_at_once() -> None:
    story = Story(held_by_retailer())
    assert reported(story.heeds(ask())) == [(ACCEPTED, 5)]
    assert story.refuses(ask()).kind is RefusalKind.ALREADY_CANCELLED


@pytest.mark.parametrize(
    ("line", "policy", "command", "awaited"),
    [
        (held_by_supplier(), Policy(), ask(), SUPPLIER),
        (held_by_supplier(), Policy(), customer_asks(), RETAILER),
        (held_by_supplier(), SUPPLIER_DIRECTLY, customer_asks(), SUPPLIER),
        (held_by_retailer(), Policy(), customer_asks(), RETAILER),
        (held_by_retailer(), SUPPLIER_DIRECTLY, customer_asks(), RETAILER),
        (not_yet_sent(), SUPPLIER_DIRECTLY, customer_asks(), RETAILER),
    ],
)
def test_whose_answer_is_due_follows_from_who_holds_the_goods(
    line: Line, policy: Policy, command: LineCommand, awaited: Actor
) -> None:
    [cancellation] = Story(line, policy=policy).heeds(command).cancellations
    assert cancellation.awaiting == awaited.party


# Repeats


@pytest.mark.parametrize(
    "command",
    [ask(), ask(2), ask(key="k"), ask(2, key="k"), customer_asks(), customer_asks(2), customer_asks(2, key="k")],
)
def test_same_ask_by_same_asker_is_the_same_ask(command: LineCommand) -> None:
    story = Story()
    story.heeds(command)
    for _ in range(3):
        story.repeats(command)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ask(2), ask(1)),
        (ask(2), ask()),
        (ask(2), ask(2, key="other")),
        (ask(2, key="one"), ask(2)),
        (ask(2, key="one", actor=PLATFORM), ask(2, key="one")),
        (ask(2, note="one"), ask(2, note="two")),
        (ask(2, reason=CancelReason.ORDERED_TWICE), ask(2)),
        (ask(2), customer_asks(2)),
        (customer_asks(2), ask(2)),
        (ask(2), customer_asks()),
    ],
)
def test_a_different_ask_is_not_a_repeat(first: LineCommand, second: LineCommand) -> None:
    story = Story()
    story.heeds(first)
    assert [kind for kind, _ in reported(story.heeds(second))][-1] is ASKED


@pytest.mark.parametrize("answer", [decline(), withdraw()])
def test_once_answered_the_same_ask_is_a_new_ask(answer: LineCommand) -> None:
    story = Story()
    first = story.asked(ask())
    story.heeds(answer)
    assert story.asked(ask()) != first


def test_asking_for_the_rest_does_not_count_what_is_asked_already() -> None:
    story = Story()
    story.heeds(ask(2))
    assert reported(story.heeds(ask())) == [(ASKED, 3)]
    story.repeats(ask())


def test_a_retailers_whole_ask_answers_the_customer_that_waits_for_it() -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    assert reported(story.heeds(ask())) == [(PASSED_ON, 2), (ASKED, 3)]
    assert story.cancellation(asked).awaiting == SUPPLIER.party
    story.repeats(ask())


def test_a_retailers_whole_ask_on_its_own_goods_accepts_the_customer_that_waits_for_it() -> None:
    story = Story(held_by_retailer())
    asked = story.asked(customer_asks(2))
    assert reported(story.heeds(ask())) == [(ACCEPTED, 2), (ACCEPTED, 3)]
    assert story.cancellation(asked).unasked is False
    assert story.line.cancellations[-1].unasked is True


def test_passing_on_alone_is_enough_of_an_effect() -> None:
    story = Story()
    story.heeds(customer_asks())
    assert reported(story.heeds(ask())) == [(PASSED_ON, 5)]
    story.repeats(ask())


def test_a_retailers_partial_ask_leaves_the_customers_ask_waiting() -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    story.heeds(ask(3))
    assert story.cancellation(asked).awaiting == RETAILER.party


def test_a_whole_ask_is_no_repeat_while_a_customer_waits_for_the_retailer() -> None:
    story = Story()
    story.heeds(ask(3))
    asked = story.asked(customer_asks(2))
    assert reported(story.heeds(ask())) == [(PASSED_ON, 2)]
    assert story.cancellation(asked).awaiting == SUPPLIER.party


def test_a_customer_repeating_itself_next_to_a_retailers_ask_is_heeded() -> None:
    story = Story()
    story.heeds(ask(3))
    story.heeds(customer_asks())
    story.repeats(customer_asks())


# What the supplier takes


@pytest.mark.parametrize(
    ("policy", "allocated", "heeded"),
    [
        (Policy(), True, True),
        (Policy(accepts_until=Cutoff.NEVER), False, False),
        (Policy(accepts_until=Cutoff.ALLOCATED), False, True),
        (Policy(accepts_until=Cutoff.ALLOCATED), True, False),
        (Policy(accepts_for_s=HOUR_S), False, False),
        (Policy(accepts_for_s=HOUR_S + 1), False, True),
    ],
)
@pytest.mark.parametrize("command", [ask(2), ask(), customer_asks(2)])
def test_the_supplier_takes_cancellations_until_its_cutoff(
    policy: Policy, allocated: bool, heeded: bool, command: LineCommand
) -> None:
    story = Story(policy=policy)
    if allocated:
        story.heeds(allocate(5))
    if heeded:
        story.heeds(command)
    else:
        assert story.refuses(command).kind is RefusalKind.NOT_ACCEPTED_BY_FULFILLER


def test_what_is_refused_for_its_rest_does_not_pass_on_the_customers_part() -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    story.policy = Policy(accepts_until=Cutoff.NEVER)
    assert story.refuses(ask()).kind is RefusalKind.NOT_ACCEPTED_BY_FULFILLER
    assert story.cancellation(asked).awaiting == RETAILER.party


@pytest.mark.parametrize(
    ("seconds", "free"), [(0, True), (HOUR_S - 1, True), (HOUR_S, False), (HOUR_S + 5, False), (-5, True)]
)
@pytest.mark.parametrize("command", [ask(2), customer_asks(2)])
def test_the_free_window_is_measured_at_receipt_without_grace(seconds: int, free: bool, command: LineCommand) -> None:
    story = Story(policy=Policy(free_window_s=HOUR_S), now=PLACED).after(seconds=seconds)
    decision = story.heeds(command)  # EC-35
    [cancellation] = decision.cancellations
    if free:
        assert reported(decision) == [(ASKED, 2), (ACCEPTED, 2)]
        assert [event.by_policy for event in decision.events] == [False, True]
        assert (cancellation.state, cancellation.answered_by, cancellation.by_policy) == (State.ACCEPTED, None, True)
    else:
        assert cancellation.state is State.ASKED


def test_without_a_window_nothing_is_free_though_the_clock_runs_behind() -> None:
    [cancellation] = Story(now=PLACED).after(seconds=-1).heeds(ask(2)).cancellations
    assert cancellation.state is State.ASKED


# Nothing open


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (in_buckets(held_by_supplier(), shipped=5), RefusalKind.ALREADY_SHIPPED),
        (in_buckets(held_by_supplier(), cancelled=5), RefusalKind.ALREADY_CANCELLED),
        (in_buckets(held_by_supplier(), asked=5), RefusalKind.ALREADY_ASKED),
        (rejected_line(held_by_supplier()), RefusalKind.REJECTED_BY_FULFILLER),
        (in_buckets(held_by_supplier(), shipped=1, cancelled=4), RefusalKind.ALREADY_SHIPPED),
        (in_buckets(held_by_supplier(), shipped=1, asked=4), RefusalKind.ALREADY_SHIPPED),
        (in_buckets(held_by_supplier(), asked=1, cancelled=4), RefusalKind.ALREADY_ASKED),
    ],
)
@pytest.mark.parametrize("units", [None, 1, 99])
def test_an_ask_on_a_line_with_nothing_open_says_why(line: Line, kind: RefusalKind, units: int | None) -> None:
    assert Story(line).refuses(customer_asks(units, key="new")).kind is kind


def test_a_line_rejected_in_part_and_cancelled_for_the_rest_is_cancelled() -> None:
    story = Story()
    story.heeds(allocate(rejected=2))
    story.heeds(cancel_own(3))
    assert story.refuses(ask()).kind is RefusalKind.ALREADY_CANCELLED


# Withdrawing


def test_a_withdrawal_without_a_name_takes_back_all_that_this_asker_asked() -> None:
    story = Story()
    story.heeds(ask(1, key="a"))
    story.heeds(ask(2, key="b"))
    theirs = story.asked(customer_asks(1))
    story.heeds(withdraw())
    assert buckets(story.line) == (4, 1, 0, 0)
    assert [c.id for c in story.line.asks] == [theirs]


def test_a_withdrawal_by_name_takes_back_one() -> None:
    story = Story()
    story.heeds(ask(1, key="a"))
    second = story.asked(ask(2, key="b"))
    story.heeds(withdraw(cancellation=second))
    assert [c.units for c in story.line.asks] == [1]
    story.repeats(withdraw(cancellation=second))


def test_an_ask_that_was_passed_on_can_still_be_withdrawn() -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    story.heeds(accept(actor=RETAILER))
    story.heeds(withdraw(Asker.CUSTOMER, actor=PLATFORM, cancellation=asked))
    assert buckets(story.line) == (5, 0, 0, 0)


@pytest.mark.parametrize("cancellation", [None, NOBODYS])
def test_there_is_nothing_to_withdraw_where_nothing_was_asked(cancellation: UUID | None) -> None:
    expected = RefusalKind.UNKNOWN_CANCELLATION if cancellation else RefusalKind.NOTHING_ASKED
    assert Story().refuses(withdraw(cancellation=cancellation)).kind is expected


def test_another_askers_cancellation_looks_unknown_to_who_withdraws() -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    assert story.refuses(withdraw(cancellation=asked)).kind is RefusalKind.UNKNOWN_CANCELLATION
    assert story.refuses(withdraw()).kind is RefusalKind.NOTHING_ASKED


def test_what_was_answered_cannot_be_withdrawn() -> None:
    story = Story()
    asked = story.asked(ask(2))
    story.heeds(accept())
    refusal = story.refuses(withdraw(cancellation=asked))
    assert (refusal.kind, refusal.cancellation) == (RefusalKind.ALREADY_ANSWERED, asked)


def test_the_reason_and_the_note_of_an_ask_are_told() -> None:
    [event] = Story().heeds(ask(2, reason=CancelReason.ORDERED_TWICE, note="see order 7")).events
    assert (event.reason, event.note, event.unasked) == ("ordered_twice", "see order 7", False)


def test_the_note_of_an_ask_is_told_once_and_not_as_a_word_of_who_answers() -> None:
    story = Story()
    story.heeds(ask(2, note="see order 7"))
    [event] = story.heeds(accept()).events
    assert event.note == ""
