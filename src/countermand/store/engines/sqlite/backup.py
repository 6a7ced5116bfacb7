"""A backup of a SQLite file is a copy of it, made by SQLite while others write; restoring puts the copy in place."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.engine import URL

from countermand.private_files import in_the_making
from countermand.store.archive import CHUNK, ArchiveError, ArchiveReader, ArchiveWriter, Progress
from countermand.store.engines import protocol
from countermand.store.engines.protocol import Opening, UnsafeDatabaseError, Work
from countermand.store.engines.sqlite.database import SqliteDatabase
from countermand.store.engines.sqlite.file import FileLock
from countermand.store.engines.sqlite.library import sqlite_module

FILE: Final = "database.sqlite3"
PAGES: Final = 4_096
"""So many pages are copied between two looks at the progress: 16 MB."""

_TABLES: Final = (
    "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'"
)


def dump(connection: Connection, archive: ArchiveWriter, progress: Progress) -> dict[str, int]:
    """Copy the file as this connection's snapshot shows it. Returns how many rows each table has.

    The snapshot was begun before: otherwise SQLite would begin anew whenever another process writes.
    """
    tables = connection.exec_driver_sql(_TABLES).scalars().all()
    rows = {
        name: int(connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar_one())  # noqa: S608 - no input
        for name in tables
    }
    with in_the_making(archive.folder / "countermand-copy") as copy:
        with closing(sqlite_module().connect(copy.path)) as target:
            driver: Any = connection.connection.driver_connection
            driver.backup(target, pages=PAGES, progress=lambda _, left, of: progress("copying pages", of - left, of))
        size = copy.path.stat().st_size
        with archive.member(FILE) as member, copy.path.open("rb") as file:
            while piece := file.read(CHUNK):
                member.write(piece)
                progress("compressing", file.tell(), size)
    return rows


def check_empty(url: URL) -> None:
    """There must be no file.

    Raises:
        UnsafeDatabaseError: there is one.
    """
    path = _place(url)
    for each in (path, Path(f"{path}-wal")):
        if os.path.lexists(each):
            raise UnsafeDatabaseError(
                f"There is a file {each} already, and nothing is restored over it. Move it away, with -wal and -shm"
                " beside it, or name another database."
            )


async def load(
    engine: protocol.Engine,
    url: URL,
    archive: ArchiveReader,
    finish: Work[None],
    progress: Progress,
) -> None:
    """Make the file: written under another name, finished, checked, and only then called what it is."""
    place = _place(url)
    place.parent.mkdir(parents=True, exist_ok=True)
    with _locked(place), in_the_making(place) as file:
        _write(file.path, archive, progress)
        database = SqliteDatabase(engine, url.set(database=str(file.path)), Opening(read_timeout_s=None))
        try:
            await database.read(_checked(archive, progress))
            await database.write(finish)
        finally:
            # The last connection takes what is left of the write-ahead log into the file.
            await database.close()
        check_empty(url)
        file.put_in_place()


def _place(url: URL) -> Path:
    return Path(url.database or "").absolute()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Nobody else makes this file meanwhile."""
    lock = FileLock(str(path))
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _write(making: Path, archive: ArchiveReader, progress: Progress) -> None:
    with making.open("wb") as file:
        for piece in archive.read(FILE):
            file.write(piece)
            progress("writing the file", file.tell(), archive.manifest.members[FILE].size)


def _checked(archive: ArchiveReader, progress: Progress) -> Callable[[Connection], None]:
    def check(connection: Connection) -> None:
        progress("checking the file", 0)
        said = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if said != "ok":
            raise ArchiveError(f"The database in the backup is damaged: {said}. Use another backup.")
        for name, meant in archive.manifest.rows.items():
            found = connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar_one()  # noqa: S608 - no input
            if found != meant:
                raise ArchiveError(f"The backup has {found} rows of {name} instead of {meant}. Use another backup.")

    return check
