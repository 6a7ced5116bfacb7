"""What is due: notices that must be sent, refunds that are owed, answers that nobody gave, jobs.

Each worker does it for its partitions.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from countermand.ids import Clock
from countermand.observability import metrics
from countermand.outlets.event_stream import EventStream
from countermand.payments.provider import Provider
from countermand.service.lanes import Lanes
from countermand.store.engines.protocol import Database, Pair
from countermand.worker.backlog import BACKLOG_EVERY_S, BacklogReader
from countermand.worker.deadlines import Deadlines
from countermand.worker.event_stream import EventStreamPublisher
from countermand.worker.jobs import Jobs
from countermand.worker.leases import LEASE_S, Monotonic, Partitions
from countermand.worker.notices import SENDS_AT_ONCE, Courier, Notices
from countermand.worker.owner_mails import Owners
from countermand.worker.pace import Passes, pause_s, repeat
from countermand.worker.refunds import Refunds
from countermand.worker.retention import Retention
from countermand.worker.score_cards import ScoreCards

LOOK_EVERY_S: Final = 1.0
"""How often to search for retries and for notices that other processes committed."""
LOOK_SHARE: Final = 0.1
"""At most this share of the time is spent on looking, however much waits."""
DEADLINES_EVERY_S: Final = 5.0
"""Deadlines are promised within 60 s (reliability P7)."""
REFUNDS_EVERY_S: Final = 1.0
OWNERS_EVERY_S: Final = 5.0
CARDS_EVERY_S: Final = 60.0
"""How often to search for scorecards with stale figures."""
CHECKS_EVERY_S: Final = 60.0
"""How often to search for refunds whose daily check is due."""
STREAM_EVERY_S: Final = 0.5
"""How often to search for events that are to be published."""
RETENTION_EVERY_S: Final = 3600.0
TEND_EVERY_S: Final = 2.0
FINISH_S: Final = 10.0
"""How long a worker that stops waits for what it is sending."""

CATCH_UP_S: Final = 3.0
"""How long a start waits for what fell due while nothing ran."""

log = structlog.get_logger()


class Worker:
    """One worker: its partitions, and what it does for them.

    ``run`` does it until ``stop``. Several may run at once, in one process or in many. ``stream`` is of a broker, which
    gets every event; ``source`` is the service's base URL.
    """

    def __init__(
        self,
        database: Database,
        lanes: Lanes,
        courier: Courier,
        clock: Clock,
        *,
        at_once: int = SENDS_AT_ONCE,
        lease_s: float = LEASE_S,
        alone: bool | None = None,
        monotonic: Monotonic = time.monotonic,
        dice: Random | None = None,
        providers: Mapping[str, Provider] | None = None,
        watch_refunds: timedelta = timedelta(days=30),
        keep_days: Mapping[str, int] | None = None,
        score_zone: str = "Europe/Amsterdam",
        stream: EventStream | None = None,
        stream_keep: timedelta | None = None,
        source: str = "",
        name: str = "",
        former: str = "",
    ) -> None:
        self.partitions = Partitions(
            database,
            clock,
            alone=database.engine.one_writer if alone is None else alone,
            lease_s=lease_s,
            monotonic=monotonic,
            name=name,
            former=former,
        )
        self.notices = Notices(
            database, self.partitions, courier, clock, at_once=at_once, monotonic=monotonic, dice=dice
        )
        self.owners = Owners(database, self.partitions, courier, clock, dice=dice)
        self.deadlines = Deadlines(database, lanes, clock, self.partitions)
        self.refunds = Refunds(database, lanes, providers or {}, clock, self.partitions, watch_for=watch_refunds)
        self.retention = Retention(database, clock, self.partitions, keep_days or {})
        self.score_cards = ScoreCards(database, clock, self.partitions, ZoneInfo(score_zone), monotonic=monotonic)
        self.jobs = Jobs(database, lanes, clock, self.partitions)
        self.stream = (
            EventStreamPublisher(
                database, clock, self.partitions, stream, source=source, keep=stream_keep, monotonic=monotonic
            )
            if stream
            else None
        )
        self.backlog = BacklogReader(database, clock, stream=stream.name if stream else "", stream_keep=stream_keep)
        self.passes = Passes(monotonic)
        self._lease_s = lease_s
        self._running: asyncio.Task[None] | None = None

    def wake(self, pairs: Iterable[Pair]) -> None:
        """Notices for these endpoints of these partitions were committed here: send them at once."""
        self.notices.wake(pairs)

    async def run(self) -> None:
        """Work until cancelled or stopped."""
        self._running = asyncio.current_task()
        again = partial(repeat, passes=self.passes)
        async with asyncio.TaskGroup() as group:
            tend_every_s = min(TEND_EVERY_S, self._lease_s / 5)
            # Its own work waits for the partitions, so it does not wait long for them.
            group.create_task(again("leases", tend_every_s, self.renew_leases, most_s=2 * tend_every_s))
            group.create_task(again("notices", LOOK_EVERY_S, self._look))
            group.create_task(again("deadlines", DEADLINES_EVERY_S, self.deadlines.fire_all))
            for at in self.refunds.groups:
                group.create_task(again("refunds", REFUNDS_EVERY_S, partial(self.refunds.settle_all, at)))
                group.create_task(again("refund_checks", CHECKS_EVERY_S, partial(self.refunds.check_all, at)))
            group.create_task(again("owner_mails", OWNERS_EVERY_S, self.owners.send_due))
            group.create_task(again("retention", RETENTION_EVERY_S, self.retention.sweep_all))
            group.create_task(again("score_cards", CARDS_EVERY_S, self.score_cards.count_all))
            group.create_task(again("backlog", BACKLOG_EVERY_S, self.backlog.read))
            if self.stream:
                group.create_task(again("stream", STREAM_EVERY_S, self.stream.publish_all))
            group.create_task(self.jobs.run(self.passes))

    async def catch_up(self, within_s: float = CATCH_UP_S) -> None:
        """Put what fell due while nothing ran to the rules, before calls are: so its events stand before theirs."""
        try:
            async with asyncio.timeout(within_s):
                await self.renew_leases()
                await self.deadlines.fire_all()
        except Exception:
            # The worker goes on with it. No call on such a line is decided before its deadline has been applied.
            log.warning("deadlines_not_caught_up", exc_info=True)

    async def stop(self, within_s: float = FINISH_S) -> None:
        """Finish what is under way, but not for ever, and let other workers have the partitions."""
        await self.notices.finish(within_s)
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})
        try:
            await self.partitions.release()
        except Exception:
            log.warning("partitions_not_released", exc_info=True)

    async def renew_leases(self) -> None:
        """Renew this worker's share, or take it."""
        change = await self.partitions.renew_leases(
            lambda number: self.notices.busy(number) or self.owners.busy(number)
        )
        if change.lost:
            metrics.LEASE_CHANGES.add("lost", by=len(change.lost))
            log.debug("partitions_lost", partitions=sorted(change.lost))
            self.notices.drop(change.lost)
        if change.taken:
            metrics.LEASE_CHANGES.add("taken", by=len(change.taken))
            log.debug("partitions_taken", partitions=sorted(change.taken))
            self.notices.look()

    async def once(self) -> None:
        """Renew the leases, and send all that is due now."""
        await self.renew_leases()
        self.notices.look()
        await self.notices.quiet()
        await self.owners.send_due()

    async def fire_deadlines(self) -> int:
        """Put at most 500 overdue cancellations to the rules. Returns how many the rules took up."""
        await self.renew_leases()
        return await self.deadlines.fire()

    async def settle_refunds(self) -> int:
        """Do what is to be done about at most 500 refunds of each provider that are due. Returns how many."""
        await self.renew_leases()
        return await self.refunds.settle()

    async def check_refunds(self) -> int:
        """Ask again about at most 200 refunds of each provider that are done or parked. Returns how many."""
        await self.renew_leases()
        return await self.refunds.check()

    async def do_jobs(self) -> None:
        """Do every job that there is now, to its end."""
        await self.renew_leases()
        await self.jobs.run_all()

    async def _look(self) -> None:
        self.notices.look()
        await asyncio.sleep(self.notices.look_took_s * (1 / LOOK_SHARE - 1))
        # A pass that fails is repeated, each time after a longer pause. It has been logged.
        await asyncio.sleep(pause_s(LOOK_EVERY_S, self.notices.looks_failed) - LOOK_EVERY_S)
