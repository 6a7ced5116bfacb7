"""What no webhook told: refunds that failed days later, or that somebody made by hand; on both engines."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection

from countermand.domain.money.commands import CloseRefund, Movement, RetryRefund
from countermand.store import refunds
from countermand.store.codecs import refund_of
from countermand.worker import Worker
from tests.money.test_settling import Desk, desk, worker_of
from tests.payments.conftest import PREFIX, adapter
from tests.store.holding import assert_sound
from tests.store.speaking import OPERATOR, Sale
from tests.support.money import place_paid, rows_of
from tests.support.payments.ledger import Ledger
from tests.support.payments.script import Fault, Script
from tests.support.payments.server import Fake
from tests.support.plans import plans_of, reads_whole
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def paid(world: World) -> Desk:
    """One unit of three, refunded and confirmed."""
    here = await desk(world)
    await here.owed()
    await here.work()
    assert await here.states() == ["confirmed"]
    return here


async def test_a_late_failure_whose_webhook_was_lost_is_found_within_a_day_and_refunded_once(world: World) -> None:
    here = await paid(world)
    here.bank.held["re_1"].movement = Movement.REFUSED
    assert await here.check(hours=23) == 0, "asked once a day"
    assert await here.check(hours=1) == 1
    assert (await here.states(), await here.reported()) == (["parked"], ["due", "sent", "done", "failed"])
    await assert_sound(world.application.database)
    [row] = await rows_of(world, "refunds")
    await here.sale.done(RetryRefund(line=here.sale.line, refund=row.id, actor=OPERATOR, note="another card"))
    await here.work()
    for _ in range(3):
        assert await here.check(days=1) == 1
    assert (await here.states(), here.bank.moved(), len(here.bank.calls)) == (["confirmed"], 900, 2)
    assert await here.reported() == ["due", "sent", "done", "failed", "done"]
    await assert_sound(world.application.database)


async def test_what_stands_is_asked_about_once_a_day_and_not_for_ever(world: World) -> None:
    here = await paid(world)
    asked = [await here.check(days=1) for _ in range(40)]
    assert asked == [1] * 30 + [0] * 10
    assert (here.bank.found, len(here.bank.calls), here.bank.moved()) == (30, 1, 900)
    [row] = await rows_of(world, "refunds")
    assert (row.state, row.check_at) == ("confirmed", None)
    assert await here.reported() == ["due", "sent", "done"]


async def test_with_no_days_nobody_is_asked_again(world: World) -> None:
    here = await desk(world)
    application = world.application
    here.worker = Worker(
        application.database,
        application.lanes,
        here.worker.notices._courier,
        world.clock,
        alone=True,
        providers={"stripe": here.bank},
        watch_refunds=timedelta(0),
    )
    await here.owed()
    await here.work()
    assert await here.check(days=2) == 0
    assert (await here.states(), here.bank.found) == (["confirmed"], 0)


async def test_a_provider_that_is_silent_is_asked_again_in_an_hour(world: World) -> None:
    here = await paid(world)
    here.bank.held["re_1"].movement = Movement.REFUSED
    here.bank.mute = True
    assert await here.check(days=1) == 1
    assert await here.states() == ["confirmed"], "silence proves nothing"
    here.bank.mute = False
    assert await here.check(minutes=59) == 0
    assert await here.check(minutes=1) == 1
    assert await here.states() == ["parked"]


async def test_ec_60_a_parked_refund_that_somebody_made_by_hand_is_found_and_done(world: World) -> None:
    here = await desk(world)
    here.bank.script.append("refused")
    await here.owed()
    await here.work()
    assert await here.states() == ["parked"]
    here.bank.by_hand("pi_1", 400)
    await here.check(days=1)
    [row] = await rows_of(world, "refunds")
    assert (row.state, row.elsewhere_minor, row.last_result) == (
        "parked",
        400,
        "Somebody had refunded it at the provider.",
    )
    here.bank.by_hand("pi_1", 500)
    await here.check(days=1)
    assert (await here.states(), here.bank.moved(), len(here.bank.calls)) == (["confirmed"], 900, 1)
    assert await here.reported() == ["due", "sent", "failed", "done"]
    await assert_sound(world.application.database)
    await here.owed()
    await here.work()
    assert here.bank.moved() == 1800, "what was counted once is not counted for the next refund"


async def test_the_rest_of_a_parked_refund_alone_is_sent(world: World) -> None:
    here = await desk(world)
    here.bank.script.append("refused")
    await here.owed()
    await here.work()
    here.bank.by_hand("pi_1", 400)
    await here.check(days=1)
    [row] = await rows_of(world, "refunds")
    await here.sale.done(RetryRefund(line=here.sale.line, refund=row.id, actor=OPERATOR, note=""))
    await here.work()
    assert (await here.states(), here.bank.moved()) == (["confirmed"], 900)
    assert here.bank.calls[-1].amount_minor == 500
    await assert_sound(world.application.database)


async def test_what_was_refunded_by_hand_besides_is_told_and_does_not_stop_the_next_refund(world: World) -> None:
    here = await paid(world)
    here.bank.by_hand("pi_1", 900)
    await here.check(days=1)
    [row] = await rows_of(world, "refunds")
    assert row.last_result == "as the ledger has it Besides, 9.00 EUR was refunded there by hand."
    await here.owed()
    await here.work()
    assert (await here.states(), here.bank.moved()) == (["confirmed", "confirmed"], 2700), "9.00 was left for it"


async def test_a_refund_by_hand_that_cannot_be_the_parked_one_is_not_counted(world: World) -> None:
    """It was there before, or is of more than is owed: it was for something else, and nothing is called done."""
    here = await desk(world)
    here.bank.by_hand("pi_1", 400)
    world.clock.advance(seconds=1)
    here.bank.script.append("refused")
    await here.owed()
    await here.work()
    here.bank.by_hand("pi_1", 901)
    for _ in range(3):
        await here.check(days=1)
    [row] = await rows_of(world, "refunds")
    assert (row.state, row.elsewhere_minor, await here.reported()) == ("parked", 0, ["due", "sent", "failed"])


async def test_a_refund_that_moved_though_it_was_given_up_is_found(world: World) -> None:
    """Nobody answered for two weeks; it is parked, and the money moved."""
    here = await desk(world)
    here.bank.script.append("after")
    await here.owed()
    await here.work()
    here.bank.mute = True
    await here.work(days=15)
    assert await here.states() == ["parked"]
    here.bank.mute = False
    await here.check(days=1)
    assert (await here.states(), here.bank.moved()) == (["confirmed"], 900)
    await assert_sound(world.application.database)


async def test_what_a_person_paid_otherwise_does_not_fail_because_the_provider_refused_it(world: World) -> None:
    here = await desk(world)
    here.bank.script.append("refused")
    await here.owed()
    await here.work()
    [row] = await rows_of(world, "refunds")
    await here.sale.done(CloseRefund(line=here.sale.line, refund=row.id, actor=OPERATOR, paid=True, note="by bank"))
    here.bank.by_hand("pi_2", 1)
    await here.worker.refunds.apply_news(row)
    assert await here.check(days=1) == 0
    assert (await here.states(), await here.reported()) == (["confirmed"], ["due", "sent", "failed", "done"])
    await assert_sound(world.application.database)


async def test_two_workers_that_ask_at_once_reopen_it_once(world: World) -> None:
    here = await paid(world)
    here.bank.held["re_1"].movement = Movement.REFUSED
    world.clock.advance(days=1)
    other = worker_of(world, here.bank)
    await here.worker.renew_leases()
    other.refunds._partitions = here.worker.partitions
    await here.worker.refunds.check()
    [row] = await rows_of(world, "refunds")
    await other.refunds.apply_news(row)
    await other.refunds._check_one(row)
    assert await here.reported() == ["due", "sent", "done", "failed"]
    await assert_sound(world.application.database)


async def test_what_is_looked_up_uses_an_index(world: World) -> None:
    """By the time it is asked about, by a provider's payment, by a bare id: none reads all refunds."""
    await paid(world)
    [row] = await rows_of(world, "refunds")
    stripe = refunds.ProviderGroup(provider="stripe")
    questions: dict[str, Callable[[Connection], object]] = {
        "checked": lambda it: refunds.refunds_to_check(it, world.clock(), 10, [1], stripe),
        "due": lambda it: refunds.due_refunds(it, world.clock(), 10, [1], stripe),
        "refunds_id": lambda it: refunds.refunds_notified(it, "stripe", row.id, ""),
        "joined": lambda it: refunds.refunds_notified(it, "stripe", row.id, ""),
        "ix_refunds": lambda it: refunds.refunds_sharing(it, row.retailer_id, refund_of(row)),
        "payment_reference": lambda it: refunds.refunds_notified(it, "stripe", None, "pi_1"),
    }
    for index, question in questions.items():
        steps = await world.application.database.read(partial(plans_of, question=question, tables=("refunds",)))
        assert any(index in step for step in steps), steps
        assert not reads_whole(steps, "refunds"), steps


