"""Refusals: why a command changes nothing, in one order of precedence, each with a sentence."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from countermand.domain.dates import write_moment
from countermand.domain.events import EventKind
from countermand.domain.line import Cancellation, Decided, Decision, Line, State
from countermand.domain.outcome import answered_last, count, outcome, party_word
from countermand.domain.policy import Cutoff, Policy


class RefusalKind(StrEnum):
    """All refusals, in order of precedence: if several apply, the first is given."""

    UNKNOWN_LINE = "unknown_line"
    UNKNOWN_ORDER = "unknown_order"
    UNKNOWN_CANCELLATION = "unknown_cancellation"
    UNKNOWN_REFUND = "unknown_refund"
    UNKNOWN_PAYMENT = "unknown_payment"
    STEP_NEEDED = "step_needed"
    ETAG_MISMATCH = "etag_mismatch"
    REASSIGNED = "reassigned"
    STATE_CHANGED = "state_changed"
    UNITS_INVALID = "units_invalid"
    REASON_REQUIRED = "reason_required"
    ALREADY_ANSWERED = "already_answered"
    ALREADY_SHIPPED = "already_shipped"
    ALREADY_ASKED = "already_asked"
    REJECTED_BY_FULFILLER = "rejected_by_fulfiller"
    ALREADY_CANCELLED = "already_cancelled"
    NOT_ACCEPTED_BY_FULFILLER = "not_accepted_by_fulfiller"
    NOTHING_ASKED = "nothing_asked"
    UNITS_ASKED = "units_asked"
    TOO_MANY_UNITS = "too_many_units"
    ALL_OR_NOTHING = "all_or_nothing"
    PARTY_INACTIVE = "party_inactive"
    NO_PRICE = "no_price"
    REFUND_NOT_OPEN = "refund_not_open"
    PAYMENT_EXISTS = "payment_exists"
    PAYMENT_DIFFERS = "payment_differs"
    PAYMENT_TAKEN = "payment_taken"
    ORDER_EXISTS = "order_exists"
    KEY_REUSED = "key_reused"


KEPT_UNDER_KEYS: Final = frozenset(RefusalKind) - {
    RefusalKind.UNKNOWN_LINE,
    RefusalKind.UNKNOWN_ORDER,
    RefusalKind.UNKNOWN_CANCELLATION,
    RefusalKind.UNKNOWN_REFUND,
    RefusalKind.UNKNOWN_PAYMENT,
    RefusalKind.STEP_NEEDED,
    RefusalKind.ETAG_MISMATCH,
    RefusalKind.UNITS_INVALID,
    RefusalKind.KEY_REUSED,
}
"""Refusals by the rules, which an idempotency key keeps. After the others the caller can mend the call, key and all."""

PRECEDENCE = {kind: rank for rank, kind in enumerate(RefusalKind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentState:
    """The state of a cancellation or a refund: whose answer is due, who decided last, and when."""

    state: str
    step: int
    awaiting: UUID | None
    answered_by: UUID | None
    answered_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineReport:
    """What an ask for several lines came to, or would come to, for one of them.

    ``outcome`` is ``asked``, ``accepted`` or ``refused``. A refusal has its ``code`` and a sentence, and the ``units``
    that were asked for.
    """

    line: UUID
    units: int
    outcome: str
    cancellation: UUID | None = None
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a command moved no unit. ``cancellation`` is the one that prevents it, if one does.

    ``current`` is the state of that cancellation, if the command names another step of it. ``order`` is the one that
    is there already, or whose payments are as they are. ``remarks`` are decisions that are saved all the same, such as
    a late answer (EC-23). ``differs`` are the places where an idempotency key was first used for other content, at
    ``first_used_at``.
    """

    kind: RefusalKind
    detail: str
    cancellation: UUID | None = None
    order: UUID | None = None
    current: CurrentState | None = None
    remarks: tuple[Decision, ...] = ()
    reports: tuple[LineReport, ...] = field(default=(), compare=False)
    differs: tuple[str, ...] = ()
    first_used_at: datetime | None = None


