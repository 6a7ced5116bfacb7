"""Numbers in every API: ASCII digits, without a plus sign or separators.

``"1_000"``, digits of other scripts, ``true``, NaN and infinity are refused, even if a parser accepts them.
"""

import re
from decimal import Decimal
from typing import Final

DIGITS_MAX: Final = 400
"""A longer number is refused before it is parsed, because parsing time grows with the square of the length."""

EXACT_MAX: Final = 2**53
"""A larger number loses its last digits in programs that use floats."""

NO_WHOLE: Final = "must be a whole number, in digits"
NO_DECIMAL: Final = "must be a decimal number such as 12.50"

_WHOLE: Final = re.compile(r"[ \t\r\n]*(-?[0-9]{1,16})(?:\.0{1,20})?[ \t\r\n]*")
_DECIMAL: Final = re.compile(rf"-?(?:[0-9]{{1,{DIGITS_MAX}}}(?:\.[0-9]{{1,{DIGITS_MAX}}})?|\.[0-9]{{1,{DIGITS_MAX}}})")


def read_whole(given: object) -> int:
    """The whole number in a JSON value or a text.

    Raises:
        ValueError: it is none, or larger than 2^53.
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
    # A Decimal that is NaN cannot be compared.
    finite = not isinstance(given, Decimal) or given.is_finite()
    return finite and -EXACT_MAX <= given <= EXACT_MAX and given == int(given)


def read_digits(text: str) -> int:
    """The whole number in a text that has only digits.

    Raises:
        ValueError: it has other characters, or too many digits.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX):
        raise ValueError(NO_WHOLE)
    return int(text)


def read_decimal(given: object) -> Decimal:
    """The decimal number in a JSON value or a text.

    Raises:
        ValueError: it is none, or too long.
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
