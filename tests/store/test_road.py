"""Every command through the whole write road, on both engines: what is stored when it was heeded."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, update
from sqlalchemy.exc import NoResultFound

from countermand.admin.callers import PLATFORM
from countermand.domain.commands import Command
from countermand.domain.orders import PlaceOrder
from countermand.domain.parties import Actor, PartyKind
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.domain.refusals import Refusal, RefusalKind
from countermand.service import batch
from countermand.service.calls import Call, Done, Failed, Refused
from countermand.service.numbers import Numbers
from countermand.service.workspace import Workspace
from countermand.store import statements
from countermand.store import tables as t
from countermand.store.changes import LostRaceError, change_rows
from countermand.store.engines.protocol import RowUpdate, engine_of
from tests.store.holding import agree, everything, rows
from tests.store.speaking import WISH, Sale, new_sale, once
from tests.support.world import START, World

pytestmark = pytest.mark.anyio

Line = Callable[[Sale], Command | timedelta]
"""What is said next, or how much time passes."""


@dataclass(frozen=True, kw_only=True)
class Story:
    """What was said of a line of five units, and what is stored of it in the end.

    ``cancellations`` are (asker, units, state, accepted units); ``events`` are (kind, units, who).
    """

    sale: tuple[Line, ...]
    buckets: tuple[int, int, int, int]
    cancellations: tuple[tuple[str, int, str, int], ...] = ()
    events: tuple[tuple[str, int, str], ...] = ()
    terms: dict[str, Any] = field(default_factory=dict)
    own: bool = False
    held: bool = False


STORIES = {
    "a retailer's ask waits for the supplier": Story(
        sale=(lambda t: t.ask(2),),
        buckets=(3, 2, 0, 0),
        cancellations=(("retailer", 2, "asked", 0),),
        events=(("asked", 2, "retailer"),),
    ),
    "the same ask again is the same ask": Story(
        sale=(lambda t: t.ask(2), lambda t: t.ask(2)),
        buckets=(3, 2, 0, 0),
        cancellations=(("retailer", 2, "asked", 0),),
        events=(("asked", 2, "retailer"),),
    ),
    "an ask with another key is another ask": Story(
        sale=(lambda t: t.ask(2, key="a"), lambda t: t.ask(2, key="b")),
        buckets=(1, 4, 0, 0),
        cancellations=(("retailer", 2, "asked", 0), ("retailer", 2, "asked", 0)),
        events=(("asked", 2, "retailer"), ("asked", 2, "retailer")),
    ),
    "an ask inside the free window answers itself": Story(
        terms={"free_window_s": 60},
        sale=(lambda t: t.ask(2),),
        buckets=(3, 0, 2, 0),
        cancellations=(("retailer", 2, "accepted", 2),),
        events=(("asked", 2, "retailer"), ("accepted", 2, "policy")),
    ),
    "an ask where the retailer holds the goods answers itself": Story(
        own=True,
        sale=(lambda t: t.ask(2),),
        buckets=(3, 0, 2, 0),
        cancellations=(("nobody", 2, "accepted", 2),),
        events=(("accepted", 2, "retailer"),),
    ),
    "an ask before the supplier was told answers itself": Story(
        held=True,
        sale=(lambda t: t.ask(),),
        buckets=(0, 0, 5, 0),
        cancellations=(("nobody", 5, "accepted", 5),),
        events=(("accepted", 5, "retailer"),),
    ),
    "accepted in whole": Story(
        sale=(lambda t: t.ask(2), lambda t: t.accept()),
        buckets=(3, 0, 2, 0),
        cancellations=(("retailer", 2, "accepted", 2),),
        events=(("asked", 2, "retailer"), ("accepted", 2, "supplier")),
    ),
    "accepted in part, the rest is on order again": Story(
        sale=(lambda t: t.ask(4), lambda t: t.accept(1)),
        buckets=(4, 0, 1, 0),
        cancellations=(("retailer", 4, "accepted", 1),),
        events=(("asked", 4, "retailer"), ("accepted", 1, "supplier")),
    ),
    "accepted twice is accepted once": Story(
        sale=(lambda t: t.ask(2), lambda t: t.accept(named=True), lambda t: t.accept(named=True)),
        buckets=(3, 0, 2, 0),
        cancellations=(("retailer", 2, "accepted", 2),),
        events=(("asked", 2, "retailer"), ("accepted", 2, "supplier")),
    ),
    "declined": Story(
        sale=(lambda t: t.ask(2), lambda t: t.decline()),
        buckets=(5, 0, 0, 0),
        cancellations=(("retailer", 2, "declined", 0),),
        events=(("asked", 2, "retailer"), ("declined", 2, "supplier")),
    ),
    "asked again after a decline is a new ask": Story(
        sale=(lambda t: t.ask(2), lambda t: t.decline(), lambda t: timedelta(minutes=1), lambda t: t.ask(2)),
        buckets=(3, 2, 0, 0),
        cancellations=(("retailer", 2, "declined", 0), ("retailer", 2, "asked", 0)),
        events=(("asked", 2, "retailer"), ("declined", 2, "supplier"), ("asked", 2, "retailer")),
    ),
    "withdrawn": Story(
        sale=(lambda t: t.ask(2), lambda t: t.withdraw()),
        buckets=(5, 0, 0, 0),
        cancellations=(("retailer", 2, "withdrawn", 0),),
        events=(("asked", 2, "retailer"), ("withdrawn", 2, "retailer")),
    ),
    "a deadline that has not passed changes nothing": Story(
        sale=(lambda t: t.ask(2), lambda t: timedelta(hours=47), lambda t: t.pass_deadline()),
        buckets=(3, 2, 0, 0),
        cancellations=(("retailer", 2, "asked", 0),),
        events=(("asked", 2, "retailer"),),
    ),
    "silence lapses": Story(
        sale=(lambda t: t.ask(2), lambda t: timedelta(hours=48), lambda t: t.pass_deadline()),
        buckets=(5, 0, 0, 0),
        cancellations=(("retailer", 2, "lapsed", 0),),
        events=(("asked", 2, "retailer"), ("lapsed", 2, "policy")),
    ),
    "silence accepts where that was agreed": Story(
        terms={"silence": "accept", "answer_within_s": 60},
        sale=(lambda t: t.ask(2), lambda t: timedelta(minutes=1), lambda t: t.pass_deadline()),
        buckets=(3, 0, 2, 0),
        cancellations=(("retailer", 2, "accepted", 2),),
        events=(("asked", 2, "retailer"), ("accepted", 2, "policy")),
    ),
    "silence calls an operator where that was agreed, once": Story(
        terms={"silence": "escalate", "answer_within_s": 60},
        sale=(
            lambda t: t.ask(2),
            lambda t: timedelta(minutes=1),
            lambda t: t.pass_deadline(),
            lambda t: t.pass_deadline(),
        ),
        buckets=(3, 2, 0, 0),
        cancellations=(("retailer", 2, "asked", 0),),
        events=(("asked", 2, "retailer"), ("escalated", 2, "policy")),
    ),
    "a customer's ask is passed on and accepted": Story(
        sale=(lambda t: t.customer_asks(2), lambda t: t.passes_on(), lambda t: t.accept()),
        buckets=(3, 0, 2, 0),
        cancellations=(("customer", 2, "accepted", 2),),
        events=(("asked", 2, "platform"), ("passed_on", 2, "retailer"), ("accepted", 2, "supplier")),
    ),
    "the fulfiller cancels on its own account": Story(
        sale=(lambda t: t.cancel_own(2),),
        buckets=(3, 0, 2, 0),
        cancellations=(("nobody", 2, "accepted", 2),),
        events=(("accepted", 2, "supplier"),),
    ),
    "the fulfiller cancels all, with what was asked": Story(
        sale=(lambda t: t.ask(2), lambda t: t.cancel_own()),
        buckets=(0, 0, 5, 0),
        cancellations=(("nobody", 3, "accepted", 3), ("retailer", 2, "accepted", 2)),
        events=(("asked", 2, "retailer"), ("accepted", 2, "supplier"), ("accepted", 3, "supplier")),
    ),
    "a retailer confirms its customer's wish": Story(
        own=True,
        sale=(lambda t: t.customer_asks(2), lambda t: t.retailer_cancel()),
        buckets=(3, 0, 2, 0),
        cancellations=(("customer", 2, "accepted", 2),),
        events=(("asked", 2, "platform"), ("accepted", 2, "retailer")),
    ),
    "a retailer cancels what it cannot fulfil": Story(
        own=True,
        sale=(lambda t: t.retailer_cancel(CancelReason.OUT_OF_STOCK),),
        buckets=(0, 0, 5, 0),
        cancellations=(("nobody", 5, "accepted", 5),),
        events=(("accepted", 5, "retailer"),),
    ),
    "a retailer's cancel becomes an ask where a supplier holds the goods": Story(
        sale=(lambda t: t.retailer_cancel(CancelReason.OUT_OF_STOCK),),
        buckets=(0, 5, 0, 0),
        cancellations=(("retailer", 5, "asked", 0),),
        events=(("asked", 5, "retailer"),),
    ),
    "shipped": Story(sale=(lambda t: t.ship(2),), buckets=(3, 0, 0, 2), events=(("line.shipped", 2, "supplier"),)),
    "shipped beside an ask": Story(
        sale=(lambda t: t.ask(2), lambda t: t.ship()),
        buckets=(0, 2, 0, 3),
        cancellations=(("retailer", 2, "asked", 0),),
        events=(("asked", 2, "retailer"), ("line.shipped", 3, "supplier")),
    ),
    "shipped over an ask, which declines it": Story(
        sale=(lambda t: t.ask(2), lambda t: t.ship(override=True)),
        buckets=(0, 0, 0, 5),
        cancellations=(("retailer", 2, "declined", 0),),
        events=(("asked", 2, "retailer"), ("declined", 2, "supplier"), ("line.shipped", 5, "supplier")),
    ),
    "allocated, the rejected units are cancelled": Story(
        sale=(lambda t: t.allocate(3, 1, 1),),
        buckets=(4, 0, 1, 0),
        cancellations=(("nobody", 1, "accepted", 1),),
        events=(("line.allocated", 3, "supplier"), ("accepted", 1, "supplier")),
    ),
    "allocated twice alike is allocated once": Story(
        sale=(lambda t: t.allocate(4, 1), lambda t: t.allocate(4, 1)),
        buckets=(5, 0, 0, 0),
        events=(("line.allocated", 4, "supplier"),),
    ),
    "rejected in whole answers the ask": Story(
        sale=(lambda t: t.ask(2), lambda t: t.allocate(rejected=5)),
        buckets=(0, 0, 5, 0),
        cancellations=(("nobody", 3, "accepted", 3), ("retailer", 2, "accepted", 2)),
        events=(
            ("asked", 2, "retailer"),
            ("line.allocated", 0, "supplier"),
            ("accepted", 2, "supplier"),
            ("accepted", 3, "supplier"),
        ),
    ),
    "a whole order is asked for": Story(
        sale=(lambda t: t.cancel_order(),),
        buckets=(0, 5, 0, 0),
        cancellations=(("retailer", 5, "asked", 0),),
        events=(("asked", 5, "retailer"),),
    ),
    "a whole order is accepted": Story(
        sale=(lambda t: t.cancel_order(), lambda t: t.answer_order()),
        buckets=(0, 0, 5, 0),
        cancellations=(("retailer", 5, "accepted", 5),),
        events=(("asked", 5, "retailer"), ("accepted", 5, "supplier")),
    ),
    "a whole order is declined": Story(
        sale=(lambda t: t.cancel_order(), lambda t: t.answer_order(DeclineReason.MADE_TO_ORDER)),
        buckets=(5, 0, 0, 0),
        cancellations=(("retailer", 5, "declined", 0),),
        events=(("asked", 5, "retailer"), ("declined", 5, "supplier")),
    ),
    "a whole order is allocated": Story(
        sale=(lambda t: t.allocate_order(t.allocate(4, rejected=1)),),
        buckets=(4, 0, 1, 0),
        cancellations=(("nobody", 1, "accepted", 1),),
        events=(("line.allocated", 4, "supplier"), ("accepted", 1, "supplier")),
    ),
    "some lines are asked for at once": Story(
        sale=(lambda t: t.ask_lines(t.ask(1, key="a"), t.ask(2, key="b")),),
        buckets=(2, 3, 0, 0),
        cancellations=(("retailer", 1, "asked", 0), ("retailer", 2, "asked", 0)),
        events=(("asked", 1, "retailer"), ("asked", 2, "retailer")),
    ),
    "a parcel travels otherwise": Story(
        sale=(lambda t: t.ship_order(t.ship(2)), lambda t: t.change_parcel("DHL", "JD01")),
        buckets=(3, 0, 0, 2),
        events=(("line.shipped", 2, "supplier"), ("line.transport_changed", 2, "supplier")),
    ),
    "a parcel is sent": Story(
        sale=(lambda t: t.ship_order(t.ship(2)),), buckets=(3, 0, 0, 2), events=(("line.shipped", 2, "supplier"),)
    ),
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
async def test_what_is_stored_of(world: World, story: Story) -> None:
    if story.terms:
        await agree(world, world.supplier, 1, **story.terms)
    sale = await new_sale(world, held=story.held, fulfillers=(world.retailer if story.own else world.supplier,))
    for next_line in story.sale:
        word = next_line(sale)
        if isinstance(word, timedelta):
            world.clock.now += word
        else:
            await sale.done(word)

    assert await sale.buckets() == story.buckets
    stored = await sale.cancellations()
    found = [(each["asker"], each["units"], each["state"], each["accepted_units"]) for each in stored]
    assert sorted(found) == sorted(story.cancellations)
    names = {world.retailer: "retailer", world.supplier: "supplier", PLATFORM: "platform", None: "policy"}
    placed, *events = [
        (each["kind"].removeprefix("cancellation."), each["facts"]["units"], names[each["actor_id"]])
        for each in await sale.events()
    ]
    assert placed == ("line.placed", 5, "retailer")
    assert tuple(events) == story.events


REFUSALS: dict[str, tuple[tuple[Line, ...], Line, RefusalKind]] = {
    "an ask for more than is open": ((), lambda t: t.ask(6), RefusalKind.TOO_MANY_UNITS),
    "an ask for none": ((), lambda t: t.ask(0), RefusalKind.UNITS_INVALID),
    "an ask for what shipped": ((lambda t: t.ship(),), lambda t: t.ask(), RefusalKind.ALREADY_SHIPPED),
    "an ask for what is cancelled": ((lambda t: t.cancel_own(),), lambda t: t.ask(), RefusalKind.ALREADY_CANCELLED),
    "an answer to nothing": ((), lambda t: t.accept(), RefusalKind.NOTHING_ASKED),
    "a decline without a reason": (
        (lambda t: t.ask(),),
        lambda t: replace(t.decline(), reason=None),
        RefusalKind.REASON_REQUIRED,
    ),
    "a second answer": (
        (lambda t: t.ask(), lambda t: t.accept(named=True)),
        lambda t: t.decline(named=True),
        RefusalKind.ALREADY_ANSWERED,
    ),
    "a shipment of what is asked": ((lambda t: t.ask(),), lambda t: t.ship(), RefusalKind.UNITS_ASKED),
    "an unknown line": ((), lambda t: replace(t.ask(), line=t.order), RefusalKind.UNKNOWN_LINE),
    "an unknown order": ((), lambda t: replace(t.cancel_order(), order=t.line), RefusalKind.UNKNOWN_ORDER),
    "an unknown cancellation": ((), lambda t: t.pass_deadline(), RefusalKind.UNKNOWN_CANCELLATION),
    "an order of which nothing is left": (
        (lambda t: t.cancel_own(),),
        lambda t: t.cancel_order(),
        RefusalKind.ALREADY_CANCELLED,
    ),
    "a parcel with too many units": ((), lambda t: t.ship_order(t.ship(6)), RefusalKind.TOO_MANY_UNITS),
    "a parcel with nothing in it": ((), lambda t: t.ship_order(), RefusalKind.UNKNOWN_ORDER),
}


@pytest.mark.parametrize(("before", "command", "kind"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_a_refused_command_stores_nothing(
    world: World, before: tuple[Line, ...], command: Line, kind: RefusalKind
) -> None:
    sale = await new_sale(world)
    for next_line in before:
        word = next_line(sale)
        assert not isinstance(word, timedelta)
        await sale.done(word)
    held = await everything(world.application.database)
    word = command(sale)
    assert not isinstance(word, timedelta)
    assert (await sale.refused(word)).refusal.kind is kind
    assert await everything(world.application.database) == held


async def test_a_stranger_finds_no_line_and_no_order_also_beside_calls_of_their_owner(world: World) -> None:
    sale = await new_sale(world)
    stranger = world.actor(world.other_retailer)
    submit = world.application.lanes.submit
    mine, line, order, unit = await asyncio.gather(
        sale.say(sale.ask(1)),
        submit(Call(command=replace(sale.ask(), actor=stranger), door="test", retailer=stranger.party)),
        submit(Call(command=replace(sale.cancel_order(), actor=stranger), door="test", retailer=stranger.party)),
        submit(Call(command=replace(sale.ship(), actor=world.actor(world.other_supplier)), door="test")),
    )
    assert isinstance(mine, Done)
    refused = [each.refusal.kind for each in (line, order, unit) if isinstance(each, Refused)]
    assert refused == [RefusalKind.UNKNOWN_LINE, RefusalKind.UNKNOWN_ORDER, RefusalKind.UNKNOWN_LINE]
    assert await sale.buckets() == (4, 1, 0, 0)


async def test_an_order_is_stored_with_its_lines_numbers_and_directory_entries(world: World) -> None:
    placed = await world.order(2, 3, fulfillers=(world.supplier, world.retailer))
    database = world.application.database
    [order] = await rows(database, t.orders)
    lines = {row["id"]: row for row in await rows(database, t.lines)}
    assert (order["id"], order["reference"], order["placed_at"]) == (placed.id, placed.reference, START)
    assert [lines[line.id]["position"] for line in placed.lines] == [1, 2]
    assert [lines[line.id]["ordered"] for line in placed.lines] == [2, 3]
    assert [lines[line.id]["open"] for line in placed.lines] == [2, 3]
    [connection] = await rows(database, t.connections)
    assert (connection["retailer_id"], connection["supplier_id"]) == (world.retailer, world.supplier)
    for line in placed.lines:
        [event] = await rows(database, t.events, t.events.c.line_id == line.id)
        assert (event["kind"], event["seq"], event["actor"], event["door"]) == ("line.placed", 1, "test", "test")


async def test_an_event_says_who_when_through_which_door_and_what_became_of_the_line(world: World) -> None:
    sale = await new_sale(world)
    noah = Actor(party=world.retailer, kind=PartyKind.RETAILER, name="Noah of the shop")
    ask = replace(sale.ask(2), actor=noah, note="wrong size", reason=CancelReason.ORDERED_TWICE)
    await sale.done(ask, door="crux")
    world.clock.advance(minutes=5)
    await sale.done(sale.decline(), door="native")

    [asked, declined] = (await sale.events())[1:]
    assert (asked["actor"], asked["actor_id"], asked["door"]) == ("Noah of the shop", world.retailer, "crux")
    assert asked["at"] == START
    assert asked["facts"] == {
        "units": 2,
        "open": 3,
        "asked": 2,
        "cancelled": 0,
        "shipped": 0,
        "reason": "ordered_twice",
        "note": "wrong size",
        "asker": "retailer",
        "state": "asked",
        "awaiting": str(world.supplier),
        "due_at": (START + timedelta(hours=48)).isoformat(),
        "policy_version": 0,
        "step": 1,
        "waiting": 2,
    }
    assert (declined["actor_id"], declined["door"]) == (world.supplier, "native")
    assert declined["at"] == START + timedelta(minutes=5)
    assert declined["facts"] == {
        "units": 2,
        "open": 5,
        "asked": 0,
        "cancelled": 0,
        "shipped": 0,
        "reason": "in_packing",
        "note": "on the belt",
        "asker": "retailer",
        "state": "declined",
        "asked_for": "ordered_twice",
        "due_at": (START + timedelta(hours=48)).isoformat(),
        "step": 2,
    }
    assert asked["cancellation_id"] == declined["cancellation_id"] == sale.asked
    assert asked["order_id"] == sale.order

    [cancellation] = await sale.cancellations()
    assert (cancellation["door"], cancellation["note"], cancellation["reason"]) == (
        "crux",
        "wrong size",
        "ordered_twice",
    )
    assert (cancellation["asked_by"], cancellation["asked_at"]) == (world.retailer, START)
    assert (cancellation["answered_by"], cancellation["answered_at"]) == (world.supplier, declined["at"])
    assert (cancellation["decline_reason"], cancellation["answer_note"]) == ("in_packing", "on the belt")
    assert (await world.line(sale.line)).changed_at == declined["at"]


async def test_what_a_rule_says_at_once_is_not_said_by_the_asker(world: World) -> None:
    await agree(world, world.supplier, 1, free_window_s=60)
    sale = await new_sale(world)
    await sale.done(sale.ask())
    asked, accepted = (await sale.events())[1:]
    assert (asked["actor_id"], asked["actor"]) == (world.retailer, "test")
    assert (accepted["actor_id"], accepted["actor"], accepted["door"]) == (None, "policy", "test")


async def test_the_statements_themselves_leave_what_is_final_alone(world: World) -> None:
    """The second wall behind the rules: where they were wrong, or another program writes, nothing is answered twice."""
    sale = await new_sale(world)
    asked = await sale.done(sale.ask(2), process=WISH)
    await sale.done(sale.decline())
    database = world.application.database
    [cancellation], [process] = await sale.cancellations(), await rows(database, t.process_statuses)
    answer = {f"new_{name}": cancellation[name] for name in statements.CHANGED_COLUMNS["cancellations"]}
    answer |= {"new_state": "accepted", "new_accepted_units": 2}
    settle = {"new_status": "SUCCESS", "new_error": None, "new_settled_at": START, "of_cancellation": sale.asked}

    mine = {"of_retailer": world.retailer}

    def answer_again(connection: Connection) -> None:
        engine_of(connection).write(connection, {"cancellations": [mine | answer | {"of_id": sale.asked}]}, {}, ())

    await database.write(
        lambda connection: connection.execute(update(t.process_statuses).values(cancellation_id=sale.asked))
    )
    with pytest.raises(LostRaceError, match="0 rows instead of 1 were changed by: cancellations"):
        await database.write(answer_again)
    settled = partial(settle_again, rows=[mine | settle])
    assert await database.write(settled) == 0
    assert await sale.cancellations() == [cancellation]
    assert await rows(database, t.process_statuses) == [process | {"cancellation_id": sale.asked}]
    assert asked.process == process["number"]


def settle_again(connection: Connection, rows: list[dict[str, Any]]) -> int:
    return engine_of(connection).update_rows(connection, statements.SETTLE_PROCESSES, rows)


@pytest.mark.parametrize("table", statements.UPDATES)
async def test_an_update_of_a_row_that_is_not_there_fails_loudly(world: World, table: str) -> None:
    """What was decided would be told, and not be stored."""
    sale = await new_sale(world)
    await sale.done(sale.ask(2))
    documents: dict[str, Any] = {"cancelled": {}, "given_back": {}} if table == "order_money" else {}
    row = {f"new_{name}": documents.get(name) for name in statements.CHANGED_COLUMNS[table]}
    absent = [row | {"of_retailer": world.retailer, "of_id": world.application.ids.new()} for _ in range(2)]

    def write(connection: Connection) -> None:
        engine_of(connection).write(connection, {table: absent}, {}, ())

    with pytest.raises(LostRaceError, match=f"0 rows instead of 2 were changed by: {table}"):
        await world.application.database.write(write)


@pytest.mark.parametrize("change", [statements.CHANGE_PARCEL, statements.CHANGE_TERMS], ids=lambda each: each.table)
async def test_a_correction_of_a_row_that_is_not_there_fails_loudly(world: World, change: RowUpdate) -> None:
    new = world.application.ids.new
    absent = [{name: new() if name.startswith("of_") else "x" for name in change.parameters}]
    with pytest.raises(LostRaceError):
        await world.application.database.write(lambda connection: change_rows(connection, change, absent))


async def test_a_block_of_numbers_that_is_spent_fails_loudly(world: World) -> None:
    numbers = Numbers()
    size = statements.NUMBER_END
    with pytest.raises(NoResultFound):
        await world.application.database.write(lambda connection: numbers.reserve(connection, size))


async def test_a_call_whose_row_has_gone_is_not_acknowledged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if another program had answered the ask between the lock and the update."""
    sale = await new_sale(world)
    await sale.done(sale.ask(2))

    save = batch._save

    def answered(connection: Connection, work: Workspace) -> None:
        connection.execute(update(t.cancellations).values(state="declined"))
        save(connection, work)

    monkeypatch.setattr(batch, "_save", answered)
    assert isinstance(await sale.say(sale.accept()), Failed)
    assert [each["state"] for each in await sale.cancellations()] == ["asked"]


