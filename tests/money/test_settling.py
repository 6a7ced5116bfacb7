"""Money moves once, whatever crashes when: every fault point of refunds (docs/refunds.md), on both engines."""

import asyncio
import os
import random
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from countermand.domain.commands import CancelOwn
from countermand.domain.money.commands import CloseRefund, Movement, RetryRefund, SendRefund
from countermand.domain.reasons import CancelReason
from countermand.ids import show
from countermand.payments.provider import Provider, ProviderResult, RefundRequest
from countermand.service.calls import Call, Done, Failed, Outcome
from countermand.store.refunds import ProviderGroup
from countermand.worker import Worker
from tests.money.bank import Bank
from tests.store.holding import assert_sound
from tests.store.speaking import OPERATOR, Sale
from tests.support.money import place_paid, rows_of
from tests.support.world import World

pytestmark = pytest.mark.anyio

REFUNDS = int(os.environ.get("COUNTERMAND_REFUNDS", "20000" if os.environ.get("COUNTERMAND_LONG") == "1" else "120"))


@dataclass
class Desk:
    """An order of three units for 27.00, its bank, and a worker beside them."""

    world: World
    sale: Sale
    bank: Bank
    worker: Worker

    async def owed(self, units: int = 1) -> None:
        await self.sale.done(self.sale.cancel_own(units))

    async def work(self, **later: float) -> int:
        self.world.clock.advance(**later)
        return await self.worker.settle_refunds()

    async def check(self, **later: float) -> int:
        self.world.clock.advance(**later)
        return await self.worker.check_refunds()

    async def states(self) -> list[str]:
        return sorted(row.state for row in await rows_of(self.world, "refunds"))

    async def reported(self) -> list[str]:
        return [row["kind"].removeprefix("refund.") for row in await self.sale.events() if "refund." in row["kind"]]


async def desk(world: World, **payment: Any) -> Desk:
    paid = {"provider": "stripe", "reference": "pi_1", "captured": "27", **payment}
    order = await place_paid(world, payments=[paid])
    sale = Sale(world=world, order=order.id, lines=tuple(line.id for line in order.lines))
    bank = Bank(world.clock)
    bank.captured_of["pi_1"] = 2700
    return Desk(world, sale, bank, worker_of(world, bank))


def worker_of(world: World, *banks: Provider) -> Worker:
    application = world.application

    class Nobody:
        async def deliver(self, *given: Any, **more: Any) -> Any:
            raise AssertionError

        tell_owner = ask_to_confirm = deliver

    return Worker(
        application.database,
        application.lanes,
        Nobody(),
        world.clock,
        alone=True,
        providers={bank.name: bank for bank in banks},
    )


async def test_what_is_due_is_paid_once_and_told(world: World) -> None:
    here = await desk(world)
    await here.owed()
    assert await here.work() == 1
    assert await here.work(hours=1) == 0
    assert (await here.states(), here.bank.moved()) == (["confirmed"], 900)
    assert await here.reported() == ["due", "sent", "done"]
    [row] = await rows_of(world, "refunds")
    assert (row.provider_reference, row.settled_at is not None) == ("re_1", True)
    assert here.bank.calls[0].key == f"cm-refund-{row.id.hex}-1"
    await assert_sound(world.application.database)


async def test_two_equal_refunds_of_one_payment_are_two(world: World) -> None:
    here = await desk(world)
    await here.owed()
    await here.owed()
    await here.work()
    assert (await here.states(), here.bank.moved()) == (["confirmed", "confirmed"], 1800)
    assert len({request.key for request in here.bank.calls}) == 2


async def test_refund_intent_before_commit_no_call_is_made(world: World) -> None:
    here = await desk(world)
    await here.owed()
    refunds = here.worker.refunds
    refunds._lanes = Broken(world, SendRefund)  # type: ignore[assignment]
    await here.work()
    assert (here.bank.calls, await here.states()) == ([], ["due"])


