"""EC-42: a line is given to another supplier, on both engines: units and asks move, and everybody is told."""

import asyncio
from collections import defaultdict
from dataclasses import replace
from datetime import UTC
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from countermand.domain.commands import Reassign
from countermand.domain.events import MONEY
from countermand.domain.parties import Actor, PartyKind
from countermand.domain.refusals import RefusalKind
from countermand.domain.scoring import Role, Week
from countermand.reads import cancellations as cancellation_reads
from countermand.reads import events as event_reads
from countermand.reads import lines as line_reads
from countermand.reads import orders as order_reads
from countermand.reads import scores
from countermand.reads.cancellations import CancellationFilter
from countermand.reads.events import EventFilter, Place, list_events
from countermand.reads.scope import Scope
from countermand.service.calls import Done, Refused
from countermand.store import migrations
from countermand.store import tables as t
from tests.store.holding import assert_sound, rows
from tests.store.speaking import Sale, new_sale
from tests.support.world import World

pytestmark = pytest.mark.anyio


def give(sale: Sale, to: UUID, **more: object) -> Reassign:
    command = Reassign(line=sale.line, actor=sale.retailer, fulfiller=to, note="fire")
    return replace(command, **more)  # type: ignore[arg-type]


def other(world: World) -> Actor:
    return world.actor(world.other_supplier)


async def test_units_and_asks_move_and_the_former_supplier_is_told(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.ship(1))
    await sale.done(sale.ask(2))
    await sale.done(give(sale, world.other_supplier))
    assert await sale.buckets() == (2, 2, 0, 1)
    line = await world.line(sale.line)
    assert (line.fulfiller_id, line.allocated) == (world.other_supplier, False)
    [asked] = await sale.cancellations()
    assert (asked["awaiting"], asked["step"], asked["fulfiller_id"]) == (world.other_supplier, 2, world.other_supplier)
    kinds = [event["kind"] for event in sorted(await sale.events(), key=lambda event: event["seq"])]
    assert kinds == ["line.placed", "line.shipped", "cancellation.asked", "line.reassigned", "cancellation.passed_on"]
    for command in (sale.accept(named=True), sale.accept(), sale.decline(named=True), sale.ship(), sale.allocate(1)):
        refused = await sale.refused(command)
        assert refused.refusal.kind is RefusalKind.REASSIGNED
        assert "given to other_supplier at" in refused.refusal.detail
    await sale.done(replace(sale.accept(named=True), actor=other(world)))
    await sale.done(replace(sale.ship(), actor=other(world)))
    assert await sale.buckets() == (0, 0, 2, 3)
    await assert_sound(world.application.database)


async def test_to_the_same_again_nothing_moves_and_it_can_come_back(world: World) -> None:
    sale = await new_sale(world)
    for _ in range(2):
        await sale.done(give(sale, world.other_supplier))
    await sale.done(give(sale, world.supplier))
    assert len(await rows(world.application.database, t.reassignments)) == 2
    await sale.done(sale.ship())
    assert (await sale.refused(replace(sale.ship(), actor=other(world)))).refusal.kind is RefusalKind.REASSIGNED
    assert (await sale.refused(give(sale, world.other_supplier))).refusal.kind is RefusalKind.ALREADY_SHIPPED


async def test_strangers_give_nothing_and_hear_nothing(world: World) -> None:
    sale = await new_sale(world)
    for actor in (other(world), world.actor(world.supplier), world.actor(world.other_retailer)):
        refused = await sale.refused(give(sale, world.other_supplier, actor=actor))
        assert refused.refusal.kind is RefusalKind.UNKNOWN_LINE
    changed = await sale.refused(give(sale, world.other_supplier, seen=7))
    assert changed.refusal.kind is RefusalKind.ETAG_MISMATCH


async def test_the_former_supplier_still_reads_its_asks_and_what_happened_until_it_left(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.ask(2))
    asked = sale.asked
    world.clock.advance(minutes=1)
    await sale.done(give(sale, world.other_supplier))
    world.clock.advance(minutes=1)
    await sale.done(replace(sale.ask(1), key="later"))
    read = world.application.database.read
    former = Scope(party=world.supplier, kind=PartyKind.SUPPLIER)
    assert await read(lambda c: cancellation_reads.cancellation_by_id(c, former, asked)) is not None
    assert await read(lambda c: cancellation_reads.cancellation_by_id(c, former, sale.asked)) is None
    assert await read(lambda c: line_reads.line_view(c, former, sale.line)) is None
    assert await read(lambda c: order_reads.order_by_id(c, former, sale.order)) is None
    seen = await read(lambda c: event_reads.timeline(c, former, sale.line))
    assert [event.kind for event in seen] == ["line.placed", "cancellation.asked", "line.reassigned"]
    new = Scope(party=world.other_supplier, kind=PartyKind.SUPPLIER)
    assert await read(lambda c: order_reads.order_by_id(c, new, sale.order)) is not None
    wanted = CancellationFilter()
    assert len(await read(lambda c: cancellation_reads.list_cancellations(c, new, wanted))) == 2


