"""Where an event stands in the feed: in the order in which transactions end, so that none is missed.

An id shows when an event was made. A transaction that takes long makes its events visible when later ones have long
been read, so a reader that goes by ids would miss them. See docs/decisions/0020.

On SQLite one transaction writes at a time: each takes the next position. On PostgreSQL a position is the number of the
transaction, and those from the oldest transaction that still runs are not shown yet. To it is added what ``feed``
says, which is more only after the database was restored into another server, whose transactions count from elsewhere.
"""

from typing import Final

from sqlalchemy import Connection, text

from countermand.store.changes import change_any
from countermand.store.engines.protocol import engine_of

_MOVE: Final = text("UPDATE feed SET position = :position WHERE position < :position")


def horizon(connection: Connection) -> int:
    """No transaction that is still to end, or to begin, puts an event before this position."""
    found: int = connection.execute(engine_of(connection).horizon).scalar_one()
    return found


def misplaced(connection: Connection) -> int | None:
    """What ``feed`` has to say where events stand beyond all transactions: the database came from another server."""
    return engine_of(connection).misplaced(connection)


def move(connection: Connection, position: int) -> None:
    """Give new events positions after all that exist."""
    change_any(connection, _MOVE, {"position": position})
