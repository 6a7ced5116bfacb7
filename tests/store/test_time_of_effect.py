"""What fell due while nobody looked takes effect at its due time: in events, in the score, and in order."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from countermand.admin.callers import PLATFORM
from countermand.admin.policies import put_in_force
from countermand.domain.commands import CancelOrder, PassDeadline
from countermand.domain.parties import PartyKind
from countermand.domain.policy import Policy, Silence, WholeOrder
from countermand.domain.scoring import Reply, Role, Scorecard, Week
from countermand.ids import Ids
from countermand.reads import events as event_reads
from countermand.reads import scores
from countermand.reads.scope import Scope
from countermand.service.numbers import EventIds
from countermand.worker.deadlines import Deadlines
from tests.store.speaking import Sale, new_sale
from tests.support.world import START, Clock, World

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
FEED = Scope(party=PLATFORM, kind=PartyKind.PLATFORM)


class Everything:
    """All partitions are this worker's."""

    owned = frozenset(range(256))


async def agree(world: World, policy: Policy, fulfiller: UUID | None = None) -> None:
    await world.application.database.write(
        partial(
            put_in_force,
            now=world.clock(),
            retailer=world.retailer,
            fulfiller=fulfiller or world.supplier,
            policy=policy,
            by="test",
        )
    )


async def service_returns(world: World) -> None:
    """The worker looks again."""
    application = world.application
    await Deadlines(application.database, application.lanes, world.clock, Everything()).fire_all()  # type: ignore[arg-type]


async def feed(world: World, since: datetime = START) -> list[Any]:
    wanted = event_reads.EventFilter(since=since, limit=200)
    rows, _ = await world.application.database.read(partial(event_reads.list_events, scope=FEED, wanted=wanted))
    return rows


async def card(world: World, party: UUID, role: Role, as_of: datetime | None = None) -> Scorecard:
    [found] = await world.application.database.read(
        partial(
            scores.cards, party=scores.Party(id=party, role=role), weeks=[Week.of(START, UTC)], zone=UTC, as_of=as_of
        )
    )
    return found


@pytest.mark.parametrize(
    ("silence", "kind"), [(Silence.LAPSE, "cancellation.lapsed"), (Silence.ACCEPT, "cancellation.accepted")]
)
@pytest.mark.parametrize("by", ["the worker", "a call"])
async def test_it_took_effect_when_it_was_due_and_both_times_are_kept(
    world: World, silence: Silence, kind: str, by: str
) -> None:
    await agree(world, Policy(version=1, silence=silence))
    sale = await new_sale(world)
    await sale.done(sale.ask(2))
    world.clock.advance(hours=100)
    if by == "the worker":
        await service_returns(world)
    else:
        await sale.say(sale.accept(named=True))
    due = START + 48 * HOUR
    event = next(each for each in await sale.events() if each["kind"] == kind)
    assert (event["at"], event["recorded_at"]) == (due, world.clock())
    [cancellation] = await sale.cancellations()
    assert (cancellation["answered_at"], cancellation["due_at"]) == (due, due)
    supplier = await card(world, world.supplier, Role.FULFILLER)
    assert [(each.reply, each.ended_at) for each in supplier.answers] == [(Reply.MISSED, due)]
    assert [each.at for each in supplier.counted] == [due]


async def test_what_is_on_time_keeps_one_time(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.ask(2))
    await sale.done(sale.accept())
    assert {row["recorded_at"] for row in await sale.events()} == {None}
    [cancellation] = await sale.cancellations()
    assert cancellation["due_at"] == START + 48 * HOUR, "it stays readable"


async def test_the_feed_tells_it_in_the_order_it_fell_due_and_misses_nothing(world: World) -> None:
    sale = []
    for _ in range(5):
        sale.append(await new_sale(world))
        await sale[-1].done(sale[-1].ask(2))
        world.clock.advance(hours=1)
    world.clock.advance(hours=90)
    cursor = world.clock()
    await service_returns(world)
    late = [row for row in await feed(world, cursor) if row.kind == "cancellation.lapsed"]
    assert [row.line_id for row in late] == [each.line for each in sale]
    assert [row.at for row in late] == [START + (48 + hour) * HOUR for hour in range(5)]
    assert {row.recorded_at for row in late} == {world.clock()}


