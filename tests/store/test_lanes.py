"""Group commit: who shares a transaction with whom, and what each caller is told when one fails."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from countermand.admin.callers import PLATFORM
from countermand.domain.commands import AskCancellation, Command, PassDeadline
from countermand.domain.orders import PlaceOrder
from countermand.domain.parties import PartyKind
from countermand.reads.events import EventFilter, list_events
from countermand.reads.scope import Scope
from countermand.service import lanes
from countermand.service.calls import Call, Done, Failed, Outcome, Refused
from countermand.service.lanes import BATCH_MAX, BESIDE_MIN, TOLD_AT_ONCE, Lanes
from countermand.service.numbers import Numbers
from countermand.store import tables as t
from countermand.store.engines.protocol import CommitUnknownError
from tests.store.holding import everything, rows
from tests.store.speaking import WISH, Sale, new_sale, once
from tests.store.watching import lane_of, listening, statements_of, writer
from tests.support.cluster import not_on_citus
from tests.support.world import World

pytestmark = pytest.mark.anyio


class SqlstateError(Exception):
    """What a driver raises."""

    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


def failing(sqlstate: str = "", *, lost: bool = False) -> DBAPIError:
    return DBAPIError("SELECT", {}, SqlstateError(sqlstate), connection_invalidated=lost)


async def lines(world: World, count: int) -> list[Sale]:
    """As many lines, each in an order of its own."""
    return [await new_sale(world, 2) for _ in range(count)]


def asks(sale: Sequence[Sale], **more: Any) -> list[Call]:
    return [Call(command=each.ask(1), door="test", retailer=each.world.retailer, **more) for each in sale]


async def submit(lane: Lanes, *calls: Call) -> list[Outcome]:
    return list(await asyncio.gather(*(lane.submit(call) for call in calls)))


async def kinds(sale: Sequence[Sale]) -> list[int]:
    """How many units of each line are asked."""
    return [(await each.buckets())[1] for each in sale]


# Who shares a transaction


async def test_an_idle_lane_sends_a_call_at_once(world: World) -> None:
    lane, database = await lane_of(world)
    for number, call in enumerate(asks(await lines(world, 3)), start=1):
        assert isinstance(await lane.submit(call), Done)
        assert database.transactions == number


async def test_calls_that_arrive_during_a_transaction_share_the_next_one(world: World) -> None:
    lane, database = await lane_of(world)
    first, *others = asks(await lines(world, 30))
    database.hold()
    running = asyncio.create_task(lane.submit(first))
    await database.held.wait()
    waiting = [asyncio.create_task(lane.submit(call)) for call in others]
    await asyncio.sleep(0)
    assert database.transactions == 1
    database.release()
    assert all(isinstance(outcome, Done) for outcome in await asyncio.gather(running, *waiting))
    assert database.transactions == 2


@pytest.mark.parametrize("count", [1, 3])
async def test_callers_that_call_again_come_to_share_each_transaction(world: World, count: int) -> None:
    """However they began: in two halves, each would wait for the transaction of the other."""
    lane, database = await lane_of(world, count=count)
    halves = [asks(await lines(world, 20)), asks(await lines(world, 20))]
    database.hold()

    async def caller(calls: Sequence[Call]) -> None:
        for call in calls:
            assert isinstance(await lane.submit(call), Done)

    async with asyncio.TaskGroup() as callers:
        for place in range(4):
            callers.create_task(caller(halves[0][place::4]))
        await database.held.wait()
        for place in range(4):
            callers.create_task(caller(halves[1][place::4]))
        database.release()
    assert database.transactions == 2 + 4, "four, then four others, then all eight together until the first are done"


async def test_a_transaction_takes_so_many_calls_and_no_more(world: World) -> None:
    lane, database = await lane_of(world)
    sale = await new_sale(world, 2 * BATCH_MAX + 1)
    outcomes = await submit(lane, *asks([sale]), *(_another(sale) for _ in range(2 * BATCH_MAX)))
    assert {type(outcome) for outcome in outcomes} == {Done}
    assert database.transactions == 3


def _another(sale: Sale) -> Call:
    ask = replace(sale.ask(1), key=sale.world.application.ids.new().hex)
    return Call(command=ask, door="test", retailer=sale.world.retailer)


async def test_calls_are_decided_in_the_order_in_which_they_came(world: World) -> None:
    lane, _ = await lane_of(world)
    sale = await new_sale(world, 3)
    outcomes = await submit(lane, *(_another(sale) for _ in range(6)))
    assert [type(outcome) for outcome in outcomes] == [Done] * 3 + [Refused] * 3


async def test_a_lane_drains(world: World) -> None:
    lane, _ = await lane_of(world)
    sale = await lines(world, 2 * TOLD_AT_ONCE + 1)
    tasks = [asyncio.create_task(lane.submit(call)) for call in asks(sale)]
    await asyncio.sleep(0)
    await lane.drain()
    assert all(isinstance(outcome, Done) for outcome in await asyncio.gather(*tasks))
    assert await kinds(sale) == [1] * len(sale)
    await lane.drain()


async def test_a_batch_holds_the_loop_for_a_few_answers_at_a_time(world: World) -> None:
    lane, _ = await lane_of(world)
    turn, told = 0, Counter[int]()

    def count() -> None:
        nonlocal turn
        turn += 1
        asyncio.get_running_loop().call_soon(count)

    tasks = [asyncio.create_task(lane.submit(call)) for call in asks(await lines(world, 3 * TOLD_AT_ONCE))]
    for task in tasks:
        task.add_done_callback(lambda _: told.update([turn]))
    asyncio.get_running_loop().call_soon(count)
    await asyncio.gather(*tasks)
    assert (max(told.values()), told.total()) == (TOLD_AT_ONCE, 3 * TOLD_AT_ONCE)


async def test_a_full_lane_refuses_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "QUEUE_MAX", 3)
    lane, database = await lane_of(world)
    sale = await lines(world, 5)
    first, *others = asks(sale)
    database.hold()
    running = asyncio.create_task(lane.submit(first))
    await database.held.wait()
    waiting = [asyncio.create_task(lane.submit(call)) for call in others[:3]]
    await asyncio.sleep(0)
    assert await lane.submit(others[3]) == Failed()
    database.release()
    assert all(isinstance(outcome, Done) for outcome in await asyncio.gather(running, *waiting))
    assert await kinds(sale) == [1, 1, 1, 1, 0]


# Several transactions side by side


async def test_a_transaction_beside_another_begins_when_enough_calls_wait(world: World) -> None:
    several, database = await lane_of(world, 3)
    calls = asks(await lines(world, BESIDE_MIN + 3))
    database.hold()
    tasks = [asyncio.create_task(several.submit(calls[0]))]
    await database.held.wait()
    tasks += [asyncio.create_task(several.submit(call)) for call in calls[1:BESIDE_MIN]]
    await _turns()
    assert (several.depth, database.transactions) == (BESIDE_MIN - 1, 1)
    tasks.append(asyncio.create_task(several.submit(calls[BESIDE_MIN])))
    await _turns()
    assert (several.depth, database.transactions) == (0, 2)
    tasks += [asyncio.create_task(several.submit(call)) for call in calls[BESIDE_MIN + 1 :]]
    await _turns()
    assert (several.depth, database.transactions) == (2, 2)
    database.release()
    assert {type(outcome) for outcome in await asyncio.gather(*tasks)} == {Done}
    assert database.transactions == 3
    await several.drain()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction beside another begins as soon as there is a call for it."""
    monkeypatch.setattr(lanes, "BESIDE_MIN", 1)


