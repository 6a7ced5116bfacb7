"""Several processes that serve one port, and their parent, which starts, watches, replaces and ends them.

The parent opens no database and answers no call. It holds a listening socket for each process and keeps it when the
process dies: what the system has accepted meanwhile waits there for the next one. Source: docs/decisions/0039.
"""

import asyncio
import os
import secrets
import selectors
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import structlog

from countermand.observability.systemd import BEATS_PER_LIMIT, Systemd

SILENT_S: Final = 30.0
"""After so long without a sign of life a process is killed, unless systemd's watchdog waits for another time."""
BEAT_EVERY_S: Final = 1.0
LIVED_S: Final = 5.0
"""A process that served for so long is replaced at once. Others wait, each time twice as long."""
PAUSE_S: Final = 0.25
PAUSE_MAX_S: Final = 15.0

_READY: Final = b"r"
_ALIVE: Final = b"."
_STOPPING: Final = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One of several processes, in itself: it tells its parent that it serves and that it is alive.

    It has the methods of ``Systemd``: to a process that serves, its parent is its service manager.
    """

    number: int
    socket: socket.socket
    chance: str
    """A word that all processes of this parent share, and no others."""
    former_pid: int
    """The process that was in this place before and is dead; 0 if there was none."""
    reports: int
    """Where the parent reads what is reported."""
    parent: int
    """What ends when the parent does, however it ended."""

    def ready(self, status: str) -> None:
        """It answers calls."""
        self._tell(_READY)

    def stopping(self) -> None:
        """The parent knows: it sent the signal, or it will see the process end."""

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Report from the event loop while this lasts. A process whose parent has gone stops as by SIGTERM."""
        loop = asyncio.get_running_loop()

        def orphaned() -> None:
            loop.remove_reader(self.parent)
            signal.raise_signal(signal.SIGTERM)

        loop.add_reader(self.parent, orphaned)
        beating = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            beating.cancel()
            loop.remove_reader(self.parent)

    async def _beat(self) -> None:
        while True:
            self._tell(_ALIVE)
            await asyncio.sleep(BEAT_EVERY_S)

    def _tell(self, what: bytes) -> None:
        with suppress(OSError):
            os.write(self.reports, what)


@dataclass(slots=True, kw_only=True)
class _Place:
    """One of the processes, as its parent sees it; ``pid`` is 0 while none runs."""

    number: int
    socket: socket.socket
    pid: int = 0
    former_pid: int = 0
    reports: int = -1
    serves_since: float | None = None
    silent_s: float = 0.0
    begins_at: float = 0.0
    failures: int = 0


