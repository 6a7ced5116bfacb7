"""The SQLite library: one without the bug that corrupts files."""

from types import ModuleType
from typing import Final

from countermand.store.engines.protocol import UnsafeDatabaseError

SQLITE_MIN: Final = (3, 51, 3)
"""The first SQLite without the WAL-reset corruption bug (3.7.0 to 3.51.2; sqlite.org, release notes of 3.51.3)."""


def sqlite_module() -> ModuleType:
    """The SQLite library that is new enough: Python's own, else the one that pysqlite3 carries."""
    import sqlite3

    if sqlite3.sqlite_version_info >= SQLITE_MIN:
        return sqlite3
    try:
        import pysqlite3
    except ImportError:
        pysqlite3 = None
    if pysqlite3 is None or pysqlite3.sqlite_version_info < SQLITE_MIN:
        raise UnsafeDatabaseError(
            f"SQLite {sqlite3.sqlite_version} can corrupt its file (the WAL-reset bug). Install pysqlite3 0.6.1 or"
            " newer, or use PostgreSQL."
        )
    module: ModuleType = pysqlite3
    return module
