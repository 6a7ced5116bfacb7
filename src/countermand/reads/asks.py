"""What asks came to: their cancellations, and what goes back for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from countermand.reads.cancellations import CancellationView, cancellations_by_id
from countermand.reads.refunds import Quoted, QuotedUnits, quotes_asked
from countermand.reads.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedAsk:
    """An ask that was saved, for some ``units`` of lines, as a party sees it; these of it were ``accepted`` at once."""

    scope: Scope
    cancellations: Sequence[UUID]
    units: Mapping[UUID, int]
    accepted: Sequence[UUID]


def asked(connection: Connection, asks: Sequence[SavedAsk]) -> list[tuple[list[CancellationView], Quoted | None]]:
    """The cancellations of each ask, and what goes back for it, in a number of statements that does not grow."""
    shown = cancellations_by_id(connection, [(each.scope, each.cancellations) for each in asks])
    quoted = [QuotedUnits(scope=each.scope, units=each.units, accepted=each.accepted) for each in asks]
    orders = {view.line_id: (view.retailer_id, view.order_id) for mine in shown for view in mine}
    return list(zip(shown, quotes_asked(connection, quoted, orders), strict=True))
