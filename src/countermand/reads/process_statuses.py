"""How asynchronous calls are doing."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Connection,
    select,
)

from countermand.store import tables as t
from countermand.store.views import view_or_none


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessView:
    """An asynchronous call and how it is doing."""

    retailer_id: UUID
    number: int
    event_type: str
    entity_id: str
    status: str
    error_message: str | None
    cancellation_id: UUID | None
    claimed_at: str | None
    created_at: datetime
    settled_at: datetime | None


def process_status(connection: Connection, retailer: UUID, number: int) -> ProcessView | None:
    """How an asynchronous call of this retailer is doing."""
    processes = t.process_statuses.c
    query = select(t.process_statuses).where(processes.retailer_id == retailer, processes.number == number)
    return view_or_none(ProcessView, connection.execute(query).first())
