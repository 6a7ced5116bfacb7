"""Parcels: their rows, and corrections of them."""

from collections import Counter
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from countermand.domain.commands import Parcel, ShipOrder
from countermand.domain.decide import LineOutcome
from countermand.domain.events import EventKind
from countermand.domain.line import Decision, Line
from countermand.domain.parcels import ReportedParcel
from countermand.service.workspace import Workspace


def note_parcel(work: Workspace, command: ShipOrder, first: Line, outcomes: Iterable[LineOutcome]) -> int:
    """Add a parcel, and return its number. ``first`` is any of its lines: all have one retailer and one fulfiller."""
    parcel, number = command.parcel, work.lane.numbers.take()
    work.add(
        "shipments",
        retailer_id=first.retailer,
        id=parcel.id,
        order_id=command.order,
        fulfiller_id=first.fulfiller,
        number=number,
        reported_at=work.now,
        carrier=parcel.carrier,
        tracking_number=parcel.tracking_number,
        details=_details(parcel),
    )
    for line, units in shipped(outcomes).items():
        work.add("shipment_lines", retailer_id=first.retailer, shipment_id=parcel.id, line_id=line, units=units)
    return number


def note_parcel_change(work: Workspace, parcel: ReportedParcel, retailer: UUID) -> None:
    """Save the carrier and the number that a parcel has now."""
    work.transports[parcel.id] = {
        "of_retailer": retailer,
        "of_id": parcel.id,
        "new_carrier": parcel.carrier,
        "new_tracking_number": parcel.tracking_number,
    }


def _details(parcel: Parcel) -> dict[str, Any]:
    return {
        "method": parcel.method,
        "weight": parcel.weight,
        "cost": parcel.cost,
        "shipped_on": parcel.shipped_on.isoformat() if parcel.shipped_on else None,
        "reference": parcel.reference,
        "reported_number": parcel.tracking_number,
        "attributes": [list(pair) for pair in parcel.attributes],
    }


def shipped(outcomes: Iterable[LineOutcome]) -> Counter[UUID]:
    """How many units of each line are in a parcel. A line that is named twice is counted once."""
    units: Counter[UUID] = Counter()
    for each in outcomes:
        for event in each.outcome.events if isinstance(each.outcome, Decision) else ():
            if event.kind is EventKind.LINE_SHIPPED:
                units[each.line] += event.units
    return units
