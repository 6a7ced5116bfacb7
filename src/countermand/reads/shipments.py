"""Parcels with what is in them."""

from dataclasses import dataclass
from operator import attrgetter
from uuid import UUID

from sqlalchemy import (
    Connection,
    select,
)

from countermand.reads.cancellations import PAGE_MAX
from countermand.reads.views import LineRow, OrderRow, ShipmentRow
from countermand.store import tables as t
from countermand.store.views import view


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedLine(LineRow):
    """A line with how many of its units went in one parcel."""

    shipment_id: UUID
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentView:
    """A parcel with its order and what was in it: pairs of a line and how many of its units."""

    row: ShipmentRow
    order: OrderRow
    contents: tuple[tuple[LineRow, int], ...]


def shipments(
    connection: Connection,
    retailer: UUID,
    *,
    start: int = 0,
    count: int = PAGE_MAX,
    order_number: int | None = None,
    number: int | None = None,
) -> list[ShipmentView]:
    """Parcels of a retailer's orders, newest first; ``number`` picks one by bol's number of it."""
    conditions = [t.shipments.c.retailer_id == retailer]
    if number is not None:
        conditions.append(t.shipments.c.number == number)
    if order_number is not None:
        numbered = select(t.orders.c.id).where(t.orders.c.retailer_id == retailer, t.orders.c.number == order_number)
        conditions.append(t.shipments.c.order_id == numbered.scalar_subquery())
    query = select(t.shipments).where(*conditions)
    if number is None and order_number is None:
        query = query.order_by(t.shipments.c.id.desc()).offset(start).limit(count)
        rows = list(connection.execute(query))
    else:
        # Few, and sorted here: SQLite would go through all of the retailer's to have them in order.
        rows = sorted(connection.execute(query), key=attrgetter("id"), reverse=True)[start : start + count]
    if not rows:
        return []
    order_ids = {row.order_id for row in rows}
    orders = {
        row.id: view(OrderRow, row)
        for row in connection.execute(
            select(t.orders).where(t.orders.c.retailer_id == retailer, t.orders.c.id.in_(order_ids))
        )
    }
    contents: dict[UUID, list[tuple[LineRow, int]]] = {}
    inside = connection.execute(
        select(t.shipment_lines.c.shipment_id, t.shipment_lines.c.units, t.lines)
        .join(t.lines, t.named_by(t.shipment_lines.c.line_id, t.lines))
        .where(t.shipment_lines.c.retailer_id == retailer, t.shipment_lines.c.shipment_id.in_([r.id for r in rows]))
        .order_by(t.lines.c.position)
    )
    for line in inside:
        contents.setdefault(line.shipment_id, []).append((view(ShippedLine, line), line.units))
    return [
        ShipmentView(row=view(ShipmentRow, row), order=orders[row.order_id], contents=tuple(contents.get(row.id, ())))
        for row in rows
    ]
