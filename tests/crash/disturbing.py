"""What happens to the servers of a database while calls go on: a node crashes, a node is added, a node is drained.

Which servers these are is not known here. It is done by functions, and what was acknowledged is counted all the same.
"""

import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random

from bench.seeding import plant

from tests.crash.driver import Service, Tally, Torture, faults
from tests.crash.story import Order, detail

Disturbance = tuple[str, Callable[[], None]]
"""What happens, in words, and what makes it happen and returns when it is over."""


def disturb(
    url: str,
    disturbances: Sequence[Disturbance],
    *,
    seed: int = 1,
    callers: int = 8,
    moment: tuple[int, int] = (50, 300),
    orders: int = 1000,
    pause_s: float = 0.0,
) -> Tally:
    """Let all of it happen, one after the other, and say what was found. The database has nothing in it at first."""
    with tempfile.TemporaryDirectory(prefix="disturbing_") as folder, ExitStack() as stack:
        log = Path(folder, "log")
        service = stack.enter_context(Service(url, log))
        planted = plant(url, orders=orders, lines=3, retailers=10, suppliers=4, units_max=3, seed=seed)
        tally = Tally("citus")
        run = Torture(url, service, deque(map(Order.of, planted)), tally, Random(seed), callers, moment)
        run.pause_s = pause_s
        service.start(detail(planted[0]))
        for what, happens in disturbances:
            run.disturb(happens, what)
        run.compare_everything()
        tally.wrong += faults(log)
    return tally
