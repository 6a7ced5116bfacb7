"""What is checked before the first call: settings that lose nothing, one process per file, the right schema."""

import asyncio
import os
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pysqlite3
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, inspect, text, update
from sqlalchemy.pool import NullPool

from countermand.app import opened
from countermand.domain.parties import PartyKind
from countermand.serving import serve
from countermand.store import migrations
from countermand.store import tables as t
from countermand.store.engines.opening import open_database
from countermand.store.engines.protocol import UnsafeDatabaseError
from countermand.store.engines.sqlite.file import FileLock
from countermand.store.engines.sqlite.library import SQLITE_MIN
from countermand.store.migrations import LATEST, bring_up_to_date, current_revision, migrate
from countermand.store.tables import PARTITIONS
from tests.store.holding import all_given_back, everything, rows
from tests.store.watching import until, writer
from tests.support import templates
from tests.support.pgnode import Node
from tests.support.waiting import HANGS_S
from tests.support.world import Clock, World, running, settings_for

pytestmark = pytest.mark.anyio

WEAKENED = {
    "fsync": "ALTER SYSTEM SET fsync = off",
    "full_page_writes": "ALTER SYSTEM SET full_page_writes = off",
    "synchronous_commit": "ALTER SYSTEM SET synchronous_commit = off",
    "synchronous_commit of the role": "ALTER ROLE postgres SET synchronous_commit = off",
    "synchronous_commit of the database": "ALTER DATABASE postgres SET synchronous_commit = off",
}


# SQLite keeps what was committed


