"""Too late: for the deadline, for the cancellation, for the retailer's promise. The clock decides, and it is told."""

from dataclasses import replace

import pytest

from countermand.domain.commands import LineCommand, Parcel, ShipOrder
from countermand.domain.deadlines import pass_deadlines
from countermand.domain.decide import decide_order
from countermand.domain.events import EventKind
from countermand.domain.line import Cancellation, Decision, State
from countermand.domain.parties import Actor
from countermand.domain.policy import Policy, Rule, Silence
from countermand.domain.reasons import DeclineReason
from countermand.domain.refusals import Refusal, RefusalKind
from tests.domain.story import (
    LINE,
    NOBODYS,
    NOW,
    ORDER,
    OTHER_RETAILER,
    OTHER_SUPPLIER,
    PLATFORM,
    RETAILER,
    SUPPLIER,
    SUPPLIER_DIRECTLY,
    Story,
    accept,
    ask,
    buckets,
    cancel_own,
    customer_asks,
    decline,
    escalate,
    held_by_supplier,
    in_buckets,
    note,
    pass_deadline,
    reported,
    ship,
    withdraw,
)

LATE, LEFT, CASE, ESCALATED = (
    EventKind.CANCELLATION_LATE_ANSWER,
    EventKind.LINE_SHIPPED_THOUGH_CANCELLED,
    EventKind.CANCELLATION_CASE_OPENED,
    EventKind.CANCELLATION_ESCALATED,
)


def by_the_clock(story: Story) -> Decision | None:
    """Silence speaks, as it does on the road before any command is decided."""
    decision = pass_deadlines(story.line, story.now, lambda _: story.policy)
    if decision:
        story.line = decision.line
    return decision


# The deadline


@pytest.mark.parametrize(("silence", "state"), [(Silence.LAPSE, State.LAPSED), (Silence.ACCEPT, State.ACCEPTED)])
@pytest.mark.parametrize("answer", [accept, decline, withdraw])
def test_no_answer_crosses_the_deadline_whether_or_not_it_has_fired(
    silence: Silence, state: State, answer: type
) -> None:
    """EC-27: by the clock of the server, and not by when its worker looks."""
    story = Story(policy=Policy(silence=silence))
    asked = story.asked(ask(2))
    by_the_clock(story.after(hours=48))
    assert story.refuses(answer(cancellation=asked)).kind is RefusalKind.ALREADY_ANSWERED
    assert story.cancellation(asked).state is state


def test_an_answer_a_moment_before_the_deadline_stands() -> None:
    story = Story()
    asked = story.asked(ask(2))
    assert by_the_clock(story.after(hours=48, microseconds=-1)) is None
    story.heeds(accept(cancellation=asked))


def test_what_is_overdue_speaks_in_the_order_it_was_due() -> None:
    story = Story()
    first = story.asked(ask(1, key="a"))
    second = story.after(hours=1).asked(ask(1, key="b"))
    decision = by_the_clock(story.after(hours=50))
    assert decision
    assert [event.cancellation for event in decision.events] == [first, second]
    assert {c.id for c in decision.cancellations} == {first, second}


def test_however_late_a_retailers_silence_is_noticed_the_supplier_has_its_whole_time() -> None:
    story = Story(policy=Policy(silence=Silence.ACCEPT, answer_within_s=60))
    story.asked(customer_asks(2))
    for time, kind in (
        ({"hours": 5}, EventKind.CANCELLATION_PASSED_ON),
        ({"seconds": 60}, EventKind.CANCELLATION_ACCEPTED),
    ):
        decision = by_the_clock(story.after(**time))
        assert decision
        assert reported(decision) == [(kind, 2)]
        assert by_the_clock(story.after(seconds=0)) is None


def test_each_ask_is_judged_by_the_policy_it_was_asked_under() -> None:
    story = Story()
    asked = story.asked(ask(1))

    def asked_under(cancellation: Cancellation) -> Policy:
        assert cancellation.id == asked
        return Policy(silence=Silence.ACCEPT)

    decision = pass_deadlines(story.line, story.after(hours=48).now, asked_under)
    assert decision
    assert decision.cancellations[0].state is State.ACCEPTED


