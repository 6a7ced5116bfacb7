"""Whether the service can do its work: the database, its schema, the worker, the disk and the keys.

Anybody may ask, so an answer names what is wrong in a sentence of ours, and neither addresses, paths nor errors.
"""

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from countermand.keyring import Keyring, KeyringError
from countermand.observability import metrics
from countermand.reads.secrets import closed_secrets
from countermand.settings import Settings
from countermand.store.engines.protocol import Database, TooBroadError, UnavailableError, ping
from countermand.store.migrations import LATEST, current_revision, serves

FRESH_S: Final = 1.0
"""So long an answer is given again: strangers who ask all the time cost no more than one who does."""
WITHIN_S: Final = 5.0
"""How long all checks together may take."""

DATABASE_AWAY: Final = "The database did not answer."

WATCHED_LOOPS: Final = ("leases", "deadlines")
"""Loops of the worker that get on whenever the database does. Others may wait for providers and receivers."""

Lags = Callable[[], Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was looked at, whether it is well, and if not, a sentence about it."""

    name: str
    ok: bool
    detail: str = ""


class Health:
    """Checks the service. ``lags_s`` says how long ago the worker's loops got on; without it, no worker runs here."""

    def __init__(self, database: Database, keyring: Keyring, settings: Settings, lags_s: Lags | None = None) -> None:
        self._database = database
        self._keyring = keyring
        self._settings = settings
        self._lags_s = lags_s
        self._found: tuple[float, tuple[Check, ...]] | None = None
        self._looking = asyncio.Lock()

    async def checks(self) -> tuple[Check, ...]:
        """Each check, in the order in which they matter: one that needs another is left out while that one fails."""
        async with self._looking:
            if self._found is None or self._found[0] + FRESH_S < time.monotonic():
                self._found = (time.monotonic(), await self._look())
            return self._found[1]

    async def _look(self) -> tuple[Check, ...]:
        try:
            async with asyncio.timeout(WITHIN_S):
                found = [*await self._of_database()]
        except TimeoutError:
            found = [Check(name="database", ok=False, detail="The database did not answer in time.")]
        found += [self._worker(), self._disk()]
        for each in found:
            metrics.READY.set(each.ok, each.name)
        return tuple(found)

    async def _of_database(self) -> list[Check]:
        database = await _asked("database", DATABASE_AWAY, lambda: self._database.read(ping))
        if not database.ok:
            return [database]
        return [database, await self._schema(), await self._keys()]

    async def _schema(self) -> Check:
        revision, fits = await self._database.read(_schema)
        if fits:
            return Check(name="schema", ok=True)
        detail = f"The schema is at {revision or 'nothing'}, this version needs {LATEST}."
        return Check(name="schema", ok=False, detail=detail)

    async def _keys(self) -> Check:
        try:
            self._keyring.check(await self._database.read(closed_secrets))
        except KeyringError:
            detail = "The key file cannot be used, or it is another one than this database needs."
            return Check(name="keys", ok=False, detail=detail)
        return Check(name="keys", ok=True)

    def _worker(self) -> Check:
        if self._lags_s is None:
            return Check(name="worker", ok=True, detail="It runs in another process.")
        lags = self._lags_s()
        lag_s = max((lags.get(loop, 0.0) for loop in WATCHED_LOOPS), default=0.0)
        if lag_s <= self._settings.ready_lag_s:
            return Check(name="worker", ok=True)
        return Check(name="worker", ok=False, detail=f"The worker has got nothing done for {lag_s:.0f} s.")

    def _disk(self) -> Check:
        try:
            free = free_bytes(self._settings)
        except OSError:
            return Check(name="disk", ok=False, detail="The folder of the database cannot be looked at.")
        if free is None or free >= self._settings.ready_disk_mb * 1024 * 1024:
            return Check(name="disk", ok=True)
        return Check(name="disk", ok=False, detail="The disk of the database is nearly full.")


def _schema(connection: Connection) -> tuple[str | None, bool]:
    """The revision, and whether this version works with it: a later version may have migrated meanwhile."""
    revision = current_revision(connection)
    return revision, revision == LATEST or serves(connection, revision)


async def _asked(name: str, wrong: str, question: Callable[[], Awaitable[object]]) -> Check:
    try:
        await question()
    except (UnavailableError, TooBroadError):
        return Check(name=name, ok=False, detail=wrong)
    return Check(name=name, ok=True)


def free_bytes(settings: Settings) -> int | None:
    """What is free where the SQLite file is; ``None`` where the database is elsewhere."""
    path = settings.sqlite_path
    if path is None:
        return None
    return shutil.disk_usage(os.path.dirname(os.path.abspath(path))).free
