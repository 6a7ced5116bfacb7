"""An event loop in a thread of its own, where heavy reads compute while the calls of others are answered."""

import asyncio
from collections.abc import Coroutine
from threading import Thread
from typing import Any, Final, TypeVar

T = TypeVar("T")

LAST_WORK_S: Final = 10.0
"""How long closing waits for what has begun, in seconds, before it breaks it off."""


class Aside:
    """Begins its thread with the first work."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run there, and wait for it here. Who stops waiting ends the work."""
        if self._loop is None:
            self._loop = type(asyncio.get_running_loop())()
            self._thread = Thread(target=self._loop.run_forever, name="heavy reads", daemon=True)
            self._thread.start()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Do the last work, if there was any, when all other has ended, and end the thread."""
        if self._loop is None or self._thread is None:
            last.close()
            return
        await self.run(_after_all(last))
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()
        self._loop = self._thread = None


async def _after_all(last: Coroutine[Any, Any, None]) -> None:
    # Work that nobody waits for any more still puts its connection away.
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=LAST_WORK_S)
    await last