@pytest.mark.parametrize("which", ["writer", "reader"])
async def test_every_connection_to_sqlite_is_durable(sqlite_world: World, which: str) -> None:
    database = sqlite_world.application.database
    run = database.write if which == "writer" else database.read

    def settings(connection: Connection) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names}

    found = await asyncio.gather(*(run(settings) for _ in range(8)))
    assert found == [{"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}] * 8


async def test_a_writer_has_the_lock_from_its_beginning(sqlite_world: World) -> None:
    """So that no transaction that began by reading finds out later that it cannot write."""
    path = sqlite_world.application.settings.sqlite_path

    def other_writer(connection: Connection) -> str:
        with closing(pysqlite3.connect(str(path), timeout=0)) as other, pytest.raises(pysqlite3.OperationalError) as no:
            other.execute("BEGIN IMMEDIATE")
        return str(no.value)

    assert "locked" in await sqlite_world.application.database.write(other_writer)


async def test_reading_does_not_wait_for_a_writer(sqlite_world: World) -> None:
    database = sqlite_world.application.database
    loop = asyncio.get_running_loop()

    def read_while_writing(connection: Connection) -> int:
        connection.execute(update(t.parties).values(name="changed"))
        return len(asyncio.run_coroutine_threadsafe(rows(database, t.parties), loop).result(HANGS_S))

    assert await database.write(read_while_writing) == 5


async def test_a_reader_sees_one_moment(world: World) -> None:
    database = world.application.database
    holding, changed = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def names(connection: Connection) -> set[str]:
        return set(connection.execute(t.parties.select().with_only_columns(t.parties.c.name)).scalars())

    def twice(connection: Connection) -> bool:
        before = names(connection)
        loop.call_soon_threadsafe(holding.set)
        asyncio.run_coroutine_threadsafe(changed.wait(), loop).result(HANGS_S)
        return before == names(connection)

    async def change() -> None:
        await holding.wait()
        await database.write(lambda connection: connection.execute(update(t.parties).values(name="changed")))
        changed.set()

    if database.engine.name == "sqlite":
        same, _ = await asyncio.gather(database.read(twice), change())
        assert same
    else:
        level = await database.read(
            lambda connection: connection.exec_driver_sql("SHOW transaction_isolation").scalar()
        )
        assert level == "repeatable read"


async def test_the_sqlite_in_use_is_new_enough(sqlite_world: World) -> None:
    version = await sqlite_world.application.database.read(
        lambda connection: connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()
    )
    assert tuple(int(part) for part in version.split(".")) >= SQLITE_MIN == (3, 51, 3)


@pytest.mark.parametrize("carried", ["an old one", "none"])
async def test_an_old_sqlite_is_refused(carried: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 2))
    if carried == "none":
        monkeypatch.setitem(sys.modules, "pysqlite3", None)
    else:
        monkeypatch.setattr(pysqlite3, "sqlite_version_info", (3, 51, 2))
    with pytest.raises(UnsafeDatabaseError, match=r"WAL-reset bug.*pysqlite3 0.6.1.*PostgreSQL"):
        await open_database(f"sqlite:///{tmp_path}/x.sqlite3")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
async def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(UnsafeDatabaseError, match="in memory keeps nothing"):
        await open_database(url)


# One process per file


def test_a_second_process_on_a_file_is_refused_with_the_first_ones_number(tmp_path: Path) -> None:
    first, second = FileLock(f"{tmp_path}/a.sqlite3"), FileLock(f"{tmp_path}/a.sqlite3")
    first.acquire()
    with pytest.raises(UnsafeDatabaseError) as refused:
        second.acquire()
    assert str(refused.value) == (
        f"Another countermand (process {os.getpid()}) is using {tmp_path}/a.sqlite3."
        " Stop it first, or give this one a database of its own."
    )
    FileLock(f"{tmp_path}/b.sqlite3").acquire()
    first.release()
    second.acquire()
    second.release()
    second.release()


def test_a_file_has_one_lock_by_whatever_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link.sqlite3").symlink_to("there/a.sqlite3")
    monkeypatch.chdir(tmp_path)
    lock = FileLock(f"{tmp_path}/there/a.sqlite3")
    lock.acquire()
    for name in ("there/a.sqlite3", "there/../there/a.sqlite3", "link.sqlite3"):
        with pytest.raises(UnsafeDatabaseError):
            FileLock(name).acquire()
    lock.release()


def test_a_lock_makes_its_folder(tmp_path: Path) -> None:
    lock = FileLock(f"{tmp_path}/not/there/yet/a.sqlite3")
    lock.acquire()
    assert (tmp_path / "not/there/yet/a.sqlite3.lock").exists()
    lock.release()


async def test_a_service_on_a_file_in_use_does_not_start(tmp_path: Path) -> None:
    path = f"{tmp_path}/a.sqlite3"
    lock = FileLock(path)
    lock.acquire()
    with pytest.raises(UnsafeDatabaseError, match="Another countermand"):
        await serve(settings_for(f"sqlite:///{path}"))
    lock.release()
    assert os.listdir(tmp_path) == ["a.sqlite3.lock"]


async def test_a_service_on_a_port_in_use_does_not_start_and_lets_go_of_its_file(tmp_path: Path) -> None:
    path = f"{tmp_path}/a.sqlite3"
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="Address already in use"):
        await serve(settings_for(f"sqlite:///{path}", port=other.getsockname()[1]))
    lock = FileLock(path)
    lock.acquire()
    lock.release()
    assert os.listdir(tmp_path) == ["a.sqlite3.lock"]


# PostgreSQL keeps what was committed


@pytest.fixture(scope="module")
def durable() -> Iterator[Node]:
    with templates.node() as node:
        yield node