ORDERS = 12


@pytest.mark.parametrize("name", ["stripe", "mollie"])
async def test_without_a_single_webhook_the_books_equal_the_providers_in_the_end(world: World, name: str) -> None:
    """Over HTTP, at a provider that takes its time, loses answers, and whose banks send back days later what they had
    carried out. Somebody refunds by hand there too."""
    faults = [Fault.FAILS_LATER] * 4 + [Fault.PENDING] * 3 + [Fault.TIMEOUT_AFTER] * 2 + [Fault.ERROR_AFTER] * 2
    async with Fake(ledger=Ledger(clock=world.clock), script=Script(faults)) as fake:
        provider = adapter(name, fake.url, world.clock)
        for n in range(ORDERS):
            payment = fake.ledger.pay(f"{PREFIX[name]}{n}", "27.00").id
            order = await place_paid(world, payments=[{"provider": name, "reference": payment, "captured": "27"}])
            sale = Sale(world=world, order=order.id, lines=tuple(line.id for line in order.lines))
            await sale.done(sale.cancel_own(1))
        worker = worker_of(world, provider)
        for day in range(8):
            await worker.settle_refunds()
            world.clock.advance(days=1, minutes=5)
            fake.ledger.days_pass()
            await worker.check_refunds()
            if day == 5:
                _refund_by_hand(fake, [row for row in await rows_of(world, "refunds") if row.state == "parked"][:2])
        rows = await rows_of(world, "refunds")
        for row in rows:
            moved = [each for each in fake.ledger.of(row.payment_reference) if each.standing]
            assert sum(each.amount for each in moved) == (9 if row.state == "confirmed" else 0), row.last_result
        states = Counter(row.state for row in rows)
        assert states == {"confirmed": ORDERS - 2, "parked": 2}
        by_hand = [row for row in rows if row.elsewhere_minor == 900]
        assert [row.state for row in by_hand] == ["confirmed", "confirmed"], "found, and counted once"
        await assert_sound(world.application.database)
        await provider.close()


def _refund_by_hand(fake: Fake, rows: Sequence[Any]) -> None:
    for row in rows:
        fake.ledger.refund(row.payment_reference, Decimal(9), {})
