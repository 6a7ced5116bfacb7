"""Providers move money in steps: each refund can be paid, and together they are the whole."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.domain.money.amounts import MINOR_DIGITS, step_of
from countermand.domain.money.payments import decide_payment
from countermand.domain.money.pricing import OrderMoney, Part, Payment, quote, returned, why_not
from countermand.domain.refusals import Refusal, RefusalKind
from countermand.payments.stripe.amounts import UnwritableError, to_stripe
from tests.domain.money.test_payments import LINE, account, add, capture
from tests.domain.pricing import counts, line


def paid(provider: str, captured: int = 0, authorised: int = 0, called: str = "card") -> Payment:
    return Payment(id=called, provider=provider, reference="x", captured_minor=captured, authorised_minor=authorised)


def order(currency: str, units: int, *payments: Payment) -> OrderMoney:
    total = sum(each.covers_minor for each in payments)
    priced = line(1, units, total, discount_minor=total * (units - 1))
    return OrderMoney(currency=currency, lines=(priced,), payments=payments)


def steps(money: OrderMoney, units: int) -> list[tuple[Part, ...]]:
    """What each unit gives back that is cancelled alone, one after the other."""
    return [quote(money, counts(money, [n]), counts(money, [1])).payments for n in range(units)]


@pytest.mark.parametrize(
    ("provider", "currency", "whole", "parts"),
    [
        ("stripe", "KWD", 10_000, [3_330, 3_330, 3_340]),
        ("stripe", "BHD", 10_000, [3_330, 3_330, 3_340]),
        ("stripe", "JOD", 20_000, [6_660, 6_670, 6_670]),
        ("stripe", "OMR", 10, [0, 0, 10]),
        ("stripe", "TND", 40, [10, 10, 20]),
        ("stripe", "MGA", 1_000, [300, 300, 400]),
        ("stripe", "EUR", 1_000, [333, 333, 334]),
        ("stripe", "JPY", 1_000, [333, 333, 334]),
        ("stripe", "ISK", 1_000, [333, 333, 334]),
        ("stripe", "UGX", 1_000, [333, 333, 334]),
        ("stripe", "HUF", 1_000, [333, 333, 334]),
        ("stripe", "TWD", 1_000, [333, 333, 334]),
        ("mollie", "KWD", 10_000, [3_333, 3_333, 3_334]),
        ("manual", "KWD", 10_000, [3_333, 3_333, 3_334]),
    ],
)
def test_three_units_come_back_in_amounts_that_can_be_paid(
    provider: str, currency: str, whole: int, parts: list[int]
) -> None:
    money = order(currency, 3, paid(provider, whole))
    assert why_not(money) is None
    assert [part.refund_minor for [part] in steps(money, 3)] == parts
    reserved = order(currency, 3, paid(provider, authorised=whole))
    assert [part.release_minor for [part] in steps(reserved, 3)] == parts, "what is released is what cannot be captured"


def test_two_payments_of_different_steps_each_give_back_what_they_can() -> None:
    money = order("KWD", 3, paid("stripe", 6_000), paid("manual", 4_000, called="cash"))
    back = [[part.refund_minor for part in each] for each in steps(money, 3)]
    assert back == [[3_330, 0], [2_670, 666], [0, 3_334]]
    other = order("KWD", 3, paid("manual", 4_000, called="cash"), paid("stripe", 6_000))
    assert [[part.refund_minor for part in each] for each in steps(other, 3)] == [[3_333, 0], [667, 2_660], [0, 3_340]]


def test_part_captured_and_part_authorised_keep_to_the_steps_each() -> None:
    money = order("KWD", 7, paid("stripe", captured=5_010, authorised=4_990))
    parts = [part for [part] in steps(money, 7)]
    assert all(part.refund_minor % 10 == part.release_minor % 10 == 0 for part in parts)
    assert sum(part.refund_minor for part in parts) == 5_010
    assert sum(part.release_minor for part in parts) == 4_990


@given(st.sampled_from(["KWD", "MGA", "EUR", "ISK"]), st.integers(1, 40), st.data())
def test_however_it_is_split_each_part_can_be_paid_and_they_are_the_whole(
    currency: str, units: int, data: st.DataObject
) -> None:
    step = step_of("stripe", currency)
    amounts = st.integers(0, 2_000).map(lambda n: n * step)
    money = order(
        currency,
        units,
        paid("stripe", data.draw(amounts), data.draw(amounts)),
        paid("manual", data.draw(st.integers(0, 5_000)), called="cash"),
        paid("stripe", data.draw(amounts), called="other"),
    )
    so_far = [returned(money, counts(money, [n])).payments for n in range(units + 1)]
    for before, after in pairwise(so_far):
        for payment, was, now in zip(money.payments, before, after, strict=True):
            for minor in (now.refund_minor - was.refund_minor, now.release_minor - was.release_minor):
                assert minor >= 0
                assert minor % step_of(payment.provider, currency) == 0
    for payment, last in zip(money.payments, so_far[-1], strict=True):
        assert (last.refund_minor, last.release_minor) == (payment.captured_minor, payment.authorised_minor)


@pytest.mark.parametrize("captured", [0, 5_005])
def test_a_payment_that_could_not_go_back_is_refused(captured: int) -> None:
    payment = paid("stripe", captured, 5_005 - captured)
    sentence = "Stripe moves KWD in steps of 0.010, so a payment cannot be of 5.005 KWD."
    assert why_not(order("KWD", 1, payment)) == sentence
    later = OrderMoney(currency="KWD", lines=(line(1, 3, 5_005),))
    added = decide_payment([LINE], account(later, 0), add(captured, 5_005 - captured), {})
    assert isinstance(added, Refusal)
    assert (added.kind, added.detail) == (RefusalKind.PAYMENT_DIFFERS, sentence)
    reserved = OrderMoney(currency="KWD", lines=(line(1, 3, 5_005),), payments=(paid("stripe", authorised=15_010),))
    reported = decide_payment([LINE], account(reserved, 0), capture(5_005), {})
    assert isinstance(reported, Refusal)
    assert reported.detail == sentence


@pytest.mark.parametrize("currency", [*MINOR_DIGITS])
def test_what_stripe_can_write_is_what_the_steps_say(currency: str) -> None:
    step = step_of("stripe", currency)
    assert to_stripe(step, currency) > 0
    assert to_stripe(7 * step, currency) == 7 * to_stripe(step, currency)
    for finer in {1, step // 2, step + 1} - {0} if step > 1 else ():
        with pytest.raises(UnwritableError):
            to_stripe(finer, currency)
