"""Equal refunds of one payment at Mollie, which takes no second one of an amount within an hour: they share calls.

The fake keeps the hour as Mollie does. Whatever comes between the steps, each refund moves once (decision 0023).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from countermand.domain.money.commands import CloseRefund, CorrectRefund, RetryRefund, SendRefund, SettleRefund
from countermand.payments.provider import Notified, Provider, RefundRequest
from countermand.store.columns import Record
from countermand.store.views import RefundRow, view
from countermand.worker.refunds import AT_ONCE, NEWS_MAX
from tests.money.bank import Bank
from tests.money.test_settling import Broken, worker_of
from tests.payments.conftest import adapter
from tests.store.holding import assert_sound
from tests.store.speaking import OPERATOR, Sale
from tests.support.money import place_paid, rows_of
from tests.support.payments.ledger import Ledger, Refund
from tests.support.payments.script import Fault, Script
from tests.support.payments.server import Fake
from tests.support.waiting import HANGS_S
from tests.support.world import World

pytestmark = pytest.mark.anyio

PAYMENT = "tr_1"


@dataclass
class Shop:
    """One payment at Mollie, and a worker that calls it."""

    world: World
    fake: Fake
    provider: Provider
    sale: list[Sale]
    worker: Any = None

    def restart(self, *providers: Provider) -> None:
        self.worker = worker_of(self.world, *(providers or (self.provider,)))

    async def cancel(self, units: int = 1, times: int = 1) -> None:
        for each in self.sale * times if len(self.sale) == 1 else self.sale[:times]:
            await each.done(each.cancel_own(units))

    async def work(self, **later: float) -> None:
        self.world.clock.advance(**later)
        await self.worker.settle_refunds()

    async def work_out(self, most: timedelta) -> None:
        """Minute by minute, until all are done."""
        end = self.world.clock() + most
        while self.world.clock() < end and {row.state for row in await self.rows()} != {"confirmed"}:
            await self.work(minutes=1)

    async def rows(self) -> list[Record]:
        return await rows_of(self.world, "refunds")

    async def states(self, provider: str = "mollie") -> list[str]:
        return [row.state for row in await self.rows() if row.provider == provider]

    def made(self) -> list[Refund]:
        return [each for each in self.fake.ledger.of(PAYMENT) if each.standing]

    def moved(self) -> int:
        return sum(int(each.amount) for each in self.made())

    async def say(self, row: Record, kind: Any, **more: Any) -> Any:
        [sale] = [each for each in self.sale if row.order_id == each.order]
        return await sale.say(kind(line=row.line_id, refund=row.id, actor=OPERATOR, **more))

    async def is_sound(self) -> None:
        """The journal says what the provider says."""
        journal = await rows_of(self.world, "journal")
        paid = sum(row.amount_minor for row in journal if row.credit == "provider:mollie")
        back = sum(row.amount_minor for row in journal if row.debit == "provider:mollie")
        assert (paid - back, {row.refund_id for row in journal} - {None}) == (
            self.moved() * 100,
            {row.id for row in await self.rows()},
        )
        await assert_sound(self.world.application.database)


@asynccontextmanager
async def shop(world: World, *, units: int = 60, orders: int = 1) -> AsyncIterator[Shop]:
    """Orders of so many units for 10.00 each that share one payment."""
    async with Fake(ledger=Ledger(clock=world.clock, keys_for=timedelta(hours=1)), script=Script()) as fake:
        fake.ledger.pay(PAYMENT, str(10 * units * orders))
        sale = []
        for number in range(orders):
            line = {"sku": "SKU-0", "units": units, "unit_price": "10.00", "supplier": str(world.supplier)}
            paid = {"provider": "mollie", "reference": PAYMENT, "captured": str(10 * units)}
            order = await place_paid(world, reference=f"PO-{number}", lines=[line], discounts=[], payments=[paid])
            sale.append(Sale(world=world, order=order.id, lines=tuple(each.id for each in order.lines)))
        provider = adapter("mollie", fake.url, world.clock)
        here = Shop(world, fake, provider, sale)
        here.restart()
        yield here
        await provider.close()


async def test_sixty_at_once_go_in_one_call(world: World) -> None:
    async with shop(world) as here:
        await here.cancel(times=60)
        await here.work()
        assert set(await here.states()) == {"confirmed"}
        assert ([int(each.amount) for each in here.made()], len(here.fake.moves())) == ([600], 1)
        assert len({row.provider_reference for row in await here.rows()}) == 1
        reported = [each["kind"] for each in await here.sale[0].events() if "refund." in each["kind"]]
        assert {kind: reported.count(kind) for kind in reported} == dict.fromkeys(
            ("refund.due", "refund.sent", "refund.done"), 60
        )
        await here.is_sound()


@pytest.mark.parametrize("apart", [1, 20, 61], ids=lambda each: f"{each} minutes apart")
async def test_sixty_one_by_one_are_all_back_within_an_hour_of_the_last(sqlite_world: World, apart: int) -> None:
    async with shop(sqlite_world) as here:
        for _ in range(60):
            await here.cancel()
            await here.work()
            sqlite_world.clock.advance(minutes=apart - 1)
            await here.work(minutes=1)
        last = sqlite_world.clock()
        await here.work_out(timedelta(hours=2))
        assert set(await here.states()) == {"confirmed"}
        assert sqlite_world.clock() - last <= timedelta(hours=1)
        # A call that takes all that wait is larger than the one before, as long as it comes within the hour.
        assert len(here.fake.moves()) <= {1: 12, 20: 41, 61: 60}[apart]
        assert here.moved() == 600
        await here.is_sound()


async def test_orders_that_share_a_payment_share_calls(world: World) -> None:
    async with shop(world, units=1, orders=12) as here:
        await here.cancel(times=12)
        await here.work()
        assert ([int(each.amount) for each in here.made()], set(await here.states())) == ([120], {"confirmed"})
        await here.is_sound()


async def test_the_last_of_an_hour_says_what_it_waits_for_and_no_longer_than_that(sqlite_world: World) -> None:
    async with shop(sqlite_world) as here:
        await here.cancel()
        await here.work()
        await here.cancel()
        await here.work(minutes=20)
        [waits] = [row for row in await here.rows() if row.state == "due"]
        assert (waits.waiting_for, waits.due_at - sqlite_world.clock()) == ("equal_refund", timedelta(minutes=40))
        assert len(here.fake.moves()) == 1
        await here.work(minutes=40)
        assert await here.states() == ["confirmed"] * 2


async def test_other_amounts_do_not_wait(sqlite_world: World) -> None:
    async with shop(sqlite_world) as here:
        for units in (1, 2, 3, 4):
            await here.cancel(units)
            await here.work(minutes=1)
        assert [int(each.amount) for each in here.made()] == [10, 20, 30, 40]


FAULTS = [
    Fault.TIMEOUT_BEFORE,
    Fault.TIMEOUT_AFTER,
    Fault.RESET_BEFORE,
    Fault.RESET_AFTER,
    Fault.ERROR_BEFORE,
    Fault.ERROR_AFTER,
    Fault.GARBAGE_AFTER,
    Fault.CUT_AFTER,
    Fault.RATE_LIMITED,
    Fault.EXPIRED,
    Fault.TWIN,
    Fault.NO_FUNDS,
    Fault.PENDING,
]


@pytest.mark.parametrize("later", [1, 70, 26 * 60], ids=["soon", "after the key is forgotten", "after a day"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_the_provider_does_each_moves_once(sqlite_world: World, fault: Fault, later: int) -> None:
    async with shop(sqlite_world, units=12) as here:
        here.fake.script.first.append(fault)
        await here.cancel(times=6)
        await here.work()
        await here.cancel(times=3)
        await here.work(minutes=later)
        here.fake.ledger.days_pass()
        for _ in range(6):
            await here.work(hours=3)
        assert (set(await here.states()), here.moved()) == ({"confirmed"}, 90), [
            row.last_result for row in await here.rows()
        ]
        await here.is_sound()


@pytest.mark.parametrize("later", [1, 70], ids=["soon", "after the key is forgotten"])
@pytest.mark.parametrize("lost", [SendRefund, SettleRefund], ids=["the intent", "the answer"])
async def test_a_crash_between_the_steps_leaves_none_behind(world: World, lost: type, later: int) -> None:
    async with shop(world, units=12) as here:
        await here.cancel(times=6)
        here.worker.refunds._lanes = Broken(world, lost)
        await here.work()
        assert here.moved() == (60 if lost is SettleRefund else 0)
        await here.cancel(times=3)
        here.restart()
        for minutes in (later, 61, 61):
            await here.work(minutes=minutes)
        assert (set(await here.states()), here.moved()) == ({"confirmed"}, 90)
        await here.is_sound()


async def test_two_workers_that_take_up_the_same_make_one_call(world: World) -> None:
    async with shop(world, units=12) as here:
        await here.cancel(times=6)
        first, second = worker_of(world, here.provider), worker_of(world, here.provider)
        rows = await here.rows()
        await first.renew_leases()
        await second.renew_leases()
        for each in (first, second, first):
            for row in rows:
                await each.refunds._settle_one(view(RefundRow, row))
        assert (set(await here.states()), len(here.fake.moves())) == ({"confirmed"}, 1)


async def test_a_call_that_is_refused_is_tried_one_by_one(sqlite_world: World) -> None:
    async with shop(sqlite_world, units=12) as here:
        here.fake.ledger.refund(PAYMENT, Decimal(95), {"countermand_reference": "rfd_of_another_order"})
        await here.cancel(times=6)
        await here.work()
        assert (await here.states(), here.moved()) == (["due"] * 6, 95)
        for _ in range(5):
            await here.work(minutes=61)
        states = await here.states()
        assert (states.count("confirmed"), states.count("parked"), here.moved()) == (2, 4, 115), states
        keys = {row.round for row in await here.rows()}
        assert keys == {2}


async def test_a_late_failure_is_that_of_all_and_they_are_tried_again_together(world: World) -> None:
    async with shop(world, units=12) as here:
        await here.cancel(times=6)
        await here.work()
        [made] = here.made()
        here.fake.ledger.turn(made.id, "failed")
        assert await here.worker.refunds.follow(
            "mollie", here.provider.read_webhook(*here.fake.webhook(made, world.clock(), ""))
        )
        assert (await here.states(), here.moved()) == (["parked"] * 6, 0)
        await here.is_sound()
        for row in await here.rows():
            await here.say(row, RetryRefund, note="")
        await here.work(minutes=5)
        assert (set(await here.states()), [int(each.amount) for each in here.made()]) == ({"confirmed"}, [60])
        await here.is_sound()


async def test_a_signed_webhook_names_the_lead_and_all_hear_it(sqlite_world: World) -> None:
    async with shop(sqlite_world, units=12) as here:
        here.fake.script.first.append(Fault.PENDING)
        await here.cancel(times=6)
        await here.work()
        assert await here.states() == ["accepted"] * 6
        [made] = here.made()
        here.fake.ledger.turn(made.id, "succeeded")
        asked = len(here.fake.requests)
        notified = [Notified(provider_id=made.id, reference=made.reference, payment=PAYMENT)]
        assert await here.worker.refunds.follow("mollie", notified)
        assert await here.states() == ["confirmed"] * 6
        assert len(here.fake.requests) - asked == 1


@pytest.mark.parametrize("how", ["paid", "closed", "corrected"])
@pytest.mark.parametrize("moves", [False, True], ids=["it never moved", "it had moved"])
async def test_once_a_person_took_one_out_the_call_is_not_made_again(
    sqlite_world: World, how: str, moves: bool
) -> None:
    world = sqlite_world
    async with shop(world, units=12) as here:
        here.fake.script.first.append(Fault.TIMEOUT_AFTER if moves else Fault.TIMEOUT_BEFORE)
        await here.cancel(times=6)
        here.worker.refunds._lanes = Broken(world, SettleRefund)
        await here.work()
        # The service comes back without its provider, so a person gets to see them all.
        here.worker = worker_of(world)
        await here.work(minutes=3)
        assert await here.states() == ["parked"] * 6
        first, *others = await here.rows()
        match how:
            case "paid":
                await here.say(first, CloseRefund, paid=True, note="by bank")
            case "closed":
                await here.say(first, CloseRefund, paid=False, note="the customer waives it")
            case "corrected":
                await here.say(first, CorrectRefund, step=first.step, elsewhere_minor=400, note="4.00 in cash")
        here.restart()
        for row in others:
            await here.say(row, RetryRefund, note="")
        for _ in range(6):
            await here.work(minutes=61)
        rows = {row.id: row for row in await here.rows()}
        assert {rows[each.id].state for each in others} == {"confirmed"}
        mine = {"paid": ("confirmed", 0), "closed": ("closed", 0), "corrected": ("confirmed", 6)}[how]
        if moves:
            assert here.moved() == 60, "nobody is paid twice by us"
        else:
            assert (rows[first.id].state, here.moved()) == (mine[0], 50 + mine[1])
        await assert_sound(world.application.database)


async def test_one_is_tried_again_and_all_who_share_its_call_go_on(sqlite_world: World) -> None:
    world = sqlite_world
    async with shop(world, units=12) as here:
        here.fake.script.first.append(Fault.TIMEOUT_BEFORE)
        await here.cancel(times=6)
        await here.work()
        here.worker = worker_of(world)
        await here.work(minutes=3)
        assert await here.states() == ["parked"] * 6
        here.restart()
        await here.say((await here.rows())[2], RetryRefund, note="")
        await here.work()
        assert (await here.states(), here.moved(), len({row.round for row in await here.rows()})) == (
            ["confirmed"] * 6,
            60,
            1,
        )


async def test_a_correction_of_one_that_moved_with_others_keeps_what_moved(sqlite_world: World) -> None:
    world = sqlite_world
    async with shop(world, units=12) as here:
        await here.cancel(times=2)
        await here.work()
        first, second = await here.rows()
        for row in (first, second):
            # An operator notes too much, and takes it back: what the call moved is known all the while.
            await here.say(row, CorrectRefund, step=row.step, elsewhere_minor=1000, note="typed wrongly")
        for days in (2, 2):
            world.clock.advance(days=days)
            await here.worker.check_refunds()
        assert (await here.states(), here.moved()) == (["confirmed"] * 2, 20)
        for row in await here.rows():
            await here.say(row, CorrectRefund, step=row.step, elsewhere_minor=0, note="taken back")
        for _ in range(3):
            await here.work(minutes=61)
            world.clock.advance(days=2)
            await here.worker.check_refunds()
        assert (await here.states(), here.moved()) == (["confirmed"] * 2, 20)
        [made] = here.made()
        here.fake.ledger.turn(made.id, "failed")
        world.clock.advance(days=2)
        await here.worker.check_refunds()
        assert (await here.states(), here.moved()) == (["parked"] * 2, 0)


async def test_stripe_takes_equal_refunds_one_by_one(sqlite_world: World) -> None:
    assert adapter("stripe", "http://127.0.0.1:1", sqlite_world.clock).equal_refunds_apart is None
    assert adapter("mollie", "http://127.0.0.1:1", sqlite_world.clock).equal_refunds_apart == timedelta(hours=1)


async def test_a_provider_that_never_answers_keeps_no_other_waiting(sqlite_world: World) -> None:
    """As many refunds as have a place hang at Stripe, and its webhooks; Mollie's go on, later ones too."""
    world = sqlite_world
    async with shop(world, units=12) as here:
        hangs = Hanging(world.clock)
        paid = {"provider": "stripe", "reference": "pi_1", "captured": "27"}
        for number in range(AT_ONCE + 4):
            order = await place_paid(world, reference=f"PO-S{number}", payments=[{**paid, "reference": f"pi_{number}"}])
            sale = Sale(world=world, order=order.id, lines=tuple(each.id for each in order.lines))
            await sale.done(sale.cancel_own(1))
        worker = worker_of(world, hangs, here.provider)
        news = [
            asyncio.create_task(
                worker.refunds.follow("stripe", [Notified(provider_id="", reference="", payment="pi_1")])
            )
            for _ in range(NEWS_MAX)
        ]
        running = asyncio.create_task(worker.run())
        try:
            for done in (1, 2):
                await here.cancel(done)
                async with asyncio.timeout(HANGS_S):
                    while await here.states() != ["confirmed"] * done:  # noqa: ASYNC110 - a limit is set
                        await asyncio.sleep(0.01)
            assert hangs.asked >= AT_ONCE
            assert await worker.refunds.follow("mollie", [Notified(provider_id="", reference="", payment=PAYMENT)])
            assert set(await here.states("stripe")) == {"due"}
        finally:
            for each in (running, *news):
                each.cancel()
            await asyncio.gather(running, *news, return_exceptions=True)


class Hanging(Bank):
    """A bank that never answers."""

    asked = 0

    async def find_payment(self, payment: str) -> Any:
        self.asked += 1
        await asyncio.Event().wait()

    async def find(self, request: RefundRequest) -> Any:
        await asyncio.Event().wait()
