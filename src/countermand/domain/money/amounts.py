"""Money: whole minor units of a currency, never a float, and splits whose parts sum to the whole."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

_TWO_DECIMALS: Final = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW "
    "CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF "
    "IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK "
    "MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP "
    "SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER "
    "ZAR ZMW ZWG"
)
_NO_DECIMALS: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
MINOR_DIGITS: Final = {
    **dict.fromkeys(_TWO_DECIMALS.split(), 2),
    **dict.fromkeys(_NO_DECIMALS.split(), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
"""ISO 4217 as of 2026: the currencies in use and the number of their decimals, without metals and test codes."""

_STEPS: Final = {
    "stripe": {code: 10 for code, digits in MINOR_DIGITS.items() if digits == 3} | {"MGA": 100},
}
"""The steps in which a provider moves money, if they are larger than a minor unit. Stripe needs a 0 as the last of
three decimals, and whole ariary. Its rules for HUF and TWD are about payouts, and those for ISK and UGX about spelling.
"""

AMOUNT_MAX_MINOR: Final = 10**15
"""The most that an order can cost. All sums stay well inside 64 bits."""


def check_currency(code: str) -> str:
    """The code of a currency in use.

    Raises:
        ValueError: ISO 4217 has no such currency in use, so the number of its decimals is unknown.
    """
    if code not in MINOR_DIGITS:
        raise ValueError(f"{code} is no currency of ISO 4217 that is in use")
    return code


def digits_of(currency: str) -> int:
    """The number of decimals of a currency (ISO 4217); two if it is not in use."""
    return MINOR_DIGITS.get(currency, 2)


def step_of(provider: str, currency: str) -> int:
    """The smallest amount of a currency that a provider moves, in minor units. It moves only multiples of it."""
    return _STEPS.get(provider, {}).get(currency, 1)


def payable(part_minor: int, whole_minor: int, step_minor: int) -> int:
    """How much of a part can move: whole steps, or all of it if the part is the whole."""
    return whole_minor if part_minor >= whole_minor else part_minor - part_minor % step_minor


def parse_minor(text: str, currency: str) -> int:
    """The minor units in a decimal number such as ``12.50``.

    Raises:
        ValueError: it is no plain decimal number, or it has more decimals than the currency.
    """
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number") from None
    return to_minor(amount, currency)


def to_minor(amount: Decimal, currency: str) -> int:
    """The minor units in an amount.

    Raises:
        ValueError: it is not finite, more than an order can cost, or has more decimals than the currency.
    """
    if not amount.is_finite() or amount.adjusted() > 15:
        raise ValueError(f"{amount} is not an amount of money")
    minor = Fraction(amount) * 10 ** digits_of(currency)
    if minor.denominator != 1:
        raise ValueError(f"{amount} has more decimals than {currency}, which has {digits_of(currency)}")
    if abs(minor) > AMOUNT_MAX_MINOR:
        raise ValueError(f"{amount} is not an amount of money")
    return int(minor)


def why_no_amount(amount: Decimal, currency: str) -> str:
    """Why this is no amount of the currency, such as that it has more decimals; empty if it is one."""
    try:
        to_minor(amount, currency)
    except ValueError as error:
        return str(error)
    return ""


def to_amount(minor: int, currency: str) -> Decimal:
    """Minor units as an amount with all decimals of the currency."""
    return Decimal(minor).scaleb(-digits_of(currency))


def write_minor(minor: int, currency: str) -> str:
    """The amount as text, with all of the currency's decimals: ``12.50``, ``1250``, ``1.250``."""
    return f"{to_amount(minor, currency):f}"


def rate_of_percent(text: str) -> Fraction:
    """A percentage such as ``8.875`` as an exact rate.

    Raises:
        ValueError: it is no number from 0 to 1,000.
    """
    try:
        percent = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number") from None
    if not percent.is_finite() or not 0 <= percent <= 1_000 or len(text) > 32:
        raise ValueError(f"{text} is not a percentage from 0 to 1000")
    return Fraction(percent) / 100


def spread(amount_minor: int, weights: Sequence[int]) -> list[int]:
    """Split an amount by weight. The parts sum to it (largest remainder; of equal remainders, the first).

    If all weights are zero, all parts are equal.

    Raises:
        ValueError: there are no weights.
    """
    total = sum(weights)
    if total == 0:
        weights, total = [1] * len(weights), len(weights)
    if total == 0:
        raise ValueError("an amount cannot be spread over nothing")
    parts = [amount_minor * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(amount_minor * weights[i] % total), i))
    for place in by_remainder[: amount_minor - sum(parts)]:
        parts[place] += 1
    return parts


def share(amount_minor: int, units: int, of: int) -> int:
    """What the first ``units`` of so many are worth in all. The last ones take the rest of the rounding."""
    return amount_minor * units // of


def rounded(exact: Fraction) -> int:
    """To the nearest minor unit, half away from zero as on an invoice."""
    return int(exact + Fraction(1, 2)) if exact >= 0 else -int(-exact + Fraction(1, 2))
