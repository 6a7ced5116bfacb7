"""Refunds that share one call, for a provider that takes no second refund of the same amount for a while.

Each of these refunds keeps the whole call: its key, its reference and its total. So whichever of them a worker takes
up, the same call is repeated and moves the money of all of them once. The result is saved for all of them in one
transaction. So no refund gets a key of its own while the shared call may still move money (docs/decisions/0023).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from countermand.domain.money.refunds import UNDER_WAY, Refund, RefundKind, RefundState, SharedCall

_MAY_GO_OUT = UNDER_WAY | {RefundState.PARKED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """A refund that the provider has, and when it was made."""

    amount_minor: int
    made_at: datetime


def may_join(refund: Refund) -> bool:
    """Whether it may share a call: it was not sent under its present key, and nothing of it has moved.

    A refund whose shared call was refused is tried alone.
    """
    due = refund.state is RefundState.DUE and refund.kind is RefundKind.REFUND
    return due and refund.unsent and refund.joined is None and not refund.moved_minor and refund.rest_minor > 0


def fellows_of(refund: Refund, others: Iterable[Refund]) -> tuple[Refund, ...]:
    """The refunds that share its call; if it shares none, those that may share one with it."""
    if refund.shared:
        return tuple(each for each in others if each.id != refund.id and each.call == refund.call)
    if not may_join(refund):
        return ()
    same = (refund.provider, refund.payment_reference, refund.currency)
    return tuple(
        each
        for each in others
        if each.id != refund.id and may_join(each) and (each.provider, each.payment_reference, each.currency) == same
    )


def is_whole(refunds: Sequence[Refund]) -> bool:
    """Whether these are all refunds of a shared call, each with its share. Only then the call is repeated."""
    shares = sum(each.rest_minor for each in refunds if each.state in _MAY_GO_OUT and each.holds_its_share)
    return shares == refunds[0].requested_minor


def join(refunds: Sequence[Refund]) -> tuple[Refund, ...]:
    """The same refunds, sharing one call. The call has the key of the first."""
    total, lead = sum(each.rest_minor for each in refunds), refunds[0]
    return tuple(
        replace(
            each,
            joined=SharedCall(
                lead=lead.id,
                number=lead.round,
                round=each.round,
                share_minor=each.rest_minor,
                total_minor=total,
            ),
        )
        for each in refunds
    )


def after_intent(refunds: Sequence[Refund]) -> tuple[Refund, ...]:
    """These refunds as they are once the intent to send them is saved."""
    sent = join(refunds) if len(refunds) > 1 and not refunds[0].shared else refunds
    return tuple(replace(each, attempts=attempts_after(refunds), step=step_after_intent(each)) for each in sent)


def step_after_intent(refund: Refund) -> int:
    """The step of a refund that is sent: one that is parked goes on, which is a decision."""
    return refund.step + 1 if refund.state is RefundState.PARKED else refund.step


def attempts_after(refunds: Sequence[Refund]) -> int:
    """How many calls all of these count once they are sent together."""
    return max(each.attempts for each in refunds) + 1


def wait_for_equal(refunds: Sequence[Refund], recent: Iterable[Recent], apart: timedelta, now: datetime) -> timedelta:
    """How long the provider takes no refund of the sum of these; zero if it takes one now.

    All of them wait. Refunds that fall due meanwhile join them, which changes the sum. Each call is for all refunds
    that wait, so at the latest this time after the last call the provider takes the next one.
    """
    total = sum(each.rest_minor for each in refunds)
    until = [each.made_at + apart for each in recent if each.amount_minor == total]
    return max([timedelta(0), *(each - now for each in until)])


def share_one_call(refunds: Sequence[Refund]) -> bool:
    """Whether all of these share the same call."""
    return all(each.shared for each in refunds) and len({each.call for each in refunds}) == 1
