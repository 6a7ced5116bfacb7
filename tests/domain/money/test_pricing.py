"""How much goes back: the listed cases by name, and what must hold for every order."""

import os
from dataclasses import replace
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countermand.domain.money.amounts import AMOUNT_MAX_MINOR
from countermand.domain.money.pricing import (
    Below,
    Discount,
    Method,
    OrderMoney,
    Part,
    Payment,
    Shipping,
    ShippingRule,
    TaxMode,
    quote,
    returned,
    why_not,
)
from tests.domain.pricing import card, counts, line, orders, step, step_by_step

LONG = os.environ.get("COUNTERMAND_LONG") == "1"
MANY = settings(
    max_examples=20_000 if LONG else 150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=False
)
VAT = Fraction(24, 100)


def test_ec_08_an_order_that_is_not_paid_gives_nothing_back() -> None:
    money = OrderMoney(currency="EUR", lines=(line(1, 2, 500),))
    assert step(money, 2).refund_minor == 0
    assert step(money, 2).unpaid_minor == 1000


def test_ec_08_what_is_only_authorised_is_released_in_part_or_whole_and_never_refunded() -> None:
    money = OrderMoney(currency="EUR", lines=(line(1, 2, 500),), payments=(card(0, 1000),))
    assert step(money, 1).payments == (Part(payment="card", refund_minor=0, release_minor=500),)
    assert step(money, 2).payments == (Part(payment="card", refund_minor=0, release_minor=1000),)


def test_ec_43_three_units_for_1000_come_back_as_333_333_and_334() -> None:
    money = OrderMoney(currency="EUR", lines=(line(1, 3, 400, discount_minor=200),), payments=(card(1000),))
    assert [step(money, 1, before=[n]).refund_minor for n in range(3)] == [333, 333, 334]


@pytest.mark.parametrize("rule", [ShippingRule.WITH_LAST_LINE, ShippingRule.BY_SHARE])
def test_ec_44_everything_cancelled_with_tax_and_shipping_gives_back_what_was_captured(rule: ShippingRule) -> None:
    money = OrderMoney(
        currency="EUR",
        lines=(line(1, 3, 333, tax_rate=VAT), line(2, 1, 1000, tax_rate=VAT)),
        shipping=(Shipping(amount_minor=290, tax_rate=VAT, rule=rule),),
        payments=(card(3 * 333 + 1000 + 290),),
    )
    first, rest = step(money, 2, 0), step(money, 1, 1, before=[2, 0])
    assert first.refund_minor + rest.refund_minor == 2289
    assert first.shipping_minor + rest.shipping_minor == 290
    assert first.tax_minor + rest.tax_minor == sum(money.taxes) + sum(money.shipping_taxes) == 193 + 194 + 56


def test_ec_46_a_ten_percent_coupon_on_three_times_10000_gives_18000_back_for_two() -> None:
    discounts = (Discount(amount_minor=3000, label="ten percent"),)
    money = OrderMoney(currency="EUR", lines=(line(1, 3, 10_000),), discounts=discounts, payments=(card(27_000),))
    assert step(money, 2).refund_minor == 18_000


@pytest.mark.parametrize(("below", "back", "taken_back"), [(Below.KEEP, 22_500, 0), (Below.CLAW_BACK, 22_000, 500)])
def test_ec_47_a_coupon_from_30000_is_kept_or_clawed_back_and_the_quote_shows_it(
    below: Below, back: int, taken_back: int
) -> None:
    coupon = Discount(amount_minor=3000, from_minor=30_000, below=below)
    money = OrderMoney(currency="EUR", lines=(line(1, 6, 5000),), discounts=(coupon,), payments=(card(27_000),))
    shown = step(money, 5)
    assert (shown.refund_minor, shown.taken_back_minor) == (back, taken_back)
    last = step(money, 1, before=[5])
    assert back + last.refund_minor == 27_000
    assert last.taken_back_minor == -taken_back


