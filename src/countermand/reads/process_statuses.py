"""How asynchronous calls are doing."""

from uuid import UUID

from sqlalchemy import (
    Connection,
    select,
)

from countermand.store import tables as t
from countermand.store.columns import Record


def process_status(connection: Connection, retailer: UUID, number: int) -> Record | None:
    """How an asynchronous call of this retailer is doing."""
    return connection.execute(
        select(t.process_statuses).where(
            t.process_statuses.c.retailer_id == retailer, t.process_statuses.c.number == number
        )
    ).first()
