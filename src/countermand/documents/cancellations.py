"""Cancellations as JSON, for the API and the command line."""

from datetime import datetime
from typing import Annotated, Final, Literal, TypedDict
from uuid import UUID

from pydantic import BaseModel, Field

from countermand.documents.parties import PartyOut
from countermand.domain.dates import write_moment
from countermand.domain.line import State
from countermand.domain.parties import Asker, PartyKind
from countermand.domain.refusals import LineReport
from countermand.ids import show
from countermand.reads.cancellations import CancellationView, is_escalated, waiting_units
from countermand.reads.scope import Scope

NOBODY: Final = Scope(party=UUID(int=0), kind=PartyKind.SUPPLIER)


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
    policy: Annotated[str | None, Field(description="id of the policy that holds for it; null for the defaults")]
    repeated: Annotated[
        bool, Field(description="true if the call repeated an earlier one and changed nothing about this cancellation")
    ]
    can: Annotated[list[Literal["accept", "decline", "withdraw", "note"]], Field(description="what the caller can do")]


class OutcomeOut(BaseModel):
    """What an ask came to for one line; in a dry run, what it would come to."""

    line: UUID
    units: int
    outcome: Literal["asked", "accepted", "would_ask", "would_accept", "refused"]
    cancellation: str | None
    code: str
    detail: str


def outcome_document(report: LineReport, *, done: bool) -> OutcomeOut:
    """What an ask came to for one line, if it was ``done``."""
    would = {"asked": "would_ask", "accepted": "would_accept"}
    outcome = report.outcome if done else would.get(report.outcome, report.outcome)
    named = report.cancellation if done or report.outcome == "refused" else None
    return OutcomeOut(
        line=report.line,
        units=report.units,
        outcome=outcome,
        cancellation=show("can", named) if named else None,
        code=report.code,
        detail=report.detail,
    )


Deed = Literal["accept", "decline", "withdraw", "note"]


def deeds_of(row: CancellationView, scope: Scope) -> list[Deed]:
    """What this party can do with a cancellation now."""
    platform = scope.kind is PartyKind.PLATFORM
    waits = row.state == State.ASKED.value
    deeds: list[Deed] = []
    if waits and not row.agreed and (platform or row.awaiting == scope.party):
        deeds += ["accept", "decline"]
    of_retailer = row.asker in (Asker.RETAILER.value, Asker.NOBODY.value) and scope.party == row.retailer_id
    own = row.asked_by == scope.party and scope.kind is PartyKind.RETAILER
    if waits and (platform or own or of_retailer):
        deeds.append("withdraw")
    if platform or scope.party in (row.retailer_id, row.fulfiller_id):
        deeds.append("note")
    return deeds


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


def cancellation_document(row: CancellationView, scope: Scope, *, repeated: bool = False) -> CancellationOut:
    """One cancellation, as this party sees it; ``repeated`` if the call that is answered changed nothing about it."""
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
        policy=show("plc", row.policy_id) if row.policy_id else None,
        repeated=repeated,
        can=deeds_of(row, scope),
    )


def listed_cancellation(row: CancellationView) -> ListedCancellation:
    """One cancellation, for the command line."""
    shown = cancellation_document(row, NOBODY)
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
        "asked_at": write_moment(shown.asked_at),
        "awaiting": str(shown.awaiting) if shown.awaiting else None,
        "due_at": write_moment(shown.due_at) if shown.due_at else None,
        "accepted_units": shown.accepted_units,
        "unasked": shown.unasked,
        "step": shown.step,
        "waiting_units": shown.waiting_units,
    }