# The late answer


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("answer", "word", "units", "reason"),
    [
        (lambda c: accept(cancellation=c), "accept", 2, ""),
        (lambda c: accept(1, cancellation=c), "accept", 1, ""),
        (lambda c: decline(cancellation=c, note="on the belt"), "decline", 2, DeclineReason.IN_PACKING),
    ],
)
def test_a_late_answer_changes_nothing_and_is_kept(
    named: bool, answer: type, word: str, units: int, reason: str
) -> None:
    """EC-23."""
    story = Story()
    asked = story.asked(ask(2))
    story.after(hours=48).heeds(pass_deadline(asked))
    before = story.line.seq
    refusal = story.refuses(answer(asked if named else None))
    assert (refusal.kind, refusal.cancellation) == (RefusalKind.ALREADY_ANSWERED, asked)
    [noted] = refusal.remarks
    [event] = noted.events
    assert (event.kind, event.answer, event.units, event.reason) == (LATE, word, units, reason)
    assert (buckets(noted.line), noted.cancellations) == (buckets(story.line), ())
    assert noted.line.seq == before + 1


@pytest.mark.parametrize(
    ("command", "actor"),
    [(ask(2), RETAILER), (ask(2), OTHER_RETAILER)],
)
def test_who_asked_or_has_no_say_gives_no_late_answer(command: LineCommand, actor: Actor) -> None:
    story = Story()
    asked = story.asked(command)  # type: ignore[arg-type]
    story.after(hours=48).heeds(pass_deadline(asked))
    assert story.refuses(accept(actor=actor, cancellation=asked)).remarks == ()


def test_an_answer_to_something_older_is_not_taken_for_a_late_one() -> None:
    """Without a name an answer is about what was settled last: that was no silence."""
    story = Story()
    asked = story.asked(ask(2))
    story.after(hours=48).heeds(pass_deadline(asked))
    story.after(hours=1).heeds(ask(1))
    story.heeds(decline())
    refusal = story.after(hours=1).refuses(decline())
    assert (refusal.kind, refusal.remarks) == (RefusalKind.ALREADY_ANSWERED, ())


def test_an_answer_beside_another_ask_that_waits_is_no_late_one() -> None:
    story = Story()
    asked = story.asked(ask(2))
    story.after(hours=48).heeds(pass_deadline(asked))
    story.heeds(customer_asks(1))
    refusal = story.refuses(accept())
    assert (refusal.kind, refusal.remarks) == (RefusalKind.NOTHING_ASKED, ())
    assert story.refuses(accept(cancellation=NOBODYS)).remarks == ()


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("answer", [accept, decline])
def test_a_late_answer_that_is_repeated_is_kept_once(answer: type, named: bool) -> None:
    story = Story()
    asked = story.asked(ask(2))
    command = answer(cancellation=asked if named else None, note="on the belt")
    story.after(hours=48).heeds(pass_deadline(asked))
    first = story.refuses(command)
    again = story.after(hours=1).refuses(replace(command, note="as I said"))
    assert [len(each.remarks) for each in (first, again)] == [1, 0]
    assert (again.kind, again.detail, again.cancellation) == (first.kind, first.detail, first.cancellation)


def test_another_answer_another_party_and_another_ask_are_no_repeat() -> None:
    story = Story()
    first = story.asked(ask(2))
    second = story.asked(ask(1, key="b"))
    story.after(hours=48).heeds(pass_deadline(first))
    story.heeds(pass_deadline(second))
    words = (accept(cancellation=first), decline(cancellation=first), accept(cancellation=second))
    for command in (*words, *(replace(each, actor=PLATFORM, step=1) for each in words)):
        assert len(story.refuses(command).remarks) == 1
    for command in words:
        assert story.refuses(command).remarks == ()


# The parcel


def cancelled(units: int = 2) -> Story:
    story = Story()
    story.heeds(ask(units))
    story.heeds(accept())
    return story


@pytest.mark.parametrize(
    ("cancelled_units", "units", "kind", "noted"),
    [
        (5, 5, RefusalKind.ALREADY_CANCELLED, [5]),
        (5, 2, RefusalKind.ALREADY_CANCELLED, [2]),
        (5, None, RefusalKind.ALREADY_CANCELLED, [5]),
        (2, 5, RefusalKind.TOO_MANY_UNITS, [2]),
        (2, 4, RefusalKind.TOO_MANY_UNITS, [1]),
        (2, 6, RefusalKind.TOO_MANY_UNITS, []),
        (5, 10**12, RefusalKind.ALREADY_CANCELLED, []),
    ],
)
def test_units_that_left_before_their_cancellation_was_known_stay_cancelled(
    cancelled_units: int, units: int | None, kind: RefusalKind, noted: list[int]
) -> None:
    """EC-37: no second refund; the retailer and the platform are told. A number that cannot be true is not."""
    story = cancelled(cancelled_units)
    refusal = story.refuses(replace(ship(units), tracking="PostNL 3S1"))
    assert refusal.kind is kind
    events = [event for decision in refusal.remarks for event in decision.events]
    assert [(event.kind, event.units, event.tracking) for event in events] == [(LEFT, n, "PostNL 3S1") for n in noted]
    assert all(buckets(decision.line) == buckets(story.line) for decision in refusal.remarks)


