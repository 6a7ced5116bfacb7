"""What somebody refunded at the provider by hand: what it counts for, who is asked, and how that is corrected."""

from dataclasses import dataclass
from typing import Any

import pytest

from countermand.domain.money.commands import CloseRefund, CorrectRefund, Movement, RetryRefund
from countermand.store.columns import Record
from tests.money.bank import Bank
from tests.money.test_settling import Desk, desk, worker_of
from tests.store.holding import assert_sound
from tests.store.speaking import OPERATOR, Sale
from tests.support.money import place_paid, rows_of
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def two_lines(world: World, provider: str = "stripe") -> Desk:
    """An order of 50.00 by one payment: a line of 30.00 that has shipped, and one of 20.00."""
    goods = [
        {"sku": sku, "units": 1, "unit_price": price, "supplier": str(world.supplier)}
        for sku, price in (("shipped", "30"), ("wanted", "20"))
    ]
    paid = [{"id": "card", "provider": provider, "reference": "pi_1", "captured": "50"}]
    order = await place_paid(world, lines=goods, discounts=[], payments=paid)
    shipped, wanted = (line.id for line in order.lines)
    sale = Sale(world=world, order=order.id, lines=(wanted, shipped))
    await sale.done(sale.ship(1, place=1))
    bank = Bank(world.clock)
    bank.captured_of["pi_1"] = 5000
    return Desk(world, sale, bank, worker_of(world, bank))


async def refund_of(here: Desk) -> Record:
    row: Record
    [row] = await rows_of(here.world, "refunds")
    return row


def correct(
    here: Desk, row: Record, elsewhere: int, *, step: int | None = None, note: str = "goodwill"
) -> CorrectRefund:
    return CorrectRefund(
        line=row.line_id,
        refund=row.id,
        actor=OPERATOR,
        step=row.step if step is None else step,
        elsewhere_minor=elsewhere,
        note=note,
    )


async def test_what_was_refunded_for_another_line_does_not_stop_the_refund(world: World) -> None:
    here = await two_lines(world)
    here.bank.by_hand("pi_1", 3000)
    await here.owed()
    await here.work()
    row = await refund_of(here)
    assert (row.state, row.elsewhere_minor, here.bank.moved()) == ("confirmed", 0, 5000)
    await assert_sound(world.application.database)


@dataclass(frozen=True)
class Case:
    """So much was refunded by hand of 50.00, and 20.00 is owed: is it sent, and if not what does the person read?"""

    by_hand: tuple[int, ...]
    sent: bool


CASES = [
    Case((), True),
    Case((1,), True),
    Case((2000,), True),
    Case((3000,), True),
    Case((1000, 2000), True),
    Case((3001,), False),
    Case((2000, 2000), False),
    Case((5000,), False),
]


@pytest.mark.parametrize("case", CASES, ids=lambda each: "+".join(map(str, each.by_hand)) or "nothing")
async def test_the_cap_is_what_is_left_of_the_payment_and_only_beyond_it_a_person_is_asked(
    world: World, case: Case
) -> None:
    here = await two_lines(world)
    for amount in case.by_hand:
        here.bank.by_hand("pi_1", amount)
    await here.owed()
    for _ in range(3):
        await here.work(minutes=5)
        await here.check(days=2)
    row = await refund_of(here)
    assert (row.state, row.elsewhere_minor) == ("confirmed" if case.sent else "parked", 0)
    assert here.bank.moved() == sum(case.by_hand) + (2000 if case.sent else 0)
    assert ("done" in await here.reported()) is case.sent, "nothing is called done before a person was asked"
    if not case.sent:
        assert row.last_result.startswith(f"{sum(case.by_hand) / 100:.2f} EUR of the payment was refunded")
    await assert_sound(world.application.database)


async def test_ec_60_a_person_says_how_much_of_it_was_for_this_refund_and_the_rest_is_sent(world: World) -> None:
    here = await two_lines(world)
    here.bank.by_hand("pi_1", 4000)
    await here.owed()
    await here.work()
    row = await refund_of(here)
    assert (row.state, row.step) == ("parked", 2)
    await here.sale.done(correct(here, row, 1000, note="10.00 was for the wanted line"))
    row = await refund_of(here)
    assert (row.state, row.step, row.elsewhere_minor, row.note) == ("due", 3, 1000, "10.00 was for the wanted line")
    await here.work()
    row = await refund_of(here)
    assert (row.state, row.step, here.bank.moved()) == ("confirmed", 4, 5000)
    assert here.bank.calls[-1].amount_minor == 1000
    assert await here.reported() == ["due", "failed", "corrected", "due", "sent", "done"]
    assert {(each.kind, each.debit, each.credit, each.amount_minor) for each in await journal(world)} == {
        ("refund.due", "retailer", "refunds_due", 2000),
        ("refund.corrected", "refunds_due", "provider:stripe", 1000),
        ("refund.done", "refunds_due", "provider:stripe", 1000),
    }
    await assert_sound(world.application.database)


async def journal(world: World) -> list[Record]:
    return list(await rows_of(world, "journal"))


async def found_and_done(world: World) -> Desk:
    """A parked refund of 9.00 that somebody made by hand, so that it was counted and called done."""
    here = await desk(world)
    here.bank.script.append("refused")
    await here.owed()
    await here.work()
    here.bank.by_hand("pi_1", 900)
    await here.check(days=1)
    row = await refund_of(here)
    assert (row.state, row.elsewhere_minor) == ("confirmed", 900)
    return here


