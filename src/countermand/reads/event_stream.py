"""The journal as a stream of a broker gets it: page by page in the order of the feed, each line in its own order."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, and_, bindparam, or_, select

from countermand.domain.parties import PartyKind
from countermand.ids import moment_of
from countermand.reads.events import (
    EventFilter,
    EventView,
    Place,
    events_for_sending,
    list_events,
    place_before,
)
from countermand.reads.scope import Scope
from countermand.store import tables as t
from countermand.store.columns import PairList, pair_of
from countermand.store.event_streams import Cursor, cursor_of

READER: Final = Scope(party=UUID(int=0), kind=PartyKind.PLATFORM)
"""Sees every event. It is no party, so no answer is due from it."""

BEGINNING: Final = Place(0, UUID(int=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some events of the feed, and the place behind them."""

    events: list[EventView]
    end: Place


def first_place(connection: Connection, now: datetime, keep: timedelta | None) -> Place:
    """Where a stream begins that is to hold the events of the last so many days, or all of them."""
    return place_before(connection, READER, now - keep) if keep else BEGINNING


def place_of(cursor: Cursor) -> Place:
    """Where publishing goes on."""
    return Place(cursor.position, cursor.event_id)


def page_behind(connection: Connection, place: Place, limit: int) -> Page:
    """The next events.

    The feed is in the order of transactions, and of two that worked on one line the later one may have begun earlier.
    Then the events of the earlier one are brought forward: they are on this page, and once more on a later one, where
    the broker drops them.
    """
    events, end = list_events(connection, READER, EventFilter(behind=place, limit=limit, looks=limit))
    return Page(events=[*_overtaken(connection, events, end), *events], end=end)


def _overtaken(connection: Connection, events: list[EventView], end: Place) -> list[EventView]:
    """Events behind this place that came before one of these in the history of the same line."""
    newest: dict[tuple[UUID, UUID], int] = {}
    for event in events:
        line = event.retailer_id, event.line_id
        newest[line] = max(event.seq, newest.get(line, 0))
    columns = t.events.c
    query = select(columns.retailer_id, columns.line_id, columns.seq).where(
        pair_of(columns.retailer_id, columns.line_id, bindparam("lines", list(newest), type_=PairList())),
        or_(columns.position > end.position, and_(columns.position == end.position, columns.id > end.id)),
    )
    later = connection.execute(query).all() if newest else []
    keys = [(row.retailer_id, row.line_id, row.seq) for row in later]
    return events_for_sending(connection, [key for key in keys if key[2] < newest[key[:2]]])


def oldest_unpublished(connection: Connection, stream: str, now: datetime, keep: timedelta | None) -> datetime | None:
    """When the first event was saved that is not in the stream yet; ``None`` if all are in it."""
    cursor = cursor_of(connection, stream)
    place = place_of(cursor) if cursor else first_place(connection, now, keep)
    events, _ = list_events(connection, READER, EventFilter(behind=place, limit=1))
    return moment_of(events[0].id) if events else None
