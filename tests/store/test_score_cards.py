"""Kept figures: they are what a recount finds, whatever happens between, and looking at them counts nothing again."""

import asyncio
import os
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, select, update
from sqlalchemy.util import await_only

from countermand.documents import scorecards
from countermand.domain.commands import AskCancellation, CancelOwn
from countermand.domain.reasons import CancelReason
from countermand.domain.scoring import CHANGES_CARDS, RULES, Role, Week
from countermand.reads import scores
from countermand.service.calls import Done
from countermand.store import score_cards
from countermand.store import tables as t
from countermand.store.codecs import partition_of
from countermand.worker.score_cards import ScoreCards
from tests.store.test_scores import (
    PARTIES,
    WEEKS_APART,
    ZONE,
    Judged,
    Sides,
    both,  # noqa: F401 - a fixture
    history_of,
    orders_of,
)
from tests.support.plans import statements_of
from tests.support.world import START, World

pytestmark = pytest.mark.anyio

HISTORIES = 400 if os.environ.get("COUNTERMAND_LONG") == "1" else 8


def row_of(party: UUID, role: Role, week: Week) -> dict[str, Any]:
    return {
        "party_id": party,
        "role": role.value,
        "zone": str(ZONE),
        "rules": RULES,
        "week": str(week),
        "starts_at": week.starts(ZONE),
        "ends_at": week.ends(ZONE),
        "partition": partition_of(party),
        "state": "stale",
        "turn": 0,
        "figures": {},
    }


async def kept_of(world: World) -> dict[tuple[UUID, str, str], Any]:
    """The figures that are kept, by party, role and week."""

    def read(connection: Connection) -> dict[tuple[UUID, str, str], Any]:
        rows = connection.execute(select(t.score_cards).where(t.score_cards.c.state == "counted"))
        return {(row.party_id, row.role, row.week): row.figures for row in rows}

    return await world.application.database.read(read)


@pytest.fixture
async def keeper(world: World) -> ScoreCards:
    """All that can be kept is, and the worker does no more of its own."""
    await world.application.worker.renew_leases()
    cards = world.application.worker.score_cards
    while await cards.count():
        pass
    return cards


def this_week(world: World) -> str:
    return str(Week.of(world.clock(), ZONE))


# They are what a recount finds


async def test_kept_figures_equal_a_recount_after_any_history(both: Sides) -> None:  # noqa: F811
    for seed in range(HISTORIES):
        for application in (both.sqlite, both.postgresql):
            random = Random(seed)
            side = Judged(application, seed)
            side.clock.advance(weeks=WEEKS_APART if application is both.sqlite else 0)
            await application.worker.renew_leases()
            weeks = [Week.of(side.clock(), ZONE).later(number) for number in range(4)]
            rows = [row_of(party.id, party.role, week) for party in PARTIES for week in weeks]
            await application.database.write(partial(score_cards.plan, rows=rows))
            await side.place_promised(orders_of(random))
            for step in history_of(random):
                if random.random() < 0.5:
                    await application.worker.score_cards.count()
                if isinstance(step, int):
                    side.clock.advance(hours=step)
                    await side.fire_deadlines()
                else:
                    await side.say(step)
                await compare(application, weeks)
            cards = [card for party in PARTIES for card in await counted(application, party, weeks)]
            await side.judge_some(cards, [random.randrange(30) for _ in range(3)])
            await compare(application, weeks)
            while await application.worker.score_cards.count():
                pass
            assert await compare(application, weeks) == len(rows), "all are kept once nothing changes"


async def counted(application: Any, party: scores.Party, weeks: list[Week]) -> Any:
    return await application.database.read(partial(scores.cards, party=party, weeks=weeks, zone=ZONE))


async def compare(application: Any, weeks: list[Week]) -> int:
    """Hold what is kept against a recount in the same snapshot. Returns how many are kept."""

    def both_ways(connection: Connection) -> int:
        kept = 0
        for party in PARTIES:
            recounted = [card.figures for card in scores.cards(connection, party, weeks, ZONE)]
            names = [str(week) for week in weeks]
            found = score_cards.kept(connection, party.id, party.role.value, str(ZONE), RULES, names)
            kept += len(found)
            for card in recounted:
                if str(card.week) in found:
                    assert scores.figures_of(card.week, found[str(card.week)]) == card
            assert scores.figures(connection, party, weeks, ZONE) == recounted
        return kept

    kept: int = await application.database.read(both_ways)
    return kept


# What makes them stale


async def test_every_change_of_a_card_makes_it_stale_and_nothing_else_does(world: World, keeper: ScoreCards) -> None:
    week = this_week(world)
    mine = {(world.retailer, "retailer", week), (world.supplier, "fulfiller", week)}
    everything = await kept_of(world)
    assert mine <= everything.keys()
    assert len(everything) == scorecards.WEEKS_MAX * (2 * 2 + 2), "a year of two retailers in two parts, two suppliers"
    order = await world.order(2)
    # A retailer's two cards of a week are made stale together: what they are of is not looked at.
    both_of_retailer = {(world.retailer, "fulfiller", week)}
    assert everything.keys() - (await kept_of(world)).keys() == mine | both_of_retailer
    while await keeper.count():
        pass
    assert (await kept_of(world))[world.retailer, "retailer", week]["ordered"] == 1
    assert (await kept_of(world))[world.supplier, "fulfiller", week]["ordered"] == 1
    command = CancelOwn(line=order.lines[0].id, actor=world.actor(world.supplier), reason=CancelReason.OTHER, units=1)
    assert isinstance(await world.submit(command), Done)
    assert not mine & (await kept_of(world)).keys()
    while await keeper.count():
        pass
    assert (await kept_of(world))[world.supplier, "fulfiller", week]["numerator"] == 1


