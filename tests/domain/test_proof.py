"""Declining as shipped already, where the policy wants to see the parcel (EC-17)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from countermand.domain.events import EventKind
from countermand.domain.line import State
from countermand.domain.parties import Asker
from countermand.domain.policy import Policy, Rule, Silence
from countermand.domain.reasons import DeclineReason
from tests.domain.story import (
    HOUR_S,
    NOW,
    PLATFORM,
    RETAILER,
    SUPPLIER,
    Story,
    accept,
    ask,
    buckets,
    customer_asks,
    decline,
    escalate,
    pass_deadline,
    reported,
    ship,
    withdraw,
)

SHIPPED = DeclineReason.ALREADY_SHIPPED
PROVED = Policy(proof_within_s=6 * HOUR_S)
PROOF_ASKED, DECLINED, LEFT = (
    EventKind.CANCELLATION_PROOF_ASKED,
    EventKind.CANCELLATION_DECLINED,
    EventKind.LINE_SHIPPED,
)


def claimed(policy: Policy = PROVED) -> Story:
    """The supplier says that two of five units shipped already, and names no parcel."""
    story = Story(policy=policy)
    story.asked(ask(2))
    assert reported(story.heeds(decline(SHIPPED, note="on its way"))) == [(PROOF_ASKED, 2)]
    return story


def test_a_decline_as_shipped_without_a_parcel_is_provisional() -> None:
    story = claimed()
    [waiting] = story.line.asks
    assert (waiting.state, waiting.awaiting, waiting.decline_reason) == (State.ASKED, SUPPLIER.party, SHIPPED)
    assert waiting.due_at == NOW + timedelta(hours=6)
    assert waiting.awaits_proof
    assert buckets(story.line) == (3, 2, 0, 0)


def test_whether_proof_is_wanted_says_the_policy_that_the_ask_was_made_under() -> None:
    """EC-17, EC-33: also where the policy was changed since."""
    story = Story(policy=Policy(version=1))
    story.asked(ask(1))
    story.policy = replace(PROVED, version=2)
    story.asked(ask(2))
    story.policy = Policy(version=3)
    story.asked(ask(1, key="c"))
    assert reported(story.heeds(decline(SHIPPED))) == [(DECLINED, 1), (PROOF_ASKED, 2), (DECLINED, 1)]


def test_proof_that_does_not_come_is_an_acceptance() -> None:
    story = claimed(replace(PROVED, silence=Silence.LAPSE))
    [waiting] = story.line.asks
    story.after(hours=6, microseconds=-1).repeats(pass_deadline(waiting.id))
    decision = story.after(microseconds=1).heeds(pass_deadline(waiting.id))
    [event] = decision.events
    assert (event.kind, event.rule) == (EventKind.CANCELLATION_ACCEPTED, Rule.NO_PROOF)
    found = story.cancellation(waiting.id)
    assert (found.state, found.by_policy, found.decline_reason) == (State.ACCEPTED, True, None)


def test_the_parcel_is_the_proof() -> None:
    story = claimed()
    [event] = story.heeds(decline(SHIPPED, tracking="PostNL 3S1")).events
    assert (event.kind, event.tracking) == (DECLINED, "PostNL 3S1")
    assert buckets(story.line) == (5, 0, 0, 0)


def test_the_shipment_is_the_proof_and_needs_no_override() -> None:
    story = claimed()
    assert reported(story.heeds(ship(5))) == [(DECLINED, 2), (LEFT, 5)]
    assert buckets(story.line) == (0, 0, 0, 5)


def test_a_shipment_of_other_units_leaves_the_proof_to_be_given() -> None:
    story = claimed()
    assert reported(story.heeds(ship(3))) == [(LEFT, 3)]
    assert story.line.asks[0].awaits_proof


def test_what_is_to_be_proved_ships_before_what_an_override_takes() -> None:
    story = Story(policy=PROVED)
    first = story.asked(ask(1, key="a"))
    second = story.asked(ask(1, key="b"))
    story.heeds(decline(SHIPPED, cancellation=first))
    story.heeds(ship(4, override=True))
    assert [story.cancellation(each).state for each in (first, second)] == [State.DECLINED, State.ASKED]


def test_the_same_claim_again_is_a_repeat_and_wins_no_time() -> None:
    story = claimed()
    story.after(hours=1).repeats(decline(SHIPPED))


def test_who_claimed_may_still_answer_otherwise() -> None:
    story = claimed()
    story.heeds(accept())
    [found] = story.line.cancellations
    assert (found.state, found.decline_reason) == (State.ACCEPTED, None)
    story = claimed()
    story.heeds(decline(DeclineReason.MADE_TO_ORDER))
    assert story.line.cancellations[0].decline_reason is DeclineReason.MADE_TO_ORDER


def test_the_asker_may_take_it_back_meanwhile() -> None:
    story = claimed()
    story.heeds(withdraw())
    [found] = story.line.cancellations
    assert (found.state, found.decline_reason) == (State.WITHDRAWN, None)


@pytest.mark.parametrize(
    ("command", "policy"),
    [
        (decline(SHIPPED), Policy()),
        (decline(SHIPPED, tracking="3S1"), PROVED),
        (decline(SHIPPED, actor=PLATFORM), PROVED),
        (decline(DeclineReason.ALREADY_PICKED), PROVED),
        (decline(DeclineReason.NOT_STATED), PROVED),
    ],
)
def test_nothing_is_to_be_proved_where_it_is_not_wanted_or_was_given(command: object, policy: Policy) -> None:
    story = Story(policy=policy)
    story.asked(ask(2))
    assert reported(story.heeds(command)) == [(DECLINED, 2)]  # type: ignore[arg-type]


def test_a_retailers_claim_that_is_not_proved_goes_on_to_the_supplier() -> None:
    story = Story(policy=PROVED)
    asked = story.asked(customer_asks(2))
    story.heeds(decline(SHIPPED, actor=RETAILER))
    story.after(hours=6).heeds(pass_deadline(asked))
    found = story.cancellation(asked)
    assert (found.awaiting, found.awaits_proof) == (SUPPLIER.party, False)


def test_a_claim_outlives_the_supplier() -> None:
    story = claimed()
    [waiting] = story.line.asks
    story.heeds(escalate(waiting.id))
    assert story.cancellation(waiting.id).awaits_proof
    story.after(hours=6).heeds(pass_deadline(waiting.id))
    assert story.cancellation(waiting.id).state is State.ACCEPTED


def test_proof_is_due_in_working_hours_where_the_policy_has_them() -> None:
    assert PROVED.proof_due(NOW) == NOW + timedelta(hours=6)
    assert Policy().proof_due(NOW) is None


def test_a_withdrawal_by_the_customer_is_its_own() -> None:
    story = Story(policy=replace(PROVED, customer_asks_retailer_first=False))
    story.asked(customer_asks(2))
    story.heeds(decline(SHIPPED))
    story.heeds(withdraw(Asker.CUSTOMER, actor=PLATFORM))
    assert buckets(story.line) == (5, 0, 0, 0)
