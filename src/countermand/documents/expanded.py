"""Orders, lines, cancellations and refunds with what is shown inside them if it is asked for: one level of it.

A list stands under its own name. An object stands in ``expanded``, as the member of its name is its id.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import Connection

from countermand.documents.cancellations import CancellationOut, cancellation_document
from countermand.documents.lines import LineOut, line_document
from countermand.documents.order_summaries import OrderOut, order_document
from countermand.documents.refunds import RefundOut, refund_document
from countermand.documents.shipments import ShipmentOut, shipment_document
from countermand.reads import expansions
from countermand.reads.cancellations import CancellationView
from countermand.reads.lines import LineDetail
from countermand.reads.order_summaries import OrderSummary
from countermand.reads.refunds import RefundView
from countermand.reads.scope import Scope

OrderExpand = Literal["lines", "shipments", "cancellations"]
LineExpand = Literal["order", "cancellations"]
CancellationExpand = Literal["line", "order", "refunds"]
RefundExpand = Literal["cancellation", "order"]


def _asked_for(name: str) -> Any:
    """A member that is there only with ``expand``."""
    return Field(exclude_if=lambda value: value is None, description=f"only with `expand={name}`")


class ExpandedOrder(OrderOut):
    """An order, with what `expand` names."""

    shipments: Annotated[list[ShipmentOut] | None, _asked_for("shipments")] = None
    cancellations: Annotated[list[CancellationOut] | None, _asked_for("cancellations")] = None


class AroundLine(BaseModel):
    """What `expand` names of a line."""

    order: OrderOut | None


class ExpandedLine(LineOut):
    """A line, with what `expand` names."""

    cancellations: Annotated[list[CancellationOut] | None, _asked_for("cancellations")] = None
    expanded: Annotated[AroundLine | None, _asked_for("order")] = None


class AroundCancellation(BaseModel):
    """What `expand` names of a cancellation. Null is what is not named, or not for the caller to see."""

    line: LineOut | None
    order: OrderOut | None


class ExpandedCancellation(CancellationOut):
    """A cancellation, with what `expand` names."""

    refunds: Annotated[list[RefundOut] | None, _asked_for("refunds")] = None
    expanded: Annotated[AroundCancellation | None, _asked_for("line` or `order")] = None


class AroundRefund(BaseModel):
    """What `expand` names of a refund. Null is what is not named."""

    cancellation: CancellationOut | None
    order: OrderOut | None


class ExpandedRefund(RefundOut):
    """A refund, with what `expand` names."""

    expanded: Annotated[AroundRefund | None, _asked_for("cancellation` or `order")] = None


def expanded_orders(
    connection: Connection, scope: Scope, rows: Sequence[OrderSummary], names: Collection[OrderExpand]
) -> list[ExpandedOrder]:
    """These orders as this party sees them.

    Raises:
        TooMuchInsideError: what is named is too much.
    """
    pairs = [(row.retailer_id, row.id) for row in rows]
    lines = expansions.lines_inside(connection, scope, pairs) if "lines" in names else None
    parcels = expansions.parcels_of_orders(connection, scope, pairs) if "shipments" in names else None
    asks = expansions.cancellations_of_orders(connection, scope, pairs) if "cancellations" in names else None
    return [
        ExpandedOrder(
            **dict(order_document(row, scope, lines=None if lines is None else lines.get(row.id, []))),
            shipments=None if parcels is None else [shipment_document(each) for each in parcels.get(row.id, ())],
            cancellations=_cancellations(asks, row.id, scope),
        )
        for row in rows
    ]


def expanded_lines(
    connection: Connection, scope: Scope, rows: Sequence[LineDetail], names: Collection[LineExpand]
) -> list[ExpandedLine]:
    """These lines as this party sees them.

    Raises:
        TooMuchInsideError: what is named is too much.
    """
    orders = _orders(connection, scope, rows) if "order" in names else None
    pairs = [(row.retailer_id, row.id) for row in rows]
    asks = expansions.cancellations_of_lines(connection, scope, pairs) if "cancellations" in names else None
    return [
        ExpandedLine(
            **dict(line_document(row, scope)),
            cancellations=_cancellations(asks, row.id, scope),
            expanded=None if orders is None else AroundLine(order=orders.get(row.order_id)),
        )
        for row in rows
    ]


def expanded_cancellations(
    connection: Connection, scope: Scope, rows: Sequence[CancellationView], names: Collection[CancellationExpand]
) -> list[ExpandedCancellation]:
    """These cancellations as this party sees them.

    Raises:
        TooMuchInsideError: what is named is too much.
    """
    orders = _orders(connection, scope, rows) if "order" in names else {}
    around = [(row.retailer_id, row.line_id) for row in rows]
    lines = expansions.lines_around(connection, scope, around) if "line" in names else {}
    pairs = [(row.retailer_id, row.id) for row in rows]
    refunds = expansions.refunds_of_cancellations(connection, scope, pairs) if "refunds" in names else None

    def around_of(row: CancellationView) -> AroundCancellation | None:
        if not {"line", "order"} & {*names}:
            return None
        line = lines.get(row.line_id)
        return AroundCancellation(
            line=line and line_document(line, scope),
            order=orders.get(row.order_id),
        )

    return [
        ExpandedCancellation(
            **dict(cancellation_document(row, scope)),
            refunds=None if refunds is None else [refund_document(each, scope) for each in refunds.get(row.id, ())],
            expanded=around_of(row),
        )
        for row in rows
    ]


def expanded_refunds(
    connection: Connection, scope: Scope, rows: Sequence[RefundView], names: Collection[RefundExpand]
) -> list[ExpandedRefund]:
    """These refunds as this party sees them."""
    orders = _orders(connection, scope, rows) if "order" in names else {}
    around = [(row.retailer_id, row.cancellation_id) for row in rows]
    asks = expansions.cancellations_around(connection, scope, around) if "cancellation" in names else {}

    def around_of(row: RefundView) -> AroundRefund | None:
        ask = asks.get(row.cancellation_id)
        return AroundRefund(
            cancellation=ask and cancellation_document(ask, scope),
            order=orders.get(row.order_id),
        )

    return [
        ExpandedRefund(**dict(refund_document(row, scope)), expanded=around_of(row) if names else None) for row in rows
    ]


def _orders(connection: Connection, scope: Scope, rows: Sequence[Any]) -> dict[UUID, OrderOut]:
    found = expansions.orders_around(connection, scope, [(row.retailer_id, row.order_id) for row in rows])
    return {order: order_document(row, scope) for order, row in found.items()}


def _cancellations(
    found: Mapping[UUID, Sequence[CancellationView]] | None, outer: UUID, scope: Scope
) -> list[CancellationOut] | None:
    return None if found is None else [cancellation_document(each, scope) for each in found.get(outer, ())]
