"""What a cancellation owes is a row of its own transaction, on both engines."""

import asyncio
import os
import random
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.engine import Engine

from countermand.domain.commands import AcceptCancellation, AskCancellation, CancelOrder, CancelOwn, Ship
from countermand.domain.money.commands import CapturePayment
from countermand.domain.parties import Asker
from countermand.domain.reasons import CancelReason
from countermand.service import batch, load_money
from countermand.service.calls import Call, Done, Outcome
from countermand.service.decide import decide_call
from countermand.service.workspace import Workspace
from countermand.store import statements
from tests.money.test_quotes import quoted
from tests.store.holding import agree, assert_sound
from tests.store.speaking import Sale, new_sale
from tests.support.money import place_paid, rows_of
from tests.support.world import Clock, World, populate, running

pytestmark = pytest.mark.anyio

STEPS = 400 if os.environ.get("COUNTERMAND_LONG") == "1" else 40


async def priced(world: World, **changes: Any) -> Sale:
    order = await place_paid(world, **changes)
    return Sale(world=world, order=order.id, lines=tuple(line.id for line in order.lines))


async def owed(world: World) -> list[tuple[str, int]]:
    return sorted((row.payment_id, row.amount_minor) for row in await rows_of(world, "refunds"))


async def test_an_acceptance_owes_what_the_quote_said(world: World) -> None:
    sale = await priced(world)
    shown = await quoted(world, sale.line, 2)
    await sale.done(sale.ask(2))
    assert await owed(world) == [], "nothing is owed before the answer"
    await sale.done(sale.accept())
    assert shown["refund"] == "18.00"
    assert await owed(world) == [("1", 1800)]
    [row] = await rows_of(world, "refunds")
    assert (row.state, row.cancellation_id, row.currency, row.due_at) == ("by_hand", sale.asked, "EUR", None)
    reported = (await sale.events())[-1]
    assert (reported["kind"], reported["facts"]["refund"]["amount_minor"]) == ("refund.due", 1800)
    assert reported["actor_id"] == world.supplier
    await assert_sound(world.application.database)


async def test_a_provider_is_due_at_once(world: World) -> None:
    sale = await priced(world, payments=[{"provider": "stripe", "reference": "pi_1", "captured": "27"}])
    await sale.done(sale.cancel_own(1))
    [row] = await rows_of(world, "refunds")
    assert (row.state, row.due_at, row.payment_reference) == ("due", world.clock(), "pi_1")


async def test_a_declined_or_withdrawn_ask_owes_nothing(world: World) -> None:
    sale = await priced(world)
    await sale.done(sale.ask(2))
    await sale.done(sale.decline())
    await sale.done(sale.ask(1))
    await sale.done(sale.withdraw())
    assert await owed(world) == []


