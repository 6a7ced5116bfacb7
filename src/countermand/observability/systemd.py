"""What systemd is told: that the service is ready, what it does, that it stops, and that it is still alive.

The protocol is one datagram to the socket that ``NOTIFY_SOCKET`` names (sd_notify(3)). Elsewhere nothing happens.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, Self

_ABSTRACT: Final = "@"
BEATS_PER_LIMIT: Final = 3
"""So often systemd hears of the service within the time after which it kills it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Systemd:
    """The service manager that started this process, if one did and wants to hear of it.

    ``watchdog_s`` is how long it waits for a sign of life before it kills the process; ``None``: it does not.
    """

    address: str = ""
    watchdog_s: float | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """As systemd says in the environment of the process that it starts."""
        address = environment.get("NOTIFY_SOCKET", "")
        microseconds = environment.get("WATCHDOG_USEC", "")
        mine = environment.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        watches = address and microseconds.isdecimal() and int(microseconds) > 0 and mine
        return cls(address=address, watchdog_s=int(microseconds) / 1e6 if watches else None)

    def ready(self, status: str) -> None:
        """The service answers calls, or works."""
        self._tell("READY=1", f"STATUS={status}")

    def stopping(self) -> None:
        """The service finishes what is under way."""
        self._tell("STOPPING=1", "STATUS=Finishing what is under way.")

    def alive(self) -> None:
        """The event loop turns."""
        self._tell("WATCHDOG=1")

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Say so from the event loop while this lasts: a loop that hangs says nothing, and systemd restarts it."""
        if self.watchdog_s is None:
            yield
            return
        beating = asyncio.create_task(self._beat(self.watchdog_s / BEATS_PER_LIMIT))
        try:
            yield
        finally:
            beating.cancel()

    async def _beat(self, every_s: float) -> None:
        while True:
            self.alive()
            await asyncio.sleep(every_s)

    def _tell(self, *lines: str) -> None:
        """A manager that is gone, or too busy to read, is no reason to stop."""
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith(_ABSTRACT) else self.address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            line.sendto("\n".join(lines).encode(), address)
