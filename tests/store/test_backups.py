"""A backup is taken while others write, shows one moment, and becomes a sound database again, on both engines."""

import asyncio
import json
import os
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from countermand.admin import backups
from countermand.admin.audit import Author
from countermand.admin.credentials import issue_plaza_key
from countermand.domain.commands import AcceptCancellation, AskCancellation
from countermand.domain.parties import Asker
from countermand.ids import Ids
from countermand.keyring import KeyringError
from countermand.reads.parties import find_party
from countermand.service.calls import Done
from countermand.settings import Settings
from countermand.store import tables as t
from countermand.store.archive import MANIFEST, ArchiveError, ArchiveReader, Manifest
from countermand.store.engines.protocol import UnsafeDatabaseError
from tests.store.holding import assert_sound, everything, rows
from tests.support import templates
from tests.support.pgnode import Node
from tests.support.world import Clock, World, running, settings_for

pytestmark = pytest.mark.anyio

CHANGED_BY_A_RESTORE = {"feed", "number_blocks", "partitions", "restores", "workers", "alembic_version", "audit"}


class Parts:
    """What a backup says about its progress."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, part: str, done: int, of: int = 0) -> None:
        self.said.append(part)


def nothing(part: str, done: int, of: int = 0) -> None:
    """Nobody is told how far it is."""


@pytest.fixture
def target(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """Where nothing is yet, on the same engine."""
    postgres: Node | None = None
    if world.application.database.engine.name == "postgresql":
        postgres = request.getfixturevalue("postgres")
    url = templates.new_database(postgres, empty=True) if postgres else f"sqlite:///{tmp_path}/target/new.sqlite3"
    return settings_for(url, key_file=tmp_path / "target" / "new.keys")


@pytest.fixture
def keys(world: World, tmp_path: Path) -> Path:
    """The key file of the world."""
    return world.application.settings.keys


async def take(world: World, path: Path, progress: Any = nothing, **more: Any) -> Manifest:
    application = world.application
    given = {"with_keys": True, "writes": True, **more}
    return await backups.back_up(
        application.database, application.settings, path, world.clock, progress=progress, **given
    )


async def put(target: Settings, path: Path, clock: Clock, **more: Any) -> backups.Restored:
    given = {"hold_notices": False, "writes": True, "progress": nothing, **more}
    author = Author(name="operator", door="test", at=clock(), ids=Ids(clock))
    return await backups.restore(target, path, author, **given)


async def cancel_one(world: World) -> None:
    """An order of one unit, whose cancellation is asked for and accepted."""
    line = (await world.order(1)).lines[0].id
    asked = await world.submit(AskCancellation(line=line, actor=world.actor(world.retailer), asker=Asker.RETAILER))
    assert isinstance(asked, Done)
    [cancellation] = asked.cancellations
    accept = AcceptCancellation(line=line, cancellation=cancellation, actor=world.actor(world.supplier))
    assert isinstance(await world.submit(accept), Done)


async def until(done: Callable[[], bool], work: Callable[[], Awaitable[None]]) -> int:
    """Work again and again until it is enough. Returns how often."""
    times = 0
    while not done():
        await work()
        times += 1
    return times


async def test_a_backup_that_is_taken_under_load_becomes_a_sound_database(
    world: World, target: Settings, tmp_path: Path
) -> None:
    database = world.application.database
    for _ in range(20):
        await cancel_one(world)
    before = {row["id"] for row in await rows(database, t.cancellations)}
    taking = asyncio.create_task(take(world, tmp_path / "backup.zip"))
    writers = [asyncio.create_task(until(taking.done, lambda: cancel_one(world))) for _ in range(4)]
    manifest, written = await taking, sum(await asyncio.gather(*writers))
    assert written > 0
    await put(target, tmp_path / "backup.zip", world.clock)
    async with running(target.database, world.clock, key_file=target.keys) as restored:
        await assert_sound(restored.database)
        held = await everything(restored.database)
        assert before <= {row["id"] for row in held["cancellations"]}
        now = {row["id"] for row in await rows(database, t.cancellations)}
        assert {row["id"] for row in held["cancellations"]} <= now
        assert manifest.rows["cancellations"] == len(held["cancellations"])


async def test_what_is_restored_is_what_was_there_and_goes_on(world: World, target: Settings, tmp_path: Path) -> None:
    application = world.application
    party = await application.database.read(lambda connection: find_party(connection, str(world.retailer)))
    await application.database.write(
        lambda connection: issue_plaza_key(connection, application.ids, application.keyring, world.clock(), party=party)
    )
    await cancel_one(world)
    parts = Parts()
    manifest = await take(world, tmp_path / "backup.zip", parts)
    assert parts.said
    done = await put(target, tmp_path / "backup.zip", world.clock)
    assert done.manifest == manifest
    assert target.keys.read_bytes() == application.settings.keys.read_bytes()
    async with running(target.database, world.clock, key_file=target.keys) as restored:
        before, after = await everything(application.database), await everything(restored.database)
        for name in before.keys() - CHANGED_BY_A_RESTORE:
            assert after[name] == before[name], name
            assert manifest.rows[name] == len(before[name])
        [entry] = after["audit"]
        assert (entry["action"], entry["by"]) == ("backup.restored", "operator")
        await restored.check_keys()


async def test_a_backup_is_for_its_owner_only_and_leaves_nothing_beside_it(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    await take(world, folder / "backup.zip")
    assert os.listdir(folder) == ["backup.zip"]
    assert (folder / "backup.zip").stat().st_mode & 0o777 == 0o600


async def test_a_backup_that_is_cut_off_leaves_nothing(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()

    def cut_off(part: str, done: int, of: int = 0) -> None:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        await take(world, folder / "backup.zip", cut_off)
    assert os.listdir(folder) == []


async def test_a_full_disk_is_told_as_one_of_the_backup(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zipfile._ZipWriteFile.write", full)
    with pytest.raises(ArchiveError, match=r"cannot be written: No space left on device"):
        await take(world, tmp_path / "backup.zip")
    monkeypatch.undo()
    await take(world, tmp_path / "backup.zip")


async def test_no_backup_is_written_over_another_file(world: World, tmp_path: Path) -> None:
    path = tmp_path / "backup.zip"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="no backup is written over another file"):
        await take(world, path)
    assert path.read_text() == "mine"


async def test_a_trial_writes_nothing(world: World, target: Settings, tmp_path: Path) -> None:
    await take(world, tmp_path / "tried.zip", writes=False)
    assert not (tmp_path / "tried.zip").exists()
    await take(world, tmp_path / "backup.zip")
    done = await put(target, tmp_path / "backup.zip", world.clock, writes=False)
    assert done.settled is None
    assert not target.keys.exists()
    assert not (target.sqlite_path and target.sqlite_path.exists())
    assert isinstance((await put(target, tmp_path / "backup.zip", world.clock)).settled, object)


async def test_nothing_is_restored_over_anything(world: World, target: Settings, tmp_path: Path) -> None:
    await take(world, tmp_path / "backup.zip")
    await put(target, tmp_path / "backup.zip", world.clock)
    with pytest.raises(UnsafeDatabaseError, match=r"There is a file|is not empty"):
        await put(target, tmp_path / "backup.zip", world.clock)


async def test_another_key_file_is_not_overwritten(world: World, target: Settings, tmp_path: Path) -> None:
    world.application.keyring.encrypt(b"makes the file")
    await take(world, tmp_path / "backup.zip")
    target.keys.parent.mkdir()
    target.keys.write_bytes(b"another")
    with pytest.raises(UnsafeDatabaseError, match="is another one than that of the backup"):
        await put(target, tmp_path / "backup.zip", world.clock)
    assert target.keys.read_bytes() == b"another"


async def test_without_the_key_file_a_database_with_secrets_is_not_restored(
    world: World, target: Settings, tmp_path: Path
) -> None:
    application = world.application
    party = await application.database.read(lambda connection: find_party(connection, str(world.retailer)))
    await application.database.write(
        lambda connection: issue_plaza_key(connection, application.ids, application.keyring, world.clock(), party=party)
    )
    manifest = await take(world, tmp_path / "backup.zip", with_keys=False)
    assert (manifest.keys_included, bool(manifest.key_file)) == (False, True)
    with pytest.raises(KeyringError, match="is missing"):
        await put(target, tmp_path / "backup.zip", world.clock)
    target.keys.parent.mkdir(exist_ok=True)
    target.keys.write_bytes(application.settings.keys.read_bytes())
    await put(target, tmp_path / "backup.zip", world.clock)


async def test_a_damaged_backup_is_refused_and_leaves_nothing(world: World, target: Settings, tmp_path: Path) -> None:
    await cancel_one(world)
    await take(world, tmp_path / "backup.zip")
    with ArchiveReader(tmp_path / "backup.zip") as archive:
        largest = max(archive.manifest.members, key=lambda name: archive.manifest.members[name].size)
    damaged = rewritten(tmp_path / "backup.zip", tmp_path / "damaged.zip", largest, flipped)
    with pytest.raises(ArchiveError, match="is damaged"):
        await put(target, damaged, world.clock)
    assert not target.keys.exists()
    await put(target, tmp_path / "backup.zip", world.clock)


def rewritten(path: Path, to: Path, member: str, change: Callable[[bytes], bytes]) -> Path:
    """The same archive with another member, whose checksum fits the archive again."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == member else old.read(name))
    return to


