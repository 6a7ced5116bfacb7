"""What a number is, whoever wrote it."""

from decimal import Decimal

import pytest

from countermand.domain.numbers import read_decimal, read_digits, read_whole

NONSENSE: list[object] = [
    True,
    False,
    None,
    "",
    " ",
    "two",
    "+5",
    "1_000",
    "1,000",
    "1 000",
    "1e3",
    "0x10",
    "١٢",
    "１２",
    "²",
    "½",
    "1.5.2",
    "--1",
    "5.",
    "NaN",
    "Infinity",
    "-inf",
    "1" * 500,
    float("nan"),
    float("inf"),
    Decimal("NaN"),
    Decimal("Infinity"),
    Decimal("1e999999999"),
    [],
    {},
    b"1",
]


@pytest.mark.parametrize("given", NONSENSE, ids=lambda given: repr(given)[:20])
def test_what_is_no_number_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match="number"):
        read_whole(given)
    with pytest.raises(ValueError, match="number"):
        read_decimal(given)


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (5, 5),
        (-1, -1),
        ("5", 5),
        ("05", 5),
        (" 5 ", 5),
        ("-1", -1),
        ("-0", 0),
        (5.0, 5),
        (Decimal("5.0"), 5),
        (Decimal("5e2"), 500),
        ("5.0", 5),
        (2**53, 2**53),
        ("9007199254740991", 2**53 - 1),
    ],
)
def test_a_whole_number_may_be_quoted_or_have_an_empty_fraction(given: object, number: int) -> None:
    assert read_whole(given) == number


@pytest.mark.parametrize("given", [1.5, "1.5", Decimal("1.5"), 2**53 + 1, -(2**53) - 1, 1e300, "9" * 17, 10**400])
def test_a_whole_number_has_no_fraction_and_is_one_that_every_reader_can_tell(given: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        read_whole(given)


@pytest.mark.parametrize(
    ("given", "number"),
    [("12.50", "12.50"), (".5", "0.5"), ("-1", "-1"), (3, "3"), (0.1, "0.1"), (Decimal("0.30"), "0.30"), ("007", "7")],
)
def test_a_decimal_number_keeps_its_digits(given: object, number: str) -> None:
    assert str(read_decimal(given)).lstrip("0") == number.lstrip("0")


@pytest.mark.parametrize("text", ["", " 5", "5 ", "+5", "-5", "5.0", "1_0", "٣", "²"])
def test_digits_are_digits_only(text: str) -> None:
    with pytest.raises(ValueError, match="whole number"):
        read_digits(text)
