"""How a database finds what it is asked for: its own plans of the statements that a question sends, and what they cost.

A population of two years with fresh statistics keeps both planners honest. What is measured is the work itself, in rows
and steps: a plan can look fine and go through a table all the same.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import psycopg
import pytest
from sqlalchemy import Connection, event

from countermand.store.engines.postgresql import engine
from countermand.store.engines.postgresql.planner import BY_KEYS
from countermand.store.tables import metadata

SMALL: Final = frozenset({"number_blocks", "partitions", "workers", "revisions", "feed", "signature_keys"})
"""Tables that do not grow."""

GROWING: Final = frozenset(metadata.tables) - SMALL

ROWS_MAX: Final = 1_000
"""So many rows of a growing table one step of a plan may touch (PostgreSQL)."""

STEPS_MAX: Final = 60_000
"""So many steps SQLite's machine may make for one statement."""

_STEPS_AT_ONCE: Final = 500
_PREPARED_MAX: Final = 200
_BY_KEYS: Final = tuple(f"{name} = {value}" for name, value in BY_KEYS.items())
"""As all other connections plan."""

_FREELY: Final = ("enable_seqscan = on", "enable_hashjoin = on", "enable_mergejoin = on", "seq_page_cost = 30")
"""As the connections for heavy reads plan. The population is a thirtieth of a million lines, so reading a table whole
is made as dear as it would be there."""

Question = Callable[[Connection], object]


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement as it was sent, with what was given."""

    statement: str
    given: Any


def statements_of(connection: Connection, question: Question) -> list[Asked]:
    """What a question sends, each text once. What it changes is undone."""
    asked: dict[str, Any] = {}

    def keep(connection: Any, cursor: Any, statement: str, given: Any, context: Any, many: bool) -> None:
        asked.setdefault(statement, given[0] if many else given)

    event.listen(connection, "before_cursor_execute", keep)
    try:
        with heard_by_the_driver(asked.setdefault), undone(connection):
            question(connection)
    finally:
        event.remove(connection, "before_cursor_execute", keep)
    words = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")
    return [Asked(statement, given) for statement, given in asked.items() if statement.strip().startswith(words)]


@contextmanager
def heard_by_the_driver(note: Callable[[str, Sequence[Any]], Any]) -> Iterator[None]:
    """Note the statements that go to PostgreSQL's driver past SQLAlchemy, each with its parameters."""

    def noting(send: Callable[..., Any]) -> Callable[..., Any]:
        def sent(connection: Connection, statement: str, given: Sequence[Any]) -> Any:
            note(statement, tuple(given))
            return send(connection, statement, given)

        return sent

    with pytest.MonkeyPatch.context() as patch:
        for name in ("fetch", "put_off"):
            patch.setattr(engine, name, noting(getattr(engine, name)))
        yield


class undone:  # noqa: N801 - reads as a word in statements
    """What happens inside is rolled back."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._savepoint = self._connection.begin_nested()

    def __exit__(self, *_: object) -> None:
        self._savepoint.rollback()


class Beside:
    """A connection for the plans that statements get once they were prepared and sent often: they serve all values."""

    def __init__(self, connection: psycopg.Connection, settings: Iterable[str]) -> None:
        self._connection = connection
        self._prepared: dict[str, str] = {}
        for setting in ("plan_cache_mode = force_generic_plan", *settings):
            connection.execute(f"SET {setting}".encode())

    def rows_touched(self, asked: Asked) -> list[str]:
        """What such a plan touches beyond measure, with these values."""
        # A lock by name is held already by the connection that asked first, and reads no table.
        if re.search(r"\b(INSERT|UPDATE|DELETE)\b|pg_advisory", asked.statement):
            return []
        given = ", ".join(["%s"] * len(asked.given))
        values = f"({given})" if given else ""
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) EXECUTE {self._name_of(asked.statement)}{values}"
        row = self._connection.execute(explain.encode(), asked.given).fetchone()
        assert row is not None
        return _beyond(_plan(row[0]), " (generic plan)")

    def _name_of(self, statement: str) -> str:
        """The statement as prepared, so that it is planned once for all values, as the service's are."""
        if statement not in self._prepared:
            if len(self._prepared) == _PREPARED_MAX:
                self._connection.execute("DEALLOCATE ALL")
                self._prepared.clear()
            name = f"asked_{len(self._prepared)}"
            self._connection.execute(f"PREPARE {name} AS {statement}".encode())
            self._prepared[statement] = name
        return self._prepared[statement]

    def plan_without_values(self, statement: str) -> dict[str, Any]:
        """The plan that may not look at the values."""
        row = self._connection.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {statement}".encode()).fetchone()
        assert row is not None
        return _plan(row[0])


@contextmanager
def beside(url: str) -> Iterator[Sequence[Beside]]:
    """Other connections to a database of PostgreSQL, one for each way to plan; none for SQLite."""
    with ExitStack() as stack:

        def connect(settings: Iterable[str]) -> Beside:
            connection = psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor)
            return Beside(stack.enter_context(connection), settings)

        yield [connect(settings) for settings in (_BY_KEYS, _FREELY)] if url.startswith("postgresql") else []


