"""What the calls of bol's APIs mean, whichever of them they came by: the commands, and the process that is polled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from countermand.domain.commands import ChangeParcel, Command, Parcel, RetailerCancel, Ship, ShipOrder
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.line import NO_LINE
from countermand.domain.parties import Actor
from countermand.domain.processes import ProcessState
from countermand.domain.refusals import RefusalKind
from countermand.reads.lines import LineOfNumber
from countermand.reads.process_statuses import ProcessView
from countermand.reads.shipments import ShipmentView
from countermand.service.calls import Call, Failed, ProcessRequest, Refused
from countermand.service.lanes import Lanes
from countermand.wire.bol.vocabulary import REASONS, EventType, ReasonCode, Status
from countermand.wire.replies import NOT_ANSWERED, CallError, Problem

NUMBER_MAX: Final = 2**31 - 1
"""No number of ours is larger; one that is larger stands for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """How a call that is decided later, or was, is doing."""

    id: int
    seller_id: int
    entity_id: int | str
    event_type: EventType
    status: Status
    error_message: str | None = None
    created_at: datetime | None = None
    self_url: str | None = None
    """The absolute URL at which this status is found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A command whose outcome is polled: what of, and what the caller claims of its time."""

    command: Command
    event_type: EventType
    entity_id: str
    line_number: int | None = None
    claimed_at: str = ""


def cancellation(actor: Actor, item: str, number: int, reason: ReasonCode, claimed_at: str = "") -> Process:
    """Confirm what the customer asked of an order item, or cancel what cannot be fulfilled."""
    return Process(
        command=RetailerCancel(line=NO_LINE, actor=actor, reason=REASONS[reason]),
        event_type=EventType.CANCEL_ORDER,
        entity_id=item,
        line_number=number,
        claimed_at=claimed_at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SentItem:
    """An order item in a parcel: what its number led to, and how many units of it; ``None`` is all that is left."""

    line: LineOfNumber | None
    units: int | None = None


def shipment(actor: Actor, entity: str, items: Sequence[SentItem], parcel: Parcel, claimed_at: str = "") -> Process:
    """Order items have left the house in one parcel; an ask on one of them is thereby declined."""
    order = next((item.line.order_id for item in items if item.line), NO_LINE)

    def sent(item: SentItem) -> Ship:
        return Ship(line=item.line.id if item.line else NO_LINE, actor=actor, units=item.units, override=True)

    command = ShipOrder(order=order, actor=actor, lines=tuple(map(sent, items)), parcel=parcel)
    return Process(command=command, event_type=EventType.CONFIRM_SHIPMENT, entity_id=entity, claimed_at=claimed_at)


def transport(
    actor: Actor, item: str, found: Sequence[ShipmentView], carrier: str | None, tracking_number: str
) -> Process:
    """A parcel has another carrier or number than was reported. ``found`` is the parcel, or nothing."""
    command = ChangeParcel(
        order=found[0].row.order_id if found else NO_LINE,
        actor=actor,
        parcel=found[0].row.id if found else NO_LINE,
        carrier=carrier,
        tracking_number=tracking_number,
        lines=tuple(line.id for line, _ in found[0].contents) if found else (NO_LINE,),
    )
    return Process(command=command, event_type=EventType.CHANGE_TRANSPORT, entity_id=item)


async def queued(
    lanes: Lanes, process: Process, *, door: str, retailer: UUID, seller_id: int, once: IdempotencyKey | None
) -> ProcessStatus:
    """Have the command decided, and say what bol does: PENDING, whatever it came to, with a number to poll.

    Raises:
        CallError: the idempotency key was used for another call, or the database did not answer.
    """
    requested = ProcessRequest(
        event_type=process.event_type.value, entity_id=process.entity_id, claimed_at=process.claimed_at
    )
    outcome = await lanes.submit(
        Call(
            command=process.command,
            door=door,
            retailer=retailer,
            line_number=process.line_number,
            process=requested,
            once=once,
        )
    )
    if isinstance(outcome, Refused) and outcome.refusal.kind is RefusalKind.KEY_REUSED:
        raise CallError.of(outcome.refusal)
    if isinstance(outcome, Failed) or outcome.process is None:
        raise CallError(Problem.UNAVAILABLE, NOT_ANSWERED)
    return ProcessStatus(
        id=outcome.process,
        seller_id=seller_id,
        entity_id=process.entity_id,
        event_type=process.event_type,
        status=Status.PENDING,
        created_at=outcome.at,
    )


def process_status(row: ProcessView, seller_id: int) -> ProcessStatus:
    """A stored process status, as it is polled."""
    return ProcessStatus(
        id=row.number,
        seller_id=seller_id,
        entity_id=row.entity_id,
        event_type=EventType(row.event_type),
        status=Status[ProcessState(row.status).name],
        error_message=row.error_message,
        created_at=row.created_at,
    )
