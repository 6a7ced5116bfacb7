"""Orders as lists show them: each as one JSON document, or each line as a row."""

from typing import TypedDict
from uuid import UUID

from countermand.domain.dates import write_moment
from countermand.reads.orders import LineView, OrderView


class ListedLine(TypedDict):
    """A line of an order: who holds it, and where its units are."""

    id: str
    number: int
    sku: str
    held_by: str
    ordered: int
    open: int
    asked: int
    cancelled: int
    shipped: int


class ListedOrder(TypedDict):
    """An order with its lines."""

    id: str
    number: int
    reference: str
    retailer: str
    placed_at: str
    lines: list[ListedLine]


class OrderLineRow(TypedDict):
    """A line with the order that it is part of."""

    order: UUID
    order_number: int
    reference: str
    retailer: str
    placed_at: str
    line: UUID
    number: int
    sku: str
    title: str
    held_by: str
    ordered: int
    open: int
    asked: int
    cancelled: int
    shipped: int


def order_document(view: OrderView) -> ListedOrder:
    """One order."""
    return {
        "id": str(view.row.id),
        "number": view.row.number,
        "reference": view.row.reference,
        "retailer": view.retailer_name,
        "placed_at": write_moment(view.row.placed_at),
        "lines": [_line(line) for line in view.lines],
    }


def _line(line: LineView) -> ListedLine:
    row = line.row
    return {
        "id": str(row.id),
        "number": row.number,
        "sku": row.sku,
        "held_by": line.supplier_name,
        "ordered": row.ordered,
        "open": row.open,
        "asked": row.asked,
        "cancelled": row.cancelled,
        "shipped": row.shipped,
    }


def order_line_rows(view: OrderView) -> list[OrderLineRow]:
    """One order as a row for each of its lines."""
    return [_row(view, line) for line in view.lines]


def _row(view: OrderView, line: LineView) -> OrderLineRow:
    row = line.row
    return {
        "order": view.row.id,
        "order_number": view.row.number,
        "reference": view.row.reference,
        "retailer": view.retailer_name,
        "placed_at": write_moment(view.row.placed_at),
        "line": row.id,
        "number": row.number,
        "sku": row.sku,
        "title": row.title,
        "held_by": line.supplier_name,
        "ordered": row.ordered,
        "open": row.open,
        "asked": row.asked,
        "cancelled": row.cancelled,
        "shipped": row.shipped,
    }
