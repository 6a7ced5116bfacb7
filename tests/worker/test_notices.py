"""Every notice goes out, by the schedule, under one id, whatever its neighbours do (docs/webhooks.md)."""

import asyncio
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, delete, insert, update

from countermand.admin.callers import PLATFORM
from countermand.domain.delivery import ATTEMPTS_MAX, DELAYS_S, FAILING_MAX
from countermand.ids import show
from countermand.store import outbox
from countermand.store import tables as t
from countermand.store.codecs import partition_of
from countermand.store.engines.protocol import engine_of
from countermand.store.engines.sqlite import engine as sqlite_engine
from countermand.worker.notices import _NEVER
from tests.support.world import World
from tests.worker.station import (
    ERROR,
    GONE,
    OK,
    Elapsed,
    Station,
    busy,
    change_endpoint,
    endpoint,
    endpoint_row,
    notices,
    station,
    wait_for,
)

pytestmark = pytest.mark.anyio


async def reported(world: World) -> tuple[Station, UUID]:
    """A station and an endpoint of the retailer, with one notice due."""
    to = await endpoint(world, world.retailer)
    await world.order()
    return station(world), to


# One notice


async def test_what_is_due_is_sent_once(world: World) -> None:
    post, to = await reported(world)
    await post.worker.once()
    row = (await notices(world))[0]
    assert post.postman.events(to) == [row.event_id]
    assert (row.state, row.attempts, row.due_at, row.attempted_at) == ("sent", 1, None, world.clock())
    assert row.last_result == OK.result
    for _ in range(3):
        await post.later(3600)
    assert len(post.postman.given) == 1


async def test_the_event_comes_along(world: World) -> None:
    post, _ = await reported(world)
    await post.worker.once()
    given = post.postman.given[0][1]
    event = (await world.events(given.line_id))[0]
    assert (given.id, given.kind, given.seq, given.facts) == (event.id, "line.placed", 1, event.facts)
    assert (given.at, given.order_id, given.retailer_name) == (world.clock(), event.order_id, "retailer")


async def test_a_failed_notice_is_tried_again_by_the_schedule_and_then_is_dead(world: World) -> None:
    post, to = await reported(world)
    post.postman.otherwise[to] = ERROR
    await post.worker.once()
    for number, delay in enumerate(DELAYS_S, start=1):
        row = (await notices(world))[0]
        assert (row.state, row.attempts) == ("due", number)
        assert row.due_at == world.clock() + timedelta(seconds=delay)
        await post.later(delay - 0.001)
        assert len(post.postman.given) == number, "not early"
        await post.later(0.001)
        assert len(post.postman.given) == number + 1
    row = (await notices(world))[0]
    assert (row.state, row.attempts, row.due_at, row.last_result) == ("dead", ATTEMPTS_MAX, None, ERROR.result)
    assert set(post.postman.events(to)) == {row.event_id}
    await post.later(100 * 86_400)
    assert len(post.postman.given) == ATTEMPTS_MAX


async def test_500_then_200_is_delivered(world: World) -> None:
    post, to = await reported(world)
    post.postman.script[to].append(ERROR)
    await post.worker.once()
    assert (await endpoint_row(world, to)).failing_since == world.clock()
    await post.later(5)
    row = (await notices(world))[0]
    assert (row.state, row.attempts) == ("sent", 2)
    assert (await endpoint_row(world, to)).failing_since is None


async def test_a_success_soon_after_a_failure_is_written_down_too(world: World) -> None:
    """Else the endpoint would seem to have failed ever since to a worker that starts days later."""
    post, to = await reported(world)
    await post.worker.once()
    await world.order()
    post.postman.script[to].append(ERROR)
    await post.later(10)
    assert (await endpoint_row(world, to)).failing_since == world.clock()
    await post.later(5)
    assert (await endpoint_row(world, to)).failing_since is None


async def test_a_receiver_that_wants_to_wait_is_left_alone_so_long(world: World) -> None:
    post, to = await reported(world)
    post.postman.script[to].append(busy(120))
    await post.worker.once()
    assert (await notices(world))[0].due_at == world.clock() + timedelta(seconds=120)
    await world.order()
    await post.later(119)
    assert len(post.postman.given) == 1, "nor is another notice sent there meanwhile"
    await post.later(1)
    assert len(post.postman.given) == 3


