"""Times, spans and counts as words, and texts made printable, for e-mails and pages."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

_UNWRITTEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def one_line(text: str, at_most: int) -> str:
    """A text on one line, without control and direction characters, of at most so many bytes in UTF-8."""
    kept = (" " if _is_unwritten(each) else each for each in text[: 4 * at_most])
    return " ".join("".join(kept).split()).encode()[:at_most].decode("utf-8", "ignore")


def lines(text: str) -> str:
    """A text without control and direction characters, line by line."""
    return "\n".join(one_line(each, len(each.encode(errors="replace"))) for each in text.splitlines())


def written(text: str) -> str:
    """A text with blanks in place of control and direction characters; its line breaks stay."""
    return "".join(" " if _is_unwritten(each) and each != "\n" else each for each in text)


def moment(at: datetime) -> str:
    """A time such as ``Tuesday 3 November 2026, 09:00 UTC``, in English on every system."""
    at = at.astimezone(UTC)
    return f"{DAYS[at.weekday()]} {at.day} {MONTHS[at.month - 1]} {at.year}, {at:%H:%M} UTC"


def from_now(at: datetime, now: datetime) -> str:
    """The distance of a time, such as ``in 2 days and 3 hours`` or ``5 minutes ago``, with its two largest parts."""
    away = at - now
    words = " and ".join(count(number, unit) for number, unit in largest_parts(abs(away)))
    if not words:
        return "now"
    return f"in {words}" if away > timedelta() else f"{words} ago"


def _is_unwritten(character: str) -> bool:
    return unicodedata.category(character) in _UNWRITTEN


def count(number: int, what: str = "unit") -> str:
    """A count such as ``1 unit`` or ``3 units``."""
    return f"1 {what}" if number == 1 else f"{number} {what}s"


def span(length: timedelta) -> str:
    """A length of time in its two largest parts: ``48 min``, ``5 h 18 min``, ``2 days 3 h``."""
    minutes = int(abs(length).total_seconds()) // 60
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} day{'' if days == 1 else 's'}" + (f" {hours} h" if hours else "")
    if hours:
        return f"{hours} h" + (f" {rest} min" if rest else "")
    return f"{rest} min" if rest else "less than a minute"


def largest_parts(span: timedelta) -> Sequence[tuple[int, str]]:
    """The two largest parts of a span of time: how many of which unit; none below a minute."""
    minutes = int(span.total_seconds()) // 60
    parts = [(minutes // 1440, "day"), (minutes // 60 % 24, "hour"), (minutes % 60, "minute")]
    first = next((place for place, (number, _) in enumerate(parts) if number), len(parts))
    return [(number, unit) for number, unit in parts[first : first + 2] if number]
