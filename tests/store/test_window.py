"""What the window of the schema promises: programs since ``SERVES_FROM`` work on the schema of ``LATEST``.

The oldest of these programs is in the history of the source, and serves beside the one of today.
"""

import io
import json
import signal
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import httpx2
import pytest
from sqlalchemy import Connection, inspect

from countermand.store import migrations
from countermand.store.engines.opening import open_database
from countermand.store.engines.protocol import Database
from countermand.store.migrations import KNOWN, LATEST, SERVES_FROM, current_revision, migrate
from tests.seeds.serving import clean_environment, command, orders, port_when_ready, serving
from tests.store.holding import assert_sound
from tests.support import templates
from tests.support.pgnode import Node
from tests.support.waiting import HANGS_S

ROOT: Final = Path(__file__).parents[2]
WHERE_IT_STANDS: Final = Path(migrations.__file__).relative_to(ROOT)


# The shape of the schema


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a program relies on: columns, and what an insert or an update has to heed."""

    columns: dict[tuple[str, str], dict[str, Any]]
    rules: frozenset[tuple[str, str, str]]

    @classmethod
    def of(cls, connection: Connection) -> "Shape":
        found = inspect(connection)
        tables = [each for each in found.get_table_names() if not each.startswith(("order_search", "alembic_"))]
        columns = {(table, str(each["name"])): dict(each) for table in tables for each in found.get_columns(table)}
        return cls(columns=columns, rules=frozenset(rule for table in tables for rule in _rules(found, table)))

    @property
    def tables(self) -> frozenset[str]:
        return frozenset(table for table, _ in self.columns)


def _rules(found: Any, table: str) -> Iterator[tuple[str, str, str]]:
    yield table, "key", str(found.get_pk_constraint(table)["constrained_columns"])
    for each in found.get_check_constraints(table):
        yield table, "check", str(each["sqltext"])
    for each in found.get_foreign_keys(table):
        yield table, "reference", f"{each['constrained_columns']} to {each['referred_table']}"
    unique = [*found.get_unique_constraints(table), *(each for each in found.get_indexes(table) if each["unique"])]
    for each in unique:
        yield table, "unique", f"{each['column_names']}"


def in_the_way(before: Shape, after: Shape) -> list[str]:
    """What a program that knows the shape of before would stumble over."""
    found = [f"{table} is gone" for table in sorted(before.tables - after.tables)]
    for (table, name), column in before.columns.items():
        if table not in after.tables:
            continue
        now = after.columns.get((table, name))
        if now is None:
            found.append(f"{table}.{name} is gone")
        elif str(now["type"]) != str(column["type"]):
            found.append(f"{table}.{name} has another type")
        elif column["nullable"] and not now["nullable"]:
            found.append(f"{table}.{name} must be given")
    for table, name in after.columns.keys() - before.columns.keys():
        column = after.columns[table, name]
        if table in before.tables and not column["nullable"] and column["default"] is None:
            found.append(f"{table}.{name} must be given")
    stricter = after.rules - before.rules
    return found + [f"{table}: {kind} {what}" for table, kind, what in stricter if table in before.tables]


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/window.sqlite3"
    else:
        url = templates.new_database(request.getfixturevalue("postgres"), empty=True)
    database = await open_database(url, allow_weak_durability=True)
    yield database
    await database.close()


@pytest.mark.anyio
async def test_no_migration_of_the_window_is_in_the_way_of_a_program_of_the_window(empty: Database) -> None:
    await empty.write(partial(migrate, to=SERVES_FROM))
    before = await empty.read(Shape.of)
    await empty.write(migrate)
    assert await empty.read(current_revision) == LATEST
    assert in_the_way(before, await empty.read(Shape.of)) == [], "raise SERVES_FROM: see docs/decisions/0032"


CHANGES: Final = {
    "ALTER TABLE users ADD COLUMN shoe INTEGER": [],
    "ALTER TABLE users ADD COLUMN shoe INTEGER NOT NULL DEFAULT 42": [],
    "CREATE TABLE shoes (size INTEGER PRIMARY KEY, CHECK (size > 0))": [],
    "CREATE INDEX ix_shoe ON users (created_at)": [],
    "ALTER TABLE refunds DROP COLUMN note": ["refunds.note is gone"],
    "ALTER TABLE refunds RENAME COLUMN note TO remark": ["refunds.note is gone", "refunds.remark must be given"],
    "ALTER TABLE refunds ALTER COLUMN note TYPE varchar(10)": ["refunds.note has another type"],
    "ALTER TABLE refunds ALTER COLUMN due_at SET NOT NULL": ["refunds.due_at must be given"],
    "ALTER TABLE users ADD COLUMN shoe INTEGER NOT NULL": ["users.shoe must be given"],
    "ALTER TABLE refunds ADD CHECK (note <> '')": ["refunds: check note <> ''::text"],
    "CREATE UNIQUE INDEX ix_shoe ON refunds (note)": ["refunds: unique ['note']"],
    "DROP TABLE saved_views": ["saved_views is gone"],
}
"""Changes of a schema, and what is in the way of who does not know them."""


@pytest.mark.anyio
async def test_what_is_in_the_way_is_found(postgres: Node) -> None:
    database = await open_database(templates.new_database(postgres), allow_weak_durability=True)

    def after(connection: Connection, change: str) -> Shape:
        with connection.begin_nested() as point:
            connection.exec_driver_sql(change)
            shape = Shape.of(connection)
            point.rollback()
        return shape

    before = await database.read(Shape.of)
    wrong: dict[str, list[str]] = {}
    for change, expected in CHANGES.items():
        found = in_the_way(before, await database.write(partial(after, change=change)))
        wrong |= {change: found} if found != expected else {}
    await database.close()
    assert not wrong


# Two programs on one database


def the_oldest_program(folder: Path) -> Path | None:
    """Where the source is of the last program that was made for ``SERVES_FROM``: here, if no older one is served.

    ``None`` where there is no history.
    """
    if max(KNOWN) == SERVES_FROM:
        return ROOT
    needs = f'LATEST: Final = "{SERVES_FROM}"'
    log = ("log", "--format=%H", f"-S{needs}", "--", str(WHERE_IT_STANDS))
    changes = _git(*log).decode().split()
    if not changes or needs.encode() not in _git("show", f"{changes[0]}^:{WHERE_IT_STANDS}"):
        return None
    with tarfile.open(fileobj=io.BytesIO(_git("archive", f"{changes[0]}^", "src", "clients/python/src"))) as archive:
        archive.extractall(folder, filter="data")
    return folder


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, timeout=HANGS_S, check=False).stdout


@contextmanager
def program(source: Path, log: Path, url: str, **environment: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Where a program of this source serves, and its process."""
    start = "import sys; from countermand.cli import main; sys.argv[0] = 'countermand'; main()"
    path = f"{source}/src:{source}/clients/python/src"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", start, "serve", "--port", "0", "--database", url],
            stderr=stderr,
            env=clean_environment(**environment, PYTHONPATH=path),
        )
    try:
        yield f"http://127.0.0.1:{port_when_ready(process, log)}", process
    finally:
        process.kill()
        process.wait(HANGS_S)


