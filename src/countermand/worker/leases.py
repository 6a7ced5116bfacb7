"""Which shares of the retailers are this worker's, and until when it may think so (docs/decisions/0013).

The workers divide the partitions among themselves in the database. A lease is over for others when its row has not
changed for as long as a lease lasts, by *their* monotonic clock since they first saw it so; the owner counts from
before it wrote. No clock of the day is compared with another one, so that none that is wrong or is set can make two
owners. Should that fail all the same, as for a process that was stopped in the middle of a send, the fence shows it: it
grows with every owner, and what a former one settles meets another fence.
"""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final

import structlog
from sqlalchemy import Connection

from countermand.ids import Clock
from countermand.store import outbox
from countermand.store.engines.protocol import Database
from countermand.store.outbox import Partition
from countermand.store.tables import PARTITIONS

Monotonic = Callable[[], float]

LEASE_S: Final = 25.0
"""With the look every two seconds, what a dead worker leaves is taken up within 30."""
FORGOTTEN_AFTER: Final = 10
"""A worker that has not reported for so many leases is removed from the list."""

log = structlog.get_logger()


def worker_name(pid: int | None = None, chance: str = "") -> str:
    """A name that no other process has: the host, the process, and chance, which processes of one parent share."""
    return f"{socket.gethostname()}:{pid or os.getpid()}:{chance or secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a worker has more and less than before."""

    taken: frozenset[int] = frozenset()
    lost: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """What a worker should do: take these, and stop working on those so that others can have them."""

    take: frozenset[int]
    leave: frozenset[int]


def divide(*, mine: Collection[int], free: Collection[int], workers: int) -> Division:
    """A fair share of the partitions among so many live workers, this one included."""
    share = -(-PARTITIONS // workers)
    return Division(
        take=frozenset(sorted(free)[: max(0, share - len(mine))]),
        leave=frozenset(sorted(mine)[share:]),
    )


class Partitions:
    """The partitions of one worker.

    ``alone``: no other process can work on this database, as its file is locked; then all of them are taken at once.
    ``former``: a worker that is known to be dead, whose place this one takes: its leases have ended.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        alone: bool,
        lease_s: float = LEASE_S,
        monotonic: Monotonic = time.monotonic,
        name: str = "",
        former: str = "",
    ) -> None:
        self.name = name or worker_name()
        self._former = former
        self._database = database
        self._clock = clock
        self._alone = alone
        self._lease_s = lease_s
        self._monotonic = monotonic
        self._held: dict[int, int] = {}
        self._leaving: frozenset[int] = frozenset()
        self._until = float("-inf")
        self._watch = _Watch()
        self._tending = asyncio.Lock()

    @property
    def owned(self) -> frozenset[int]:
        """The partitions that may be worked on now."""
        return frozenset(self._held) - self._leaving if self._monotonic() < self._until else frozenset()

    def fence(self, number: int) -> int | None:
        """The fence under which work on a partition may begin now; ``None`` when it may not."""
        if number in self._leaving or self._monotonic() >= self._until:
            return None
        return self._held.get(number)

    async def renew_leases(self, busy: Callable[[int], bool] = lambda number: False) -> Change:
        """Renew what is this worker's, take what is nobody's, let go of more than its share.

        ``busy`` says that work on a partition is under way; it is kept until that has ended.
        """
        async with self._tending:
            began = self._monotonic()
            if not self._renewal_due(began) and not await self._database.read(partial(self._acts, began, busy)):
                return Change()
            before = dict(self._held)
            held, leaving = await self._database.write(partial(self._divide, began, busy))
            self._held, self._leaving, self._until = held, leaving, began + self._lease_s
            return _change(before, held)

    async def release(self) -> None:
        """Let others have all of it at once."""
        async with self._tending:
            held, self._held, self._until = self._held, {}, float("-inf")

            def let_go(connection: Connection) -> None:
                outbox.lock_partitions(connection)
                outbox.release(connection, self.name, held)
                outbox.forget_workers(connection, [self.name])

            await self._database.write(let_go)

    def _renewal_due(self, now: float) -> bool:
        return now >= self._until - self._lease_s * 2 / 3

    def _acts(self, now: float, busy: Callable[[int], bool], connection: Connection) -> bool:
        """Whether there is anything to do; asked often, and without a lock."""
        seen = self._see(connection, outbox.partitions(connection), now)
        lost = any(seen.mine.get(number) != fence for number, fence in self._held.items())
        return lost or bool(seen.division.take) or seen.division.leave != self._leaving or self._can_go(busy)

    def _divide(
        self, now: float, busy: Callable[[int], bool], connection: Connection
    ) -> tuple[dict[int, int], frozenset[int]]:
        seen = self._see(connection, outbox.lock_partitions(connection), now)
        until = self._clock() + timedelta(seconds=self._lease_s)
        gone = {number for number in seen.division.leave & self._leaving if not busy(number)}
        if not self._alone:
            outbox.beat(connection, self.name, self._clock())
            outbox.forget_workers(connection, seen.forgotten)
        outbox.release(connection, self.name, gone)
        outbox.renew(connection, self.name, until, len(seen.mine.keys() - gone))
        outbox.take(connection, self.name, until, seen.division.take)
        fences = seen.mine | {number: seen.fences[number] + 1 for number in seen.division.take}
        return {number: fence for number, fence in fences.items() if number not in gone}, seen.division.leave - gone

    def _see(self, connection: Connection, rows: Sequence[Partition], now: float) -> "_Seen":
        mine = {row.number: row.fence for row in rows if row.owner == self.name}
        fences = {row.number: row.fence for row in rows}
        if self._alone:
            division = divide(mine=mine, free=fences.keys() - mine.keys(), workers=1)
            return _Seen(mine=mine, fences=fences, division=division)
        ages = {
            row.number: self._watch.age(row.number, (row.owner, row.fence, row.lease_until), now)
            for row in rows
            if row.owner not in (None, self.name, self._former)
        }
        free = {row.number for row in rows if row.owner is None or row.owner == self._former} | {
            n for n, age in ages.items() if age >= self._lease_s
        }
        silent = {
            row.id: self._watch.age(row.id, row.beat, now)
            for row in outbox.workers(connection)
            if row.id not in (self.name, self._former)
        }
        live = sum(age < self._lease_s for age in silent.values())
        return _Seen(
            mine=mine,
            fences=fences,
            division=divide(mine=mine, free=free, workers=1 + live),
            forgotten=[
                *filter(None, [self._former]),
                *(name for name, age in silent.items() if age >= FORGOTTEN_AFTER * self._lease_s),
            ],
        )

    def _can_go(self, busy: Callable[[int], bool]) -> bool:
        return any(not busy(number) for number in self._leaving)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the tables say, and what follows."""

    mine: dict[int, int]
    fences: dict[int, int]
    division: Division
    forgotten: Sequence[str] = ()


@dataclass
class _Watch:
    """Since when each thing has looked as it does, by the monotonic clock of who watches."""

    since: dict[Hashable, tuple[Hashable, float]] = field(default_factory=dict)

    def age(self, thing: Hashable, looks: Hashable, now: float) -> float:
        before = self.since.get(thing)
        if before is None or before[0] != looks:
            self.since[thing] = (looks, now)
            return 0.0
        return now - before[1]


def _change(before: dict[int, int], after: dict[int, int]) -> Change:
    """A partition that was lost and taken again has another fence: it counts as both."""
    return Change(
        taken=frozenset(number for number, fence in after.items() if before.get(number) != fence),
        lost=frozenset(number for number, fence in before.items() if after.get(number) != fence),
    )
