"""Payments that come after the order was handed in, down the road; on both engines."""

import asyncio

import pytest

from countermand.domain.money.commands import AddPayment, CapturePayment
from countermand.domain.money.pricing import Payment
from countermand.service.calls import Call, Done, Refused
from countermand.service.lanes import Lanes
from tests.money.test_settling import Desk, desk
from tests.store.holding import assert_sound
from tests.store.speaking import Sale
from tests.support.money import place_paid, rows_of
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def reserved(world: World) -> Desk:
    """Three units for 27.00, reserved and not captured."""
    here = await desk(world, id="card", captured="0", authorised="27")
    here.bank.authorised["pi_1"] = 2700
    return here


def captured(here: Desk, minor: int) -> CapturePayment:
    return CapturePayment(order=here.sale.order, actor=here.sale.retailer, payment="card", captured_minor=minor)


async def test_what_is_cancelled_before_the_capture_is_released_and_after_it_refunded(world: World) -> None:
    here = await reserved(world)
    await here.owed()
    await here.sale.done(captured(here, 1800))
    await here.owed(2)
    rows = await rows_of(world, "refunds")
    assert sorted((row.kind, row.amount_minor) for row in rows) == [("refund", 1800), ("release", 900)]
    # The provider let go of the rest when a part was captured.
    here.bank.captured_of["pi_1"], here.bank.authorised["pi_1"] = 1800, 900
    await here.work()
    assert (await here.states(), here.bank.moved(), list(here.bank.released.values())) == (
        ["confirmed", "confirmed"],
        1800,
        [900],
    )
    await assert_sound(world.application.database)


async def test_no_more_is_captured_than_was_not_released(world: World) -> None:
    here = await reserved(world)
    await here.owed()
    outcome = await here.sale.refused(captured(here, 1801))
    assert outcome.refusal.kind.value == "payment_differs"
    assert await here.reported() == ["due"]
    await here.sale.done(captured(here, 1800))
    await assert_sound(world.application.database)


async def test_a_capture_is_told_to_the_retailer_on_every_line_and_once(world: World) -> None:
    here = await reserved(world)
    for _ in range(2):
        assert (await here.sale.done(captured(here, 2700))).cancellations == ()
    reported = [row for row in await here.sale.events() if row["kind"].startswith("payment.")]
    assert [(row["kind"], row["actor_id"], row["facts"]["payment"]) for row in reported] == [
        (
            "payment.captured",
            world.retailer,
            {"id": "card", "captured_minor": 2700, "authorised_minor": 0, "currency": "EUR"},
        )
    ]


async def test_an_order_handed_in_unpaid_is_paid_later_and_refunded_from_then_on(world: World) -> None:
    order = await place_paid(world, payments=[])
    sale = Sale(world=world, order=order.id, lines=tuple(line.id for line in order.lines))
    await sale.done(sale.cancel_own(1))
    assert await rows_of(world, "refunds") == []
    payment = Payment(id="later", provider="stripe", reference="pi_1", captured_minor=1800)
    too_much = Payment(id="later", provider="stripe", reference="pi_1", captured_minor=1801)
    refusal = await sale.refused(AddPayment(order=order.id, actor=sale.retailer, payment=too_much))
    assert refusal.refusal.detail == "Of this order, 18.00 EUR is left to pay."
    await sale.done(AddPayment(order=order.id, actor=sale.retailer, payment=payment))
    await sale.done(sale.cancel_own(1))
    [row] = await rows_of(world, "refunds")
    assert (row.kind, row.amount_minor, row.payment_id) == ("refund", 900, "later")
    await assert_sound(world.application.database)


async def test_of_a_capture_and_a_cancellation_at_once_the_first_one_decides(world: World) -> None:
    """In one batch or in two: a release goes before the capture, a refund after it, and never both.

    One lane decides in the order in which they came. Of several, the locks say which is first.
    """
    here = await reserved(world)
    submit = Lanes(world.application.database, world.clock, world.application.ids.new).submit
    calls = [
        Call(command=here.sale.cancel_own(1), door="test"),
        Call(command=captured(here, 2700), door="test"),
        Call(command=here.sale.cancel_own(1), door="test"),
        Call(command=captured(here, 900), door="test"),
        Call(command=here.sale.cancel_own(1), door="test"),
    ]
    outcomes = await asyncio.gather(*(submit(each) for each in calls))
    assert [type(each) for each in outcomes] == [Done, Refused, Done, Done, Done]
    rows = await rows_of(world, "refunds")
    assert sorted((row.kind, row.amount_minor) for row in rows) == [
        ("refund", 900),
        ("release", 900),
        ("release", 900),
    ]
    await assert_sound(world.application.database)


async def test_captures_of_two_orders_in_one_batch_each_change_their_own(world: World) -> None:
    here = await reserved(world)
    other = await reserved(world)
    submit = world.application.lanes.submit
    outcomes = await asyncio.gather(
        *(submit(Call(command=each, door="test")) for each in (captured(here, 900), captured(other, 2700)))
    )
    assert [type(each) for each in outcomes] == [Done, Done]
    stored = {row.id: row.terms["payments"][0]["captured_minor"] for row in await rows_of(world, "order_money")}
    assert stored == {here.sale.order: 900, other.sale.order: 2700}


async def test_the_payments_of_somebody_elses_order_are_not_there(world: World) -> None:
    here = await reserved(world)
    for who in (world.supplier, world.other_retailer):
        command = CapturePayment(order=here.sale.order, actor=world.actor(who), payment="card", captured_minor=1)
        outcome = await here.sale.refused(command)
        assert outcome.refusal.kind.value == "unknown_order"
