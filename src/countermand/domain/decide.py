"""The one function behind all APIs: what a command does to a line, or why it is refused."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
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
    Release,
    ReleaseOrder,
    RetailerCancel,
    Ship,
    ShipOrder,
    WithdrawCancellation,
)
from countermand.domain.line import Cancellation, Decision, Line, State
from countermand.domain.parcels import ReportedParcel, corrected, reported_before, travels_so
from countermand.domain.policy import Policy, WholeOrder
from countermand.domain.reassigning import reassign, reassigned, release
from countermand.domain.refusals import LineReport, Refusal, RefusalKind
from countermand.domain.values import value


def decide(
    line: Line,
    command: LineCommand,
    now: datetime,
    policy: Policy,
    new_id: NewId,
    asked_under: AskedUnder | None = None,
) -> Decision | Refusal:
    """Decide one command on one line.

    ``policy`` is the present one. ``asked_under`` gives the policy of an earlier ask (EC-33), by default the same.
    Never raises for a business case: what cannot be done is a ``Refusal``.
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
        case Release():
            return release(line, command, now)
        case _:  # pragma: no cover
            assert_never(command)


@value
class LineOutcome:
    """The outcome of a command on an order for one of its lines; of an ask, also for how many ``units`` it was."""

    line: UUID
    outcome: Decision | Refusal
    units: int = 0


def decide_order(
    lines: Sequence[Line],
    command: OrderCommand,
    now: datetime,
    policy_of: Callable[[Line], Policy],
    new_id: NewId,
    asked_under: Callable[[Line, Cancellation], Policy] | None = None,
    parcels: Sequence[ReportedParcel] = (),
) -> tuple[LineOutcome, ...] | Refusal:
    """Decide one command on the lines of one order: an outcome for each line, or one refusal if nothing may change.

    ``policy_of`` and ``asked_under`` give the policies of each line, as for ``decide``. Lines that the actor may not
    touch are left out; an order without other lines is unknown to the actor. Lines that are cancelled all or not at all
    wait for each other (EC-18). ``parcels`` are those that were reported before: a repeated report changes nothing.
    """
    if isinstance(command, ShipOrder | ChangeParcel) and _is_reported_again(lines, command, parcels):
        return tuple(LineOutcome(line=line.id, outcome=Decision(line=line)) for line in _lines_named(lines, command))
    policies = [policy_of(line) for line in lines]

    def decided(line: Line, each: LineCommand) -> Decision | Refusal:
        return decide(line, each, now, policy_of(line), new_id, partial(asked_under, line) if asked_under else None)

    outcomes = _outcomes(lines, _per_line(lines, command, parcels), decided)
    if isinstance(command, CancelOrder) and _is_all_or_nothing(command, policies) and _must_wait(lines, outcomes):
        asks = [replace(each, group=group) for group in [new_id()] for each in _asks(lines, command)]
        outcomes = _outcomes(lines, asks, decided)
    return _judge(outcomes, command, policies)


def _is_reported_again(
    lines: Sequence[Line], command: ShipOrder | ChangeParcel, parcels: Sequence[ReportedParcel]
) -> bool:
    named = _lines_named(lines, command)
    if {line.id for line in named} != _line_ids(command):
        return False
    if not all(fulfilment.holds(line, command.actor) for line in named):
        return False
    if isinstance(command, ChangeParcel):
        return travels_so(command, parcels)
    return reported_before(command, lines, parcels) is not None


def _lines_named(lines: Sequence[Line], command: ShipOrder | ChangeParcel) -> list[Line]:
    wanted = _line_ids(command)
    return [line for line in lines if line.id in wanted]


def _line_ids(command: ShipOrder | ChangeParcel) -> set[UUID]:
    return {*command.lines} if isinstance(command, ChangeParcel) else {each.line for each in command.lines}


def _must_wait(lines: Sequence[Line], outcomes: Sequence[LineOutcome]) -> bool:
    """Whether several lines are asked for or cancelled, and one of them waits for an answer."""
    before = {each.id for line in lines for each in line.cancellations}
    made = [
        made
        for each in outcomes
        if isinstance(each.outcome, Decision)
        for made in each.outcome.cancellations
        if made.id not in before
    ]
    return len(made) > 1 and any(each.state is State.ASKED for each in made)


def _outcomes(
    lines: Sequence[Line],
    commands: Iterable[LineCommand],
    decided: Callable[[Line, LineCommand], Decision | Refusal],
) -> list[LineOutcome]:
    known = {line.id: line for line in lines}
    outcomes = []
    for each in commands:
        line = known.get(each.line)
        if line is None:
            outcomes.append(LineOutcome(line=each.line, outcome=refusals.UNKNOWN_LINE))
            continue
        outcome = decided(line, each)
        if isinstance(outcome, Decision):
            known[line.id] = outcome.line
        outcomes.append(LineOutcome(line=line.id, outcome=outcome, units=_units_asked(line, each)))
    return outcomes


def _units_asked(line: Line, command: LineCommand) -> int:
    """For how many units an ask is: all that are open, if it does not say."""
    if not isinstance(command, AskCancellation):
        return 0
    return line.open if command.units is None else command.units


