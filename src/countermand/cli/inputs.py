"""Arguments as people type them: whole numbers, amounts and times, read as everywhere else."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Annotated, Any, Final

from cyclopts import Parameter, Token

from countermand.cli.output import Exit, fail
from countermand.domain.dates import read_end, read_moment
from countermand.domain.numbers import read_decimal, read_digits
from countermand.domain.texts import NOTE_MAX, TEXT_MAX, needed_text


def _whole(_type: Any, tokens: Sequence[Token]) -> int:
    return read_digits(tokens[0].value)


Whole = Annotated[int, Parameter(converter=_whole, n_tokens=1)]
"""Without this, 2.5 would be two and 1_000 a thousand."""


def _text(most: int, *, needed: bool = False) -> Parameter:
    def check(_type: Any, text: str | None) -> None:
        if text is None:
            return
        if len(text) > most:
            raise ValueError(f"is longer than {most} characters")
        if needed:
            needed_text(text)

    return Parameter(validator=check)


Text = Annotated[str, _text(TEXT_MAX)]
Name = Annotated[str, _text(TEXT_MAX, needed=True)]
Note = Annotated[str, _text(NOTE_MAX)]
NeededNote = Annotated[str, _text(NOTE_MAX, needed=True)]


NUMBER_DIGITS_MAX: Final = 10


def is_number(text: str) -> bool:
    """Whether it can be bol's number of a line."""
    return text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX


def http_method(text: str) -> str:
    """A method of HTTP, in capitals; ends the command when it is none."""
    if not (text.isascii() and text.isalpha()):
        fail(Exit.USAGE, "bad_method", f"{text!r} is no method such as GET or PUT.")
    return text.upper()


def key_in_environment(name: str, code: str, hint: str) -> str:
    """A key, a secret or the id of a client; ends the command when it is missing or cannot be one."""
    value = os.environ.get(name)
    if not value:
        fail(Exit.USAGE, code, f"{name} is not set.", hint)
    if not (value.isascii() and value.isprintable()):
        fail(Exit.USAGE, code, f"{name} holds characters that no key has.", hint)
    return value


def amount(text: str) -> Decimal:
    """An amount of money; ends the command when it is none."""
    try:
        read = read_decimal(text)
    except ValueError:
        read = Decimal(-1)
    if read < 0:
        fail(Exit.USAGE, "bad_amount", f"{text!r} is no amount; write it like 12.50.")
    return read


def moment(text: str, zone: tzinfo = UTC) -> datetime:
    """A time, in UTC unless it says otherwise, or the first moment of a day in this zone."""
    return _time(text, zone, read_moment)


def end(text: str, zone: tzinfo = UTC) -> datetime:
    """The same, but a day is meant to its end."""
    return _time(text, zone, read_end)


def _time(text: str, zone: tzinfo, read: Any) -> datetime:
    try:
        found: datetime = read(text, zone)
    except ValueError as error:
        fail(Exit.USAGE, "bad_time", f"{text!r} is no time: it {error}.")
    return found
