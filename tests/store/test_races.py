"""Two services on one database: whoever is first wins, the other is told, and nobody waits for ever."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from countermand.app import Service
from countermand.domain.commands import Command
from countermand.domain.dates import write_moment
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.refusals import RefusalKind
from countermand.ids import system_clock
from countermand.service.calls import Call, Done, Outcome, Refused
from countermand.store import tables as t
from tests.store.holding import agree, all_given_back, assert_sound, rows
from tests.store.speaking import Sale, new_sale
from tests.support.money import place_paid, rows_of
from tests.support.world import Clock, World, populate, running
from tests.worker.station import endpoint

pytestmark = pytest.mark.anyio

LINES = 200
TAKEN = {RefusalKind.ALREADY_ANSWERED, RefusalKind.ALREADY_CANCELLED, RefusalKind.ALREADY_SHIPPED}


@dataclass(frozen=True, kw_only=True)
class Rivals:
    """Two services on one database, each with several lanes where the engine has them, and one world."""

    world: World
    services: tuple[Service, Service]

    async def say(self, which: int, command: Any, *, once: IdempotencyKey | None = None) -> Outcome:
        retailer = self.world.retailer if getattr(command, "retailer", None) else None
        call = Call(command=command, door=f"door {which}", retailer=retailer, once=once)
        return await self.services[which].lanes.submit(call)


@pytest.fixture(params=["sqlite", "postgresql", "postgresql, three lanes each"])
def arena(request: pytest.FixtureRequest) -> tuple[str, int]:
    """A database, and how many lanes each service has on it."""
    url = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url, 3 if "three" in request.param else 1


@pytest.fixture
async def rivals(arena: tuple[str, int]) -> AsyncIterator[Rivals]:
    clock = Clock()
    database_url, lanes = arena
    with capture_logs() as logs:
        async with running(database_url, clock, lanes=lanes) as one, running(database_url, clock, lanes=lanes) as other:
            yield Rivals(world=await populate(one, clock), services=(one, other))
            for service in (one, other):
                await service.lanes.drain()
                await all_given_back(service.database)
            await assert_sound(one.database)
    expected = {"cancellation_escalated", "cancellation_lapsed"}
    loud = [each for each in logs if each["log_level"] != "info" and each["event"] not in expected]
    assert [each["event"] for each in loud] == [], "no deadlock, no lock that was given up"


async def orders(world: World, count: int, *units: int) -> list[Sale]:
    placed = await asyncio.gather(*(world.order(*(units or (1,))) for _ in range(count)))
    return [Sale(world=world, order=each.id, lines=tuple(line.id for line in each.lines)) for each in placed]


async def race(rivals: Rivals, sale: Sequence[Sale], *words: Callable[[Sale], Command]) -> list[tuple[Outcome, ...]]:
    """Each word about each order, by rival services at once and in an order that chance makes."""
    dice = random.Random(7)
    turns = [(new_sale, place) for new_sale in sale for place in range(len(words))]
    dice.shuffle(turns)

    async def turn(new_sale: Sale, place: int) -> tuple[Sale, int, Outcome]:
        return new_sale, place, await rivals.say((place + (dice.random() < 0.2)) % 2, words[place](new_sale))

    heard: dict[int, dict[int, Outcome]] = {}
    for about, place, outcome in await asyncio.gather(*(turn(*each) for each in turns)):
        heard.setdefault(id(about), {})[place] = outcome
    return [tuple(outcome for _, outcome in sorted(heard[id(new_sale)].items())) for new_sale in sale]


def winner(outcomes: Sequence[Outcome]) -> int:
    """Which one was heeded; every other one was told that somebody was first."""
    done = [place for place, outcome in enumerate(outcomes) if isinstance(outcome, Done)]
    assert len(done) == 1, outcomes
    refused = {outcome.refusal.kind for outcome in outcomes if isinstance(outcome, Refused)}
    assert len(refused) == len(outcomes) - 1
    assert refused <= TAKEN, refused
    return done[0]


async def ask_all(rivals: Rivals, sale: Sequence[Sale]) -> None:
    for outcome in await asyncio.gather(*(each.say(each.ask()) for each in sale)):
        assert isinstance(outcome, Done)


async def test_ship_against_accept(rivals: Rivals) -> None:
    """EC-38: one wins in the database, and the loser gets the winning fact."""
    sale = await orders(rivals.world, LINES)
    await ask_all(rivals, sale)
    outcomes = await race(rivals, sale, lambda t: t.ship(override=True), lambda t: t.accept(named=True))
    wins = [winner(each) for each in outcomes]
    assert set(wins) == {0, 1}, "both win sometimes"
    for each, won in zip(sale, wins, strict=True):
        assert await each.buckets() == ((0, 0, 0, 1), (0, 0, 1, 0))[won]


async def test_accept_against_decline(rivals: Rivals) -> None:
    """EC-22: two users of one supplier at two connections; exactly one wins, the other hears who did and when."""
    sale = await orders(rivals.world, LINES)
    await ask_all(rivals, sale)
    outcomes = await race(rivals, sale, lambda t: t.accept(named=True), lambda t: t.decline(named=True))
    wins = [winner(each) for each in outcomes]
    assert set(wins) == {0, 1}
    for each, won in zip(sale, wins, strict=True):
        [cancellation] = await each.cancellations()
        assert cancellation["state"] == ("accepted", "declined")[won]
    at = write_moment(rivals.world.clock())
    for answers, won in zip(outcomes, wins, strict=True):
        lost = answers[1 - won]
        assert isinstance(lost, Refused)
        state = ("accepted", "declined")[won]
        why = ("", ": in_packing")[won]
        assert lost.refusal.detail == f"This cancellation was {state} by the supplier at {at}{why}."


async def test_withdraw_against_accept(rivals: Rivals) -> None:
    """Exactly one of withdrawn and accepted wins."""
    sale = await orders(rivals.world, LINES)
    await ask_all(rivals, sale)
    outcomes = await race(
        rivals, sale, lambda t: replace(t.withdraw(), cancellation=t.asked), lambda t: t.accept(named=True)
    )
    wins = [winner(each) for each in outcomes]
    assert set(wins) == {0, 1}
    for each, won in zip(sale, wins, strict=True):
        [cancellation] = await each.cancellations()
        assert cancellation["state"] == ("withdrawn", "accepted")[won]
        assert await each.buckets() == ((1, 0, 0, 0), (0, 0, 1, 0))[won]


async def test_a_deadline_against_itself_and_against_late_answers(rivals: Rivals) -> None:
    """EC-32, EC-27: two workers fire one deadline while the supplier answers. There is one transition: silence."""
    sale = await orders(rivals.world, LINES)
    await ask_all(rivals, sale)
    rivals.world.clock.advance(hours=48)
    outcomes = await race(
        rivals, sale, lambda t: t.pass_deadline(), lambda t: t.pass_deadline(), lambda t: t.accept(named=True)
    )
    for each, (one, other, late) in zip(sale, outcomes, strict=True):
        assert isinstance(one, Done)
        assert isinstance(other, Done)
        assert isinstance(late, Refused)
        assert late.refusal.kind is RefusalKind.ALREADY_ANSWERED
        kinds = [event["kind"] for event in sorted(await each.events(), key=lambda event: event["seq"])]
        assert kinds == ["line.placed", "cancellation.asked", "cancellation.lapsed", "cancellation.late_answer"]
        assert await each.buckets() == (1, 0, 0, 0)


async def test_a_deadline_that_two_workers_fire_makes_one_notice_and_one_refund(rivals: Rivals) -> None:
    """EC-32, EC-28: silence accepts, so that somebody is told and money goes back."""
    world = rivals.world
    await agree(world, None, 1, silence="accept")
    to = await endpoint(world, world.retailer, event_kinds=["cancellation.accepted"])
    paid = [await place_paid(world, reference=f"PO-{number}") for number in range(LINES // 4)]
    sale = [Sale(world=world, order=each.id, lines=tuple(line.id for line in each.lines)) for each in paid]
    for each in sale:
        await each.done(each.ask(2))
    world.clock.advance(hours=48)
    await race(rivals, sale, lambda t: t.pass_deadline(), lambda t: t.pass_deadline())
    asked = sorted(each.asked for each in sale)
    assert sorted(row.cancellation_id for row in await rows_of(world, "refunds")) == asked
    events = {row.id: row.cancellation_id for row in await rows_of(world, "events")}
    reported = [row for row in await rows_of(world, "notices") if row.endpoint_id == to]
    assert sorted(events[row.event_id] for row in reported) == asked


@pytest.mark.parametrize("second", ["accept", "decline"])
async def test_two_suppliers_answer_what_was_asked_all_or_nothing(rivals: Rivals, second: str) -> None:
    """EC-18: whatever comes first, both lines are cancelled or neither is, and nobody waits for the other's lock."""
    world = rivals.world
    await agree(world, None, 1, whole_order="all_or_nothing")
    fulfillers = (world.supplier, world.other_supplier)
    sale = [await new_sale(world, 1, 1, fulfillers=fulfillers) for _ in range(LINES // 4)]
    for each in sale:
        await each.done(each.cancel_order())
    other = world.actor(world.other_supplier)
    theirs = {
        "accept": lambda t: replace(t.accept(place=1), actor=other),
        "decline": lambda t: replace(t.decline(place=1), actor=other),
    }[second]
    outcomes = await race(rivals, sale, lambda t: t.accept(), theirs)
    for each, (_, theirs_was) in zip(sale, outcomes, strict=True):
        assert isinstance(theirs_was, Done)
        ended = ((0, 0, 1, 0), (0, 0, 1, 0)) if second == "accept" else ((1, 0, 0, 0), (1, 0, 0, 0))
        assert (await each.buckets(0), await each.buckets(1)) == ended


async def test_ask_against_ship(rivals: Rivals) -> None:
    sale = await orders(rivals.world, LINES)
    outcomes = await race(rivals, sale, lambda t: t.ask(), lambda t: t.ship())
    kinds = set()
    for each, (asked, shipped) in zip(sale, outcomes, strict=True):
        if isinstance(asked, Done):
            assert isinstance(shipped, Refused)
            assert shipped.refusal.kind is RefusalKind.UNITS_ASKED
            assert await each.buckets() == (0, 1, 0, 0)
        else:
            assert isinstance(asked, Refused)
            assert asked.refusal.kind is RefusalKind.ALREADY_SHIPPED
            assert isinstance(shipped, Done)
            assert await each.buckets() == (0, 0, 0, 1)
        kinds.add(type(asked))
    assert kinds == {Done, Refused}


async def test_many_units_are_given_out_once(rivals: Rivals) -> None:
    [sale] = await orders(rivals.world, 1, 100)
    words = [
        rivals.say(place % 2, command)
        for place in range(300)
        for command in [sale.ship(1) if place % 3 else sale.cancel_own(1)]
    ]
    outcomes = await asyncio.gather(*words)
    assert sum(isinstance(outcome, Done) for outcome in outcomes) == 100
    still, asked, cancelled, shipped = await sale.buckets()
    assert (still, asked, cancelled + shipped) == (0, 0, 100)


async def test_whole_orders_in_opposite_directions_do_not_deadlock(rivals: Rivals) -> None:
    sale = await orders(rivals.world, 30, *[1] * 8)
    there = [rivals.say(0, each.cancel_order()) for each in sale]
    back = [rivals.say(1, each.allocate_order(*(each.allocate(1, place=place) for place in range(8)))) for each in sale]
    lines = [rivals.say(place % 2, each.ship(place=place)) for each in reversed(sale) for place in range(8)]
    outcomes = await asyncio.gather(*there, *reversed(back), *lines)
    assert {type(outcome) for outcome in outcomes} <= {Done, Refused}


async def test_thirty_with_one_key_at_two_services_have_one_effect(database_url: str) -> None:
    clock = Clock()
    async with running(database_url, clock) as one, running(database_url, clock) as other:
        world = await populate(one, clock)
        rivals = Rivals(world=world, services=(one, other))
        for sale in await orders(world, 10, 40):
            command = sale.ship_order(sale.ship(1))
            once = IdempotencyKey(caller="shop", key=f"k-{sale.order}", fingerprint="f")
            outcomes = await asyncio.gather(*(rivals.say(place % 2, command, once=once) for place in range(30)))
            fresh = [outcome for outcome in outcomes if isinstance(outcome, Done) and not outcome.replayed]
            assert {type(outcome) for outcome in outcomes} == {Done}
            assert len(fresh) == 1
            assert await sale.buckets() == (39, 0, 0, 1)
        await assert_sound(one.database)


async def test_an_order_that_arrives_at_two_services_is_placed_once(database_url: str) -> None:
    clock = Clock()
    async with running(database_url, clock) as one, running(database_url, clock) as other:
        world = await populate(one, clock)
        rivals = Rivals(world=world, services=(one, other))
        example = await world.order(1, 2)
        for _ in range(20):
            new = one.ids.new
            twin = replace(example, id=new(), lines=tuple(replace(line, id=new()) for line in example.lines))
            outcomes = await asyncio.gather(*(rivals.say(place % 2, twin) for place in range(4)))
            assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Done", "Refused", "Refused", "Refused"]
        assert len(await rows(one.database, t.orders)) == 21
        await assert_sound(one.database)


async def test_no_event_is_earlier_than_its_cause_whoever_waits(database_url: str) -> None:
    """With the real clock: a batch that waits for a lock tells the time at which it got it."""

    class Running(Clock):
        def __call__(self) -> datetime:
            return system_clock()

    clock = Running()
    async with running(database_url, clock) as one, running(database_url, clock) as other:
        world = await populate(one, clock)
        rivals = Rivals(world=world, services=(one, other))
        [sale] = await orders(world, 1, 1_000)
        for _ in range(25):
            await asyncio.gather(*(rivals.say(place % 2, sale.ship(1)) for place in range(8)))
        await assert_sound(one.database)