async def test_each_party_is_told_of_the_events_of_what_it_holds_or_held(world: World) -> None:
    """Whoever gets a line, gives it away and gets it back: the feed has what the rule of each event says."""
    parties = (world.supplier, world.other_supplier, world.other_retailer, world.retailer)
    ways = [(1, 0), (1, 0, 1), (2, 1, 2), (3, 1, 3, 0), (), (1, 2, 0, 2)]
    for way in ways:
        sale = await new_sale(world, 20)
        for place, to in enumerate(way):
            await sale.done(replace(sale.ask(1), key=f"before {place}"))
            await sale.done(give(sale, parties[to]))
            await sale.done(replace(sale.ask(1), key=f"after {place}"))
    await world.order(1)
    for limit in (3, 200):
        for party in parties:
            assert await _told(world, party, limit) == await _seen(world, party)
    await assert_sound(world.application.database)


async def _told(world: World, party: UUID, limit: int) -> list[UUID]:
    """By the feed, page by page."""
    scope = Scope(party=party, kind=world.actor(party).kind)
    found: list[UUID] = []
    behind: Place | None = None
    while True:
        wanted = EventFilter(behind=behind, limit=limit)
        rows, behind = await world.application.database.read(partial(list_events, scope=scope, wanted=wanted))
        found += [row.id for row in rows]
        if len(rows) < limit:
            return found


async def _seen(world: World, party: UUID) -> list[UUID]:
    """By the rule, event by event."""
    held = {name: await rows(world.application.database, t.metadata.tables[name]) for name in SEEN_BY}
    lines = {row["id"]: row for row in held["lines"]}
    until: dict[UUID, int] = defaultdict(int)
    for move in held["reassignments"]:
        if move["former_id"] == party:
            until[move["line_id"]] = max(until[move["line_id"]], move["seq"])

    def is_told(event: dict[str, Any]) -> bool:
        line = lines[event["line_id"]]
        if line["retailer_id"] == party:
            return True
        mine = line["fulfiller_id"] == party or event["seq"] <= until[line["id"]]
        return line["with_fulfiller"] and event["kind"] not in MONEY and mine

    reported = sorted(filter(is_told, held["events"]), key=lambda each: (each["position"], each["id"]))
    return [each["id"] for each in reported]


SEEN_BY = ("events", "lines", "reassignments")


async def test_accept_ship_and_reassign_at_once(world: World) -> None:
    for _ in range(12):
        sale = await new_sale(world, 2)
        await sale.done(sale.ask(1))
        words = (sale.accept(named=True), sale.ship(1), give(sale, world.other_supplier))
        outcomes = await asyncio.gather(*(sale.say(each) for each in words))
        kinds = {outcome.refusal.kind for outcome in outcomes if isinstance(outcome, Refused)}
        assert kinds <= {RefusalKind.REASSIGNED, RefusalKind.ALREADY_SHIPPED, RefusalKind.ALREADY_CANCELLED}
        assert isinstance(outcomes[2], Done) or kinds
    await assert_sound(world.application.database)


async def test_each_supplier_has_the_line_in_its_own_score(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.cancel_own(1))
    await sale.done(give(sale, world.other_supplier))
    await sale.done(replace(sale.cancel_own(2), actor=other(world)))
    week = Week.of(world.clock(), UTC)
    for party, units in ((world.supplier, 1), (world.other_supplier, 2)):
        who = scores.Party(id=party, role=Role.FULFILLER)
        [card] = await world.application.database.read(partial(scores.cards, party=who, weeks=[week], zone=UTC))
        assert (card.ordered, [each.units for each in card.counted]) == (1, [units])


MADE: tuple[str, ...] = (
    "DROP INDEX ix_events_id",
    "DROP INDEX ix_events_held",
    "DROP INDEX ix_lines_shipped",
    "DROP INDEX ix_lines_shipped_anywhere",
    "DROP INDEX ix_lines_shipped_held",
    "ALTER TABLE events DROP COLUMN fulfiller_id",
    "DROP TABLE handover_events",
    "CREATE INDEX ix_events_retailer_id_id ON events (retailer_id, id)",
)


def _upgrade(connection: Connection) -> None:
    """The migration alone, on a database without what it makes."""
    for statement in MADE:
        connection.execute(text(statement))
    [path] = Path(migrations.__file__).parent.glob("versions/*_feeds_of_holders.py")
    spec = spec_from_file_location("holders_migration", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    with Operations.context(MigrationContext.configure(connection)):
        module.upgrade()


async def test_the_migration_finds_who_held_the_goods_at_each_event(world: World) -> None:
    sale = await new_sale(world, 20)
    for to in (world.other_supplier, world.supplier, world.retailer, world.other_supplier):
        await sale.done(give(sale, to))
    database = world.application.database
    before = await rows(database, t.events), await rows(database, t.handover_events)
    await database.write(_upgrade)
    after = await rows(database, t.events), await rows(database, t.handover_events)
    for was, now in zip(before, after, strict=True):
        assert sorted(map(str, was)) == sorted(map(str, now))
    assert len(after[1]) > 4
