"""Amounts: whole minor units, exact both ways, and splits that lose nothing."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.domain.money.amounts import (
    MINOR_DIGITS,
    check_currency,
    digits_of,
    parse_minor,
    rate_of_percent,
    rounded,
    share,
    spread,
    to_amount,
    to_minor,
    write_minor,
)

CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD", "CLF", "INR"])


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.50", "EUR", 1250),
        ("12.5", "EUR", 1250),
        ("12", "EUR", 1200),
        ("1.2E1", "EUR", 1200),
        ("12.500", "EUR", 1250),
        ("1250", "JPY", 1250),
        ("1.250", "KWD", 1250),
        ("-0.01", "USD", -1),
        ("0", "JPY", 0),
        ("10000000000000.00", "EUR", 10**15),
    ],
)
def test_an_amount_is_read_to_the_minor_unit(text: str, currency: str, minor: int) -> None:
    assert parse_minor(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "match"),
    [
        ("12.505", "EUR", "more decimals than EUR"),
        ("12.5", "JPY", "more decimals than JPY, which has 0"),
        ("1.2345", "KWD", "more decimals"),
        ("twelve", "EUR", "is not a number"),
        ("", "EUR", "is not a number"),
        ("NaN", "EUR", "not an amount"),
        ("Infinity", "EUR", "not an amount"),
        ("1E+999999999", "EUR", "not an amount"),
        ("10000000000000.01", "EUR", "not an amount"),
    ],
)
def test_what_is_no_amount_of_the_currency_is_refused(text: str, currency: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        parse_minor(text, currency)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(1250, "EUR", "12.50"), (1250, "JPY", "1250"), (1250, "KWD", "1.250"), (-5, "EUR", "-0.05"), (0, "EUR", "0.00")],
)
def test_an_amount_is_written_with_all_decimals_of_its_currency(minor: int, currency: str, text: str) -> None:
    assert write_minor(minor, currency) == text


def test_a_currency_that_is_not_listed_has_two_decimals() -> None:
    assert [digits_of(each) for each in ("EUR", "JPY", "KWD", "CLF")] == [2, 0, 3, 4]


@given(st.integers(-(10**15), 10**15), CURRENCIES)
def test_writing_and_reading_change_nothing(minor: int, currency: str) -> None:
    assert parse_minor(write_minor(minor, currency), currency) == minor
    assert to_minor(to_amount(minor, currency), currency) == minor


@pytest.mark.parametrize("code", ["XXQ", "XAU", "XTS", "XXX", "HRK", "eur", "EURO", ""])
def test_what_iso_4217_does_not_have_is_no_currency(code: str) -> None:
    with pytest.raises(ValueError, match=f"^{code} is no currency of ISO 4217 that is in use$"):
        check_currency(code)


def test_every_currency_in_use_has_its_decimals() -> None:
    assert all(len(code) == 3 and code.isupper() for code in MINOR_DIGITS)
    by_digits = [sum(digits == wanted for digits in MINOR_DIGITS.values()) for wanted in (2, 0, 3, 4)]
    assert by_digits == [138, 17, 7, 2]
    assert [digits_of(check_currency(code)) for code in ("EUR", "JPY", "KWD", "CLF")] == [2, 0, 3, 4]


def test_a_tax_rate_is_exact() -> None:
    assert rate_of_percent("24") == Fraction(24, 100)
    assert rate_of_percent("8.875") == Fraction(8875, 100_000)


@pytest.mark.parametrize("text", ["-1", "1001", "NaN", "much", "0." + "0" * 40 + "1"])
def test_what_is_no_percentage_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a (number|percentage)"):
        rate_of_percent(text)


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**9), min_size=1, max_size=20))
def test_parts_sum_to_the_whole_and_follow_the_weights(amount: int, weights: list[int]) -> None:
    parts = spread(amount, weights)
    assert sum(parts) == amount
    total = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        exact = Fraction(amount * weight, total) if total else Fraction(amount, len(weights))
        assert abs(part - exact) < 1


def test_of_equal_remainders_the_first_gets_the_odd_unit() -> None:
    assert spread(100, [1, 1, 1]) == [34, 33, 33]
    assert spread(2, [0, 0, 0]) == [1, 1, 0]


def test_nothing_to_spread_over_is_an_error() -> None:
    with pytest.raises(ValueError, match="over nothing"):
        spread(1, [])


def test_the_last_units_take_what_rounding_left() -> None:
    assert [share(1000, units, 3) for units in range(4)] == [0, 333, 666, 1000]


@pytest.mark.parametrize(("exact", "whole"), [("1/2", 1), ("3/2", 2), ("49/100", 0), ("-1/2", -1), ("-3/2", -2)])
def test_halves_are_rounded_away_from_zero(exact: str, whole: int) -> None:
    assert rounded(Fraction(exact)) == whole


def test_amounts_never_pass_through_a_float() -> None:
    assert to_minor(Decimal("0.1") + Decimal("0.2"), "EUR") == 30
