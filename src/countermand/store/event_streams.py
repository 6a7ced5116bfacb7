"""How far the journal has been published to a stream of a broker: one row for each stream."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from countermand.store import tables as t
from countermand.store.changes import change_exactly
from countermand.store.views import view_or_none

OWNING_PARTITION: Final = 0
"""The owner of this partition publishes: one process at a time, whose fence guards what it keeps here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """What a stream has: every event up to a place in the feed, in messages up to a sequence number of the stream.

    ``made_at`` is when the broker made the stream: another one of the same name has another time.
    """

    stream: str
    made_at: datetime
    sequence: int
    position: int
    event_id: UUID


def cursor_of(connection: Connection, stream: str) -> Cursor | None:
    """Where publishing goes on; ``None`` if it has never begun."""
    columns = t.event_streams.c
    named = [columns[name] for name in Cursor.__dataclass_fields__]
    return view_or_none(Cursor, connection.execute(select(*named).where(columns.stream == stream)).first())


def keep(connection: Connection, cursor: Cursor, fence: int, now: datetime) -> None:
    """Keep where publishing goes on.

    Raises:
        LostRaceError: the partition has another owner by now.
    """
    columns = t.event_streams.c
    whose = select(t.partitions.c.fence).where(t.partitions.c.number == OWNING_PARTITION).scalar_subquery()
    if cursor_of(connection, cursor.stream) is None:
        connection.execute(insert(t.event_streams).values(**asdict(cursor), moved_at=now))
    mine = update(t.event_streams).where(columns.stream == cursor.stream, whose == fence)
    change_exactly(connection, 1, mine.values(**asdict(cursor), moved_at=now))
