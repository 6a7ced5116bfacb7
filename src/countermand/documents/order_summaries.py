"""Orders as JSON, with the sums over their lines."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from countermand.documents.lines import LineOut, UnitsOut, line_document, sees_money
from countermand.documents.parties import PartyOut
from countermand.domain.money.amounts import write_minor
from countermand.reads.lines import LineDetail
from countermand.reads.order_summaries import OrderSummary
from countermand.reads.scope import Scope


class OrderOut(BaseModel):
    """An order. A supplier sees its own lines of it, and no amounts."""

    id: UUID | None
    number: Annotated[int | None, Field(description="bol's number of it")]
    reference: Annotated[str, Field(description="the retailer's purchase order number")]
    retailer: PartyOut
    placed_at: datetime
    currency: str
    held: Annotated[bool, Field(description="whether the fulfillers do not have it yet")]
    erased: Annotated[bool, Field(description="whether the customer's data were erased")]
    line_count: int
    units: UnitsOut
    total: Annotated[str | None, Field(description="what it cost; null without prices, and for suppliers")]
    total_minor: int | None
    repeated: Annotated[bool, Field(description="true if the call repeated an earlier one and changed nothing")]
    lines: Annotated[list[LineOut] | None, Field(description="its lines; null where they are not asked for")] = None


def order_document(
    row: OrderSummary, scope: Scope, *, lines: list[LineDetail] | None = None, repeated: bool = False
) -> OrderOut:
    """The order as this party sees it, with these lines of it."""
    total = row.total_minor if sees_money(scope, row.retailer_id) else None
    return OrderOut(
        id=row.id,
        number=row.number,
        reference=row.reference,
        retailer=PartyOut(id=row.retailer_id, name=row.retailer_name),
        placed_at=row.placed_at,
        currency=row.currency,
        held=not row.sent_to_fulfiller,
        erased=row.customer_erased_at is not None,
        line_count=row.line_count,
        units=UnitsOut(
            ordered=row.ordered, open=row.open, asked=row.asked, cancelled=row.cancelled, shipped=row.shipped
        ),
        total=None if total is None else write_minor(total, row.currency),
        total_minor=total,
        repeated=repeated,
        lines=None if lines is None else [line_document(line, scope) for line in lines],
    )
