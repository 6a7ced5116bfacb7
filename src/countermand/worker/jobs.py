"""Goes on with jobs: their rows become calls on the write road, a few hundred at once, and their results are kept.

A job is where its counts say: the first so many rows are done. What was under way when a worker died is done again by
the next one, under the same keys, so that each row has its effect once.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from countermand.domain.jobs import JobFormat, JobKind, JobState
from countermand.ids import Clock, Ids, show
from countermand.reads import jobs as job_reads
from countermand.reads.jobs import JobView
from countermand.service.calls import Done, Failed, Outcome, Refused
from countermand.service.job_rows import JobFile
from countermand.service.lanes import BATCH_MAX, Lanes
from countermand.store import jobs
from countermand.store.changes import LostRaceError
from countermand.store.engines.protocol import Database, UnavailableError
from countermand.store.engines.transactions import change
from countermand.store.jobs import RowOutcome
from countermand.worker.job_calls import Planned, failed, left_out, outcome_of, planned
from countermand.worker.leases import Partitions
from countermand.worker.pace import Passes, Rests, repeat
from countermand.worker.recovery import RecoveryRun

JOBS_EVERY_S: Final = 1.0
AT_ONCE: Final = 4
"""So many jobs of a worker go on side by side."""

CHUNK: Final = 4 * BATCH_MAX
"""So many rows are handed to the lanes at a time. Their results are saved together."""

UNDER_WAY: Final = 2
"""While the results of one chunk are saved, the lanes have the next one."""

LEFT_OUT_CHUNK: Final = 2_000
TRIES: Final = 3
GIVEN_UP_AFTER: Final = 10
"""Rows that fail alone so many times in a row are refused, so that they do not hold up the others for ever."""

log = structlog.get_logger()


class Jobs:
    """Does the jobs of this worker's partitions, those of different parties side by side."""

    def __init__(self, database: Database, lanes: Lanes, clock: Clock, partitions: Partitions) -> None:
        self._database = database
        self._lanes = lanes
        self._clock = clock
        self._partitions = partitions
        self._rests = Rests(clock)
        self._running: dict[UUID, UUID] = {}
        self._stuck: Counter[tuple[UUID, int]] = Counter()

    async def run(self, passes: Passes) -> None:
        """Look for jobs, and go on with them, until cancelled."""
        async with asyncio.TaskGroup() as group:
            await repeat("jobs", JOBS_EVERY_S, partial(self._begin, group), passes=passes)

    async def run_all(self) -> None:
        """Go on with every job that there is now, to its end."""
        while waiting := await self._waiting():
            async with asyncio.TaskGroup() as group:
                for job in waiting[:AT_ONCE]:
                    group.create_task(self._go_on(job))

    async def _begin(self, group: asyncio.TaskGroup) -> None:
        for job in (await self._waiting())[: AT_ONCE - len(self._running)]:
            self._running[job.id] = job.party_id
            group.create_task(self._go_on(job))

    async def _waiting(self) -> list[JobView]:
        """What can be gone on with now: the oldest first, but parties of which nothing runs before the others."""
        owned = self._partitions.owned
        if not owned or len(self._running) >= AT_ONCE:
            return []
        found = await self._database.read(partial(job_reads.open_jobs, partitions=owned))
        free = self._rests.awake([job for job in found if job.id not in self._running], _id_of)
        running = Counter(self._running.values())
        turns: list[tuple[int, JobView]] = []
        for job in free:
            turns.append((running[job.party_id], job))
            running[job.party_id] += 1
        return [job for _, job in sorted(turns, key=lambda turn: turn[0])]

    async def _go_on(self, job: JobView) -> None:
        """Do a job to its end. Whatever fails, it is gone on with later."""
        self._running[job.id] = job.party_id
        try:
            await _Run(self._database, self._lanes, self._clock, self._partitions, self._stuck, job).to_its_end()
            self._rests.went_on(job.id)
        except (LostRaceError, NotOwnedError):
            log.info("job_left_to_another", job=show("job", job.id))
            self._rests.failed(job.id)
        except UnavailableError as error:
            log.warning("job_rests", job=show("job", job.id), why=str(error))
            self._rests.failed(job.id)
        except Exception:
            log.exception("job_failed", job=show("job", job.id))
            self._rests.failed(job.id)
        finally:
            self._running.pop(job.id, None)


class NotOwnedError(Exception):
    """The partition of the job is another worker's by now."""


