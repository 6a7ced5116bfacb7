"""An oracle of refunds: docs/refunds.md as a second program, which imports nothing of the first.

An order is a plain document of whole minor units. The oracle keeps the state of its payments by itself, and says after
each step what goes back, or that the step is refused. tests/oracle/test_refunds.py compares that with the rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any

STEPS = {("stripe", "KWD"): 10}
"""The smallest amount that a provider moves, where that is not one minor unit."""


@dataclass
class Payment:
    """A payment, as the service was told of it, and what it has given back."""

    id: str
    provider: str
    captured: int
    authorised: int
    refunded: int = 0
    released: int = 0

    @property
    def whole(self) -> int:
        return self.captured + self.authorised


@dataclass
class Back:
    """What one step gives back: in goods and shipping, the tax in it, commission, and of each payment."""

    goods: int
    shipping: int
    tax: int
    commission: int
    unpaid: int
    payments: dict[str, tuple[int, int]]


@dataclass
class Sums:
    """What so many cancelled units come to in all."""

    goods: int
    shipping: int
    tax: int
    commission: int


@dataclass
class Oracle:
    """One order: ``order`` has ``currency``, ``tax``, ``lines``, ``discounts``, ``shipping``, ``commission_back``."""

    order: dict[str, Any]
    payments: list[Payment]
    cancelled: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.cancelled = [0] * len(self.order["lines"])

    # What the order costs

    def costs(self) -> tuple[list[int], list[int]]:
        """What the customer pays for each line, and for each shipping charge."""
        lines = [self.with_tax(price, line) for price, line in zip(self.prices(), self.order["lines"], strict=True)]
        return lines, [self.with_tax(each["amount"], each) for each in self.order["shipping"]]

    def total(self) -> int:
        lines, shipping = self.costs()
        return sum(lines) + sum(shipping)

    def prices(self) -> list[int]:
        """What each line costs after its own discount and its parts of the order's."""
        left = [line["units"] * line["price"] - line["discount"] for line in self.order["lines"]]
        for parts in self.discount_parts():
            left = [price - part for price, part in zip(left, parts, strict=True)]
        return left

    def discount_parts(self) -> list[list[int]]:
        """Each order discount, spread over the lines by what they cost after the ones before."""
        left = [line["units"] * line["price"] - line["discount"] for line in self.order["lines"]]
        found = []
        for discount in self.order["discounts"]:
            parts = _spread(discount["amount"], left)
            left = [price - part for price, part in zip(left, parts, strict=True)]
            found.append(parts)
        return found

    def tax_of(self, amount: int, priced: dict[str, Any]) -> int:
        if priced.get("tax") is not None:
            return int(priced["tax"])
        rate = priced["rate"]
        return _nearest(amount * rate if self.order["tax"] == "added" else amount * rate / (1 + rate))

    def with_tax(self, amount: int, priced: dict[str, Any]) -> int:
        return amount + (self.tax_of(amount, priced) if self.order["tax"] == "added" else 0)

    # What goes back

    def cancel(self, units: Sequence[int]) -> Back:
        """So many more units of each line are cancelled."""
        before = self.sums(self.cancelled)
        fallen_before = self.fallen_away()
        self.cancelled = [had + more for had, more in zip(self.cancelled, units, strict=True)]
        after = self.sums(self.cancelled)
        return Back(
            goods=after.goods - before.goods,
            shipping=after.shipping - before.shipping,
            tax=after.tax - before.tax,
            commission=after.commission - before.commission,
            unpaid=self.fallen_away() - fallen_before,
            payments=self.give_back(after.goods + after.shipping - self.fallen_away()),
        )

    def give_back(self, amount: int) -> dict[str, tuple[int, int]]:
        """In all, this much goes back: the first payment gives until it is empty; what is authorised goes first."""
        given = {}
        for payment in self.payments:
            here = min(amount, payment.whole)
            amount -= here
            reserved = min(here, payment.authorised)
            step = STEPS.get((payment.provider, self.order["currency"]), 1)
            release = max(0, _in_steps(reserved, payment.authorised, step) - payment.released)
            refund = max(0, _in_steps(here - reserved, payment.captured, step) - payment.refunded)
            payment.refunded, payment.released = payment.refunded + refund, payment.released + release
            given[payment.id] = (refund, release)
        return given

    def unpaid(self) -> int:
        return self.total() - sum(payment.whole for payment in self.payments)

    def fallen_away(self) -> int:
        """What was never paid falls away first."""
        sums = self.sums(self.cancelled)
        return min(self.unpaid(), sums.goods + sums.shipping)

    def sums(self, units: Sequence[int]) -> Sums:
        lines, shipping = self.costs()
        kept = [_first_units(paid, n, line["units"]) for paid, n, line in self.each(lines, units)]
        goods = self.after_claw_back(lines, units, sum(kept))
        back = [self.shipping_back(place, lines, units) for place in range(len(shipping))]
        tax = sum(
            self.tax_in(part, self.tax_of(each["amount"], each), whole)
            for part, each, whole in zip(back, self.order["shipping"], shipping, strict=True)
        )
        commission = [line["commission"] if self.order["commission_back"] else 0 for line in self.order["lines"]]
        return Sums(
            goods=goods,
            shipping=sum(back),
            tax=tax + self.goods_tax(goods, kept, lines),
            commission=sum(_first_units(paid, n, line["units"]) for paid, n, line in self.each(commission, units)),
        )

    def each(self, amounts: Sequence[int], units: Sequence[int]) -> Any:
        return zip(amounts, units, self.order["lines"], strict=True)

    def goods_tax(self, goods: int, kept: Sequence[int], lines: Sequence[int]) -> int:
        taxes = [self.tax_of(price, line) for price, line in zip(self.prices(), self.order["lines"], strict=True)]
        if any(discount["below"] == "claw_back" for discount in self.order["discounts"]):
            return self.tax_in(goods, sum(taxes), sum(lines))
        return sum(self.tax_in(*each) for each in zip(kept, taxes, lines, strict=True))

    def tax_in(self, part: int, tax: int, whole: int) -> int:
        return _nearest(Fraction(part * tax, whole)) if whole else 0

    def shipping_back(self, place: int, lines: Sequence[int], units: Sequence[int]) -> int:
        charge = self.order["shipping"][place]
        amount = self.with_tax(charge["amount"], charge)
        if charge["rule"] == "with_last_line":
            return amount if all(n == line["units"] for _, n, line in self.each(lines, units)) else 0
        if charge["rule"] == "by_share":
            parts = _spread(amount, lines)
            return sum(_first_units(part, n, line["units"]) for part, n, line in self.each(parts, units))
        return 0

    # Discounts "from so much"

    def after_claw_back(self, lines: Sequence[int], units: Sequence[int], kept: int) -> int:
        """For what is left the full price is paid, but nobody returns what went back while it was earned."""
        goods = kept
        for discount, parts in zip(self.order["discounts"], self.discount_parts(), strict=True):
            if discount["below"] == "claw_back":
                dearer = sum(
                    self.with_tax(part, {"rate": line["rate"]}) * (line["units"] - n) // line["units"]
                    for part, n, line in self.each(parts, units)
                )
                still_earned = min(Fraction(self.by_lines(discount, lines, units)), self.by_dearest(discount, lines))
                goods = max(min(goods, int(still_earned)), goods - dearer)
        return goods

    def spare(self, discount: dict[str, Any]) -> int:
        """The value of goods that can be missed before the discount is not earned any more."""
        value = sum(line["units"] * line["price"] - line["discount"] for line in self.order["lines"])
        return int(value) - int(discount["from"])

    def by_lines(self, discount: dict[str, Any], lines: Sequence[int], units: Sequence[int]) -> int:
        """No line counts with more units than the spare value holds."""
        found = 0
        for paid, n, line in self.each(lines, units):
            value = line["units"] * line["price"] - line["discount"]
            hold = n
            while hold and value * hold > self.spare(discount) * line["units"]:
                hold -= 1
            found += _first_units(paid, hold, line["units"])
        return found

    def by_dearest(self, discount: dict[str, Any], lines: Sequence[int]) -> Fraction:
        """All lines together count with no more than the dearest units that fill the spare value."""
        room, found, goods = Fraction(self.spare(discount)), Fraction(0), []
        for paid, line in zip(lines, self.order["lines"], strict=True):
            value = line["units"] * line["price"] - line["discount"]
            if value:
                goods.append((Fraction(paid, value), value))
            else:
                found += paid
        for rate, value in sorted(goods, reverse=True):
            taken = min(room, Fraction(value))
            found, room = found + rate * taken, room - taken
        return found

    # Payments that come later

    def add(self, payment: Payment) -> bool:
        """A payment can be of no more than is left to pay."""
        left = self.unpaid() - self.fallen_away()
        if payment.whole > left or not self.whole_steps(payment):
            return False
        self.payments.append(payment)
        return True

    def capture(self, payment: Payment, captured: int) -> bool:
        """So much of it was captured by now, in all: not less than before, and no more than was not released."""
        if not payment.captured <= captured <= payment.whole - payment.released:
            return False
        reported = Payment(payment.id, payment.provider, captured, payment.whole - captured)
        if captured != payment.captured and not self.whole_steps(reported):
            return False
        payment.captured, payment.authorised = reported.captured, reported.authorised
        return True

    def captured_instead(self, payment: Payment, amount: int) -> None:
        """The provider says that so much of what was to be released had been captured: it is refunded instead.

        From then on what the provider did not let go of counts as captured.
        """
        whole = payment.whole
        payment.released, payment.refunded = payment.released - amount, payment.refunded + amount
        payment.captured, payment.authorised = whole - payment.released, payment.released

    def whole_steps(self, payment: Payment) -> bool:
        step = STEPS.get((payment.provider, self.order["currency"]), 1)
        return payment.captured % step == payment.authorised % step == 0


def _first_units(amount: int, n: int, units: int) -> int:
    """What the first ``n`` of so many units give back; the last ones take what rounding left."""
    return floor(Fraction(amount, units) * n)


def _in_steps(part: int, whole: int, step: int) -> int:
    return whole if part >= whole else part // step * step


def _nearest(exact: Fraction) -> int:
    return floor(exact + Fraction(1, 2))


def _spread(amount: int, weights: Sequence[int]) -> list[int]:
    """Parts by weight that sum to the amount: an odd unit goes to the largest remainder, of equal ones to the first."""
    if not sum(weights):
        weights = [1] * len(weights)
    exact = [Fraction(amount * weight, sum(weights)) for weight in weights]
    parts = [floor(each) for each in exact]
    while sum(parts) < amount:
        lacks = [part - whole for part, whole in zip(exact, parts, strict=True)]
        parts[lacks.index(max(lacks))] += 1
    return parts
