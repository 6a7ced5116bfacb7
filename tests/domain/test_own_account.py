"""Cancelling on one's own account, and bol's one call for two wishes. ``unasked`` is what counts against a party."""

import pytest

from countermand.domain.events import EventKind
from countermand.domain.line import Line, State
from countermand.domain.parties import Actor, Asker
from countermand.domain.policy import Policy, Silence
from countermand.domain.reasons import CancelReason
from countermand.domain.refusals import RefusalKind
from tests.domain.story import (
    PLATFORM,
    RETAILER,
    RETAILER_FIRST,
    SUPPLIER,
    SUPPLIER_DIRECTLY,
    Story,
    accept,
    ask,
    buckets,
    cancel_own,
    customer_asks,
    held_by_retailer,
    held_by_supplier,
    in_buckets,
    not_yet_sent,
    pass_deadline,
    reported,
    retailer_cancel,
)

ACCEPTED, PASSED_ON, ASKED = (
    EventKind.CANCELLATION_ACCEPTED,
    EventKind.CANCELLATION_PASSED_ON,
    EventKind.CANCELLATION_ASKED,
)
HOLDERS = [
    pytest.param(held_by_supplier(), SUPPLIER, id="supplier"),
    pytest.param(held_by_retailer(), RETAILER, id="retailer"),
    pytest.param(not_yet_sent(), RETAILER, id="retailer, not yet sent"),
    pytest.param(held_by_supplier(), PLATFORM, id="operator"),
]
OWN_REASONS = [reason for reason in CancelReason if reason is not CancelReason.REQUESTED_BY_CUSTOMER]


@pytest.mark.parametrize(("line", "holder"), HOLDERS)
@pytest.mark.parametrize(("units", "left"), [(None, 0), (1, 4), (5, 0)])
def test_cancelling_on_ones_own_account_counts(line: Line, holder: Actor, units: int | None, left: int) -> None:
    story = Story(line)
    [own] = story.heeds(cancel_own(units, actor=holder, note="water damage")).cancellations
    assert buckets(story.line) == (left, 0, 5 - left, 0)
    assert (own.asker, own.unasked, own.state) == (Asker.NOBODY, True, State.ACCEPTED)
    assert (own.answered_by, own.asked_by) == (holder.party, holder.party)
    assert (own.reason, own.note, own.accepted_units) == (CancelReason.OUT_OF_STOCK, "water damage", 5 - left)


@pytest.mark.parametrize("units", [0, -1])
def test_fewer_than_one_unit_cannot_be_cancelled(units: int) -> None:
    assert Story().refuses(cancel_own(units)).kind is RefusalKind.UNITS_INVALID


@pytest.mark.parametrize(
    ("line", "units", "kind"),
    [
        (held_by_supplier(), 6, RefusalKind.TOO_MANY_UNITS),
        (in_buckets(held_by_supplier(), asked=2), 4, RefusalKind.TOO_MANY_UNITS),
        (in_buckets(held_by_supplier(), asked=5), 1, RefusalKind.ALREADY_ASKED),
        (in_buckets(held_by_supplier(), asked=5), None, RefusalKind.ALREADY_ASKED),
        (in_buckets(held_by_supplier(), shipped=5), 1, RefusalKind.ALREADY_SHIPPED),
        (in_buckets(held_by_supplier(), shipped=5), None, RefusalKind.ALREADY_SHIPPED),
        (in_buckets(held_by_supplier(), cancelled=5), None, RefusalKind.ALREADY_CANCELLED),
    ],
)
def test_only_open_units_can_be_cancelled_on_ones_own_account(line: Line, units: int | None, kind: RefusalKind) -> None:
    assert Story(line).refuses(cancel_own(units)).kind is kind


def test_asks_that_await_the_canceller_go_along_and_count_for_its_own_reason() -> None:
    story = Story()
    asked = story.asked(ask(2))
    assert reported(story.heeds(cancel_own(note="fire"))) == [(ACCEPTED, 2), (ACCEPTED, 3)]
    found = story.cancellation(asked)
    assert (found.state, found.unasked, found.reason) == (State.ACCEPTED, True, CancelReason.OUT_OF_STOCK)
    assert found.answer_note == "fire"


def test_asks_go_along_though_nothing_else_is_open() -> None:
    story = Story()
    story.heeds(ask())
    assert reported(story.heeds(cancel_own())) == [(ACCEPTED, 5)]


def test_what_the_customer_asked_does_not_count_when_that_is_the_reason_given() -> None:
    story = Story(held_by_retailer())
    asked = story.asked(customer_asks(2))
    story.heeds(cancel_own(actor=RETAILER, reason=CancelReason.REQUESTED_BY_CUSTOMER))
    assert [c.unasked for c in story.line.cancellations] == [False, True]
    assert story.cancellation(asked).reason is CancelReason.REQUESTED_BY_CUSTOMER


def test_a_number_of_units_is_taken_from_the_open_ones_and_leaves_asks_alone() -> None:
    story = Story()
    asked = story.asked(ask(2))
    story.heeds(cancel_own(3))
    assert buckets(story.line) == (0, 2, 3, 0)
    assert story.cancellation(asked).state is State.ASKED


def test_asks_that_await_another_party_do_not_go_along() -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    story.heeds(cancel_own())
    assert buckets(story.line) == (0, 2, 3, 0)
    assert story.cancellation(asked).awaiting == RETAILER.party


# bol's call