@pytest.mark.parametrize(
    "fault",
    ["before", "after", "error"],
    ids=["refund.timeout_before_charge", "refund.timeout_after_charge", "refund.500_after_charge"],
)
async def test_ec_56_no_answer_is_asked_again_with_the_same_key(world: World, fault: str) -> None:
    here = await desk(world)
    here.bank.script.append(fault)
    await here.owed()
    await here.work()
    assert await here.states() == ["unknown"]
    await here.work(seconds=6)
    assert (await here.states(), here.bank.moved()) == (["confirmed"], 900)
    assert len({request.key for request in here.bank.calls}) == 1
    assert len(here.bank.calls) == 2
    await assert_sound(world.application.database)


async def test_refund_intent_committed_before_call_the_call_is_made_once_after_restart(world: World) -> None:
    here = await desk(world)
    await here.owed()
    await here.worker.renew_leases()
    assert await killed(here.worker, here.bank, at_call=1)
    assert (await here.states(), here.bank.moved()) == (["sent"], 0)
    restarted = worker_of(world, here.bank)
    assert await restarted.settle_refunds() == 0, "the call may still be under way"
    world.clock.advance(minutes=3)
    await restarted.settle_refunds()
    assert (await here.states(), here.bank.moved()) == (["confirmed"], 900)


async def test_refund_ok_before_store_the_provider_replays(world: World) -> None:
    here = await desk(world)
    await here.owed()
    await here.worker.renew_leases()
    assert await killed(here.worker, here.bank, at_call=2)
    assert (await here.states(), here.bank.moved()) == (["sent"], 900)
    world.clock.advance(minutes=3)
    await worker_of(world, here.bank).settle_refunds()
    assert (await here.states(), here.bank.moved()) == (["confirmed"], 900)


async def test_refund_unknown_after_key_expiry_the_provider_is_asked_first(world: World) -> None:
    here = await desk(world)
    here.bank.script.append("after")
    await here.owed()
    await here.work()
    await here.work(hours=25)
    assert (here.bank.found, len(here.bank.calls), here.bank.moved()) == (1, 1, 900)
    assert await here.states() == ["confirmed"]


async def test_a_lost_wish_is_sent_again_only_after_the_provider_said_that_it_has_none(world: World) -> None:
    here = await desk(world)
    here.bank.script.append("before")
    await here.owed()
    await here.work()
    here.bank.mute = True
    await here.work(hours=25)
    assert (await here.states(), len(here.bank.calls)) == (["unknown"], 1), "no blind resend"
    here.bank.mute = False
    await here.work(hours=5)
    assert (await here.states(), len(here.bank.calls)) == (["due"], 1)
    await here.work(hours=5)
    assert (await here.states(), here.bank.moved()) == (["confirmed"], 900)


async def test_refund_webhook_twice_counts_once(world: World) -> None:
    here = await desk(world)
    here.bank.script.append("after")
    await here.owed()
    await here.work()
    [row] = await rows_of(world, "refunds")
    for _ in range(2):
        await here.worker.refunds.apply_news(row)
    assert (await here.states(), await here.reported()) == (["confirmed"], ["due", "sent", "done"])
    await here.work(hours=1)
    assert len(here.bank.calls) == 1
    await assert_sound(world.application.database)


async def test_refund_webhook_before_reply_the_reply_changes_nothing_more(world: World) -> None:
    """The money has moved, and the news of it overtakes the answer to the call."""
    here = await desk(world)
    await here.owed()
    seen: list[str] = []
    answer = here.bank.refund

    async def slowly(request: RefundRequest) -> ProviderResult:
        reported = await answer(request)
        [row] = await rows_of(world, "refunds")
        seen.append(row.state)
        assert await here.worker.refunds.apply_news(row)
        seen.extend(await here.states())
        return reported

    here.bank.refund = slowly  # type: ignore[method-assign]
    await here.work()
    assert seen == ["sent", "confirmed"]
    assert (await here.states(), await here.reported()) == (["confirmed"], ["due", "sent", "done"])
    assert (here.bank.moved(), len(here.bank.calls)) == (900, 1)
    await assert_sound(world.application.database)


