"""What becomes of the refunds of an order: those that follow from cancelled units, and the commands on one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar, assert_never
from uuid import UUID

from countermand.domain.cancellation import NewId
from countermand.domain.events import EventKind
from countermand.domain.line import Line
from countermand.domain.money import manual, provider_results
from countermand.domain.money.commands import (
    CloseRefund,
    CorrectRefund,
    Fellow,
    RefundCommand,
    RetryRefund,
    SendRefund,
    SettleRefund,
)
from countermand.domain.money.journal import commission_postings, with_postings
from countermand.domain.money.pricing import OrderMoney, Payment, Returned
from countermand.domain.money.refunds import MANUAL, Posting, Refund, RefundKind, RefundOutcome, RefundState, outcome_of
from countermand.domain.money.shared_calls import attempts_after, fellows_of, is_whole, join, may_join, share_one_call
from countermand.domain.refusals import UNKNOWN_REFUND, Refusal, RefusalKind

C = TypeVar("C", SendRefund, SettleRefund)


def refunds_due(
    line: Line, cancellation: UUID, money: OrderMoney, back: Returned, new_id: NewId, now: datetime
) -> tuple[list[RefundOutcome], list[Posting]]:
    """The refunds that follow from cancelled units, one for each payment that gives something back; and commission."""
    payments = {payment.id: payment for payment in money.payments}
    outcomes: list[RefundOutcome] = []
    for part in back.payments:
        for kind, amount in ((RefundKind.REFUND, part.refund_minor), (RefundKind.RELEASE, part.release_minor)):
            if amount:
                payment = payments[part.payment]
                fresh = _fresh(line, cancellation, payment, kind, amount, money.currency, new_id(), now)
                outcomes.append(with_postings(None, outcome_of(line, fresh, EventKind.REFUND_DUE)))
                line = outcomes[-1].decision.line
    return outcomes, commission_postings(money, back)


def decide_refund(
    line: Line, refund: Refund, command: RefundCommand, now: datetime, new_id: NewId
) -> RefundOutcome | Refusal:
    """Decide one command on one refund. Never raises for a business case."""
    outcome = _decided(line, refund, command, now, new_id)
    if isinstance(outcome, Refusal):
        return outcome
    return with_postings(refund, outcome, EventKind.REFUND_CORRECTED if isinstance(command, CorrectRefund) else None)


def _decided(
    line: Line, refund: Refund, command: RefundCommand, now: datetime, new_id: NewId
) -> RefundOutcome | Refusal:
    match command:
        case SendRefund():
            return provider_results.send(line, refund, command, now)
        case SettleRefund():
            return provider_results.settle(line, refund, command, now, new_id)
        case CloseRefund():
            return manual.close(line, refund, command, now)
        case RetryRefund():
            return manual.retry(line, refund, command, now)
        case CorrectRefund():
            return manual.correct(line, refund, command, now)
        case _:  # pragma: no cover
            assert_never(command)


def decide_refunds(
    lines: Mapping[UUID, Line],
    refunds: Mapping[UUID, Refund],
    command: RefundCommand,
    now: datetime,
    new_id: NewId,
) -> tuple[tuple[Refund, RefundOutcome], ...] | Refusal:
    """Decide one command on a refund and on those that share its call: each refund before, and its outcome.

    If the command is refused for one of them, it is refused for all.
    """
    named = [Fellow(line=command.line, refund=command.refund, attempts=0)]
    if isinstance(command, SendRefund | SettleRefund):
        named = [replace(named[0], attempts=command.attempts, step=command.step), *command.fellows]
    found = [refunds[each.refund] for each in named if each.refund in refunds]
    if [(each.id, each.line) for each in found] != [(each.refund, each.line) for each in named]:
        return UNKNOWN_REFUND
    if isinstance(command, SendRefund):
        return _send(lines, found, named, command, now, new_id)
    if isinstance(command, SettleRefund):
        return _settle(lines, found, named, command, now, new_id)
    return _each(lines, found, [command], now, new_id)


def _send(
    lines: Mapping[UUID, Line],
    refunds: Sequence[Refund],
    named: Sequence[Fellow],
    command: SendRefund,
    now: datetime,
    new_id: NewId,
) -> tuple[tuple[Refund, RefundOutcome], ...] | Refusal:
    again = any(each.shared for each in refunds)
    if again and not (share_one_call(refunds) and is_whole(refunds)):
        return _CHANGED
    if not again and len(fellows_of(refunds[0], refunds)) + 1 < len(refunds):
        return _CHANGED
    sending = refunds if again or len(refunds) == 1 else join(refunds)
    alone = replace(command, fellows=())
    decided = _each(lines, sending, [_about(each, alone) for each in named], now, new_id)
    if isinstance(decided, Refusal):
        return decided
    # From now on all of them have the same calls, so their counts are the same.
    return tuple(
        (before, replace(outcome, refund=replace(outcome.refund, attempts=attempts_after(refunds))))
        for before, (_, outcome) in zip(refunds, decided, strict=True)
    )


def _settle(
    lines: Mapping[UUID, Line],
    refunds: Sequence[Refund],
    named: Sequence[Fellow],
    command: SettleRefund,
    now: datetime,
    new_id: NewId,
) -> tuple[tuple[Refund, RefundOutcome], ...] | Refusal:
    waiting = all(may_join(each) for each in refunds)
    if len(refunds) > 1 and not (waiting or share_one_call(refunds)):
        return _CHANGED
    own = replace(command, fellows=())
    # What others refunded is counted once. What earlier calls moved differs from refund to refund.
    theirs = replace(own, elsewhere_minor=0, earlier_minor=None)
    return _each(lines, refunds, [own, *(_about(each, theirs) for each in named[1:])], now, new_id)


def _about(refund: Fellow, command: C) -> C:
    """The same command, about this refund."""
    return replace(command, line=refund.line, refund=refund.refund, attempts=refund.attempts, step=refund.step)


def _each(
    lines: Mapping[UUID, Line],
    refunds: Sequence[Refund],
    commands: Sequence[RefundCommand],
    now: datetime,
    new_id: NewId,
) -> tuple[tuple[Refund, RefundOutcome], ...] | Refusal:
    """Decide one refund after the other, each on its line as the refunds before left it."""
    latest, decided = dict(lines), []
    for refund, command in zip(refunds, commands, strict=True):
        outcome = decide_refund(latest[refund.line], refund, command, now, new_id)
        if isinstance(outcome, Refusal):
            return outcome
        latest[refund.line] = outcome.decision.line
        decided.append((refund, outcome))
    return tuple(decided)


_CHANGED = Refusal(kind=RefusalKind.REFUND_NOT_OPEN, detail="The refunds that share one call have changed meanwhile.")


def _fresh(
    line: Line,
    cancellation: UUID,
    payment: Payment,
    kind: RefundKind,
    amount_minor: int,
    currency: str,
    id: UUID,  # noqa: A002 - a refund's id is its id
    now: datetime,
) -> Refund:
    by_hand = payment.provider == MANUAL
    return Refund(
        id=id,
        order=line.order,
        line=line.id,
        cancellation=cancellation,
        payment=payment.id,
        provider=payment.provider,
        payment_reference=payment.reference,
        method=payment.method,
        kind=kind,
        amount_minor=amount_minor,
        currency=currency,
        state=RefundState.BY_HAND if by_hand else RefundState.DUE,
        created_at=now,
        due_at=None if by_hand else now,
    )
