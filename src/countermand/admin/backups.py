"""Back a whole installation up, the database and its key file, and restore it (docs/how-to/back-up.md)."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import Connection

from countermand.admin.audit import Action, Author, Change, record
from countermand.admin.callers import PLATFORM
from countermand.domain.dates import write_moment
from countermand.ids import Clock
from countermand.keyring import Keyring
from countermand.private_files import in_the_making
from countermand.reads.secrets import closed_secrets
from countermand.settings import Settings
from countermand.store import feed, restored
from countermand.store.archive import KEYS, ArchiveError, ArchiveReader, ArchiveWriter, Manifest, Progress
from countermand.store.engines.opening import engine_for
from countermand.store.engines.protocol import Database, Opening, RestorePlan, UnsafeDatabaseError
from countermand.store.migrations import KNOWN, LATEST, bring_up_to_date, current_revision, migrate
from countermand.store.restored import Settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was restored, and what may have gone on since the backup; ``None`` where nothing was written."""

    manifest: Manifest
    settled: Settled | None


async def back_up(
    database: Database,
    settings: Settings,
    path: Path,
    clock: Clock,
    *,
    with_keys: bool,
    writes: bool,
    progress: Progress,
) -> Manifest:
    """Write a backup of what is committed now, while others go on writing.

    Raises:
        UnsafeDatabaseError: the schema is a later version's, of which this one would leave parts out.
        OSError: the file is there already, or cannot be written.
    """
    revision = await database.read(current_revision)
    if revision != LATEST:
        raise UnsafeDatabaseError(
            f"The schema of this database is at {revision}, a newer version's. Back it up with that version: this one"
            " does not know all of it."
        )
    with ArchiveWriter(path) as archive:
        # The clock is read first: whatever was committed by then is in the snapshot.
        taken_at = clock()
        rows = await database.read(partial(database.engine.dump, archive=archive, progress=progress))
        # Keys are made before anything is closed with them, so those that are there now open all of the snapshot.
        keys = settings.keys.read_bytes() if settings.keys.exists() else b""
        if keys and with_keys:
            with archive.member(KEYS) as member:
                member.write(keys)
        manifest = Manifest(
            version=version("countermand"),
            revision=revision,
            engine=database.engine.name,
            taken_at=taken_at,
            rows=rows,
            members=archive.members,
            key_file=hashlib.sha256(keys).hexdigest() if keys else "",
            keys_included=bool(keys and with_keys),
        )
        if writes:
            archive.finish(manifest)
    return manifest


async def restore(
    settings: Settings, path: Path, author: Author, *, hold_notices: bool, writes: bool, progress: Progress
) -> Restored:
    """Make the database and the key file that the settings name of a backup: all of it or nothing.

    Raises:
        ArchiveError: the file is no backup, is damaged, or does not fit this engine or version.
        UnsafeDatabaseError: there is a database already.
        KeyringError: the key file is missing or another one.
        OSError: something cannot be read or written.
    """
    engine = engine_for(settings.database)
    how = Opening(allow_weak_durability=settings.allow_losing_acknowledged_calls, read_timeout_s=None)
    with ArchiveReader(path) as archive:
        manifest = archive.manifest
        _check_fits(manifest, engine.name)
        await engine.check_empty(settings.database, how)
        _check_keys(settings.keys, manifest)
        if not writes:
            archive.verify(progress)
            return Restored(manifest=manifest, settled=None)
        settled: list[Settled] = []

        def finish(connection: Connection) -> None:
            bring_up_to_date(connection)
            Keyring(settings.keys).check(closed_secrets(connection))
            position = feed.misplaced(connection)
            if position is not None:
                feed.move(connection, position)
            settled.append(
                restored.settle(connection, taken_at=manifest.taken_at, now=author.at, hold_notices=hold_notices)
            )
            detail = {"taken_at": write_moment(manifest.taken_at), "hold_notices": hold_notices}
            change = Change(action=Action.BACKUP_RESTORED, party=PLATFORM, target=PLATFORM, detail=detail)
            record(connection, author, change)

        plan = RestorePlan(make=partial(migrate, to=manifest.revision), finish=finish)
        undo = _put_keys(settings.keys, archive)
        try:
            await engine.restore(settings.database, how, archive, plan, progress)
        except BaseException:
            undo()
            raise
    return Restored(manifest=manifest, settled=settled[0])


def _check_fits(manifest: Manifest, engine: str) -> None:
    if manifest.engine != engine:
        raise ArchiveError(f"This is a backup of {manifest.engine}, and the database is to be one of {engine}.")
    if manifest.revision not in KNOWN:
        raise ArchiveError(
            f"This is a backup of version {manifest.version}, whose schema is at {manifest.revision}; this version"
            f" knows it up to {LATEST}. Restore it with that version, or a later one."
        )


def _check_keys(keys: Path, manifest: Manifest) -> None:
    """A key file that is there is the one of the backup, or has its keys and more."""
    if not keys.exists() or not manifest.key_file or not manifest.keys_included:
        return
    if hashlib.sha256(keys.read_bytes()).hexdigest() != manifest.key_file:
        raise UnsafeDatabaseError(
            f"The key file {keys} is another one than that of the backup, and is not overwritten. Move it away, or set"
            " key_file to another place."
        )


def _put_keys(keys: Path, archive: ArchiveReader) -> Callable[[], None]:
    """Write the key file, unless it is there or not in the backup. Returns what takes that back."""
    if keys.exists() or not archive.manifest.keys_included:
        return lambda: None
    keys.parent.mkdir(parents=True, exist_ok=True)
    with in_the_making(keys) as file:
        file.path.write_bytes(b"".join(archive.read(KEYS)))
        file.put_in_place()

    def undo() -> None:
        with suppress(FileNotFoundError):
            keys.unlink()

    return undo
