"""The same work asked for many times: it is done once more than it was begun, and all who asked share that."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable


class Merging:
    """Runs work by subject, one at a time each.

    Who asks while it runs may know of something newer, so a second turn follows. It serves all who asked meanwhile.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[bool]] = {}
        self._next: dict[Hashable, asyncio.Task[bool]] = {}

    async def do(self, subject: Hashable, work: Callable[[], Awaitable[bool]]) -> bool:
        """What the work comes to. It goes on when whoever asked is gone: others may wait for it."""
        turn = self._next.get(subject)
        if turn is None:
            before = self._running.get(subject)
            turn = asyncio.create_task(self._turn(subject, before, work))
            turn.add_done_callback(_noticed)
            (self._running if before is None else self._next)[subject] = turn
        return await asyncio.shield(turn)

    async def _turn(
        self, subject: Hashable, before: asyncio.Task[bool] | None, work: Callable[[], Awaitable[bool]]
    ) -> bool:
        if before is not None:
            await asyncio.wait((before,))
            self._running[subject] = self._next.pop(subject)
        try:
            return await work()
        finally:
            del self._running[subject]


def _noticed(turn: asyncio.Task[bool]) -> None:
    """Nobody may be left to hear of its error, which must not end in a warning."""
    if not turn.cancelled():
        turn.exception()
