"""How a worker goes on with jobs: after losing them, after failures, cancelled in the middle, and in turns."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from uuid import UUID

import pytest
from sqlalchemy import Connection, update

from countermand.admin import jobs
from countermand.domain.jobs import JobFormat, JobKind
from countermand.reads import jobs as job_reads
from countermand.reads.jobs import JobRowView, JobView
from countermand.service.calls import Call, Failed, Outcome
from countermand.service.lanes import Lanes
from countermand.store import tables as t
from countermand.worker import Worker
from countermand.worker import jobs as worker_jobs
from tests.support.world import World
from tests.worker.station import Postman

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_jobs, "CHUNK", 4)


async def started(world: World, lines: Sequence[UUID], party: UUID | None = None) -> UUID:
    """A queued job that asks for a unit of each of these lines."""
    content = "line,units\n" + "".join(f"{line},1\n" for line in lines)
    who, job = party or world.retailer, world.application.ids.new()

    def start(connection: Connection) -> None:
        jobs.create(connection, world.author(), job=job, party=who, kind=JobKind.ASK, written=JobFormat.CSV)
        jobs.upload(connection, party=who, job=job, number=1, content=content.encode())
        jobs.start(connection, world.author(), party=who, job=job, parts=1, rows=len(lines))

    await world.application.database.write(start)
    return job


async def seen(world: World, job: UUID, party: UUID | None = None) -> tuple[JobView, list[JobRowView]]:
    def ask(connection: Connection) -> tuple[JobView, list[JobRowView]]:
        found = jobs.find(connection, party=party or world.retailer, job=job)
        return found, job_reads.results_of(connection, job, limit=1_000)

    return await world.application.database.read(ask)


class FaultyLanes:
    """Lanes that fail where they are told to. What fails ``late`` was saved, and nobody knows."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self.fails: Counter[UUID] = Counter()
        self.fails_late: Counter[UUID] = Counter()
        self.all_fail = False
        self.submitted: list[UUID] = []
        self.on_call: Callable[[], object] = lambda: None

    async def submit(self, call: Call) -> Outcome:
        line: UUID = getattr(call.command, "line")  # noqa: B009 - only some commands have one
        self.submitted.append(line)
        self.on_call()
        if self.all_fail or self.fails[line] > 0:
            self.fails[line] -= 1
            return Failed()
        outcome = await self._lanes.submit(call)
        if self.fails_late[line] > 0:
            self.fails_late[line] -= 1
            return Failed(unknown=True)
        return outcome


def worker_of(world: World, lanes: FaultyLanes, *, alone: bool | None = None) -> Worker:
    application = world.application
    return Worker(application.database, lanes, Postman(), world.clock, alone=alone)  # type: ignore[arg-type]


