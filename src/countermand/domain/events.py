"""Events: what happened to a line. They are the audit trail, in the order of their sequence numbers."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from countermand.domain.parties import Asker
from countermand.domain.policy import Rule
from countermand.domain.reasons import CancelReason
from countermand.domain.values import value


class EventKind(StrEnum):
    """Every kind of event."""

    LINE_PLACED = "line.placed"
    LINE_RELEASED = "line.released"
    LINE_ALLOCATED = "line.allocated"
    LINE_SHIPPED = "line.shipped"
    LINE_SHIPPED_THOUGH_CANCELLED = "line.shipped_though_cancelled"
    LINE_TRANSPORT_CHANGED = "line.transport_changed"
    LINE_REASSIGNED = "line.reassigned"
    CANCELLATION_ASKED = "cancellation.asked"
    CANCELLATION_PASSED_ON = "cancellation.passed_on"
    CANCELLATION_AGREED = "cancellation.agreed"
    CANCELLATION_PROOF_ASKED = "cancellation.proof_asked"
    CANCELLATION_ACCEPTED = "cancellation.accepted"
    CANCELLATION_DECLINED = "cancellation.declined"
    CANCELLATION_WITHDRAWN = "cancellation.withdrawn"
    CANCELLATION_LAPSED = "cancellation.lapsed"
    CANCELLATION_ESCALATED = "cancellation.escalated"
    CANCELLATION_LATE_ANSWER = "cancellation.late_answer"
    CANCELLATION_CASE_OPENED = "cancellation.case_opened"
    CANCELLATION_NOTED = "cancellation.noted"
    PAYMENT_ADDED = "payment.added"
    PAYMENT_CAPTURED = "payment.captured"
    REFUND_DUE = "refund.due"
    REFUND_SENT = "refund.sent"
    REFUND_DONE = "refund.done"
    REFUND_FAILED = "refund.failed"
    REFUND_CLOSED = "refund.closed"
    REFUND_CORRECTED = "refund.corrected"


MONEY: Final = frozenset(kind for kind in EventKind if kind.value.startswith(("refund.", "payment.")))
"""Events that only the retailer and the platform see. A supplier does not see the customer's money."""


REMARKS: Final = (
    EventKind.LINE_SHIPPED_THOUGH_CANCELLED,
    EventKind.CANCELLATION_LATE_ANSWER,
    EventKind.CANCELLATION_NOTED,
)
"""Events of remarks: nothing changed."""


ASKS: Final = frozenset(
    {
        EventKind.CANCELLATION_ASKED,
        EventKind.CANCELLATION_PASSED_ON,
        EventKind.CANCELLATION_PROOF_ASKED,
        EventKind.CANCELLATION_ESCALATED,
    }
)
"""Events after which an answer can be due."""


def asks_for_answer(kind: str, state: str) -> bool:
    """Whether an answer is due after an event of this kind that left its cancellation in this ``state``."""
    return kind in ASKS and state == "asked"


