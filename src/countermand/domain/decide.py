"""The one function behind every door: what a command does to a line, or why it does nothing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import assert_never
from uuid import UUID

from countermand.domain import answering, asking, deadlines, fulfilment, refusals
from countermand.domain.cancellation import AskedUnder, NewId
from countermand.domain.commands import (
    AcceptCancellation,
    Allocate,
    AllocateOrder,
    AnswerOrder,
    AskCancellation,
    AskLines,
    CancelOrder,
    CancelOwn,
    ChangeParcel,
    ChangeTransport,
    DeclineCancellation,
    EscalateCancellation,
    LineCommand,
    NoteCancellation,
    OrderCommand,
    PassDeadline,
    Reassign,
    RetailerCancel,
    Ship,
    ShipOrder,
    WithdrawCancellation,
)
from countermand.domain.line import Cancellation, Decision, Line, State
from countermand.domain.parcels import ReportedParcel, reported_before, travels_so
from countermand.domain.policy import Policy, WholeOrder
from countermand.domain.reassigning import reassign, reassigned
from countermand.domain.refusals import Refusal, RefusalKind


def decide(
    line: Line,
    command: LineCommand,
    now: datetime,
    policy: Policy,
    new_id: NewId,
    asked_under: AskedUnder | None = None,
) -> Decision | Refusal:
    """Decide one command on one line.

    ``policy`` is the one agreed on now. What was asked before is judged by the one it was ``asked_under`` (EC-33),
    which is the same if none is named. Never raises for a business case: what cannot be done is a ``Refusal``.
    """
    outcome = _decided(line, command, now, policy, new_id, asked_under or (lambda _: policy))
    if outcome == refusals.UNKNOWN_LINE:
        return reassigned(line, command) or outcome
    return outcome


def _decided(
    line: Line, command: LineCommand, now: datetime, policy: Policy, new_id: NewId, asked_under: AskedUnder
) -> Decision | Refusal:
    match command:
        case AskCancellation():
            return asking.ask(line, command, now, policy, new_id, asked_under)
        case AcceptCancellation():
            return answering.accept(line, command, now, asked_under)
        case DeclineCancellation():
            return answering.decline(line, command, now, asked_under)
        case WithdrawCancellation():
            return asking.withdraw(line, command, now)
        case PassDeadline():
            return deadlines.pass_deadline(line, command, now, asked_under)
        case EscalateCancellation():
            return deadlines.escalate(line, command, now)
        case NoteCancellation():
            return answering.note(line, command, now)
        case CancelOwn():
            return asking.cancel_own(line, command, now, new_id)
        case RetailerCancel():
            return answering.retailer_cancel(line, command, now, policy, new_id, asked_under)
        case Ship():
            return fulfilment.ship(line, command, now, asked_under)
        case Allocate():
            return fulfilment.allocate(line, command, now, new_id)
        case ChangeTransport():
            return fulfilment.change_transport(line, command, now)
        case Reassign():
            return reassign(line, command, now, policy)
        case _:  # pragma: no cover
            assert_never(command)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineOutcome:
    """What became of one line under a command on its order."""

    line: UUID
    outcome: Decision | Refusal


def decide_order(
    lines: Sequence[Line],
    command: OrderCommand,
    now: datetime,
    policy_of: Callable[[Line], Policy],
    new_id: NewId,
    asked_under: Callable[[Line, Cancellation], Policy] | None = None,
    parcels: Sequence[ReportedParcel] = (),
) -> tuple[LineOutcome, ...] | Refusal:
    """Decide one command on the lines of one order: each line's fate, or one refusal when nothing may change.

    ``policy_of`` and ``asked_under`` are to each line what they are to ``decide``.
    A line that is not the actor's to touch is left out, and an order with no other line is unknown to the actor.
    Lines that are to be cancelled all or not at all wait for each other (EC-18). ``parcels`` are those of the order so
    far: what is reported of one again changes nothing.
    """
    if isinstance(command, ShipOrder | ChangeParcel) and _is_told_again(lines, command, parcels):
        return tuple(LineOutcome(line=line.id, outcome=Decision(line=line)) for line in _lines_named(lines, command))
    policies = [policy_of(line) for line in lines]

    def decided(line: Line, each: LineCommand) -> Decision | Refusal:
        return decide(line, each, now, policy_of(line), new_id, partial(asked_under, line) if asked_under else None)

    fates = _fates(lines, _per_line(lines, command), decided)
    if isinstance(command, CancelOrder) and _is_all_or_nothing(command, policies) and _must_wait(lines, fates):
        asks = [replace(each, group=group) for group in [new_id()] for each in _asks(lines, command)]
        fates = _fates(lines, asks, decided)
    return _judge(fates, command, policies)


def _is_told_again(lines: Sequence[Line], command: ShipOrder | ChangeParcel, parcels: Sequence[ReportedParcel]) -> bool:
    named = _lines_named(lines, command)
    if {line.id for line in named} != {each.line for each in command.lines}:
        return False
    if not all(fulfilment.holds(line, command.actor) for line in named):
        return False
    if isinstance(command, ChangeParcel):
        return travels_so(command, parcels)
    return reported_before(command, lines, parcels) is not None


def _lines_named(lines: Sequence[Line], command: ShipOrder | ChangeParcel) -> list[Line]:
    wanted = {each.line for each in command.lines}
    return [line for line in lines if line.id in wanted]


def _must_wait(lines: Sequence[Line], fates: Sequence[LineOutcome]) -> bool:
    """Whether one line's answer is due while another line is asked for too, or was cancelled at once."""
    before = {each.id for line in lines for each in line.cancellations}
    made = [
        each
        for fate in fates
        if isinstance(fate.outcome, Decision)
        for each in fate.outcome.cancellations
        if each.id not in before
    ]
    return len(made) > 1 and any(each.state is State.ASKED for each in made)


