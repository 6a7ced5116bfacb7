"""What a number is, at every door: written in ASCII digits, without a plus or a separator.

``"1_000"``, digits of other scripts, ``true``, NaN and infinity are no numbers, whatever a parser makes of them.
"""

import re
from decimal import Decimal
from typing import Final

DIGITS_MAX: Final = 400
"""A number that is written longer is refused before it is read: reading takes the square of its length."""

EXACT_MAX: Final = 2**53
"""Beyond, a reader with floats has lost the last digit before we see it."""

NO_WHOLE: Final = "must be a whole number, in digits"
NO_DECIMAL: Final = "must be a decimal number such as 12.50"

_WHOLE: Final = re.compile(r"[ \t\r\n]*(-?[0-9]{1,16})(?:\.0{1,20})?[ \t\r\n]*")
_DECIMAL: Final = re.compile(rf"-?(?:[0-9]{{1,{DIGITS_MAX}}}(?:\.[0-9]{{1,{DIGITS_MAX}}})?|\.[0-9]{{1,{DIGITS_MAX}}})")


def read_whole(given: object) -> int:
    """The whole number that a value of JSON or a text is.

    Raises:
        ValueError: it is none, or beyond 2^53.
    """
    match given:
        case bool():
            pass
        case int() | float() | Decimal() if _is_whole(given):
            return int(given)
        case str() if found := _WHOLE.fullmatch(given):
            return int(found[1])
    raise ValueError(NO_WHOLE)


def _is_whole(given: int | float | Decimal) -> bool:
    # A Decimal that is not a number cannot even be compared.
    finite = not isinstance(given, Decimal) or given.is_finite()
    return finite and -EXACT_MAX <= given <= EXACT_MAX and given == int(given)


def read_digits(text: str) -> int:
    """The whole number in a text that holds nothing but digits.

    Raises:
        ValueError: it holds something else, or too many.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX):
        raise ValueError(NO_WHOLE)
    return int(text)


def read_decimal(given: object) -> Decimal:
    """The decimal number that a value of JSON or a text is.

    Raises:
        ValueError: it is none, or one of no sensible length.
    """
    match given:
        case bool():
            pass
        case Decimal() if given.is_finite() and abs(given.adjusted()) < DIGITS_MAX:
            return given
        case int() if abs(given) < 10**DIGITS_MAX:
            return Decimal(given)
        case float():
            return read_decimal(Decimal(repr(given)))
        case str() if _DECIMAL.fullmatch(given):
            return Decimal(given)
    raise ValueError(NO_DECIMAL)
