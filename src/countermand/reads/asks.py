"""What an ask came to: its cancellations, and what goes back for them."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import Connection

from countermand.reads.cancellations import CancellationView, cancellations_by_id
from countermand.reads.refunds import Quoted, quote_asked
from countermand.reads.scope import Scope


def asked(
    connection: Connection,
    scope: Scope,
    cancellations: Sequence[UUID],
    units: Mapping[UUID, int],
    accepted: Sequence[UUID],
) -> tuple[list[CancellationView], Quoted | None]:
    """These cancellations, and what goes back for ``units`` of lines; these of them were ``accepted`` at once."""
    return cancellations_by_id(connection, scope, cancellations), quote_asked(connection, scope, units, accepted)
