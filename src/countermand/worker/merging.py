"""Work that is requested many times at once is done at most once more, and all callers share the result."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable


class Merging:
    """Runs work, one at a time for each subject.

    A caller that arrives while the work runs may have newer news, so the work runs once more. That second run serves
    all callers that arrived meanwhile.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[bool]] = {}
        self._next: dict[Hashable, asyncio.Task[bool]] = {}

    async def do(self, subject: Hashable, work: Callable[[], Awaitable[bool]]) -> bool:
        """The result of the work. It goes on if this caller is cancelled: others may wait for it."""
        turn = self._next.get(subject)
        if turn is None:
            before = self._running.get(subject)
            turn = asyncio.create_task(self._turn(subject, before, work))
            turn.add_done_callback(_read_error)
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


def _read_error(turn: asyncio.Task[bool]) -> None:
    """Read the error of a run that no caller waits for any more, so that asyncio does not warn."""
    if not turn.cancelled():
        turn.exception()