async def test_a_notice_that_cannot_be_written_is_a_failed_attempt(world: World) -> None:
    post, to = await reported(world)
    post.postman.script[to].append(RuntimeError("a mistake of ours"))
    await post.worker.once()
    assert (await notices(world))[0].last_result == "The notice could not be written. It was logged."
    await post.later(5)
    assert (await notices(world))[0].state == "sent"


# Endpoints that stop


async def test_410_disables_the_endpoint_and_its_notices_wait(world: World) -> None:
    post, to = await reported(world)
    post.postman.script[to].append(GONE)
    await post.worker.once()
    row = await endpoint_row(world, to)
    assert (row.state, row.state_reason) == ("disabled", GONE.result)
    await world.order()
    await post.later(86_400)
    assert len(post.postman.given) == 1
    await change_endpoint(world, to, state="active", state_reason="", failing_since=None)
    await post.later(1)
    assert {row.state for row in await notices(world)} == {"sent"}


async def test_five_days_of_only_failures_pause_an_endpoint_and_its_owner_is_told(world: World) -> None:
    post, to = await reported(world)
    mailbox = await endpoint(world, world.retailer, "mailto:ops@shop.example", event_kinds=["line.shipped"])
    post.postman.otherwise[to] = ERROR
    await post.worker.once()
    failing_since = world.clock()
    while world.clock() - failing_since < FAILING_MAX - timedelta(hours=12):
        await post.later(12 * 3600)
        await world.order()
        assert (await endpoint_row(world, to)).state == "active"
    await post.later(12 * 3600)
    row = await endpoint_row(world, to)
    assert (row.state, row.failing_since) == ("paused", failing_since)
    assert row.state_reason == f"Every attempt failed for five days. The last one: {ERROR.result}"
    told_at = f"{show('ept', to)}-{world.clock():%Y%m%d%H%M%S%f}"
    assert post.postman.reported == [("ops@shop.example", row.url, row.state_reason, told_at)]
    assert (await endpoint_row(world, mailbox)).state == "active"
    tried = len(post.postman.given)
    await post.later(86_400)
    assert len(post.postman.given) == tried
    post.postman.otherwise[to] = OK
    await change_endpoint(world, to, state="active", state_reason="", failing_since=None)
    await post.later(1)
    assert "due" not in {each.state for each in await notices(world)}


async def test_a_success_between_failures_keeps_an_endpoint_active(world: World) -> None:
    post, to = await reported(world)
    for _ in range(12):
        post.postman.script[to].extend([ERROR, OK])
        await post.later(12 * 3600)
        await post.later(5)
        await world.order()
    assert (await endpoint_row(world, to)).state == "active"


async def test_one_workers_success_outweighs_what_another_worker_sees(world: World) -> None:
    """The platform's endpoint is served by every worker; one of them may have a bad network."""
    to = await endpoint(world, PLATFORM)
    await world.order()
    post = station(world)
    await post.worker.once()
    since = world.clock() - FAILING_MAX
    await change_endpoint(world, to, failing_since=since)
    await world.order()
    await post.later(61)
    assert (await endpoint_row(world, to)).failing_since is None


async def test_a_paused_endpoint_is_left_alone_though_its_notices_are_in_memory(world: World) -> None:
    post, to = await reported(world)
    gate = post.postman.gate(to)
    for _ in range(3):
        await world.order()
    await post.worker.renew_leases()
    post.worker.notices.look()
    await wait_for(lambda: len(post.postman.given) == 1)
    await change_endpoint(world, to, state="paused")
    post.worker.notices.look()
    await wait_for(lambda: not post.worker.notices.reading)
    gate.set()
    await post.worker.notices.quiet()
    assert len(post.postman.given) == 1
    assert sorted(row.state for row in await notices(world)) == ["due", "due", "due", "sent"]


async def test_notices_of_an_endpoint_that_is_no_more_are_dead(world: World) -> None:
    post, to = await reported(world)
    await change_endpoint(world, to, state="removed")
    await post.worker.once()
    assert [(row.state, row.last_result) for row in await notices(world)] == [("dead", _NEVER)]
    assert post.postman.given == []


# Sent again on request


