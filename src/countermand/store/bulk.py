"""All that a batch writes, in as few statements as the engine permits."""

from collections.abc import Mapping

from sqlalchemy import Connection

from countermand.store import statements as sql
from countermand.store.changes import check_count
from countermand.store.engines.protocol import Rows, RowUpdate, Touched, engine_of
from countermand.store.tables import PARENTS_FIRST


def write(
    connection: Connection, changed: Mapping[str, Rows], new: Mapping[str, Rows], touched: Touched = frozenset()
) -> None:
    """Update and insert rows by table. New ones name every column; changed ones those of ``statements.UPDATES``.

    Those of ``statements.KEPT`` that are there already are left as they are. The scorecards of ``touched`` are stale.

    Raises:
        LostRaceError: a row that was to change is not there, or must not change any more.
    """
    engine_of(connection).write(
        connection,
        {name: changed[name] for name in sql.UPDATES if changed.get(name)},
        {table.name: new[table.name] for table in PARENTS_FIRST if new.get(table.name)},
        touched,
    )


def change_rows(connection: Connection, change: RowUpdate, rows: Rows) -> None:
    """Carry out ``change`` once for each of these rows.

    Raises:
        LostRaceError: one of the rows that were to change is not there.
    """
    check_count(len(rows), engine_of(connection).update_rows(connection, change, rows), change.table)