async def test_what_a_rule_says_is_said_by_nobody(world: World) -> None:
    await agree(world, world.supplier, 1, answer_within_s=60)
    sale = await new_sale(world)
    await sale.done(sale.ask())
    world.clock.advance(minutes=1)
    await sale.done(sale.pass_deadline(), door="policy")
    lapsed = (await sale.events())[-1]
    assert (lapsed["actor_id"], lapsed["actor"], lapsed["door"]) == (None, "policy", "policy")
    [cancellation] = await sale.cancellations()
    assert (cancellation["answered_by"], cancellation["by_policy"], cancellation["door"]) == (None, True, "test")


async def test_an_allocation_is_kept_in_all(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.allocate(3, 1, 1))
    row = await world.line(sale.line)
    assert (row.allocated, row.accepted, row.backordered, row.rejected) == (True, 3, 1, 1)
    await sale.done(sale.ask(1))
    row = await world.line(sale.line)
    assert (row.allocated, row.accepted, row.backordered, row.rejected) == (True, 3, 1, 1)


async def test_a_parcel_is_stored_with_what_is_in_it(world: World) -> None:
    sale = await new_sale(world, 5, 2)
    parcel = world.application.ids.new()
    await sale.done(sale.ship_order(sale.ship(1), sale.ship(2), sale.ship(1, place=1), parcel=parcel))
    database = world.application.database
    [shipment] = await rows(database, t.shipments)
    assert (shipment["id"], shipment["order_id"], shipment["fulfiller_id"]) == (parcel, sale.order, world.supplier)
    assert (shipment["carrier"], shipment["tracking_number"]) == ("PostNL", "3S1")
    assert shipment["details"]["attributes"] == [["colour", "red"]]
    inside = {row["line_id"]: row["units"] for row in await rows(database, t.shipment_lines)}
    assert inside == {sale.lines[0]: 3, sale.lines[1]: 1}
    assert [await sale.buckets(place) for place in (0, 1)] == [(2, 0, 0, 3), (1, 0, 0, 1)]


