"""Where an event stands in the feed: in the order in which transactions end, so that none is missed.

An id tells when an event was made. A transaction that takes long makes its events visible when later ones have long
been read, so a reader that goes by ids would miss them. See docs/decisions/0020.

On SQLite one transaction writes at a time: each takes the next position. On PostgreSQL a position is the number of the
transaction, and those from the oldest transaction that still runs are not shown yet. To it is added what ``feed``
says, which is more only after the database was restored into another server, whose transactions count from elsewhere.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, text

POSITION_ON_POSTGRESQL: Final = "CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT) + (SELECT feed.position FROM feed)"
"""What a new event's position is there."""

_NEXT: Final = text("UPDATE feed SET position = position + 1 RETURNING position")
_HORIZONS: Final = {
    "postgresql": text(
        "SELECT feed.position + CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT) FROM feed"
    ).columns(position=BigInteger),
    "sqlite": text("SELECT feed.position + 1 FROM feed").columns(position=BigInteger),
}
_RESTORED: Final = text(
    "WITH seen AS (SELECT max((SELECT max(events.position) FROM events WHERE events.retailer_id = parties.id)) AS last,"
    " CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT) AS oldest,"
    " CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT) AS newest"
    " FROM parties WHERE parties.kind = 'retailer')"
    " SELECT seen.last + 1 - seen.oldest FROM seen, feed WHERE seen.last >= feed.position + seen.newest"
)
_MOVE: Final = text("UPDATE feed SET position = :position WHERE position < :position")


def place(connection: Connection, events: Sequence[dict[str, Any]]) -> None:
    """Give the new events of a transaction on SQLite their position."""
    position = connection.execute(_NEXT).scalar_one()
    for event in events:
        event["position"] = position


def horizon(connection: Connection) -> int:
    """No transaction that is still to end, or to begin, puts an event before this position."""
    found: int = connection.execute(_HORIZONS[connection.dialect.name]).scalar_one()
    return found


def misplaced(connection: Connection) -> int | None:
    """What ``feed`` has to say where events stand beyond all transactions: the database came from another server."""
    if connection.dialect.name != "postgresql":
        return None
    found: int | None = connection.execute(_RESTORED).scalar()
    return found


def move(connection: Connection, position: int) -> None:
    """Let new events stand behind all that are there."""
    connection.execute(_MOVE, {"position": position})
