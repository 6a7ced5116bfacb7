"""What only the native API shows: a line as it is now, and the ``ETag`` of that state."""

import hashlib
from datetime import date
from uuid import UUID

from pydantic import BaseModel

from countermand.admin.callers import Caller
from countermand.documents.parties import PartyOut
from countermand.domain.money.amounts import write_minor
from countermand.domain.parties import PartyKind
from countermand.reads.lines import LineDetail


class UnitsOut(BaseModel):
    """The units of a line. The last four sum to the first."""

    ordered: int
    open: int
    asked: int
    cancelled: int
    shipped: int


class LineOut(BaseModel):
    """A line as it is now. Only the retailer and the platform see what it cost."""

    id: UUID
    number: int
    order: UUID
    reference: str
    sku: str
    title: str
    retailer: PartyOut
    fulfiller: PartyOut
    units: UnitsOut
    unit_price: str | None
    unit_price_minor: int | None
    currency: str
    promised_on: date | None
    backordered: int


def line_shown(row: LineDetail, who: Caller) -> LineOut:
    """The line as this caller sees it."""
    price = row.unit_price_minor if who.kind is PartyKind.PLATFORM or who.party == row.retailer_id else None
    return LineOut(
        id=row.id,
        number=row.number,
        order=row.order_id,
        reference=row.reference,
        sku=row.sku,
        title=row.title,
        retailer=PartyOut(id=row.retailer_id, name=row.retailer_name),
        fulfiller=PartyOut(id=row.fulfiller_id, name=row.fulfiller_name),
        units=UnitsOut(
            ordered=row.ordered, open=row.open, asked=row.asked, cancelled=row.cancelled, shipped=row.shipped
        ),
        unit_price=None if price is None else write_minor(price, row.currency),
        unit_price_minor=price,
        currency=row.currency,
        promised_on=row.promised_on,
        backordered=row.backordered,
    )


def etag(row: LineDetail) -> str:
    """Changes with every event of the line."""
    return f'"{hashlib.sha256(f"{row.id} {row.seq}".encode()).hexdigest()[:16]}"'
