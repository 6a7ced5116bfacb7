"""Attempts to send a notice or a test: what came of each is kept for a while."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from countermand.store.engines.protocol import engine_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One attempt. ``retailer_id`` is that of the notice; of a test, it is the party that owns the endpoint."""

    retailer_id: UUID
    id: UUID
    notice_id: UUID | None
    endpoint_id: UUID
    event_id: UUID
    line_id: UUID | None
    seq: int | None
    kind: str
    url: str
    at: datetime
    ok: bool
    duration_ms: int
    status: int | None
    answer: str
    error: str


def record(connection: Connection, rows: Sequence[AttemptRow]) -> None:
    """Keep these: one statement for any number of them."""
    if rows:
        engine_of(connection).write(connection, {}, {"attempts": [asdict(each) for each in rows]}, frozenset())
