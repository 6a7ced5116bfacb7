"""Rows and the values of the domain: translated here, both ways, and nowhere else."""

from typing import Any
from uuid import UUID

from countermand.domain.commands import Asker
from countermand.domain.events import Event
from countermand.domain.line import Cancellation, Line, State
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.store.columns import Record
from countermand.store.tables import PARTITIONS


def partition_of(retailer: UUID) -> int:
    """Which share of the work is this retailer's (docs/decisions/0013)."""
    return retailer.int % PARTITIONS


def line_of(row: Record, cancellations: tuple[Cancellation, ...]) -> Line:
    """The line that a row holds, with its cancellations."""
    return Line(
        id=row.id,
        retailer=row.retailer_id,
        order=row.order_id,
        fulfiller=row.fulfiller_id,
        placed_at=row.placed_at,
        with_fulfiller=row.with_fulfiller,
        ordered=row.ordered,
        open=row.open,
        asked=row.asked,
        cancelled=row.cancelled,
        shipped=row.shipped,
        allocated=row.allocated,
        accepted=row.accepted,
        backordered=row.backordered,
        rejected=row.rejected,
        backorder_on=row.backorder_on,
        seq=row.seq,
        cancellations=cancellations,
    )


def cancellation_of(row: Record) -> Cancellation:
    """The cancellation that a row holds."""
    return Cancellation(
        id=row.id,
        line=row.line_id,
        units=row.units,
        state=State(row.state),
        asker=Asker(row.asker),
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        awaiting=row.awaiting,
        due_at=row.due_at,
        policy_version=row.policy_version,
        reason=CancelReason(row.reason),
        note=row.note,
        key=row.ask_key,
        accepted_units=row.accepted_units,
        answered_at=row.answered_at,
        answered_by=row.answered_by,
        decline_reason=DeclineReason(row.decline_reason) if row.decline_reason else None,
        answer_note=row.answer_note,
        by_policy=row.by_policy,
        unasked=row.unasked,
    )


def cancellation_row(line: Line, cancellation: Cancellation, door: str) -> dict[str, Any]:
    """The row for a cancellation of a line; ``door`` is where it was asked."""
    return {
        "retailer_id": line.retailer,
        "id": cancellation.id,
        "line_id": line.id,
        "order_id": line.order,
        "fulfiller_id": line.fulfiller,
        "units": cancellation.units,
        "state": cancellation.state.value,
        "asker": cancellation.asker.value,
        "asked_by": cancellation.asked_by,
        "asked_at": cancellation.asked_at,
        "awaiting": cancellation.awaiting,
        "due_at": cancellation.due_at,
        "policy_version": cancellation.policy_version,
        "reason": cancellation.reason.value,
        "note": cancellation.note,
        "ask_key": cancellation.key,
        "accepted_units": cancellation.accepted_units,
        "answered_at": cancellation.answered_at,
        "answered_by": cancellation.answered_by,
        "decline_reason": cancellation.decline_reason.value if cancellation.decline_reason else None,
        "answer_note": cancellation.answer_note,
        "by_policy": cancellation.by_policy,
        "unasked": cancellation.unasked,
        "door": door,
    }


def buckets(line: Line) -> dict[str, Any]:
    """The four columns that a move changes."""
    return {"open": line.open, "asked": line.asked, "cancelled": line.cancelled, "shipped": line.shipped}


def allocation(line: Line) -> dict[str, Any]:
    """The columns that an allocation changes."""
    return {
        "allocated": line.allocated,
        "accepted": line.accepted,
        "backordered": line.backordered,
        "rejected": line.rejected,
        "backorder_on": line.backorder_on,
    }


def facts_of(event: Event) -> dict[str, Any]:
    """What is kept of an event besides who, when and where."""
    facts: dict[str, Any] = {
        "units": event.units,
        "open": event.open,
        "asked": event.asked,
        "cancelled": event.cancelled,
        "shipped": event.shipped,
    }
    extra = {
        "reason": event.reason,
        "note": event.note,
        "by_policy": event.by_policy,
        "unasked": event.unasked,
        "asker": event.asker.value if event.asker else None,
        "state": str(event.state),
        "asked_for": event.asked_for.value if event.asked_for != event.reason and event.state else None,
        "awaiting": str(event.awaiting) if event.awaiting else None,
        "due_at": event.due_at.isoformat() if event.due_at else None,
        "rule": event.rule.value if event.rule else None,
    }
    # A version of 0 says something: that the defaults held.
    version = {} if event.policy_version is None else {"policy_version": event.policy_version}
    return facts | {name: value for name, value in extra.items() if value} | version
