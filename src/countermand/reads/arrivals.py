"""Who waits for events is woken when there may be new ones, so that nobody asks the database again and again.

What this process commits is known at once. What other processes commit is found by two small questions a second, for
all who wait together, and none when nobody does.
"""

import asyncio
import contextvars
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from countermand.reads.events import Place, newest_place
from countermand.store import feed
from countermand.store.engines.protocol import Database, TooBroadError, UnavailableError

LOOK_EVERY_S: Final = 1.0
ANYTHING_EVERY_S: Final = 5.0
"""How often any change is enough to wake: an event that took long to be committed may be older than the newest."""


class Arrivals:
    """Counts what may have brought new events. Whoever waits sees the number grow."""

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._changed = asyncio.Event()
        self._watchers: Counter[UUID] = Counter()
        self._looking: asyncio.Task[None] | None = None
        self._newest: Place | None = None
        self._horizon = 0
        self._anything_at = 0.0
        self.number = 0
        self.closed = False

    def announce(self) -> None:
        """Something was committed. Called often, so it costs next to nothing."""
        self.number += 1
        if self._watchers:
            self._changed.set()
            self._changed = asyncio.Event()

    def close(self) -> None:
        """Nobody shall wait any longer: the service ends."""
        self.closed = True
        self.announce()

    def watchers_of(self, credential: UUID) -> int:
        """How many watch with this credential."""
        return self._watchers[credential]

    @contextmanager
    def watching(self, credential: UUID) -> Iterator[None]:
        """As long as anybody watches, other processes are watched, too."""
        self._watchers[credential] += 1
        if self._looking is None:
            # What is looked for is nobody's: not that of the caller who happened to be the first.
            self._looking = asyncio.create_task(self._look_forever(), context=contextvars.Context())
        try:
            yield
        finally:
            self._watchers = self._watchers - Counter([credential])
            if not self._watchers and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    async def after(self, number: int, within_s: float) -> bool:
        """Wait until there may be more than at that number, but no longer than that. Returns whether there may be."""
        if self.number == number:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._changed.wait()
        return self.number != number

    async def _look_forever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            # A database that is away is found out by those who read.
            with suppress(UnavailableError, TooBroadError):
                await self.look()

    async def look(self) -> None:
        """Wake those who wait if another process has committed events."""
        newest, horizon = await self._database.read(_state)
        waits = newest is not None and newest.position >= self._horizon
        late = horizon != self._horizon and self._monotonic() - self._anything_at >= ANYTHING_EVERY_S
        if newest != self._newest or waits or late:
            self._newest, self._horizon, self._anything_at = newest, horizon, self._monotonic()
            self.announce()


def _state(connection: Connection) -> tuple[Place | None, int]:
    return newest_place(connection), feed.horizon(connection)
