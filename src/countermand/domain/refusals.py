"""Why a command changes nothing: a closed list in one order of precedence, with a sentence for each."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from countermand.domain.line import Decision


class RefusalKind(StrEnum):
    """Every refusal. Declared in order of precedence: where several apply, the first one is told."""

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


PRECEDENCE = {kind: rank for rank, kind in enumerate(RefusalKind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentState:
    """Where a cancellation or a refund stands: whose answer is due, and who decided on it last, and when."""

    state: str
    step: int
    awaiting: UUID | None
    answered_by: UUID | None
    answered_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A command that moved no unit, and why. ``cancellation`` names the one that stands in the way, if one does.

    ``current`` is where that one stands, if the command answers another step of it. ``noted`` holds what is told of
    all the same, such as an answer that came too late (EC-23).
    """

    kind: RefusalKind
    detail: str
    cancellation: UUID | None = None
    current: CurrentState | None = None
    noted: tuple[Decision, ...] = ()


def first(refusals: list[Refusal]) -> Refusal:
    """The refusal that is told when several apply (``RefusalKind`` lists them by precedence).

    Raises:
        ValueError: there is none.
    """
    return min(refusals, key=lambda refusal: PRECEDENCE[refusal.kind])


UNKNOWN_LINE = Refusal(kind=RefusalKind.UNKNOWN_LINE, detail="There is no such order item that you can act on.")
UNKNOWN_ORDER = Refusal(kind=RefusalKind.UNKNOWN_ORDER, detail="There is no such order that you can act on.")
UNKNOWN_TRANSPORT = Refusal(kind=RefusalKind.UNKNOWN_ORDER, detail="There is no such transport that you can act on.")
"""Of the order that would hold the parcel, in the words of who named the parcel's transport."""
UNKNOWN_CANCELLATION = Refusal(
    kind=RefusalKind.UNKNOWN_CANCELLATION, detail="There is no such cancellation that you can act on."
)
NO_MONEY = Refusal(kind=RefusalKind.NO_PRICE, detail="This order came without prices, so it knows no payments.")
UNKNOWN_REFUND = Refusal(kind=RefusalKind.UNKNOWN_REFUND, detail="There is no such refund that you can act on.")