@pytest.mark.usefixtures("at_once")
async def test_a_call_about_a_line_waits_for_the_one_before_it_and_others_do_not(world: World) -> None:
    several, database = await lane_of(world, 2)
    [busy, other] = await lines(world, 2)
    told: list[str] = []

    async def say(name: str, call: Call) -> Outcome:
        outcome = await several.submit(call)
        told.append(name)
        return outcome

    database.hold()
    first = asyncio.create_task(say("first", _another(busy)))
    await database.held.wait()
    second = asyncio.create_task(say("second", _another(busy)))
    await _turns()
    assert (several.depth, database.transactions) == (1, 1)
    third = asyncio.create_task(say("third", _another(other)))
    await _turns()
    assert (several.depth, database.transactions) == (1, 2)
    database.release()
    assert {type(outcome) for outcome in await asyncio.gather(first, second, third)} == {Done}
    assert told.index("first") < told.index("second")
    assert database.transactions == 3
    await several.drain()


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("count", [1, 2, 3, 5])
async def test_calls_about_a_line_are_decided_in_the_order_in_which_they_came(world: World, count: int) -> None:
    several, _ = await lane_of(world, count)
    sale = [await new_sale(world, 5) for _ in range(3)]
    calls = [(each, _another(each)) for _ in range(8) for each in sale]
    outcomes = await asyncio.gather(*(several.submit(call) for _, call in calls))
    for one in sale:
        mine = [type(outcome) for (each, _), outcome in zip(calls, outcomes, strict=True) if each is one]
        assert mine == [Done] * 5 + [Refused] * 3
    assert await kinds(sale) == [5, 5, 5]
    await several.drain()


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("count", [1, 2, 3, 5])
async def test_deadlines_of_a_retailer_are_saved_as_they_fell_due_also_past_a_line_that_is_busy(
    world: World, count: int
) -> None:
    sale = await lines(world, 12)
    asked = [list((await each.done(each.ask(1))).cancellations) for each in sale]
    world.clock.advance(hours=100)
    several, database = await lane_of(world, count)
    database.hold()
    busy = asyncio.create_task(several.submit(_another(sale[0])))
    await _turns()
    passed = [PassDeadline(line=each.line, cancellation=one) for each, [one] in zip(sale, asked, strict=True)]
    calls = [Call(command=each, door="test", retailer=world.retailer) for each in passed]
    waiting = [asyncio.create_task(several.submit(call)) for call in calls]
    await _turns()
    database.release()
    assert [type(outcome) for outcome in await asyncio.gather(busy, *waiting)] == [Done] * 13
    wanted = EventFilter(kinds=frozenset({"cancellation.lapsed"}), limit=200)
    scope = Scope(party=PLATFORM, kind=PartyKind.PLATFORM)
    told, _ = await world.application.database.read(partial(list_events, scope=scope, wanted=wanted))
    assert [row.line_id for row in told] == [each.line for each in sale]


