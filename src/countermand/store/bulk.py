"""All that a batch writes, in as few statements as the engine permits."""

from collections.abc import Mapping

from sqlalchemy import Connection

from countermand.store import statements as sql
from countermand.store.engines.protocol import Rows, engine_of
from countermand.store.tables import PARENTS_FIRST


def write(connection: Connection, changed: Mapping[str, Rows], new: Mapping[str, Rows]) -> None:
    """Update and insert rows by table. New ones name every column; changed ones those of ``statements.UPDATES``.

    Those of ``statements.KEPT`` that are there already are left as they are.
    """
    engine_of(connection).write(
        connection,
        {name: changed[name] for name in sql.UPDATES if changed.get(name)},
        {table.name: new[table.name] for table in PARENTS_FIRST if new.get(table.name)},
    )
