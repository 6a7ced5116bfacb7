"""Decides the calls of a batch, one after the other, on the lines as the calls before left them, without I/O."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from countermand.domain.commands import (
    Allocate,
    AllocateOrder,
    ChangeParcel,
    Command,
    OrderCommand,
    PassDeadline,
    Reassign,
    Ship,
    ShipOrder,
)
from countermand.domain.deadlines import pass_deadlines
from countermand.domain.decide import LineOutcome, decide, decide_order, with_report
from countermand.domain.groups import settle
from countermand.domain.line import Cancellation, Decision, Line
from countermand.domain.money.commands import PaymentCommand, RefundCommand, RetryRefund
from countermand.domain.orders import PlaceOrder
from countermand.domain.parcels import ReportedParcel, corrected, reported, reported_before
from countermand.domain.parties import Actor
from countermand.domain.refusals import UNKNOWN_LINE, Refusal
from countermand.service.calls import Call, Done, Outcome, Refused
from countermand.service.effects import apply
from countermand.service.idempotency import answer_again, find_answer, keep_answer
from countermand.service.money import Result, audit_retry, decide_payment, decide_refund
from countermand.service.orders import place
from countermand.service.process_status import open_process
from countermand.service.shipments import note_parcel, note_parcel_change, shipped
from countermand.service.workspace import Workspace

BY_POLICY: Final = "policy"
"""The door of events without a call: a deadline that has passed."""


def decide_call(work: Workspace, call: Call) -> Outcome:
    """Decide one call. If its key was used before, it gets the same answer again."""
    once = call.once
    if once is None:
        outcome = _decide(work, call)
        if call.reply and isinstance(outcome, Done):
            work.to_reply.append((None, call, outcome))
        return outcome
    retailer = work.retailer_of(call)
    kept = find_answer(work, retailer, once)
    if kept:
        return answer_again(kept, once)
    outcome = _decide(work, call)
    keep_answer(work, retailer, call, once, outcome)
    return outcome


def _decide(work: Workspace, call: Call) -> Outcome:
    command = call.command
    if isinstance(command, PlaceOrder):
        return place(work, command, call.door)
    lines = work.lines_of(command)
    _pass_deadlines(work, lines)
    result = _decided(work, command, lines)
    if isinstance(command, RetryRefund) and not isinstance(result, Refusal):
        audit_retry(work, command, call.door)
    changed, repeated = _apply(work, command, lines, result, call.door)
    refusal, outcomes = (result, ()) if isinstance(result, Refusal) else (None, result)
    parcel = None if refusal else _parcel_of(work, command, lines)
    process = None
    if call.process and call.retailer:
        line = work.lines[lines[0]] if lines else None
        process = open_process(work, call.process, call.retailer, refusal or line, changed, parcel)
    if refusal:
        return Refused(refusal=replace(refusal, remarks=()), process=process, at=work.now)
    return Done(
        outcomes=outcomes,
        cancellations=tuple(each.id for each in changed),
        repeated=repeated,
        parcel=parcel.id if parcel else None,
        process=process,
        at=work.now,
    )


# Ask the rules


def _pass_deadlines(work: Workspace, lines: Sequence[UUID]) -> None:
    """Apply deadlines that have passed before the call, even if the worker has not done it yet (EC-27)."""
    if not any(work.lines[line].asked for line in lines):
        return
    lines = _asked_together(work, lines)
    while overdue := [due for line in lines if (due := _longest_due(work, line))]:
        at = min(overdue)
        for line_id in lines:
            line = work.lines[line_id]
            asked_under = partial(work.lane.agreements.policy_asked_under, line)
            passed = pass_deadlines(line, work.now, asked_under, until=at)
            if passed:
                apply(work, passed, None, BY_POLICY)
        _settle_together(work, lines, None, BY_POLICY, at)


def _longest_due(work: Workspace, line: UUID) -> datetime | None:
    due = (ask.due_at for ask in work.lines[line].asks if ask.is_overdue(work.now))
    return min((at for at in due if at), default=None)


def _asked_together(work: Workspace, lines: Sequence[UUID]) -> Sequence[UUID]:
    """These lines, with those of their order that are decided together with them."""
    if not any(ask.group for line in lines for ask in work.lines[line].asks):
        return lines
    return work.lines_of_order[work.lines[lines[0]].order]


def _decided(work: Workspace, command: Command, lines: Sequence[UUID]) -> Result:
    if isinstance(command, OrderCommand):
        return _decided_order(work, command, lines)
    if isinstance(command, PaymentCommand):
        return decide_payment(work, command)
    line = work.lines.get(command.line)
    if line is None:
        return UNKNOWN_LINE
    if isinstance(command, RefundCommand):
        return decide_refund(work, command)
    if isinstance(command, Reassign):
        line_then, command = replace(line, fulfiller=command.fulfiller), _with_facts(work, line, command)
    else:
        line_then = line
    agreements = work.lane.agreements
    policy, asked_under = agreements.policy(line_then), partial(agreements.policy_asked_under, line)
    outcome = decide(line, command, work.now, policy, work.new_id, asked_under)
    if isinstance(outcome, Refusal):
        return with_report(line, command, outcome)
    return (LineOutcome(line=line.id, outcome=outcome),)


def _with_facts(work: Workspace, line: Line, command: Reassign) -> Reassign:
    """The command with the facts about the new fulfiller that the rules need."""
    own = command.fulfiller == line.retailer
    takes_part = command.fulfiller not in work.lane.agreements.gone
    return replace(command, takes_part=takes_part, knows=own or work.articles[line.id][2])


def _decided_order(work: Workspace, command: OrderCommand, lines: Sequence[UUID]) -> Result:
    known, agreed = [work.lines[line] for line in lines], work.lane.agreements
    parcels = work.parcels.get(command.order, ())
    return decide_order(known, command, work.now, agreed.policy, work.new_id, agreed.policy_asked_under, parcels)


def _settle_together(
    work: Workspace, lines: Sequence[UUID], actor: Actor | None, door: str, at: datetime | None = None
) -> None:
    """Settle the groups of an order after one of their asks was answered (EC-18), ``at`` a time."""
    if not any(each.group for line in lines for each in work.lines[line].cancellations):
        return
    together = work.lines_of_order[work.lines[lines[0]].order]
    for decision in settle([work.lines[line] for line in together], at or work.now):
        apply(work, decision, actor, door)


# Apply the result


def _apply(
    work: Workspace, command: Command, lines: Sequence[UUID], result: Result, door: str
) -> tuple[Sequence[Cancellation], frozenset[UUID]]:
    """Apply the result of a command. Returns its cancellations, and which of them it repeats."""
    actor = None if isinstance(command, PassDeadline) else command.actor
    for remark in _remarks(result):
        apply(work, remark, actor, door)
    changed: list[Cancellation] = []
    repeated: set[UUID] = set()
    decided = [] if isinstance(result, Refusal) else [each.outcome for each in result]
    for decision in decided:
        if isinstance(decision, Decision):
            apply(work, decision, actor, door)
            concerned = _concerned(decision, command)
            changed += concerned
            repeated |= set() if decision.events else {each.id for each in concerned}
    _settle_together(work, lines, actor, door)
    if isinstance(command, _AboutParcel) and not isinstance(result, Refusal):
        _follow_parcel(work, command, result)
    return changed, frozenset(repeated)


_AboutParcel = ShipOrder | ChangeParcel


def _follow_parcel(work: Workspace, command: _AboutParcel, outcomes: Sequence[LineOutcome]) -> None:
    if not any(isinstance(each.outcome, Decision) and each.outcome.events for each in outcomes):
        return
    first = work.lines[outcomes[0].line]
    parcels = work.parcels.setdefault(command.order, [])
    if isinstance(command, ShipOrder):
        number = note_parcel(work, command, first, outcomes)
        parcels.append(reported(command.parcel, number, shipped(outcomes)))
    elif parcel := corrected(command, parcels):
        note_parcel_change(work, parcel, first.retailer)
        work.parcels[command.order] = [parcel if each.id == parcel.id else each for each in parcels]


def _parcel_of(work: Workspace, command: Command, lines: Sequence[UUID]) -> ReportedParcel | None:
    """The parcel that a report is about; of a repeat, the one that was reported before."""
    if not isinstance(command, ShipOrder):
        return None
    parcels = work.parcels.get(command.order, ())
    made = next((each for each in parcels if each.id == command.parcel.id), None)
    return made or reported_before(command, [work.lines[line] for line in lines], parcels)


def _remarks(result: Result) -> Iterator[Decision]:
    """The remarks that a refusal saves though it changes nothing: of the whole command, or of some of its lines."""
    if isinstance(result, Refusal):
        yield from result.remarks
        return
    for each in result:
        if isinstance(each.outcome, Refusal):
            yield from each.outcome.remarks


_AsksNothing = Reassign | Ship | Allocate | ShipOrder | AllocateOrder | RefundCommand | PaymentCommand


def _concerned(decision: Decision, command: Command) -> tuple[Cancellation, ...]:
    """The cancellations that a command made or changed; for a repeat, those of the first time."""
    if decision.events or isinstance(command, _AsksNothing):
        return decision.cancellations
    if decision.repeats:
        return decision.repeats
    named = getattr(command, "cancellation", None)
    if named is not None:
        return tuple(each for each in decision.line.cancellations if each.id == named)
    return decision.line.asks