def _fates(
    lines: Sequence[Line],
    commands: Iterable[LineCommand],
    decided: Callable[[Line, LineCommand], Decision | Refusal],
) -> list[LineOutcome]:
    known = {line.id: line for line in lines}
    fates = []
    for each in commands:
        line = known.get(each.line)
        if line is None:
            fates.append(LineOutcome(line=each.line, outcome=refusals.UNKNOWN_LINE))
            continue
        outcome = decided(line, each)
        if isinstance(outcome, Decision):
            known[line.id] = outcome.line
        fates.append(LineOutcome(line=line.id, outcome=outcome))
    return fates


def _per_line(lines: Sequence[Line], command: OrderCommand) -> list[LineCommand]:
    match command:
        case CancelOrder():
            return [*_asks(lines, command)]
        case AnswerOrder(actor=actor, decline_reason=None):
            return [AcceptCancellation(line=line.id, actor=actor) for line in lines]
        case AnswerOrder(actor=actor, decline_reason=reason):
            return [DeclineCancellation(line=line.id, actor=actor, reason=reason) for line in lines]
        case ShipOrder(parcel=parcel):
            tracking = f"{parcel.carrier} {parcel.tracking_number}".strip()
            return [replace(each, tracking=tracking) for each in command.lines]
        case AskLines() | AllocateOrder() | ChangeParcel():
            return list(command.lines)
        case _:  # pragma: no cover
            assert_never(command)


def _asks(lines: Sequence[Line], command: CancelOrder) -> list[AskCancellation]:
    return [
        AskCancellation(
            line=line.id, actor=command.actor, asker=command.asker, reason=command.reason, note=command.note
        )
        for line in lines
    ]


def _judge(
    fates: list[LineOutcome], command: OrderCommand, policies: list[Policy]
) -> tuple[LineOutcome, ...] | Refusal:
    touched = [fate for fate in fates if fate.outcome != refusals.UNKNOWN_LINE]
    if not touched:
        return refusals.UNKNOWN_TRANSPORT if isinstance(command, ChangeParcel) else refusals.UNKNOWN_ORDER
    if isinstance(command, AllocateOrder):
        impossible = [f.outcome for f in fates if isinstance(f.outcome, Refusal) and f.outcome.kind not in _FATES]
        return refusals.first(impossible) if impossible else tuple(fates)
    if isinstance(command, _WHOLE):
        touched = fates
    refused = [fate.outcome for fate in touched if isinstance(fate.outcome, Refusal)]
    obstacles = [refusal for refusal in refused if _is_obstacle(command, refusal)]
    if len(refused) == len(touched) or (obstacles and _is_all_or_nothing(command, policies)):
        return replace(refusals.first(obstacles or refused), noted=_noted(touched))
    return tuple(touched)


def _noted(fates: Sequence[LineOutcome]) -> tuple[Decision, ...]:
    """What is told of each line though the whole command is refused: what was decided before it was heeded in part."""
    noted: dict[UUID, Decision | None] = {}
    for fate in fates:
        told = fate.outcome.noted if isinstance(fate.outcome, Refusal) else ()
        noted.setdefault(fate.line, told[0] if told else None)
    return tuple(each for each in noted.values() if each)


def _is_obstacle(command: OrderCommand, refusal: Refusal) -> bool:
    """A line that is cancelled or rejected already is no obstacle to cancelling the whole order (EC-10)."""
    gone = (RefusalKind.ALREADY_CANCELLED, RefusalKind.REJECTED_BY_FULFILLER)
    return not (isinstance(command, CancelOrder) and refusal.kind in gone)


def _is_all_or_nothing(command: OrderCommand, policies: list[Policy]) -> bool:
    if isinstance(command, CancelOrder):
        return any(policy.whole_order is WholeOrder.ALL_OR_NOTHING for policy in policies)
    return isinstance(command, _WHOLE)


_WHOLE = (AskLines, ShipOrder, ChangeParcel)
"""Commands that name the lines they mean, so that one they cannot touch stops them."""

_FATES = frozenset(
    {
        RefusalKind.UNKNOWN_LINE,
        RefusalKind.REASSIGNED,
        RefusalKind.ALREADY_SHIPPED,
        RefusalKind.REJECTED_BY_FULFILLER,
        RefusalKind.ALREADY_CANCELLED,
    }
)
"""Refusals that a fulfiller may hear of for one line while its other lines are allocated; any other stops them all."""
