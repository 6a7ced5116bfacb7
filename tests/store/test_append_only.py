"""Events, judgements, journal and audit trail are never changed. There are no triggers, so the code must hold it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Delete, Engine, Update, create_engine, make_url, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

import countermand
from countermand.domain.commands import AcceptCancellation, AskCancellation, Ship
from countermand.reads import scores
from countermand.reads.cancellations import CancellationRow
from countermand.store import statements
from countermand.store import tables as t
from countermand.store.engines.protocol import Database, RowUpdate
from countermand.store.views import view
from tests.docs.reading import text_of
from tests.support.world import Clock, populate, running

WRITTEN_ONCE = ("events", "judgements", "journal", "audit")
CHANGING = re.compile(
    rf"""\b(update|delete\s+from|truncate(\s+table)?|replace\s+into|merge\s+into)\s+(only\s+)?["']?({"|".join(WRITTEN_ONCE)})\b""",
    re.IGNORECASE,
)
SOURCE = sorted(Path(countermand.__file__).parent.rglob("*.py"))


def calls_that_change(tree: ast.AST) -> Iterator[str]:
    """``update(t.events)``, ``t.events.delete()`` and the like, whatever the table is imported as."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        verb = ast.unparse(node.func).rpartition(".")[2]
        if verb not in ("update", "delete", "on_conflict_do_update"):
            continue
        for part in (node.func, *node.args, *(keyword.value for keyword in node.keywords)):
            for named in ast.walk(part):
                if (
                    isinstance(named, ast.Attribute | ast.Name)
                    and ast.unparse(named).rpartition(".")[2] in WRITTEN_ONCE
                ):
                    yield ast.unparse(node)


def test_no_line_of_the_source_changes_what_is_written_once() -> None:
    found = {}
    for path in SOURCE:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        nodes = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
        texts = [each for each in nodes if isinstance(each, str) and CHANGING.search(each)]
        if changing := [*calls_that_change(tree), *texts]:
            found[path] = changing
    assert found == {}


def test_the_search_would_find_one() -> None:
    for line in (
        "update(t.events).values(kind='x')",
        "t.judgements.delete()",
        "insert(journal).on_conflict_do_update()",
    ):
        assert list(calls_that_change(ast.parse(line)))
    for sql in ("UPDATE events SET at = 0", "delete from journal", 'UPDATE ONLY "events"', "TRUNCATE TABLE judgements"):
        assert CHANGING.search(sql)
    assert not CHANGING.search("UPDATE lines SET open = 1 RETURNING (SELECT max(seq) FROM events)")


def test_no_named_statement_changes_what_is_written_once() -> None:
    """Those that are texts stand in the source, which was searched above."""
    named = vars(statements)
    changing = {name: each.table for name, each in named.items() if isinstance(each, Update | Delete)}
    by_rows = {name: each.table for name, each in named.items() if isinstance(each, RowUpdate)}
    assert changing
    assert by_rows
    assert not set(WRITTEN_ONCE) & {*by_rows.values(), *map(str, changing.values()), *statements.UPDATES}


@pytest.fixture
def narrow_url(postgres_url: str) -> Iterator[str]:
    """A database whose service has the rights that docs/events.md advises, and no more."""
    owner = make_url(postgres_url)
    engine: Engine = create_engine(owner.set(drivername="postgresql+psycopg"), poolclass=NullPool)
    [revoke] = re.findall(r"^REVOKE .*;$", text_of("events.md"), re.MULTILINE)
    with engine.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS countermand"))
        connection.execute(text("CREATE ROLE countermand LOGIN"))
        connection.execute(
            text("GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public TO countermand")
        )
        connection.execute(text(revoke))
    yield owner.set(username="countermand").render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(text("DROP OWNED BY countermand"))
        connection.execute(text("DROP ROLE countermand"))
    engine.dispose()


@pytest.mark.anyio
async def test_the_service_needs_no_right_to_change_them(narrow_url: str, clock: Clock) -> None:
    async with running(narrow_url, clock) as application:
        world = await populate(application, clock)
        line = (await world.order(3)).lines[0].id
        retailer, supplier = world.actor(world.retailer), world.actor(world.supplier)
        await world.submit(AskCancellation(line=line, actor=retailer, units=2))
        await world.submit(AcceptCancellation(line=line, actor=supplier))
        await world.submit(Ship(line=line, actor=supplier))
        [_, asked, accepted, _] = await world.events(line)
        await application.database.write(
            lambda connection: judge(connection, world.retailer, asked.cancellation_id, clock)
        )
        assert await world.buckets(line) == (0, 0, 2, 1)
        await refuses(application.database, accepted.id)


def judge(connection: Connection, retailer: Any, cancellation: Any, clock: Clock) -> int:
    row = connection.execute(t.cancellations.select().where(t.cancellations.c.id == cancellation)).one()
    item = view(CancellationRow, row)
    return scores.judge(connection, clock(), item, retailer, excluded=True, reason="r", by="operator", door="test")


async def refuses(database: Database, event: Any) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        await database.write(
            lambda connection: connection.execute(update(t.events).values(kind="x").where(t.events.c.id == event))
        )