async def test_a_parcel_is_corrected(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.ship_order(sale.ship(1)))
    [before] = await rows(world.application.database, t.shipments)
    await sale.done(sale.change_parcel("DHL", "JD01"))
    [after] = await rows(world.application.database, t.shipments)
    assert after == before | {"carrier": "DHL", "tracking_number": "JD01", "tracking_folded": "jd01"}
    assert "DHL JD01" in str((await sale.events())[-1]["facts"])


async def test_several_lines_are_asked_for_all_or_none(world: World) -> None:
    sale = await new_sale(world, 5, 2)
    refused = await sale.refused(sale.ask_lines(sale.ask(1), sale.ask(3, place=1)))
    assert refused.refusal.kind is RefusalKind.TOO_MANY_UNITS
    assert [await sale.buckets(place) for place in (0, 1)] == [(5, 0, 0, 0), (2, 0, 0, 0)]


async def test_a_parcel_is_sent_whole_or_not_at_all(world: World) -> None:
    sale = await new_sale(world, 5, 2)
    await sale.refused(sale.ship_order(sale.ship(1), sale.ship(3, place=1)))
    assert await rows(world.application.database, t.shipments) == []
    assert [await sale.buckets(place) for place in (0, 1)] == [(5, 0, 0, 0), (2, 0, 0, 0)]


