"""All that depends on the engine is in the folder of that engine."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import countermand
from countermand.store.engines.opening import ENGINES, open_database, shown
from countermand.store.engines.protocol import UnsafeDatabaseError

pytestmark = pytest.mark.anyio

PACKAGE = Path(countermand.__file__).parent
APART = ("store/engines/", "store/migrations/")

FILES = {
    "settings.py": "The key file lies beside the file.",
    "serving.py": "A file has one server: it holds the lock.",
    "cli/running.py": "Whether a port is taken by the server of the same file.",
    "admin/backups.py": "A backup tells of which engine it is.",
    "observed.py": "A metric tells which engine a service has.",
}
"""Who else knows of an engine by name, or of SQLite's files, and why."""


def asks_for_the_engine(path: Path) -> Iterator[str]:
    """Where a module looks which engine it has, or takes what belongs to one."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.ImportFrom(module=str(module)) if module.startswith("sqlalchemy.dialects"):
                yield f"{node.lineno}: imports {module}"
            case ast.ImportFrom(module=str(module)) if module.startswith(
                ("countermand.store.engines.sqlite", "countermand.store.engines.postgresql")
            ):
                yield f"{node.lineno}: imports {module}"
            case ast.Attribute(value=ast.Name(id="dialect") | ast.Attribute(attr="dialect" | "engine"), attr="name"):
                yield f"{node.lineno}: asks for its name"
            case ast.Constant(value="sqlite" | "postgresql"):
                yield f"{node.lineno}: names an engine"
            case _:
                pass


def test_no_module_but_the_engines_asks_which_one_it_has() -> None:
    found = {
        f"{path.relative_to(PACKAGE)}:{each}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if not str(path.relative_to(PACKAGE)).startswith(APART) and str(path.relative_to(PACKAGE)) not in FILES
        for each in asks_for_the_engine(path)
    }
    assert found == set()


def test_the_exceptions_are_needed() -> None:
    assert all([*asks_for_the_engine(PACKAGE / name)] for name in FILES)


@pytest.mark.parametrize(
    ("url", "engine"),
    [
        ("sqlite:///a.sqlite3", "sqlite"),
        ("sqlite+pysqlite:///a.sqlite3", "sqlite"),
        ("postgresql://db/orders", "postgresql"),
        ("postgres://db/orders", "postgresql"),
        ("postgresql+psycopg://db/orders", "postgresql"),
        ("mysql://db/orders", None),
    ],
)
def test_one_engine_serves_an_address(url: str, engine: str | None) -> None:
    assert [each.name for each in ENGINES if each.serves(url)] == ([engine] if engine else [])


async def test_an_engine_that_is_not_there_is_refused_by_its_name() -> None:
    with pytest.raises(UnsafeDatabaseError, match="mysql is not supported"):
        await open_database("mysql://db/orders")


def test_an_address_is_shown_without_its_secret() -> None:
    assert shown("postgresql://shop:canary@db/orders") == "postgresql://shop:***@db/orders"
    assert shown("sqlite:///a.sqlite3") == "sqlite:///a.sqlite3"
