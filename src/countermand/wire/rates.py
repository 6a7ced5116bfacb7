"""Counts calls by key against quotas: in this process alone, or together with others that share its database."""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from countermand.domain.quotas import Bucket, Quota, Share, read_quota
from countermand.ids import Clock, digest
from countermand.store import quotas
from countermand.store.engines.protocol import Database, UnavailableError
from countermand.store.engines.transactions import change
from countermand.store.quotas import Settled, Settlement

KEYS_MAX: Final = 100_000
TELL_EVERY_S: Final = 1.0
"""How long a process keeps to itself what it has counted, if that is little."""
ANSWER_WITHIN_S: Final = 1.0
"""How long a call waits for the common count. Then what this process knows has to do."""
REFUSED_FOR_S: Final = 1.0
"""So long a refusal is repeated without another question, at most."""
DROP_EVERY_S: Final = 60.0
NEVER: Final = float("-inf")

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Count:
    """What this process knows of one key. ``owed`` is what it has counted and not told yet; a name says whose it is."""

    quota: Quota
    name: str
    bucket: Bucket
    owed: float = 0.0
    refused_until: float = NEVER

    def left_at(self, now: float) -> float:
        """How many calls seem to be left."""
        return min(float(self.quota.calls), self.bucket.left_at(now, self.quota) - self.owed)

    def take(self, now: float) -> bool:
        """Take one call, if there is one left, and tell nobody."""
        allowed = self.left_at(now) >= 1
        self.bucket = self.bucket.less(allowed, now, self.quota)
        return allowed

    def heed(self, told: float, wanted: int, settled: Settled, now: float) -> None:
        """What was told has been counted, and this came of it."""
        self.bucket = settled.bucket
        self.owed -= told
        if settled.granted < wanted:
            back_s = self.quota.seconds_for(1 - settled.bucket.left)
            self.refused_until = now + min(REFUSED_FOR_S, back_s)


