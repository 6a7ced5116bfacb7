"""Types of members that callers hand in, for all doors: numbers, amounts, texts, days and times.

What they mean is said once, in ``domain/numbers.py``, ``domain/texts.py`` and ``domain/dates.py``.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field

from countermand.domain.dates import read_day, read_end, read_moment
from countermand.domain.numbers import read_decimal, read_digits, read_whole
from countermand.domain.orders import UNITS_MAX
from countermand.domain.texts import NOTE_MAX, TEXT_MAX, needed_text, read_text
from countermand.ids import read_uuid


def _digits(given: Any) -> Any:
    """A number in a query is text; a default is a number already."""
    return read_digits(given) if isinstance(given, str) else given


def _decimal_text(given: Any) -> Any:
    """An amount that came as a number has been through somebody's floats."""
    if not isinstance(given, str):
        raise ValueError('must be decimal text such as "12.50"')
    return read_decimal(given)


Text = Annotated[str, Field(max_length=TEXT_MAX), AfterValidator(read_text)]
Name = Annotated[str, Field(min_length=1, max_length=TEXT_MAX), AfterValidator(read_text), AfterValidator(needed_text)]
Note = Annotated[str, Field(max_length=NOTE_MAX), AfterValidator(read_text)]

Whole = Annotated[int, BeforeValidator(read_whole)]
Units = Annotated[Whole, Field(ge=1, le=UNITS_MAX)]
InQuery = BeforeValidator(_digits)

Number = Annotated[Decimal, BeforeValidator(read_decimal)]
Amount = Annotated[Number, Field(ge=0, max_digits=16, allow_inf_nan=False)]
AmountText = Annotated[Decimal, BeforeValidator(_decimal_text), Field(ge=0, max_digits=16, allow_inf_nan=False)]

Day = Annotated[date, BeforeValidator(read_day)]
Moment = Annotated[datetime, BeforeValidator(read_moment)]
End = Annotated[datetime, BeforeValidator(read_end)]
Id = Annotated[UUID, BeforeValidator(read_uuid)]
