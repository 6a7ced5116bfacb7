"""A backup of a PostgreSQL database: the rows of each table as COPY writes them, all as of one snapshot.

It takes no program of PostgreSQL's on this machine, and no version of one that has to fit the server's. The schema is
not in it: the migrations make it again, at the revision of the backup.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.engine import Row

from countermand.store.archive import ArchiveError, ArchiveReader, ArchiveWriter, Progress
from countermand.store.engines.postgresql.address import read_address
from countermand.store.engines.protocol import UnsafeDatabaseError
from countermand.store.tables import metadata

NOT_KEPT: Final = frozenset({"alembic_version"})

_TABLES: Final = text(
    "SELECT c.relname AS name, array_agg(CAST(a.attname AS TEXT) ORDER BY a.attnum) AS columns"
    " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
    " WHERE c.relkind IN ('r', 'p') AND c.relnamespace = CAST(current_schema() AS regnamespace)"
    " AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' GROUP BY c.relname ORDER BY c.relname"
)
_REFERENCES: Final = text(
    "SELECT CAST(conrelid AS regclass) AS table, conname AS name, pg_get_constraintdef(oid) AS made FROM pg_constraint"
    " WHERE contype = 'f' AND connamespace = CAST(current_schema() AS regnamespace) ORDER BY conname"
)
_INDEXES: Final = text(
    "SELECT c.relname AS name, pg_get_indexdef(i.indexrelid) AS made FROM pg_index i JOIN pg_class c"
    " ON c.oid = i.indexrelid WHERE c.relnamespace = CAST(current_schema() AS regnamespace)"
    " AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x'))"
    " ORDER BY c.relname"
)
_MEMORY: Final = "SET LOCAL maintenance_work_mem = '256MB'"
"""For the indexes that are made anew."""


def dump(connection: Connection, archive: ArchiveWriter, progress: Progress) -> dict[str, int]:
    """Copy every table of ours as this connection's snapshot shows it. Returns how many rows each has."""
    rows = {}
    for table in connection.execute(_TABLES).all():
        if table.name not in metadata.tables:
            continue
        with archive.member(_member(table.name)) as member:
            sink = _Sink(member.write)
            status = _driver(connection).run_async(
                lambda driver, table=table, sink=sink: driver.copy_from_table(
                    table.name, columns=table.columns, output=sink
                )
            )
            sink.check()
        rows[table.name] = int(status.removeprefix("COPY "))
        progress(f"{table.name}: {rows[table.name]} rows", 0)
    return rows


class _Sink:
    """Takes what COPY sends. When it cannot be written, the rest is let go by, and ``check`` raises why.

    asyncpg would cancel the COPY instead, and wait forever when all of it had been sent by then.
    """

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._failed: ArchiveError | None = None

    async def __call__(self, data: bytes) -> None:
        if self._failed is None:
            try:
                self._take(data)
            except ArchiveError as error:
                self._failed = error

    def check(self) -> None:
        if self._failed is not None:
            raise self._failed


def check_empty(connection: Connection, url: str) -> None:
    """There must be no table.

    Raises:
        UnsafeDatabaseError: there is one.
    """
    tables = connection.execute(_TABLES).scalars().all()
    if tables:
        raise UnsafeDatabaseError(
            f"The database {read_address(url).without_password()} is not empty: it has the table {tables[0]}."
            " Nothing is restored over it. Make a new one, or drop that one."
        )


def load(connection: Connection, archive: ArchiveReader, progress: Progress) -> None:
    """Fill the tables, which the migrations have made. Indexes and foreign keys are made anew when the rows are there.

    Raises:
        ArchiveError: the archive has other rows than its manifest says, or other tables than the schema.
    """
    tables: dict[str, Sequence[str]] = {row.name: row.columns for row in connection.execute(_TABLES)}
    if unknown := archive.manifest.rows.keys() - tables.keys():
        raise ArchiveError(f"The backup has tables that its schema lacks: {', '.join(sorted(unknown))}.")
    references, indexes = connection.execute(_REFERENCES).all(), connection.execute(_INDEXES).all()
    connection.exec_driver_sql(_MEMORY)
    _drop(connection, references, indexes)
    connection.exec_driver_sql(f"TRUNCATE {', '.join(sorted(tables.keys() - NOT_KEPT))}")
    for name, meant in archive.manifest.rows.items():
        _fill(connection, archive, name, tables[name], meant)
        progress(f"{name}: {meant} rows", 0)
    for place, index in enumerate(indexes, start=1):
        connection.exec_driver_sql(index.made)
        progress("making indexes", place, len(indexes))
    for place, reference in enumerate(references, start=1):
        connection.exec_driver_sql(f"ALTER TABLE {reference.table} ADD CONSTRAINT {reference.name} {reference.made}")
        progress("checking references", place, len(references))
    connection.exec_driver_sql("ANALYZE")


def _drop(connection: Connection, references: Sequence[Row[Any]], indexes: Sequence[Row[Any]]) -> None:
    for each in references:
        connection.exec_driver_sql(f"ALTER TABLE {each.table} DROP CONSTRAINT {each.name}")
    for each in indexes:
        connection.exec_driver_sql(f"DROP INDEX {each.name}")


def _fill(connection: Connection, archive: ArchiveReader, name: str, columns: Sequence[str], meant: int) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in archive.read(_member(name)):
            yield piece

    status = _driver(connection).run_async(lambda driver: driver.copy_to_table(name, source=pieces(), columns=columns))
    found = int(status.removeprefix("COPY "))
    if found != meant:
        raise ArchiveError(f"The backup has {found} rows of {name} instead of {meant}. Use another backup.")


def _member(table: str) -> str:
    return f"tables/{table}.copy"


def _driver(connection: Connection) -> Any:
    return connection.connection.dbapi_connection
