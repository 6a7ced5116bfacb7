"""Calls with an idempotency key that are being answered: a twin waits for the answer of the first."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Final

WAIT_S: Final = 10.0
"""How long a twin waits."""


class TwinInFlightError(Exception):
    """The first call with this key is not answered yet."""


class InFlight:
    """The keys of the calls that this process is answering. Between processes, the database makes twins wait."""

    def __init__(self) -> None:
        self._answering: dict[Hashable, asyncio.Future[None]] = {}

    @asynccontextmanager
    async def alone(self, key: Hashable) -> AsyncIterator[None]:
        """Answer a call while no other one with its key is answered.

        Raises:
            TwinInFlightError: the other one took too long.
        """
        await self._until_free(key)
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answering[key] = mine
        try:
            yield
        finally:
            del self._answering[key]
            mine.set_result(None)

    async def _until_free(self, key: Hashable) -> None:
        try:
            async with asyncio.timeout(WAIT_S):
                while twin := self._answering.get(key):
                    await asyncio.shield(twin)
        except TimeoutError:
            raise TwinInFlightError from None