class _Run:
    """One job, as long as this worker goes on with it."""

    def __init__(
        self,
        database: Database,
        lanes: Lanes,
        clock: Clock,
        partitions: Partitions,
        stuck: Counter[tuple[UUID, int]],
        job: JobView,
    ) -> None:
        self._database = database
        self._lanes = lanes
        self._clock = clock
        self._partitions = partitions
        self._stuck = stuck
        self._job = job
        self._left_out = job.cancelled > 0
        self._ids = Ids(clock)
        self._done = job.done
        self._cancelled = job.cancelled_at is not None or job.party_status != "active"

    async def to_its_end(self) -> None:
        """Do what is left of the job."""
        job = self._job
        if job.state == JobState.QUEUED.value:
            begun = {"state": JobState.RUNNING.value, "started_at": self._clock()}
            await change(self._database, lambda c: jobs.change_job(c, job.id, JobState.QUEUED, **begun))
        if job.kind != JobKind.RECOVER.value:
            await self._do_file()
        elif not self._cancelled:
            self._cancelled = not await RecoveryRun(self._database, self._clock, job).to_its_end()
        state = JobState.CANCELLED if self._cancelled else JobState.DONE
        await change(self._database, lambda c: jobs.finish(c, job.id, state, self._clock()))
        log.info("job_ended", job=show("job", job.id), state=state.value)

    async def _do_file(self) -> None:
        job = self._job
        file = JobFile(
            self._database,
            job=job.id,
            parts=job.parts,
            kind=JobKind(job.kind),
            written=JobFormat(job.format or JobFormat.CSV),
        )
        await file.skip(job.done)
        await self._do_rows(file)
        while self._cancelled and (rows := await file.take(LEFT_OUT_CHUNK)):
            await self._save([left_out(row) for row in rows])
            self._left_out = True
        # A job of which everything was done when it was to be cancelled is done.
        self._cancelled &= self._left_out or not self._done

    async def _do_rows(self, file: JobFile) -> None:
        under_way: deque[asyncio.Task[list[RowOutcome]]] = deque()
        try:
            while not self._cancelled and (rows := await file.take(CHUNK)):
                self._check_owned()
                planning = partial(planned, job=self._job, rows=rows, ids=self._ids, now=self._clock())
                plans = await self._database.read(planning)
                under_way.append(asyncio.create_task(self._outcomes(plans)))
                if len(under_way) == UNDER_WAY:
                    await self._save(await under_way.popleft())
            while under_way:
                await self._save(await under_way.popleft())
        finally:
            for task in under_way:
                task.cancel()

    def _check_owned(self) -> None:
        if self._partitions.fence(self._job.partition) is None:
            raise NotOwnedError

    async def _save(self, outcomes: Sequence[RowOutcome]) -> None:
        job = self._job
        save = partial(jobs.add_results, job=job.id, party=job.party_id, done=self._done, outcomes=outcomes)
        goes_on = await change(self._database, save)
        self._done += len(outcomes)
        self._cancelled |= not goes_on

    async def _outcomes(self, plans: Sequence[Planned]) -> list[RowOutcome]:
        """What became of these rows, each of whose calls was decided or failed for good."""
        found = {plan.row.row: plan.outcome for plan in plans if plan.outcome}
        waiting = [plan for plan in plans if plan.call]
        for _ in range(TRIES):
            waiting = await self._decided(waiting, found)
            if not waiting:
                break
        if waiting:
            self._give_up(waiting, len(plans), found)
        return [found[plan.row.row] for plan in plans]

    async def _decided(self, plans: Sequence[Planned], found: dict[int, RowOutcome]) -> list[Planned]:
        """Those whose calls failed; the others are in ``found``."""
        outcomes = await asyncio.gather(*(self._submitted(plan) for plan in plans))
        left = []
        for plan, outcome in zip(plans, outcomes, strict=True):
            if isinstance(outcome, Done | Refused):
                found[plan.row.row] = outcome_of(plan, outcome, dry_run=self._job.dry_run)
            else:
                left.append(plan)
        return left

    async def _submitted(self, plan: Planned) -> Outcome:
        return await self._lanes.submit(plan.call) if plan.call else Failed()

    def _give_up(self, plans: Sequence[Planned], of: int, found: dict[int, RowOutcome]) -> None:
        """Refuse rows that failed while others did not; where all failed, the database is to blame.

        Raises:
            UnavailableError: it is, as far as one can see.
        """
        where = (self._job.id, plans[0].row.row)
        self._stuck[where] += 1
        if len(plans) == of and self._stuck[where] < GIVEN_UP_AFTER:
            raise UnavailableError(f"{len(plans)} rows cannot be saved")
        del self._stuck[where]
        for plan in plans:
            log.error("job_row_failed", job=show("job", self._job.id), row=plan.row.row)
            found[plan.row.row] = failed(plan.row)


def _id_of(job: JobView) -> UUID:
    return job.id
