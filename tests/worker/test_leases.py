"""Workers share the partitions; one at a time owns each; a dead one's are taken over (docs/decisions/0013)."""

import asyncio
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.store import outbox
from countermand.store.tables import PARTITIONS
from countermand.worker.leases import FORGOTTEN_AFTER, LEASE_S, Partitions, divide
from tests.support.waiting import HANGS_S
from tests.support.world import World
from tests.worker.station import Elapsed, endpoint, notices, station, wait_for

pytestmark = pytest.mark.anyio
EVERY = frozenset(range(PARTITIONS))
numbers = st.frozensets(st.integers(0, PARTITIONS - 1))


def share(world: World, elapsed: Elapsed, name: str) -> Partitions:
    return Partitions(world.application.database, world.clock, alone=False, monotonic=elapsed, name=name)


async def owners(world: World) -> list[str | None]:
    return [row.owner for row in await world.application.database.read(outbox.partitions)]


async def settled(*workers: Partitions) -> None:
    """So often that whoever leaves has left, and whoever takes has taken."""
    for _ in range(3):
        for worker in workers:
            await worker.renew_leases()


# The rule


@given(numbers, numbers, st.integers(1, 40))
def test_nobody_takes_more_than_a_fair_share_nor_leaves_less(
    mine: frozenset[int], free: frozenset[int], workers: int
) -> None:
    division = divide(mine=mine, free=free - mine, workers=workers)
    most = -(-PARTITIONS // workers)
    assert division.take <= free - mine
    assert division.leave <= mine
    after = (mine - division.leave) | division.take
    assert len(after) <= most
    assert not division.take or not division.leave
    assert len(after) == most or (not division.leave and division.take == free - mine)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_any_number_of_workers_ends_with_all_partitions_shared(turns: list[int]) -> None:
    workers: dict[int, set[int]] = {number: set() for number in set(turns)}
    for worker in [*turns, *(sorted(workers) * 4)]:
        free = EVERY - frozenset[int]().union(*workers.values())
        division = divide(mine=workers[worker], free=free, workers=len(workers))
        workers[worker] = (workers[worker] - division.leave) | division.take
    assert sum(map(len, workers.values())) == PARTITIONS
    assert max(map(len, workers.values())) <= -(-PARTITIONS // len(workers))


# In the database


async def test_who_is_alone_takes_all_at_once_from_whoever_had_it(world: World) -> None:
    elapsed = Elapsed()
    first, second = (
        Partitions(world.application.database, world.clock, alone=True, monotonic=elapsed, name=name)
        for name in ("first", "second")
    )
    assert (await first.renew_leases()).taken == EVERY
    assert (await second.renew_leases()).taken == EVERY
    assert second.owned == EVERY
    assert second.fence(7) == 2
    assert (await first.renew_leases()).lost == EVERY, "it had them, and has them under another fence"


async def test_the_first_takes_all_and_shares_with_the_second(world: World) -> None:
    elapsed = Elapsed()
    first, second = share(world, elapsed, "first"), share(world, elapsed, "second")
    assert (await first.renew_leases()).taken == EVERY
    assert (await second.renew_leases()).taken == frozenset()
    await settled(first, second)
    assert (len(first.owned), len(second.owned)) == (16, 16)
    assert first.owned | second.owned == EVERY
    third = share(world, elapsed, "third")
    await third.renew_leases()
    await settled(first, second, third)
    assert sorted(len(each.owned) for each in (first, second, third)) == [10, 11, 11]
    assert not first.owned & second.owned & third.owned


async def test_nothing_is_written_while_there_is_nothing_to_do(world: World) -> None:
    elapsed = Elapsed()
    first = share(world, elapsed, "first")
    await first.renew_leases()
    before = await world.application.database.read(outbox.partitions)
    world.clock.advance(seconds=LEASE_S / 3 - 1)
    elapsed.now += LEASE_S / 3 - 1
    await first.renew_leases()
    assert await world.application.database.read(outbox.partitions) == before
    world.clock.advance(seconds=1)
    elapsed.now += 1
    await first.renew_leases()
    after = await world.application.database.read(outbox.partitions)
    assert {row.lease_until for row in before} < {row.lease_until for row in after} | {
        row.lease_until for row in before
    }
    assert {row.fence for row in after} == {1}, "renewing is not taking"


async def test_a_dead_workers_partitions_are_taken_over_when_its_lease_is_over(world: World) -> None:
    elapsed = Elapsed()
    dead, living = share(world, elapsed, "dead"), share(world, elapsed, "living")
    await dead.renew_leases()
    await living.renew_leases()
    elapsed.now += LEASE_S - 1
    await living.renew_leases()
    assert living.owned == frozenset()
    assert dead.owned == EVERY
    elapsed.now += 1
    assert dead.owned == frozenset(), "it does not think so any more by the time that another one may"
    await living.renew_leases()
    assert living.owned == EVERY
    assert living.fence(0) == 2
    assert (await dead.renew_leases()).lost == EVERY
    await settled(living, dead)
    assert (len(living.owned), len(dead.owned)) == (16, 16)


@pytest.mark.parametrize("hours", [-24, -1, 1, 24, 24 * 365])
async def test_clocks_of_the_day_that_differ_or_step_take_nobodys_lease(world: World, hours: float) -> None:
    """T15: only time that passed for the one who watches counts."""
    elapsed = Elapsed()
    first = share(world, elapsed, "first")
    await first.renew_leases()
    world.clock.advance(hours=hours)
    second = share(world, elapsed, "second")
    for _ in range(20):
        elapsed.now += 2
        await first.renew_leases()
        await second.renew_leases()
        assert not first.owned & second.owned
    assert (len(first.owned), len(second.owned)) == (16, 16)
    assert max(row.fence for row in await world.application.database.read(outbox.partitions)) == 2


async def test_a_partition_is_kept_until_work_on_it_has_ended(world: World) -> None:
    elapsed = Elapsed()
    first, second = share(world, elapsed, "first"), share(world, elapsed, "second")
    await first.renew_leases()
    await second.renew_leases()
    for _ in range(3):
        await first.renew_leases(lambda number: number == 31)
        await second.renew_leases()
    assert first.fence(31) is None, "no new work on it"
    assert (await owners(world))[31] == "first"
    await settled(first, second)
    assert (await owners(world))[31] == "second"


async def test_a_worker_that_lets_go_leaves_all_to_the_others_at_once(world: World) -> None:
    elapsed = Elapsed()
    first, second = share(world, elapsed, "first"), share(world, elapsed, "second")
    await first.renew_leases()
    await settled(first, second)
    await first.release()
    assert first.owned == frozenset()
    await second.renew_leases()
    assert second.owned == EVERY


async def test_workers_that_are_long_dead_are_forgotten(world: World) -> None:
    elapsed = Elapsed()
    await share(world, elapsed, "dead").renew_leases()
    living = share(world, elapsed, "living")
    for _ in range(2):
        await living.renew_leases()
        elapsed.now += FORGOTTEN_AFTER * LEASE_S
    await living.renew_leases()
    assert [row.id for row in await world.application.database.read(outbox.workers)] == ["living"]


# With notices


async def test_two_workers_share_the_notices_and_each_is_sent_once(world: World) -> None:
    elapsed = Elapsed()
    posts = [station(world, elapsed=elapsed, alone=False) for _ in range(2)]
    to = [await endpoint(world, party) for party in (world.retailer, world.other_retailer)]
    for _ in range(3):
        for post in posts:
            await post.worker.renew_leases()
    for _ in range(5):
        await world.order()
        await world.order(retailer=world.other_retailer)
    for post in posts:
        await post.worker.once()
    assert {row.state for row in await notices(world)} == {"sent"}
    for each, count in zip(to, (5, 5), strict=True):
        events = [event for post in posts for event in post.postman.events(each)]
        assert len(events) == len(set(events)) == count


async def test_a_killed_workers_notices_are_sent_by_another_within_a_lease(world: World) -> None:
    """``outbox.claimed_then_killed``; P15."""
    elapsed = Elapsed()
    killed, other = (station(world, elapsed=elapsed, alone=False) for _ in range(2))
    to = await endpoint(world, world.retailer)
    await world.order()
    killed.postman.gate(to)
    await killed.worker.renew_leases()
    await other.worker.renew_leases()
    killed.worker.notices.look()
    await wait_for(lambda: bool(killed.postman.given))
    await killed.worker.notices.finish(0)
    elapsed.now += LEASE_S
    await other.worker.once()
    assert other.postman.events(to) == killed.postman.events(to)
    assert {row.state for row in await notices(world)} == {"sent"}


async def test_what_is_queued_for_a_lost_partition_is_left_to_its_new_owner(world: World) -> None:
    first, second = station(world), station(world)
    to = await endpoint(world, world.retailer)
    for _ in range(3):
        await world.order()
    gate = first.postman.gate(to)
    await first.worker.renew_leases()
    first.worker.notices.look()
    await wait_for(lambda: len(first.postman.given) == 1)
    await second.worker.renew_leases()
    first.worker.notices.drop(_lost(await first.worker.partitions.renew_leases()))
    await second.worker.renew_leases()
    gate.set()
    await first.worker.notices.quiet()
    async with asyncio.timeout(HANGS_S):
        # What the second one sent before the first one took the partitions back for a moment is sent again.
        while {row.state for row in await notices(world)} != {"sent"}:
            await second.worker.once()
    assert len(first.postman.given) == 1


def _lost(change: object) -> Collection[int]:
    return change.lost  # type: ignore[attr-defined, no-any-return]
