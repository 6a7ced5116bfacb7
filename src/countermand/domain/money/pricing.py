"""How much goes back when units are cancelled.

Everything follows from one function, ``returned``: what has gone back when so many units of each line are cancelled.
Its value never falls when more is cancelled. So each cancellation gives back the difference between two values, and
several cancellations give back the same as one, to the minor unit. docs/refunds.md explains the rules.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from typing import Final, assert_never
from uuid import UUID

from countermand.domain.money.amounts import AMOUNT_MAX_MINOR, payable, rounded, share, spread, step_of, write_minor

NO_RATE: Final = Fraction(0)


class TaxMode(StrEnum):
    """Whether prices, discounts and shipping charges include their tax."""

    INCLUDED = "included"
    ADDED = "added"


class ShippingRule(StrEnum):
    """When a shipping charge goes back."""

    WITH_LAST_LINE = "with_last_line"
    BY_SHARE = "by_share"
    NEVER = "never"


class Below(StrEnum):
    """What happens to a discount "from so much" when less than that is left (EC-47)."""

    KEEP = "keep"
    CLAW_BACK = "claw_back"


class Method(StrEnum):
    """What a customer paid with."""

    CARD = "card"
    GIFT_CARD = "gift_card"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedLine:
    """What a line costs. ``discount_minor`` and ``commission_minor`` are for the whole line.

    ``tax_minor`` is the tax of the line, for a shop that rounds in another way; without it, ``tax_rate`` decides.
    """

    id: UUID
    units: int
    unit_price_minor: int
    discount_minor: int = 0
    tax_rate: Fraction = NO_RATE
    tax_minor: int | None = None
    commission_minor: int = 0

    @property
    def value_minor(self) -> int:
        """What the line costs after its own discount, before those of the order."""
        return self.units * self.unit_price_minor - self.discount_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """A discount on the whole order, spread over its lines by price.

    ``from_minor`` is the value of goods that earns it, and ``below`` what happens when less than that is left.
    """

    amount_minor: int
    label: str = ""
    from_minor: int = 0
    below: Below = Below.KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipping:
    """A shipping charge, and when it goes back."""

    amount_minor: int
    tax_rate: Fraction = NO_RATE
    tax_minor: int | None = None
    rule: ShippingRule = ShippingRule.WITH_LAST_LINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One payment, or this order's share of one (EC-53).

    ``authorised_minor`` is reserved and not captured: it is released, never refunded (EC-08, EC-52).
    """

    id: str
    provider: str
    reference: str
    method: Method = Method.CARD
    captured_minor: int = 0
    authorised_minor: int = 0

    @property
    def covers_minor(self) -> int:
        """How much of the order this payment pays."""
        return self.captured_minor + self.authorised_minor