def flipped(data: bytes) -> bytes:
    """The last bit is another one."""
    return data[:-1] + bytes([data[-1] ^ 1])


WRONG = {
    "of a later version": ({"format": 2}, "was written by version"),
    "of a later schema": ({"revision": "9999"}, "whose schema is at 9999; this version knows it up to"),
    "of another engine": ({"engine": "tape"}, "a backup of tape, and the database is to be one of"),
    "of another product": ({"product": "x"}, "no manifest that makes sense"),
}


@pytest.mark.parametrize(("change", "sentence"), WRONG.values(), ids=WRONG)
async def test_a_backup_that_cannot_be_understood_is_refused(
    world: World, target: Settings, tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    await take(world, tmp_path / "backup.zip")
    other = rewritten(
        tmp_path / "backup.zip",
        tmp_path / "other.zip",
        MANIFEST,
        lambda data: json.dumps(json.loads(data) | change).encode(),
    )
    with pytest.raises(ArchiveError, match=sentence):
        await put(target, other, world.clock)


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive"])
async def test_a_file_that_is_no_backup_is_refused(
    target: Settings, tmp_path: Path, clock: Clock, content: bytes
) -> None:
    path = tmp_path / "backup.zip"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match="is no backup, or not a whole one"):
        await put(target, path, clock)


async def test_a_later_schema_is_not_backed_up_by_a_version_that_does_not_know_it(world: World, tmp_path: Path) -> None:
    await world.application.database.write(
        lambda connection: connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    )
    with pytest.raises(UnsafeDatabaseError, match="Back it up with that version"):
        await take(world, tmp_path / "backup.zip")