def test_ec_47_a_claw_back_begins_below_the_threshold_and_not_at_it() -> None:
    coupon = Discount(amount_minor=3000, from_minor=20_000, below=Below.CLAW_BACK)
    money = OrderMoney(currency="EUR", lines=(line(1, 6, 5000),), discounts=(coupon,), payments=(card(27_000),))
    assert [step(money, n).refund_minor for n in range(7)] == [0, 4500, 9000, 12_000, 17_000, 22_000, 27_000]


def test_ec_47_a_threshold_that_one_unit_breaks_leaves_the_full_price_to_be_paid() -> None:
    coupon = Discount(amount_minor=3000, from_minor=27_000, below=Below.CLAW_BACK)
    money = OrderMoney(currency="EUR", lines=(line(1, 6, 5000),), discounts=(coupon,), payments=(card(27_000),))
    assert step(money, 1).refund_minor == 27_000 - 25_000


def test_ec_47_a_customer_is_never_asked_to_return_money() -> None:
    half = Discount(amount_minor=15_000, from_minor=20_000, below=Below.CLAW_BACK)
    money = OrderMoney(currency="EUR", lines=(line(1, 6, 5000),), discounts=(half,), payments=(card(15_000),))
    assert [step(money, n).refund_minor for n in range(7)] == [0, 2500, 5000, 5000, 5000, 10_000, 15_000]


def test_ec_48_of_a_voucher_over_the_order_a_line_takes_off_its_share_alone() -> None:
    voucher = (Discount(amount_minor=1000, label="voucher"),)
    lines = (line(1, 1, 3000), line(2, 2, 3500))
    money = OrderMoney(currency="EUR", lines=lines, discounts=voucher, payments=(card(9000),))
    assert step(money, 1, 0).refund_minor == 2700
    assert step(money, 0, 1).refund_minor == 3150


def test_ec_51_a_gift_card_beside_a_card_is_split_by_the_written_order() -> None:
    gift = Payment(id="gift", provider="manual", reference="G", method=Method.GIFT_CARD, captured_minor=3000)
    money = OrderMoney(currency="EUR", lines=(line(1, 2, 5000),), payments=(gift, card(7000)))
    assert [part.refund_minor for part in step(money, 1).payments] == [3000, 2000]
    assert [part.refund_minor for part in step(money, 1, before=[1]).payments] == [0, 5000]


def test_ec_52_part_captured_part_authorised_leaves_nothing_outstanding() -> None:
    money = OrderMoney(currency="EUR", lines=(line(1, 2, 5000),), payments=(card(4000, 6000),))
    assert step(money, 2).payments == (Part(payment="card", refund_minor=4000, release_minor=6000),)
    assert step(money, 1).payments == (Part(payment="card", refund_minor=0, release_minor=5000),)


def test_ec_53_of_a_payment_that_two_orders_share_only_the_share_of_one_moves() -> None:
    ours = OrderMoney(currency="EUR", lines=(line(1, 1, 4000),), payments=(card(4000, id="shared"),))
    theirs = OrderMoney(currency="EUR", lines=(line(2, 1, 6000),), payments=(card(0, 6000, id="shared"),))
    assert step(ours, 1).payments == (Part(payment="shared", refund_minor=4000, release_minor=0),)
    assert step(theirs, 0).payments == (Part(payment="shared", refund_minor=0, release_minor=0),)


@pytest.mark.parametrize(("returns", "expected"), [(True, [33, 33, 34]), (False, [0, 0, 0])])
def test_ec_55_commission_comes_back_by_rule_and_by_unit(returns: bool, expected: list[int]) -> None:
    lines = (line(1, 3, 1000, commission_minor=100),)
    money = OrderMoney(currency="EUR", lines=lines, payments=(card(3000),), commission_returned=returns)
    assert [step(money, 1, before=[n]).commission_minor for n in range(3)] == expected


