"""What calls cost, held in proportion: to their size, and to other work of the same machine at the same time.

No measured time is held against a number of seconds, which would hold how fast and how idle the machine is. Ratios do
not depend on either, once each side is the least of enough tries: what else the machine does only ever adds.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Final

GROWTH_MAX: Final = 9
"""Four times the size is four times the work where work is in proportion, and sixteen times where it is quadratic."""

DEARNESS_MAX: Final = 30
"""So many yards a call may cost."""

QUICK: Final = 1
"""What costs no more than so many yards is cheap, however it grew to that."""

ROUNDS: Final = 10
TRIES: Final = 3

Work = Callable[[], Awaitable[object]]


class Yard:
    """Plain work, which others are held against. It is measured again only where something seems to be wrong."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._least_s: float | None = None

    async def least_s(self, *, again: bool) -> float:
        """What it costs."""
        if again or self._least_s is None:
            self._least_s = await least_s(self._work)
        return self._least_s


async def least_s(work: Work, tries: int = TRIES) -> float:
    """The least CPU that some work was seen to take this process, in seconds."""
    return min([await _spent_s(work) for _ in range(tries)])


async def _spent_s(work: Work) -> float:
    before = time.process_time()
    await work()
    return time.process_time() - before


async def out_of_proportion(work: Work, yard: Yard, quarter: Work | None = None) -> str:
    """What is wrong with the cost of ``work``; nothing if one round shows that nothing is.

    ``yard`` is plain work on as much, and ``quarter`` is the same as ``work`` on a quarter of it.
    """
    found = ""
    for again in range(ROUNDS):
        yard_s = await yard.least_s(again=bool(again))
        found = await _excess(work, yard_s, quarter, tries=TRIES if again else 1)
        if not found:
            break
    return found


async def _excess(work: Work, yard_s: float, quarter: Work | None, *, tries: int) -> str:
    whole_s = await least_s(work, tries)
    if whole_s > DEARNESS_MAX * yard_s:
        return f"{whole_s / yard_s:.0f} times the yard"
    if quarter is None or whole_s <= QUICK * yard_s:
        return ""
    growth = whole_s / await least_s(quarter)
    return f"{growth:.1f} times as much for four times the size" if growth > GROWTH_MAX else ""