async def test_what_was_ordered_long_ago_makes_its_own_week_stale(world: World, keeper: ScoreCards) -> None:
    order = await world.order()
    week = this_week(world)
    world.clock.advance(weeks=5)
    while await keeper.count():
        pass
    before = await kept_of(world)
    assert isinstance(
        await world.submit(AskCancellation(line=order.lines[0].id, actor=world.actor(world.retailer))), Done
    )
    gone = before.keys() - (await kept_of(world)).keys()
    assert {name for _, _, name in gone} == {week}


def test_each_event_that_the_score_looks_at_changes_cards() -> None:
    kinds = {kind.value for kind in CHANGES_CARDS}
    assert set(scores.KINDS) <= kinds
    assert kinds - set(scores.KINDS) == {"line.placed", "line.reassigned"}


# Races


async def test_a_card_that_changes_while_it_is_counted_is_not_kept(world: World, keeper: ScoreCards) -> None:
    await world.order()
    owned = range(32)
    database, week = world.application.database, this_week(world)
    await database.write(partial(score_cards.arm, partitions=owned, limit=100))
    counted = await database.read(keeper.counted)
    assert {key[4] for key, _, _ in counted} == {week}
    # Now it changes, is armed again by somebody else, and only then the first one comes to keep what it counted.
    await world.order()
    assert await database.write(partial(score_cards.keep, counted=counted)) == 0
    await database.write(partial(score_cards.arm, partitions=owned, limit=100))
    assert await database.write(partial(score_cards.keep, counted=counted)) == 0
    while await keeper.count():
        pass
    assert (await kept_of(world))[world.retailer, "retailer", week]["ordered"] == 2


async def test_nothing_is_counted_while_a_transaction_may_not_have_seen_that_it_is_armed(
    world: World, keeper: ScoreCards
) -> None:
    """It began before, so it took the card for stale and left it; what it changes is not there yet."""
    database = world.application.database
    if database.engine.name == "sqlite":
        # There one transaction writes at a time, and none is under way beside the worker's.
        assert await database.read(score_cards.barrier) == score_cards.Barrier(0, 0)
        return
    await database.write(lambda connection: score_cards.make_stale(connection, [(world.retailer, START)]))
    under_way, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(connection: Connection) -> None:
        # It has its number, and looks at the card while that is stale.
        connection.execute(update(t.parties).where(t.parties.c.id == world.retailer).values(name="Slow"))
        score_cards.make_stale(connection, [(world.retailer, START)])
        under_way.set()
        await_only(go_on.wait())

    writing = loop.create_task(database.write(slow))
    await under_way.wait()
    for _ in range(3):
        await keeper.count()
    week = this_week(world)
    assert (world.retailer, "retailer", week) not in await kept_of(world)
    go_on.set()
    await writing
    while await keeper.count():
        pass
    assert (world.retailer, "retailer", week) in await kept_of(world)


# Looking


async def test_a_look_at_kept_weeks_reads_no_events(world: World, keeper: ScoreCards) -> None:
    for _ in range(3):
        await world.order(2)
    while await keeper.count():
        pass
    wanted = scorecards.Wanted(weeks=scorecards.WEEKS_MAX)
    question = partial(scorecards.scorecards_for, name=str(world.retailer), wanted=wanted, zone=ZONE, now=world.clock())

    def asked(connection: Connection) -> list[str]:
        return [each.statement for each in statements_of(connection, lambda it: question(it))]

    statements = await world.application.database.read(asked)
    assert len(statements) == 2
    assert not [each for each in statements if "events" in each or "lines" in each]
    shown = await world.application.database.read(lambda connection: question(connection))
    assert [card.ordered for card in shown.cards] == [0] * 51 + [3]


async def test_figures_by_other_clocks_or_rules_are_not_kept(world: World, keeper: ScoreCards) -> None:
    def spoil(connection: Connection) -> None:
        rows = [row_of(world.retailer, Role.RETAILER, Week(2026, 40))]
        old = [row_of(world.retailer, Role.RETAILER, Week(2024, 40))]
        score_cards.plan(connection, [each | {"rules": 0, "state": "counted"} for each in rows])
        score_cards.plan(connection, [each | {"zone": "UTC", "state": "counted"} for each in rows])
        score_cards.plan(connection, old)

    before = await kept_of(world)
    await world.application.database.write(spoil)
    world.clock.advance(weeks=1)
    while await keeper.count():
        pass
    after = await kept_of(world)
    assert len(after) == len(before) + 6, "a week more of each: the last one that was kept is still within a year"
    assert not [key for key in after if key[2] == "2024-W40"]

    def others(connection: Connection) -> int:
        other = (t.score_cards.c.rules != RULES) | (t.score_cards.c.zone != str(ZONE))
        return len(connection.execute(select(t.score_cards.c.week).where(other)).all())

    assert await world.application.database.read(others) == 0


async def test_a_week_later_all_parties_are_planned_again(world: World, keeper: ScoreCards) -> None:
    assert await keeper.count() == 0
    world.clock.now += timedelta(weeks=1)
    assert await keeper.count() > 0
    while await keeper.count():
        pass
    assert (world.retailer, "retailer", this_week(world)) in await kept_of(world)