@pytest.mark.usefixtures("at_once")
async def test_what_waits_for_a_lane_that_is_stopped_is_taken_by_another(world: World) -> None:
    several, database = await lane_of(world, 2)
    sale = await lines(world, 3)
    database.hold()
    tasks = []
    for each in sale[:2]:
        tasks.append(asyncio.create_task(several.submit(_another(each))))
        await _turns()
    assert database.transactions == 2
    tasks += [asyncio.create_task(several.submit(_another(each))) for each in sale]
    await _turns()
    [*running] = several._lanes
    running[0].cancel()
    database.release()
    outcomes = await asyncio.gather(*tasks)
    assert [type(outcome) for outcome in outcomes[2:]] == [Done] * 3
    assert sorted(type(outcome).__name__ for outcome in outcomes[:2]) == ["Done", "Failed"]
    assert outcomes.count(Failed(unknown=True)) == 1
    assert several.depth == 0


@pytest.mark.usefixtures("at_once")
async def test_lanes_on_the_same_lines_and_orders_neither_wait_in_a_circle_nor_lose_a_unit(world: World) -> None:
    """Whole orders and single lines of them, in turns and in both directions."""
    several, _ = await lane_of(world, 4)
    sale = [await new_sale(world, 6, 6, 6) for _ in range(4)]
    calls = []
    for each in (*sale, *reversed(sale)):
        calls += [_another(each), Call(command=each.cancel_order(), door="test", retailer=world.retailer)]
    outcomes = await asyncio.gather(*(several.submit(call) for call in calls))
    assert not [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    assert await kinds(sale) == [6] * 4
    for each in sale:
        open_units, asked, cancelled, shipped = await each.buckets()
        assert (open_units, asked + cancelled, shipped) == (0, 6, 0)


async def _turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


# A constant number of statements


def _mixed(sale: Sale, order: PlaceOrder) -> list[tuple[Command | PlaceOrder, dict[str, Any]]]:
    new = sale.world.application.ids.new
    placed = replace(order, id=new(), lines=(replace(order.lines[0], id=new()),))
    return [
        (sale.ask(1), {"retailer": sale.world.retailer, "process": WISH, "once": once(new().hex)}),
        (sale.accept(), {}),
        (sale.allocate(1), {}),
        (sale.ship_order(sale.ship(1)), {}),
        (sale.customer_asks(1), {}),
        (placed, {"retailer": sale.world.retailer}),
    ]


@pytest.mark.parametrize("mixed", [False, True], ids=["asks", "everything"])
async def test_a_batch_costs_the_same_statements_whatever_its_size(
    world: World, mixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    not_on_citus(world)
    monkeypatch.setattr(lanes, "BATCH_MAX", 1_000)
    order = await world.order(1)
    counted = {}
    for size in (1, 8, 64):
        lane, database = await lane_of(world)
        sale = [await new_sale(world, 4) for _ in range(size)]
        calls = (
            [Call(command=command, door="test", **more) for each in sale for command, more in _mixed(each, order)]
            if mixed
            else asks(sale)
        )
        with statements_of(world.application.database) as heard:
            outcomes = await submit(lane, *calls)
        assert {type(outcome) for outcome in outcomes} == {Done}
        assert database.transactions == (2 if mixed else 1)
        counted[size] = len(heard)
    assert len(set(counted.values())) == 1, counted
    # Three of them are what a new lane learns first: policies, endpoints, and who was deactivated. Three more are the
    # feed (on SQLite), whether the goods moved to another fulfiller, and figures of scores that are not right any more.
    assert counted[1] <= (28 if mixed else 11)


async def test_an_order_of_a_thousand_lines_is_cancelled_by_the_same_few_statements(world: World) -> None:
    not_on_citus(world)
    counted = {}
    for size in (1, 1_000):
        sale = await new_sale(world, *(1 for _ in range(size)))
        with statements_of(world.application.database) as heard:
            await sale.done(sale.cancel_order())
        counted[size] = len(heard)
    assert counted[1] == counted[1_000]


# What a failure does


def poison(sale: Sale) -> Call:
    """A call whose note no database can keep: half of a surrogate pair."""
    return Call(command=replace(sale.ask(1), note="\ud800"), door="test", retailer=sale.world.retailer)


@pytest.mark.parametrize("place", [0, 2, 4])
async def test_a_call_that_breaks_its_batch_fails_alone(world: World, place: int) -> None:
    lane, database = await lane_of(world)
    sale = await lines(world, 5)
    calls = asks(sale)
    calls[place] = poison(sale[place])
    outcomes = await submit(lane, *calls)
    expected: list[type] = [Done] * 5
    expected[place] = Failed
    assert [type(outcome) for outcome in outcomes] == expected
    assert outcomes[place] == Failed()
    assert await kinds(sale) == [int(kind is Done) for kind in expected]
    assert database.transactions == 1 + 5


async def test_a_row_that_a_constraint_forbids_fails_alone(world: World) -> None:
    sale = await lines(world, 3)
    parcel = world.application.ids.new()
    await sale[0].done(sale[0].ship_order(sale[0].ship(1), parcel=parcel))
    twice = sale[1].ship_order(sale[1].ship(1), parcel=parcel)
    outcomes = await asyncio.gather(
        sale[0].say(sale[0].ask(1)), sale[1].say(twice), sale[2].say(sale[2].ask(1)), sale[1].say(sale[1].ask(1))
    )
    assert [type(outcome) for outcome in outcomes] == [Done, Failed, Done, Done]
    assert [await each.buckets() for each in sale] == [(0, 1, 0, 1), (1, 1, 0, 0), (1, 1, 0, 0)]


async def test_a_failed_call_leaves_nothing_behind_and_may_be_repeated(world: World) -> None:
    lane, database = await lane_of(world)
    [sale] = await lines(world, 1)
    before = await everything(world.application.database)
    database.faults.extend([None, RuntimeError("disk"), RuntimeError("disk")])
    [call] = asks([sale], once=once(), process=WISH)
    assert await lane.submit(call) == Failed()
    after = await everything(world.application.database)
    assert {name for name in before if before[name] != after[name]} == {"number_blocks"}
    done = await lane.submit(call)
    assert isinstance(done, Done)
    assert not done.replayed


@pytest.mark.parametrize(
    ("error", "tried"),
    [
        (failing("40001"), 4),
        (failing("40P01"), 4),
        (failing(lost=True), 4),
        (failing("23505"), 4),
        (RuntimeError("a mistake of ours"), 2),
    ],
    ids=["serialization", "deadlock", "lost connection", "constraint", "mistake"],
)
async def test_only_what_may_pass_is_tried_again(world: World, error: Exception, tried: int) -> None:
    lane, database = await lane_of(world)
    sale = await lines(world, 1)
    database.faults.extend([error] * 10)
    assert await submit(lane, *asks(sale)) == [Failed()]
    assert database.transactions == tried
    database.faults.clear()
    assert [type(outcome) for outcome in await submit(lane, *asks(sale))] == [Done]


@pytest.mark.parametrize("error", [failing("40001"), failing("40P01"), failing(lost=True)])
async def test_what_passes_is_not_noticed_by_callers(world: World, error: Exception) -> None:
    lane, database = await lane_of(world)
    sale = await lines(world, 3)
    database.faults.extend([error, error, None, error, error, None])
    outcomes = await submit(lane, *asks(sale))
    assert {type(outcome) for outcome in outcomes} == {Done}
    assert await kinds(sale) == [1, 1, 1]


async def test_when_no_connection_can_be_had_all_hear_of_it_at_once(world: World) -> None:
    lane, database = await lane_of(world)
    sale = await lines(world, 5)
    database.faults.extend([ConnectionRefusedError()] * 10)
    with capture_logs() as logs:
        assert await submit(lane, *asks(sale)) == [Failed()] * 5
    assert database.transactions == 2
    assert [each["event"] for each in logs] == ["batch_failed", "database_away"]
    database.faults.clear()
    assert {type(outcome) for outcome in await submit(lane, *asks(sale))} == {Done}


async def test_a_connection_lost_between_two_calls_does_not_undo_the_first(world: World) -> None:
    lane, database = await lane_of(world)
    sale = await lines(world, 3)
    database.faults.extend([RuntimeError("whole batch"), None, TimeoutError()])
    outcomes = await submit(lane, *asks(sale))
    assert [type(outcome) for outcome in outcomes] == [Done, Failed, Failed]
    assert await kinds(sale) == [1, 0, 0]


class Commit:
    """Makes commits of the writer fail, whatever the engine."""

    def __init__(self, world: World, *errors: Exception | None) -> None:
        self._engine = writer(world.application.database)
        self._errors = list(errors)

    def __call__(self, connection: Any) -> None:
        error = self._errors.pop(0) if self._errors else None
        if error:
            raise error


@pytest.mark.parametrize("error", [failing("08006", lost=True), OSError("gone"), RuntimeError("what is this")])
async def test_a_failed_commit_is_told_as_unknown_and_never_tried_again(world: World, error: Exception) -> None:
    lane, database = await lane_of(world)
    sale = await lines(world, 3)
    engine = writer(world.application.database)
    with listening(engine, "commit", Commit(world, error)), capture_logs() as logs:
        assert await submit(lane, *asks(sale)) == [Failed(unknown=True)] * 3
    assert database.transactions == 1
    assert [each["event"] for each in logs] == ["commit_unknown"]
    assert {type(outcome) for outcome in await submit(lane, *asks(sale))} == {Done}


async def test_a_failed_commit_of_one_alone_is_told_as_unknown_to_that_one(world: World) -> None:
    lane, database = await lane_of(world)
    sale = await lines(world, 3)
    database.faults.append(RuntimeError("whole batch"))
    with listening(writer(world.application.database), "commit", Commit(world, None, RuntimeError("lost"))):
        outcomes = await submit(lane, *asks(sale))
    assert [type(outcome) for outcome in outcomes] == [Done, Failed, Done]
    assert outcomes[1] == Failed(unknown=True)


async def test_a_connection_whose_commit_failed_is_not_used_again(world: World) -> None:
    database = world.application.database
    used: list[Any] = []

    def note(connection: Any) -> None:
        used.append(connection.connection.dbapi_connection)

    engine = writer(database)
    await database.write(note)
    with listening(engine, "commit", Commit(world, RuntimeError("lost"))), pytest.raises(CommitUnknownError):
        await database.write(note)
    await database.write(note)
    assert used[0] is used[1]
    assert used[2] is not used[1]


async def test_numbers_of_a_reservation_that_failed_are_not_handed_out(world: World) -> None:
    lane, database = await lane_of(world)
    example = await world.order(1)

    def order() -> Call:
        new = world.application.ids.new
        fresh = replace(example, id=new(), lines=(replace(example.lines[0], id=new()),))
        return Call(command=fresh, door="test", retailer=world.retailer)

    with listening(writer(world.application.database), "commit", Commit(world, RuntimeError("lost"))):
        assert await lane.submit(order()) == Failed(unknown=True)
    other, _ = await lane_of(world)
    assert isinstance(await other.submit(order()), Done)
    assert isinstance(await lane.submit(order()), Done)
    numbers = [row["number"] for row in await rows(world.application.database, t.line_numbers)]
    assert [later - earlier for earlier, later in pairwise(numbers)] == [Numbers.BLOCK] * 2, "a block for each lane"
    assert database.transactions == 3


# Callers that leave


async def test_a_caller_that_leaves_harms_nobody(world: World) -> None:
    lane, database = await lane_of(world)
    sale = await lines(world, 4)
    database.hold()
    tasks = [asyncio.create_task(lane.submit(call)) for call in asks(sale)]
    await database.held.wait()
    tasks[1].cancel()
    late = asyncio.create_task(lane.submit(_another(sale[3])))
    await asyncio.sleep(0)
    late.cancel()
    await asyncio.sleep(0)
    database.release()
    outcomes = await asyncio.gather(*tasks, late, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [
        Done,
        asyncio.CancelledError,
        Done,
        Done,
        asyncio.CancelledError,
    ]
    await lane.drain()
    assert await kinds(sale) == [1, 1, 1, 2], "what was submitted is done, heard or not"


async def test_the_first_caller_may_leave_before_its_call_is_taken(world: World) -> None:
    lane, _ = await lane_of(world)
    sale = await lines(world, 2)
    first, second = asks(sale)
    task = asyncio.create_task(lane.submit(first))
    await asyncio.sleep(0)
    task.cancel()
    assert isinstance(await lane.submit(second), Done)
    await lane.drain()
    assert await kinds(sale) == [1, 1]


async def test_a_lane_that_is_stopped_leaves_nobody_waiting(world: World) -> None:
    lane, database = await lane_of(world)
    sale = await lines(world, 3)
    first, *others = asks(sale)
    database.hold()
    running = asyncio.create_task(lane.submit(first))
    await database.held.wait()
    waiting = [asyncio.create_task(lane.submit(call)) for call in others]
    await asyncio.sleep(0)
    [pump] = lane._lanes
    pump.cancel()
    assert await asyncio.gather(running, *waiting) == [Failed(unknown=True)] * 3
    database.release()
    await lane.drain()
    assert {type(outcome) for outcome in await submit(lane, *asks(sale))} == {Done}


async def test_an_unknown_line_needs_no_lane_of_its_own(world: World) -> None:
    lane, _ = await lane_of(world)
    [sale] = await lines(world, 1)
    nowhere = AskCancellation(line=UUID(int=7), actor=sale.retailer)
    outcomes = await submit(lane, Call(command=nowhere, door="test"), *asks([sale]))
    assert [type(outcome) for outcome in outcomes] == [Refused, Done]
