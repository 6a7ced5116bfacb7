"""The capture decides, not what the service was told: releases of what was captured meanwhile, at both providers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from countermand.domain.money.commands import CapturePayment, CloseRefund
from countermand.store.columns import Record
from tests.money.test_settling import worker_of
from tests.payments.conftest import PREFIX, adapter
from tests.store.holding import assert_sound
from tests.store.speaking import OPERATOR, Sale
from tests.support.money import place_paid, rows_of
from tests.support.payments.ledger import Ledger, Payment
from tests.support.payments.server import Fake
from tests.support.world import World

pytestmark = pytest.mark.anyio


@dataclass
class Shop:
    """Three units for 10.00 each, told as reserved, at a provider that has its own books."""

    world: World
    sale: Sale
    fake: Fake
    payment: Payment
    worker: Any

    async def work(self, **later: float) -> None:
        self.world.clock.advance(**later)
        await self.worker.settle_refunds()

    async def rows(self) -> list[tuple[str, int, str]]:
        rows = await rows_of(self.world, "refunds")
        return sorted((row.kind, row.amount_minor, row.state) for row in rows)

    async def reported(self) -> list[str]:
        return [row["kind"] for row in await self.sale.events() if row["kind"].startswith(("refund.", "payment."))]

    def capture(self, minor: int) -> CapturePayment:
        return CapturePayment(order=self.sale.order, actor=self.sale.retailer, payment="card", captured_minor=minor)

    @property
    def refunded(self) -> float:
        return float(self.fake.ledger.refunded(self.payment.id))


@asynccontextmanager
async def shop(world: World, name: str) -> AsyncIterator[Shop]:
    async with Fake(ledger=Ledger(clock=world.clock)) as fake:
        payment = fake.ledger.pay(f"{PREFIX[name]}1", "30.00", captured="0")
        goods = [{"sku": "a", "units": 3, "unit_price": "10", "supplier": str(world.supplier)}]
        paid = [{"id": "card", "provider": name, "reference": payment.id, "authorised": "30"}]
        order = await place_paid(world, lines=goods, discounts=[], payments=paid)
        sale = Sale(world=world, order=order.id, lines=(order.lines[0].id,))
        provider = adapter(name, fake.url, world.clock)
        yield Shop(world, sale, fake, payment, worker_of(world, provider))
        await provider.close()


@pytest.fixture(params=["stripe", "mollie"])
async def here(request: pytest.FixtureRequest, world: World) -> AsyncIterator[Shop]:
    async with shop(world, request.param) as one:
        yield one


async def test_a_release_of_what_was_captured_meanwhile_becomes_a_refund_by_itself(here: Shop) -> None:
    here.payment.captured = Decimal(30)
    await here.sale.done(here.sale.cancel_own(1))
    assert await here.rows() == [("release", 1000, "due")]
    for _ in range(3):
        await here.work(seconds=10)
    assert (await here.rows(), here.refunded) == ([("refund", 1000, "confirmed")], 10)
    assert await here.reported() == ["refund.due", "refund.sent", "refund.due", "refund.done"]
    await here.sale.done(here.capture(3000))
    [row] = await rows_of(here.world, "order_money")
    assert row.given_back == {"card": [1000, 0]}
    assert [each["captured_minor"] for each in row.terms["payments"]] == [3000]
    await assert_sound(here.world.application.database)
    here.world.clock.advance(hours=2)
    await here.sale.done(here.sale.cancel_own(2))
    await here.work(seconds=10)
    assert here.refunded == 30
    await assert_sound(here.world.application.database)


@pytest.mark.parametrize(
    ("captured", "units", "released", "refunded"),
    [(30, 1, 0, 10), (20, 1, 10, 0), (25, 1, 5, 5), (25, 2, 5, 15), (10, 2, 20, 0), (28, 3, 2, 28), (15, 3, 15, 15)],
)
async def test_of_what_is_cancelled_the_captured_part_is_refunded_and_the_rest_released(
    here: Shop, captured: int, units: int, released: int, refunded: int
) -> None:
    here.payment.captured = Decimal(captured)
    for _ in range(units):
        await here.sale.done(here.sale.cancel_own(1))
    for _ in range(8):
        await here.work(hours=2)
    assert here.refunded == refunded, await here.rows()
    rows = await here.rows()
    assert {state for _, _, state in rows} == {"confirmed"}
    sums = [sum(amount for kind, amount, _ in rows if kind == each) for each in ("release", "refund")]
    assert sums == [released * 100, refunded * 100]
    await assert_sound(here.world.application.database)


async def test_a_payment_with_a_refund_and_a_release_of_one_cancellation_has_two_refunds_then(world: World) -> None:
    async with shop(world, "stripe") as here:
        await here.sale.done(here.capture(700))
        here.payment.captured = Decimal(30)
        await here.sale.done(here.sale.cancel_own())
        assert await here.rows() == [("refund", 700, "due"), ("release", 2300, "due")]
        for _ in range(3):
            await here.work(seconds=10)
        assert (await here.rows(), here.refunded) == (
            [("refund", 700, "confirmed"), ("refund", 2300, "confirmed")],
            30,
        )
        await assert_sound(world.application.database)


async def test_what_was_really_released_cannot_be_captured(here: Shop) -> None:
    here.payment.captured = Decimal(20)
    await here.sale.done(here.sale.cancel_own(1))
    early = await here.sale.refused(here.capture(3000))
    assert early.refusal.detail == "Of this payment, 20.00 EUR can be captured, as 10.00 is being released."
    await here.work()
    assert await here.rows() == [("release", 1000, "confirmed")]
    late = await here.sale.refused(here.capture(2001))
    assert late.refusal.detail == "Of this payment, 20.00 EUR can be captured, as 10.00 was released."
    await here.sale.done(here.capture(2000))
    await assert_sound(here.world.application.database)


async def parked_release(here: Shop) -> Record:
    """A release that the provider could not carry out."""
    await here.sale.done(here.sale.cancel_own(1))
    here.worker = worker_of(here.world)
    await here.work()
    row: Record
    [row] = await rows_of(here.world, "refunds")
    assert row.state == "parked"
    return row


@pytest.mark.parametrize(
    ("captured", "kinds"), [(3000, [("refund", 1000)]), (2400, [("refund", 400), ("release", 600)])]
)
async def test_a_release_that_was_not_carried_out_does_not_stop_the_word_that_it_was_captured(
    here: Shop, captured: int, kinds: list[tuple[str, int]]
) -> None:
    await parked_release(here)
    await here.sale.done(here.capture(captured))
    assert [row[:2] for row in await here.rows()] == kinds
    assert {row[2] for row in await here.rows()} == {"due"}
    assert (await here.reported())[-2:] == ["payment.captured", "refund.due"]
    await assert_sound(here.world.application.database)
    here.payment.captured = Decimal(captured) / 100
    here.worker = worker_of(here.world, adapter(here_name(here), here.fake.url, here.world.clock))
    for _ in range(3):
        await here.work(hours=1)
    assert here.refunded == (captured - 2000) / 100
    assert {row[2] for row in await here.rows()} == {"confirmed"}
    await assert_sound(here.world.application.database)


def here_name(here: Shop) -> str:
    return "stripe" if here.payment.id.startswith("pi_") else "mollie"


async def test_a_release_that_a_person_closed_does_not_either_and_stays_closed(here: Shop) -> None:
    row = await parked_release(here)
    closed = CloseRefund(line=row.line_id, refund=row.id, actor=OPERATOR, paid=False, note="captured by mistake")
    await here.sale.done(closed)
    await here.sale.done(here.capture(3000))
    assert await here.rows() == [("refund", 1000, "closed")]
    assert (await here.reported())[-1] == "payment.captured"
    await assert_sound(here.world.application.database)
