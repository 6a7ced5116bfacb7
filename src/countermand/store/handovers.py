"""Which events of a line a party sees that did not hold the goods when they happened, once the line was given away."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, exists, insert, literal, select

from countermand.store import tables as t
from countermand.store.columns import Id
from countermand.store.parts import Moved


def hand_over(connection: Connection, moved: Iterable[Moved]) -> None:
    """Show the new holders what happened before, and the former ones that the line left. The events are stored."""
    events = t.events.c
    for each in moved:
        _show(connection, each, each.to, events.seq < each.seq, events.fulfiller_id != each.to)
        _show(connection, each, each.former, events.seq == each.seq)


def _show(connection: Connection, moved: Moved, party: UUID, *which: ColumnElement[bool]) -> None:
    """A retailer sees all events of its lines anyway."""
    if party == moved.retailer:
        return
    events, shown = t.events.c, t.handover_events.c
    of_line = (events.retailer_id == moved.retailer, events.line_id == moved.line)
    same: Any = (shown.retailer_id == events.retailer_id, shown.line_id == events.line_id, shown.seq == events.seq)
    who = literal(party, Id).label("party_id")
    columns = (events.retailer_id, events.line_id, events.seq, who, events.position, events.id)
    rows = select(*columns).where(*of_line, *which, ~exists().where(*same, shown.party_id == party))
    connection.execute(insert(t.handover_events).from_select([column.name for column in columns], rows))
