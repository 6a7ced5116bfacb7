"""No loop of a worker spins, whatever fails: a pass ends, the next one comes later, and nothing is sent twice."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import structlog
from sqlalchemy import Connection, insert, select, update

from countermand.domain.commands import AskCancellation, PassDeadline
from countermand.payments.provider import ListedRefund, ProviderResult, RefundRequest
from countermand.service.calls import Call, Done, Failed, Outcome
from countermand.store import tables as t
from countermand.store.engines.protocol import Engine, UnavailableError
from countermand.store.refunds import ProviderGroup
from countermand.worker import deadlines, pace, refunds
from countermand.worker.pace import PAUSE_MAX_S, REST_MAX, STALLED_AFTER, Passes, Rests, pause_s, repeat
from tests.money.bank import Bank
from tests.store.speaking import Sale
from tests.support.logs import log_plainly
from tests.support.money import place_paid
from tests.support.world import START, Clock, World
from tests.worker.station import ERROR, Station, endpoint, notices, station

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def hushed() -> Iterator[None]:
    """Hundreds of tracebacks, written with care, take most of the time."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    log_plainly()


DUE = 120
"""Many batches: tests make them small."""
ROUNDS = 12


@dataclass
class Road:
    """A write road that fails, and counts what it was asked for."""

    raises: bool = False
    asked: int = 0

    async def submit(self, call: Call) -> Outcome:
        self.asked += 1
        if self.raises:
            raise OSError("no connection")
        return Failed()


class Dumb(Bank):
    """A provider that does not answer."""

    async def list_refunds(self, payment: str) -> list[ListedRefund] | None:
        self.found += 1
        return None

    async def find(self, request: RefundRequest) -> ProviderResult:
        self.mute = True
        return await super().find(request)


@dataclass
class Counted:
    """A database that counts, and fails as it is told."""

    inner: Any
    reads: int = 0
    writes: int = 0
    read_fails: bool = False
    write_fails: bool = False

    @property
    def engine(self) -> Engine:
        found: Engine = self.inner.engine
        return found

    async def read(self, question: Any, *, heavy: bool = False) -> Any:
        self.reads += 1
        if self.read_fails:
            raise UnavailableError
        return await self.inner.read(question, heavy=heavy)

    async def write(self, work: Any) -> Any:
        self.writes += 1
        if self.write_fails:
            raise UnavailableError
        return await self.inner.write(work)


class EnoughError(Exception):
    """The rounds are over."""


@dataclass
class Place:
    """A worker with much to do, and what may fail around it."""

    post: Station
    road: Road
    bank: Bank
    database: Counted

    def break_(self, what: str) -> None:
        worker: Any = self.post.worker
        if what.startswith("road"):
            self.road.raises = what == "road raises"
            worker.refunds._lanes = worker.deadlines._lanes = self.road
            self.database.write_fails = True
        elif what == "database":
            self.database.read_fails = self.database.write_fails = True

    def asked(self) -> int:
        """What was asked of anybody outside of this process."""
        post = self.post.postman
        return sum(
            (self.road.asked, len(self.bank.calls), self.bank.found, self.database.reads, self.database.writes)
        ) + len(post.given + post.reported)


async def busy_place(world: World, bank: type[Bank] = Bank, partner: str = "stripe") -> Place:
    held = bank(world.clock, name=partner)
    database = Counted(world.application.database)
    post = station(world, providers={partner: held})
    worker: Any = post.worker
    for each in (worker.refunds, worker.deadlines, worker.owners, worker.notices, worker.partitions):
        each._database = database
    await worker.renew_leases()
    return Place(post, Road(), held, database)


async def refunds_due(world: World, **changes: Any) -> None:
    """So many refunds, each of a payment of its own."""
    paid = {"provider": "stripe", "reference": "pi_0", "captured": "27"}
    order = await place_paid(world, payments=[paid])
    sale = Sale(world=world, order=order.id, lines=tuple(line.id for line in order.lines))
    await sale.done(sale.cancel_own(1))

    def multiply(connection: Connection) -> None:
        if changes:
            connection.execute(update(t.refunds).values(**changes))
        row = dict(connection.execute(select(t.refunds)).one()._mapping)
        rows = [
            {**row, "id": world.application.ids.new(), "payment_id": f"p{n}", "payment_reference": f"pi_{n}"}
            for n in range(1, DUE)
        ]
        connection.execute(insert(t.refunds), rows)

    await world.application.database.write(multiply)


async def settle(world: World, place: Place) -> Callable[[], Coroutine[Any, Any, None]]:
    await refunds_due(world)
    return partial(place.post.worker.refunds.settle_all, ProviderGroup(provider="stripe"))


async def check(world: World, place: Place) -> Callable[[], Coroutine[Any, Any, None]]:
    now = world.clock()
    done = {"state": "confirmed", "due_at": None, "check_at": now, "movement": "confirmed", "settled_at": now}
    await refunds_due(world, **done)
    return partial(place.post.worker.refunds.check_all, ProviderGroup(provider="stripe"))


