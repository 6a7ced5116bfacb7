"""What a command needs, wired from the settings: the database, opened and checked, and the write road.

Commands that only read import none of what deciding takes.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from countermand.ids import Clock, Ids, system_clock
from countermand.keyring import Keyring
from countermand.reads.secrets import closed_secrets
from countermand.settings import Settings
from countermand.store import feed
from countermand.store.engines.opening import open_database
from countermand.store.engines.protocol import Database, UnsafeDatabaseError
from countermand.store.migrations import (
    LATEST,
    bring_up_to_date,
    current_revision,
    refuse_incomplete,
    refuse_newer,
    serves,
)

if TYPE_CHECKING:
    from countermand.service.lanes import Lanes


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What reads and writes, without what serves."""

    settings: Settings
    database: Database
    lanes: "Lanes"
    ids: Ids
    clock: Clock
    keyring: Keyring

    async def check_keys(self) -> None:
        """The key file is the one that this database needs: to be asked before keys are used or made.

        Raises:
            KeyringError: the key file cannot be used, or it is not the one that closed the secrets in the database.
        """
        self.keyring.check(await self.database.read(closed_secrets))


@asynccontextmanager
async def opened(
    settings: Settings,
    clock: Clock = system_clock,
    *,
    creates: bool = True,
    dry_run: bool = False,
) -> AsyncIterator[Application]:
    """Open the database and the write road; let go of both at the end, when every call has its outcome.

    Raises:
        UnsafeDatabaseError: as ``opened_database``.
    """
    from countermand.service.lanes import Lanes

    async with opened_database(settings, creates=creates, dry_run=dry_run) as database:
        ids = Ids(clock)
        count = 1 if database.engine.one_writer else settings.lanes
        lanes = Lanes(database, clock, ids.new, count=count)
        yield Application(
            settings=settings,
            database=database,
            lanes=lanes,
            ids=ids,
            clock=clock,
            keyring=Keyring(settings.keys),
        )
        await lanes.drain()


@asynccontextmanager
async def opened_database(
    settings: Settings, *, creates: bool = True, dry_run: bool = False
) -> AsyncIterator[Database]:
    """Open the database, and let go of it at the end.

    With ``creates`` one that is not there, or empty, is made; with ``dry_run`` it never is.

    Raises:
        UnsafeDatabaseError: the database would lose what was acknowledged, or its schema is not this version's.
    """
    creates = creates and not dry_run
    if not creates and settings.sqlite_path and not settings.sqlite_path.exists():
        raise UnsafeDatabaseError(f"There is no database {settings.sqlite_path} yet. `countermand migrate` makes it.")
    database = await open_database(
        settings.database,
        lanes=settings.lanes,
        allow_weak_durability=settings.allow_losing_acknowledged_calls,
        dry_run=dry_run,
        timeout_s=settings.database_timeout_s or None,
        pooled=settings.database_pooler,
        read_timeout_s=settings.read_timeout_s or None,
        standby=settings.standby.get_secret_value() if settings.standby else "",
        standby_lag_s=settings.standby_lag_s,
    )
    try:
        await _make_current(database, creates=creates)
        await _place_new_events_last(database)
        yield database
    finally:
        await database.close()


async def _place_new_events_last(database: Database) -> None:
    """A database that was restored into another server has events beyond the transactions of that one."""
    position = await database.read(feed.misplaced)
    if position is not None:
        await database.write(lambda connection: feed.move(connection, position))


async def _make_current(database: Database, *, creates: bool) -> None:
    """Fill an empty database; refuse one whose schema is another version's that does not serve this one."""
    revision = await database.read(current_revision)
    if await database.read(lambda connection: serves(connection, revision)):
        await database.read(refuse_incomplete)
        return
    refuse_newer(revision)
    if revision is None and not creates:
        raise UnsafeDatabaseError("This database is empty, and stays so. Run `countermand migrate` first.")
    if revision is None:
        await database.write(bring_up_to_date)
    elif revision != LATEST:
        raise UnsafeDatabaseError(
            f"The schema of this database is at {revision}, this version needs {LATEST}."
            " Run `countermand migrate` first."
        )
    else:
        await database.read(refuse_incomplete)