def test_a_report_of_cancelled_units_that_is_repeated_is_kept_once() -> None:
    """EC-37: nor do all reports together tell of more units than are cancelled."""
    story = cancelled(5)
    reports = [(2, "3S1", 2), (2, "3S1", 0), (2, "3S2", 2), (2, "3S3", 0), (None, "", 1), (None, "", 0), (1, "", 0)]
    for units, tracking, noted in reports:
        refusal = story.refuses(replace(ship(units), tracking=tracking))
        assert sum(event.units for decision in refusal.remarks for event in decision.events) == noted
        assert refusal.kind is RefusalKind.ALREADY_CANCELLED


def test_a_report_that_may_be_an_earlier_one_again_is_not_taken_for_a_parcel_of_cancelled_units() -> None:
    story = cancelled(2)
    story.heeds(ship(3))
    for units in (None, 1, 3):
        refusal = story.refuses(ship(units))
        assert (refusal.kind, refusal.remarks) == (RefusalKind.ALREADY_SHIPPED, ())


def test_a_whole_parcel_that_is_refused_tells_once_of_each_line_and_of_the_parcel() -> None:
    line = in_buckets(held_by_supplier(), cancelled=5)
    parcel = ShipOrder(
        order=ORDER,
        actor=SUPPLIER,
        lines=(ship(2), ship(3)),
        parcel=Parcel(id=NOBODYS, carrier="PostNL", tracking_number="3S1"),
    )
    refusal = decide_order([line], parcel, NOW, lambda _: Policy(), lambda: NOBODYS)
    assert isinstance(refusal, Refusal)
    [noted] = refusal.remarks
    assert [(event.units, event.tracking) for event in noted.events] == [(2, "PostNL 3S1")]


def test_what_was_decided_on_half_of_a_parcel_is_not_told_when_the_whole_is_refused() -> None:
    line = in_buckets(held_by_supplier(), cancelled=2)
    parcel = ShipOrder(order=ORDER, actor=SUPPLIER, lines=(ship(3), ship(5)), parcel=Parcel(id=NOBODYS))
    refusal = decide_order([line], parcel, NOW, lambda _: Policy(), lambda: NOBODYS)
    assert isinstance(refusal, Refusal)
    assert refusal.remarks == ()


# The promise


def test_a_supplier_that_declines_what_the_retailer_agreed_to_calls_an_operator() -> None:
    """EC-25: bol has no word for it, so nothing is confirmed to the retailer and an operator has to see to it."""
    story = Story()
    asked = story.asked(customer_asks(2))
    story.heeds(accept(actor=RETAILER))
    decision = story.heeds(decline())
    assert reported(decision) == [(EventKind.CANCELLATION_DECLINED, 2), (CASE, 2)]
    assert (decision.events[1].rule, decision.events[1].reason) == (Rule.CONTRADICTION, DeclineReason.IN_PACKING)
    assert story.cancellation(asked).state is State.DECLINED


@pytest.mark.parametrize(
    ("policy", "command", "answer"),
    [
        (SUPPLIER_DIRECTLY, customer_asks(2), decline()),
        (Policy(), ask(2), decline()),
        (Policy(), customer_asks(2), decline(actor=RETAILER)),
    ],
)
def test_nobody_calls_an_operator_where_nobody_was_promised_anything(
    policy: Policy, command: LineCommand, answer: LineCommand
) -> None:
    story = Story(policy=policy)
    story.heeds(command)
    assert CASE not in [kind for kind, _ in reported(story.heeds(answer))]


def test_an_operator_that_declines_itself_calls_nobody() -> None:
    story = Story()
    story.heeds(customer_asks(2))
    story.heeds(accept(actor=RETAILER))
    assert reported(story.heeds(decline(actor=PLATFORM))) == [(EventKind.CANCELLATION_DECLINED, 2)]


# The supplier that is gone


