"""How the loops of a worker keep from spinning: what fails rests, and a loop that does not get on waits longer.

A pass acts on each thing that is due at most once. So however the database, the write road or a provider fails, a pass
ends, and the next one begins later than the one before it did.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable
from datetime import datetime, timedelta
from typing import Final, TypeVar

import structlog

from countermand.ids import Clock
from countermand.observability import metrics

T = TypeVar("T")

STALLED_AFTER: Final = 32
"""So many failures, one after the other, end a pass."""
PAUSE_MAX_S: Final = 15.0
"""No loop waits longer than this, or than its own interval: what was broken may be whole again."""
REST_MIN: Final = timedelta(seconds=1)
REST_MAX: Final = timedelta(minutes=5)

log = structlog.get_logger()


class StalledError(Exception):
    """Nothing gets on, so a pass has ended early. The message says what does not."""


class Rests:
    """What failed rests, longer with every failure: one thing that always fails must not cost a call every second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[Hashable, tuple[int, datetime]] = {}

    def awake(self, things: Iterable[T], key: Callable[[T], Hashable]) -> list[T]:
        """Those of these things that do not rest now."""
        now = self._clock()
        return [each for each in things if self._until.get(key(each), (0, now))[1] <= now]

    def failed(self, key: Hashable) -> None:
        """It failed (again)."""
        now = self._clock()
        failures = self._until.get(key, (0, now))[0] + 1
        self._until[key] = failures, now + min(REST_MAX, REST_MIN * 2 ** min(failures - 1, 10))
        # An item that somebody else has finished is not due any more, so nothing else removes it from here.
        long_ago = now - 2 * REST_MAX
        for each in [one for one, (_, until) in self._until.items() if until < long_ago]:
            del self._until[each]

    def went_on(self, key: Hashable) -> None:
        """It did not fail."""
        self._until.pop(key, None)


class Streak:
    """How a pass gets on: how many failures there were in a row, and whether anything succeeded."""

    def __init__(self) -> None:
        self._failures = 0
        self._got_on = False

    def note(self, *, got_on: bool) -> None:
        """One more thing was acted on."""
        self._failures = 0 if got_on else self._failures + 1
        self._got_on |= got_on

    @property
    def broken(self) -> bool:
        """Whether so many failed in a row that the next would fail too."""
        return self._failures >= STALLED_AFTER

    @property
    def in_vain(self) -> bool:
        """Whether all that was tried failed."""
        return self._failures > 0 and not self._got_on


class Passes:
    """When each loop of a worker last ended a pass that did not fail: how far it is behind."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._ended: dict[str, float] = {}

    def begin(self, name: str) -> None:
        """A loop begins. Nothing of it is late yet."""
        self._ended.setdefault(name, self._monotonic())

    def ended(self, name: str) -> None:
        """A pass of a loop has ended, and did not fail."""
        self._ended[name] = self._monotonic()

    def lags_s(self) -> dict[str, float]:
        """How long ago that was, by loop."""
        now = self._monotonic()
        return {name: now - ended for name, ended in self._ended.items()}


def pause_s(seconds: float, failures: int, most_s: float = PAUSE_MAX_S) -> float:
    """How long a loop waits that acts every so many ``seconds``, after so many failures in a row."""
    return min(max(seconds, most_s), seconds * 2.0 ** min(failures, 16))


async def repeat(
    name: str,
    seconds: float,
    act: Callable[[], Awaitable[object]],
    *,
    passes: Passes,
    most_s: float = PAUSE_MAX_S,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Act again and again. An error is logged and does not end it; the next time comes later after each.

    ``name`` is the loop's in the log and in the metrics; ``passes`` counts those that did not fail.
    """
    failures = 0
    passes.begin(name)
    while True:
        try:
            await act()
            failures = 0
            passes.ended(name)
        except StalledError as error:
            failures += 1
            log.warning("worker_stalled", loop=name, why=str(error))
        except Exception:
            failures += 1
            log.exception("worker_failed", loop=name)
        metrics.WORKER_PASSES.add(name, "failed" if failures else "ok")
        await sleep(pause_s(seconds, failures, most_s))