# Several commands in one batch


async def together(sale: Sale, *commands: Command | PlaceOrder, retailer: bool = False) -> list[Any]:
    """Commands that are submitted before the lane runs, and so share its next transaction."""
    home = sale.world.retailer if retailer else None
    calls = [Call(command=command, door="test", retailer=home) for command in commands]
    return list(await asyncio.gather(*(sale.world.application.lanes.submit(call) for call in calls)))


async def test_two_commands_on_one_line_in_one_batch_see_each_other(world: World) -> None:
    sale = await new_sale(world)
    asked, accepted, shipped, late = await together(sale, sale.ask(2), sale.accept(), sale.ship(), sale.ask(1))
    assert isinstance(asked, Done)
    assert asked.cancellations == accepted.cancellations
    assert isinstance(shipped, Done)
    assert late.refusal.kind is RefusalKind.ALREADY_SHIPPED
    assert await sale.buckets() == (0, 0, 2, 3)
    assert [event["seq"] for event in await sale.events()] == [1, 2, 3, 4]


async def test_an_ask_made_and_answered_in_one_batch_is_stored_in_its_last_state(world: World) -> None:
    sale = await new_sale(world)
    await together(sale, sale.ask(2), sale.decline(), sale.ask(1), sale.accept())
    states = sorted((each["units"], each["state"]) for each in await sale.cancellations())
    assert states == [(1, "accepted"), (2, "declined")]


