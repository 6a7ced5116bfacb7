"""What happened to a line. Events tell; they are the audit trail, in the order of their sequence numbers."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from countermand.domain.parties import Asker
from countermand.domain.policy import Rule
from countermand.domain.reasons import CancelReason


class EventKind(StrEnum):
    """Every kind of event."""

    LINE_PLACED = "line.placed"
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
"""What only the retailer and the platform are told: a supplier has no business with the customer's money."""


NOTED: Final = (
    EventKind.LINE_SHIPPED_THOUGH_CANCELLED,
    EventKind.CANCELLATION_LATE_ANSWER,
    EventKind.CANCELLATION_NOTED,
)
"""What was said and changed nothing."""


ASKS: Final = frozenset(
    {
        EventKind.CANCELLATION_ASKED,
        EventKind.CANCELLATION_PASSED_ON,
        EventKind.CANCELLATION_PROOF_ASKED,
        EventKind.CANCELLATION_ESCALATED,
    }
)
"""What asks for an answer, if one is due."""


def asks_for_answer(kind: str, state: str) -> bool:
    """Whether an answer is due by an event of this kind, after which its cancellation is in this ``state``."""
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
"""The decisions on an ask: each ends a step of it."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """When an event of a kind happens, as a sentence, and what its ``units`` count."""

    when: str
    units: str


MEANINGS: Final[dict[EventKind, Meaning]] = {
    EventKind.LINE_PLACED: Meaning("An order with this line was placed.", "ordered"),
    EventKind.LINE_ALLOCATED: Meaning(
        "The fulfiller said how much there is. Rejected units follow as `cancellation.accepted`.",
        "accepted by the fulfiller",
    ),
    EventKind.LINE_SHIPPED: Meaning("Units left the house.", "shipped now"),
    EventKind.LINE_SHIPPED_THOUGH_CANCELLED: Meaning(
        "The fulfiller said that units have left which were cancelled before. They stay cancelled.",
        "said to have left",
    ),
    EventKind.LINE_TRANSPORT_CHANGED: Meaning(
        "A parcel travels otherwise than was said. No unit moves.", "shipped so far"
    ),
    EventKind.LINE_REASSIGNED: Meaning(
        "What is left of the line was given to another fulfiller. Both are told. No unit moves.", "given"
    ),
    EventKind.CANCELLATION_ASKED: Meaning("The customer or the retailer asked.", "asked"),
    EventKind.CANCELLATION_PASSED_ON: Meaning(
        "The retailer said yes to the customer's ask, or the line was given to another supplier; the supplier's answer"
        " is due. What the retailer did not accept is open again; no other unit moves.",
        "passed on",
    ),
    EventKind.CANCELLATION_AGREED: Meaning(
        "Whoever holds the goods accepted an ask that is heeded only together with others, which are yet to be"
        " accepted. No unit moves.",
        "asked",
    ),
    EventKind.CANCELLATION_PROOF_ASKED: Meaning(
        "The fulfiller declined as shipped already, and has to name the parcel. No unit moves.", "asked"
    ),
    EventKind.CANCELLATION_ACCEPTED: Meaning("Whoever holds the goods accepted, or cancelled unasked.", "cancelled"),
    EventKind.CANCELLATION_DECLINED: Meaning("Whoever holds the goods declined.", "open again"),
    EventKind.CANCELLATION_WITHDRAWN: Meaning(
        "The asker took the ask back, or another one that was asked together with it came to nothing.", "open again"
    ),
    EventKind.CANCELLATION_LAPSED: Meaning(
        "Nobody answered in time, and the policy says that the ask ends.", "open again"
    ),
    EventKind.CANCELLATION_ESCALATED: Meaning(
        "An operator has to answer: nobody did in time and the policy says so, or the supplier is gone. No unit moves.",
        "asked",
    ),
    EventKind.CANCELLATION_LATE_ANSWER: Meaning(
        "An answer came after a rule had decided. It is kept, and no unit moves.", "answered for"
    ),
    EventKind.CANCELLATION_CASE_OPENED: Meaning(
        "The supplier declined what the retailer had agreed to: an operator has to tell the customer. No unit moves.",
        "open again",
    ),
    EventKind.CANCELLATION_NOTED: Meaning(
        "Somebody put a note to it, such as what it cost that a label could not be voided. No unit moves.",
        "it is about",
    ),
    EventKind.PAYMENT_ADDED: Meaning(
        "The order was paid, or money was reserved for it, after it was placed. Each of its lines is told. No unit"
        " moves.",
        "0",
    ),
    EventKind.PAYMENT_CAPTURED: Meaning(
        "More of a payment was captured. Each line of the order is told. No unit moves.", "0"
    ),
    EventKind.REFUND_DUE: Meaning("Cancelled units are owed to the customer, by one payment. No unit moves.", "0"),
    EventKind.REFUND_SENT: Meaning("The provider is asked, for the first time, to pay it back. No unit moves.", "0"),
    EventKind.REFUND_DONE: Meaning("The money is back with the customer. No unit moves.", "0"),
    EventKind.REFUND_FAILED: Meaning("It cannot be settled by itself; a person has to see to it. No unit moves.", "0"),
    EventKind.REFUND_CLOSED: Meaning("A person closed it, and nothing is paid back. No unit moves.", "0"),
    EventKind.REFUND_CORRECTED: Meaning(
        "An operator corrected how much of it was refunded outside. No unit moves.", "0"
    ),
}
"""Every kind has its row. docs/events.md is made of this (``make docs``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedRefund:
    """What an event says of its refund. ``released`` marks money that was only authorised; ``step`` counts decisions.

    ``elsewhere_minor`` is what of it was paid outside.
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
    """What an event says of a payment: how it stands from then on."""

    id: str
    captured_minor: int
    authorised_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change of one line, the ``seq``-th since it was placed.

    ``units`` is how many units the change is about; ``by_policy`` says that a rule spoke and no party,
    ``asker`` on whose wish the cancellation was asked. ``policy_version`` is the one it was asked under, told when
    somebody asks and when a rule speaks; ``rule`` is the one that spoke. Of an ask that was accepted in part, ``rest``
    units are open again, for ``rest_reason`` (EC-15). ``tracking`` is a parcel in words, and ``answer`` what came too
    late. ``step`` is the step of the cancellation from then on, and ``waiting`` how many units of it wait.
    ``former`` held the goods before, where they were given to another. The four
    buckets are those of the line just after the event, so a reader that missed earlier ones still knows the state.
    So is what it says of its cancellation: its ``state``, the reason it was ``asked_for``, whose answer is ``awaiting``
    whether it has ``agreed`` and waits for others, and when an answer is due.
    An event of a ``refund`` names no cancellation of its own: the refund does.
    ``at`` is when it took effect; without it, when it is written down. What fell due takes effect at its due time,
    whenever somebody looked.
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
        """Whether an answer is due by it: of the party ``awaiting``, or of the platform if there is none."""
        return asks_for_answer(self.kind, self.state)
