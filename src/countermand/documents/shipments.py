"""Parcels as JSON."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel

from countermand.reads.shipments import Parcel


class ShippedUnits(BaseModel):
    """A line, and how many of its units are in the parcel."""

    line: UUID
    units: int


class ShipmentOut(BaseModel):
    """A parcel with units of lines of one order."""

    id: UUID
    order: UUID
    lines: list[ShippedUnits]
    carrier: str
    tracking_number: str
    method: str
    shipped_on: date | None
    reference: str
    created_at: datetime
    repeated: bool


def shipment_document(parcel: Parcel, *, repeated: bool = False) -> ShipmentOut:
    """One parcel; ``repeated`` if the call that is answered changed nothing about it."""
    row, details = parcel.row, parcel.row.details
    return ShipmentOut(
        id=row.id,
        order=row.order_id,
        lines=[ShippedUnits(line=line, units=units) for line, units in parcel.contents],
        carrier=row.carrier,
        tracking_number=row.tracking_number,
        method=details.get("method") or "",
        shipped_on=details.get("shipped_on"),
        reference=details.get("reference") or "",
        created_at=row.reported_at,
        repeated=repeated,
    )