def test_confirming_what_the_customer_asked_does_not_count() -> None:
    story = Story(held_by_retailer())
    asked = story.asked(customer_asks())
    assert reported(story.heeds(retailer_cancel())) == [(ACCEPTED, 5)]
    assert story.cancellation(asked).unasked is False


def test_confirming_cancels_no_more_than_the_customer_asked() -> None:
    story = Story(held_by_retailer())
    story.heeds(customer_asks(2))
    story.heeds(retailer_cancel())
    assert buckets(story.line) == (3, 0, 2, 0)


@pytest.mark.parametrize("line", [held_by_retailer(), not_yet_sent()])
def test_claiming_that_the_customer_asked_counts_when_no_customer_did(line: Line) -> None:
    story = Story(line)
    [own] = story.heeds(retailer_cancel()).cancellations  # EC-65
    assert (own.reason, own.unasked, own.asker) == (CancelReason.REQUESTED_BY_CUSTOMER, True, Asker.NOBODY)
    assert buckets(story.line) == (0, 0, 5, 0)


@pytest.mark.parametrize("reason", OWN_REASONS)
def test_any_other_reason_cancels_the_whole_line_and_counts(reason: CancelReason) -> None:
    story = Story(held_by_retailer())
    asked = story.asked(customer_asks(2))
    story.heeds(retailer_cancel(reason, note="sorry"))
    assert buckets(story.line) == (0, 0, 5, 0)
    assert all((c.unasked, c.reason) == (True, reason) for c in story.line.cancellations)
    assert story.cancellation(asked).answer_note == "sorry"


def test_where_a_supplier_holds_the_goods_the_call_is_the_retailers_own_ask() -> None:
    story = Story()
    [asked] = story.heeds(retailer_cancel(CancelReason.OUT_OF_STOCK, note="n")).cancellations
    assert (asked.asker, asked.awaiting, asked.state) == (Asker.RETAILER, SUPPLIER.party, State.ASKED)
    assert (asked.reason, asked.note, asked.unasked) == (CancelReason.OUT_OF_STOCK, "n", False)
    story.repeats(retailer_cancel(CancelReason.OUT_OF_STOCK, note="n"))


def test_where_a_supplier_holds_the_goods_confirming_passes_the_customers_ask_on() -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    assert reported(story.heeds(retailer_cancel())) == [(PASSED_ON, 2)]
    assert story.cancellation(asked).awaiting == SUPPLIER.party


def test_where_a_supplier_holds_the_goods_another_reason_passes_on_and_asks_for_the_rest() -> None:
    story = Story()
    story.heeds(customer_asks(2))
    assert reported(story.heeds(retailer_cancel(CancelReason.OUT_OF_STOCK))) == [(PASSED_ON, 2), (ASKED, 3)]


@pytest.mark.parametrize("policy", [RETAILER_FIRST, SUPPLIER_DIRECTLY])
def test_confirming_again_while_the_supplier_has_the_ask_asks_for_nothing_more(policy: Policy) -> None:
    story = Story(policy=policy)
    story.heeds(customer_asks(2))
    story.heeds(retailer_cancel())
    story.repeats(retailer_cancel())
    assert buckets(story.line) == (3, 2, 0, 0)


@pytest.mark.parametrize("line", [held_by_retailer(), held_by_supplier()])
def test_confirming_what_an_operator_has_to_answer_is_refused(line: Line) -> None:
    story = Story(line, policy=Policy(silence=Silence.ESCALATE))
    asked = story.asked(customer_asks(2))
    story.after(hours=48).heeds(pass_deadline(asked))
    assert story.refuses(retailer_cancel()).kind is RefusalKind.NOTHING_ASKED


def test_an_operator_that_confirms_for_the_retailer_does_not_answer_for_the_supplier() -> None:
    story = Story()
    own = story.asked(ask(1))
    story.heeds(customer_asks(2))
    assert reported(story.heeds(retailer_cancel(actor=PLATFORM))) == [(PASSED_ON, 2)]
    assert story.cancellation(own).state is State.ASKED


def test_an_operators_answer_after_pass_on_is_the_suppliers_if_it_says_so() -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    story.heeds(accept(actor=PLATFORM, cancellation=asked, step=1))
    assert story.cancellation(asked).awaiting == SUPPLIER.party
    story.repeats(accept(actor=PLATFORM, cancellation=asked, step=1))
    story.heeds(accept(actor=PLATFORM, cancellation=asked, step=2))
    assert story.cancellation(asked).state is State.ACCEPTED


@pytest.mark.parametrize("line", [held_by_retailer(), held_by_supplier()], ids=["own goods", "supplier's goods"])
def test_confirming_again_what_a_customer_got_never_cancels_the_rest(line: Line) -> None:
    """A retailer that lost the first answer says it again."""
    story = Story(line=line)
    story.heeds(customer_asks(2))
    story.heeds(retailer_cancel())
    if story.line.asks:
        story.heeds(accept(actor=SUPPLIER))
    assert buckets(story.line) == (3, 0, 2, 0)
    story.repeats(retailer_cancel())


def test_after_a_customer_got_some_another_reason_cancels_the_rest_and_counts() -> None:
    story = Story(line=held_by_retailer())
    story.heeds(customer_asks(2))
    story.heeds(retailer_cancel())
    decision = story.heeds(retailer_cancel(CancelReason.OUT_OF_STOCK))
    assert buckets(story.line) == (0, 0, 5, 0)
    assert [event.unasked for event in decision.events] == [True]
