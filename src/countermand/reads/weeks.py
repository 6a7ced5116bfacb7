"""How many cancellations were begun between two times, by the state that they are in: for small charts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select

from countermand.domain.line import State
from countermand.domain.parties import PartyKind
from countermand.ids import earliest
from countermand.reads.scope import Scope
from countermand.store import tables as t

COUNTED_MAX: Final = 10_000
"""More of one state are not counted."""


def begun(connection: Connection, scope: Scope, since: datetime, until: datetime) -> Mapping[State, int]:
    """Cancellations that were begun from ``since`` on and before ``until``, by their state: at most 10,000 of each.

    They are counted along an index that has the state and the id, which sorts by time.
    """
    mine = t.cancellations.c
    when = (mine.id >= earliest(since), mine.id < earliest(until))
    whose = {
        PartyKind.PLATFORM: (),
        PartyKind.RETAILER: (mine.retailer_id == scope.party,),
        PartyKind.SUPPLIER: (mine.fulfiller_id == scope.party, mine.fulfiller_id != mine.retailer_id),
    }[scope.kind]
    counts = [
        select(func.count())
        .select_from(select(mine.id).where(mine.state == state.value, *whose, *when).limit(COUNTED_MAX).subquery())
        .scalar_subquery()
        .label(state.value)
        for state in State
    ]
    row = connection.execute(select(*counts)).one()
    return {state: getattr(row, state.value) for state in State}