@pytest.mark.parametrize("named", [True, False], ids=["retailer named", "retailer looked up"])
async def test_an_order_can_be_placed_and_cancelled_in_one_batch(world: World, named: bool) -> None:
    await agree(world, world.supplier, 7, answer_within_s=60)
    example = await world.order(3)
    new = world.application.ids.new
    placed = replace(example, id=new(), lines=(replace(example.lines[0], id=new()),))
    sale = Sale(world=world, order=placed.id, lines=(placed.lines[0].id,))
    first, asked, allocated = await together(sale, placed, sale.ask(1), sale.allocate(2), retailer=named)
    assert isinstance(first, Done)
    assert isinstance(asked, Done)
    assert isinstance(allocated, Done)
    assert await sale.buckets() == (2, 1, 0, 0)
    row = await world.line(sale.line)
    assert (row.seq, row.allocated, row.accepted) == (3, True, 2)
    [cancellation] = await sale.cancellations()
    assert (cancellation["policy_version"], cancellation["due_at"]) == (7, world.clock() + timedelta(minutes=1))


@pytest.mark.parametrize("clash", ["order", "line", "line of its own", "line as order", "all"])
@pytest.mark.parametrize("one_batch", [True, False], ids=["one batch", "one after the other"])
async def test_an_id_is_placed_once(world: World, clash: str, one_batch: bool) -> None:
    example = await world.order(3)
    new = world.application.ids.new
    first = replace(example, id=new(), lines=(replace(example.lines[0], id=new()),))
    fresh = replace(example.lines[0], id=new())
    second = {
        "order": replace(first, lines=(fresh,)),
        "line": replace(first, id=new()),
        "line of its own": replace(first, id=new(), lines=(fresh, fresh)),
        "line as order": replace(first, id=first.lines[0].id, lines=(fresh,)),
        "all": first,
    }[clash]
    sale = Sale(world=world, order=first.id, lines=(first.lines[0].id,))
    if one_batch:
        placed, again = await together(sale, first, second)
    else:
        [placed], [again] = await together(sale, first), await together(sale, second)
    assert isinstance(placed, Done)
    assert isinstance(again, Refused)
    assert again.refusal.kind is RefusalKind.ORDER_EXISTS
    assert await sale.buckets() == (3, 0, 0, 0)


