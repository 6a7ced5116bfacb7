"""Hints between the processes of one database: what was just committed, so that others look at once.

Nothing depends on a hint. One that is lost, or a database without a channel, costs a second at most: whoever waits for
something also looks for it. A hint is sent after its transaction and never in it. Source: docs/decisions/0040.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from itertools import islice
from typing import Final
from uuid import UUID

from countermand.store.engines.protocol import Channel, Pair

GATHER_S: Final = 0.05
"""How long a hint waits for company: a busy process sends twenty a second, and no more."""
PAIRS_MAX: Final = 150
"""So many are in one hint, which may be 8,000 bytes long. The others are found by those who look."""


class Hints:
    """Tells other processes what this one has committed, and hears the same of them."""

    def __init__(
        self, channel: Channel, *, wake: Callable[[Collection[Pair]], None], committed: Callable[[], None]
    ) -> None:
        self._channel = channel
        self._wake = wake
        self._committed = committed
        self._pairs: dict[Pair, None] = {}
        self._something = asyncio.Event()
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    def begin(self) -> None:
        """Listen, and send what is told from now on."""
        self._tasks = (asyncio.create_task(self._channel.listen(self._hear)), asyncio.create_task(self._send()))

    async def end(self) -> None:
        """Neither any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def tell(self, pairs: Iterable[Pair] = ()) -> None:
        """Something was committed here, with notices for these pairs. It costs next to nothing."""
        self._pairs |= dict.fromkeys(pairs)
        self._something.set()

    async def _send(self) -> None:
        while True:
            await self._something.wait()
            await asyncio.sleep(GATHER_S)
            self._something.clear()
            pairs, self._pairs = self._pairs, {}
            await self._channel.send(
                " ".join(f"{number}:{endpoint.hex}" for number, endpoint in islice(pairs, PAIRS_MAX))
            )

    def _hear(self, text: str) -> None:
        self._committed()
        pairs = []
        # Whoever may connect may say anything.
        with suppress(ValueError):
            for each in text.split():
                number, _, endpoint = each.partition(":")
                pairs.append((int(number), UUID(endpoint)))
        if pairs:
            self._wake(pairs)
