"""Commands that keep what there is: back up and restore."""

import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from cyclopts import Parameter

from countermand.admin import backups
from countermand.cli.output import CommandError, Exit, manners, report, say, what_failed
from countermand.cli.parties import author_with
from countermand.cli.running import DatabaseFlag, JsonFlag, read_settings, run
from countermand.domain.dates import write_moment
from countermand.ids import Ids, system_clock
from countermand.road import opened_database
from countermand.store.archive import ArchiveError, Manifest

T = TypeVar("T")

SAY_EVERY_S: Final = 5.0
"""Between two words about a part that takes long."""

FileArgument = Annotated[Path, Parameter(name="FILE", help="The file of the backup")]


def backup(
    file: FileArgument,
    /,
    *,
    database: DatabaseFlag = None,
    without_keys: Annotated[bool, Parameter(negative=(), help="Leave the key file out")] = False,
    json: JsonFlag = False,
) -> None:
    """Back the database and the key file up into one new file, while the service runs."""
    settings = read_settings(database=database).model_copy(update={"read_timeout_s": 0.0, "database_timeout_s": 0.0})

    async def job() -> Manifest:
        async with opened_database(settings, creates=False) as opened:
            return await backups.back_up(
                opened,
                settings,
                file,
                system_clock,
                with_keys=not without_keys,
                writes=not manners.dry_run,
                progress=Progress(),
            )

    manifest = _run(job())
    size = "" if manners.dry_run else f" ({file.stat().st_size / 1e6:,.1f} MB)"
    keys = "with the key file" if manifest.keys_included else "without the key file"
    done = "would be" if manners.dry_run else "is"
    sentence = (
        f"The backup of {_moment(manifest)} {done} in {file}{size}: {sum(manifest.rows.values()):,} rows, {keys}."
    )
    report(sentence, json=json, file=str(file), **_facts(manifest))


def restore(
    file: FileArgument,
    /,
    *,
    database: DatabaseFlag = None,
    hold_notices: Annotated[
        bool, Parameter(negative=(), help="Keep notices that waited from being sent until they are recovered")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Make a new database, and the key file, of a backup. A dry run checks the backup."""
    settings = read_settings(database=database)
    done = _run(
        backups.restore(
            settings,
            file,
            author_with(system_clock, Ids()),
            hold_notices=hold_notices,
            writes=not manners.dry_run,
            progress=Progress(),
        )
    )
    facts = _facts(done.manifest)
    if done.settled is None:
        report(f"The backup of {_moment(done.manifest)} is whole. Nothing was written.", json=json, **facts)
        return
    waiting = f"{done.settled.refunds} refunds and {done.settled.notices} notices waited then"
    sentence = f"The database shows {_moment(done.manifest)}; {waiting}. What happened since is not in it."
    report(sentence, json=json, refunds_waiting=done.settled.refunds, notices_waiting=done.settled.notices, **facts)


class Progress:
    """Says how far it is: each part when it begins to take long, and then now and again."""

    def __init__(self) -> None:
        self._said_at = time.monotonic()

    def __call__(self, part: str, done: int, of: int = 0) -> None:
        """Say it, unless that was a moment ago."""
        if time.monotonic() - self._said_at < SAY_EVERY_S:
            return
        self._said_at = time.monotonic()
        say(f"{part}: {100 * done // of} %" if of else part)
        sys.stderr.flush()


def _run(job: Coroutine[Any, Any, T]) -> T:
    async def told() -> T:
        try:
            return await job
        except ArchiveError as error:
            raise CommandError(Exit.FAILED, "bad_backup", str(error)) from error
        except OSError as error:
            if error.filename is None:
                raise
            raise CommandError(Exit.FAILED, "unusable_file", what_failed(error)) from error

    return run(told())


def _moment(manifest: Manifest) -> str:
    return f"{manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC"


def _facts(manifest: Manifest) -> dict[str, object]:
    return {
        "taken_at": write_moment(manifest.taken_at),
        "version": manifest.version,
        "revision": manifest.revision,
        "engine": manifest.engine,
        "rows": dict(manifest.rows),
        "keys_included": manifest.keys_included,
    }
