"""Orders with money in a world: placed, cancelled, and what the tables say of them."""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from countermand.documents.orders import OrderIn, place
from countermand.domain.orders import PlaceOrder
from countermand.service.calls import Done
from countermand.store import tables as t
from tests.support.world import World

PAID = {"provider": "manual", "reference": "PAY-1", "captured": "27.00"}
COUPON = {"amount": "3.00", "label": "ten percent"}


def order_json(world: World, **changes: Any) -> dict[str, Any]:
    """Three units at 10.00, 3.00 off in all, paid in full."""
    line = {"sku": "SKU-0", "units": 3, "unit_price": "10.00", "supplier": str(world.supplier)}
    document = {"retailer": str(world.retailer), "reference": "PO-M", "lines": [line]}
    return {**document, "discounts": [COUPON], "payments": [PAID], **changes}


async def place_paid(world: World, **changes: Any) -> PlaceOrder:
    """Hand in an order with money."""
    document = OrderIn.model_validate(order_json(world, **changes))
    seller = UUID(document.retailer)
    command = place(
        document,
        actor=world.actor(seller),
        party=UUID,
        ids=world.application.ids,
        now=world.clock(),
    )
    outcome = await world.submit(command, retailer=seller)
    assert isinstance(outcome, Done), outcome
    return command


async def rows_of(world: World, table: str) -> list[Any]:
    """Every row of a table."""

    def read(connection: Connection) -> list[Any]:
        found = t.metadata.tables[table]
        return list(connection.execute(select(found).order_by(*found.primary_key.columns)))

    return await world.application.database.read(read)
