"""Erasing a customer: the names, addresses and words that came with an order go; amounts, reasons and events stay."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, delete, select, update

from countermand.domain.search import keys_of_customer
from countermand.store import tables as t
from countermand.store.changes import change_any, change_exactly
from countermand.store.idempotency import forget_replies

OF_ORDER: Final = ("address", "shipping_address", "billing_address", "notes", "attributes", "content")
OF_LINE: Final = ("instructions", "attributes")
"""What can hold a customer's data. Who handed the order in stays: that is somebody of the retailer's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedCustomer:
    """Whose order has no data of its customer any more, and whether they are gone only ``now``."""

    retailer: UUID
    now: bool


def erase_customer(
    connection: Connection, order: UUID, *, at: datetime, by: str, note: str = ""
) -> ErasedCustomer | None:
    """Erase the customer of an order, and note who did it and when. Nothing that moves money needs what is erased.

    Returns ``None`` when there is no such order.
    """
    home = connection.execute(select(t.id_directory.c.retailer_id).where(t.id_directory.c.id == order)).scalar()
    if home is None:
        return None
    orders, lines = t.orders.c, t.lines.c
    mine = (orders.retailer_id == home, orders.id == order)
    order_row = connection.execute(select(orders.details, orders.placed_at).where(*mine).with_for_update()).first()
    if order_row is None:
        return None
    details = order_row.details
    if "erased" in details:
        return ErasedCustomer(retailer=home, now=False)
    erased = {**_without(details, OF_ORDER), "erased": {"at": at.isoformat(), "by": by, "note": note}}
    change_exactly(connection, 1, update(t.orders).where(*mine).values(details=erased, customer_erased_at=at))
    keys = t.order_keys.c
    change_any(
        connection,
        delete(t.order_keys).where(
            keys.retailer_id == home,
            keys.key.in_(keys_of_customer(details)),
            keys.placed_at == order_row.placed_at,
            keys.order_id == order,
        ),
    )
    forget_replies(connection, order)
    of_order = (lines.retailer_id == home, lines.order_id == order)
    for row in connection.execute(select(lines.id, lines.details).where(*of_order)).all():
        changed = update(t.lines).where(lines.retailer_id == home, lines.id == row.id)
        change_exactly(connection, 1, changed.values(details=_without(row.details, OF_LINE)))
    return ErasedCustomer(retailer=home, now=True)


def _without(details: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: None if name in names else value for name, value in details.items()}
