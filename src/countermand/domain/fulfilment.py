"""What the fulfiller does with a line besides answering: it ships units, or allocates them."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from countermand.domain.answering import decline
from countermand.domain.cancellation import AskedUnder, NewId
from countermand.domain.commands import Allocate, ChangeTransport, DeclineCancellation, Ship
from countermand.domain.line import Cancellation, Decision, Line, Remark, State
from countermand.domain.parties import Actor, PartyKind
from countermand.domain.reasons import DeclineReason
from countermand.domain.refusals import (
    UNKNOWN_LINE,
    Refusal,
    RefusalKind,
    beyond,
    too_many_units,
    units_invalid,
    why_nothing_open,
)
from countermand.domain.transition import Draft


def ship(line: Line, command: Ship, now: datetime, asked_under: AskedUnder) -> Decision | Refusal:
    """Ship units. Asked units ship only with an override, which declines as many asks as needed, the newest first.

    If an ask was declined as already shipped and waits for the proof, the shipment is that proof (EC-17).
    """
    if not holds(line, command.actor):
        return UNKNOWN_LINE
    if command.units is not None and command.units < 1:
        return units_invalid()
    if command.cancellation is not None:
        return _answer_with_parcel(line, command, command.cancellation, now, asked_under)
    in_the_way = _in_the_way(line, command)
    shippable = line.open + sum(cancellation.asked_units for cancellation in in_the_way)
    units = shippable if command.units is None else command.units
    if not line.open and not line.asked:
        return _saved_if_cancelled(line, command, now, why_nothing_open(line))
    if units > line.open + line.asked:
        return _saved_if_cancelled(line, command, now, beyond(units, line.open + line.asked, "left to ship"))
    if units > shippable or not units:
        return Refusal(
            kind=RefusalKind.UNITS_ASKED,
            detail="A cancellation of these units is waiting for an answer; decline it before shipping them.",
            cancellation=line.asks[0].id,
        )
    draft = Draft(line, now, command.actor.party)
    for cancellation in in_the_way:
        if draft.open < units:
            reason = DeclineReason.ALREADY_SHIPPED
            draft.decline(cancellation, reason, command.actor.party, tracking=command.tracking)
    draft.ship(units, command.tracking)
    return draft.done()


def _answer_with_parcel(
    line: Line, command: Ship, cancellation: UUID, now: datetime, asked_under: AskedUnder
) -> Decision | Refusal:
    """The parcel of asked units answers their ask: it is a decline with its proof.

    The same rules apply as for a decline: it changes nothing once the ask has ended, and a repeat counts once.
    """
    answer = DeclineCancellation(
        line=line.id,
        actor=command.actor,
        reason=DeclineReason.ALREADY_SHIPPED,
        cancellation=cancellation,
        step=command.step,
        tracking=command.tracking,
    )
    declined = decline(line, answer, now, asked_under)
    if isinstance(declined, Refusal):
        return declined
    if not any(each.state is State.DECLINED for each in declined.cancellations):
        return declined
    asked = declined.cancellations[0].asked_units
    units = asked if command.units is None else command.units
    if units > asked:
        return too_many_units(line, units, asked=asked)
    draft = Draft(declined.line, now)
    draft.ship(units, command.tracking)
    return declined.then(draft.done())


def allocate(line: Line, command: Allocate, now: datetime, new_id: NewId) -> Decision | Refusal:
    """Record how many units the fulfiller accepts, has on back-order and rejects: totals, not additions.

    Rejected units are cancelled and count against the fulfiller. If it rejects all units that are neither shipped nor
    cancelled, waiting asks are accepted by that, whichever party's answer was due. Otherwise only open units can be
    rejected.
    """
    if not holds(line, command.actor):
        return UNKNOWN_LINE
    if min(command.accepted, command.backordered, command.rejected) < 0:
        return units_invalid()
    if command == _as_allocated(line, command):
        return Decision(line=line)
    if not (line.open or line.asked):
        return why_nothing_open(line)
    rejected_now = command.rejected - line.rejected
    promised = max(command.accepted, command.backordered)
    if promised > line.ordered:
        return beyond(promised, line.ordered, "ordered")
    if rejected_now < 0:
        return Refusal(
            kind=RefusalKind.TOO_MANY_UNITS,
            detail=f"A rejection cannot be taken back: {line.rejected} of {line.ordered} were rejected before.",
        )
    if rejected_now > line.open and rejected_now != line.open + line.asked:
        return too_many_units(line, rejected_now)
    draft = Draft(line, now, command.actor.party)
    draft.allocate(
        accepted=command.accepted,
        backordered=command.backordered,
        rejected=command.rejected,
        backorder_on=command.backorder_on,
    )
    if rejected_now > line.open:
        for cancellation in line.asks:
            draft.accept_for_good(cancellation, command.actor.party)
    units = min(rejected_now, line.open)
    if units:
        draft.cancel_own(new_id(), units, command.reason, command.actor.party)
    return draft.done()


def change_transport(line: Line, command: ChangeTransport, now: datetime) -> Decision | Refusal:
    """Record a correction of the carrier or the number of a parcel."""
    if not holds(line, command.actor):
        return UNKNOWN_LINE
    draft = Draft(line, now)
    draft.change_transport(f"{command.carrier} {command.tracking_number}".strip())
    return draft.done()


def _in_the_way(line: Line, command: Ship) -> list[Cancellation]:
    """The asks that shipping declines, in this order: those that wait for proof, then the others, newest first."""
    asks = line.asks[::-1]
    proved = [cancellation for cancellation in asks if cancellation.awaits_proof]
    return proved + [cancellation for cancellation in asks if command.override and not cancellation.awaits_proof]


def _saved_if_cancelled(line: Line, command: Ship, now: datetime, refusal: Refusal) -> Refusal:
    """The refusal, with a remark that cancelled units were reported as shipped (EC-37).

    There is no remark if the report may repeat an earlier one because it names no more units than have shipped; if it
    was saved before; or if all such reports together name more units than are cancelled.
    """
    there, left = line.open + line.asked, line.cancelled - sum(remark.units for remark in line.remarks)
    units = left if command.units is None else command.units - there
    repeated = line.shipped and (command.units is None or command.units <= line.shipped)
    remark = Remark(by=command.actor.party, units=units, tracking=command.tracking)
    if repeated or remark in line.remarks or not 0 < units <= left:
        return refusal
    draft = Draft(line, now)
    draft.note_shipped_though_cancelled(remark)
    return replace(refusal, remarks=(draft.done(),))


def holds(line: Line, actor: Actor) -> bool:
    """Whether the actor can ship the goods: it is the fulfiller and has the order, or it is the platform."""
    has_order = line.with_fulfiller or line.fulfiller == line.retailer
    return actor.kind is PartyKind.PLATFORM or (actor.party == line.fulfiller and has_order)


def _as_allocated(line: Line, command: Allocate) -> Allocate | None:
    if not line.allocated:
        return None
    return Allocate(
        line=command.line,
        actor=command.actor,
        accepted=line.accepted,
        backordered=line.backordered,
        rejected=line.rejected,
        backorder_on=line.backorder_on,
        reason=command.reason,
    )