def test_ec_60_what_somebody_refunded_elsewhere_is_counted_and_only_the_rest_is_due() -> None:
    money = OrderMoney(currency="EUR", lines=(line(1, 2, 500),), payments=(card(1000),))
    one, both = counts(money, [1]), counts(money, [2])
    assert quote(money, {}, one, {"card": (200, 0)}).refund_minor == 300
    assert quote(money, {}, one, {"card": (700, 0)}).refund_minor == 0
    assert quote(money, {}, both, {"card": (700, 0)}).refund_minor == 300


def test_part_of_an_order_that_was_never_paid_falls_away_first() -> None:
    money = OrderMoney(currency="EUR", lines=(line(1, 2, 5000),), payments=(card(4000),))
    assert [step(money, n).refund_minor for n in range(3)] == [0, 0, 4000]


def test_tax_that_is_added_goes_back_with_its_units() -> None:
    lines = (line(1, 2, 1000, tax_rate=Fraction(8875, 100_000)),)
    money = OrderMoney(currency="USD", lines=lines, tax=TaxMode.ADDED, payments=(card(2178),))
    assert money.total_minor == 2178
    assert [(step(money, n).refund_minor, step(money, n).tax_minor) for n in (1, 2)] == [(1089, 89), (2178, 178)]


def test_a_shop_that_rounds_tax_otherwise_says_what_it_charged() -> None:
    lines = (line(1, 2, 1000, tax_rate=Fraction(8875, 100_000), tax_minor=179),)
    shipping = (Shipping(amount_minor=100, tax_rate=VAT, tax_minor=25),)
    money = OrderMoney(currency="USD", lines=lines, shipping=shipping, tax=TaxMode.ADDED, payments=(card(2304),))
    assert why_not(money) is None
    assert step(money, 2).refund_minor == 2304


def test_shipping_that_never_goes_back_stays() -> None:
    kept = (Shipping(amount_minor=500, rule=ShippingRule.NEVER),)
    money = OrderMoney(currency="EUR", lines=(line(1, 1, 1000),), shipping=kept, payments=(card(1500),))
    assert step(money, 1).refund_minor == 1000


def test_shipping_by_share_goes_back_line_by_line() -> None:
    charge = (Shipping(amount_minor=400, rule=ShippingRule.BY_SHARE),)
    lines = (line(1, 1, 3000), line(2, 2, 500))
    money = OrderMoney(currency="EUR", lines=lines, shipping=charge, payments=(card(4400),))
    assert [step(money, 1, 0).shipping_minor, step(money, 0, 1).shipping_minor] == [300, 50]


def test_units_beyond_the_line_have_no_price() -> None:
    money = OrderMoney(currency="EUR", lines=(line(1, 1, 1000),), payments=(card(1000),))
    with pytest.raises(ValueError, match="so many cancelled units"):
        step(money, 2)
    with pytest.raises(ValueError, match="so many cancelled units"):
        step(money, -1)


GOOD = OrderMoney(currency="EUR", lines=(line(1, 2, 1000),), payments=(card(2000),))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"payments": (card(2001),)}, "The payments come to 20.01 EUR, the order to 20.00."),
        ({"payments": (card(1), card(1))}, "needs an id of its own"),
        ({"payments": (card(-1),)}, "cannot be negative"),
        ({"lines": (line(1, 2, 1000, discount_minor=2001),)}, "A line's discount"),
        ({"discounts": (Discount(amount_minor=2001),)}, "The order's discounts"),
        ({"discounts": (Discount(amount_minor=1, from_minor=2001),)}, "cannot start from more"),
        ({"lines": (line(1, 2, 1000, tax_minor=2001),)}, "The tax in a line"),
        ({"shipping": (Shipping(amount_minor=1, tax_minor=2),)}, "The tax in a shipping charge"),
        ({"lines": (line(1, 2, AMOUNT_MAX_MINOR),), "payments": ()}, "costs at most"),
    ],
)
def test_money_that_does_not_hold_together_is_named(changes: dict[str, object], sentence: str) -> None:
    assert why_not(GOOD) is None
    assert sentence in (why_not(replace(GOOD, **changes)) or "")  # type: ignore[arg-type]