@pytest.fixture
def admin(durable: Node) -> Iterator[Engine]:
    """A durable server whose settings are put back afterwards."""
    engine = create_engine(
        durable.url().replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    yield engine
    for undo in (
        "ALTER SYSTEM RESET ALL",
        "ALTER ROLE postgres RESET ALL",
        "ALTER DATABASE postgres RESET ALL",
        "SELECT pg_reload_conf()",
    ):
        _execute(engine, undo)


def _execute(engine: Engine, statement: str) -> Any:
    with engine.connect() as connection:
        result = connection.execute(text(statement))
        return result.scalar() if result.returns_rows else None


async def test_a_durable_postgresql_is_taken(durable: Node) -> None:
    database = await open_database(durable.url())
    assert await database.write(lambda connection: connection.execute(text("SELECT 1")).scalar_one()) == 1
    await database.close()


@pytest.mark.parametrize(("name", "weakening"), WEAKENED.items(), ids=WEAKENED.keys())
async def test_a_postgresql_that_loses_commits_is_refused(
    durable: Node, admin: Engine, name: str, weakening: str
) -> None:
    setting = name.partition(" ")[0]
    _execute(admin, weakening)
    _execute(admin, "SELECT pg_reload_conf()")

    async def weak() -> bool:
        return bool(_execute(admin, f"SHOW {setting}") == "off")

    await until(weak)
    with pytest.raises(UnsafeDatabaseError) as refused:
        await open_database(durable.url())
    assert f"({setting} = off)" in str(refused.value)
    assert "COUNTERMAND_ALLOW_LOSING_ACKNOWLEDGED_CALLS=true" in str(refused.value)
    database = await open_database(durable.url(), allow_weak_durability=True)
    await database.close()


@pytest.mark.parametrize("value", ["local", "remote_write", "on", "remote_apply"])
async def test_a_commit_that_reaches_the_local_disk_is_enough(durable: Node, admin: Engine, value: str) -> None:
    _execute(admin, f"ALTER ROLE postgres SET synchronous_commit = {value}")
    database = await open_database(durable.url())
    assert await database.write(lambda connection: connection.execute(text("SELECT 1")).scalar_one()) == 1
    await database.close()


async def test_a_refused_postgresql_names_everything_that_is_weak(postgres: Node) -> None:
    settings = settings_for(postgres.url()).model_copy(update={"allow_losing_acknowledged_calls": False})
    with pytest.raises(UnsafeDatabaseError, match="fsync = off, full_page_writes = off, synchronous_commit = off"):
        async with opened(settings):
            pass


# The schema


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/folder/empty.sqlite3"
    return templates.new_database(request.getfixturevalue("postgres"), empty=True)


async def test_an_empty_database_is_filled(empty_url: str, clock: Clock) -> None:
    async with opened(settings_for(empty_url), clock) as application:
        assert await application.database.read(current_revision) == LATEST
        held = await everything(application.database)
    assert [row["kind"] for row in held["parties"]] == [PartyKind.PLATFORM]
    assert [row["name"] for row in held["number_blocks"]] == ["bol"]
    assert [row["name"] for row in held["revisions"]] == ["agreements"]
    assert [row["number"] for row in held["partitions"]] == list(range(PARTITIONS))
    assert {name for name, found in held.items() if found} == {
        "feed",
        "parties",
        "number_blocks",
        "partitions",
        "revisions",
        "schema_window",
    }


def test_the_latest_revision_is_the_last_of_the_chain() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert scripts.get_heads() == [LATEST]
    assert [each.revision for each in scripts.walk_revisions()][-1] == "0001"


async def test_migrating_again_changes_nothing(database_url: str, clock: Clock) -> None:
    async with running(database_url, clock) as application:
        before = await everything(application.database)
        await application.database.write(migrate)
        assert await everything(application.database) == before
        assert await application.database.read(current_revision) == LATEST


async def test_two_services_may_start_on_one_empty_database_at_once(empty_url: str, clock: Clock) -> None:
    async def start() -> str | None:
        async with opened(settings_for(empty_url), clock) as application:
            return await application.database.read(current_revision)

    assert set(await asyncio.gather(start(), start(), start())) == {LATEST}


async def test_a_migration_that_is_cut_off_leaves_nothing(empty_url: str, clock: Clock) -> None:
    database = await open_database(empty_url, allow_weak_durability=True)

    def cut_off(connection: Connection) -> None:
        migrate(connection)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        await database.write(cut_off)
    assert await database.read(lambda connection: inspect(connection).get_table_names()) == []
    await database.close()
    async with opened(settings_for(empty_url), clock) as application:
        assert await application.database.read(current_revision) == LATEST


def come_from(connection: Connection, revision: str, serves_from: str = LATEST) -> None:
    connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
    connection.exec_driver_sql(f"UPDATE schema_window SET serves_from = '{serves_from}'")


@pytest.mark.parametrize(
    ("revision", "serves_from", "sentence"),
    [
        ("9999", "9999", rf"at 9999, and this version knows it up to {LATEST}: a newer version has changed it"),
        ("0001", LATEST, rf"at 0001, this version needs {LATEST}.*countermand migrate"),
    ],
)
async def test_another_versions_schema_is_refused(world: World, revision: str, serves_from: str, sentence: str) -> None:
    database = world.application.database
    await database.write(partial(come_from, revision=revision, serves_from=serves_from))
    with pytest.raises(UnsafeDatabaseError, match=sentence):
        async with opened(world.application.settings):
            pass


async def test_a_later_schema_that_serves_this_version_is_worked_with(world: World) -> None:
    await world.application.database.write(partial(come_from, revision="9999"))
    async with opened(world.application.settings) as beside:
        assert await beside.database.read(current_revision) == "9999"


async def test_a_later_schema_that_lacks_what_this_version_needs_is_refused(database_url: str, clock: Clock) -> None:
    def change(connection: Connection) -> None:
        come_from(connection, "9999")
        connection.exec_driver_sql("ALTER TABLE refunds DROP COLUMN note")

    async with running(database_url, clock) as application:
        await application.database.write(change)
    with pytest.raises(UnsafeDatabaseError, match=r"it lacks refunds\.note"):
        async with running(database_url, clock):
            pass


async def test_an_older_version_migrates_no_later_schema(world: World) -> None:
    await world.application.database.write(partial(come_from, revision="9999"))
    with pytest.raises(UnsafeDatabaseError, match="a newer version has changed it"):
        await world.application.database.write(bring_up_to_date)


UNFIT = {
    "newer": ("UPDATE alembic_version SET version_num = '9999'", "a newer version has changed it"),
    "a column is missing": ("ALTER TABLE refunds DROP COLUMN note", "incomplete: it lacks refunds.note. Restore"),
    "a table is missing": ("DROP TABLE judgements", "incomplete: it lacks judgements. Restore"),
    "no version": ("DELETE FROM alembic_version", "does not say of which version: it is incomplete"),
    "older than it is": (
        "UPDATE alembic_version SET version_num = '0001'",
        "at 0001 and does not fit that: .* This step changed nothing",
    ),
}
"""What has become of a schema, and what is said of it."""


@pytest.mark.parametrize(("undo", "sentence"), UNFIT.values(), ids=UNFIT)
async def test_a_schema_that_cannot_be_migrated_is_left_as_it_is(
    database_url: str, clock: Clock, undo: str, sentence: str
) -> None:
    async with running(database_url, clock) as application:
        await application.database.write(lambda connection: connection.exec_driver_sql(undo))
    database = await open_database(database_url, allow_weak_durability=True)
    before = await database.read(lambda connection: set(inspect(connection).get_table_names()))
    revision = await database.read(current_revision)
    with pytest.raises(UnsafeDatabaseError, match=sentence):
        await database.write(bring_up_to_date)
    assert await database.read(lambda connection: set(inspect(connection).get_table_names())) == before
    assert await database.read(current_revision) == revision
    await database.close()


async def test_who_only_reads_makes_no_database(empty_url: str, tmp_path: Path) -> None:
    with pytest.raises(UnsafeDatabaseError, match="countermand migrate"):
        async with opened(settings_for(empty_url), creates=False):
            pass
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("undo", "named"),
    [("ALTER TABLE refunds DROP COLUMN note", "refunds.note"), ("DROP TABLE judgements", "judgements")],
)
async def test_a_schema_of_before_it_was_finished_is_refused(
    database_url: str, clock: Clock, undo: str, named: str
) -> None:
    async with running(database_url, clock) as application:
        await application.database.write(lambda connection: connection.exec_driver_sql(undo))
    with pytest.raises(UnsafeDatabaseError, match=f"it lacks {named}. Restore it from a backup"):
        async with running(database_url, clock):
            pass


async def test_an_error_while_it_is_open_lets_go_of_the_database(database_url: str, clock: Clock) -> None:
    with pytest.raises(ZeroDivisionError):
        async with running(database_url, clock) as application:
            raise ZeroDivisionError
    await all_given_back(application.database)
    assert writer(application.database).pool.checkedin() == 0 or application.database.engine.name == "sqlite"  # type: ignore[attr-defined]