def test_what_waits_for_a_supplier_that_is_gone_waits_for_an_operator_and_the_deadline_runs_on() -> None:
    """EC-26."""
    story = Story()
    asked = story.asked(ask(2))
    due_at = story.cancellation(asked).due_at
    [event] = story.after(hours=1).heeds(escalate(asked)).events
    assert (event.kind, event.rule) == (ESCALATED, None)
    assert (story.cancellation(asked).awaiting, story.cancellation(asked).due_at) == (None, due_at)
    assert story.refuses(accept(cancellation=asked)).kind is RefusalKind.NOTHING_ASKED
    story.repeats(escalate(asked))
    story.after(hours=47).heeds(pass_deadline(asked))
    assert story.cancellation(asked).state is State.LAPSED
    assert story.refuses(escalate(asked)).kind is RefusalKind.ALREADY_ANSWERED


def test_only_an_operator_says_that_a_party_is_gone() -> None:
    story = Story()
    asked = story.asked(ask(2))
    for actor in (RETAILER, SUPPLIER):
        assert story.refuses(escalate(asked, actor=actor)).kind is RefusalKind.UNKNOWN_LINE
    assert story.refuses(escalate(NOBODYS)).kind is RefusalKind.UNKNOWN_CANCELLATION


def test_what_is_asked_of_a_supplier_that_is_gone_waits_for_an_operator_at_once() -> None:
    """EC-26."""
    story = Story(replace(held_by_supplier(), fulfiller_gone=True), policy=SUPPLIER_DIRECTLY)
    asked = story.asked(customer_asks(2))
    assert story.cancellation(asked).awaiting is None
    assert story.cancellation(asked).due_at
    story.heeds(accept(actor=PLATFORM, cancellation=asked, step=1))
    passed = Story(replace(held_by_supplier(), fulfiller_gone=True))
    passed.asked(customer_asks(2))
    decision = passed.heeds(accept(actor=RETAILER))
    assert reported(decision) == [(ESCALATED, 2)]


# At once


def test_a_warehouse_that_says_too_late_declines_at_once_in_its_own_words() -> None:
    """EC-41: no waiting for the deadline."""
    story = Story()
    asked = story.asked(ask(2))
    story.after(seconds=1).heeds(decline(DeclineReason.ALREADY_PICKED, note="picked at 10:00"))
    found = story.cancellation(asked)
    assert (found.state, found.decline_reason, found.answer_note) == (
        State.DECLINED,
        DeclineReason.ALREADY_PICKED,
        "picked at 10:00",
    )


def test_an_own_cancellation_is_no_late_answer() -> None:
    story = Story()
    asked = story.asked(ask(2))
    story.after(hours=48).heeds(pass_deadline(asked))
    story.heeds(cancel_own(1))
    assert story.line.id == LINE
    assert buckets(story.line) == (4, 0, 1, 0)


# The note


@pytest.mark.parametrize(
    ("answer", "state"), [(accept(), State.ACCEPTED), (decline(), State.DECLINED), (withdraw(), State.WITHDRAWN)]
)
def test_a_label_that_cannot_be_voided_is_a_note_and_changes_nothing(answer: LineCommand, state: State) -> None:
    """EC-40."""
    story = Story()
    asked = story.asked(ask(2))
    story.heeds(answer)
    before = story.line
    decision = story.heeds(note("The label could not be voided: 4.95 EUR.", asked, tracking="PostNL 3S1"))
    [event] = decision.events
    assert (event.kind, event.units) == (EventKind.CANCELLATION_NOTED, 2)
    assert (event.note, event.tracking) == ("The label could not be voided: 4.95 EUR.", "PostNL 3S1")
    assert (decision.cancellations, story.cancellation(asked).state) == ((), state)
    assert replace(story.line, seq=before.seq, remarks=frozenset()) == before


def test_the_same_note_by_the_same_party_is_kept_once() -> None:
    story = Story()
    asked = story.asked(ask(2))
    story.heeds(note("4.95 EUR", asked))
    story.repeats(note("4.95 EUR", asked))
    for other in (
        note("4.95 EUR", asked, actor=RETAILER),
        note("4.95 EUR", asked, tracking="3S1"),
        note("9.90 EUR", asked),
    ):
        assert reported(story.heeds(other)) == [(EventKind.CANCELLATION_NOTED, 2)]
    story.heeds(accept())
    assert buckets(story.line) == (3, 0, 2, 0)


def test_only_who_has_to_do_with_it_puts_a_note_to_it() -> None:
    story = Story()
    asked = story.asked(ask(2))
    for stranger in (OTHER_RETAILER, OTHER_SUPPLIER):
        assert story.refuses(note("x", asked, actor=stranger)).kind is RefusalKind.UNKNOWN_LINE
    assert story.refuses(note("x", NOBODYS)).kind is RefusalKind.UNKNOWN_CANCELLATION
    story.heeds(note("x", asked, actor=PLATFORM))