class Supervisor:
    """The parent of the processes, one for each socket.

    Args:
        ready: is called when all of them serve for the first time.
    """

    def __init__(self, sockets: Sequence[socket.socket], ready: Callable[[], None], manager: Systemd) -> None:
        self._places = [_Place(number=number, socket=each) for number, each in enumerate(sockets)]
        self._ready = ready
        self._manager = manager
        self._silent_s = manager.watchdog_s or SILENT_S
        self._turn_s = min(BEAT_EVERY_S, self._silent_s / BEATS_PER_LIMIT)
        self._selector = selectors.DefaultSelector()
        self._lifeline, self._held = os.pipe()
        self._woken, self._waking = socket.socketpair()
        self._chance = secrets.token_hex(4)
        self._started = self._stops = False
        self._code = 0

    def run(self) -> "Child | int":
        """Supervise until SIGTERM or SIGINT, then let all processes finish.

        This returns several times: in each process as its ``Child``, and in the parent, at the end, with an exit code:
        0, or that of the first process that could not even begin.
        """
        self._listen_to_signals()
        while True:
            child = self._begin_due()
            if child is not None:
                return child
            if self._stops and not any(place.pid for place in self._places):
                return self._code
            self._look()

    # Starting

    def _begin_due(self) -> Child | None:
        """Start what is to be started; the first alone, as it makes the tables and says once what is wrong."""
        now = time.monotonic()
        for place in self._places:
            if not (self._stops or place.pid) and place.begins_at <= now:
                child = self._fork(place)
                if child is not None:
                    return child
            if place.serves_since is None and not place.number and not self._started:
                return None
        return None

    def _fork(self, place: _Place) -> Child | None:
        reports, tells = os.pipe()
        for end in (reports, tells):
            os.set_blocking(end, False)
        # A signal that comes before the child has let go of the parent's handlers would be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
        pid = os.fork()
        if not pid:
            os.close(reports)
            return self._become_child(place, tells)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
        os.close(tells)
        place.pid, place.reports, place.serves_since, place.silent_s = pid, reports, None, 0.0
        self._selector.register(reports, selectors.EVENT_READ, place)
        return None

    def _become_child(self, place: _Place, tells: int) -> Child:
        signal.set_wakeup_fd(-1)
        for number in (*_STOPPING, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
        # systemd hears of the parent alone.
        os.environ.pop("NOTIFY_SOCKET", None)
        self._selector.close()
        os.close(self._held)
        for end in (self._woken, self._waking):
            end.close()
        for other in self._places:
            if other.pid:
                os.close(other.reports)
            if other is not place:
                other.socket.close()
        return Child(
            number=place.number,
            socket=place.socket,
            chance=self._chance,
            former_pid=place.former_pid,
            reports=tells,
            parent=self._lifeline,
        )

    # Watching

    def _listen_to_signals(self) -> None:
        for end in (self._woken, self._waking):
            end.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._waking.fileno(), warn_on_full_buffer=False)
        for number in _STOPPING:
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _look(self) -> None:
        """Wait for the next report, end or signal, and heed it."""
        began = time.monotonic()
        for key, _ in self._selector.select(self._turn_s):
            if key.data is None:
                with suppress(BlockingIOError):
                    self._woken.recv(4096)
            else:
                self._hear(key.data)
        self._reap()
        # Only time in which this process itself was awake: a machine that slept has killed nobody.
        self._kill_silent(min(time.monotonic() - began, self._turn_s))
        if self._started and self._manager.watchdog_s is not None:
            self._manager.alive()

    def _hear(self, place: _Place) -> None:
        try:
            told = os.read(place.reports, 4096)
        except BlockingIOError:
            return
        if not told:
            self._selector.unregister(place.reports)
            return
        place.silent_s = 0.0
        if _READY in told:
            place.serves_since = time.monotonic()
            if not self._started and all(each.serves_since is not None for each in self._places):
                self._started = True
                self._ready()

    def _kill_silent(self, passed_s: float) -> None:
        for place in self._places:
            if not place.pid or place.serves_since is None:
                continue
            place.silent_s += passed_s
            if place.silent_s > self._silent_s:
                log.error("process_hangs", process=place.number, pid=place.pid, silent_s=round(place.silent_s))
                place.silent_s = 0.0
                os.kill(place.pid, signal.SIGKILL)

    def _reap(self) -> None:
        for place in self._places:
            if not place.pid:
                continue
            pid, status = os.waitpid(place.pid, os.WNOHANG)
            if pid:
                self._ended(place, os.waitstatus_to_exitcode(status))

    def _ended(self, place: _Place, code: int) -> None:
        with suppress(KeyError):
            self._selector.unregister(place.reports)
        os.close(place.reports)
        lived_s = time.monotonic() - place.serves_since if place.serves_since is not None else 0.0
        pid, place.pid, place.serves_since = place.pid, 0, None
        place.former_pid = pid
        if self._stops:
            return
        if not self._started:
            # It has said why itself.
            self._code = code if code > 0 else 1
            self._stop()
            return
        place.failures = 0 if lived_s >= LIVED_S else place.failures + 1
        pause_s = min(PAUSE_MAX_S, PAUSE_S * 2 ** (place.failures - 1)) if place.failures else 0.0
        place.begins_at = time.monotonic() + pause_s
        log.error("process_ended", process=place.number, pid=pid, code=code, replaced_in_s=pause_s)

    # Ending

    def _stop(self, *_: object) -> None:
        """Take no more connections, and have every process finish what is under way."""
        if not self._stops:
            self._stops = True
            self._manager.stopping()
            for place in self._places:
                place.socket.close()
        for place in self._places:
            if place.pid:
                with suppress(ProcessLookupError):
                    os.kill(place.pid, signal.SIGTERM)
