"""Refunds that share one call: what may join, and that none ever has a key of its own while the shared one may move."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.domain.money.commands import (
    CloseRefund,
    Fellow,
    Movement,
    RefundCommand,
    RetryRefund,
    SendRefund,
    SettleRefund,
    WaitingFor,
)
from countermand.domain.money.decide import decide_refunds
from countermand.domain.money.provider_results import HOLD
from countermand.domain.money.refunds import Refund, RefundKind, RefundState
from countermand.domain.money.shared_calls import (
    Recent,
    fellows_of,
    is_whole,
    join,
    may_join,
    wait_for_equal,
)
from countermand.domain.refusals import Refusal
from tests.domain.money.test_refunds import DUE as ONE
from tests.domain.story import LINE, NOW, PLATFORM, held_by_supplier

DUE = [replace(ONE, id=UUID(int=0xF0 + n), provider="mollie", amount_minor=1000) for n in range(3)]
WEEK = timedelta(days=7)


def send(refunds: list[Refund]) -> SendRefund:
    first, *rest = refunds
    return SendRefund(
        line=LINE, refund=first.id, actor=PLATFORM, attempts=first.attempts, fellows=tuple(map(fellow, rest))
    )


def hear(refunds: list[Refund], movement: Movement, **more: Any) -> SettleRefund:
    first, *rest = refunds
    return SettleRefund(
        line=LINE,
        refund=first.id,
        actor=PLATFORM,
        attempts=first.attempts,
        movement=movement,
        result="So they say.",
        fellows=tuple(map(fellow, rest)),
        **more,
    )


def fellow(refund: Refund) -> Fellow:
    return Fellow(line=LINE, refund=refund.id, attempts=refund.attempts)


def after(refunds: list[Refund], command: RefundCommand, later: timedelta = timedelta(0)) -> list[Refund]:
    """The refunds once a command was decided on those that it names."""
    known = {each.id: each for each in refunds}
    line = held_by_supplier()
    outcome = decide_refunds({line.id: line}, known, command, NOW + later, uuid4)
    if not isinstance(outcome, Refusal):
        known |= {before.id: settled.refund for before, settled in outcome}
    return list(known.values())


SENT = after(DUE, send(DUE))


def test_those_who_share_a_call_have_its_key_and_its_total() -> None:
    assert {each.key for each in SENT} == {DUE[0].key}
    assert {(each.requested_minor, each.rest_minor, each.state) for each in SENT} == {(3000, 1000, RefundState.SENT)}
    assert is_whole(SENT)
    assert not is_whole(SENT[1:])


@pytest.mark.parametrize(
    "changes",
    [
        {"state": RefundState.SENT},
        {"kind": RefundKind.RELEASE},
        {"sent_at": NOW},
        {"movement": Movement.ABSENT},
        {"moved_minor": 1, "paid_minor": 1},
        {"elsewhere_minor": 1000},
        {"joined": SENT[0].joined},
    ],
    ids=str,
)
def test_only_what_nobody_has_sent_joins(changes: dict[str, Any]) -> None:
    other = replace(DUE[1], **changes)
    assert may_join(DUE[1])
    assert not may_join(other)
    assert fellows_of(DUE[0], [other]) == ()
    assert after([DUE[0], other], send([DUE[0], other])) == [DUE[0], other], "all or none"


@pytest.mark.parametrize(
    "changes", [{"provider": "stripe"}, {"payment_reference": "tr_2"}, {"currency": "SEK"}], ids=str
)
def test_only_refunds_of_one_payment_join(changes: dict[str, Any]) -> None:
    other = replace(DUE[1], **changes)
    assert fellows_of(DUE[0], [other]) == ()
    assert after([DUE[0], other], send([DUE[0], other])) == [DUE[0], other]


@pytest.mark.parametrize(
    ("movement", "more", "state", "same_key"),
    [
        (Movement.CONFIRMED, {"amount_minor": 3000}, RefundState.CONFIRMED, True),
        (Movement.CONFIRMED, {"amount_minor": 1000}, RefundState.PARKED, True),
        (Movement.ACCEPTED, {}, RefundState.ACCEPTED, True),
        (Movement.UNKNOWN, {}, RefundState.UNKNOWN, True),
        (Movement.UNKNOWN, {"needs_person": True}, RefundState.PARKED, True),
        (Movement.LATER, {}, RefundState.DUE, True),
        (Movement.ABSENT, {}, RefundState.DUE, True),
        (Movement.LATER, {"spent": True, "waiting_for": WaitingFor.EQUAL_REFUND}, RefundState.DUE, False),
        (Movement.LATER, {"spent": True, "waiting_for": WaitingFor.FUNDS}, RefundState.DUE, False),
        (Movement.REFUSED, {"spent": True}, RefundState.DUE, False),
        (Movement.REFUSED, {"provider_reference": "re_1"}, RefundState.PARKED, True),
        (Movement.REFUSED, {"waiting_for": WaitingFor.FUNDS}, RefundState.DUE, False),
    ],
)
def test_a_word_is_heard_by_all(movement: Movement, more: dict[str, Any], state: RefundState, same_key: bool) -> None:
    heard = after(SENT, hear(SENT, movement, **more))
    assert {(each.state, each.key == SENT[0].key) for each in heard} == {(state, same_key)}
    own = 1 if same_key else 3
    assert len({each.key for each in heard}) == own


def test_what_was_turned_down_is_tried_alone_and_what_only_waited_together() -> None:
    alone = after(SENT, hear(SENT, Movement.REFUSED, spent=True))
    waited = after(SENT, hear(SENT, Movement.LATER, spent=True, waiting_for=WaitingFor.EQUAL_REFUND))
    assert [may_join(each) for each in alone] == [False] * 3
    assert [may_join(each) for each in waited] == [True] * 3


@pytest.mark.parametrize("movement", Movement)
def test_a_word_that_is_not_for_all_is_for_none(movement: Movement) -> None:
    left = [replace(SENT[0], round=9), *SENT[1:]]
    assert after(left, hear(left, movement)) == left
    stale = [replace(SENT[0], attempts=5), *SENT[1:]]
    if movement is not Movement.CONFIRMED:
        assert after(stale, hear(SENT, movement)) == stale


def test_one_that_a_person_took_out_stops_the_call() -> None:
    parked = after(SENT, hear(SENT, Movement.UNKNOWN, needs_person=True))
    close = CloseRefund(line=LINE, refund=parked[1].id, actor=PLATFORM, paid=True, note="by bank")
    closed = after(parked, close)
    retry = RetryRefund(line=LINE, refund=parked[0].id, actor=PLATFORM, note="")
    again = after(closed, retry)
    assert again[0].key == SENT[0].key
    assert after(again, send(again)) == again, "incomplete"
    assert after(again, send([again[0], again[2]])) == again
    assert after(again, send(again[:1])) == again
    soon = after(again, hear([again[0], again[2]], Movement.ABSENT, incomplete=True), HOLD / 2)
    assert soon[0].key == SENT[0].key, "the call may still arrive"
    later = after(again, hear([again[0], again[2]], Movement.ABSENT, incomplete=True), HOLD * 2)
    assert (later[0].key != SENT[0].key, may_join(later[0])) == (True, True)


amounts = st.lists(st.integers(1, 5), min_size=1, max_size=40)


@given(amounts, st.lists(st.integers(1, 40), min_size=40, max_size=40))
def test_none_waits_longer_than_an_hour_after_the_last(parts: list[int], gaps: list[int]) -> None:
    """Refunds fall due minutes apart; each call takes all that wait. The provider never sees an equal one too early."""
    apart, now, recent = timedelta(hours=1), NOW, list[Recent]()
    waiting: list[Refund] = []
    pending: list[tuple[int, Any]] = list(zip(parts, gaps, strict=False))
    last = NOW
    while pending or waiting:
        if pending:
            part, gap = pending.pop(0)
            now += timedelta(minutes=gap)
            last = now
            waiting.append(replace(DUE[0], id=uuid4(), amount_minor=part))
        else:
            now += wait_for_equal(waiting, recent, apart, now)
        if waiting and not wait_for_equal(waiting, recent, apart, now):
            total = join(waiting)[0].requested_minor
            assert all(now - each.made_at >= apart for each in recent if each.amount_minor == total)
            assert total == sum(each.rest_minor for each in waiting)
            recent.append(Recent(amount_minor=total, made_at=now))
            waiting = []
    assert now - last <= apart


WORDS = [
    (Movement.CONFIRMED, {}),
    (Movement.ACCEPTED, {}),
    (Movement.UNKNOWN, {}),
    (Movement.UNKNOWN, {"needs_person": True}),
    (Movement.ABSENT, {}),
    (Movement.LATER, {}),
    (Movement.LATER, {"spent": True, "waiting_for": WaitingFor.FUNDS}),
    (Movement.REFUSED, {"spent": True}),
    (Movement.REFUSED, {"provider_reference": "re_1"}),
]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("send")),
            st.tuples(st.just("hear"), st.sampled_from(range(len(WORDS)))),
            st.tuples(st.just("retry"), st.integers(0, 2)),
            st.tuples(st.just("pay"), st.integers(0, 2)),
        ),
        max_size=12,
    )
)
def test_however_it_goes_no_money_moves_twice(steps: list[Any]) -> None:
    """A provider that does whatever was sent, whether or not it said so, as long as it did not say no for certain."""
    refunds, can_move = SENT, {SENT[0].key: {each.id for each in SENT}}
    for kind, *rest in steps:
        group = [refunds[0], *fellows_of(refunds[0], refunds)]
        match kind, rest:
            case "send", _:
                sent = after(refunds, send(group))
                if sent != refunds:
                    now = {each.id: each for each in sent}
                    can_move.setdefault(now[group[0].id].key, {each.id for each in group})
                refunds = sent
            case "hear", [number]:
                movement, more = WORDS[number]
                incomplete = bool(refunds[0].shared) and not is_whole(group)
                heard = after(refunds, hear(group, movement, incomplete=incomplete, **more), WEEK)
                no = movement is Movement.REFUSED or more.get("spent") or (incomplete and movement is Movement.ABSENT)
                if no and heard != refunds:
                    can_move.pop(group[0].key, None)
                refunds = heard
            case "retry", [place]:
                command = RetryRefund(line=LINE, refund=refunds[place].id, actor=PLATFORM, note="")
                refunds = after(refunds, command)
            case "pay", [place]:
                close = CloseRefund(line=LINE, refund=refunds[place].id, actor=PLATFORM, paid=True, note="by bank")
                refunds = after(refunds, close)
        moved = [id_ for ids in can_move.values() for id_ in ids]
        assert len(moved) == len(set(moved)), "two keys may move the same refund"