async def test_a_dead_notice_is_replayed_with_all_its_attempts_and_the_same_id(world: World) -> None:
    post, to = await reported(world)
    await make_dead(world)
    row = (await notices(world))[0]
    database = world.application.database
    assert await database.write(partial(outbox.replay, now=world.clock(), retailer=row.retailer_id, notice=row.id))
    assert not await database.write(partial(outbox.replay, now=world.clock(), retailer=row.retailer_id, notice=uuid4()))
    await post.worker.once()
    after = (await notices(world))[0]
    assert (after.id, after.event_id, after.state, after.attempts) == (row.id, row.event_id, "sent", 1)
    assert post.postman.events(to) == [row.event_id]


async def test_a_sent_notice_can_be_sent_again(world: World) -> None:
    post, to = await reported(world)
    await post.worker.once()
    row = (await notices(world))[0]
    await world.application.database.write(
        partial(outbox.replay, now=world.clock(), retailer=row.retailer_id, notice=row.id)
    )
    await post.later(1)
    assert post.postman.events(to) == [row.event_id, row.event_id]


async def test_recover_makes_due_what_is_dead_since_then_for_that_endpoint(world: World) -> None:
    post, to = await reported(world)
    other = await endpoint(world, world.supplier)
    world.clock.advance(hours=1)
    since = world.clock()
    await world.order()
    await world.order(retailer=world.other_retailer)
    await make_dead(world)
    found = await world.application.database.write(partial(outbox.recover, now=world.clock(), endpoint=to, since=since))
    assert found == 1
    await post.worker.once()
    assert len(post.postman.events(to)) == 1
    assert post.postman.events(other) == []
    assert sorted(row.state for row in await notices(world, endpoint_id=to)) == ["dead", "sent"]


async def make_dead(world: World) -> None:
    change = update(t.notices).values(state="dead", due_at=None, attempts=ATTEMPTS_MAX)
    await world.application.database.write(lambda connection: connection.execute(change))


# Many


async def test_one_endpoint_gets_one_notice_at_a_time_and_all_of_them(world: World) -> None:
    to = await endpoint(world, world.retailer)
    await world.order(*[1] * 300)
    post = station(world)
    await post.worker.once()
    assert post.postman.most_at_once == 1
    assert len(set(post.postman.events(to))) == 300
    assert len(post.postman.given) == 300
    assert {row.state for row in await notices(world)} == {"sent"}


async def test_a_slow_endpoint_delays_nobody_however_much_waits_for_it(world: World) -> None:
    slow = [await endpoint(world, world.retailer) for _ in range(20)]
    quick = await endpoint(world, world.retailer)
    post = station(world, at_once=4)
    gates = [post.postman.gate(each) for each in slow]
    await world.order(*[1] * 30)
    await post.worker.renew_leases()
    post.worker.notices.look()
    await wait_for(lambda: len(post.postman.events(quick)) == 30)
    for gate in gates:
        gate.set()
    await post.worker.notices.quiet()
    assert {row.state for row in await notices(world)} == {"sent"}


async def test_endpoints_that_failed_have_places_of_their_own(world: World) -> None:
    dead = [await endpoint(world, world.retailer, failing_since=world.clock()) for _ in range(20)]
    quick = await endpoint(world, world.retailer)
    post = station(world, at_once=2)
    gates = [post.postman.gate(each) for each in dead]
    await world.order(*[1] * 10)
    await post.worker.renew_leases()
    post.worker.notices.look()
    await wait_for(lambda: len(post.postman.events(quick)) == 10)
    assert post.postman.at_once == 2
    for gate in gates:
        gate.set()
    await post.worker.notices.quiet()
    assert {row.state for row in await notices(world)} == {"sent"}


async def test_a_dead_endpoint_is_not_tried_for_each_notice_that_waits(world: World) -> None:
    to = await endpoint(world, world.retailer)
    post = station(world)
    post.postman.otherwise[to] = ERROR
    await world.order(*[1] * 100)
    for _ in range(100):
        await post.later(0.1)
    assert len(post.postman.given) == 4, "after 0, 1, 3 and 7 seconds"
    post.postman.otherwise[to] = OK
    await post.later(60)
    await post.later(300)
    assert {row.state for row in await notices(world)} == {"sent"}