async def test_deciding_asks_the_database_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it takes was loaded before, the money and its locks too."""
    deciding, asked, decided = False, list[str](), list[Call]()

    def decide(work: Workspace, call: Call) -> Outcome:
        nonlocal deciding
        deciding = True
        decided.append(call)
        try:
            return decide_call(work, call)
        finally:
            deciding = False

    def note(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        if deciding:
            asked.append(statement)

    monkeypatch.setattr(batch, "decide_call", decide)
    sqlalchemy_event.listen(Engine, "before_cursor_execute", note)
    try:
        sale = await priced(world)
        await sale.done(sale.ask(1))
        await sale.done(sale.accept())
        await sale.done(sale.cancel_own(1))
        actor = world.actor(world.retailer)
        await world.submit(CapturePayment(order=sale.order, actor=actor, payment="1", captured_minor=2_000))
        await sale.done(sale.ship(1))
    finally:
        sqlalchemy_event.remove(Engine, "before_cursor_execute", note)
    assert (len(decided), asked) == (6, [])


async def test_money_that_turns_out_to_be_needed_is_loaded_the_next_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale = await priced(world)
    monkeypatch.setattr(load_money, "_may_move_money", lambda *given: False)
    await sale.done(sale.cancel_own(1))
    assert await owed(world) == [("1", 900)]
    await assert_sound(world.application.database)


async def test_an_order_without_money_owes_nothing_and_costs_no_statement_more(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.ask(1))
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        statements.append(statement)

    sqlalchemy_event.listen(Engine, "before_cursor_execute", note)
    try:
        await sale.done(sale.accept())
    finally:
        sqlalchemy_event.remove(Engine, "before_cursor_execute", note)
    assert not [each for each in statements if "order_money" in each or "FROM refunds" in each]
    assert await owed(world) == []


async def test_ec_08_what_is_only_authorised_is_a_release(world: World) -> None:
    sale = await priced(world, payments=[{"provider": "stripe", "captured": "7", "authorised": "20"}])
    await sale.done(sale.cancel_own())
    assert sorted((row.kind, row.amount_minor) for row in await rows_of(world, "refunds")) == [
        ("refund", 700),
        ("release", 2000),
    ]
    assert sum(row.amount_minor for row in await rows_of(world, "journal")) == 700
    await assert_sound(world.application.database)


async def test_ec_28_silence_that_means_yes_owes_the_refund_at_the_deadline(world: World) -> None:
    await agree(world, None, 1, silence="accept")
    sale = await priced(world)
    await sale.done(sale.ask(2))
    world.clock.advance(hours=49)
    await sale.done(sale.pass_deadline())
    assert await owed(world) == [("1", 1800)]
    reported = (await sale.events())[-1]
    assert (reported["kind"], reported["actor_id"], reported["actor"]) == ("refund.due", None, "policy")


async def test_units_that_the_supplier_rejects_are_owed(world: World) -> None:
    sale = await priced(world)
    await sale.done(sale.allocate_order(sale.allocate(accepted=1, rejected=2)))
    assert await owed(world) == [("1", 1800)]
    await assert_sound(world.application.database)


async def test_of_a_partial_answer_the_accepted_part_is_owed(world: World) -> None:
    """EC-15: the rest stays on order."""
    sale = await priced(world)
    await sale.done(sale.ask(3))
    await sale.done(sale.accept(1, named=True))
    assert await owed(world) == [("1", 900)]


async def test_ec_37_units_that_are_cancelled_cannot_ship_and_are_refunded_once(world: World) -> None:
    sale = await priced(world)
    await sale.done(sale.cancel_own())
    refused = await sale.refused(sale.ship(1))
    assert refused.refusal.kind.value == "already_cancelled"
    await sale.refused(sale.cancel_own())
    assert await owed(world) == [("1", 2700)]


async def test_ec_51_the_gift_card_is_filled_first(world: World) -> None:
    gift = {"id": "gift", "method": "gift_card", "captured": "10"}
    sale = await priced(world, payments=[gift, {"id": "card", "captured": "17"}])
    await sale.done(sale.cancel_own(2))
    assert await owed(world) == [("card", 800), ("gift", 1000)]


async def test_ec_55_the_vendor_owes_its_share_and_commission_comes_back(world: World) -> None:
    line = {"sku": "a", "units": 3, "unit_price": "10", "fee": "1.00", "supplier": str(world.supplier)}
    sale = await priced(world, lines=[line], commission_returned=True)
    for _ in range(3):
        await sale.done(sale.cancel_own(1))
    accounts: dict[str, int] = {}
    for row in await rows_of(world, "journal"):
        accounts[row.debit] = accounts.get(row.debit, 0) - row.amount_minor
        accounts[row.credit] = accounts.get(row.credit, 0) + row.amount_minor
    assert accounts == {"retailer": 100 - 2700, "refunds_due": 2700, "commission": -100}
    assert sum(accounts.values()) == 0


async def test_shipping_goes_back_with_the_last_line_whoever_cancels_it(world: World) -> None:
    goods = [{"sku": str(n), "units": 1, "unit_price": "10", "supplier": str(world.supplier)} for n in range(3)]
    sale = await priced(world, lines=goods, discounts=[], shipping=[{"amount": "5"}], payments=[{"captured": "35"}])
    await sale.done(CancelOwn(line=sale.lines[0], actor=sale.supplier, reason=CancelReason.OUT_OF_STOCK))
    await sale.done(sale.cancel_order())
    await sale.done(sale.answer_order())
    assert [amount for _, amount in await owed(world)] == [1000, 1000, 1500]
    await assert_sound(world.application.database)


async def test_an_order_that_is_cancelled_as_it_is_placed_is_paid_back(world: World) -> None:
    """Both calls may share a batch: then the order's money is not in the database yet."""
    order = await place_paid(world)
    sale = Sale(world=world, order=order.id, lines=tuple(line.id for line in order.lines))
    outcomes = await asyncio.gather(*(sale.say(sale.cancel_own(1)) for _ in range(3)))
    assert all(isinstance(each, Done) for each in outcomes)
    assert sorted(amount for _, amount in await owed(world)) == [900, 900, 900]
    await assert_sound(world.application.database)