def _per_line(lines: Sequence[Line], command: OrderCommand, parcels: Sequence[ReportedParcel]) -> list[LineCommand]:
    match command:
        case CancelOrder():
            return [*_asks(lines, command)]
        case ReleaseOrder(actor=actor):
            return [Release(line=line.id, actor=actor) for line in lines]
        case AnswerOrder(actor=actor, decline_reason=None):
            return [AcceptCancellation(line=line.id, actor=actor) for line in lines]
        case AnswerOrder(actor=actor, decline_reason=reason):
            return [DeclineCancellation(line=line.id, actor=actor, reason=reason) for line in lines]
        case ShipOrder(parcel=parcel):
            tracking = f"{parcel.carrier} {parcel.tracking_number}".strip()
            return [replace(each, tracking=tracking) for each in command.lines]
        case AskLines() | AllocateOrder():
            return list(command.lines)
        case ChangeParcel():
            return [*_corrections(command, corrected(command, parcels))]
        case _:  # pragma: no cover
            assert_never(command)


def _corrections(command: ChangeParcel, wanted: ReportedParcel | None) -> Iterator[ChangeTransport]:
    carrier, number = (wanted or command).carrier or "", (wanted or command).tracking_number or ""
    for line in command.lines:
        yield ChangeTransport(line=line, actor=command.actor, carrier=carrier, tracking_number=number)


def _asks(lines: Sequence[Line], command: CancelOrder) -> list[AskCancellation]:
    return [
        AskCancellation(
            line=line.id,
            actor=command.actor,
            asker=command.asker,
            reason=command.reason,
            note=command.note,
            key=command.key,
        )
        for line in lines
    ]


def report_of(each: LineOutcome) -> LineReport:
    """What an ask came to for one line."""
    outcome = each.outcome
    if isinstance(outcome, Refusal):
        return LineReport(
            line=each.line,
            units=each.units,
            outcome="refused",
            cancellation=outcome.cancellation,
            code=outcome.kind.value,
            detail=outcome.detail,
        )
    concerned = outcome.cancellations or outcome.repeats
    last = concerned[-1] if concerned else None
    waits = any(one.state is State.ASKED for one in concerned)
    return LineReport(
        line=each.line,
        units=sum(one.asked_units for one in concerned),
        outcome="asked" if waits else "accepted",
        cancellation=last.id if last else None,
    )


def with_report(line: Line, command: LineCommand, refusal: Refusal) -> Refusal:
    """The refusal of an ask, with what it came to for its line, as an ask for several lines has it for each."""
    if not isinstance(command, AskCancellation) or refusal == refusals.UNKNOWN_LINE:
        return refusal
    outcome = LineOutcome(line=line.id, outcome=refusal, units=_units_asked(line, command))
    return replace(refusal, reports=(report_of(outcome),))


def _judge(
    outcomes: list[LineOutcome], command: OrderCommand, policies: list[Policy]
) -> tuple[LineOutcome, ...] | Refusal:
    touched = [each for each in outcomes if each.outcome != refusals.UNKNOWN_LINE]
    if not touched:
        return refusals.UNKNOWN_TRANSPORT if isinstance(command, ChangeParcel) else refusals.UNKNOWN_ORDER
    if isinstance(command, AllocateOrder):
        impossible = [
            f.outcome for f in outcomes if isinstance(f.outcome, Refusal) and f.outcome.kind not in _ONE_LINE_ONLY
        ]
        return refusals.first(impossible) if impossible else tuple(outcomes)
    if isinstance(command, _WHOLE):
        touched = outcomes
    refused = [each.outcome for each in touched if isinstance(each.outcome, Refusal)]
    obstacles = [refusal for refusal in refused if _is_obstacle(command, refusal)]
    if len(refused) == len(touched) or (obstacles and _is_all_or_nothing(command, policies)):
        reports = tuple(map(report_of, touched)) if isinstance(command, AskLines | CancelOrder) else ()
        return replace(refusals.first(obstacles or refused), remarks=_remarks(touched), reports=reports)
    return tuple(touched)


def _remarks(outcomes: Sequence[LineOutcome]) -> tuple[Decision, ...]:
    """The remarks to save for each line though the whole command is refused."""
    found: dict[UUID, Decision | None] = {}
    for each in outcomes:
        remarks = each.outcome.remarks if isinstance(each.outcome, Refusal) else ()
        found.setdefault(each.line, remarks[0] if remarks else None)
    return tuple(each for each in found.values() if each)


def _is_obstacle(command: OrderCommand, refusal: Refusal) -> bool:
    """Whether a refusal prevents the whole command. A line that is already cancelled or rejected does not (EC-10)."""
    gone = (RefusalKind.ALREADY_CANCELLED, RefusalKind.REJECTED_BY_FULFILLER)
    return not (isinstance(command, CancelOrder) and refusal.kind in gone)


def _is_all_or_nothing(command: OrderCommand, policies: list[Policy]) -> bool:
    if isinstance(command, CancelOrder):
        return any(policy.whole_order is WholeOrder.ALL_OR_NOTHING for policy in policies)
    return isinstance(command, _WHOLE)


_WHOLE = (AskLines, ShipOrder, ChangeParcel)
"""Commands that name their lines: one that they cannot touch stops them."""

_ONE_LINE_ONLY = frozenset(
    {
        RefusalKind.UNKNOWN_LINE,
        RefusalKind.REASSIGNED,
        RefusalKind.ALREADY_SHIPPED,
        RefusalKind.REJECTED_BY_FULFILLER,
        RefusalKind.ALREADY_CANCELLED,
    }
)
"""Refusals of one line that do not stop the allocation of other lines. Any other refusal stops all."""
