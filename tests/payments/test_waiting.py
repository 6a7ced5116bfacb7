"""How each provider says that the balance is too low, and whose a payment is."""

from typing import Any

import pytest

from countermand.payments.client import Reply
from countermand.payments.mollie.adapter import Mollie
from countermand.payments.provider import Movement, Provider, ProviderPayment, WaitingFor
from countermand.payments.stripe.adapter import _held as stripe_held
from tests.payments.conftest import Make, refund_request
from tests.support.payments.script import Fault, Script
from tests.support.payments.server import Fake

pytestmark = pytest.mark.anyio


async def test_a_balance_that_is_too_low_is_a_wait_for_funds(provider: Provider, fake: Fake, payment: str) -> None:
    fake.script = Script([Fault.NO_FUNDS])
    reported = await provider.refund(refund_request(payment))
    assert (reported.movement, reported.waiting_for, reported.spent) == (Movement.LATER, WaitingFor.FUNDS, True)
    assert reported.result.startswith("Waiting for funds at ")


@pytest.mark.parametrize(
    ("detail", "waits"),
    [
        ("Your balance is too low for this refund", True),
        ("Insufficient funds", True),
        ("There is insufficient balance to create the refund.", True),
        ("The amount is higher than the maximum", False),
        ("The amount is higher than the remaining balance of the payment", False),
        ("The payment method does not support refunds", False),
    ],
)
async def test_mollie_says_it_in_words(make: Make, fake: Fake, detail: str, waits: bool) -> None:
    mollie: Any = make("mollie", fake.url)
    assert isinstance(mollie, Mollie)
    payment = fake.ledger.pay("tr_1", "100.00").id
    reply = Reply(status=422, document={"status": 422, "title": "Unprocessable", "detail": detail}, retry_after_s=None)
    reported = await mollie._not_sent(refund_request(payment), reply)
    expected = (Movement.LATER, WaitingFor.FUNDS) if waits else (Movement.REFUSED, None)
    assert (reported.movement, reported.waiting_for) == expected


@pytest.mark.parametrize(
    ("status", "reason", "movement", "waits"),
    [
        ("pending", {"pending_reason": "insufficient_funds"}, Movement.ACCEPTED, WaitingFor.FUNDS),
        ("pending", {"pending_reason": "processing"}, Movement.ACCEPTED, None),
        ("failed", {"failure_reason": "insufficient_funds"}, Movement.REFUSED, WaitingFor.FUNDS),
        ("failed", {"failure_reason": "expired_or_canceled_card"}, Movement.REFUSED, None),
        ("succeeded", {"pending_reason": "insufficient_funds"}, Movement.CONFIRMED, None),
    ],
)
def test_stripe_says_it_by_a_reason(
    status: str, reason: dict[str, str], movement: Movement, waits: WaitingFor | None
) -> None:
    refund = {"object": "refund", "id": "re_1", "amount": 100, "currency": "eur", "status": status, **reason}
    reported = stripe_held(refund, "pi_1").result_for("pi_1")
    assert (reported.movement, reported.waiting_for) == (movement, waits)
    assert reported.result.startswith("Waiting for funds") == (waits is not None)


async def test_an_equal_refund_within_the_hour_waits(make: Make, fake: Fake) -> None:
    mollie = make("mollie", fake.url)
    payment = fake.ledger.pay("tr_1", "100.00").id
    assert (await mollie.refund(refund_request(payment))).movement is Movement.CONFIRMED
    reported = await mollie.refund(refund_request(payment, reference="rfd_2"))
    assert (reported.movement, reported.waiting_for) == (Movement.LATER, WaitingFor.EQUAL_REFUND)


async def test_a_payment_is_looked_at(provider: Provider, payment: str) -> None:
    assert await provider.find_payment(payment) == ProviderPayment(currency="EUR")
    assert await provider.find_payment("what is this") == ProviderPayment()
    assert await provider.find_payment(payment + "0") == ProviderPayment(), (
        "it is not known there, which the refund will hear"
    )


async def test_a_payment_that_cannot_be_looked_at_is_not_refunded_yet(make: Make, name: str, fake: Fake) -> None:
    payment = fake.ledger.pay({"stripe": "pi_1", "mollie": "tr_1"}[name], "100.00").id
    reported = await make(name, fake.url, api_key="wrong").find_payment(payment)
    assert getattr(reported, "movement", None) is Movement.LATER
