"""Who has to do with the lines of a batch, and who had: what is a stranger's is dropped before anything else is read.

To a stranger the rules would say that there is no such line, only after more statements than for a line that is absent:
the time would tell that there is one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import Connection

from countermand.domain.line import Departed
from countermand.domain.parties import Actor, PartyKind
from countermand.service.calls import NO_LINE, Call
from countermand.service.locking import Locked, Orders
from countermand.store import statements as sql
from countermand.store.columns import Record

Departures = Mapping[UUID, tuple[Departed, ...]]
"""Of each line, who held its goods before and gave them away."""


def drop_strange_lines(connection: Connection, locked: Locked, whole: Orders) -> tuple[Locked, Departures]:
    """The lines that somebody of the batch has to do with, and who held them before where that may matter."""
    actors = _actors(locked.calls)
    departures = _departures(connection, locked, actors)
    rows = [
        row
        for row in locked.rows
        if (row.retailer_id, row.order_id) in whole
        or not (spoken_of := list(_speakers(row, actors)))
        or any(_concerns(row, actor, departures.get(row.id, ())) for actor in spoken_of)
    ]
    return replace(locked, rows=rows), departures


def _actors(calls: Sequence[Call]) -> dict[UUID, list[Actor | None]]:
    """Who speaks of which line or order; nobody does where a deadline passes."""
    actors: dict[UUID, list[Actor | None]] = {}
    for call in calls:
        if call.about is not NO_LINE:
            actors.setdefault(call.about, []).append(getattr(call.command, "actor", None))
    return actors


def _speakers(row: Record, actors: Mapping[UUID, list[Actor | None]]) -> Iterator[Actor | None]:
    for about in (row.id, row.order_id):
        yield from actors.get(about, ())


def _departures(
    connection: Connection, locked: Locked, actors: Mapping[UUID, list[Actor | None]]
) -> dict[UUID, tuple[Departed, ...]]:
    wanted = {
        (row.retailer_id, row.id)
        for row in locked.rows
        if any(_may_have_departed(row, actor) for actor in _speakers(row, actors))
    }
    there = {each for row in locked.rows for each in (row.id, row.order_id)}
    absent = [actor for about, named in actors.items() if about not in there for actor in named]
    if not wanted and any(actor and actor.kind is not PartyKind.PLATFORM for actor in absent):
        # What is absent is asked about as what is another's is.
        wanted = {(NO_LINE, NO_LINE)}
    if not wanted:
        return {}
    found: dict[UUID, tuple[Departed, ...]] = {}
    for row in connection.execute(sql.DEPARTED, {"lines": sorted(wanted)}):
        left = Departed(party=row.former_id, to=row.fulfiller_id, at=row.at, to_name=row.name)
        found[row.line_id] = (*found.get(row.line_id, ()), left)
    return found


def _may_have_departed(row: Record, actor: Actor | None) -> bool:
    """Whether somebody that does not hold the goods may have held them. A line of one event has not moved."""
    if actor is None or actor.kind is PartyKind.PLATFORM or actor.party == row.fulfiller_id:
        return False
    return bool(actor.party != row.retailer_id or row.seq > 1)


def _concerns(row: Record, actor: Actor | None, departed: Sequence[Departed]) -> bool:
    if actor is None or actor.kind is PartyKind.PLATFORM or actor.party == row.retailer_id:
        return True
    if actor.party == row.fulfiller_id and row.with_fulfiller:
        return True
    return any(actor.party == each.party for each in departed)
