"""What a person decides about a refund: it is paid, it is closed, it is tried again, or its amount is corrected."""

from dataclasses import replace
from datetime import datetime

from countermand.domain.events import EventKind
from countermand.domain.line import Line
from countermand.domain.money.amounts import write_minor
from countermand.domain.money.commands import CloseRefund, CorrectRefund, Movement, RetryRefund
from countermand.domain.money.refunds import (
    Refund,
    RefundKind,
    RefundOutcome,
    RefundState,
    check_of_earlier,
    confirmed,
    not_open,
    outcome_of,
    reopened,
    tried_again,
    unchanged,
)
from countermand.domain.refusals import CurrentState, Refusal, RefusalKind


def close(line: Line, refund: Refund, command: CloseRefund, now: datetime) -> RefundOutcome | Refusal:
    """A refund was paid by hand, or is not going to be paid."""
    if moved_on := _moved_on(refund, command.step):
        return moved_on
    if refund.state not in (RefundState.BY_HAND, RefundState.PARKED):
        return not_open(refund)
    if not command.paid and not command.note.strip():
        return Refusal(
            kind=RefusalKind.REASON_REQUIRED, detail="To close a refund that is not paid, give a note that says why."
        )
    annotated = replace(refund, note=command.note, check_at=None)
    if command.paid:
        return confirmed(line, annotated, now)
    closed = replace(
        annotated,
        state=RefundState.CLOSED,
        step=refund.step + 1,
        settled_at=now,
        parked_at=None,
        no_provider=False,
    )
    return outcome_of(line, closed, EventKind.REFUND_CLOSED, note=command.note)


def retry(line: Line, refund: Refund, command: RetryRefund, now: datetime) -> RefundOutcome | Refusal:
    """A parked refund is sent again: under its own key if it may have moved."""
    if moved_on := _moved_on(refund, command.step):
        return moved_on
    if refund.state is not RefundState.PARKED:
        return not_open(refund)
    if refund.movement is Movement.CONFIRMED:
        return _has_moved(refund)
    again = replace(tried_again(refund, now), step=refund.step + 1, note=command.note or refund.note)
    return outcome_of(line, again)


def correct(line: Line, refund: Refund, command: CorrectRefund, now: datetime) -> RefundOutcome | Refusal:
    """An operator states how much was refunded outside this service. What is left is owed."""
    if refund.corrected_step == command.step and refund.elsewhere_minor == command.elsewhere_minor:
        return unchanged(line, refund)
    if moved_on := _moved_on(refund, command.step):
        return moved_on
    if refund.state not in (RefundState.BY_HAND, RefundState.PARKED, RefundState.CONFIRMED):
        return not_open(refund)
    if refund.kind is RefundKind.RELEASE:
        return Refusal(
            kind=RefusalKind.REFUND_NOT_OPEN, detail="This is a release: no money moves, so none was refunded outside."
        )
    if not command.note.strip():
        return Refusal(kind=RefusalKind.REASON_REQUIRED, detail="To correct a refund, give a note that says why.")
    if not 0 <= command.elsewhere_minor <= refund.amount_minor:
        most = f"{write_minor(refund.amount_minor, refund.currency)} {refund.currency}"
        return Refusal(
            kind=RefusalKind.PAYMENT_DIFFERS, detail=f"The refund is of {most}: give an amount from 0 to {most}."
        )
    corrected = replace(
        reopened(refund),
        elsewhere_minor=command.elsewhere_minor,
        note=command.note,
        step=refund.step + 1,
        corrected_step=command.step,
        check_at=None,
    )
    return _corrected(line, refund, corrected, now)


def _corrected(line: Line, before: Refund, corrected: Refund, now: datetime) -> RefundOutcome:
    kind, note = EventKind.REFUND_CORRECTED, corrected.note
    if corrected.rest_minor:
        again = tried_again(corrected, now)
        due_again = () if again.state is before.state else (EventKind.REFUND_DUE,)
        return outcome_of(line, again, kind, *due_again, note=note)
    check_at = check_of_earlier(corrected, now)
    done = replace(corrected, state=RefundState.CONFIRMED, due_at=None, settled_at=now, check_at=check_at)
    now_done = () if before.state is RefundState.CONFIRMED else (EventKind.REFUND_DONE,)
    return outcome_of(line, done, kind, *now_done, note=note)


def _has_moved(refund: Refund) -> Refusal:
    reported = f" The provider says: {refund.last_result}" if refund.last_result else ""
    return Refusal(
        kind=RefusalKind.REFUND_NOT_OPEN,
        detail=f"The provider has moved money for this refund, so it is not tried again: mark it as paid, or close it."
        f"{reported.removesuffix('.') + '.' if reported else ''}",
    )


def _moved_on(refund: Refund, step: int | None) -> Refusal | None:
    """A command that names a step is refused when another decision was made since."""
    if step is None or step == refund.step:
        return None
    state = refund.state.value.replace("_", " ")
    detail = f"This refund is now at step {refund.step}, not {step}: it is {state}."
    current = CurrentState(
        state=refund.state, step=refund.step, awaiting=None, answered_by=None, answered_at=refund.settled_at
    )
    return Refusal(kind=RefusalKind.STATE_CHANGED, detail=detail, current=current)
