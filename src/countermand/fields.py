"""Types of members of input, for all APIs: numbers, amounts, texts, days and times.

Their rules are in ``domain/numbers.py``, ``domain/texts.py`` and ``domain/dates.py``.
"""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from countermand.domain.dates import read_day, read_moment
from countermand.domain.numbers import read_decimal, read_digits, read_whole
from countermand.domain.orders import UNITS_MAX
from countermand.domain.texts import NOTE_MAX, TEXT_MAX, needed_text, read_text
from countermand.ids import read_named

T = TypeVar("T")


def named(code: str, read: Callable[[Any], T]) -> Callable[[Any], T]:
    """``read``, whose complaints carry a name of ours as well: ``bad_id``, ``bad_time`` and so on."""

    def reading(given: Any) -> T:
        try:
            return read(given)
        except ValueError as error:
            raise PydanticCustomError(code, "{problem}", {"problem": str(error)}) from None

    return reading


def _digits(given: Any) -> Any:
    """A number in a query is text; a default is a number already."""
    return read_digits(given) if isinstance(given, str) else given


def _decimal_text(given: Any) -> Any:
    """An amount that came as a number has been through somebody's floats."""
    if not isinstance(given, str):
        raise ValueError('must be decimal text such as "12.50"')
    return read_decimal(given)


_FIT = AfterValidator(named("bad_text", read_text))
_NEEDED = AfterValidator(named("blank", needed_text))

Text = Annotated[str, Field(max_length=TEXT_MAX), _FIT]
Name = Annotated[
    str,
    Field(min_length=1, max_length=TEXT_MAX),
    AfterValidator(named("bad_text", read_text)),
    AfterValidator(named("blank", needed_text)),
]
Note = Annotated[str, Field(max_length=NOTE_MAX), _FIT]
NeededNote = Annotated[str, Field(min_length=1, max_length=NOTE_MAX), _FIT, _NEEDED]

Whole = Annotated[int, BeforeValidator(named("integer", read_whole))]
Units = Annotated[Whole, Field(ge=1, le=UNITS_MAX)]
InQuery = BeforeValidator(named("integer", _digits))

ExactUnits = Annotated[int, Field(strict=True, ge=1, le=UNITS_MAX)]
"""A JSON integer, and nothing that only looks like one."""

_AMOUNT: Final = {"type": "string", "pattern": r"^([0-9]{1,16}(\.[0-9]{1,15})?|\.[0-9]{1,15})$"}
"""Not all that has this form is an amount: it has at most 16 digits, and the decimals of its currency."""

Number = Annotated[Decimal, BeforeValidator(named("bad_amount", read_decimal))]
Amount = Annotated[Number, Field(ge=0, max_digits=16, allow_inf_nan=False)]
Percent = Annotated[
    Number,
    Field(ge=0, le=1_000, max_digits=16, allow_inf_nan=False),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1_000}, _AMOUNT]}),
]
AmountText = Annotated[
    Decimal,
    BeforeValidator(named("bad_amount", _decimal_text)),
    Field(ge=0, max_digits=16, allow_inf_nan=False),
    WithJsonSchema(_AMOUNT),
]
"""An amount as decimal text, which no JSON parser can round."""

Day = Annotated[date, BeforeValidator(named("bad_time", read_day))]
Moment = Annotated[datetime, BeforeValidator(named("bad_time", read_moment))]


def _id_of(prefix: str) -> Any:
    return BeforeValidator(named("bad_id", partial(read_named, prefix)))


OrderId = Annotated[UUID, _id_of("ord")]
LineId = Annotated[UUID, _id_of("lin")]
PartyId = Annotated[UUID, _id_of("pty")]
CancellationId = Annotated[UUID, _id_of("can")]


class NothingNull(BaseModel):
    """``null`` is refused in every member."""

    @field_validator("*", mode="before")
    @classmethod
    def _said(cls, given: Any) -> Any:
        """What a caller does not say is left out: ``null`` could mean nothing, or that something is to be cleared."""
        if given is None:
            raise PydanticCustomError("null", "leave out members without a value; null is not accepted")
        return given