async def test_a_twin_of_an_order_does_not_hide_the_order_from_its_neighbours(world: World) -> None:
    sale = await new_sale(world)
    placed = await world.order(1)
    twin = replace(placed, id=sale.order)
    refused, cancelled = await together(sale, twin, sale.cancel_order())
    assert refused.refusal.kind is RefusalKind.ORDER_EXISTS
    assert isinstance(cancelled, Done)


async def test_a_bols_number_finds_its_line(world: World) -> None:
    sale = await new_sale(world)
    number = (await world.line(sale.line)).number
    nowhere = replace(sale.ask(2), line=world.application.ids.new())
    found = await sale.say(nowhere, line_number=number)
    assert isinstance(found, Done)
    assert await sale.buckets() == (3, 2, 0, 0)
    unknown = await sale.refused(nowhere, line_number=number + 1)
    assert unknown.refusal.kind is RefusalKind.UNKNOWN_LINE


# Idempotency


async def test_a_key_stands_for_one_effect_and_its_answer(world: World) -> None:
    sale = await new_sale(world)
    first = await sale.done(sale.cancel_own(2), once=once())
    again = await sale.done(sale.cancel_own(2), once=once())
    assert again == replace(first, outcomes=(), replayed=True)
    assert await sale.buckets() == (3, 0, 2, 0)


