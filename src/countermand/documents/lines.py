"""Lines as JSON."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from countermand.documents.parties import PartyOut
from countermand.domain.money.amounts import write_minor
from countermand.domain.parties import PartyKind
from countermand.reads.lines import LineDetail
from countermand.reads.scope import Scope


class UnitsOut(BaseModel):
    """Units of a line, or of all lines of an order. The last four sum to the first."""

    ordered: int
    open: int
    asked: int
    cancelled: int
    shipped: int


class LineOut(BaseModel):
    """A line as it is now. Only the retailer and the platform see what it cost."""

    id: UUID
    number: Annotated[int, Field(description="bol's number of it")]
    order: UUID
    reference: Annotated[str, Field(description="the order's purchase order number")]
    sku: str
    title: str
    ean: str | None
    retailer: PartyOut
    fulfiller: PartyOut
    units: UnitsOut
    unit_price: str | None
    unit_price_minor: int | None
    currency: str
    promised_on: date | None
    backordered: int


def sees_money(scope: Scope, retailer: UUID) -> bool:
    """Whether a party is shown what the customer of this retailer paid."""
    return scope.kind is PartyKind.PLATFORM or scope.party == retailer


def line_document(row: LineDetail, scope: Scope) -> LineOut:
    """The line as this party sees it."""
    price = row.unit_price_minor if sees_money(scope, row.retailer_id) else None
    return LineOut(
        id=row.id,
        number=row.number,
        order=row.order_id,
        reference=row.reference,
        sku=row.sku,
        title=row.title,
        ean=row.details.get("ean"),
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
