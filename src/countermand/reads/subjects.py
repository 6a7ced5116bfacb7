"""What notices are about: events, or process statuses that have become final."""

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

from sqlalchemy import Connection

from countermand.domain.line import NO_LINE
from countermand.reads.events import EventView, events_for_sending
from countermand.reads.process_statuses import ProcessView, processes_for_sending

Subject = EventView | ProcessView


class NamesSubject(Protocol):
    """A notice or an attempt. ``event_id`` is its own where it is about a process status, whose number is ``seq``."""

    @property
    def retailer_id(self) -> UUID: ...  # noqa: D102
    @property
    def event_id(self) -> UUID: ...  # noqa: D102
    @property
    def line_id(self) -> UUID | None: ...  # noqa: D102
    @property
    def seq(self) -> int | None: ...  # noqa: D102


def subjects_of(connection: Connection, rows: Collection[NamesSubject]) -> dict[UUID, Subject]:
    """What these are about, as far as it is still there, by their ``event_id``. A test is about nothing."""
    named = [(row.event_id, row.retailer_id, row.line_id, row.seq) for row in rows]
    keys = {(home, line, seq) for _, home, line, seq in named if line and line != NO_LINE and seq is not None}
    events = events_for_sending(connection, keys) if keys else []
    numbers = {event: (home, seq) for event, home, line, seq in named if line == NO_LINE and seq is not None}
    processes = {(each.retailer_id, each.number): each for each in _processes(connection, set(numbers.values()))}
    found: dict[UUID, Subject] = {event.id: event for event in events}
    return found | {event: processes[key] for event, key in numbers.items() if key in processes}


def _processes(connection: Connection, keys: Collection[tuple[UUID, int]]) -> Collection[ProcessView]:
    return processes_for_sending(connection, keys) if keys else ()