STEPS: Final = frozenset(
    {
        EventKind.CANCELLATION_PASSED_ON,
        EventKind.CANCELLATION_AGREED,
        EventKind.CANCELLATION_PROOF_ASKED,
        EventKind.CANCELLATION_ACCEPTED,
        EventKind.CANCELLATION_DECLINED,
        EventKind.CANCELLATION_WITHDRAWN,
        EventKind.CANCELLATION_LAPSED,
        EventKind.CANCELLATION_ESCALATED,
    }
)
"""The decisions on an ask. Each of them ends a step."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """A kind of event: what happened, as a sentence, and what its ``units`` count."""

    when: str
    units: str


MEANINGS: Final[dict[EventKind, Meaning]] = {
    EventKind.LINE_PLACED: Meaning("An order with this line was placed.", "ordered"),
    EventKind.LINE_RELEASED: Meaning(
        "The order was held, and its fulfillers have it from now on. Each of its lines that another party than the"
        " retailer holds has this event. No unit moves.",
        "left of the line",
    ),
    EventKind.LINE_ALLOCATED: Meaning(
        "The fulfiller reported how many units it has. Rejected units follow as `cancellation.accepted`.",
        "accepted by the fulfiller",
    ),
    EventKind.LINE_SHIPPED: Meaning("Units were shipped.", "shipped now"),
    EventKind.LINE_SHIPPED_THOUGH_CANCELLED: Meaning(
        "The fulfiller reported that it shipped units which were cancelled before. They stay cancelled.",
        "reported as shipped",
    ),
    EventKind.LINE_TRANSPORT_CHANGED: Meaning(
        "The carrier or the number of a parcel was corrected. No unit moves.", "shipped so far"
    ),
    EventKind.LINE_REASSIGNED: Meaning(
        "What is left of the line was given to another fulfiller. Both are notified. No unit moves.", "given"
    ),
    EventKind.CANCELLATION_ASKED: Meaning("The customer or the retailer asked for a cancellation.", "asked"),
    EventKind.CANCELLATION_PASSED_ON: Meaning(
        "The retailer accepted the customer's ask, or the line was given to another supplier. The supplier's answer is"
        " due now. What the retailer did not accept is open again; no other unit moves.",
        "passed on",
    ),
    EventKind.CANCELLATION_AGREED: Meaning(
        "One ask of a group was accepted, and others of the group still wait. Their units are cancelled only when all"
        " are accepted. No unit moves.",
        "asked",
    ),
    EventKind.CANCELLATION_PROOF_ASKED: Meaning(
        "The fulfiller declined as already shipped, and has to name the parcel. No unit moves.", "asked"
    ),
    EventKind.CANCELLATION_ACCEPTED: Meaning(
        "The ask was accepted, or units were cancelled without an ask.", "cancelled"
    ),
    EventKind.CANCELLATION_DECLINED: Meaning("The ask was declined.", "open again"),
    EventKind.CANCELLATION_WITHDRAWN: Meaning(
        "The asker withdrew the ask, or another ask of its group was not accepted.", "open again"
    ),
    EventKind.CANCELLATION_LAPSED: Meaning(
        "The deadline passed without an answer, and by the policy the ask ends.", "open again"
    ),
    EventKind.CANCELLATION_ESCALATED: Meaning(
        "An operator has to answer: the policy says so for a deadline that passed, or the supplier is gone. No unit"
        " moves.",
        "asked",
    ),
    EventKind.CANCELLATION_LATE_ANSWER: Meaning(
        "An answer came after a rule had decided. It is saved, and no unit moves.", "answered for"
    ),
    EventKind.CANCELLATION_CASE_OPENED: Meaning(
        "The supplier declined what the retailer had accepted, so an operator has to inform the customer. No unit"
        " moves.",
        "open again",
    ),
    EventKind.CANCELLATION_NOTED: Meaning(
        "A party added a note, such as the cost of a label that could not be voided. No unit moves.",
        "it is about",
    ),
    EventKind.PAYMENT_ADDED: Meaning(
        "The order was paid, or money was reserved for it, after it was placed. Each of its lines has this event. No"
        " unit moves.",
        "0",
    ),
    EventKind.PAYMENT_CAPTURED: Meaning(
        "More of a payment was captured. Each line of the order has this event. No unit moves.", "0"
    ),
    EventKind.REFUND_DUE: Meaning("A payment owes the customer money for cancelled units. No unit moves.", "0"),
    EventKind.REFUND_SENT: Meaning("The refund was sent to its provider for the first time. No unit moves.", "0"),
    EventKind.REFUND_DONE: Meaning("The money is back with the customer. No unit moves.", "0"),
    EventKind.REFUND_FAILED: Meaning("The refund failed, and a person has to look at it. No unit moves.", "0"),
    EventKind.REFUND_CLOSED: Meaning("A person closed the refund, and nothing is paid back. No unit moves.", "0"),
    EventKind.REFUND_CORRECTED: Meaning(
        "An operator corrected how much of the refund was paid outside this service. No unit moves.", "0"
    ),
}
"""Every kind has its row. ``make docs`` writes docs/events.md from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedRefund:
    """A refund as an event reports it. ``released`` marks money that was only authorised; ``step`` counts decisions.

    ``elsewhere_minor`` is how much of it was paid outside this service.
    """

    id: UUID
    cancellation: UUID
    payment: str
    amount_minor: int
    currency: str
    released: bool = False
    step: int = 1
    elsewhere_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedPayment:
    """A payment as an event reports it: its amounts after the event."""

    id: str
    captured_minor: int
    authorised_minor: int
    currency: str


@value
class Event:
    """One change of one line: the ``seq``-th event since it was placed.

    ``units`` is how many units the change is about. ``by_policy``: a rule decided, and no party; ``rule`` is that rule.
    ``policy_version`` is the version that was valid when the cancellation was asked. It is given when somebody asks and
    when a rule decides. ``asker`` is for whom the cancellation was asked. When an ask is accepted in part, ``rest``
    units are open again for ``rest_reason`` (EC-15). ``tracking`` is a parcel in words, ``answer`` an answer that came
    too late. ``former`` held the goods before the line was given to another fulfiller.

    The four buckets are those of the line after the event, so a reader that missed earlier events still knows the
    state. The same is true of its cancellation: ``state``, ``step``, the units of it that are ``waiting``, the reason
    that it was ``asked_for``, the party that is ``awaiting``, whether it has ``agreed``, and ``due_at``. An event of a
    ``refund`` names no cancellation: the refund does.

    ``at`` is when the event took effect; without it, that is when it is saved. A deadline takes effect when it is due,
    even if it is processed later.
    """

    kind: EventKind
    seq: int
    units: int
    open: int
    asked: int
    cancelled: int
    shipped: int
    cancellation: UUID | None = None
    reason: str = ""
    note: str = ""
    by_policy: bool = False
    unasked: bool = False
    asker: Asker | None = None
    state: str = ""
    asked_for: CancelReason = CancelReason.NOT_STATED
    awaiting: UUID | None = None
    due_at: datetime | None = None
    policy_version: int | None = None
    rule: Rule | None = None
    rest: int = 0
    rest_reason: str = ""
    agreed: bool = False
    tracking: str = ""
    answer: str = ""
    step: int | None = None
    waiting: int = 0
    former: UUID | None = None
    refund: ReportedRefund | None = None
    payment: ReportedPayment | None = None
    at: datetime | None = None

    @property
    def asks(self) -> bool:
        """Whether an answer is due after it: that of the party ``awaiting``, or of the platform if there is none."""
        return asks_for_answer(self.kind, self.state)