async def test_a_key_with_other_content_is_refused(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.cancel_own(2), once=once())
    refused = await sale.refused(sale.cancel_own(1), once=once(fingerprint="f2"))
    assert refused.refusal.kind is RefusalKind.KEY_REUSED
    assert await sale.buckets() == (3, 0, 2, 0)
    assert (await sale.done(sale.cancel_own(2), once=once())).replayed


@pytest.mark.parametrize(
    ("other", "effects"), [({"caller": "another"}, 2), ({"key": "k2"}, 2), ({}, 1)], ids=["caller", "key", "neither"]
)
async def test_a_key_belongs_to_its_caller(world: World, other: dict[str, str], effects: int) -> None:
    sale = await new_sale(world)
    await sale.done(sale.cancel_own(1), once=once())
    await sale.done(sale.cancel_own(1), once=once(**other))
    assert await sale.buckets() == (5 - effects, 0, effects, 0)


async def test_a_refusal_is_replayed_as_well(world: World) -> None:
    sale = await new_sale(world)
    first = await sale.refused(sale.accept(), once=once())
    await sale.done(sale.ask())
    world.clock.advance(minutes=1)
    assert await sale.refused(sale.accept(), once=once()) == replace(first, replayed=True)
    assert await sale.buckets() == (0, 5, 0, 0)


async def test_a_twin_in_the_same_batch_gets_the_first_ones_answer(world: World) -> None:
    sale = await new_sale(world)
    first, twin, other = await asyncio.gather(
        sale.say(sale.cancel_own(1), once=once()),
        sale.say(sale.cancel_own(1), once=once()),
        sale.say(sale.cancel_own(1), once=once(fingerprint="f2")),
    )
    assert isinstance(first, Done)
    assert isinstance(twin, Done)
    assert twin.replayed
    assert twin.cancellations == first.cancellations
    assert isinstance(other, Refused)
    assert other.refusal.kind is RefusalKind.KEY_REUSED
    assert await sale.buckets() == (4, 0, 1, 0)
    [record] = await rows(world.application.database, t.idempotency_records)
    assert (record["retailer_id"], record["caller"], record["key"]) == (world.retailer, "shop", "k1")


