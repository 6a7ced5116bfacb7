"""A coordinator of Citus: a PostgreSQL server that has statements carried out by others."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import ClauseElement, Connection, event

from countermand.store.engines.citus.forms import spread
from countermand.store.engines.postgresql.address import PostgresAddress
from countermand.store.engines.postgresql.database import PostgresDatabase
from countermand.store.engines.postgresql.driver import alone
from countermand.store.engines.protocol import SIDE_BY_SIDE, Engine, Opening

_ONE_BY_ONE: Final = "SET LOCAL citus.multi_shard_modify_mode = 'sequential';"
"""A transaction has one connection to each server. With several, Citus refuses to change what every server has, once
rows of several retailers were asked for."""


class CitusDatabase(PostgresDatabase):
    """As PostgreSQL's, except that each statement is sent in the form for the retailers that it names.

    Citus plans for the values of a statement, as they say which server has the rows; a plan for all values would fail.
    """

    def __init__(self, engine: Engine, address: PostgresAddress, how: Opening) -> None:
        super().__init__(engine, address, how, at_once=SIDE_BY_SIDE, at_begin=_ONE_BY_ONE, planner={})
        for pool in self._pools:
            event.listen(pool.sync_engine, "before_execute", _spread, retval=True)

    async def alone(self, statement: str) -> None:
        """Run a statement that is a transaction by itself, however long it takes."""
        if self._keeps:
            async with self._writer.connect() as connection:
                await connection.run_sync(partial(alone, statement=statement))


def _spread(
    connection: Connection,
    statement: Any,
    many: Sequence[Mapping[str, Any]],
    given: Mapping[str, Any],
    options: Mapping[str, Any],
) -> tuple[Any, Sequence[Mapping[str, Any]], Mapping[str, Any]]:
    if many or not isinstance(statement, ClauseElement):
        return statement, many, given
    written, said = spread(statement, given, lambda query: connection.execute(query, given).scalar())
    return written, many, said
