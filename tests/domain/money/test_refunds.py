"""A refund's life: what each word does to it, and what no word can do."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from countermand.domain.dates import write_moment
from countermand.domain.events import EventKind
from countermand.domain.money.commands import (
    CloseRefund,
    CorrectRefund,
    Movement,
    RefundCommand,
    RetryRefund,
    SendRefund,
    SettleRefund,
)
from countermand.domain.money.decide import decide_refund, refunds_due
from countermand.domain.money.pricing import Method, OrderMoney, Payment, quote
from countermand.domain.money.provider_results import ATTEMPTS_MAX, GIVE_UP_AFTER, HOLD, must_ask_first
from countermand.domain.money.refunds import CHECK_EVERY, UNDER_WAY, Refund, RefundKind, RefundOutcome, RefundState
from countermand.domain.refusals import Refusal, RefusalKind
from tests.domain.pricing import line as priced_line
from tests.domain.story import LINE, NOW, PLATFORM, held_by_supplier

RFD, CAN = UUID(int=0xF1), UUID(int=0xCA)
DUE = Refund(
    id=RFD,
    order=held_by_supplier().order,
    line=LINE,
    cancellation=CAN,
    payment="card",
    provider="stripe",
    payment_reference="pi_1",
    method=Method.CARD,
    kind=RefundKind.REFUND,
    amount_minor=1000,
    currency="EUR",
    state=RefundState.DUE,
    created_at=NOW,
    due_at=NOW,
)
SENT = replace(DUE, state=RefundState.SENT, attempts=1, sent_at=NOW, due_at=NOW + HOLD)
PARKED = replace(SENT, state=RefundState.PARKED, due_at=None, movement=Movement.REFUSED)
DONE = replace(SENT, state=RefundState.CONFIRMED, due_at=None, settled_at=NOW, movement=Movement.CONFIRMED)
CLOSED = replace(SENT, state=RefundState.CLOSED, due_at=None, settled_at=NOW)
BY_HAND = replace(DUE, state=RefundState.BY_HAND, provider="manual", due_at=None)
ALL = (DUE, SENT, replace(SENT, state=RefundState.ACCEPTED), replace(SENT, state=RefundState.UNKNOWN), PARKED, DONE)


def send(attempts: int = 0) -> SendRefund:
    return SendRefund(line=LINE, refund=RFD, actor=PLATFORM, attempts=attempts)


def hear(movement: Movement, attempts: int = 1, **more: Any) -> SettleRefund:
    return SettleRefund(
        line=LINE, refund=RFD, actor=PLATFORM, attempts=attempts, movement=movement, result="as it says", **more
    )


def close(*, paid: bool) -> CloseRefund:
    return CloseRefund(line=LINE, refund=RFD, actor=PLATFORM, paid=paid, note="by bank")


RETRY = RetryRefund(line=LINE, refund=RFD, actor=PLATFORM, note="funds are there")


def after(refund: Refund, command: RefundCommand, **later: float) -> RefundOutcome:
    outcome = decide_refund(held_by_supplier(), refund, command, NOW + timedelta(**later), uuid4)
    assert isinstance(outcome, RefundOutcome), outcome
    assert outcome.decision.line.seq == held_by_supplier().seq + len(outcome.decision.events)
    assert (outcome.refund.due_at is not None) == (outcome.refund.state in UNDER_WAY)
    return outcome


def refused(refund: Refund, command: RefundCommand) -> None:
    outcome = decide_refund(held_by_supplier(), refund, command, NOW, uuid4)
    assert isinstance(outcome, Refusal)
    assert outcome.kind is RefusalKind.REFUND_NOT_OPEN


def kinds(settled: RefundOutcome) -> list[EventKind]:
    return [event.kind for event in settled.decision.events]


def moves(settled: RefundOutcome) -> list[tuple[str, str, int]]:
    return [(each.debit, each.credit, each.amount_minor) for each in settled.postings]


def test_the_intent_is_written_before_the_call_and_told_once() -> None:
    first = after(DUE, send())
    assert (first.refund.state, first.refund.attempts, first.refund.sent_at) == (RefundState.SENT, 1, NOW)
    assert first.refund.due_at == NOW + HOLD
    assert kinds(first) == [EventKind.REFUND_SENT]
    again = after(first.refund, send(1), minutes=3)
    assert (again.refund.attempts, again.refund.sent_at, again.refund.key) == (2, NOW, DUE.key)
    assert kinds(again) == []


@pytest.mark.parametrize("refund", [SENT, PARKED, DONE, BY_HAND, CLOSED], ids=lambda each: each.state)
def test_what_another_worker_took_up_or_settled_is_not_sent(refund: Refund) -> None:
    refused(refund, send(refund.attempts + 7))
    if refund.state not in UNDER_WAY:
        refused(refund, send(refund.attempts))


def test_the_key_is_the_refunds_own_and_stays() -> None:
    assert DUE.key == f"cm-refund-{RFD.hex}-1"
    for movement in (Movement.LATER, Movement.UNKNOWN, Movement.ABSENT, Movement.ACCEPTED):
        assert after(SENT, hear(movement)).refund.key == DUE.key


def test_ec_60_of_what_was_refunded_outside_only_the_rest_is_sent() -> None:
    part = replace(SENT, elsewhere_minor=300)
    assert part.rest_minor == 700
    settled = after(part, hear(Movement.CONFIRMED, amount_minor=700))
    assert settled.refund.state is RefundState.CONFIRMED
    assert moves(settled) == [("refunds_due", "provider:stripe", 700)], "the rest was posted as it was counted"


def test_confirmed_money_is_posted_and_told() -> None:
    settled = after(SENT, hear(Movement.CONFIRMED, provider_reference="re_1", amount_minor=1000, currency="EUR"))
    assert (settled.refund.state, settled.refund.provider_reference) == (RefundState.CONFIRMED, "re_1")
    assert kinds(settled) == [EventKind.REFUND_DONE]
    assert moves(settled) == [("refunds_due", "provider:stripe", 1000)]


@pytest.mark.parametrize("other", [{"amount_minor": 999}, {"currency": "USD"}])
def test_ec_50_another_amount_or_currency_than_wished_is_parked(other: dict[str, Any]) -> None:
    settled = after(SENT, hear(Movement.CONFIRMED, **other))
    assert settled.refund.state is RefundState.PARKED
    assert kinds(settled) == [EventKind.REFUND_FAILED]
    assert moves(settled) == []
    refused(settled.refund, RETRY)


@pytest.mark.parametrize(
    ("movement", "state"),
    [
        (Movement.LATER, RefundState.DUE),
        (Movement.ABSENT, RefundState.DUE),
        (Movement.UNKNOWN, RefundState.UNKNOWN),
        (Movement.ACCEPTED, RefundState.ACCEPTED),
        (Movement.REFUSED, RefundState.PARKED),
    ],
)
def test_every_other_word_waits_or_parks(movement: Movement, state: RefundState) -> None:
    settled = after(SENT, hear(movement))
    assert settled.refund.state is state
    assert settled.refund.last_result == "as it says"
    assert moves(settled) == []
    assert kinds(settled) == ([EventKind.REFUND_FAILED] if state is RefundState.PARKED else [])


def test_a_wish_of_the_provider_to_wait_is_heeded() -> None:
    assert after(SENT, hear(Movement.LATER, retry_after_s=900.0)).refund.due_at == NOW + timedelta(seconds=900)
    assert after(SENT, hear(Movement.LATER)).refund.due_at == NOW + timedelta(seconds=5)


def test_what_cannot_even_be_sent_is_tried_ever_more_rarely() -> None:
    waits = [
        (at, settled.refund.due_at - NOW - timedelta(hours=at))
        for at in (0, 4, 400)
        if (settled := after(DUE, hear(Movement.LATER, 0), hours=at)).refund.due_at
    ]
    assert waits == [(0, timedelta(seconds=5)), (4, timedelta(hours=1)), (400, timedelta(hours=4))]


def test_what_a_bank_has_for_long_is_asked_for_rarely() -> None:
    assert after(SENT, hear(Movement.ACCEPTED)).refund.due_at == NOW + timedelta(minutes=10)
    waiting = after(SENT, hear(Movement.ACCEPTED), days=8).refund
    assert waiting.due_at == NOW + timedelta(days=8, hours=12)


def test_the_provider_is_asked_first_when_it_has_the_refund_or_may_have_forgotten_its_key() -> None:
    lifetime = timedelta(hours=23)
    assert not must_ask_first(DUE, NOW, lifetime)
    assert not must_ask_first(SENT, NOW + timedelta(hours=22), lifetime)
    assert must_ask_first(SENT, NOW + timedelta(hours=23), lifetime)
    assert must_ask_first(replace(SENT, state=RefundState.ACCEPTED), NOW, lifetime)
    absent = after(SENT, hear(Movement.ABSENT), hours=30).refund
    assert not must_ask_first(absent, NOW + timedelta(hours=31), lifetime), "asked, so it may be sent again"


@pytest.mark.parametrize("movement", [Movement.UNKNOWN, Movement.LATER, Movement.ACCEPTED, Movement.ABSENT])
def test_nothing_waits_for_ever(movement: Movement) -> None:
    late = decide_refund(held_by_supplier(), SENT, hear(movement), NOW + GIVE_UP_AFTER + timedelta(seconds=1), uuid4)
    assert isinstance(late, RefundOutcome)
    assert late.refund.state is RefundState.PARKED
    often = replace(SENT, attempts=ATTEMPTS_MAX)
    assert after(often, hear(movement, ATTEMPTS_MAX)).refund.state is RefundState.PARKED


def test_a_late_word_of_an_earlier_call_counts_only_if_money_moved() -> None:
    twice = replace(SENT, attempts=2)
    refused(twice, hear(Movement.REFUSED, 1))
    assert after(twice, hear(Movement.CONFIRMED, 1)).refund.state is RefundState.CONFIRMED


@pytest.mark.parametrize("movement", [each for each in Movement if each is not Movement.REFUSED])
def test_what_is_done_stays_done(movement: Movement) -> None:
    settled = after(DONE, hear(movement))
    assert settled.refund == replace(DONE, last_result=settled.refund.last_result)
    assert (kinds(settled), moves(settled)) == ([], [])


@pytest.mark.parametrize("refund", [PARKED, CLOSED, BY_HAND], ids=lambda each: each.state)
def test_a_word_that_settles_nothing_changes_nothing_that_waits_for_a_person(refund: Refund) -> None:
    assert after(refund, hear(Movement.UNKNOWN, refund.attempts)).refund == refund


@pytest.mark.parametrize("refund", [DUE, PARKED, BY_HAND], ids=lambda each: each.state)
def test_a_provider_may_confirm_before_it_answers(refund: Refund) -> None:
    assert after(refund, hear(Movement.CONFIRMED)).refund.state is RefundState.CONFIRMED


def test_ec_59_a_late_failure_reopens_the_refund_and_takes_the_posting_back() -> None:
    settled = after(DONE, hear(Movement.REFUSED), days=3)
    assert (settled.refund.state, settled.refund.settled_at) == (RefundState.PARKED, None)
    assert kinds(settled) == [EventKind.REFUND_FAILED]
    assert moves(settled) == [("provider:stripe", "refunds_due", 1000)]
    again = after(settled.refund, RETRY, days=3).refund
    assert again.key != DONE.key


def test_a_person_pays_what_waits_for_one() -> None:
    for refund in (BY_HAND, PARKED):
        settled = after(refund, close(paid=True))
        assert (settled.refund.state, settled.refund.note) == (RefundState.CONFIRMED, "by bank")
        assert kinds(settled) == [EventKind.REFUND_DONE]


def test_a_person_closes_with_a_note_and_nothing_is_owed_any_more() -> None:
    settled = after(PARKED, close(paid=False))
    assert (settled.refund.state, settled.refund.note) == (RefundState.CLOSED, "by bank")
    assert kinds(settled) == [EventKind.REFUND_CLOSED]
    assert moves(settled) == [("refunds_due", "retailer", 1000)]


@pytest.mark.parametrize("refund", [DUE, SENT, DONE, CLOSED], ids=lambda each: each.state)
def test_nobody_closes_what_is_under_way_or_done(refund: Refund) -> None:
    refused(refund, close(paid=True))
    refused(refund, RETRY)


def test_money_that_moved_though_it_was_given_up_is_in_the_books() -> None:
    settled = after(CLOSED, hear(Movement.CONFIRMED))
    assert moves(settled) == [("retailer", "refunds_due", 1000), ("refunds_due", "provider:stripe", 1000)]


def test_only_a_definite_refusal_gets_a_new_key() -> None:
    assert after(PARKED, RETRY).refund.round == 2
    lost = replace(PARKED, movement=Movement.UNKNOWN)
    assert after(lost, RETRY).refund.key == lost.key


def test_an_answer_that_is_kept_for_the_key_needs_another_key() -> None:
    waiting = after(SENT, hear(Movement.LATER, spent=True)).refund
    assert (waiting.round, waiting.sent_at, waiting.state) == (2, None, RefundState.DUE)
    assert after(SENT, hear(Movement.UNKNOWN, spent=True)).refund.key == SENT.key, "it may have moved"


def test_what_is_released_is_in_no_account() -> None:
    release = replace(SENT, kind=RefundKind.RELEASE)
    settled = after(release, hear(Movement.CONFIRMED))
    assert (settled.refund.state, moves(settled)) == (RefundState.CONFIRMED, [])
    [reported] = settled.decision.events
    assert reported.refund is not None
    assert reported.refund.released


def test_each_payment_owes_its_own_part() -> None:
    payments = (
        Payment(id="gift", provider="manual", reference="G", method=Method.GIFT_CARD, captured_minor=300),
        Payment(id="card", provider="stripe", reference="pi_1", captured_minor=500, authorised_minor=200),
    )
    lines = (priced_line(1, 1, 1000, commission_minor=50),)
    money = OrderMoney(currency="EUR", lines=lines, payments=payments, commission_returned=True)
    ids = iter(UUID(int=n) for n in range(1, 9))
    settled, commission = refunds_due(
        held_by_supplier(), CAN, money, quote(money, {}, {lines[0].id: 1}), lambda: next(ids), NOW
    )
    assert [(each.refund.payment, each.refund.kind, each.refund.amount_minor) for each in settled] == [
        ("gift", RefundKind.REFUND, 300),
        ("card", RefundKind.REFUND, 500),
        ("card", RefundKind.RELEASE, 200),
    ]
    assert [each.refund.state for each in settled] == [RefundState.BY_HAND, RefundState.DUE, RefundState.DUE]
    assert [each.decision.events[0].seq for each in settled] == [2, 3, 4]
    assert [moves(each) for each in settled] == [
        [("retailer", "refunds_due", 300)],
        [("retailer", "refunds_due", 500)],
        [],
    ]
    assert [(each.debit, each.credit, each.amount_minor) for each in commission] == [("commission", "retailer", 50)]
    assert refunds_due(held_by_supplier(), CAN, money, quote(money, {}, {}), lambda: next(ids), NOW) == ([], [])


WATCHED = timedelta(days=30)


@pytest.mark.parametrize(
    ("refund", "movement", "wait"),
    [
        (SENT, Movement.CONFIRMED, timedelta(days=1)),
        (SENT, Movement.REFUSED, timedelta(days=1)),
        (SENT, Movement.ACCEPTED, None),
        (DONE, Movement.CONFIRMED, timedelta(days=1)),
        (DONE, Movement.ABSENT, timedelta(days=1)),
        (DONE, Movement.UNKNOWN, timedelta(hours=1)),
        (PARKED, Movement.REFUSED, timedelta(days=1)),
        (PARKED, Movement.LATER, timedelta(hours=1)),
        (CLOSED, Movement.REFUSED, None),
        (replace(SENT, kind=RefundKind.RELEASE), Movement.CONFIRMED, None),
    ],
)
def test_what_nobody_works_on_is_asked_about_again(refund: Refund, movement: Movement, wait: timedelta | None) -> None:
    heard = after(refund, hear(movement, watch_for=WATCHED)).refund
    assert heard.check_at == (NOW + wait if wait else None)


def test_nothing_is_asked_about_for_ever() -> None:
    watched = hear(Movement.CONFIRMED, watch_for=WATCHED)
    assert after(DONE, watched, days=29).refund.check_at == NOW + timedelta(days=30)
    assert after(DONE, watched, days=29, seconds=1).refund.check_at is None
    assert after(PARKED, hear(Movement.UNKNOWN, watch_for=WATCHED), days=31).refund.check_at is None


def test_what_a_person_has_seen_to_is_not_asked_about() -> None:
    checked = replace(PARKED, check_at=NOW)
    for command in (close(paid=True), close(paid=False), RETRY):
        assert after(checked, command).refund.check_at is None


def test_a_refund_is_not_closed_unpaid_without_a_reason() -> None:
    outcome = decide_refund(held_by_supplier(), PARKED, replace(close(paid=False), note=" "), NOW, uuid4)
    assert isinstance(outcome, Refusal)
    assert outcome.kind is RefusalKind.REASON_REQUIRED


def test_what_a_person_paid_otherwise_the_provider_cannot_take_back() -> None:
    paid = after(PARKED, close(paid=True)).refund
    assert after(paid, hear(Movement.REFUSED, watch_for=WATCHED)).refund == paid


@pytest.mark.parametrize("movement", [Movement.REFUSED, Movement.ABSENT])
def test_ec_60_a_parked_refund_counts_what_was_refunded_by_hand(movement: Movement) -> None:
    part = after(PARKED, hear(movement, elsewhere_minor=300))
    assert (part.refund.state, part.refund.rest_minor, kinds(part)) == (RefundState.PARKED, 700, [])
    whole = after(part.refund, hear(movement, elsewhere_minor=900))
    assert (whole.refund.state, whole.refund.rest_minor) == (RefundState.CONFIRMED, 0)
    assert (moves(part), moves(whole)) == (
        [("refunds_due", "provider:stripe", 300)],
        [("refunds_due", "provider:stripe", 700)],
    )


@pytest.mark.parametrize("movement", [Movement.UNKNOWN, Movement.ACCEPTED, Movement.LATER])
def test_nothing_is_counted_for_what_may_still_move(movement: Movement) -> None:
    assert after(PARKED, hear(movement, elsewhere_minor=300)).refund == PARKED
    moved = replace(PARKED, movement=Movement.CONFIRMED)
    assert after(moved, hear(Movement.ABSENT, elsewhere_minor=300)).refund == moved


def test_another_amount_is_told_once_and_is_owed_again_if_it_had_been_given_up() -> None:
    other = hear(Movement.CONFIRMED, amount_minor=999)
    parked = after(CLOSED, other)
    assert (parked.refund.state, kinds(parked)) == (RefundState.PARKED, [EventKind.REFUND_FAILED])
    assert moves(parked) == [("retailer", "refunds_due", 1000)]
    assert kinds(after(parked.refund, other)) == []


@pytest.mark.parametrize(
    ("refund", "sentence"),
    [
        (BY_HAND, "This refund is waiting for manual payment."),
        (DUE, "This refund is due and will be sent to its provider."),
        (SENT, "This refund has been sent to its provider."),
        (
            replace(SENT, state=RefundState.ACCEPTED),
            "This refund has been accepted by its provider, which will report when it is done.",
        ),
        (
            replace(SENT, state=RefundState.UNKNOWN),
            "This refund has been sent, and its provider has not answered.",
        ),
        (
            replace(DONE, settled_at=NOW),
            f"This refund is done (since {write_moment(NOW, 'seconds')}).",
        ),
        (
            replace(CLOSED, settled_at=NOW),
            f"This refund is closed, and nothing is paid back (since {write_moment(NOW, 'seconds')}).",
        ),
        (
            replace(PARKED, movement=Movement.CONFIRMED, last_result="Other amount than wished: 3.00 USD"),
            "The provider has moved money for this refund, so it is not tried again: mark it as paid, or close it."
            " The provider says: Other amount than wished: 3.00 USD.",
        ),
        (
            replace(PARKED, movement=Movement.CONFIRMED, last_result=""),
            "The provider has moved money for this refund, so it is not tried again: mark it as paid, or close it.",
        ),
    ],
)
def test_a_refund_that_is_not_tried_again_says_why(refund: Refund, sentence: str) -> None:
    command = RetryRefund(line=refund.line, refund=refund.id, actor=PLATFORM, note="")
    outcome = decide_refund(held_by_supplier(), refund, command, NOW, uuid4)
    assert isinstance(outcome, Refusal)
    assert outcome.detail == sentence


def test_a_parked_refund_cannot_be_sent_by_a_worker() -> None:
    command = SendRefund(line=PARKED.line, refund=PARKED.id, actor=PLATFORM, attempts=PARKED.attempts)
    outcome = decide_refund(held_by_supplier(), PARKED, command, NOW, uuid4)
    assert isinstance(outcome, Refusal)
    assert outcome.detail.startswith("This refund is parked and waits for a person")


def correct(refund: Refund, elsewhere_minor: int) -> CorrectRefund:
    return CorrectRefund(
        line=LINE, refund=RFD, actor=PLATFORM, step=refund.step, elsewhere_minor=elsewhere_minor, note="by the list"
    )


PARTLY = replace(DONE, elsewhere_minor=400, step=3)
"""4.00 of it was refunded elsewhere, and 6.00 by its provider."""


def test_a_result_of_the_former_key_settles_nothing_of_the_next() -> None:
    """The check of what was done was under way while a person corrected the refund, which owes more since."""
    check = hear(Movement.CONFIRMED, amount_minor=600, step=PARTLY.step, key=PARTLY.key)
    corrected = after(PARTLY, correct(PARTLY, 0))
    owes = corrected.refund
    assert (owes.state, owes.rest_minor, owes.round) == (RefundState.DUE, 400, 2)
    refused(owes, check)
    same_amount = replace(check, amount_minor=400)
    refused(owes, same_amount)


@pytest.mark.parametrize("movement", [each for each in Movement if each is not Movement.CONFIRMED])
def test_a_result_from_before_a_decision_parks_nothing(movement: Movement) -> None:
    result = hear(movement, step=PARKED.step, key=PARKED.key)
    again = after(PARKED, RETRY).refund
    assert again.state is RefundState.DUE
    refused(again, result)


def test_money_that_moved_under_the_present_key_counts_though_something_was_decided_since() -> None:
    silent = replace(PARKED, movement=Movement.UNKNOWN)
    result = hear(Movement.CONFIRMED, amount_minor=1000, step=silent.step, key=silent.key)
    again = after(silent, RETRY).refund
    assert (again.key, again.step) == (silent.key, silent.step + 1)
    assert after(again, result).refund.state is RefundState.CONFIRMED


def test_money_that_moved_under_a_key_that_was_given_up_is_not_sent_once_more() -> None:
    """A provider that contradicts itself: two workers called with one key, and one of them was refused."""
    result = hear(Movement.CONFIRMED, amount_minor=1000, step=SENT.step, key=SENT.key)
    given_up = after(PARKED, RETRY).refund
    assert given_up.key != SENT.key
    assert after(given_up, result).refund.state is RefundState.CONFIRMED


def test_what_was_corrected_since_is_not_sent_as_it_was() -> None:
    """Another worker parked it meanwhile, and a person said that a part went back elsewhere."""
    never_sent = replace(DUE, state=RefundState.PARKED, due_at=None)
    intent = replace(send(), step=never_sent.step)
    less = correct(never_sent, 400)
    corrected = after(never_sent, less).refund
    assert (corrected.state, corrected.attempts, corrected.rest_minor) == (RefundState.DUE, 0, 600)
    refused(corrected, intent)
    assert after(corrected, replace(intent, step=corrected.step)).refund.state is RefundState.SENT


@pytest.mark.parametrize("moved", [0, 400])
def test_what_earlier_calls_moved_is_checked_also_when_a_person_paid_the_rest(moved: int) -> None:
    part = replace(PARKED, round=2, paid_minor=moved, moved_minor=moved, check_at=NOW)
    paid = after(part, close(paid=True)).refund
    assert (paid.state, paid.check_at) == (RefundState.CONFIRMED, NOW + CHECK_EVERY if moved else None)
    assert after(part, close(paid=False)).refund.check_at is None
