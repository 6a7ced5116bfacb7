"""What happened to a line. Events tell; they are the audit trail, in the order of their sequence numbers."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from countermand.domain.commands import Asker
from countermand.domain.policy import Rule
from countermand.domain.reasons import CancelReason


class EventKind(StrEnum):
    """Every kind of event."""

    LINE_PLACED = "line.placed"
    LINE_ALLOCATED = "line.allocated"
    LINE_SHIPPED = "line.shipped"
    LINE_TRANSPORT_CHANGED = "line.transport_changed"
    CANCELLATION_ASKED = "cancellation.asked"
    CANCELLATION_PASSED_ON = "cancellation.passed_on"
    CANCELLATION_ACCEPTED = "cancellation.accepted"
    CANCELLATION_DECLINED = "cancellation.declined"
    CANCELLATION_WITHDRAWN = "cancellation.withdrawn"
    CANCELLATION_LAPSED = "cancellation.lapsed"
    CANCELLATION_ESCALATED = "cancellation.escalated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change of one line, the ``seq``-th since it was placed.

    ``units`` is how many units the change is about; ``by_policy`` says that a rule spoke and no party,
    ``asker`` on whose wish the cancellation was asked. ``policy_version`` is the one it was asked under, told when
    somebody asks and when a rule speaks; ``rule`` is the one that spoke. The four
    buckets are those of the line just after the event, so a reader that missed earlier ones still knows the state.
    So is what it says of its cancellation: its ``state``, the reason it was ``asked_for``, whose answer is ``awaiting``
    and when that is due.
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