@dataclass(frozen=True, kw_only=True)
class OrderMoney:
    """What an order cost and how it was paid. Discounts and payments are in the order in which they apply."""

    currency: str
    lines: tuple[PricedLine, ...]
    tax: TaxMode = TaxMode.INCLUDED
    discounts: tuple[Discount, ...] = ()
    shipping: tuple[Shipping, ...] = ()
    payments: tuple[Payment, ...] = ()
    commission_returned: bool = False

    @cached_property
    def discounted(self) -> tuple[tuple[int, ...], ...]:
        """The share of each line in each discount of the order, by what the line still costs (EC-48)."""
        left = [line.value_minor for line in self.lines]
        shares = []
        for discount in self.discounts:
            parts = spread(discount.amount_minor, left)
            left = [value - part for value, part in zip(left, parts, strict=True)]
            shares.append(tuple(parts))
        return tuple(shares)

    @cached_property
    def taxes(self) -> tuple[int, ...]:
        """The tax of each line."""
        given = zip(self.lines, self._prices, strict=True)
        return tuple(self._tax(price, line.tax_rate, line.tax_minor) for line, price in given)

    @cached_property
    def paid(self) -> tuple[int, ...]:
        """What the customer owes for each line, with discounts and tax."""
        return tuple(self._gross(price, tax) for price, tax in zip(self._prices, self.taxes, strict=True))

    @cached_property
    def shipping_taxes(self) -> tuple[int, ...]:
        """The tax of each shipping charge."""
        return tuple(self._tax(each.amount_minor, each.tax_rate, each.tax_minor) for each in self.shipping)

    @cached_property
    def shipping_paid(self) -> tuple[int, ...]:
        """What the customer owes for each shipping charge, with tax."""
        return tuple(
            self._gross(each.amount_minor, tax) for each, tax in zip(self.shipping, self.shipping_taxes, strict=True)
        )

    @cached_property
    def total_minor(self) -> int:
        """What the whole order costs."""
        return sum(self.paid) + sum(self.shipping_paid)

    @cached_property
    def unpaid_minor(self) -> int:
        """What no payment covers. Cancelled units reduce this first."""
        return self.total_minor - sum(payment.covers_minor for payment in self.payments)

    def worth(self, amount_minor: int, rate: Fraction) -> int:
        """What the customer pays for an amount: with its tax, if tax is added to prices."""
        return self._gross(amount_minor, self._tax(amount_minor, rate, None))

    @cached_property
    def _prices(self) -> tuple[int, ...]:
        return tuple(
            line.value_minor - sum(shares[place] for shares in self.discounted) for place, line in enumerate(self.lines)
        )

    def _tax(self, amount_minor: int, rate: Fraction, given: int | None) -> int:
        if given is not None:
            return given
        return rounded(amount_minor * (rate if self.tax is TaxMode.ADDED else rate / (1 + rate)))

    def _gross(self, amount_minor: int, tax_minor: int) -> int:
        return amount_minor + (tax_minor if self.tax is TaxMode.ADDED else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one payment gives back: ``refund_minor`` is sent back, ``release_minor`` is never captured."""

    payment: str
    refund_minor: int
    release_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What cancelled units give back: for goods and shipping, with the tax in both, and by which payments.

    ``taken_back_minor`` is the part of a discount that the goods that are left no longer earn. In a quote it can be
    negative: then a part that was taken back before is given again. ``unpaid_minor`` had not been paid, so it does not
    go back.
    """

    goods_minor: int
    shipping_minor: int
    tax_minor: int
    taken_back_minor: int
    unpaid_minor: int
    commission_minor: int
    payments: tuple[Part, ...]

    @property
    def refund_minor(self) -> int:
        """What is sent back, over all payments."""
        return sum(part.refund_minor for part in self.payments)

    @property
    def release_minor(self) -> int:
        """What is released, over all payments."""
        return sum(part.release_minor for part in self.payments)


Units = Mapping[UUID, int]
"""How many units of each line."""


def quote(
    money: OrderMoney, cancelled: Units, more: Units, already: Mapping[str, tuple[int, int]] | None = None
) -> Returned:
    """What goes back when ``more`` units are cancelled, in addition to those that are.

    ``already`` is what each payment has refunded and released. It can differ from what follows from ``cancelled`` if
    somebody refunded by hand at the provider; then only the rest is due (EC-60).

    Raises:
        ValueError: a number of units is negative, or more than the line has.
    """
    before = returned(money, cancelled)
    after = returned(money, {line.id: cancelled.get(line.id, 0) + more.get(line.id, 0) for line in money.lines})
    moved = {part.payment: (part.refund_minor, part.release_minor) for part in before.payments} | dict(already or {})
    return Returned(
        goods_minor=after.goods_minor - before.goods_minor,
        shipping_minor=after.shipping_minor - before.shipping_minor,
        tax_minor=after.tax_minor - before.tax_minor,
        taken_back_minor=after.taken_back_minor - before.taken_back_minor,
        unpaid_minor=after.unpaid_minor - before.unpaid_minor,
        commission_minor=after.commission_minor - before.commission_minor,
        payments=tuple(_rest(part, *moved[part.payment]) for part in after.payments),
    )


def returned(money: OrderMoney, cancelled: Units) -> Returned:
    """What has gone back when so many units of each line are cancelled.

    Raises:
        ValueError: a number of units is negative, or more than the line has.
    """
    units = [cancelled.get(line.id, 0) for line in money.lines]
    if any(not 0 <= count <= line.units for count, line in zip(units, money.lines, strict=True)):
        raise ValueError("a line cannot have so many cancelled units")
    kept = sum(_parts(money.paid, money, units))
    goods = _after_claw_back(money, units, kept)
    shipping = [_shipping(money, place, units) for place in range(len(money.shipping))]
    unpaid = min(money.unpaid_minor, goods + sum(shipping))
    commissions = [line.commission_minor if money.commission_returned else 0 for line in money.lines]
    return Returned(
        goods_minor=goods,
        shipping_minor=sum(shipping),
        tax_minor=_goods_tax(money, units, goods) + _shipping_tax(money, shipping),
        taken_back_minor=kept - goods,
        unpaid_minor=unpaid,
        commission_minor=sum(_parts(commissions, money, units)),
        payments=tuple(_by_payment(money, goods + sum(shipping) - unpaid)),
    )


def why_not(money: OrderMoney) -> str | None:
    """What is wrong with the money of an order, as a sentence; ``None`` if nothing is.

    Amounts must not be negative, discounts not exceed what they reduce, and payments not exceed the total.
    """
    return (
        _amounts_wrong(money)
        or _discounts_wrong(money)
        or (f"An order costs at most {AMOUNT_MAX_MINOR} minor units." if money.total_minor > AMOUNT_MAX_MINOR else None)
        or _payments_wrong(money)
    )


def too_fine(payment: Payment, currency: str) -> str | None:
    """Why a payment cannot have these amounts: its provider moves only larger steps, so they could not go back."""
    step = step_of(payment.provider, currency)
    for amount in (payment.captured_minor, payment.authorised_minor):
        if amount % step:
            return (
                f"{payment.provider.capitalize()} moves {currency} in steps of {write_minor(step, currency)},"
                f" so a payment cannot be of {write_minor(amount, currency)} {currency}."
            )
    return None


def _rest(part: Part, refunded_minor: int, released_minor: int) -> Part:
    return Part(
        payment=part.payment,
        refund_minor=max(0, part.refund_minor - refunded_minor),
        release_minor=max(0, part.release_minor - released_minor),
    )


def _parts(whole: Iterable[int], money: OrderMoney, units: list[int]) -> list[int]:
    return [share(amount, n, line.units) for amount, n, line in zip(whole, units, money.lines, strict=True)]


def _after_claw_back(money: OrderMoney, units: list[int], kept: int) -> int:
    """What goods give back after discounts that the rest no longer earns are taken back, one after the other.

    Both arguments of the maximum grow with the units, so the result does too. The first is the most that could have
    gone back while the discount was still earned: the customer keeps that.
    """
    goods = kept
    for discount, shares in zip(money.discounts, money.discounted, strict=True):
        if discount.below is Below.CLAW_BACK:
            left = sum(
                money.worth(part, line.tax_rate) * (line.units - n) // line.units
                for part, n, line in zip(shares, units, money.lines, strict=True)
            )
            goods = max(min(goods, _earned(money, discount, units)), goods - left)
    return goods


def _earned(money: OrderMoney, discount: Discount, units: list[int]) -> int:
    """An upper bound for what these units can give back while enough goods are left for the discount.

    Goods of the ``spare`` value can go. There are two bounds: no line gives more units than fit into that value, and
    all lines give no more than the dearest units that fill it. The smaller one is returned.
    """
    spare = sum(line.value_minor for line in money.lines) - discount.from_minor
    by_line = by_price = Fraction(0)
    room = Fraction(spare)
    lines = list(zip(money.lines, money.paid, units, strict=True))
    lines.sort(key=_ratio, reverse=True)
    for line, paid, n in lines:
        most = spare * line.units // line.value_minor if line.value_minor else line.units
        by_line += share(paid, min(n, most), line.units)
        taken = min(room, Fraction(line.value_minor))
        by_price += paid * taken / line.value_minor if line.value_minor else paid
        room -= taken
    return int(min(by_line, by_price))


def _ratio(given: tuple[PricedLine, int, int]) -> Fraction:
    line, paid, _ = given
    return Fraction(paid, line.value_minor) if line.value_minor else Fraction(0)


def _shipping(money: OrderMoney, place: int, units: list[int]) -> int:
    amount = money.shipping_paid[place]
    match money.shipping[place].rule:
        case ShippingRule.NEVER:
            return 0
        case ShippingRule.WITH_LAST_LINE:
            return amount if units == [line.units for line in money.lines] else 0
        case ShippingRule.BY_SHARE:
            return sum(_parts(spread(amount, money.paid), money, units))
        case rule:  # pragma: no cover
            assert_never(rule)


def _goods_tax(money: OrderMoney, units: list[int], goods: int) -> int:
    """The tax in goods: that of each line, or the average rate if a discount can be taken back from all of them."""
    if any(discount.below is Below.CLAW_BACK for discount in money.discounts):
        return _tax_in(goods, sum(money.taxes), sum(money.paid))
    parts = _parts(money.paid, money, units)
    return sum(_tax_in(*each) for each in zip(parts, money.taxes, money.paid, strict=True))


def _shipping_tax(money: OrderMoney, shipping: list[int]) -> int:
    return sum(_tax_in(*each) for each in zip(shipping, money.shipping_taxes, money.shipping_paid, strict=True))


def _tax_in(part: int, tax: int, whole: int) -> int:
    return rounded(Fraction(part * tax, whole)) if whole else 0


def _by_payment(money: OrderMoney, amount: int) -> Iterable[Part]:
    """Split an amount over the payments in their order (EC-51). Of each payment, the reserved part goes first (EC-52).

    An amount that is finer than the provider's steps waits until more of the same payment goes back. If the next
    payment paid it instead, that one would have to get it back later.
    """
    for payment in money.payments:
        step = step_of(payment.provider, money.currency)
        here = min(amount, payment.covers_minor)
        release = min(here, payment.authorised_minor)
        yield Part(
            payment=payment.id,
            refund_minor=payable(here - release, payment.captured_minor, step),
            release_minor=payable(release, payment.authorised_minor, step),
        )
        amount -= here


def _amounts_wrong(money: OrderMoney) -> str | None:
    amounts = [
        *(each for line in money.lines for each in (line.unit_price_minor, line.discount_minor, line.commission_minor)),
        *(each.tax_minor or 0 for each in money.lines),
        *(each.tax_minor or 0 for each in money.shipping),
        *(each for discount in money.discounts for each in (discount.amount_minor, discount.from_minor)),
        *(each.amount_minor for each in money.shipping),
        *(each for payment in money.payments for each in (payment.captured_minor, payment.authorised_minor)),
    ]
    return "An amount cannot be negative." if min(amounts, default=0) < 0 else None


def _discounts_wrong(money: OrderMoney) -> str | None:
    if any(line.value_minor < 0 for line in money.lines):
        return "A line's discount cannot be more than its price."
    value = sum(line.value_minor for line in money.lines)
    if sum(discount.amount_minor for discount in money.discounts) > value:
        return "The order's discounts cannot be more than its lines cost."
    if any(discount.from_minor > value for discount in money.discounts):
        return "A discount cannot start from more than the lines cost."
    inclusive = money.tax is TaxMode.INCLUDED
    if inclusive and any(tax > paid for tax, paid in zip(money.taxes, money.paid, strict=True)):
        return "The tax in a line cannot be more than the line costs."
    if inclusive and any(tax > paid for tax, paid in zip(money.shipping_taxes, money.shipping_paid, strict=True)):
        return "The tax in a shipping charge cannot be more than the charge."
    return None


def _payments_wrong(money: OrderMoney) -> str | None:
    if len({payment.id for payment in money.payments}) < len(money.payments):
        return "Each payment of an order needs an id of its own."
    if money.unpaid_minor < 0:
        paid = write_minor(money.total_minor - money.unpaid_minor, money.currency)
        total = write_minor(money.total_minor, money.currency)
        return f"The payments come to {paid} {money.currency}, the order to {total}."
    return next((why for payment in money.payments if (why := too_fine(payment, money.currency))), None)
