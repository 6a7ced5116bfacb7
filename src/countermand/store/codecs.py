"""Rows and the values of the domain: translated here, both ways, and nowhere else."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from countermand.domain.events import STEPS, Event, EventKind, ReportedRefund
from countermand.domain.line import Cancellation, Decided, Line, Remark, State
from countermand.domain.money.commands import Movement, WaitingFor
from countermand.domain.money.pricing import Method
from countermand.domain.money.refunds import Refund, RefundKind, RefundState, SharedCall
from countermand.domain.parcels import ReportedParcel
from countermand.domain.parties import Asker
from countermand.domain.policy import Rule
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.store.columns import Record
from countermand.store.tables import PARTITIONS
from countermand.store.views import RefundRow


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
        group=row.group_id,
        agreed=row.agreed,
        rest=row.rest_units,
        rest_reason=DeclineReason(row.rest_reason) if row.rest_reason else None,
        step=row.step,
        moved_at=row.moved_at,
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
        "group_id": cancellation.group,
        "agreed": cancellation.agreed,
        "door": door,
        "rest_units": cancellation.rest,
        "rest_reason": cancellation.rest_reason.value if cancellation.rest_reason else None,
        "step": cancellation.step,
        "moved_at": cancellation.moved_at,
    }


def line_changes(line: Line) -> dict[str, Any]:
    """The columns of a line that moves, allocations and another fulfiller change."""
    return {
        "fulfiller_id": line.fulfiller,
        "with_fulfiller": line.with_fulfiller,
        "open": line.open,
        "asked": line.asked,
        "cancelled": line.cancelled,
        "shipped": line.shipped,
        "allocated": line.allocated,
        "accepted": line.accepted,
        "backordered": line.backordered,
        "rejected": line.rejected,
        "backorder_on": line.backorder_on,
        "seq": line.seq,
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
        "refund": _told_refund(event.refund) if event.refund else None,
        "payment": asdict(event.payment) if event.payment else None,
        "rest": event.rest,
        "rest_reason": str(event.rest_reason),
        "agreed": event.agreed,
        "tracking": event.tracking,
        "answer": event.answer,
        "step": event.step,
        "waiting": event.waiting,
        "former": str(event.former) if event.former else None,
    }
    # A version of 0 says something: that the defaults held.
    version = {} if event.policy_version is None else {"policy_version": event.policy_version}
    return facts | {name: value for name, value in extra.items() if value} | version


def _told_refund(refund: ReportedRefund) -> dict[str, Any]:
    return {
        "id": str(refund.id),
        "cancellation": str(refund.cancellation),
        "payment": refund.payment,
        "amount_minor": refund.amount_minor,
        "currency": refund.currency,
        "released": refund.released,
        "step": refund.step,
        "elsewhere_minor": refund.elsewhere_minor,
    }


def remark_of(row: Record) -> Remark:
    """The remark in an event that changed nothing."""
    common = {"by": row.actor_id, "cancellation": row.cancellation_id}
    match EventKind(row.kind):
        case EventKind.CANCELLATION_LATE_ANSWER:
            return Remark(**common, answer=row.facts["answer"])
        case EventKind.CANCELLATION_NOTED:
            return Remark(**common, note=row.facts["note"], tracking=row.facts.get("tracking", ""))
        case _:
            return Remark(**common, units=row.facts["units"], tracking=row.facts.get("tracking", ""))


def parcel_of(rows: Sequence[Record]) -> ReportedParcel:
    """The parcel that these rows hold, one for each line in it. Which number it came with is kept since 0.2.0."""
    first = rows[0]
    return ReportedParcel(
        id=first.id,
        number=first.number,
        carrier=first.carrier,
        tracking_number=first.tracking_number,
        reported_number=first.details.get("reported_number", first.tracking_number),
        reference=first.details.get("reference", ""),
        contents={row.line_id: row.units for row in rows},
    )


def decided_of(rows: Iterable[Record]) -> tuple[Decided, ...]:
    """The decisions on one cancellation, from its events in their order."""
    decided: list[Decided] = []
    awaited: UUID | None = None
    for row in rows:
        facts = row.facts
        if EventKind(row.kind) in STEPS:
            rule = Rule(facts["rule"]) if "rule" in facts else None
            decided.append(
                Decided(
                    step=len(decided) + 1,
                    kind=EventKind(row.kind),
                    at=row.at,
                    by=row.actor_id,
                    awaited=awaited,
                    units=facts["units"],
                    rest=facts.get("rest", 0),
                    reason=facts.get("reason", ""),
                    rule=rule,
                )
            )
        awaited = UUID(facts["awaiting"]) if "awaiting" in facts else None
    return tuple(decided)


def refund_of(row: RefundRow | Record) -> Refund:
    """The refund that a row holds."""
    return Refund(
        id=row.id,
        order=row.order_id,
        line=row.line_id,
        cancellation=row.cancellation_id,
        payment=row.payment_id,
        provider=row.provider,
        payment_reference=row.payment_reference,
        method=Method(row.method),
        kind=RefundKind(row.kind),
        amount_minor=row.amount_minor,
        elsewhere_minor=row.elsewhere_minor,
        currency=row.currency,
        state=RefundState(row.state),
        round=row.round,
        attempts=row.attempts,
        due_at=row.due_at,
        sent_at=row.sent_at,
        provider_reference=row.provider_reference,
        last_result=row.last_result,
        created_at=row.created_at,
        settled_at=row.settled_at,
        note=row.note,
        movement=Movement(row.movement) if row.movement else None,
        check_at=row.check_at,
        paid_minor=row.paid_minor,
        moved_minor=row.moved_minor,
        step=row.step,
        corrected_step=row.corrected_step,
        parked_at=row.parked_at,
        no_provider=row.no_provider,
        waiting_for=WaitingFor(row.waiting_for) if row.waiting_for else None,
        joined=_joined_of(row),
    )


def _joined_of(row: RefundRow | Record) -> SharedCall | None:
    # A row has all of these or none.
    if (
        row.joined_lead is None
        or row.joined_number is None
        or row.joined_round is None
        or row.joined_share_minor is None
        or row.joined_total_minor is None
    ):
        return None
    return SharedCall(
        lead=row.joined_lead,
        number=row.joined_number,
        round=row.joined_round,
        share_minor=row.joined_share_minor,
        total_minor=row.joined_total_minor,
    )


def refund_row(retailer: UUID, refund: Refund) -> dict[str, Any]:
    """The row for a refund."""
    return {
        "retailer_id": retailer,
        "id": refund.id,
        "partition": partition_of(retailer),
        "order_id": refund.order,
        "line_id": refund.line,
        "cancellation_id": refund.cancellation,
        "payment_id": refund.payment,
        "provider": refund.provider,
        "payment_reference": refund.payment_reference,
        "method": refund.method.value,
        "kind": refund.kind.value,
        "amount_minor": refund.amount_minor,
        "elsewhere_minor": refund.elsewhere_minor,
        "currency": refund.currency,
        "state": refund.state.value,
        "round": refund.round,
        "attempts": refund.attempts,
        "due_at": refund.due_at,
        "sent_at": refund.sent_at,
        "provider_reference": refund.provider_reference,
        "last_result": refund.last_result,
        "created_at": refund.created_at,
        "settled_at": refund.settled_at,
        "note": refund.note,
        "movement": refund.movement.value if refund.movement else None,
        "check_at": refund.check_at,
        "paid_minor": refund.paid_minor,
        "moved_minor": refund.moved_minor,
        "step": refund.step,
        "corrected_step": refund.corrected_step,
        "parked_at": refund.parked_at,
        "no_provider": refund.no_provider,
        "waiting_for": refund.waiting_for.value if refund.waiting_for else None,
        "joined_lead": refund.joined.lead if refund.joined else None,
        "joined_number": refund.joined.number if refund.joined else None,
        "joined_round": refund.joined.round if refund.joined else None,
        "joined_share_minor": refund.joined.share_minor if refund.joined else None,
        "joined_total_minor": refund.joined.total_minor if refund.joined else None,
    }