async def test_refund_timeout_before_charge_when_the_key_is_forgotten_by_then_pays_once(world: World) -> None:
    here = await desk(world)
    here.bank.script.extend(["before", "after"])
    await here.owed()
    await here.work()
    await here.work(hours=30)
    await here.work(minutes=1)
    await here.work(hours=30)
    assert (await here.states(), here.bank.moved()) == (["confirmed"], 900)
    await assert_sound(world.application.database)


async def test_a_webhook_about_nothing_creates_nothing(world: World) -> None:
    here = await desk(world)
    await here.owed()
    [row] = await rows_of(world, "refunds")
    await here.worker.refunds.apply_news(row)
    assert (await here.states(), here.bank.moved()) == (["due"], 0)


async def test_ec_59_a_late_failure_reopens_and_a_person_finds_another_way(world: World) -> None:
    here = await desk(world)
    await here.owed()
    await here.work()
    here.bank.held["re_1"].movement = Movement.REFUSED
    world.clock.advance(days=3)
    [row] = await rows_of(world, "refunds")
    await here.worker.refunds.apply_news(row)
    assert await here.states() == ["parked"]
    await assert_sound(world.application.database)
    retry = RetryRefund(line=here.sale.line, refund=row.id, actor=OPERATOR, note="another card")
    await here.sale.done(retry)
    await here.work()
    assert (await here.states(), here.bank.moved()) == (["confirmed"], 900)
    assert await here.reported() == ["due", "sent", "done", "failed", "done"]
    await assert_sound(world.application.database)


async def test_ec_62_waiting_for_funds_is_visible_and_goes_on_by_itself(world: World) -> None:
    here = await desk(world)
    here.bank.script.extend(["later", "spent"])
    await here.owed()
    await here.work()
    [row] = await rows_of(world, "refunds")
    assert (row.state, row.last_result) == ("due", "Waiting for funds.")
    await here.work(seconds=10)
    await here.work(minutes=1)
    assert (await here.states(), here.bank.moved()) == (["confirmed"], 900)
    assert len({request.key for request in here.bank.calls}) == 2, (
        "a new key, since the old one would replay the answer"
    )


async def test_ec_50_another_amount_than_wished_is_parked_for_a_person(world: World) -> None:
    here = await desk(world)
    here.bank.script.append("other amount")
    await here.owed()
    await here.work()
    assert (await here.states(), await here.reported()) == (["parked"], ["due", "sent", "failed"])


async def test_a_refusal_is_parked_and_a_person_closes_it_with_a_note(world: World) -> None:
    here = await desk(world)
    here.bank.script.append("refused")
    await here.owed()
    await here.work()
    assert await here.work(days=30) == 0, "nobody retries by itself"
    [row] = await rows_of(world, "refunds")
    assert (row.state, row.last_result) == ("parked", "The card is closed.")
    close = CloseRefund(line=here.sale.line, refund=row.id, actor=OPERATOR, paid=True, note="by bank transfer")
    await here.sale.done(close)
    assert await here.states() == ["confirmed"]
    again = await here.sale.refused(close)
    assert again.refusal.kind.value == "refund_not_open"
    await assert_sound(world.application.database)


async def test_ec_09_a_disputed_payment_is_parked_while_the_cancellation_stands(world: World) -> None:
    """The bank has given the money back or may do so: it is never refunded besides, and a person sees to it."""
    here = await desk(world)
    here.bank.script.append("refused")
    await here.owed()
    await here.work()
    assert await here.sale.buckets() == (2, 0, 1, 0)
    assert (await here.work(days=20), await here.states(), here.bank.moved()) == (0, ["parked"], 0)
    [row] = await rows_of(world, "refunds")
    lost = CloseRefund(line=here.sale.line, refund=row.id, actor=OPERATOR, paid=False, note="charged back")
    await here.sale.done(lost)
    assert (await here.states(), here.bank.moved()) == (["closed"], 0)
    await assert_sound(world.application.database)


