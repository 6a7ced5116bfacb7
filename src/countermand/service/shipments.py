"""Parcels: the one that a shipment went in, and how it travels."""

from collections import Counter
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from countermand.domain.commands import ChangeParcel, Parcel, ShipOrder
from countermand.domain.decide import LineOutcome
from countermand.domain.events import EventKind
from countermand.domain.line import Decision, Line
from countermand.service.workspace import Workspace


def note_parcel(work: Workspace, command: ShipOrder, first: Line, fates: Iterable[LineOutcome]) -> None:
    """A parcel left. ``first`` is any of its lines: all have one retailer and one fulfiller."""
    parcel = command.parcel
    work.add(
        "shipments",
        retailer_id=first.retailer,
        id=parcel.id,
        order_id=command.order,
        fulfiller_id=first.fulfiller,
        number=work.lane.numbers.take(),
        reported_at=work.now,
        carrier=parcel.carrier,
        tracking_number=parcel.tracking_number,
        details=_details(parcel),
    )
    for line, units in shipped(fates).items():
        work.add("shipment_lines", retailer_id=first.retailer, shipment_id=parcel.id, line_id=line, units=units)


def note_parcel_change(work: Workspace, command: ChangeParcel, retailer: UUID) -> None:
    """A parcel travels otherwise than was said."""
    work.transports[command.parcel] = {
        "of_retailer": retailer,
        "of_id": command.parcel,
        "new_carrier": command.carrier,
        "new_tracking_number": command.tracking_number,
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


def shipped(fates: Iterable[LineOutcome]) -> Counter[UUID]:
    """How many units of each line left with it. A line that is named twice is counted as one."""
    units: Counter[UUID] = Counter()
    for fate in fates:
        for event in fate.outcome.events if isinstance(fate.outcome, Decision) else ():
            if event.kind is EventKind.LINE_SHIPPED:
                units[fate.line] += event.units
    return units
