"""What a call of the Retailer API asks for."""

import re
from dataclasses import dataclass
from typing import Final

from countermand.admin.callers import Caller
from countermand.domain.scoring import Week
from countermand.wire.bol.meaning import NUMBER_MAX
from countermand.wire.bol_retailer.errors import EMPTY, Violation, invalid
from countermand.wire.bol_retailer.messages import Query

_NUMBER: Final = re.compile("[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One authenticated call. ``target`` is the id in its path, if there is one, as far as a database can hold it."""

    caller: Caller
    target: str
    query: Query
    body: bytes


def number_of(text: str) -> int | None:
    """The number of ours that an id of this API stands for, if it can be one."""
    if not _NUMBER.fullmatch(text) or int(text) >= NUMBER_MAX:
        return None
    return int(text)


def line_number(text: str) -> int:
    """The number of an order item; of an id that is none of ours, one that nothing has: its call fails later."""
    return number_of(text) or NUMBER_MAX


def week_of(query: Query) -> Week:
    """The week that is asked for.

    Raises:
        RetailerError: there is no such week.
    """
    for name in ("year", "week"):
        if not query.text(name):
            raise invalid(Violation(name=name, reason=EMPTY))
    year, number = query.whole("year", least=1970, most=9000), query.whole("week", least=1, most=53)
    try:
        return Week(year or 0, number or 0)
    except ValueError:
        raise invalid(Violation(name="week", reason=f"The year {year} has no week {number}.")) from None
