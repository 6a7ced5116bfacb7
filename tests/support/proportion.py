"""What calls cost, held in proportion: to their size, and to other work of the same machine at the same time.

No measured time is held against a number of seconds, which would hold how fast and how idle the machine is. Ratios do
not depend on either, once each side is the least of enough tries: what else the machine does only ever adds.
"""

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

GROWTH_MAX: Final = 9
"""Four times the size is four times the work where work is in proportion, and sixteen times where it is quadratic."""

GROWTH_CLEAR: Final = 6
"""What grew by no more than this is not measured again."""

DEARNESS_MAX: Final = 40
"""So many yards a call may cost."""

QUICK: Final = 1
"""What costs no more than so many yards is cheap, however it grew to that."""

ROUNDS: Final = 10
TRIES: Final = 3

Work = Callable[[], Awaitable[object]]


@dataclass
class Cost:
    """The least CPU that some work was seen to take this process, in seconds: more tries come nearer the truth."""

    work: Work
    least_s: float = field(default=math.inf, init=False)

    async def measure(self, tries: int = TRIES) -> float:
        for _ in range(tries):
            before = time.process_time()
            await self.work()
            self.least_s = min(self.least_s, time.process_time() - before)
        return self.least_s


class Yard:
    """Plain work, which others are held against."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._known: Cost | None = None

    async def known(self) -> Cost:
        """What it cost once. That will do while nothing seems to be wrong."""
        if self._known is None:
            self._known = await self.now()
        return self._known

    async def now(self) -> Cost:
        """What it costs on the machine as it is now."""
        cost = Cost(self._work)
        await cost.measure()
        return cost


async def out_of_proportion(work: Work, yard: Yard, quarter: Work | None = None) -> str:
    """What is wrong with the cost of ``work``, after more tries than noise can outlast; else nothing.

    ``yard`` is plain work on as much, and ``quarter`` is the same as ``work`` on a quarter of it.
    """
    whole, part, unit = Cost(work), Cost(quarter or work), await yard.known()
    await whole.measure(1)
    for again in range(ROUNDS):
        if again:
            unit = unit if again > 1 else await yard.now()
            await unit.measure()
            await whole.measure()
        if whole.least_s > DEARNESS_MAX * unit.least_s:
            continue
        if quarter is None or whole.least_s <= QUICK * unit.least_s:
            return ""
        if whole.least_s <= GROWTH_CLEAR * await part.measure():
            return ""
    return _judged(whole.least_s / unit.least_s, whole.least_s / part.least_s)


def _judged(dearness: float, growth: float) -> str:
    if dearness > DEARNESS_MAX:
        return f"{dearness:.0f} times the yard"
    return f"{growth:.1f} times as much for four times the size" if growth > GROWTH_MAX else ""