class SharedQuotas:
    """The counts of all processes on one database.

    What is far from its quota is told once a second, for all keys together. What is near, or is a small quota, is told
    before the call is answered; calls that come meanwhile share the next transaction. A database that does not answer
    keeps no call waiting for long: each process then counts by itself. Source: docs/decisions/0039.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._owing: dict[str, Count] = {}
        self._asking: dict[str, tuple[Count, list[asyncio.Future[bool]]]] = {}
        self._telling: asyncio.Task[None] | None = None
        self._soon = asyncio.Event()
        self._drops_at = 0.0
        self._closed = False

    async def grants(self, count: Count) -> bool:
        """Tell what is owed, and ask for one call more.

        Raises:
            UnavailableError: nobody knows whether it is granted.
        """
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asking.setdefault(count.name, (count, []))[1].append(answer)
        self._tell(at_once=True)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await answer
        except TimeoutError as error:
            raise UnavailableError from error

    def owe(self, count: Count, calls: float, *, at_once: bool = False) -> None:
        """So many calls were answered, or, if fewer than 0, do not count after all: tell it later."""
        count.owed += calls
        self._owing[count.name] = count
        self._tell(at_once=at_once)

    async def settle(self) -> None:
        """Tell all that is owed, and nothing more after that."""
        self._closed = True
        self._soon.set()
        if self._telling is not None:
            await asyncio.wait({self._telling})

    def _tell(self, *, at_once: bool) -> None:
        if at_once:
            self._soon.set()
        if self._telling is None and not self._closed:
            self._telling = asyncio.create_task(self._tell_all())

    async def _tell_all(self) -> None:
        try:
            while self._owing or self._asking:
                with suppress(TimeoutError):
                    async with asyncio.timeout(TELL_EVERY_S):
                        await self._soon.wait()
                self._soon.clear()
                if not await self._tell_once() and not self._asking:
                    # What is owed is told with what comes next.
                    return
        finally:
            self._telling = None

    async def _tell_once(self) -> bool:
        """One transaction with all that is owed and asked. Returns whether it was made."""
        asked, self._asking = self._asking, {}
        counts = self._owing | {name: count for name, (count, _) in asked.items()}
        self._owing = {}
        now = self._clock().timestamp()
        settlements = [
            Settlement(
                key=name, quota=each.quota, owed=each.owed, wanted=len(asked[name][1]) if name in asked else 0, now=now
            )
            for name, each in counts.items()
        ]
        try:
            settled = await change(self._database, partial(quotas.settle, settlements=settlements))
            await self._drop_full()
        except Exception as error:
            log.warning("quotas_not_told", why=str(error), exc_info=not isinstance(error, UnavailableError))
            self._owing = counts | self._owing
            for _, answers in asked.values():
                _give_up(answers)
            return False
        for told in settlements:
            counts[told.key].heed(told.owed, told.wanted, settled[told.key], now)
            if told.wanted:
                _answer(asked[told.key][1], settled[told.key].granted)
        return True

    async def _drop_full(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._drops_at:
            self._drops_at = now + DROP_EVERY_S
            await change(self._database, partial(quotas.drop_full, now=self._clock()))


def _answer(answers: Sequence[asyncio.Future[bool]], granted: int) -> None:
    for place, answer in enumerate(answers):
        if not answer.done():
            answer.set_result(place < granted)


def _give_up(answers: Sequence[asyncio.Future[bool]]) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(UnavailableError())


class Rates:
    """Counts calls by key and kind. A key that has used up its quota waits until a share of it has come back.

    With ``shared``, other processes count the same keys of the same ``space``.
    """

    def __init__(self, limits: Mapping[str, str], shared: SharedQuotas | None = None, space: str = "") -> None:
        self._quotas = {kind: read_quota(text) for kind, text in limits.items()}
        self._shared = shared
        self._space = space
        self._counts: OrderedDict[tuple[Hashable, str], Count] = OrderedDict()

    async def take(self, key: Hashable, kind: str, now: datetime) -> Share | None:
        """Take one call from the quota if there is one left; ``None`` where there is no quota."""
        count = self._count(key, kind, now)
        if count is None:
            return None
        at = now.timestamp()
        allowed = count.take(at) if self._shared is None else await _taken(count, at, self._shared)
        return Share(quota=count.quota, allowed=allowed, left=count.left_at(at))

    def look(self, key: Hashable, kind: str, now: datetime) -> Share | None:
        """The same as far as this process knows, and nothing is taken."""
        count = self._count(key, kind, now)
        if count is None:
            return None
        left = count.left_at(now.timestamp())
        return Share(quota=count.quota, allowed=left >= 1, left=left)

    async def allows(self, key: Hashable, kind: str, now: datetime) -> bool:
        """Take one call from the quota, if there is one left."""
        share = await self.take(key, kind, now)
        return share is None or share.allowed

    def give_back(self, key: Hashable, kind: str, now: datetime) -> None:
        """The call that was taken does not count after all."""
        self._give_back(self._count(key, kind, now), 1, now)

    def forget(self, key: Hashable, kind: str, now: datetime) -> None:
        """Give the key all of its quota back."""
        count = self._count(key, kind, now)
        self._give_back(count, count.quota.calls if count else 0, now)

    def _give_back(self, count: Count | None, calls: int, now: datetime) -> None:
        if count is None:
            return
        count.refused_until = NEVER
        if self._shared is None:
            count.bucket = count.bucket.less(-calls, now.timestamp(), count.quota)
        else:
            self._shared.owe(count, -calls, at_once=True)

    def _count(self, key: Hashable, kind: str, now: datetime) -> Count | None:
        quota = self._quotas.get(kind)
        if quota is None:
            return None
        count = self._counts.get((key, kind))
        if count is None:
            name = digest(f"{self._space}\n{kind}\n{_text(key)}") if self._shared else ""
            count = Count(quota=quota, name=name, bucket=Bucket(left=quota.calls, at=now.timestamp()))
            self._counts[key, kind] = count
            if len(self._counts) > KEYS_MAX:
                self._counts.popitem(last=False)
        else:
            self._counts.move_to_end((key, kind))
        return count


async def _taken(count: Count, now: float, shared: SharedQuotas) -> bool:
    if now < count.refused_until:
        return False
    if count.owed < count.quota.portion and count.left_at(now) > count.quota.reserve:
        shared.owe(count, 1)
        return True
    try:
        return await shared.grants(count)
    except UnavailableError:
        allowed = count.left_at(now) >= 1
        if allowed:
            shared.owe(count, 1)
        return allowed


def _text(key: Hashable) -> str:
    """Alike in all processes, and for no two keys of one kind."""
    return "\n".join(map(_text, key)) if isinstance(key, tuple) else str(key)
