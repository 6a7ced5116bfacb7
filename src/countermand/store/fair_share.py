"""Who reads next: no party's reads take more than its share of the connections, however many it asks for at once.

Parties that wait take turns. What the service asks for itself, such as whose a token is, has no share and goes first.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from contextvars import ContextVar
from typing import Final
from uuid import UUID

from countermand.observability import metrics

WAITING_MAX: Final = 200
"""So many reads of one party wait at most. The next one is refused at once: it would be answered too late to matter."""

SHARE: Final = 4
"""A party has at most one of so many connections."""

reading_party: ContextVar[UUID | None] = ContextVar("reading_party", default=None)
"""Whose call is being answered. A door sets it once it knows; where nobody does, the service reads for itself."""


class TooManyReadsError(Exception):
    """The party has as many reads waiting as it may have."""


class FairShare:
    """Gives out so many places. A caller gives its place back with ``release``."""

    def __init__(self, places: int) -> None:
        self.places = places
        self._free = places
        self._share = max(1, places // SHARE)
        self._reading: Counter[UUID | None] = Counter()
        self._waiting: OrderedDict[UUID | None, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return self.places - self._free

    @property
    def waiting(self) -> int:
        """How many callers wait for a place."""
        return sum(map(len, self._waiting.values()))

    async def acquire(self, party: UUID | None) -> None:
        """Wait for a place.

        Raises:
            TooManyReadsError: too many reads of this party wait already.
        """
        queue = self._waiting.get(party)
        if self._free and not queue and self._may_read(party):
            self._take(party)
            return
        if queue is not None and len(queue) >= WAITING_MAX and party is not None:
            metrics.SHED_CALLS.add("reads")
            raise TooManyReadsError
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(party, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(party)
            raise

    def release(self, party: UUID | None) -> None:
        """Give a place back, to the caller whose turn is next."""
        self._free += 1
        self._reading[party] -= 1
        if not self._reading[party]:
            del self._reading[party]
        while self._free and (following := self._next()) is not None:
            following.set_result(None)

    def _may_read(self, party: UUID | None) -> bool:
        return party is None or self._reading[party] < self._share

    def _take(self, party: UUID | None) -> None:
        self._free -= 1
        self._reading[party] += 1

    def _next(self) -> asyncio.Future[None] | None:
        for party in sorted(self._waiting, key=lambda party: party is not None):
            if not self._may_read(party):
                continue
            queue = self._waiting.pop(party)
            while queue and queue[0].done():
                queue.popleft()
            if not queue:
                continue
            turn = queue.popleft()
            if queue:
                # After all others that wait.
                self._waiting[party] = queue
            self._take(party)
            return turn
        return None