def test_the_oldest_program_of_the_window_and_this_one_serve_side_by_side(postgres: Node, tmp_path: Path) -> None:
    source = the_oldest_program(tmp_path / "old")
    if source is None:
        pytest.skip("the history of the source is not here")
    url = templates.new_database(postgres)
    given = {
        "COUNTERMAND_ALLOW_LOSING_ACKNOWLEDGED_CALLS": "true",
        "COUNTERMAND_KEY_FILE": str(tmp_path / "keys"),
    }
    where = {**given, "COUNTERMAND_DATABASE": url}
    command("party", "add", "retailer", "Fine Shoes", **where)
    command("party", "add", "supplier", "Alpine Supply", **where)
    placed = json.dumps(orders("Fine Shoes", "Alpine Supply", 3))
    _, *lines = command("order", "add", "-", stdin=placed, **where).split("\t")
    retailer = {"authorization": f"Token {command('token', 'create', '--party', 'Fine Shoes', **where)}"}
    supplier = {"authorization": f"Token {command('token', 'create', '--party', 'Alpine Supply', **where)}"}
    with ExitStack() as stack:
        old, process = stack.enter_context(program(source, tmp_path / "old.log", url, **given))
        new = f"http://127.0.0.1:{stack.enter_context(serving(url, tmp_path / 'new.log', **given)).port}"
        http = stack.enter_context(httpx2.Client(trust_env=False, timeout=HANGS_S))
        for asked_at, answered_at, line in ((old, new, lines[0]), (new, old, lines[1])):
            asked = http.delete(f"{asked_at}/orders/items/cancel/{line}/", headers=retailer)
            assert asked.status_code == 204, asked.text
            answered = http.patch(f"{answered_at}/timp/orders/items/cancel/{line}/confirm/", headers=supplier)
            assert answered.status_code == 204, answered.text
        seen = [told(http, each, supplier) for each in (old, new)]
        assert seen[0] == seen[1]
        assert sorted(seen[0].values()) == ["accepted", "accepted"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANGS_S) == 0
        assert http.delete(f"{new}/orders/items/cancel/{lines[2]}/", headers=retailer).status_code == 204
        assert sorted(told(http, new, supplier).values()) == ["accepted", "accepted", "asked"]
    anyio.run(_sound, url)


def told(http: httpx2.Client, at: str, supplier: dict[str, str]) -> dict[str, str]:
    """The state of each cancellation, as a program tells it."""
    token = supplier["authorization"].removeprefix("Token ")
    items = http.get(f"{at}/v1/cancellations", headers={"authorization": f"Bearer {token}"}).json()["cancellations"]
    return {each["id"]: each["state"] for each in items}


async def _sound(url: str) -> None:
    database = await open_database(url, allow_weak_durability=True)
    await assert_sound(database)
    await database.close()
