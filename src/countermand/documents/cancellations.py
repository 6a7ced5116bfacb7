"""Cancellations as JSON, for the API and the command line."""

from datetime import datetime
from typing import Annotated, TypedDict
from uuid import UUID

from pydantic import BaseModel, Field

from countermand.documents.parties import PartyOut
from countermand.domain.line import State
from countermand.ids import show
from countermand.reads.cancellations import CancellationView, is_escalated, waiting_units


class CancellationOut(BaseModel):
    """A cancellation: an ask for some units of one line, with its answer."""

    id: str
    line: UUID
    order: UUID
    sku: str
    units: int
    of_units: int
    state: State
    asker: str
    asked_at: datetime
    awaiting: UUID | None
    due_at: datetime | None
    reason: str
    note: str
    accepted_units: int
    answered_at: datetime | None
    answered_by: UUID | None
    decline_reason: str | None
    answer_note: str
    by_policy: bool
    unasked: bool
    agreed: bool
    reference: Annotated[str, Field(description="the order's purchase order number")]
    number: Annotated[int, Field(description="bol's number of the line")]
    retailer: PartyOut
    fulfiller: PartyOut
    escalated: Annotated[bool, Field(description="whether it waits for the platform")]
    step: Annotated[int, Field(description="one at first, and one more with each decision on it")]
    waiting_units: Annotated[int, Field(description="how many of its units wait for an answer")]
    repeated: Annotated[
        bool, Field(description="true if the call repeated an earlier one and changed nothing about this cancellation")
    ]


class ListedCancellation(TypedDict):
    """A cancellation as the command line shows it: on one level, so that it fits into a row."""

    id: str
    line: str
    number: int
    order: str
    reference: str
    retailer: str
    held_by: str
    sku: str
    units: int
    state: str
    escalated: bool
    asker: str
    asked_at: str
    awaiting: str | None
    due_at: str | None
    accepted_units: int
    unasked: bool
    step: int
    waiting_units: int


def cancellation_document(row: CancellationView, *, repeated: bool = False) -> CancellationOut:
    """One cancellation; ``repeated`` if the call that is answered changed nothing about it."""
    return CancellationOut(
        id=show("can", row.id),
        line=row.line_id,
        order=row.order_id,
        sku=row.sku,
        units=row.units,
        of_units=row.ordered,
        state=State(row.state),
        asker=row.asker,
        asked_at=row.asked_at,
        awaiting=row.awaiting,
        due_at=row.due_at,
        reason=row.reason,
        note=row.note,
        accepted_units=row.accepted_units,
        answered_at=row.answered_at,
        answered_by=row.answered_by,
        decline_reason=row.decline_reason,
        answer_note=row.answer_note,
        by_policy=row.by_policy,
        unasked=row.unasked,
        agreed=row.agreed and row.state == State.ASKED.value,
        reference=row.reference,
        number=row.line_number,
        retailer=PartyOut(id=row.retailer_id, name=row.retailer_name),
        fulfiller=PartyOut(id=row.fulfiller_id, name=row.fulfiller_name),
        escalated=is_escalated(row),
        step=row.step,
        waiting_units=waiting_units(row),
        repeated=repeated,
    )


def listed_cancellation(row: CancellationView) -> ListedCancellation:
    """One cancellation, for the command line."""
    shown = cancellation_document(row)
    return {
        "id": shown.id,
        "line": str(shown.line),
        "number": shown.number,
        "order": str(shown.order),
        "reference": shown.reference,
        "retailer": shown.retailer.name,
        "held_by": shown.fulfiller.name,
        "sku": shown.sku,
        "units": shown.units,
        "state": shown.state.value,
        "escalated": shown.escalated,
        "asker": shown.asker,
        "asked_at": shown.asked_at.isoformat(),
        "awaiting": str(shown.awaiting) if shown.awaiting else None,
        "due_at": shown.due_at.isoformat() if shown.due_at else None,
        "accepted_units": shown.accepted_units,
        "unasked": shown.unasked,
        "step": shown.step,
        "waiting_units": shown.waiting_units,
    }
