"""How long tests wait. On a busy machine everything takes its time, so a limit is only there to end what hangs."""

import asyncio
from typing import Final

HANGS_S: Final = 600.0
"""After this, whatever a test waits for will not come."""

ANSWER_S: Final = 20.0
"""How long calls of tests wait for an answer that does come. Where none comes, ``give_up`` ends the wait."""


def give_up() -> None:
    """Let ``ANSWER_S`` pass in this event loop at once, so that who waits for an answer in vain stops waiting."""
    loop = asyncio.get_running_loop()
    now = loop.time
    loop.time = lambda: now() + ANSWER_S  # type: ignore[method-assign]
