"""Payments that come after the order: what is taken, what is refused, and that what went back stays as it was."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.domain.events import EventKind
from countermand.domain.money.account import GivenBack, OrderAccount
from countermand.domain.money.commands import AddPayment, CapturePayment, PaymentCommand
from countermand.domain.money.payments import Paid, decide_payment
from countermand.domain.money.pricing import OrderMoney, Payment, quote, returned
from countermand.domain.parties import Actor
from countermand.domain.refusals import Refusal, RefusalKind
from tests.domain.pricing import line as priced_line
from tests.domain.story import PLATFORM, RETAILER, SUPPLIER, held_by_supplier

SHOES = priced_line(1, 3, 900)
LINE = held_by_supplier(3, id=SHOES.id)
UNPAID = OrderMoney(currency="EUR", lines=(SHOES,))
RESERVED = OrderMoney(
    currency="EUR",
    lines=(SHOES,),
    payments=(Payment(id="card", provider="stripe", reference="pi", authorised_minor=2700),),
)


def add(captured: int = 0, authorised: int = 0, *, called: str = "card", by: Actor = RETAILER) -> AddPayment:
    payment = Payment(
        id=called, provider="stripe", reference="pi", captured_minor=captured, authorised_minor=authorised
    )
    return AddPayment(order=LINE.order, actor=by, payment=payment)


def capture(captured: int, *, called: str = "card", by: Actor = RETAILER) -> CapturePayment:
    return CapturePayment(order=LINE.order, actor=by, payment=called, captured_minor=captured)


def cancelled(units: int) -> dict[UUID, int]:
    return {SHOES.id: units}


def moved(money: OrderMoney, units: int) -> dict[str, tuple[int, int]]:
    back = returned(money, cancelled(units))
    return {part.payment: (part.refund_minor, part.release_minor) for part in back.payments}


def account(money: OrderMoney, units: int, gone: GivenBack | None = None) -> OrderAccount:
    return OrderAccount(
        retailer=LINE.retailer,
        order=LINE.order,
        money=money,
        cancelled=cancelled(units),
        given_back=moved(money, units) if gone is None else gone,
    )


def after(money: OrderMoney | None, units: int, command: PaymentCommand) -> Paid:
    outcome = decide_payment([LINE], account(money, units) if money else None, command, {})
    assert isinstance(outcome, Paid), outcome
    return outcome


def refused(money: OrderMoney | None, units: int, command: PaymentCommand) -> tuple[RefusalKind, str]:
    outcome = decide_payment([LINE], account(money, units) if money else None, command, {})
    assert isinstance(outcome, Refusal), outcome
    return outcome.kind, outcome.detail


def test_an_order_is_paid_later_and_its_lines_are_told() -> None:
    paid = after(UNPAID, 0, add(2000, 700))
    assert [(each.captured_minor, each.authorised_minor) for each in paid.account.money.payments] == [(2000, 700)]
    [decision] = paid.decisions
    [event] = decision.events
    assert (event.kind, event.seq, decision.line.seq) == (EventKind.PAYMENT_ADDED, LINE.seq + 1, LINE.seq + 1)
    assert event.payment is not None
    assert (event.payment.captured_minor, event.payment.authorised_minor) == (2000, 700)


def test_the_same_word_again_changes_nothing() -> None:
    paid = after(UNPAID, 0, add(2700)).account.money
    again = after(paid, 2, add(2700))
    assert (again.account.money, [each.events for each in again.decisions]) == (paid, [()])
    captured = after(RESERVED, 0, capture(1800)).account.money
    assert after(captured, 0, capture(1800)).decisions[0].events == ()
    assert refused(paid, 0, add(2600))[0] is RefusalKind.PAYMENT_EXISTS


@pytest.mark.parametrize("units", [0, 1, 2, 3])
def test_no_more_is_paid_than_is_left_after_what_was_cancelled(units: int) -> None:
    """What was cancelled before it was paid has fallen away: nothing goes back for it."""
    left = 2700 - 900 * units
    paid = after(UNPAID, units, add(left)).account.money
    assert returned(paid, cancelled(units)).refund_minor == 0
    assert returned(paid, cancelled(3)).refund_minor == left
    kind, sentence = refused(UNPAID, units, add(left + 1))
    assert (kind, sentence) == (RefusalKind.PAYMENT_DIFFERS, f"Of this order, {left / 100:.2f} EUR is left to pay.")


def test_a_line_cancelled_before_the_capture_is_released_and_one_after_it_is_refunded() -> None:
    assert moved(RESERVED, 1) == {"card": (0, 900)}
    captured = after(RESERVED, 1, capture(1800)).account.money
    assert moved(captured, 1) == {"card": (0, 900)}, "what has gone back stays as it was"
    later = quote(captured, cancelled(1), cancelled(2), moved(RESERVED, 1))
    assert (later.refund_minor, later.release_minor) == (1800, 0)


def test_what_was_released_cannot_be_captured() -> None:
    kind, sentence = refused(RESERVED, 1, capture(1801))
    assert kind is RefusalKind.PAYMENT_DIFFERS
    assert sentence == "Of this payment, 18.00 EUR can be captured, as 9.00 was released."
    assert refused(RESERVED, 0, capture(2701))[1] == "Of this payment, 27.00 EUR can be captured."


def test_what_was_captured_stays_captured() -> None:
    captured = after(RESERVED, 0, capture(1800)).account.money
    assert refused(captured, 0, capture(1799)) == (
        RefusalKind.PAYMENT_DIFFERS,
        "Of this payment, 18.00 EUR was captured.",
    )


def test_a_payment_that_is_not_there_cannot_be_captured() -> None:
    assert refused(RESERVED, 0, capture(1, called="other")) == (
        RefusalKind.UNKNOWN_PAYMENT,
        "This order has no payment called other.",
    )


def test_an_order_without_prices_knows_no_payments() -> None:
    assert refused(None, 0, add(1))[0] is RefusalKind.NO_PRICE


def test_only_the_retailer_and_the_platform_tell_of_payments() -> None:
    assert refused(UNPAID, 0, add(1, by=SUPPLIER))[0] is RefusalKind.UNKNOWN_ORDER
    after(UNPAID, 0, add(1, by=PLATFORM))


@given(
    steps=st.lists(st.tuples(st.sampled_from(["cancel", "capture", "add"]), st.integers(0, 3000)), max_size=12),
    reserved=st.integers(0, 2700),
)
def test_whatever_the_order_of_steps_nothing_is_refunded_above_what_was_captured(
    steps: list[tuple[str, int]], reserved: int
) -> None:
    money = OrderMoney(
        currency="EUR",
        lines=(SHOES,),
        payments=(Payment(id="card", provider="stripe", reference="pi", authorised_minor=reserved),),
    )
    units, gone = 0, {"card": (0, 0)}
    for step, amount in steps:
        if step == "cancel" and units < 3:
            back = quote(money, cancelled(units), cancelled(1), gone)
            units += 1
            for part in back.payments:
                before = gone.get(part.payment, (0, 0))
                gone[part.payment] = (before[0] + part.refund_minor, before[1] + part.release_minor)
        elif step != "cancel":
            command = capture(amount) if step == "capture" else add(amount, called=f"p{amount}")
            outcome = decide_payment([LINE], account(money, units, gone), command, {})
            money = outcome.account.money if isinstance(outcome, Paid) else money
        assert {name: parts for name, parts in gone.items() if any(parts)} == {
            name: parts for name, parts in moved(money, units).items() if any(parts)
        }, "what has gone back follows from what is cancelled"
        for payment in money.payments:
            refund, release = gone.get(payment.id, (0, 0))
            assert refund <= payment.captured_minor
            assert release <= payment.authorised_minor
