"""A Citus cluster that tests may use: ``COUNTERMAND_TEST_CITUS`` is a PostgreSQL URL of its coordinator.

What is in the two schemas of tests there is dropped. CONTRIBUTING.md tells what else can be said of a cluster.
"""

import asyncio
import os
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from countermand.store import migrations
from countermand.store.archive import Progress
from countermand.store.engines.opening import open_database
from countermand.store.tables import metadata
from tests.support.world import World

VARIABLE: Final = "COUNTERMAND_TEST_CITUS"
IN_ITS_SQL: Final = "COUNTERMAND_TEST_CITUS_SQL"
"""Where it is set, tests on every engine are run on a plain PostgreSQL alone, in the SQL that is for Citus."""
NEW_NODE: Final = "COUNTERMAND_TEST_CITUS_NEW_NODE"
STOP_NODE: Final = "COUNTERMAND_TEST_CITUS_STOP_NODE"
START_NODE: Final = "COUNTERMAND_TEST_CITUS_START_NODE"

EACH, SHARED = (f"countermand_test_{of}{os.environ.get('PYTEST_XDIST_WORKER', '')}" for of in ("each", "shared"))
"""The schemas for a test by itself, and for the tests of a module, which may be under way at the same time."""

SHARDS: Final = 8
"""Of each table: fewer than Citus makes by itself, as tests make many tables."""


def engines() -> list[str]:
    """What tests on every engine are run on: a cluster too, where one is named."""
    if IN_ITS_SQL in os.environ:
        return ["citus-sql"]
    return ["sqlite", "postgresql", *(["citus"] if VARIABLE in os.environ else [])]


def not_on_citus(world: World) -> None:
    """Leave out a test that counts statements, reads plans or compares schemas, where they are Citus' own."""
    if world.application.database.engine.one_retailer:
        pytest.skip("Citus has statements, plans and a schema of its own")


def lacking(*names: str) -> str:
    """Why a test about a cluster cannot be run; empty if it can."""
    unset = [name for name in (VARIABLE, *names) if not os.environ.get(name)]
    return f"not set: {', '.join(unset)} (see CONTRIBUTING.md)" if unset else ""


def fresh(schema: str = EACH, *, spread: bool = True) -> str:
    """The URL of the cluster's tables with nothing in them: ``spread``, or those of a plain database still.

    The tables are made once for each process; after that they are emptied.
    """
    url = address(os.environ[VARIABLE], schema)
    if not spread:
        _made.cache_clear()
        _make(url, schema, spread=False)
        return url
    _empty(url, _made(url, schema))
    return url


def address(url: str, schema: str) -> str:
    """The same database, in a schema of its own. What is not there is looked for in the usual one."""
    settings = f"-csearch_path={schema},public -ccitus.shard_count={SHARDS}"
    return f"{url}{'&' if '?' in url else '?'}options={quote(settings)}"


def command(name: str) -> None:
    """Run the shell command of a variable.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    subprocess.run(os.environ[name], shell=True, check=True, timeout=300)


Rows = Mapping[str, bytes]
"""What a table that is not empty at first holds, as COPY writes it."""


@cache
def _made(url: str, schema: str) -> Rows:
    return _make(url, schema, spread=True)


def _make(url: str, schema: str, *, spread: bool) -> Rows:
    with psycopg.connect(url, autocommit=True) as connection:
        # A table at a time: dropping a schema would need a lock on each shard of all tables at once.
        for table in reversed(metadata.sorted_tables):
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(sql.Identifier(schema, table.name)))
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    # A thread of its own, for callers in whose thread an event loop runs.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _prepared(url, spread=spread)).result()
    with psycopg.connect(url) as connection:
        return dict(_first_rows(connection))


async def _prepared(url: str, *, spread: bool) -> None:
    database = await open_database(url, allow_weak_durability=True, read_timeout_s=None)
    try:
        await database.write(migrations.bring_up_to_date)
        if spread:
            await database.engine.spread(database, _Silent(), blocks_writes=True)
    finally:
        await database.close()


class _Silent(Progress):
    def __call__(self, part: str, done: int, of: int = 0) -> None:
        """Say nothing."""


def _first_rows(connection: psycopg.Connection[Any]) -> Iterable[tuple[str, bytes]]:
    for table in metadata.sorted_tables:
        with connection.cursor().copy(sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(*_parts(table))) as copy:
            if rows := b"".join(copy):
                yield table.name, rows


def _empty(url: str, first: Rows) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SET LOCAL citus.multi_shard_modify_mode = 'sequential'")
        names = [sql.Identifier(table.name) for table in metadata.sorted_tables]
        connection.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(names)))
        for name, rows in first.items():
            columns, table = _parts(metadata.tables[name])
            with connection.cursor().copy(sql.SQL("COPY {} ({}) FROM STDIN").format(table, columns)) as copy:
                copy.write(rows)


def _parts(table: Any) -> tuple[sql.Composable, sql.Composable]:
    """The columns that are written, and the table."""
    columns = [sql.Identifier(column.name) for column in table.columns if column.computed is None]
    return sql.SQL(", ").join(columns), sql.Identifier(table.name)
