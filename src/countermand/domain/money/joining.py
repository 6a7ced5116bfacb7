"""Refunds that share one call to the provider, because it takes no second one of an equal amount for a while.

Every refund that takes part knows the whole call: its key, its reference and its total. So whichever is taken up, by
whomever, the same call is made again and moves the money of all of them once. What the provider says of it, all of
them hear in one transaction; so none has a key of its own while it may move by the shared one (docs/decisions/0023).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from countermand.domain.cancellation import NewId
from countermand.domain.line import Line
from countermand.domain.money.commands import Fellow, RefundCommand, SendRefund, SettleRefund
from countermand.domain.money.refunds import UNDER_WAY, Joined, Refund, RefundKind, RefundState, Settled, decide_refund
from countermand.domain.refusals import UNKNOWN_REFUND, Refusal, RefusalKind

_MAY_GO_OUT = UNDER_WAY | {RefundState.PARKED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """A refund that stands at the provider, and when it was made."""

    amount_minor: int
    made_at: datetime


def may_join(refund: Refund) -> bool:
    """Whether it may share a call: nobody has sent it under its present key, and nothing of it has moved.

    One that was in a call that was turned down is tried alone.
    """
    due = refund.state is RefundState.DUE and refund.kind is RefundKind.REFUND
    return due and refund.unsent and refund.joined is None and not refund.moved_minor and refund.rest_minor > 0


def fellows_of(refund: Refund, others: Iterable[Refund]) -> tuple[Refund, ...]:
    """Those that share its call; or, as long as it shares none, those that may share one with it."""
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
    """Whether these are all that share one call, each with the share that it brought: only then it is made again."""
    shares = sum(each.rest_minor for each in refunds if each.state in _MAY_GO_OUT and each.holds_its_share)
    return shares == refunds[0].wished_minor


def join(refunds: Sequence[Refund]) -> tuple[Refund, ...]:
    """The same refunds, sharing one call. The first leads: the call has its key."""
    total, lead = sum(each.rest_minor for each in refunds), refunds[0]
    return tuple(
        replace(
            each,
            joined=Joined(
                lead=lead.id,
                number=lead.round,
                round=each.round,
                share_minor=each.rest_minor,
                total_minor=total,
            ),
        )
        for each in refunds
    )


def begun(refunds: Sequence[Refund]) -> tuple[Refund, ...]:
    """What was sent, once the intent to send these is written down."""
    sent = join(refunds) if len(refunds) > 1 and not refunds[0].shared else refunds
    return tuple(replace(each, attempts=_begun(refunds)) for each in sent)


def _begun(refunds: Sequence[Refund]) -> int:
    return max(each.attempts for each in refunds) + 1


def wait_for_equal(refunds: Sequence[Refund], recent: Iterable[Recent], apart: timedelta, now: datetime) -> timedelta:
    """How long the provider takes no refund of what these come to; zero if it takes one now.

    All of them wait, and what falls due meanwhile makes the sum another. Each call takes all that wait, so that within
    this time after the last call nothing stands in the way any more.
    """
    total = sum(each.rest_minor for each in refunds)
    until = [each.made_at + apart for each in recent if each.amount_minor == total]
    return max([timedelta(0), *(each - now for each in until)])


def decide_refunds(
    lines: Mapping[UUID, Line],
    refunds: Mapping[UUID, Refund],
    command: RefundCommand,
    now: datetime,
    new_id: NewId,
) -> tuple[tuple[Refund, Settled], ...] | Refusal:
    """Decide one command on a refund and on those that share its call: each as it was, and what became of it.

    If one of them cannot follow, none does.
    """
    named = [Fellow(line=command.line, refund=command.refund, attempts=0)]
    if isinstance(command, SendRefund | SettleRefund):
        named = [replace(named[0], attempts=command.attempts), *command.fellows]
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
) -> tuple[tuple[Refund, Settled], ...] | Refusal:
    again = any(each.shared for each in refunds)
    if again and not (_share_one(refunds) and is_whole(refunds)):
        return _CHANGED
    if not again and len(fellows_of(refunds[0], refunds)) + 1 < len(refunds):
        return _CHANGED
    sending = refunds if again or len(refunds) == 1 else join(refunds)
    commands = [
        replace(command, line=each.line, refund=each.refund, attempts=each.attempts, fellows=()) for each in named
    ]
    decided = _each(lines, sending, commands, now, new_id)
    if isinstance(decided, Refusal):
        return decided
    # They hear of their call together from now on, so they count alike.
    return tuple(
        (before, replace(settled, refund=replace(settled.refund, attempts=_begun(refunds))))
        for before, (_, settled) in zip(refunds, decided, strict=True)
    )


def _settle(
    lines: Mapping[UUID, Line],
    refunds: Sequence[Refund],
    named: Sequence[Fellow],
    command: SettleRefund,
    now: datetime,
    new_id: NewId,
) -> tuple[tuple[Refund, Settled], ...] | Refusal:
    waiting = all(may_join(each) for each in refunds)
    if len(refunds) > 1 and not (waiting or _share_one(refunds)):
        return _CHANGED
    own = replace(command, fellows=())
    # What others refunded is counted once, and what earlier calls moved is each one's own matter.
    theirs = replace(own, elsewhere_minor=0, earlier_minor=None)
    return _each(
        lines,
        refunds,
        [own, *(replace(theirs, line=each.line, refund=each.refund, attempts=each.attempts) for each in named[1:])],
        now,
        new_id,
    )


def _share_one(refunds: Sequence[Refund]) -> bool:
    return all(each.shared for each in refunds) and len({each.call for each in refunds}) == 1


def _each(
    lines: Mapping[UUID, Line],
    refunds: Sequence[Refund],
    commands: Sequence[RefundCommand],
    now: datetime,
    new_id: NewId,
) -> tuple[tuple[Refund, Settled], ...] | Refusal:
    """Each on its line as those before it left it."""
    known, decided = dict(lines), []
    for refund, command in zip(refunds, commands, strict=True):
        outcome = decide_refund(known[refund.line], refund, command, now, new_id)
        if isinstance(outcome, Refusal):
            return outcome
        known[refund.line] = outcome.decision.line
        decided.append((refund, outcome))
    return tuple(decided)


_CHANGED = Refusal(kind=RefusalKind.REFUND_NOT_OPEN, detail="The refunds that share one call have changed meanwhile.")