async def fire(world: World, place: Place) -> Callable[[], Coroutine[Any, Any, None]]:
    order = await world.order(*[1] * DUE)
    for line in order.lines:
        ask = AskCancellation(line=line.id, actor=world.actor(world.retailer))
        assert isinstance(await world.submit(ask, retailer=world.retailer), Done)
    world.clock.advance(hours=49)
    return place.post.worker.deadlines.fire_all


async def tell(world: World, place: Place) -> Callable[[], Coroutine[Any, Any, int]]:
    to = await endpoint(world, world.retailer, state="paused")
    row = {
        "endpoint_id": to,
        "created_at": world.clock(),
        "partition": 0,
        "why": "It failed.",
        "state": "due",
        "attempts": 0,
        "due_at": world.clock(),
        "last_result": "",
    }
    rows = [{**row, "address": f"a{n}@shop.example"} for n in range(DUE)]
    await world.application.database.write(lambda connection: connection.execute(insert(t.owner_mails), rows))
    return place.post.worker.owners.send_due


async def renew_leases(world: World, place: Place) -> Callable[[], Coroutine[Any, Any, None]]:
    place.post.pass_time(25)
    return place.post.worker.renew_leases


LOOPS = {"refunds": settle, "checks": check, "deadlines": fire, "owners": tell, "partitions": renew_leases}
BROKEN = ("road", "road raises", "database", "provider")


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("loop", LOOPS)
async def test_no_loop_spins(sqlite_world: World, monkeypatch: pytest.MonkeyPatch, loop: str, broken: str) -> None:
    """A full batch is due and everything fails: each round makes a few calls, and waits longer than the one before."""
    world = sqlite_world
    monkeypatch.setattr(refunds, "BATCH_MAX", 10)
    monkeypatch.setattr(refunds, "CHECKS_MAX", 10)
    monkeypatch.setattr(deadlines, "BATCH_MAX", 10)
    place = await busy_place(world, Dumb if broken == "provider" else Bank)
    act = await LOOPS[loop](world, place)
    place.break_(broken)
    place.post.postman.owner_hears.extend([ERROR] * (DUE * ROUNDS) if broken == "provider" else [])
    pauses: list[float] = []
    before = place.asked()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        world.clock.advance(seconds=seconds)
        if len(pauses) == ROUNDS:
            raise EnoughError

    with pytest.raises(EnoughError):
        await repeat("loop", 1.0, act, passes=Passes(), sleep=sleep)
    calls = place.asked() - before
    if broken == "provider":
        # What it answered was written down, so each is asked about again at a time of its own.
        assert calls <= 10 * DUE
        return
    assert pauses[-1] == PAUSE_MAX_S, "it waits longer each time"
    assert pauses == sorted(pauses)
    # Of what waits, some is tried in each round; what has failed rests longer each time.
    assert calls <= ROUNDS * 4 * STALLED_AFTER
    assert len(place.bank.calls) == 0, "no money moves whose intent is not written down"


