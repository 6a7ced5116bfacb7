"""What the fulfiller does with a line besides answering: ship it, or say how much of it there is."""

from datetime import datetime

from countermand.domain.cancellation import (
    NewId,
    beyond,
    own_cancellation,
    too_many_units,
    units_invalid,
    why_nothing_open,
)
from countermand.domain.commands import Actor, Allocate, ChangeTransport, PartyKind, Ship
from countermand.domain.line import Decision, Draft, Line
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.domain.refusals import UNKNOWN_LINE, Refusal, RefusalKind


def ship(line: Line, command: Ship, now: datetime) -> Decision | Refusal:
    """Ship units. Asked units only with an override, which declines as many asks as it takes, the last asked first."""
    if not _holds(line, command.actor):
        return UNKNOWN_LINE
    if command.units is not None and command.units < 1:
        return units_invalid()
    shippable = line.open + (line.asked if command.override else 0)
    units = shippable if command.units is None else command.units
    if not line.open and not line.asked:
        return why_nothing_open(line)
    if units > line.open + line.asked:
        return too_many_units(line, units)
    if units > shippable or not units:
        return Refusal(
            kind=RefusalKind.UNITS_ASKED,
            detail="A cancellation of these units is waiting for an answer; decline it before shipping them.",
            cancellation=line.asks[0].id,
        )
    draft = Draft(line, now)
    for cancellation in reversed(line.asks):
        if draft.open < units:
            draft.decline(cancellation, DeclineReason.ALREADY_SHIPPED, command.actor.party)
    draft.ship(units)
    return draft.done()


def allocate(line: Line, command: Allocate, now: datetime, new_id: NewId) -> Decision | Refusal:
    """Note how many units the fulfiller accepts, has on back-order and rejects, each in all (not in addition).

    Rejected units are cancelled on the fulfiller's account. When it rejects all that is neither shipped nor cancelled,
    asks are thereby accepted, whoever's answer was due; otherwise only open units can be rejected.
    """
    if not _holds(line, command.actor):
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
    draft = Draft(line, now)
    draft.allocate(
        accepted=command.accepted,
        backordered=command.backordered,
        rejected=command.rejected,
        backorder_on=command.backorder_on,
    )
    if rejected_now > line.open:
        for cancellation in line.asks:
            draft.accept(cancellation, cancellation.units, command.actor.party)
    units = min(rejected_now, line.open)
    if units:
        reason = CancelReason.REJECTED_AT_ALLOCATION
        draft.cancel_own(own_cancellation(line, new_id(), units, reason, "", command.actor, now))
    return draft.done()


def change_transport(line: Line, command: ChangeTransport, now: datetime) -> Decision | Refusal:
    """Note that a parcel travels otherwise than was said."""
    if not _holds(line, command.actor):
        return UNKNOWN_LINE
    draft = Draft(line, now)
    draft.change_transport(f"{command.carrier} {command.tracking_number}".strip())
    return draft.done()


def _holds(line: Line, actor: Actor) -> bool:
    told = line.with_fulfiller or line.fulfiller == line.retailer
    return actor.kind is PartyKind.PLATFORM or (actor.party == line.fulfiller and told)


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
    )
