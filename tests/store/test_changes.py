"""Whatever changes or deletes rows says how many it may be: a guard in a WHERE that finds nothing is not silent."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Connection, delete, update

import countermand
from countermand.store import tables as t
from countermand.store.changes import LostRaceError, change_any, change_exactly
from countermand.store.engines.protocol import UnavailableError
from tests.support.world import World

pytestmark = pytest.mark.anyio

PACKAGE: Final = Path(countermand.__file__).parent
MAKERS: Final = ("update", "delete", "update_of")
CHANGERS: Final = ("change_exactly", "change_any", "change_returning")

COUNTED: Final = {
    "store/engines/postgresql/engine.py": "Texts: a batch counts its rows, and a RowUpdate says how many it changed.",
    "store/engines/citus/engine.py": "The same for each retailer.",
    "store/engines/sqlite/engine.py": "The same on SQLite.",
    "store/statements.py": "Statements of the write road, which holds the locks of these rows.",
    "store/feed.py": "A text that is carried out by change_any.",
    "store/restored.py": "Texts that are carried out by change_any.",
}
"""Modules that make statements without carrying them out there, and who counts."""

ANY_NUMBER: Final = {
    "admin/signature_keys.py rotate": "Before the first key there is none to replace, and mostly none is old.",
    "store/credential_uses.py save_uses": "What another process saved meanwhile is later, or as good.",
    "store/erasure.py erase_customer": "Orders of before have fewer keys of their customer, or none.",
    "store/idempotency.py forget_replies": "Few orders have replies that are kept.",
    "store/jobs.py drop_parts": "A job that the service made itself has no file.",
    "store/feed.py move": "Whoever moved the feed further meanwhile is right.",
    "store/outbox.py note_success": "Endpoints that did not fail before need no change.",
    "store/outbox.py note_failure": "A row of failures that is under way goes on.",
    "store/outbox.py mark_dead": "What was settled or replayed meanwhile is not dead.",
    "store/outbox.py forget_workers": "Another worker may have struck them off.",
    "store/outbox.py release": "What another worker took meanwhile is that one's.",
    "store/restored.py settle": "Whatever was under way when the backup was taken.",
    "store/score_cards.py forget": "Old cards are rarely there.",
}
"""Functions that carry out a change and do not look how many rows it found, and why."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(call: ast.AST) -> str:
    match call:
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            return name
        case _:
            return ""


def makes_change(node: ast.AST) -> bool:
    """Whether a statement that changes rows is made in an expression: ``update(...)`` of SQLAlchemy or a text."""
    return any(
        (isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id in MAKERS)
        or (isinstance(each, ast.Constant) and str(each.value).startswith(("UPDATE ", "DELETE ")))
        for each in ast.walk(node)
    )


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = str(path.relative_to(PACKAGE))
        if not name.startswith("store/migrations/"):
            yield name, ast.parse(path.read_text())


def functions() -> Iterator[tuple[str, Function]]:
    for name, module in modules():
        for node in ast.walk(module):
            if isinstance(node, Function):
                yield f"{name} {node.name}", node


def uncounted(function: Function) -> list[int]:
    """The lines on which a statement that changes rows is carried out by anything but the functions that count."""
    changes = {
        target.id
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and makes_change(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return [
        node.lineno
        for node in ast.walk(function)
        if name_of(node) in ("execute", "scalars", "scalar", "exec_driver_sql")
        and isinstance(node, ast.Call)
        and any(
            makes_change(each) or any(isinstance(name, ast.Name) and name.id in changes for name in ast.walk(each))
            for each in node.args
        )
    ]


def test_nothing_changes_rows_without_counting_them() -> None:
    found = {f"{name}:{line}" for name, function in functions() for line in uncounted(function)}
    assert found - {each for each in found if each.split()[0] in COUNTED} == set()


def test_whatever_makes_a_change_has_it_counted_there() -> None:
    makers = {name for name, function in functions() if makes_change(function)}
    counting = {name for name, function in functions() if any(name_of(each) in CHANGERS for each in ast.walk(function))}
    assert {name for name in makers - counting if name.split()[0] not in COUNTED} == set()


def test_statements_of_modules_are_counted_by_those_who_are_named() -> None:
    found = {
        name
        for name, module in modules()
        for node in module.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and makes_change(node.value)
    }
    assert found <= COUNTED.keys()


def test_who_does_not_look_at_the_count_has_a_reason() -> None:
    blind = {
        name
        for name, function in functions()
        for node in ast.walk(function)
        if isinstance(node, ast.Expr) and name_of(node.value) == "change_any"
    }
    assert blind == ANY_NUMBER.keys()


def test_a_statement_that_is_carried_out_uncounted_is_found() -> None:
    [function] = ast.parse(
        "def store(connection):\n"
        "    change = update(t.lines).where(mine)\n"
        "    connection.execute(change.values(seq=1))\n"
        "    change_any(connection, change)\n"
    ).body
    assert isinstance(function, ast.FunctionDef)
    assert uncounted(function) == [3]


async def test_a_change_of_another_number_of_rows_is_loud_and_changes_nothing(world: World) -> None:
    await world.order()
    await world.order()

    def all_but_one(connection: Connection) -> None:
        change_exactly(connection, 1, update(t.orders).values(reference="changed"))

    with pytest.raises(LostRaceError, match="2 rows instead of 1"):
        await world.application.database.write(all_but_one)
    count = await world.application.database.write(
        lambda connection: change_any(connection, delete(t.orders).where(t.orders.c.reference == "changed"))
    )
    assert count == 0


def test_who_lost_a_race_may_ask_again() -> None:
    assert issubclass(LostRaceError, UnavailableError)