def first(refusals: list[Refusal]) -> Refusal:
    """The refusal that is given if several apply (``RefusalKind`` lists them by precedence).

    Raises:
        ValueError: there is none.
    """
    return min(refusals, key=lambda refusal: PRECEDENCE[refusal.kind])


UNKNOWN_LINE = Refusal(kind=RefusalKind.UNKNOWN_LINE, detail="There is no such order item that you can act on.")
UNKNOWN_ORDER = Refusal(kind=RefusalKind.UNKNOWN_ORDER, detail="There is no such order that you can act on.")
UNKNOWN_TRANSPORT = Refusal(kind=RefusalKind.UNKNOWN_ORDER, detail="There is no such transport that you can act on.")
"""The order of a parcel is unknown, in the words of a caller that named the parcel's transport."""
UNKNOWN_CANCELLATION = Refusal(
    kind=RefusalKind.UNKNOWN_CANCELLATION, detail="There is no such cancellation that you can act on."
)
NO_MONEY = Refusal(kind=RefusalKind.NO_PRICE, detail="This order came without prices, so it has no payments.")
UNKNOWN_REFUND = Refusal(kind=RefusalKind.UNKNOWN_REFUND, detail="There is no such refund that you can act on.")


def why_nothing_open(line: Line) -> Refusal:
    """Why no unit of the line is open: shipped before asked before rejected before cancelled."""
    if line.shipped:
        return Refusal(
            kind=RefusalKind.ALREADY_SHIPPED,
            detail=f"{count(line.shipped)} of this order item shipped already; ask for a return instead.",
        )
    if line.asked:
        waiting = line.asks[0]
        return Refusal(
            kind=RefusalKind.ALREADY_ASKED,
            detail=f"A cancellation of {count(waiting.asked_units)} is waiting for an answer already.",
            cancellation=waiting.id,
        )
    last = answered_last(line, None)
    became = f" {outcome(line, last)}" if last else ""
    if line.rejected >= line.cancelled:
        return Refusal(
            kind=RefusalKind.REJECTED_BY_FULFILLER,
            detail=f"The supplier rejected this order item; nothing is left to cancel.{became}",
        )
    return Refusal(kind=RefusalKind.ALREADY_CANCELLED, detail=f"This order item is cancelled already.{became}")


def too_many_units(line: Line, units: int, *, asked: int | None = None) -> Refusal:
    """More units were named than are open or asked."""
    there, kind = (line.open, "open") if asked is None else (asked, "asked")
    return beyond(units, there, kind)


def beyond(units: int, there: int, kind: str) -> Refusal:
    """More units were named than there are of this kind."""
    are = "is" if there == 1 else "are"
    return Refusal(
        kind=RefusalKind.TOO_MANY_UNITS,
        detail=f"{count(units)} named, but there {are} only {count(there)} {kind}.",
    )


def units_invalid() -> Refusal:
    """A number of units below one."""
    return Refusal(kind=RefusalKind.UNITS_INVALID, detail="The number of units must be at least 1.")


def nothing_asked(line: Line) -> Refusal:
    """Nothing waits for this party's answer. If something waits for another party, the sentence says so."""
    waits = f" {outcome(line, line.asks[0])}" if line.asks else ""
    return Refusal(
        kind=RefusalKind.NOTHING_ASKED,
        detail=f"No cancellation of this order item is waiting for your answer.{waits}",
    )


def all_or_nothing(cancellation: Cancellation) -> Refusal:
    """Only a part of an ask of a group was accepted (EC-18)."""
    return Refusal(
        kind=RefusalKind.ALL_OR_NOTHING,
        detail=f"All {cancellation.asked_units} units were asked for together with other lines of the order, all or"
        " nothing: accept them all, or decline.",
        cancellation=cancellation.id,
    )


