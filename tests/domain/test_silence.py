"""Silence: what happens when nobody answers, once and never early."""

from datetime import timedelta

import pytest

from countermand.domain.commands import LineCommand
from countermand.domain.events import EventKind
from countermand.domain.line import Line, State
from countermand.domain.policy import Policy, Silence
from countermand.domain.refusals import RefusalKind
from tests.domain.story import (
    HOUR_S,
    NOBODYS,
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
    held_by_retailer,
    not_yet_sent,
    pass_deadline,
    reported,
    withdraw,
)

OUTCOMES = [
    (Silence.ACCEPT, State.ACCEPTED, (3, 0, 2, 0), EventKind.CANCELLATION_ACCEPTED),  # EC-28
    (Silence.LAPSE, State.LAPSED, (5, 0, 0, 0), EventKind.CANCELLATION_LAPSED),  # EC-29
    (Silence.ESCALATE, State.ASKED, (3, 2, 0, 0), EventKind.CANCELLATION_ESCALATED),
]


@pytest.mark.parametrize(("silence", "state", "after", "event"), OUTCOMES)
@pytest.mark.parametrize("late_s", [0, 0.000001, 1, 30 * 24 * HOUR_S])
def test_silence_speaks_as_the_policy_says_from_the_due_time_on(
    silence: Silence, state: State, after: tuple[int, int, int, int], event: EventKind, late_s: float
) -> None:
    story = Story(policy=Policy(silence=silence))
    asked = story.asked(ask(2))
    decision = story.after(hours=48, seconds=late_s).heeds(pass_deadline(asked))
    found = story.cancellation(asked)
    assert (found.state, buckets(story.line), reported(decision)) == (state, after, [(event, 2)])
    assert decision.events[0].by_policy is True
    due = NOW + timedelta(hours=48)
    assert (found.awaiting, found.due_at) == (None, None if silence is Silence.ESCALATE else due)
    assert decision.events[0].at == due


@pytest.mark.parametrize("silence", Silence)
def test_silence_never_speaks_early(silence: Silence) -> None:
    story = Story(policy=Policy(silence=silence))
    asked = story.asked(ask(2))
    story.after(hours=48, microseconds=-1).repeats(pass_deadline(asked))


@pytest.mark.parametrize("silence", Silence)
def test_silence_speaks_once(silence: Silence) -> None:
    story = Story(policy=Policy(silence=silence)).after(hours=0)
    asked = story.asked(ask(2))
    story.after(hours=48).heeds(pass_deadline(asked))
    story.after(hours=480).repeats(pass_deadline(asked))


@pytest.mark.parametrize("silence", [Silence.ACCEPT, Silence.LAPSE])
def test_what_silence_decided_was_decided_by_no_party(silence: Silence) -> None:
    story = Story(policy=Policy(silence=silence))
    asked = story.asked(ask(2))
    story.after(hours=48).heeds(pass_deadline(asked))
    found = story.cancellation(asked)
    assert (found.by_policy, found.answered_by, found.answered_at) == (True, None, story.now)


@pytest.mark.parametrize("answer", [accept(), decline(), withdraw()])
def test_a_deadline_after_the_answer_changes_nothing(answer: LineCommand) -> None:
    story = Story()
    asked = story.asked(ask(2))
    story.heeds(answer)
    story.after(hours=480).repeats(pass_deadline(asked))


def test_without_a_deadline_an_ask_waits_for_ever() -> None:
    story = Story(policy=Policy(answer_within_s=None))
    asked = story.asked(ask(2))
    assert story.cancellation(asked).due_at is None
    story.after(days=3650).repeats(pass_deadline(asked))


def test_an_unknown_cancellation_has_no_deadline() -> None:
    assert Story().refuses(pass_deadline(NOBODYS)).kind is RefusalKind.UNKNOWN_CANCELLATION


def test_what_was_promised_stands_when_the_policy_changes() -> None:
    story = Story(policy=Policy(version=1, answer_within_s=48 * HOUR_S))
    asked = story.asked(ask(2))
    story.policy = Policy(version=2, answer_within_s=24 * HOUR_S, silence=Silence.ACCEPT)
    later = story.asked(ask(1))
    assert story.cancellation(asked).due_at == NOW + timedelta(hours=48)  # EC-33
    assert story.cancellation(later).due_at == NOW + timedelta(hours=24)
    assert [c.policy_version for c in story.line.asks] == [1, 2]
    story.after(hours=24).repeats(pass_deadline(asked))
    story.after(hours=24).heeds(pass_deadline(asked))
    assert story.cancellation(asked).state is State.LAPSED


def test_an_escalated_ask_is_the_operators_alone() -> None:
    story = Story(policy=Policy(silence=Silence.ESCALATE))
    asked = story.asked(ask(2))
    story.after(hours=48).heeds(pass_deadline(asked))
    for actor in (SUPPLIER, RETAILER):
        assert story.refuses(accept(actor=actor, cancellation=asked)).kind is RefusalKind.NOTHING_ASKED
    story.heeds(accept(1, actor=PLATFORM, cancellation=asked, step=2))
    assert buckets(story.line) == (4, 0, 1, 0)


def test_silence_that_accepts_for_a_retailer_passes_on_to_the_supplier_and_then_accepts() -> None:
    story = Story(policy=Policy(silence=Silence.ACCEPT))
    asked = story.asked(customer_asks(2))
    decision = story.after(hours=48).heeds(pass_deadline(asked))
    assert reported(decision) == [(EventKind.CANCELLATION_PASSED_ON, 2)]
    assert decision.events[0].by_policy is True
    assert story.cancellation(asked).awaiting == SUPPLIER.party
    story.repeats(pass_deadline(asked))
    story.after(hours=48).heeds(pass_deadline(asked))
    assert story.cancellation(asked).state is State.ACCEPTED


@pytest.mark.parametrize("line", [held_by_retailer(), not_yet_sent()])
def test_silence_that_accepts_for_a_retailer_that_decides_alone_accepts_for_good(line: Line) -> None:
    story = Story(line, policy=Policy(silence=Silence.ACCEPT))
    asked = story.asked(customer_asks(2))
    story.after(hours=48).heeds(pass_deadline(asked))
    assert story.cancellation(asked).state is State.ACCEPTED