async def test_a_provider_that_is_not_set_up_parks_and_goes_on_by_itself_once_it_is(world: World) -> None:
    here = await desk(world, provider="mollie")
    await here.owed()
    await here.work()
    [row] = await rows_of(world, "refunds")
    assert (row.state, row.last_result, row.round) == (
        "parked",
        "The provider mollie is not set up here. Add it to payment_providers, or pay by hand.",
        1,
    )
    for _ in range(3):
        await here.check(days=20)
    assert await here.states() == ["parked"]
    here.bank.name = "mollie"
    here.worker = worker_of(world, here.bank)
    await here.check(hours=1)
    await here.work()
    assert (await here.states(), here.bank.moved(), len(here.bank.calls)) == (["confirmed"], 900, 1)
    await assert_sound(world.application.database)


async def test_a_provider_that_takes_its_time_is_asked_until_it_is_done(world: World) -> None:
    here = await desk(world)
    here.bank.script.append("accepted")
    await here.owed()
    await here.work()
    assert await here.states() == ["accepted"]
    await here.work(minutes=11)
    assert await here.states() == ["accepted"]
    here.bank.held["re_1"].movement = Movement.CONFIRMED
    await here.work(days=1)
    assert (await here.states(), len(here.bank.calls)) == (["confirmed"], 1)


async def test_ec_52_what_is_authorised_is_released_and_never_refunded(world: World) -> None:
    here = await desk(world, captured="7", authorised="20")
    await here.owed(3)
    await here.work()
    assert (await here.states(), here.bank.moved()) == (["confirmed", "confirmed"], 700)
    assert list(here.bank.released.values()) == [2000]


async def test_releases_of_parts_of_one_payment_add_up(world: World) -> None:
    """A provider lets go of all that is left or of nothing, so the last of three parts brings all of them."""
    here = await desk(world, captured="0", authorised="27")
    here.bank.authorised["pi_1"] = 2700
    for _ in range(2):
        await here.owed()
        await here.work(seconds=1)
    assert (await here.states(), here.bank.released) == (["due", "due"], {})
    await here.owed()
    await here.work(seconds=1)
    assert await here.states() == ["confirmed", "due", "due"]
    for later in (24, 1):
        await here.work(hours=later)
    assert (await here.states(), sorted(here.bank.released.values())) == (["confirmed"] * 3, [900] * 3)
    assert (here.bank.moved(), here.bank.calls) == (0, [])
    await assert_sound(world.application.database)


async def test_two_workers_that_take_up_one_refund_call_once(world: World) -> None:
    here = await desk(world)
    await here.owed()
    workers = [worker_of(world, here.bank) for _ in range(4)]
    await workers[0].renew_leases()
    for each in workers[1:]:
        each.refunds._partitions = workers[0].partitions
    await asyncio.gather(*(each.refunds.settle() for each in workers))
    assert (len(here.bank.calls), here.bank.moved()) == (1, 900)


async def test_a_refund_belongs_to_its_line(world: World) -> None:
    here, other = await desk(world), await desk(world)
    await here.owed()
    [row] = await rows_of(world, "refunds")
    for line, refund in ((other.sale.line, row.id), (here.sale.line, other.sale.line)):
        outcome = await here.sale.refused(SendRefund(line=line, refund=refund, actor=OPERATOR, attempts=0))
        assert outcome.refusal.kind.value == "unknown_refund"


