"""Databases that are migrated already: made once, kept beside the installed packages, and copied for each test.

Their names follow from the contents of the migrations, so that a change of these makes new ones. Processes that test
at the same time share them.
"""

import asyncio
import fcntl
import hashlib
import itertools
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import psycopg

from countermand.store import migrations
from countermand.store.engines.opening import open_database
from tests.support.pgnode import Node, pg_bin

FOLDER: Final = Path(sys.prefix, "templates")
FILLED: Final = "filled"
"""The database of every server of ``node`` that has the schema and nothing in it."""

KEPT_MAX: Final = 20
"""So many databases of tests that have ended stay, the youngest. Thousands would fill the disk."""

_LEFT: Final = """
    SELECT datname FROM pg_database
    WHERE datname LIKE 'test\\_%%' AND datname NOT IN (SELECT datname FROM pg_stat_activity WHERE datname IS NOT NULL)
    ORDER BY oid DESC OFFSET %s
"""
_SQLITE: Final = "sqlite:///"
_NUMBERS = itertools.count()


def filled_file(path: Path) -> str:
    """The URL of a new SQLite database at this path, with the schema and nothing in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _kept("filled.sqlite3", _make_file) as file:
        shutil.copyfile(file, path)
    return f"{_SQLITE}{path}"


def fill_if_absent(url: str) -> None:
    """Where this names a SQLite file that does not exist, make it as ``filled_file`` does."""
    path = Path(url.removeprefix(_SQLITE))
    if url.startswith(_SQLITE) and not path.exists():
        filled_file(path)


@contextmanager
def node(**settings: Any) -> Iterator[Node]:
    """A PostgreSQL server whose data directory is a copy: with an empty ``postgres`` and a migrated ``filled``."""
    server = Node(**settings)
    try:
        with _kept("cluster", _make_cluster) as cluster:
            server.init(copy_of=cluster)
        yield server.start()
    finally:
        server.destroy()


def new_database(server: Node, *, empty: bool = False) -> str:
    """The URL of a database on a server of ``node``: with the schema and nothing in it, or quite ``empty``.

    Its files are copied as they are: in memory that takes half as long as writing each page to the log.
    """
    name = f"test_{next(_NUMBERS)}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        template = "template1" if empty else FILLED
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        for old in connection.execute(_LEFT, (KEPT_MAX,)).fetchall():
            connection.execute(f"DROP DATABASE {old[0]}")
    return server.url(name)


@cache
def name_of_what_is_kept() -> str:
    """What templates follow from, in short: the migrations, what these import, PostgreSQL, and this module."""
    store = Path(migrations.__file__).parent.parent
    digest = hashlib.sha256(str(pg_bin().resolve()).encode())
    sources = [store / "tables.py", store / "columns.py", *store.joinpath("migrations").rglob("*.py"), Path(__file__)]
    for path in sorted(sources):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _kept(name: str, make: Callable[[Path], None]) -> Iterator[Path]:
    """The template of this name, made now if nobody has. Nobody else touches it meanwhile."""
    FOLDER.mkdir(exist_ok=True)
    with FOLDER.joinpath("lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = FOLDER / name_of_what_is_kept()
        if not folder.joinpath(name).exists():
            for other in FOLDER.iterdir():
                if other.is_dir() and other != folder:
                    shutil.rmtree(other)
            folder.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as making:
                made = Path(making, name)
                make(made)
                made.rename(folder / name)
        yield folder / name


def _make_file(path: Path) -> None:
    _migrate(f"{_SQLITE}{path}")


def _make_cluster(path: Path) -> None:
    with Node(durable=False) as server:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {FILLED}")
        _migrate(server.url(FILLED))
        server.stop()
        shutil.copytree(server.dir, path)


def _migrate(url: str) -> None:
    # A thread of its own, for callers in whose thread an event loop runs.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _migrated(url)).result()


async def _migrated(url: str) -> None:
    database = await open_database(url, allow_weak_durability=True)
    await database.write(migrations.bring_up_to_date)
    await database.close()