@pytest.mark.parametrize(("truly", "sent"), [(0, 900), (400, 500), (900, 0)])
async def test_what_the_service_assumed_is_corrected_and_what_is_left_goes_back(
    world: World, truly: int, sent: int
) -> None:
    here = await found_and_done(world)
    row = await refund_of(here)
    await here.sale.done(correct(here, row, truly))
    row = await refund_of(here)
    assert (row.state, row.elsewhere_minor, row.step) == ("due" if sent else "confirmed", truly, 4)
    await here.work()
    assert (await here.states(), here.bank.moved()) == (["confirmed"], 900 + sent)
    await assert_sound(world.application.database)
    again = [each for each in await journal(world) if each.kind == "refund.corrected"]
    assert [(each.debit, each.credit, each.amount_minor) for each in again] == (
        [("provider:stripe", "refunds_due", 900 - truly)] if sent else []
    )


async def test_a_refund_that_was_sent_in_part_owes_more_when_the_other_part_was_not_for_it(world: World) -> None:
    """And when the first part fails days later, a person sees it, whichever key it was sent under."""
    here = await two_lines(world)
    here.bank.by_hand("pi_1", 4000)
    await here.owed()
    await here.work()
    await here.sale.done(correct(here, await refund_of(here), 1000))
    await here.work()
    here.bank.of_payment["pi_1"].pop(0)
    here.bank.held.pop("re_1")
    await here.sale.done(correct(here, await refund_of(here), 400, note="only 4.00 of it"))
    row = await refund_of(here)
    assert (row.state, row.paid_minor, row.moved_minor, row.round) == ("due", 1000, 1000, 2)
    await here.work()
    row = await refund_of(here)
    assert (row.state, here.bank.moved()) == ("confirmed", 1600)
    assert [(call.amount_minor, call.key[-2:]) for call in here.bank.calls] == [(1000, "-1"), (600, "-2")]
    await assert_sound(world.application.database)
    here.bank.held["re_2"].movement = Movement.REFUSED
    await here.check(days=1)
    assert await here.states() == ["parked"]
    await assert_sound(world.application.database)
    row = await refund_of(here)
    await here.sale.done(RetryRefund(line=row.line_id, refund=row.id, actor=OPERATOR, note=""))
    await here.work()
    assert (await here.states(), here.bank.moved()) == (["confirmed"], 1600)
    assert here.bank.calls[-1].amount_minor == 1000
    await assert_sound(world.application.database)


async def test_what_a_person_paid_otherwise_is_not_owed_again(world: World) -> None:
    here = await desk(world)
    here.bank.script.append("refused")
    await here.owed()
    await here.work()
    row = await refund_of(here)
    await here.sale.done(CloseRefund(line=row.line_id, refund=row.id, actor=OPERATOR, paid=True, note="by bank"))
    row = await refund_of(here)
    await here.sale.done(correct(here, row, 0))
    await here.work()
    await here.check(days=2)
    assert (await here.states(), here.bank.moved()) == (["confirmed"], 0)
    await assert_sound(world.application.database)


async def test_a_refund_that_a_person_pays_is_corrected_too(world: World) -> None:
    here = await two_lines(world, provider="manual")
    await here.owed()
    row = await refund_of(here)
    await here.sale.done(correct(here, row, 500))
    row = await refund_of(here)
    assert (row.state, row.elsewhere_minor, row.due_at) == ("by_hand", 500, None)
    await here.sale.done(correct(here, row, 2000))
    row = await refund_of(here)
    assert (row.state, await here.reported()) == ("confirmed", ["due", "corrected", "corrected", "done"])
    await here.sale.done(correct(here, row, 0))
    row = await refund_of(here)
    assert (row.state, row.step) == ("by_hand", 4)
    await assert_sound(world.application.database)


async def test_a_correction_names_the_step_that_was_seen(world: World) -> None:
    here = await found_and_done(world)
    row = await refund_of(here)
    late = await here.sale.refused(correct(here, row, 0, step=row.step - 1))
    current = late.refusal.current
    assert current is not None
    assert (late.refusal.kind.value, current.step, current.state) == ("state_changed", 3, "confirmed")
    for _ in range(2):
        await here.sale.done(correct(here, row, 0))
    other = await here.sale.refused(correct(here, row, 300))
    assert other.refusal.kind.value == "state_changed"
    await here.work()
    await here.sale.done(correct(here, row, 0))
    assert (await here.states(), here.bank.moved()) == (["confirmed"], 1800)
    assert (await here.reported()).count("corrected") == 1, "the same correction twice is one"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"note": " "}, "reason_required"),
        ({"elsewhere": 901}, "payment_differs"),
        ({"elsewhere": -1}, "payment_differs"),
    ],
)
async def test_a_correction_that_makes_no_sense_changes_nothing(
    world: World, changes: dict[str, Any], kind: str
) -> None:
    here = await found_and_done(world)
    row = await refund_of(here)
    refused = await here.sale.refused(correct(here, row, **{"elsewhere": 0, **changes}))
    assert refused.refusal.kind.value == kind
    assert await refund_of(here) == row


async def test_what_is_under_way_or_closed_or_a_release_is_not_corrected(world: World) -> None:
    here = await desk(world)
    await here.owed()
    row = await refund_of(here)
    assert (await here.sale.refused(correct(here, row, 0))).refusal.kind.value == "refund_not_open"
    here.bank.script.append("refused")
    await here.work()
    row = await refund_of(here)
    await here.sale.done(CloseRefund(line=row.line_id, refund=row.id, actor=OPERATOR, paid=False, note="kept"))
    row = await refund_of(here)
    assert (await here.sale.refused(correct(here, row, 0))).refusal.kind.value == "refund_not_open"
    reserved = await desk(world, captured="0", authorised="27")
    await reserved.owed(3)
    await reserved.work()
    [release] = [each for each in await rows_of(world, "refunds") if each.kind == "release"]
    refused = await reserved.sale.refused(correct(reserved, release, 0))
    assert "a release" in refused.refusal.detail