async def test_what_is_read_does_not_grow_with_what_waits(world: World) -> None:
    """The first few notices of each endpoint, whichever order they were written in."""
    to = [await endpoint(world, world.retailer) for _ in range(3)]
    await world.order(*[1] * 40)
    pairs = [(partition_of(world.retailer), each) for each in to]
    database = world.application.database
    every = range(t.PARTITIONS)
    assert sorted(await database.read(partial(outbox.waiting, now=world.clock(), partitions=every))) == sorted(pairs)
    found = await database.read(partial(outbox.due, now=world.clock(), pairs=pairs, most=7))
    assert sorted(row.endpoint_id for row in found) == sorted(to * 7)
    early = world.clock() - timedelta(seconds=1)
    assert await database.read(partial(outbox.waiting, now=early, partitions=every)) == []
    assert await database.read(partial(outbox.due, now=early, pairs=pairs, most=7)) == []


async def test_reading_goes_from_endpoint_to_endpoint_by_the_index(sqlite_world: World) -> None:
    def plan(connection: Connection) -> list[str]:
        engine = engine_of(connection)
        texts = (str(engine.heads), str(sqlite_engine._first_notices(outbox._DUE)))
        given = {"partitions": "[1]", "now": "2027", "pairs": "[]", "most": 1}
        return [
            row.detail
            for text in texts
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given)
            if "notices" in row.detail or " n " in row.detail
        ]

    steps = await sqlite_world.application.database.read(plan)
    assert len(steps) == 5
    assert all("USING COVERING INDEX ix_notices_due" in each or "INTEGER PRIMARY KEY" in each for each in steps), steps


async def test_a_commit_in_this_process_is_heard_at_once(world: World) -> None:
    """Without a look: the lane says of which endpoints it wrote notices."""
    to = await endpoint(world, world.retailer)
    worker = world.application.worker
    given: list[UUID] = []

    class Listening:
        async def deliver(self, endpoint: object, reader: object, event: object) -> object:
            given.append(event.id)  # type: ignore[attr-defined]
            return OK

    worker.notices._courier = Listening()  # type: ignore[assignment]
    await worker.once()
    await world.order()
    await worker.notices.quiet()
    assert [row.event_id for row in await notices(world, endpoint_id=to)] == given


# Crashes and lost leases (docs/webhooks.md)


async def test_killed_between_send_and_settle_it_is_sent_again_under_the_same_id(world: World) -> None:
    """``send.ok_before_mark``, ``outbox.claimed_then_killed``."""
    post, to = await reported(world)
    gate = post.postman.gate(to)
    await post.worker.renew_leases()
    post.worker.notices.look()
    await wait_for(lambda: bool(post.postman.given))
    await post.worker.notices.finish(0)
    assert (await notices(world))[0].state == "due"
    again = station(world, postman=post.postman)
    gate.set()
    await again.worker.once()
    row = (await notices(world))[0]
    assert row.state == "sent"
    assert post.postman.events(to) == [row.event_id, row.event_id]


async def test_who_lost_the_lease_meanwhile_settles_nothing(world: World) -> None:
    """``send.lease_lost_meanwhile``, ``worker.two_leaders``: the paused process wakes and finds another fence."""
    post, to = await reported(world)
    gate = post.postman.gate(to)
    post.postman.script[to].append(ERROR)
    await post.worker.renew_leases()
    post.worker.notices.look()
    await wait_for(lambda: bool(post.postman.given))
    other = station(world)
    await other.worker.once()
    assert other.postman.events(to) == post.postman.events(to)
    after = (await notices(world))[0]
    assert (after.state, after.attempts) == ("sent", 1)
    gate.set()
    await post.worker.notices.quiet()
    assert (await notices(world))[0] == after
    assert (await endpoint_row(world, to)).state == "active"


async def test_a_worker_that_slept_through_its_lease_begins_nothing(world: World) -> None:
    post, _ = await reported(world)
    await post.worker.renew_leases()
    post.elapsed.now += 31
    post.worker.notices.look()
    await post.worker.notices.quiet()
    assert post.postman.given == []
    await post.worker.once()
    assert len(post.postman.given) == 1


async def test_the_clock_of_the_day_may_step(world: World) -> None:
    """``clock.step_back``, ``clock.step_forward``: leases do not mind, retries are never earlier than their time."""
    post, to = await reported(world)
    post.postman.script[to].append(ERROR)
    await post.worker.once()
    due = (await notices(world))[0].due_at
    world.clock.advance(hours=-1)
    post.elapsed.now += 60
    await post.worker.once()
    assert len(post.postman.given) == 1
    assert post.worker.partitions.owned == frozenset(range(32))
    world.clock.now = due
    post.elapsed.now += 60
    await post.worker.once()
    assert len(post.postman.given) == 2