async def test_the_retailers_silence_takes_effect_when_due_and_the_supplier_has_its_whole_time(world: World) -> None:
    await agree(world, Policy(version=1, silence=Silence.ACCEPT))
    sale = await new_sale(world)
    await sale.done(sale.customer_asks(2))
    world.clock.advance(hours=100)
    heard = world.clock()
    await service_returns(world)
    passed_on = (await sale.events())[-1]
    assert (passed_on["kind"], passed_on["at"]) == ("cancellation.passed_on", START + 48 * HOUR)
    [cancellation] = await sale.cancellations()
    assert cancellation["due_at"] == heard + 48 * HOUR
    world.clock.advance(hours=1)
    await sale.done(sale.accept())
    [answer] = (await card(world, world.supplier, Role.FULFILLER)).answers
    assert (answer.put_at, answer.ended_at, answer.reply) == (heard, heard + HOUR, Reply.ACCEPTED)


async def test_asks_heeded_together_end_when_the_first_of_them_lapsed(world: World) -> None:
    """An answer to one that comes after that is too late, though nobody had looked."""
    await agree(world, Policy(version=1, whole_order=WholeOrder.ALL_OR_NOTHING))
    await agree(
        world, Policy(version=2, whole_order=WholeOrder.ALL_OR_NOTHING, answer_within_s=60), world.other_supplier
    )
    sale = await new_sale(world, 1, 1, fulfillers=[world.supplier, world.other_supplier])
    await sale.done(CancelOrder(order=sale.order, actor=sale.retailer))
    world.clock.advance(hours=1)
    await sale.refused(sale.accept())
    first, second = await sale.cancellations()
    by_line = {row["line_id"]: row for row in (first, second)}
    lapsed_at = START + timedelta(seconds=60)
    assert [(by_line[line]["state"], by_line[line]["answered_at"]) for line in sale.lines] == [
        ("withdrawn", lapsed_at),
        ("lapsed", lapsed_at),
    ]


async def test_what_was_agreed_to_does_not_fall_due_and_keeps_when_it_would_have(world: World) -> None:
    await agree(world, Policy(version=1, whole_order=WholeOrder.ALL_OR_NOTHING))
    await agree(
        world, Policy(version=2, whole_order=WholeOrder.ALL_OR_NOTHING, answer_within_s=None), world.other_supplier
    )
    sale = await new_sale(world, 1, 1, fulfillers=[world.supplier, world.other_supplier])
    await sale.done(CancelOrder(order=sale.order, actor=sale.retailer))
    await sale.done(sale.accept())
    world.clock.advance(hours=100)
    await service_returns(world)
    agreed = next(row for row in await sale.cancellations() if row["agreed"])
    assert (agreed["state"], agreed["due_at"]) == ("asked", START + 48 * HOUR)
    outcome = await sale.done(PassDeadline(line=agreed["line_id"], cancellation=agreed["id"]))
    assert outcome.outcomes[0].outcome.events == ()  # type: ignore[union-attr]


async def test_a_card_of_before_is_as_it_was_then(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.ask(2))
    world.clock.advance(hours=100)
    between = START + 60 * HOUR
    before = await card(world, world.supplier, Role.FULFILLER)
    await service_returns(world)
    assert await card(world, world.supplier, Role.FULFILLER, as_of=between) == before
    assert (await card(world, world.supplier, Role.FULFILLER)).numerator == 1


async def times(sale: Sale) -> list[datetime]:
    return [row["at"] for row in await sale.events()]


async def test_the_events_of_a_line_stand_in_the_order_of_their_times(world: World) -> None:
    await agree(world, Policy(version=1, silence=Silence.ACCEPT))
    sale = await new_sale(world)
    for hour in range(3):
        await sale.done(sale.ask(1, key=str(hour)))
        world.clock.advance(hours=20)
    world.clock.advance(hours=100)
    await sale.say(sale.ship(1))
    assert await times(sale) == sorted(await times(sale))


async def test_a_start_fires_what_is_overdue_before_calls_are_served(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.ask(2))
    world.clock.advance(hours=100)
    await world.application.worker.catch_up()
    await world.application.worker.stop()
    assert (await sale.events())[-1]["kind"] == "cancellation.lapsed"


async def test_a_start_does_not_wait_for_ever(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.ask(2))
    await world.application.worker.catch_up(within_s=0)
    await world.application.worker.stop()
    assert await sale.buckets() == (3, 2, 0, 0)


def test_event_ids_of_one_millisecond_keep_their_order() -> None:
    ids, clock = EventIds(), Clock()
    made = Ids(clock)
    given = [ids.in_order(made.new()) for _ in range(500)]
    clock.advance(milliseconds=-5)
    assert given == sorted(set(given))
    assert {each.version for each in given} == {7}
    assert ids.in_order(made.new()) < given[0], "a clock that was set back is believed"
