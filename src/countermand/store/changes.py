"""How rows that are there are changed or deleted: a statement that changes another number of them than it must is loud.

A statement says in its WHERE what it was decided on: this row, still in that state. Where somebody was quicker it
changes nothing, and nobody would notice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Delete, TextClause, Update

from countermand.store.engines.protocol import UnavailableError
from countermand.store.views import View, views

Change = Update | Delete | TextClause


class LostRaceError(UnavailableError):
    """What a change was decided on holds no more. Nothing is stored, and the same can be asked again."""


def change_exactly(
    connection: Connection, count: int, change: Change, parameters: Mapping[str, Any] | None = None
) -> None:
    """Change so many rows.

    Raises:
        LostRaceError: there were fewer, or more.
    """
    check_count(count, connection.execute(change, parameters or {}).rowcount, str(change))


def change_any(connection: Connection, change: Change, parameters: Mapping[str, Any] | None = None) -> int:
    """Change as many rows as there are. Returns how many. A caller that ignores the number needs a reason."""
    return connection.execute(change, parameters or {}).rowcount


def change_returning(connection: Connection, change: Change, kind: type[View]) -> Sequence[View]:
    """Change as many rows as there are, and give what the statement returns of them, as views of this kind."""
    return views(kind, connection.execute(change))


def check_count(wanted: int, found: int, what: str) -> None:
    """Complain unless a statement changed as many rows as it had to.

    Raises:
        LostRaceError: it did not.
    """
    if found != wanted:
        raise LostRaceError(f"{found} rows instead of {wanted} were changed by: {what}")
