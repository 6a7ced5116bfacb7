"""What comes too late, on both engines: it changes nothing, and it is not lost."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from countermand.admin import parties
from countermand.admin.callers import PLATFORM
from countermand.domain.commands import Command, EscalateCancellation, NoteCancellation
from countermand.domain.policy import WholeOrder
from countermand.domain.reasons import DeclineReason
from countermand.domain.refusals import RefusalKind
from countermand.store import tables as t
from tests.store.holding import agree, assert_sound, rows
from tests.store.speaking import OPERATOR, WISH, new_sale
from tests.support.world import World

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("fired", [True, False])
async def test_a_late_answer_is_stored_and_refused(world: World, named: bool, fired: bool) -> None:
    """EC-23, EC-27: whether or not the worker has looked at the clock before."""
    sale = await new_sale(world)
    asked = await sale.done(sale.ask(2), process=WISH)
    world.clock.advance(hours=48)
    if fired:
        await sale.done(sale.pass_deadline(), door="policy")
        world.clock.advance(hours=1)
    refused = await sale.refused(sale.accept(named=named), door="crux")
    assert refused.refusal.kind is RefusalKind.ALREADY_ANSWERED
    assert "lapsed by policy at" in refused.refusal.detail
    lapsed, late = sorted(await sale.events(), key=lambda event: event["seq"])[-2:]
    assert (lapsed["kind"], lapsed["actor_id"], lapsed["door"]) == ("cancellation.lapsed", None, "policy")
    assert (late["kind"], late["actor_id"], late["door"]) == ("cancellation.late_answer", world.supplier, "crux")
    assert late["facts"]["answer"] == "accept"
    [process] = await rows(world.application.database, t.process_statuses, t.process_statuses.c.number == asked.process)
    assert process["status"] == "TIMEOUT"
    await assert_sound(world.application.database)


async def test_a_parcel_of_cancelled_units_is_told_though_it_is_refused(world: World) -> None:
    """EC-37."""
    sale = await new_sale(world)
    await sale.done(sale.ask(2))
    await sale.done(sale.accept())
    refused = await sale.refused(sale.ship_order(sale.ship(5)))
    assert refused.refusal.kind is RefusalKind.TOO_MANY_UNITS
    last = sorted(await sale.events(), key=lambda event: event["seq"])[-1]
    assert (last["kind"], last["facts"]["units"]) == ("line.shipped_though_cancelled", 2)
    assert last["facts"]["tracking"] == "PostNL 3S1"
    assert await sale.buckets() == (3, 0, 2, 0)
    assert await rows(world.application.database, t.shipments) == []
    await assert_sound(world.application.database)


@pytest.mark.parametrize("named", [True, False])
async def test_a_late_answer_is_noted_once_however_often_a_client_repeats_it(world: World, named: bool) -> None:
    """EC-23."""
    sale = await new_sale(world)
    await sale.done(sale.ask(2))
    world.clock.advance(hours=48)
    reported: list[Command] = [
        sale.accept(named=named),
        sale.decline(named=named),
        replace(sale.accept(named=True), actor=OPERATOR, step=1),
    ]
    for _ in range(3):
        refused = [(await sale.refused(command)).refusal for command in reported]
        assert {each.kind for each in refused[:2]} == {RefusalKind.ALREADY_ANSWERED}
        assert refused[2].kind is RefusalKind.STATE_CHANGED
        world.clock.advance(minutes=1)
    at_once = await asyncio.gather(*(sale.refused(command) for command in reported * 5))
    assert {each.refusal.cancellation for each in at_once} == {sale.asked}
    late = [event for event in await sale.events() if event["kind"] == "cancellation.late_answer"]
    assert sorted((event["actor_id"], event["facts"]["answer"]) for event in late) == sorted(
        [(world.supplier, "accept"), (world.supplier, "decline"), (PLATFORM, "accept")]
    )
    await assert_sound(world.application.database)


async def test_a_parcel_of_cancelled_units_is_noted_once_however_often_it_is_reported(world: World) -> None:
    """EC-37."""
    sale = await new_sale(world)
    await sale.done(sale.ask(2))
    await sale.done(sale.accept())
    for _ in range(3):
        refused = await sale.refused(sale.ship_order(sale.ship(5)))
        assert refused.refusal.kind is RefusalKind.TOO_MANY_UNITS
    await asyncio.gather(*(sale.refused(sale.ship(5)) for _ in range(5)))
    left = [event for event in await sale.events() if event["kind"] == "line.shipped_though_cancelled"]
    assert [(event["facts"]["units"], event["facts"]["tracking"]) for event in left] == [(2, "PostNL 3S1")]
    await sale.done(sale.ship_order(sale.ship(3)))
    assert await sale.buckets() == (0, 0, 2, 3)
    await assert_sound(world.application.database)


@pytest.mark.parametrize(("then", "now", "buckets"), [(None, 3600, (5, 0, 0, 0)), (3600, None, (3, 2, 0, 0))])
async def test_proof_is_wanted_if_the_policy_wanted_it_when_the_ask_was_made(
    world: World, then: int | None, now: int | None, buckets: tuple[int, ...]
) -> None:
    """EC-17, EC-33."""
    await agree(world, world.supplier, 1, proof_within_s=then)
    sale = await new_sale(world)
    world.clock.advance(seconds=1)
    await sale.done(sale.ask(2))
    world.clock.advance(seconds=1)
    await agree(world, world.supplier, 2, proof_within_s=now)
    await sale.done(replace(sale.decline(), reason=DeclineReason.ALREADY_SHIPPED))
    assert await sale.buckets() == buckets
    await assert_sound(world.application.database)


async def test_what_was_to_be_proved_survives_the_database(world: World) -> None:
    """EC-17."""
    await agree(world, world.supplier, 1, proof_within_s=3600)
    sale = await new_sale(world)
    await sale.done(sale.ask(2))
    claim = replace(sale.decline(), reason=DeclineReason.ALREADY_SHIPPED)
    await sale.done(claim)
    assert (await sale.done(claim)).cancellations == (sale.asked,)
    assert await sale.buckets() == (3, 2, 0, 0)
    world.clock.advance(hours=1)
    await sale.done(sale.pass_deadline(), door="policy")
    assert await sale.buckets() == (3, 0, 2, 0)
    await assert_sound(world.application.database)


async def test_one_suppliers_decline_opens_the_others_units_though_nobody_named_its_line(world: World) -> None:
    """EC-18: the lines that hang together are found and locked, whichever is named."""
    await agree(world, None, 1, whole_order=WholeOrder.ALL_OR_NOTHING)
    fulfillers = (world.supplier, world.other_supplier, world.retailer)
    sale = await new_sale(world, 3, 2, 1, fulfillers=fulfillers)
    asked = await sale.done(sale.cancel_order(), process=WISH)
    assert [await sale.buckets(place) for place in range(3)] == [(0, 3, 0, 0), (0, 2, 0, 0), (0, 1, 0, 0)]
    await sale.done(sale.accept())
    await sale.done(sale.accept())
    await sale.done(replace(sale.decline(place=1), actor=world.actor(world.other_supplier)))
    assert [await sale.buckets(place) for place in range(3)] == [(3, 0, 0, 0), (2, 0, 0, 0), (1, 0, 0, 0)]
    [process] = await rows(world.application.database, t.process_statuses, t.process_statuses.c.number == asked.process)
    assert process["status"] == "FAILURE"
    reported = [event["kind"] for event in sorted(await sale.events(), key=lambda event: event["seq"])]
    assert reported[1:] == ["cancellation.asked", "cancellation.agreed", "cancellation.withdrawn"]
    await assert_sound(world.application.database)


async def test_a_label_that_cannot_be_voided_is_noted_once_and_the_cancellation_stands(world: World) -> None:
    """EC-40."""
    sale = await new_sale(world)
    await sale.done(sale.ask(2))
    await sale.done(sale.accept())
    before = await sale.cancellations()
    words = "The label could not be voided: 4.95 EUR."
    failed = NoteCancellation(
        line=sale.line, actor=sale.supplier, cancellation=sale.asked, note=words, tracking="PostNL 3S1"
    )
    for _ in range(3):
        await sale.done(failed)
    await sale.done(replace(failed, actor=OPERATOR))
    noted = [event for event in await sale.events() if event["kind"] == "cancellation.noted"]
    assert sorted(event["actor_id"] for event in noted) == sorted([world.supplier, PLATFORM])
    assert {(event["facts"]["note"], event["facts"]["tracking"]) for event in noted} == {(words, "PostNL 3S1")}
    assert await sale.cancellations() == before
    assert await sale.buckets() == (3, 0, 2, 0)
    await assert_sound(world.application.database)


async def test_what_is_asked_of_a_party_that_is_gone_waits_for_an_operator(world: World) -> None:
    """EC-26: what waits for it already is handed over, and what is asked later waits for an operator at once."""
    sale = await new_sale(world)
    await sale.done(sale.ask(2))
    await world.application.database.write(partial(parties.switch, party=world.supplier, active=False))
    await sale.done(
        EscalateCancellation(line=sale.line, actor=OPERATOR, cancellation=sale.asked), retailer=world.retailer
    )
    await sale.done(sale.ask(1, key="later"))
    standing = await sale.cancellations()
    assert [row["awaiting"] for row in standing] == [None, None]
    assert all(row["due_at"] for row in standing), "the deadline still runs"
    await world.application.database.write(partial(parties.switch, party=world.supplier, active=True))
    await sale.done(sale.ask(1, key="back"))
    [back] = [row for row in await sale.cancellations() if row["ask_key"] == "back"]
    assert back["awaiting"] == world.supplier
    await assert_sound(world.application.database)
