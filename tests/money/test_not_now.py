"""A provider that cannot answer now has refused nothing: whatever comes between, money moves once, under one key.

One table: every state that a refund can be in, times every cause of "not now". Each ends well at last.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from countermand.domain.money.commands import RetryRefund, SendRefund, SettleRefund
from countermand.payments.provider import Provider
from countermand.store.columns import Record
from tests.money.test_settling import Broken, worker_of
from tests.payments.conftest import PREFIX, adapter
from tests.store.holding import assert_sound
from tests.store.speaking import OPERATOR, Sale
from tests.support.money import place_paid, rows_of
from tests.support.payments.ledger import Ledger
from tests.support.payments.script import Fault, Script
from tests.support.payments.server import Fake
from tests.support.world import World

pytestmark = pytest.mark.anyio


@dataclass
class Shop:
    """A provider with its books, a worker that calls it, and one order for each state of a refund."""

    world: World
    name: str
    fake: Fake
    provider: Provider
    worker: Any
    orders: dict[str, Sale]

    def now(self, *providers: Provider) -> None:
        """The service is started again with these providers, or with none."""
        self.worker = worker_of(self.world, *providers)

    async def work(self, **later: float) -> None:
        self.world.clock.advance(**later)
        await self.worker.settle_refunds()

    async def owe(self, state: str) -> None:
        payment = self.fake.ledger.pay(f"{PREFIX[self.name]}{len(self.orders) + 1}", "27.00").id
        order = await place_paid(self.world, payments=[{"provider": self.name, "reference": payment, "captured": "27"}])
        sale = self.orders[state] = Sale(world=self.world, order=order.id, lines=tuple(line.id for line in order.lines))
        await sale.done(sale.cancel_own(1))

    async def refunds(self) -> dict[str, Record]:
        rows = {row.order_id: row for row in await rows_of(self.world, "refunds")}
        return {state: rows[sale.order] for state, sale in self.orders.items()}

    async def retry_parked(self) -> None:
        """An operator has everything tried again that waits for one."""
        for state, row in (await self.refunds()).items():
            if row.state == "parked":
                sale = self.orders[state]
                await sale.say(RetryRefund(line=sale.line, refund=row.id, actor=OPERATOR, note=""))

    def moved(self, row: Record) -> Decimal:
        return sum((each.amount for each in self.fake.ledger.of(row.payment_reference) if each.standing), Decimal(0))


STATES: dict[str, list[Fault]] = {
    "unknown, moved": [Fault.TIMEOUT_AFTER],
    "unknown, not moved": [Fault.TIMEOUT_BEFORE],
    "500, moved": [Fault.ERROR_AFTER],
    "accepted": [Fault.PENDING],
    "confirmed": [Fault.NONE],
    "due again": [Fault.RATE_LIMITED],
}
"""How a refund gets into its state: what becomes of its first call."""


@asynccontextmanager
async def shop(world: World, name: str) -> AsyncIterator[Shop]:
    async with Fake(ledger=Ledger(clock=world.clock), script=Script()) as fake:
        provider = adapter(name, fake.url, world.clock, total_s=0.15)
        here = Shop(world, name, fake, provider, worker_of(world, provider), {})
        for state, faults in STATES.items():
            fake.script.first.extend(faults)
            await here.owe(state)
            await here.work()
        await _crashed(here, "sent, moved", SettleRefund)
        await _refused_before(here)
        await here.owe("due")
        yield here
        await provider.close()


async def _crashed(here: Shop, state: str, kind: type) -> None:
    """The answer was not written down: the write road failed, or the process was killed."""
    await here.owe(state)
    here.worker.refunds._lanes = Broken(here.world, kind)
    await here.work()
    here.now(here.provider)


async def _refused_before(here: Shop) -> None:
    await here.owe("refused")
    [payment] = [each for each in here.fake.ledger.payments.values() if each.id.endswith(str(len(here.orders)))]
    payment.disputed = True
    await here.work()
    payment.disputed = False


Cause = Callable[[Shop], Any]


def missing(here: Shop) -> None:
    here.now()


def wrong_key(here: Shop) -> None:
    here.now(adapter(here.name, here.fake.url, here.world.clock, api_key="sk_expired"))


def other_account(here: Shop) -> None:
    """A good key, of an account that knows none of these payments: 404 to everything."""
    here.fake.elsewhere = True


def away(here: Shop) -> None:
    here.now(adapter(here.name, "http://127.0.0.1:1", here.world.clock, total_s=0.15))


def answers(fault: Fault) -> Cause:
    def cause(here: Shop) -> None:
        here.fake.every = fault

    return cause


def road(kind: type) -> Cause:
    def cause(here: Shop) -> None:
        here.now(here.provider)
        here.worker.refunds._lanes = Broken(here.world, kind)

    return cause


CAUSES: dict[str, Cause] = {
    "the provider is not set up": missing,
    "the API key is not taken": wrong_key,
    "the API key is of another account": other_account,
    "nobody is at home": away,
    "401": answers(Fault.EXPIRED),
    "403": answers(Fault.FORBIDDEN),
    "429": answers(Fault.RATE_LIMITED),
    "400 about the API": answers(Fault.BAD_API),
    "time-out before": answers(Fault.TIMEOUT_BEFORE),
    "time-out after": answers(Fault.TIMEOUT_AFTER),
    "500": answers(Fault.ERROR_BEFORE),
    "nonsense": answers(Fault.GARBAGE_AFTER),
    "intents are not written": road(SendRefund),
    "answers are not written": road(SettleRefund),
}


@pytest.mark.parametrize("hours", [0, 25], ids=["at once", "after the key is forgotten"])
@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("name", ["stripe", "mollie"])
async def test_whatever_is_not_now_no_state_of_a_refund_is_paid_twice_or_lost(
    sqlite_world: World, name: str, cause: str, hours: int
) -> None:
    async with shop(sqlite_world, name) as here:
        before = await here.refunds()
        for later in (0.05, hours, 1):
            CAUSES[cause](here)
            await here.work(hours=later)
            await here.retry_parked()
        for state, row in (await here.refunds()).items():
            if state != "refused":
                assert row.round == before[state].round, (state, row.last_result)
            assert here.moved(row) <= 9, state
        here.fake.elsewhere, here.fake.every = False, None
        here.now(here.provider)
        here.fake.ledger.days_pass()
        for _ in range(6):
            await here.retry_parked()
            await here.work(hours=5)
        for state, row in (await here.refunds()).items():
            assert (row.state, here.moved(row)) == ("confirmed", Decimal(9)), (state, row.last_result)
        await assert_sound(sqlite_world.application.database)
