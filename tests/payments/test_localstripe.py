"""The adapter for Stripe against localstripe, which somebody else wrote, over real HTTP.

It has refunds, intents and signed webhooks. It has no idempotency keys, so a request sent twice moves money twice
there. What counts is that a request is found by its reference.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from countermand.payments.provider import ForgedError, Movement
from countermand.payments.stripe.adapter import Stripe
from tests.payments import localstripe
from tests.payments.conftest import outbound, refund_request
from tests.support.receiver import Received, Receiver

pytestmark = pytest.mark.anyio

SECRET = "whsec_local"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with localstripe.running(tmp_path_factory.mktemp("localstripe") / "log") as url:
        yield url


@pytest.fixture
async def stripe(url: str) -> AsyncIterator[Stripe]:
    made = Stripe(outbound(), api_key="sk_test_1", webhook_secret=SECRET, base_url=url)
    yield made
    await made.close()


def call(url: str, path: str, /, **form: str) -> dict[str, Any]:
    """What a shop does at Stripe, as a form."""
    answer = httpx2.post(f"{url}{path}", data=form, auth=("sk_test_1", ""), timeout=10)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json() if answer.content else {}
    return document


def paid(url: str, amount: int = 10000, currency: str = "eur", *, capture: str = "automatic") -> dict[str, Any]:
    """An intent paid by card."""
    card = {"card[number]": "4242424242424242", "card[exp_month]": "12", "card[exp_year]": "2030", "card[cvc]": "123"}
    method = call(url, "/v1/payment_methods", type="card", **card)["id"]
    intent = {"amount": str(amount), "currency": currency, "payment_method": method, "capture_method": capture}
    return call(url, "/v1/payment_intents", confirm="true", **intent)


async def test_a_refund_is_carried_out_and_found(url: str, stripe: Stripe) -> None:
    intent = paid(url)
    reported = await stripe.refund(refund_request(intent["id"]))
    assert (reported.movement, reported.amount_minor, reported.currency) == (Movement.CONFIRMED, 2500, "EUR")
    found = await stripe.find(refund_request(intent["id"]))
    assert (found.movement, found.provider_id) == (Movement.CONFIRMED, reported.provider_id)
    assert (await stripe.find(refund_request(intent["id"], reference="rfd_2"))).movement is Movement.ABSENT


async def test_parts_are_listed_newest_first_with_what_was_refunded_by_hand(url: str, stripe: Stripe) -> None:
    intent = paid(url)
    call(url, "/v1/refunds", payment_intent=intent["id"], amount="1000")
    for n in range(12):
        assert (
            await stripe.refund(refund_request(intent["id"], 100 + n, reference=f"rfd_{n}"))
        ).movement is Movement.CONFIRMED
    listed = await stripe.list_refunds(intent["id"])
    assert listed is not None
    assert {(each.reference, each.amount_minor) for each in listed} == {
        ("", 1000),
        *((f"rfd_{n}", 100 + n) for n in range(12)),
    }


async def test_a_charge_is_refunded_by_its_own_name(url: str, stripe: Stripe) -> None:
    intent = paid(url)
    charge = intent["latest_charge"]["id"]
    assert (await stripe.refund(refund_request(charge))).movement is Movement.CONFIRMED
    assert (await stripe.find(refund_request(charge))).movement is Movement.CONFIRMED
    assert (await stripe.find(refund_request(intent["id"]))).amount_minor == 2500


@pytest.mark.parametrize(("currency", "amount_minor"), [("jpy", 500), ("kwd", 5120), ("isk", 25)])
async def test_other_currencies_come_back_as_they_went(
    url: str, stripe: Stripe, currency: str, amount_minor: int
) -> None:
    intent = paid(url, currency=currency)
    reported = await stripe.refund(refund_request(intent["id"], amount_minor, currency.upper()))
    assert (reported.movement, reported.amount_minor, reported.currency) == (
        Movement.CONFIRMED,
        amount_minor,
        currency.upper(),
    )


async def test_another_currency_or_payment_moves_nothing(url: str, stripe: Stripe) -> None:
    intent = paid(url)
    assert (await stripe.refund(refund_request(intent["id"], currency="USD"))).movement is Movement.REFUSED
    assert await stripe.list_refunds(intent["id"]) == ()
    assert (await stripe.refund(refund_request("pi_nobody"))).movement is Movement.UNKNOWN


async def test_an_authorisation_is_released(url: str, stripe: Stripe) -> None:
    intent = paid(url, capture="manual")
    assert (await stripe.refund(refund_request(intent["id"]))).movement is Movement.REFUSED
    for _ in range(2):
        assert (await stripe.release(refund_request(intent["id"], 10000))).movement is Movement.CONFIRMED
    assert (await stripe.release(refund_request(paid(url)["id"], 10000))).movement is Movement.REFUSED


async def test_a_key_that_is_not_let_in_loses_nothing(url: str) -> None:
    intent = paid(url)
    stripe = Stripe(outbound(), api_key="pk_old", webhook_secret=SECRET, base_url=url)
    reported = await stripe.refund(refund_request(intent["id"]))
    assert reported.movement is Movement.LATER
    assert "stripe_api_key" in reported.result
    await stripe.close()


async def about(intent: str, receiver: Receiver) -> Received:
    """The webhook about an intent. Others are under way: localstripe sends them a second later."""
    async with asyncio.timeout(20):
        while True:
            for each in receiver.requests:
                if intent.encode() in each.body:
                    return each
            await asyncio.sleep(0.02)


async def test_its_signature_is_taken_and_another_is_not(url: str, stripe: Stripe) -> None:
    async with Receiver() as receiver:
        call(url, "/_config/webhooks/w", url=receiver.url, secret=SECRET)
        intent = await asyncio.to_thread(paid, url)
        arrived = await about(intent["id"], receiver)
        assert [each.payment for each in stripe.read_webhook(arrived.headers, arrived.body)] == [intent["id"]]
        with pytest.raises(ForgedError):
            stripe.read_webhook(arrived.headers, arrived.body + b" ")
