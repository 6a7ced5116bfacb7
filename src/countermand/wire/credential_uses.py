"""When credentials were last used: noted behind the calls, at most once a minute for each."""

import asyncio
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, Final
from uuid import UUID

from cachetools import TTLCache

from countermand.ids import Clock
from countermand.store.credential_uses import save_uses
from countermand.store.engines.protocol import Database, UnavailableError
from countermand.store.engines.transactions import change

EVERY_S: Final = 60
NOTED_MAX: Final = 50_000
SAVED_AT_ONCE: Final = 200
"""So many rows one transaction locks, as calls of the write road wait behind it on SQLite."""


class CredentialUses:
    """Keeps when each credential was used last. No call waits for it, and what cannot be saved is left out."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._noted: TTLCache[UUID, None] = TTLCache(NOTED_MAX, EVERY_S, timer=lambda: clock().timestamp())
        self._waiting: dict[UUID, datetime] = {}
        self._saving: asyncio.Task[Any] | None = None

    def note(self, credential: UUID) -> None:
        """It is used now."""
        if credential in self._noted:
            return
        self._noted[credential] = None
        self._waiting[credential] = self._clock()
        if self._saving is None or self._saving.done():
            self._saving = asyncio.create_task(self._save())

    async def settle(self) -> None:
        """Wait until all that was noted is saved."""
        if self._saving is not None:
            await self._saving

    async def _save(self) -> None:
        while self._waiting:
            some = dict(islice(self._waiting.items(), SAVED_AT_ONCE))
            for credential in some:
                del self._waiting[credential]
            try:
                await change(self._database, partial(save_uses, used=some))
            except UnavailableError:
                self._waiting.clear()