def already_answered(line: Line, cancellation: Cancellation, *, subject: str = "This cancellation") -> Refusal:
    """It has its answer. The sentence says who answered, and when (EC-22)."""
    return Refusal(
        kind=RefusalKind.ALREADY_ANSWERED,
        detail=outcome(line, cancellation, subject=subject),
        cancellation=cancellation.id,
        current=current_state_of(cancellation),
    )


def answered_for(line: Line, cancellation: Cancellation, decided: Decided) -> Refusal:
    """The party whose answer was due has answered, or was answered for, and another answer is due now."""
    return Refusal(
        kind=RefusalKind.ALREADY_ANSWERED,
        detail=f"This cancellation {_became(line, decided)}. {_waits_for(line, cancellation)}",
        cancellation=cancellation.id,
        current=current_state_of(cancellation),
    )


def step_needed(line: Line, cancellation: Cancellation) -> Refusal:
    """The platform must name the step. Without it, a repeated answer would count for the next party."""
    return Refusal(
        kind=RefusalKind.STEP_NEEDED,
        detail="The platform can answer for any party, so it must name the step that it answers."
        f" {_waits_for(line, cancellation)}",
        cancellation=cancellation.id,
        current=current_state_of(cancellation),
    )


def state_changed(line: Line, cancellation: Cancellation, step: int | None) -> Refusal:
    """The caller saw another step than the one at which the cancellation stands."""
    decided = [each for each in cancellation.decided if each.step == step]
    what = f"At step {step} this cancellation {_became(line, decided[0])}. " if decided else ""
    return Refusal(
        kind=RefusalKind.STATE_CHANGED,
        detail=f"{what}{_waits_for(line, cancellation)}",
        cancellation=cancellation.id,
        current=current_state_of(cancellation),
    )


def current_state_of(cancellation: Cancellation) -> CurrentState:
    """The present state of a cancellation, for a caller that saw another one."""
    last = cancellation.decided[-1] if cancellation.decided else None
    return CurrentState(
        state=cancellation.state,
        step=cancellation.step,
        awaiting=cancellation.awaiting,
        answered_by=last.by if last else cancellation.answered_by,
        answered_at=last.at if last else cancellation.answered_at,
    )


def _waits_for(line: Line, cancellation: Cancellation) -> str:
    here = f"It is at step {cancellation.step}"
    if cancellation.state is not State.ASKED:
        return f"{here}, and has ended: {cancellation.state}."
    if cancellation.agreed:
        return f"{here}, and waits for those that were asked together with it."
    whose = party_word(line, cancellation.awaiting) if cancellation.awaiting else "an operator"
    return f"{here}, which waits for the answer of {whose}."


_BECAME: Final = {
    EventKind.CANCELLATION_PASSED_ON: "was passed on to the supplier",
    EventKind.CANCELLATION_AGREED: "was agreed to",
    EventKind.CANCELLATION_PROOF_ASKED: "was declined, and the parcel has to be named",
    EventKind.CANCELLATION_ACCEPTED: "was accepted",
    EventKind.CANCELLATION_DECLINED: "was declined",
    EventKind.CANCELLATION_WITHDRAWN: "was withdrawn",
    EventKind.CANCELLATION_LAPSED: "lapsed",
    EventKind.CANCELLATION_ESCALATED: "was handed to an operator",
}


def _became(line: Line, decided: Decided) -> str:
    at = write_moment(decided.at, "seconds")
    by = "policy" if decided.rule else party_word(line, decided.by)
    return f"{_BECAME[decided.kind]} by {by} at {at}"


def not_accepted(line: Line, policy: Policy) -> Refusal:
    """The fulfiller accepts no cancellation, or none of this line any more."""
    who = "retailer" if line.retailer_decides else "supplier"
    if policy.accepts_until is Cutoff.NEVER:
        detail = f"The {who} accepts no cancellations."
    else:
        detail = f"The {who} does not accept a cancellation of this order item any more."
    return Refusal(kind=RefusalKind.NOT_ACCEPTED_BY_FULFILLER, detail=detail)