async def test_a_settlement_that_fails_is_tried_again_and_nothing_is_sent_twice(world: World) -> None:
    post, to = await reported(world)
    database = world.application.database
    real, failures = database.write, [RuntimeError("away"), RuntimeError("still away")]
    await post.worker.renew_leases()

    async def write(work):  # type: ignore[no-untyped-def]
        if failures:
            raise failures.pop()
        return await real(work)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("countermand.worker.notices.TRY_AGAIN_S", 0.01)
        patched.setattr(database, "write", write)
        post.worker.notices.look()
        await wait_for(lambda: not failures)
        post.worker.notices.look()
        await post.worker.notices.quiet()
    assert len(post.postman.events(to)) == 1
    assert (await notices(world))[0].state == "sent"


async def test_a_notice_replayed_while_it_is_sent_goes_out_again(world: World) -> None:
    post, to = await reported(world)
    post.postman.script[to].append(ERROR)
    await post.worker.once()
    gate = post.postman.gate(to)
    post.pass_time(5)
    await post.worker.renew_leases()
    post.worker.notices.look()
    await wait_for(lambda: len(post.postman.given) == 2)
    row = (await notices(world))[0]
    await world.application.database.write(
        partial(outbox.replay, now=world.clock(), retailer=row.retailer_id, notice=row.id)
    )
    gate.set()
    await post.worker.notices.quiet()
    assert (await notices(world))[0].state == "due", "the attempt was of before the replay"
    await post.later(1)
    assert len(post.postman.given) == 3
    assert (await notices(world))[0].state == "sent"


async def test_a_stopped_worker_finishes_what_it_sends_and_lets_go(world: World) -> None:
    post, to = await reported(world)
    await world.order()
    gate = post.postman.gate(to)
    await post.worker.renew_leases()
    post.worker.notices.look()
    await wait_for(lambda: bool(post.postman.given))
    stopping = asyncio.create_task(post.worker.stop())
    await asyncio.sleep(0)
    gate.set()
    await stopping
    assert sorted(row.state for row in await notices(world)) == ["due", "sent"]
    rows = await world.application.database.read(outbox.partitions)
    assert {row.owner for row in rows} == {None}


async def test_an_event_that_is_gone_stops_nothing(world: World) -> None:
    """Nothing removes events; should one be missing all the same, the others still go out."""
    post, to = await reported(world)
    await world.order()
    gone = (await notices(world))[0]
    await world.application.database.write(
        lambda connection: connection.execute(delete(t.events).where(t.events.c.line_id == gone.line_id))
    )
    await post.worker.once()
    assert len(post.postman.events(to)) == 1
    assert [(row.state, row.last_result) for row in await notices(world, id=gone.id)] == [("dead", _NEVER)]


async def test_a_thousand_dead_endpoints_and_a_living_one(sqlite_world: World) -> None:
    """P12, in little: 1,000 endpoints that hang, each with notices waiting; the living one has its notices at once."""
    world = sqlite_world
    living = await endpoint(world, world.retailer)
    await world.order()
    template = (await notices(world))[0]
    dead = [uuid4() for _ in range(1000)]

    def add(connection: Connection) -> None:
        row = {
            "party_id": world.retailer,
            "url": "https://dead.example",
            "event_kinds": [],
            "created_at": world.clock(),
        }
        connection.execute(insert(t.endpoints), [{"id": each, **row} for each in dead])
        copy = {**template._mapping}
        waiting = [{**copy, "id": uuid4(), "endpoint_id": each} for each in dead for _ in range(5)]
        connection.execute(insert(t.notices), waiting)
        connection.execute(insert(t.notices), [{**copy, "id": uuid4()} for _ in range(50)])

    await world.application.database.write(add)
    post = station(world, elapsed=Elapsed(), at_once=64)
    hang = asyncio.Event()
    post.postman.gates |= dict.fromkeys(dead, hang)
    await post.worker.renew_leases()
    post.worker.notices.look()
    await wait_for(lambda: len(post.postman.events(living)) == 51, 30)
    assert set(post.postman.events(living)) == {template.event_id}
    await post.worker.notices.finish(0)