async def test_no_refund_is_lost_or_doubled_under_faults_and_kills(world: World) -> None:
    """Random faults, workers killed at any step, keys that expire: the ledger of the bank equals our journal."""
    dice = random.Random(7)
    bank = Bank(world.clock)
    await many_owed(world)
    rounds = kills = 0
    while any(row.due_at for row in await rows_of(world, "refunds")):
        rounds += 1
        assert rounds < 200, "something is never settled"
        calm = rounds > 60
        bank.chance = partial(dice.choice, [""] if calm else FAULTS)
        for held in bank.held.values():
            if held.movement is Movement.ACCEPTED and (calm or dice.random() < 0.3):
                held.movement = Movement.CONFIRMED
        worker = worker_of(world, bank)
        await worker.renew_leases()
        kills += await killed(worker, bank, 10**9 if calm else dice.randint(1, max(60, REFUNDS // 15)))
        world.clock.advance(seconds=dice.choice([10, 150, 4_000, 90_000]))
    rows = await rows_of(world, "refunds")
    assert len(rows) == REFUNDS
    ledger: Counter[str] = Counter()
    for held in bank.held.values():
        ledger[held.reference.removesuffix("-2").removesuffix("-3")[:36]] += held.amount_minor
    for row in rows:
        assert row.state in ("confirmed", "parked")
        assert ledger[show("rfd", row.id)] == (row.amount_minor if row.state == "confirmed" else 0)
    assert sum(ledger.values()) == bank.moved() == sum(row.amount_minor for row in rows if row.state == "confirmed")
    await assert_sound(world.application.database)
    parked = Counter(row.last_result for row in rows if row.state == "parked")
    print(f"{len(rows)} refunds, {len(bank.calls)} calls, {kills} kills in {rounds} rounds, parked: {dict(parked)}")


FAULTS = ["", "", "", "", "before", "after", "error", "later", "spent", "accepted", "refused"]


async def many_owed(world: World) -> None:
    """Orders of five lines with four units each; every unit is cancelled by itself."""
    orders = [await place_paid(world, **_twenty(world, number)) for number in range(-(-REFUNDS // 20))]
    talks = [Sale(world=world, order=each.id, lines=tuple(line.id for line in each.lines)) for each in orders]
    asked = [(sale, place) for sale in talks for place in range(5) for _ in range(4)][:REFUNDS]
    for first in range(0, len(asked), 200):
        some = asked[first : first + 200]
        outcomes = await asyncio.gather(*(sale.say(_one_unit(sale, place)) for sale, place in some))
        assert all(isinstance(each, Done) for each in outcomes)


def _one_unit(sale: Sale, place: int) -> CancelOwn:
    return CancelOwn(line=sale.lines[place], actor=sale.supplier, reason=CancelReason.OUT_OF_STOCK, units=1)


def _twenty(world: World, number: int) -> dict[str, Any]:
    lines = [
        {"sku": str(n), "units": 4, "unit_price": "9.99", "discount": "0.01", "supplier": str(world.supplier)}
        for n in range(5)
    ]
    paid = {"provider": "stripe", "reference": f"pi_{number}", "captured": "199.75"}
    return {"lines": lines, "discounts": [], "payments": [paid]}


async def killed(worker: Worker, bank: Bank, at_call: int) -> bool:
    """Let the worker settle, and kill it at some call: odd ones are before the charge, even ones after it."""
    task = asyncio.create_task(worker.refunds.settle_all(ProviderGroup(provider="stripe")))
    left = at_call

    def strike() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            task.cancel()

    bank.on_call = strike
    try:
        await task
    except asyncio.CancelledError:
        return True
    finally:
        bank.on_call = lambda: None
    return False


class Broken:
    """A road on which one kind of command always fails."""

    def __init__(self, world: World, kind: type) -> None:
        self._world = world
        self._kind = kind

    async def submit(self, call: Call) -> Outcome:
        return Failed() if isinstance(call.command, self._kind) else await self._world.application.lanes.submit(call)