class Inspector:
    """Finds what is wrong with how a database answers statements: tables that are gone through, and too much work.

    Which tables a statement reads whole follows from its text, as SQLite plans without values, and PostgreSQL can use
    with some values whatever it can use with any. So that is asked once for each text; the work, for all values.
    """

    def __init__(self, beside: Sequence[Beside]) -> None:
        """``beside`` are other connections to the same PostgreSQL; SQLite needs none."""
        self._beside = beside
        self._scans: dict[str, list[str]] = {}
        self._faults: dict[tuple[str, str], list[str]] = {}

    def faults(self, connection: Connection, asked: Asked) -> list[str]:
        key = (asked.statement, repr(asked.given))
        if key not in self._faults:
            with undone(connection):
                self._faults[key] = [*self._work(connection, asked), *self._scans_of(connection, asked)]
        return self._faults[key]

    def _work(self, connection: Connection, asked: Asked) -> list[str]:
        if not self._beside:
            return _steps_of_sqlite(connection, asked)
        return [*_rows_touched(connection, asked), *chain(*(each.rows_touched(asked) for each in self._beside))]

    def _scans_of(self, connection: Connection, asked: Asked) -> list[str]:
        if asked.statement not in self._scans:
            self._scans[asked.statement] = (
                _scans_of_postgresql(connection, asked, self._beside[0])
                if self._beside
                else _scans_of_sqlite(connection, asked)
            )
        return self._scans[asked.statement]


# SQLite

_NO_TABLE: Final = re.compile(
    r"VIRTUAL TABLE|CONSTANT ROW|-ROW VALUES|^SCAN \("
    r"|^SCAN ((all|along|fit|branch)_\d+|keys|first|fit|found|searched|heads|placed|chosen|looked_up|anon_\d+)$"
)


def _scans_of_sqlite(connection: Connection, asked: Asked) -> list[str]:
    rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked.statement}", asked.given).all()
    details = [str(row[3]) for row in rows]
    return [
        each
        for each in details
        if each.startswith("SCAN ")
        and " USING " not in each
        and not _NO_TABLE.search(each)
        and each.split()[1] not in SMALL
    ]


def _steps_of_sqlite(connection: Connection, asked: Asked) -> list[str]:
    if asked.statement.startswith("INSERT"):
        # A row that is given is written; nothing is looked for.
        return []
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    driver: Any = connection.connection.dbapi_connection
    driver.set_progress_handler(step, _STEPS_AT_ONCE)
    try:
        result = connection.exec_driver_sql(asked.statement, asked.given)
        if result.returns_rows:
            result.fetchall()
    finally:
        driver.set_progress_handler(None, 0)
    steps = count * _STEPS_AT_ONCE
    return [f"{steps} steps"] if steps > STEPS_MAX else []


# PostgreSQL


def _rows_touched(connection: Connection, asked: Asked) -> list[str]:
    """What the plan of its own choice touches, with these values. Only connections for heavy reads look at them."""
    explain = f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {asked.statement}"
    with undone(connection):
        for setting in _FREELY:
            connection.exec_driver_sql(f"SET LOCAL {setting}")
        return _beyond(_plan(connection.exec_driver_sql(explain, asked.given).scalar_one()), "")


def _beyond(plan: dict[str, Any], which: str) -> list[str]:
    return [
        f"{table}: {rows} rows by {node['Node Type']} {node.get('Index Name', '')}{which}"
        for node in _nodes(plan)
        if (table := node.get("Relation Name")) in GROWING and (rows := _touched(node)) > ROWS_MAX
    ]


def _touched(node: dict[str, Any]) -> int:
    removed = sum(node.get(name, 0) for name in ("Rows Removed by Filter", "Rows Removed by Index Recheck"))
    return int((node["Actual Rows"] + removed) * node["Actual Loops"])


def _scans_of_postgresql(connection: Connection, asked: Asked, beside: Beside) -> list[str]:
    """Tables that are read whole though both connections go by keys, so no index serves: with values, and without."""
    custom = _plan(connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {asked.statement}", asked.given).scalar_one())
    return [
        f"{node['Relation Name']} is read whole ({kind} plan)"
        for kind, plan in (("custom", custom), ("generic", beside.plan_without_values(asked.statement)))
        for node in _nodes(plan)
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in GROWING
    ]


def _plan(found: Any) -> dict[str, Any]:
    read = json.loads(found) if isinstance(found, str) else found
    plan: dict[str, Any] = read[0]["Plan"]
    return plan


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from _nodes(each)


# For tests that ask about a few tables


def plans_of(connection: Connection, question: Question, tables: Collection[str]) -> list[str]:
    """Every step of the plans of ``question``'s statements about any of the tables.

    PostgreSQL is told to avoid reading tables whole, which it does of its own with small ones: a step that does it all
    the same had no index to use.
    """
    asked = statements_of(connection, question)
    explain = "EXPLAIN QUERY PLAN"
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        explain = "EXPLAIN"
    found = [
        connection.exec_driver_sql(f"{explain} {each.statement}", each.given)
        for each in asked
        if any(table in each.statement for table in tables)
    ]
    return [" ".join(map(str, row)) for result in found for row in result]


def reads_whole(steps: Collection[str], table: str) -> list[str]:
    """The steps that read the table from one end to the other."""
    return [step for step in steps if f"SCAN {table}" in step or f"Seq Scan on {table}" in step]
