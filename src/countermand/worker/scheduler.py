"""Notices in memory on their way out: a queue for each endpoint, and whose turn it is."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappop, heappush
from itertools import count
from typing import Final
from uuid import UUID

from countermand.domain.endpoint import Endpoint, EndpointState
from countermand.reads.scope import Scope
from countermand.reads.subjects import Subject
from countermand.store.outbox import DueNotice

READ_MOST: Final = 50
"""How many notices of one endpoint and partition are read at a time; of one that failed, only the next."""
READ_AGAIN_BELOW: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedNotice:
    """A notice and its event, or the process status that it is about."""

    notice: DueNotice
    event: Subject


@dataclass(slots=True, kw_only=True, eq=False)
class Queue:
    """What waits for one endpoint, whose owner is the reader. At most one of it is being sent.

    ``more`` are the partitions in which more is due than was read. ``held`` counts those that were read and are not
    settled yet. ``slow``: what is being sent takes long. ``failures`` is how many attempts failed since the last
    success, ``rest_until`` a monotonic time.
    """

    endpoint: Endpoint
    reader: Scope
    failures: int = 0
    failing_since: datetime | None = None
    waiting: deque[QueuedNotice] = field(default_factory=deque)
    more: set[int] = field(default_factory=set)
    held: int = 0
    busy: bool = False
    slow: bool = False
    listed: bool = False
    rest_until: float = float("-inf")
    noted_at: float = float("-inf")

    @property
    def id(self) -> UUID:
        """The endpoint's id."""
        return self.endpoint.id

    @property
    def is_idle(self) -> bool:
        """Whether nothing is lost when it is forgotten. That an endpoint failed matters only while it is sent to."""
        failing = self.failures and self.endpoint.state is EndpointState.ACTIVE
        return not (self.held or self.busy or self.more or failing)

    @property
    def reads(self) -> int:
        """How many notices to read at a time, beyond those that are held."""
        return 1 if self.failures else READ_MOST


class SendScheduler:
    """Whose notice is sent next.

    Endpoints that answer take turns, one notice each; endpoints that failed have places of their own, where those with
    the fewest failures come first. If a send takes long, the next one starts while it goes on. So a
    thousand endpoints that hang delay only each other.
    """

    def __init__(self, places: int) -> None:
        self._free = {False: places, True: places}
        self._answering: deque[Queue] = deque()
        self._failing: list[tuple[int, int, Queue]] = []
        self._order = count()
        self._placed: dict[Queue, bool] = {}

    def offer(self, queue: Queue) -> None:
        """Give a queue its turn, if it has something to send and neither sends nor is listed already."""
        if queue.busy or queue.listed or not queue.waiting:
            return
        queue.listed = True
        if queue.failures:
            heappush(self._failing, (queue.failures, next(self._order), queue))
        else:
            self._answering.append(queue)

    def next(self) -> Queue | None:
        """The next queue that has something to send and a place to do so; it is busy until ``done``."""
        while self._answering and self._free[False]:
            queue = self._answering.popleft()
            if self._begin(queue, failing=False):
                return queue
        while self._failing and self._free[True]:
            queue = heappop(self._failing)[2]
            if self._begin(queue, failing=True):
                return queue
        return None

    def overstays(self, queue: Queue) -> bool:
        """The send takes long: its place is free for another one. Whether it had one."""
        queue.slow = queue.busy
        failing = self._placed.get(queue)
        if failing is not False:
            # Those that failed keep their places: there, taking long is the rule.
            return False
        del self._placed[queue]
        self._free[False] += 1
        return True

    def done(self, queue: Queue) -> None:
        """The send has ended."""
        failing = self._placed.pop(queue, None)
        if failing is not None:
            self._free[failing] += 1
        queue.busy = queue.slow = False

    def _begin(self, queue: Queue, *, failing: bool) -> bool:
        queue.listed = False
        if queue.busy or not queue.waiting:
            return False
        self._free[failing] -= 1
        self._placed[queue] = failing
        queue.busy = True
        return True