async def test_thirty_at_once_with_one_key_have_one_effect(world: World) -> None:
    sale = await new_sale(world, 40)
    outcomes = await asyncio.gather(*(sale.done(sale.ship_order(sale.ship(1)), once=once()) for _ in range(30)))
    assert sum(not outcome.replayed for outcome in outcomes) == 1
    assert await sale.buckets() == (39, 0, 0, 1)
    assert len(await rows(world.application.database, t.shipments)) == 1


async def test_an_order_is_placed_once_per_key(world: World) -> None:
    example = await world.order(1)
    new = world.application.ids.new
    outcomes = []
    for _ in range(2):
        fresh = replace(example, id=new(), lines=(replace(example.lines[0], id=new()),))
        outcomes.append(await world.submit(fresh, once=once()))
    assert [isinstance(outcome, Done) and outcome.replayed for outcome in outcomes] == [False, True]
    assert len(await rows(world.application.database, t.orders)) == 2


# Policies


async def test_policy_is_picked_by_pair_then_by_retailer_then_by_default(world: World) -> None:
    async def hours(fulfiller: Any) -> tuple[int, float | None]:
        sale = await new_sale(world, fulfillers=(fulfiller,))
        await sale.done(sale.customer_asks())
        [row] = await sale.cancellations()
        return row["policy_version"], (row["due_at"] - row["asked_at"]) / timedelta(hours=1)

    assert await hours(world.supplier) == (0, 48)
    await agree(world, None, 1, answer_within_s=3600)
    assert await hours(world.supplier) == (1, 1)
    await agree(world, world.supplier, 2, answer_within_s=7200)
    assert await hours(world.supplier) == (2, 2)
    await agree(world, world.supplier, 3, answer_within_s=3 * 3600)
    await agree(world, None, 4, answer_within_s=4 * 3600)
    assert await hours(world.supplier) == (3, 3)
    assert await hours(world.other_supplier) == (4, 4)
    assert await hours(world.retailer) == (4, 4)


async def test_another_retailers_policy_is_none_of_ours(world: World) -> None:
    await agree(world, None, 1, free_window_s=3600)
    placed = await world.order(5, retailer=world.other_retailer)
    sale = Sale(world=world, order=placed.id, lines=(placed.lines[0].id,))
    beside = await new_sale(world)
    ask = replace(sale.ask(), actor=world.actor(world.other_retailer))
    await together(sale, ask, beside.ask())
    assert await sale.buckets() == (0, 5, 0, 0)
    assert await beside.buckets() == (0, 0, 5, 0)


@pytest.mark.parametrize(
    ("asked_under", "now", "state"),
    [
        ((), [("supplier", 1, "accept")], "lapsed"),
        ((), [("all", 1, "accept")], "lapsed"),
        ([("all", 1, "accept")], [("all", 2, "lapse")], "accepted"),
        ([("all", 1, "accept")], [("supplier", 1, "lapse")], "accepted"),
        ([("supplier", 1, "accept")], [("supplier", 2, "lapse"), ("all", 1, "escalate")], "accepted"),
        ([("all", 1, "escalate"), ("supplier", 1, "accept")], [("supplier", 2, "lapse")], "accepted"),
    ],
)
async def test_silence_speaks_as_agreed_when_it_was_asked(
    world: World, asked_under: list[tuple[str, int, str]], now: list[tuple[str, int, str]], state: str
) -> None:
    for whom, version, silence in asked_under:
        await agree(world, world.supplier if whom == "supplier" else None, version, silence=silence)
    sale = await new_sale(world)
    await sale.done(sale.ask())
    world.clock.advance(hours=1)
    for whom, version, silence in now:
        await agree(world, world.supplier if whom == "supplier" else None, version, silence=silence)
    world.clock.advance(hours=48)
    await sale.done(sale.pass_deadline())
    [cancellation] = await sale.cancellations()
    assert cancellation["state"] == state


async def test_a_whole_order_is_all_or_nothing_where_that_was_agreed(world: World) -> None:
    sale = await new_sale(world, 1, 1)
    await sale.done(sale.ship())
    await agree(world, world.supplier, 1, whole_order="all_or_nothing")
    refused = await sale.refused(sale.cancel_order())
    assert refused.refusal.kind is RefusalKind.ALREADY_SHIPPED
    await agree(world, world.supplier, 2, whole_order="what_can_be")
    done = await sale.done(sale.cancel_order())
    assert {fate.line: isinstance(fate.outcome, Refusal) for fate in done.outcomes} == dict(
        zip(sale.lines, (True, False), strict=True)
    )
    assert [await sale.buckets(place) for place in (0, 1)] == [(0, 0, 0, 1), (0, 1, 0, 0)]
