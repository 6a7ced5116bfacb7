"""A payment provider in memory that keeps a ledger, recognises keys for a day, and fails as it is told."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from countermand.payments.provider import (
    ListedRefund,
    Movement,
    Notified,
    ProviderPayment,
    ProviderResult,
    RefundRequest,
)
from tests.support.world import Clock


@dataclass
class Held:
    """A refund that the bank made. ``reference`` is empty if somebody made it by hand."""

    id: str
    payment: str
    reference: str
    amount_minor: int
    currency: str = "EUR"
    movement: Movement = Movement.CONFIRMED
    made_at: datetime | None = None


@dataclass
class Bank:
    """``script`` has what happens to the next calls; without one, ``chance`` says it.

    before: no answer, nothing moved; after: no answer, money moved; error: 500 though money moved; later, refused,
    spent: nothing moved; accepted: it will tell; other amount: it moved another one.
    """

    clock: Clock
    name: str = "stripe"
    key_lifetime: timedelta = timedelta(hours=23)
    equal_refunds_apart: timedelta | None = None
    captured_of: dict[str, int] = field(default_factory=lambda: defaultdict(lambda: 10**12))
    script: deque[str] = field(default_factory=deque)
    chance: Callable[[], str] = lambda: ""
    held: dict[str, Held] = field(default_factory=dict)
    of_payment: dict[str, list[Held]] = field(default_factory=lambda: defaultdict(list))
    keys: dict[str, tuple[datetime, Held]] = field(default_factory=dict)
    calls: list[RefundRequest] = field(default_factory=list)
    released: dict[str, int] = field(default_factory=dict)
    authorised: dict[str, int] = field(default_factory=dict)
    seen: dict[str, ProviderPayment] = field(default_factory=dict)
    found: int = 0
    mute: bool = False
    on_call: Callable[[], None] = lambda: None
    _ids: "count[int]" = field(default_factory=lambda: count(1))

    async def refund(self, request: RefundRequest) -> ProviderResult:
        self.calls.append(request)
        fault = self.script.popleft() if self.script else self.chance()
        self.on_call()
        await asyncio.sleep(0)
        # What has a stored answer gets that; only the network can still fail.
        if fault == "before" or (fault in ("later", "refused", "spent") and request.key not in self.keys):
            return _without_moving(fault)
        held = self._move(request, fault)
        self.on_call()
        await asyncio.sleep(0)
        if held is None:
            return ProviderResult(movement=Movement.REFUSED, result="More than was captured.", spent=True)
        if fault in ("after", "error"):
            return ProviderResult(movement=Movement.UNKNOWN, result=f"{fault}: no answer")
        return self._told(held)

    async def release(self, request: RefundRequest) -> ProviderResult:
        left = self.authorised.get(request.payment, 0)
        if left > request.amount_minor + request.before_minor:
            return ProviderResult(
                movement=Movement.LATER, result="All that is left, or nothing.", retry_after_s=24 * 3600
            )
        self.authorised.pop(request.payment, None)
        self.released[request.reference] = request.amount_minor
        return ProviderResult(movement=Movement.CONFIRMED, result="released", provider_id=f"rel_{request.reference}")

    async def find(self, request: RefundRequest) -> ProviderResult:
        self.found += 1
        if self.mute:
            return ProviderResult(movement=Movement.UNKNOWN, result="no answer")
        ours = [each for each in self.of_payment[request.payment] if each.reference == request.reference]
        return (
            self._told(ours[0]) if ours else ProviderResult(movement=Movement.ABSENT, result="There is no such refund.")
        )

    async def find_payment(self, payment: str) -> ProviderPayment | ProviderResult:
        if self.mute:
            return ProviderResult(movement=Movement.UNKNOWN, result="no answer")
        return self.seen.get(payment, ProviderPayment())

    async def list_refunds(self, payment: str) -> Sequence[ListedRefund] | None:
        if self.mute:
            return None
        return [
            ListedRefund(
                provider_id=each.id,
                reference=each.reference,
                amount_minor=each.amount_minor,
                currency=each.currency,
                movement=each.movement,
                made_at=each.made_at,
            )
            for each in self.of_payment[payment]
        ]

    async def captured(self, payment: str) -> int | None:
        return None if self.mute else self.captured_of[payment]

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[Notified]:
        raise NotImplementedError

    async def close(self) -> None:
        pass

    def by_hand(self, payment: str, amount_minor: int) -> None:
        """Somebody refunds at the provider."""
        self._keep(payment, "", amount_minor, "EUR")

    def moved(self, payment: str | None = None) -> int:
        """How much money is back with customers."""
        standing = (Movement.CONFIRMED, Movement.ACCEPTED)
        mine = self.held.values() if payment is None else self.of_payment[payment]
        return sum(each.amount_minor for each in mine if each.movement in standing)

    def _move(self, request: RefundRequest, fault: str) -> Held | None:
        known = self.keys.get(request.key)
        if known and self.clock() - known[0] < timedelta(hours=24):
            return known[1]
        if self.moved(request.payment) + request.amount_minor > self.captured_of[request.payment]:
            return None
        amount = request.amount_minor - 1 if fault == "other amount" else request.amount_minor
        held = self._keep(request.payment, request.reference, amount, request.currency)
        if fault == "accepted":
            held.movement = Movement.ACCEPTED
        self.keys[request.key] = (self.clock(), held)
        return held

    def _keep(self, payment: str, reference: str, amount_minor: int, currency: str) -> Held:
        id = f"re_{next(self._ids)}"  # noqa: A001
        self.held[id] = held = Held(id, payment, reference, amount_minor, currency, made_at=self.clock())
        self.of_payment[payment].append(held)
        return held

    def _told(self, held: Held) -> ProviderResult:
        return ProviderResult(
            movement=held.movement,
            result="as the ledger has it",
            provider_id=held.id,
            amount_minor=held.amount_minor,
            currency=held.currency,
        )


def _without_moving(fault: str) -> ProviderResult:
    if fault == "before":
        return ProviderResult(movement=Movement.UNKNOWN, result="no answer")
    if fault == "refused":
        return ProviderResult(movement=Movement.REFUSED, result="The card is closed.", spent=True)
    return ProviderResult(movement=Movement.LATER, result="Waiting for funds.", spent=fault == "spent")
