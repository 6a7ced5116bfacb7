"""Whatever goes wrong and in whatever order: a request that is sent until it is settled moves money at most once."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from random import Random

import pytest

from countermand.domain.money.amounts import digits_of, to_amount
from countermand.payments.provider import Movement, Provider, ProviderResult, RefundRequest
from tests.payments.conftest import LOOPBACK, PREFIX, adapter, refund_request
from tests.support.payments.ledger import Ledger
from tests.support.payments.script import Fault, Script
from tests.support.payments.server import Fake
from tests.support.world import Clock

pytestmark = pytest.mark.anyio

CURRENCIES = ("EUR", "EUR", "JPY", "KWD", "ISK")
ROUNDS_MAX = 40


@dataclass
class Sender:
    """Sends a request as a worker does: the same key again and again, and once it is old, only after asking."""

    provider: Provider
    request: RefundRequest
    clock: Clock
    first: datetime | None = None
    reported: ProviderResult = field(default_factory=lambda: ProviderResult(movement=Movement.LATER, result=""))

    @property
    def settled(self) -> bool:
        return self.reported.movement in (Movement.CONFIRMED, Movement.REFUSED)

    async def try_once(self) -> None:
        old = self.first is not None and self.clock() - self.first >= self.provider.key_lifetime
        if old or self.reported.movement is Movement.ACCEPTED:
            self.reported = await self.provider.find(self.request)
            if self.reported.movement is not Movement.ABSENT:
                return
            self.first = None
        self.first = self.first or self.clock()
        self.reported = await self.provider.refund(self.request)


async def settle(senders: Sequence[Sender], fake: Fake, clock: Clock, chance: Random) -> None:
    """Try until each is settled. Time passes between the rounds, seconds or days."""
    for _ in range(ROUNDS_MAX):
        await asyncio.gather(*(each.try_once() for each in senders if not each.settled))
        seconds = chance.choice((5, 60, 3700, 30_000, 90_000))
        clock.advance(seconds=seconds)
        if seconds > 3700:
            fake.ledger.days_pass()


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_the_script_does_a_wish_moves_money_once(name: str, seed: int) -> None:
    chance, clock = Random(seed), Clock()
    script = Script(seed=seed, rate=0.7)
    async with Fake(ledger=Ledger(clock=clock), script=script) as fake:
        provider = adapter(name, fake.url, clock, inner=LOOPBACK)
        senders = [Sender(provider, _wish(fake, name, n, chance), clock) for n in range(40)]
        await settle(senders, fake, clock, chance)
        for sender in senders:
            sent, end = sender.request, sender.reported
            moved = fake.ledger.moved(sent.reference)
            assert len(moved) <= 1
            if end.movement is Movement.CONFIRMED and moved:
                assert moved[0].amount == to_amount(sent.amount_minor, sent.currency)
                assert moved[0].payment == sent.payment
            if end.movement is Movement.REFUSED:
                assert moved == []
        for payment in fake.ledger.payments.values():
            assert fake.ledger.refunded(payment.id) <= payment.captured
        ends = Counter(each.reported.movement for each in senders)
        assert ends[Movement.CONFIRMED] >= 30, (ends, script.met)
        assert set(ends) <= {Movement.CONFIRMED, Movement.REFUSED}, ends
        await provider.close()


@pytest.mark.parametrize("seed", range(3))
async def test_the_same_wish_at_once_from_many_moves_money_once(name: str, seed: int) -> None:
    """Two workers that both believe to own a request, with nothing but the key between them and a second refund."""
    chance, clock = Random(seed), Clock()
    faults = (Fault.SLOW, Fault.TIMEOUT_AFTER, Fault.ERROR_AFTER, Fault.RESET_AFTER, Fault.TWIN)
    script = Script(seed=seed, rate=0.6, faults=faults)
    async with Fake(ledger=Ledger(clock=clock), script=script) as fake:
        provider = adapter(name, fake.url, clock)
        requests = [_wish(fake, name, n, chance) for n in range(8)]
        await asyncio.gather(*(provider.refund(each) for each in requests for _ in range(5)))
        senders = [Sender(provider, each, clock, clock()) for each in requests]
        await settle(senders, fake, clock, chance)
        assert {each.reported.movement for each in senders} == {Movement.CONFIRMED}
        assert all(len(fake.ledger.moved(each.reference)) == 1 for each in requests)
        await provider.close()


def _wish(fake: Fake, name: str, n: int, chance: Random) -> RefundRequest:
    """A request of its own payment, in whole tens of the smallest unit so that every provider can write it."""
    currency = chance.choice(CURRENCIES)
    captured = chance.randrange(2, 2_000) * 10
    payment = fake.ledger.pay(f"{PREFIX[name]}{n}", str(to_amount(captured, currency)), currency)
    assert payment.captured == Decimal(captured).scaleb(-digits_of(currency))
    amount = chance.randrange(1, captured // 10 + 1) * 10
    return replace(refund_request(payment.id, amount, currency, reference=f"rfd_{n}"))