async def test_another_worker_goes_on_where_one_stopped_and_asks_nothing_twice(world: World) -> None:
    """The first one is cancelled in the middle: what it had under way is saved, its results are not."""
    lines = [(await world.order(3)).lines[0].id for _ in range(4)]
    job = await started(world, lines * 3)
    lanes = FaultyLanes(world.application.lanes)
    first = worker_of(world, lanes)
    stop = asyncio.Event()
    lanes.on_call = lambda: stop.set() if len(lanes.submitted) == 10 else None
    working = asyncio.create_task(first.do_jobs())
    await asyncio.wait({working, asyncio.ensure_future(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
    assert working.cancel()
    await asyncio.wait({working})
    await world.application.lanes.drain()
    await first.partitions.release()
    found, rows = await seen(world, job)
    assert found.state == "running"
    assert len(rows) == found.done < 12
    await world.application.worker.do_jobs()
    found, rows = await seen(world, job)
    assert (found.state, found.ok, len({row.subject_id for row in rows})) == ("done", 12, 12)
    for line in lines:
        assert await world.buckets(line) == (0, 3, 0, 0)


async def test_a_call_of_which_nobody_knows_whether_it_was_saved_is_made_again(world: World) -> None:
    line = (await world.order(9)).lines[0].id
    lanes = FaultyLanes(world.application.lanes)
    lanes.fails_late[line], lanes.fails[line] = 3, 2
    job = await started(world, [line] * 6)
    await worker_of(world, lanes).do_jobs()
    found, _ = await seen(world, job)
    assert (found.state, found.ok) == ("done", 6)
    assert await world.buckets(line) == (3, 6, 0, 0)


async def test_a_job_rests_while_nothing_can_be_saved_and_goes_on_later(world: World) -> None:
    line = (await world.order(9)).lines[0].id
    lanes = FaultyLanes(world.application.lanes)
    lanes.all_fail = True
    job = await started(world, [line] * 6)
    worker = worker_of(world, lanes)
    await worker.do_jobs()
    tried = len(lanes.submitted)
    await worker.do_jobs()
    assert len(lanes.submitted) == tried, "it rests"
    found, rows = await seen(world, job)
    assert (found.state, found.done, rows) == ("running", 0, [])
    lanes.all_fail = False
    world.clock.advance(minutes=10)
    await worker.do_jobs()
    found, _ = await seen(world, job)
    assert (found.state, found.ok) == ("done", 6)


async def test_a_row_that_always_fails_holds_up_no_other(world: World) -> None:
    bad, good = [(await world.order(9)).lines[0].id for _ in range(2)]
    lanes = FaultyLanes(world.application.lanes)
    lanes.fails[bad] = 1_000
    job = await started(world, [good, bad, good, good, good])
    worker = worker_of(world, lanes)
    await worker.do_jobs()
    found, rows = await seen(world, job)
    assert (found.state, found.ok, found.refused) == ("done", 4, 1)
    assert [row.code for row in rows] == ["", "internal", "", "", ""]
    alone = await started(world, [bad])
    for _ in range(worker_jobs.GIVEN_UP_AFTER):
        found, _ = await seen(world, alone)
        assert found.state in ("queued", "running")
        await worker.do_jobs()
        world.clock.advance(minutes=10)
    found, _ = await seen(world, alone)
    assert (found.state, found.refused) == ("done", 1)


async def test_a_job_that_is_cancelled_in_the_middle_tells_of_every_row(world: World) -> None:
    line = (await world.order(30)).lines[0].id
    job = await started(world, [line] * 30)
    lanes = FaultyLanes(world.application.lanes)
    asked: list[asyncio.Task[object]] = []

    def cancel() -> None:
        if len(lanes.submitted) == 6:
            change = world.application.database.write(
                lambda connection: jobs.cancel(connection, world.author(), party=world.retailer, job=job)
            )
            asked.append(asyncio.ensure_future(change))

    lanes.on_call = cancel
    await worker_of(world, lanes).do_jobs()
    await asked[0]
    found, rows = await seen(world, job)
    assert found.state == "cancelled"
    assert (found.total, found.done, found.ok + found.cancelled) == (30, 30, 30)
    assert 0 < found.ok < 30
    assert [row.row for row in rows] == list(range(1, 31))
    assert (await world.buckets(line))[1] == found.ok


async def test_no_more_rows_are_done_for_a_party_that_was_deactivated(world: World) -> None:
    line = (await world.order(30)).lines[0].id
    job = await started(world, [line] * 12)
    lanes = FaultyLanes(world.application.lanes)
    gone = update(t.parties).where(t.parties.c.id == world.retailer).values(status="deactivated")

    def deactivate(connection: Connection) -> None:
        connection.execute(gone)

    asked: list[asyncio.Future[None]] = []

    def on_call() -> None:
        if len(lanes.submitted) == 2:
            asked.append(asyncio.ensure_future(world.application.database.write(deactivate)))

    lanes.on_call = on_call
    worker = worker_of(world, lanes)
    await worker.do_jobs()
    await asked[0]
    later = await started(world, [line] * 3)
    await worker.do_jobs()
    (found, _), (whole, _) = await seen(world, job), await seen(world, later)
    assert (found.state, whole.state, whole.cancelled) == ("cancelled", "cancelled", 3)
    assert found.cancelled > 0
    assert (await world.buckets(line))[1] == found.ok


async def test_the_jobs_of_a_worker_are_those_of_its_partitions(world: World) -> None:
    line = (await world.order(9)).lines[0].id
    job = await started(world, [line])
    lanes = FaultyLanes(world.application.lanes)
    first, second = (worker_of(world, lanes, alone=False) for _ in range(2))
    await first.renew_leases()
    await second.do_jobs()
    assert (await seen(world, job))[0].state == "queued"
    await first.jobs.run_all()
    assert (await seen(world, job))[0].state == "done"


async def test_parties_take_turns(world: World) -> None:
    """The first job of a party that has none running comes before the second one of another."""
    mine = [(await world.order(9)).lines[0].id for _ in range(3)]
    order = await world.order(9, retailer=world.other_retailer)
    first = []
    for line in mine:
        first.append(await started(world, [line]))
        world.clock.advance(seconds=1)
    other = await started(world, [order.lines[0].id], world.other_retailer)
    lanes = FaultyLanes(world.application.lanes)
    worker = worker_of(world, lanes)
    await worker.renew_leases()
    turns = [job.id for job in await worker.jobs._waiting()]
    assert turns == [first[0], other, first[1], first[2]]
    await worker.do_jobs()
    assert (await seen(world, other, world.other_retailer))[0].state == "done"
