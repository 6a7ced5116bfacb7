from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from countermand.outlets.http.client import Outbound
from countermand.payments.mollie.adapter import Mollie
from countermand.payments.provider import Provider, RefundRequest
from countermand.payments.stripe.adapter import Stripe
from tests.support.payments.ledger import Ledger
from tests.support.payments.server import API_KEY, WEBHOOK_SECRET, Fake
from tests.support.waiting import ANSWER_S
from tests.support.world import Clock

pytestmark = pytest.mark.anyio

LOOPBACK = ("127.0.0.0/8", "::1/128")
Make = Callable[..., Provider]


def outbound(**more: Any) -> Outbound:
    """Calls to loopback."""
    given: dict[str, Any] = {
        "inner": LOOPBACK,
        "ports": (),
        "total_s": ANSWER_S,
        "connect_s": ANSWER_S,
        "body_wait_s": ANSWER_S,
    }
    return Outbound(**{**given, **more})


def adapter(name: str, url: str, clock: Clock, **more: Any) -> Provider:
    """The adapter of this name, calling this URL."""
    key = more.pop("api_key", API_KEY)
    secret = more.pop("webhook_secret", WEBHOOK_SECRET if name == "stripe" else "")
    kind = Stripe if name == "stripe" else Mollie
    return kind(outbound(**more), api_key=key, webhook_secret=secret, base_url=url, clock=clock)


@pytest.fixture(params=["stripe", "mollie"])
def name(request: pytest.FixtureRequest) -> str:
    """Each provider in turn."""
    return str(request.param)


@pytest.fixture
async def fake(clock: Clock) -> AsyncIterator[Fake]:
    async with Fake(ledger=Ledger(clock=clock)) as running:
        yield running


@pytest.fixture
async def make(clock: Clock) -> AsyncIterator[Make]:
    made: list[Provider] = []

    def one(name: str, url: str, **more: Any) -> Provider:
        made.append(adapter(name, url, clock, **more))
        return made[-1]

    yield one
    for each in made:
        await each.close()


@pytest.fixture
def provider(make: Make, name: str, fake: Fake) -> Provider:
    return make(name, fake.url)


@pytest.fixture
def payment(name: str, fake: Fake) -> str:
    """A payment of 100.00 EUR, captured."""
    return fake.ledger.pay(f"{PREFIX[name]}1", "100.00").id


PREFIX = {"stripe": "pi_", "mollie": "tr_"}


def refund_request(
    payment: str, amount_minor: int = 2500, currency: str = "EUR", *, n: int = 1, reference: str = "rfd_1"
) -> RefundRequest:
    """Give 25.00 EUR back."""
    return RefundRequest(
        key=f"cm-refund-{reference}-{n}",
        reference=reference,
        payment=payment,
        amount_minor=amount_minor,
        currency=currency,
    )