@MANY
@given(st.data(), orders())
def test_steps_in_any_order_give_back_what_one_step_would_have(data: st.DataObject, money: OrderMoney) -> None:
    assert why_not(money) is None
    steps = data.draw(step_by_step(money))
    done: dict[UUID, int] = {}
    given_back = {payment.id: [0, 0] for payment in money.payments}
    shown = [0, 0, 0, 0, 0]
    for units in steps:
        here = quote(money, done, units)
        done = {each.id: done.get(each.id, 0) + units.get(each.id, 0) for each in money.lines}
        for part in here.payments:
            assert part.refund_minor >= 0
            assert part.release_minor >= 0
            given_back[part.payment][0] += part.refund_minor
            given_back[part.payment][1] += part.release_minor
        value = here.goods_minor + here.shipping_minor
        assert 0 <= here.tax_minor <= value
        assert here.refund_minor + here.release_minor + here.unpaid_minor == value
        parts = (value, here.tax_minor, here.taken_back_minor, here.unpaid_minor, here.commission_minor)
        shown = [a + b for a, b in zip(shown, parts, strict=True)]
    at_once = quote(money, {}, done)
    assert {part.payment: [part.refund_minor, part.release_minor] for part in at_once.payments} == given_back
    value = at_once.goods_minor + at_once.shipping_minor
    assert shown == [
        value,
        at_once.tax_minor,
        at_once.taken_back_minor,
        at_once.unpaid_minor,
        at_once.commission_minor,
    ]


@MANY
@given(st.data(), orders())
def test_never_more_than_was_captured_and_all_of_it_in_the_end(data: st.DataObject, money: OrderMoney) -> None:
    units = {each.id: data.draw(st.integers(0, each.units)) for each in money.lines}
    some, everything = returned(money, units), returned(money, {each.id: each.units for each in money.lines})
    for payment, part in zip(money.payments, some.payments, strict=True):
        assert part.refund_minor <= payment.captured_minor
        assert part.release_minor <= payment.authorised_minor
    kept = sum(
        paid for each, paid in zip(money.shipping, money.shipping_paid, strict=True) if each.rule is ShippingRule.NEVER
    )
    paid = sum(payment.covers_minor for payment in money.payments)
    assert everything.refund_minor + everything.release_minor == max(0, paid - kept)
    assert everything.taken_back_minor == 0
    if not kept:
        assert everything.tax_minor == sum(money.taxes) + sum(money.shipping_taxes)


@MANY
@given(st.data(), orders())
def test_a_discount_that_is_still_earned_is_never_taken_back(data: st.DataObject, money: OrderMoney) -> None:
    units = {each.id: data.draw(st.integers(0, each.units)) for each in money.lines}
    left = sum(Fraction(each.value_minor * (each.units - units[each.id]), each.units) for each in money.lines)
    taken_back = returned(money, units).taken_back_minor
    assert taken_back >= 0
    if all(each.below is Below.KEEP or left >= each.from_minor for each in money.discounts):
        assert taken_back == 0


@MANY
@given(st.data(), orders())
def test_a_claw_back_leaves_at_most_the_full_price_to_be_paid(data: st.DataObject, money: OrderMoney) -> None:
    units = {each.id: data.draw(st.integers(0, each.units)) for each in money.lines}
    taken_back = returned(money, units).taken_back_minor
    given_up = sum(
        money.worth(part, each.tax_rate) * (each.units - units[each.id]) // each.units
        for discount, shares in zip(money.discounts, money.discounted, strict=True)
        for part, each in zip(shares, money.lines, strict=True)
        if discount.below is Below.CLAW_BACK
    )
    assert taken_back <= given_up