async def test_the_sum_of_all_refunds_is_the_quote_for_all_that_was_cancelled(world: World) -> None:
    """Random sequences over several orders, many at once: the invariants of tests/store/holding.py hold the sums."""
    dice = random.Random(5)
    talks = [
        await priced(
            world,
            lines=[
                {
                    "sku": str(n),
                    "units": dice.randint(1, 7),
                    "unit_price": str(dice.randint(0, 5000)),
                    "discount": "0",
                    "tax_percent": dice.choice(["0", "9", "21"]),
                    "supplier": str(world.supplier),
                }
                for n in range(dice.randint(1, 4))
            ],
            currency="JPY",
            discounts=[],
            shipping=[{"amount": "490", "refund": dice.choice(["by_share", "with_last_line"])}],
            payments=[{"id": "a", "captured": "300"}, {"id": "b", "captured": "100", "authorised": "90"}],
        )
        for _ in range(4)
    ]
    for _ in range(STEPS // 4):
        sale = dice.choice(talks)
        await asyncio.gather(*(sale.say(command(sale, dice)) for _ in range(4)))
    await assert_sound(world.application.database)
    assert await rows_of(world, "refunds")


def command(sale: Sale, dice: random.Random) -> Any:
    line: UUID = dice.choice(sale.lines)
    units = dice.choice([None, 1, 2])
    match dice.randint(0, 5):
        case 0 | 1:
            return AskCancellation(line=line, actor=sale.retailer, units=units, key=str(dice.random()))
        case 2 | 3:
            return AcceptCancellation(line=line, actor=sale.supplier)
        case 4:
            return CancelOwn(line=line, actor=sale.supplier, reason=CancelReason.OUT_OF_STOCK, units=units)
        case _:
            return dice.choice(
                [
                    Ship(line=line, actor=sale.supplier, units=1),
                    CancelOrder(order=sale.order, actor=sale.retailer, asker=Asker.RETAILER),
                ]
            )


async def test_lines_of_one_order_that_are_cancelled_side_by_side_share_its_payments(
    database_url: str, clock: Clock
) -> None:
    """On PostgreSQL four lanes at once: the row of the order's money makes them wait for each other."""
    async with running(database_url, clock, lanes=4) as application:
        world = await populate(application, clock)
        goods = [{"sku": str(n), "units": 5, "unit_price": "3.33", "supplier": str(world.supplier)} for n in range(8)]
        halves = [{"id": "a", "captured": "70"}, {"id": "b", "captured": "63.20", "authorised": "4"}]
        charge = [{"amount": "4"}]
        paid = {"lines": goods, "discounts": [], "payments": halves, "shipping": charge}
        talks = [await priced(world, **paid) for _ in range(2)]
        units = [(sale, place) for sale in talks for place in range(8) for _ in range(5)]
        random.Random(3).shuffle(units)
        outcomes = await asyncio.gather(*(sale.say(one_of(sale, place)) for sale, place in units))
        assert all(isinstance(each, Done) for each in outcomes), outcomes
        await assert_sound(application.database)
        assert sum(row.amount_minor for row in await rows_of(world, "refunds")) == 2 * 13_720


def one_of(sale: Sale, place: int) -> CancelOwn:
    return CancelOwn(line=sale.lines[place], actor=sale.supplier, reason=CancelReason.OUT_OF_STOCK, units=1)


def test_no_statement_changes_the_journal() -> None:
    assert "journal" not in statements.UPDATES
    source = Path(statements.__file__).parents[1]
    changing = [path for path in source.rglob("*.py") if re.search(r"(update|delete)\(t\.journal", path.read_text())]
    assert changing == []
