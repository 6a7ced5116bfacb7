"""Silence speaks once, never early, and in the order in which it was due."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import bindparam, select

from countermand.admin import policies
from countermand.domain.commands import AcceptCancellation, AskCancellation, PassDeadline
from countermand.domain.policy import Policy, Silence
from countermand.domain.working_hours import WorkingHours
from countermand.reads.policies import ANY_FULFILLER
from countermand.service.calls import Call, Done, Outcome
from countermand.service.lanes import Lanes
from countermand.store import outbox
from countermand.store.codecs import partition_of
from countermand.store.columns import Id
from countermand.store.tables import PARTITIONS, cancellations
from countermand.worker import Worker
from tests.support.world import World
from tests.worker.station import Postman

pytestmark = pytest.mark.anyio


async def agree(world: World, policy: Policy) -> Policy:
    """Put a policy in force between the retailer and every supplier."""
    return await world.application.database.write(
        lambda connection: policies.put_in_force(
            connection,
            world.clock(),
            retailer=world.retailer,
            fulfiller=ANY_FULFILLER,
            policy=policy,
            by="test",
        )
    )


async def asked(world: World, units: int = 2) -> UUID:
    """The line of a fresh order on which a cancellation waits for the supplier."""
    line = (await world.order(units)).lines[0].id
    outcome = await world.submit(AskCancellation(line=line, actor=world.actor(world.retailer)), retailer=world.retailer)
    assert isinstance(outcome, Done)
    return line


async def standing(world: World, line: UUID) -> Any:
    return await world.application.database.read(
        lambda connection: connection.execute(select(cancellations).where(cancellations.c.line_id == line)).one()
    )


async def test_a_deadline_never_fires_early(world: World) -> None:
    line = await asked(world)
    world.clock.advance(hours=48, microseconds=-1)
    assert await world.application.worker.fire_deadlines() == 0
    assert await world.buckets(line) == (0, 2, 0, 0)


@pytest.mark.parametrize(
    ("silence", "state", "buckets"),
    [
        (Silence.LAPSE, "lapsed", (2, 0, 0, 0)),
        (Silence.ACCEPT, "accepted", (0, 0, 2, 0)),
        (Silence.ESCALATE, "asked", (0, 2, 0, 0)),
    ],
)
async def test_silence_means_what_the_policy_says(
    world: World, silence: Silence, state: str, buckets: tuple[int, ...]
) -> None:
    await agree(world, Policy(answer_within_s=3600, silence=silence))
    line = await asked(world)
    world.clock.advance(hours=1)
    assert await world.application.worker.fire_deadlines() == 1
    row = await standing(world, line)
    due = None if silence is Silence.ESCALATE else world.clock()
    assert (row.state, row.awaiting, row.due_at) == (state, None, due)
    assert await world.buckets(line) == buckets
    last = (await world.events(line))[-1]
    assert (last.actor, last.actor_id, last.door) == ("policy", None, "policy")


async def test_a_deadline_fires_once_however_many_workers_look(world: World) -> None:
    lines = [await asked(world) for _ in range(20)]
    world.clock.advance(hours=49)
    application = world.application
    workers = [Worker(application.database, application.lanes, Postman(), world.clock) for _ in range(3)]
    await asyncio.gather(*(worker.fire_deadlines() for worker in workers))
    for line in lines:
        kinds = [event.kind for event in await world.events(line)]
        assert kinds == ["line.placed", "cancellation.asked", "cancellation.lapsed"]


async def test_what_was_missed_while_nobody_ran_fires_in_the_order_it_was_due(world: World) -> None:
    lines = []
    for _ in range(3):
        lines.append(await asked(world))
        world.clock.advance(minutes=5)
    world.clock.advance(days=10)
    submitted: list[UUID] = []

    class Recorded(Lanes):
        async def submit(self, call: Call) -> Outcome:
            assert isinstance(call.command, PassDeadline)
            submitted.append(call.command.line)
            return await world.application.lanes.submit(call)

    recorded = Recorded(world.application.database, world.clock, world.application.ids.new)
    assert await Worker(world.application.database, recorded, Postman(), world.clock).fire_deadlines() == 3
    assert submitted == lines


async def test_an_answer_that_came_in_time_stands(world: World) -> None:
    line = await asked(world)
    world.clock.advance(hours=48, microseconds=-1)
    accept = AcceptCancellation(line=line, actor=world.actor(world.supplier))
    outcomes = await asyncio.gather(
        world.submit(accept, retailer=world.retailer), world.application.worker.fire_deadlines()
    )
    assert isinstance(outcomes[0], Done)
    assert (await standing(world, line)).state == "accepted"


async def test_a_cancellation_keeps_the_policy_it_was_asked_under(world: World) -> None:
    """EC-33: a later version changes neither when an answer is due nor what silence means."""
    first = await agree(world, Policy(answer_within_s=48 * 3600, silence=Silence.LAPSE))
    line = await asked(world)
    second = await agree(world, replace(first, answer_within_s=24 * 3600, silence=Silence.ACCEPT))
    assert (first.version, second.version) == (1, 2)
    world.clock.advance(hours=25)
    assert await world.application.worker.fire_deadlines() == 0
    world.clock.advance(hours=24)
    assert await world.application.worker.fire_deadlines() == 1
    assert (await standing(world, line)).state == "lapsed"


async def test_working_hours_survive_the_database(world: World) -> None:
    hours = policies.working_hours(
        days=(0, 1, 2, 3, 4),
        opens=WorkingHours().opens,
        closes=WorkingHours().closes,
        zone="Europe/Amsterdam",
        holidays_of="NL",
    )
    await agree(world, Policy(answer_within_s=8 * 3600, working_hours=hours))
    world.clock.now = world.clock.now.replace(month=12, day=24, hour=12)
    line = await asked(world)
    due = (await standing(world, line)).due_at
    # Thursday noon UTC is one o'clock: four hours on that day, then Christmas and a weekend, then four more.
    assert due.isoformat() == "2026-12-28T12:00:00+00:00"


async def test_an_unknown_holiday_calendar_is_refused() -> None:
    with pytest.raises(ValueError, match="no holiday calendar"):
        policies.working_hours(
            days=(0,), opens=WorkingHours().opens, closes=WorkingHours().closes, zone="UTC", holidays_of="XX"
        )


async def test_a_worker_leaves_the_deadlines_of_other_partitions_alone(world: World) -> None:
    mine = await asked(world)
    theirs = (await world.order(2, retailer=world.other_retailer)).lines[0].id
    ask = AskCancellation(line=theirs, actor=world.actor(world.other_retailer))
    assert isinstance(await world.submit(ask, retailer=world.other_retailer), Done)
    world.clock.advance(hours=49)
    wanted = {partition_of(world.retailer)} - {partition_of(world.other_retailer)}
    found = await world.application.database.read(
        lambda connection: outbox.overdue(connection, world.clock(), 10, wanted)
    )
    assert [row.line_id for row in found] == ([mine] if wanted else [])
    everywhere = await world.application.database.read(
        lambda connection: outbox.overdue(connection, world.clock(), 10, range(PARTITIONS))
    )
    assert {row.line_id for row in everywhere} == {mine, theirs}


async def test_the_database_and_the_code_agree_on_the_partition_of_every_retailer(world: World) -> None:
    ids = [uuid4() for _ in range(100)]
    asked_of = select(outbox.partition_of_column(bindparam("id", type_=Id)))
    found = await world.application.database.read(
        lambda connection: [connection.execute(asked_of, {"id": each}).scalar_one() for each in ids]
    )
    assert found == [partition_of(each) for each in ids]
