"""EC-42: goods can move, and the asks for them follow."""

import pytest

from countermand.domain.commands import LineCommand, Reassign
from countermand.domain.events import EventKind
from countermand.domain.line import State
from countermand.domain.parties import Actor
from countermand.domain.policy import Policy, Silence
from countermand.domain.reasons import DeclineReason
from countermand.domain.refusals import RefusalKind
from tests.domain.story import (
    HOUR_S,
    LINE,
    OTHER_RETAILER,
    OTHER_SUPPLIER,
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
    escalate,
    held_by_retailer,
    not_yet_sent,
    note,
    pass_deadline,
    reported,
    ship,
)

K = EventKind
NEW = OTHER_SUPPLIER


def give(
    to: Actor = NEW, *, actor: Actor = RETAILER, seen: int | None = None, takes_part: bool = True, knows: bool = True
) -> Reassign:
    return Reassign(
        line=LINE, actor=actor, fulfiller=to.party, note="a fire", seen=seen, takes_part=takes_part, knows=knows
    )


def test_open_and_asked_units_move_and_what_is_done_stays() -> None:
    story = Story()
    story.heeds(ship(1))
    story.heeds(cancel_own(1))
    story.heeds(allocate(accepted=3))
    asked = story.asked(ask(2))
    decision = story.after(hours=1).heeds(give())
    assert reported(decision) == [(K.LINE_REASSIGNED, 3), (K.CANCELLATION_PASSED_ON, 2)]
    assert buckets(story.line) == (1, 2, 1, 1)
    assert (story.line.fulfiller, story.line.allocated, story.line.accepted) == (NEW.party, False, 0)
    found = story.cancellation(asked)
    assert (found.awaiting, found.step, found.due_at) == (NEW.party, 2, Policy().answer_due(story.now))
    story.heeds(accept(actor=NEW))
    story.heeds(ship(actor=NEW))
    assert buckets(story.line) == (0, 0, 3, 2)


FORMER: list[LineCommand] = [accept(), decline(), ship(), allocate(accepted=1), cancel_own()]


@pytest.mark.parametrize("command", FORMER, ids=lambda command: type(command).__name__)
def test_the_former_suppliers_answer_does_not_count(command: LineCommand) -> None:
    story = Story()
    asked = story.asked(ask(2))
    story.heeds(give())
    refusal = story.refuses(command)
    assert refusal.kind is RefusalKind.REASSIGNED
    assert refusal.detail.endswith("Your answer does not count.")
    story.heeds(note("the label cost 4.95", asked))


def test_it_is_judged_by_what_is_agreed_with_the_new_one() -> None:
    story = Story(policy=Policy(version=1))
    asked = story.asked(ask(2))
    story.policy = Policy(version=2, answer_within_s=HOUR_S, silence=Silence.ACCEPT)
    story.after(hours=1).heeds(give())
    assert story.cancellation(asked).policy_version == 2
    story.after(hours=1).heeds(pass_deadline(asked))
    assert story.cancellation(asked).state is State.ACCEPTED


def test_what_waits_for_the_retailer_goes_on_waiting_for_it() -> None:
    story = Story()
    asked = story.asked(customer_asks(2))
    before = story.cancellation(asked)
    assert reported(story.heeds(give())) == [(K.LINE_REASSIGNED, 5)]
    found = story.cancellation(asked)
    assert (found.awaiting, found.due_at, found.step) == (RETAILER.party, before.due_at, 1)
    story.heeds(accept(actor=RETAILER))
    assert story.cancellation(asked).awaiting == NEW.party


def test_a_part_that_was_passed_on_moves_as_that_part() -> None:
    story = Story()
    story.heeds(customer_asks(5))
    story.heeds(accept(2, actor=RETAILER))
    assert reported(story.heeds(give()))[1] == (K.CANCELLATION_PASSED_ON, 2)
    story.heeds(accept(actor=NEW))
    assert buckets(story.line) == (3, 0, 2, 0)


def test_what_was_to_be_proved_and_what_an_operator_was_to_answer_goes_to_the_new_one() -> None:
    story = Story(policy=Policy(proof_within_s=HOUR_S))
    proof, gone = story.asked(ask(1, key="a")), story.asked(ask(1, key="b"))
    story.heeds(decline(DeclineReason.ALREADY_SHIPPED, cancellation=proof))
    story.heeds(escalate(gone))
    story.heeds(give())
    assert [story.cancellation(each).awaiting for each in (proof, gone)] == [NEW.party] * 2
    assert story.cancellation(proof).decline_reason is None


def test_what_an_operator_answers_for_the_retailer_stays_with_the_operator() -> None:
    story = Story(policy=Policy(silence=Silence.ESCALATE))
    asked = story.asked(customer_asks(2))
    story.after(hours=48).heeds(pass_deadline(asked))
    story.heeds(give())
    assert story.cancellation(asked).awaiting is None


def test_goods_may_come_back_to_the_retailer() -> None:
    story = Story(policy=SUPPLIER_DIRECTLY)
    customers, own = story.asked(customer_asks(2)), story.asked(ask(1))
    story.heeds(give(RETAILER))
    assert story.cancellation(own).state is State.ACCEPTED
    assert story.cancellation(customers).awaiting == RETAILER.party
    story.heeds(accept(actor=RETAILER))
    assert buckets(story.line) == (2, 0, 3, 0)
    story.heeds(give(SUPPLIER))
    story.heeds(ship())


def test_goods_of_the_retailer_may_go_to_a_supplier() -> None:
    story = Story(held_by_retailer(), policy=SUPPLIER_DIRECTLY)
    asked = story.asked(customer_asks(2))
    story.heeds(give())
    assert story.cancellation(asked).awaiting == NEW.party
    assert story.refuses(ship(actor=RETAILER)).kind is RefusalKind.REASSIGNED


def test_of_a_held_order_nobody_is_told() -> None:
    story = Story(not_yet_sent())
    assert reported(story.heeds(give(knows=False))) == [(K.LINE_REASSIGNED, 5)]
    assert story.line.notified == (RETAILER.party,)
    assert story.refuses(ship(actor=NEW)).kind is RefusalKind.UNKNOWN_LINE


def test_what_cannot_be_given_is_refused() -> None:
    story = Story()
    story.repeats(give(SUPPLIER))
    assert story.refuses(give(takes_part=False)).kind is RefusalKind.PARTY_INACTIVE
    assert story.refuses(give(seen=story.line.seq + 1)).kind is RefusalKind.ETAG_MISMATCH
    for actor in (SUPPLIER, NEW, OTHER_RETAILER):
        assert story.refuses(give(actor=actor)).kind is RefusalKind.UNKNOWN_LINE
    story.heeds(ship(2))
    story.heeds(cancel_own())
    assert story.refuses(give()).kind is RefusalKind.ALREADY_SHIPPED
    for command in (cancel_own(), allocate(rejected=5)):
        gone = Story()
        gone.heeds(command)
        assert gone.refuses(give(actor=PLATFORM)).kind is RefusalKind.ALREADY_CANCELLED