async def test_what_fails_rests_and_the_others_go_on(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = sqlite_world
    monkeypatch.setattr(refunds, "BATCH_MAX", 10)
    place = await busy_place(world)
    await refunds_due(world)
    rows = await world.application.database.read(
        lambda connection: connection.execute(select(t.refunds.c.id).order_by(t.refunds.c.id)).scalars().all()
    )
    cursed, worker = set(rows[:15]), place.post.worker
    tried: list[Any] = []

    class Picky:
        async def submit(self, call: Call) -> Outcome:
            refund = getattr(call.command, "refund", None)
            if refund in cursed:
                tried.append(refund)
                return Failed()
            return await world.application.lanes.submit(call)

    worker.refunds._lanes = Picky()  # type: ignore[assignment]
    await worker.refunds.settle_all(ProviderGroup(provider="stripe"))
    assert len(place.bank.calls) == DUE - len(cursed), "a whole batch of failures in front is passed by"
    for _ in range(100):
        world.clock.advance(seconds=1)
        with suppress(pace.StalledError):
            await worker.refunds.settle_all(ProviderGroup(provider="stripe"))
    assert len(tried) <= len(cursed) * 8, "1, 2, 4, ... seconds of rest"


async def test_a_pass_goes_through_many_batches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """On both engines: each that is due, once, however small the batches."""
    monkeypatch.setattr(refunds, "BATCH_MAX", 7)
    monkeypatch.setattr(refunds, "CHECKS_MAX", 7)
    monkeypatch.setattr(deadlines, "BATCH_MAX", 7)
    place = await busy_place(world)
    await refunds_due(world)
    await place.post.worker.refunds.settle_all(ProviderGroup(provider="stripe"))
    assert len({request.key for request in place.bank.calls}) == len(place.bank.calls) == DUE
    world.clock.advance(days=2)
    place.post.pass_time(0)
    await place.post.worker.refunds.check_all(ProviderGroup(provider="stripe"))
    assert place.bank.found == DUE
    order = await world.order(*[1] * 20)
    for line in order.lines:
        ask = AskCancellation(line=line.id, actor=world.actor(world.retailer))
        assert isinstance(await world.submit(ask, retailer=world.retailer), Done)
    world.clock.advance(hours=49)
    await place.post.worker.deadlines.fire_all()
    assert await place.post.worker.fire_deadlines() == 0


async def test_deadlines_that_the_rules_refuse_are_put_to_them_once_in_a_pass(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    monkeypatch.setattr(deadlines, "BATCH_MAX", 10)
    place = await busy_place(world)
    act = await fire(world, place)
    put: list[Any] = []

    class Deaf:
        async def submit(self, call: Call) -> Outcome:
            assert isinstance(call.command, PassDeadline)
            put.append(call.command.line)
            return Done()

    place.post.worker.deadlines._lanes = Deaf()  # type: ignore[assignment]
    await act()
    assert len(put) == len(set(put)) == DUE


async def test_a_mail_to_an_owner_is_sent_once_though_it_cannot_be_written_down(sqlite_world: World) -> None:
    world = sqlite_world
    place = await busy_place(world)
    act = await tell(world, place)
    place.database.write_fails = True
    for _ in range(3):
        with pytest.raises(pace.StalledError):
            await act()
    addresses = [reported[0] for reported in place.post.postman.reported]
    assert len(addresses) == len(set(addresses)) == 3
    place.database.write_fails = False
    for _ in range(3):
        await act()
    addresses = [reported[0] for reported in place.post.postman.reported]
    assert len(addresses) == len(set(addresses)) == DUE


async def test_a_mail_that_cannot_be_made_does_not_stop_the_others(sqlite_world: World) -> None:
    world = sqlite_world
    place = await busy_place(world)
    act = await tell(world, place)
    sent = place.post.postman.tell_owner

    async def fails_once(address: str, *given: Any, **more: Any) -> Any:
        if address == "a0@shop.example":
            raise RuntimeError("no such template")
        return await sent(address, *given, **more)

    place.post.postman.tell_owner = fails_once  # type: ignore[method-assign]
    for _ in range(3):
        await act()
    assert len(place.post.postman.reported) == DUE - 1


async def test_notices_stop_being_sent_while_they_cannot_be_written_down(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each was sent once at most, and not all of them: after a crash they would be sent again."""
    world = sqlite_world
    monkeypatch.setattr("countermand.worker.notices.UNSETTLED_MAX", 20)
    rests: list[float] = []
    let_go_on = asyncio.sleep

    async def sleep(seconds: float) -> None:
        await let_go_on(0)
        if seconds:
            rests.append(seconds)
        if len(rests) == 8:
            place.database.write_fails = False

    monkeypatch.setattr("countermand.worker.notices.asyncio.sleep", sleep)
    place = await busy_place(world)
    to = await endpoint(world, world.retailer)
    await world.order(*[1] * 60)
    place.database.write_fails = True
    unsettled: list[int] = []
    place.post.postman.on_receipt = lambda: unsettled.append(len(place.post.worker.notices._results))
    place.post.worker.notices.look()
    await place.post.worker.notices.quiet()
    assert max(unsettled[:21]) < 21
    assert rests == [0.5, 1, 2, 4, 8, 15, 15, 15], "it waits longer each time"
    place.post.worker.notices.look()
    await place.post.worker.notices.quiet()
    events = place.post.postman.events(to)
    assert len(events) == len(set(events)) == 60
    assert {row.state for row in await notices(world)} == {"sent"}


async def test_a_look_that_fails_is_counted_and_forgotten_after_a_good_one(sqlite_world: World) -> None:
    place = await busy_place(sqlite_world)
    seen = place.post.worker.notices
    place.database.read_fails = True
    for failed in (1, 2, 3):
        seen.look()
        await seen.quiet()
        assert seen.looks_failed == failed
    place.database.read_fails = False
    seen.look()
    await seen.quiet()
    assert seen.looks_failed == 0


def test_a_loop_waits_longer_after_each_failure_and_never_longer_than_it_may() -> None:
    assert [pause_s(1, failures) for failures in range(6)] == [1, 2, 4, 8, 15, 15]
    assert pause_s(60, 5) == 60, "its own interval, if that is longer"
    assert pause_s(2, 10_000, most_s=4) == 4


def test_what_rests_wakes_up_and_is_forgotten_in_the_end() -> None:
    clock = Clock(START)
    rests = Rests(clock)
    for seconds in (1, 2, 4, 8):
        rests.failed("a")
        clock.advance(seconds=seconds - 0.5)
        assert rests.awake(["a", "b"], str) == ["b"]
        clock.advance(seconds=0.5)
        assert rests.awake(["a", "b"], str) == ["a", "b"]
    rests.went_on("a")
    rests.failed("a")
    clock.advance(seconds=1)
    assert rests.awake(["a"], str) == ["a"]
    clock.advance(seconds=3 * REST_MAX.total_seconds())
    rests.failed("b")
    assert len(rests._until) == 1
