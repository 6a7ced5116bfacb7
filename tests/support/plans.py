"""How a database would find what it is asked for: its own plans of the statements that a question sends."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, event


def plans_of(connection: Connection, question: Callable[[Connection], object], table: str) -> list[str]:
    """Every step of the plans of ``question``'s statements about a table.

    PostgreSQL is told to avoid reading tables whole, which it does of its own with small ones: a step that does it all
    the same had no index to use.
    """
    asked: list[tuple[str, Any]] = []

    def keep(connection: Any, cursor: Any, statement: str, given: Any, context: Any, many: bool) -> None:
        asked.append((statement, given))

    event.listen(connection, "before_cursor_execute", keep)
    question(connection)
    event.remove(connection, "before_cursor_execute", keep)
    explain = "EXPLAIN QUERY PLAN"
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        explain = "EXPLAIN"
    found = [connection.exec_driver_sql(f"{explain} {each}", given) for each, given in asked if table in each]
    return [" ".join(map(str, row)) for result in found for row in result]


def reads_whole(steps: list[str], table: str) -> list[str]:
    """The steps that read the table from one end to the other."""
    return [step for step in steps if f"SCAN {table}" in step or f"Seq Scan on {table}" in step]
