"""How rows that are there are changed or deleted: a statement that changes another number of them than it must is loud.

A statement says in its WHERE what it was decided on: this row, still in that state. Where somebody was quicker it
changes nothing, and nobody would notice.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from sqlalchemy import Connection, Delete, TextClause, Update

from countermand.store.engines.protocol import Rows, RowUpdate, UnavailableError, engine_of
from countermand.store.views import View, views

Change = Update | Delete | TextClause


class LostRaceError(UnavailableError):
    """What a change was decided on holds no more. Nothing is stored, and the same can be asked again."""

    @classmethod
    def of_rows(cls, wanted: int, found: int, what: str) -> Self:
        """Other rows were changed than had to be."""
        return cls(f"{found} rows instead of {wanted} were changed by: {what}")


def change_exactly(
    connection: Connection, count: int, change: Change, parameters: Mapping[str, Any] | None = None
) -> None:
    """Change so many rows.

    Raises:
        LostRaceError: there were fewer, or more.
    """
    found = connection.execute(change, parameters or {}).rowcount
    if found != count:
        raise LostRaceError.of_rows(count, found, str(change))


def change_any(connection: Connection, change: Change, parameters: Mapping[str, Any] | None = None) -> int:
    """Change as many rows as there are. Returns how many. A caller that ignores the number needs a reason."""
    return connection.execute(change, parameters or {}).rowcount


def change_returning(connection: Connection, change: Change, kind: type[View]) -> Sequence[View]:
    """Change as many rows as there are, and give what the statement returns of them, as views of this kind."""
    return views(kind, connection.execute(change))


def change_rows(connection: Connection, change: RowUpdate, rows: Rows) -> None:
    """Carry out ``change`` once for each of these rows of parameters.

    Raises:
        LostRaceError: one of the rows that were to change is not there.
    """
    found = engine_of(connection).update_rows(connection, change, rows)
    if found != len(rows):
        raise LostRaceError.of_rows(len(rows), found, change.table)
