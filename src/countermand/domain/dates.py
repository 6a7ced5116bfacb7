"""Dates and times in every API: ISO 8601 in full, between the years 1970 and 2200.

A number is refused: it could count seconds, milliseconds or days, or be a day without hyphens.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2200

AMSTERDAM: Final = ZoneInfo("Europe/Amsterdam")
"""The zone in which bol writes times."""

SKEW_MAX: Final = timedelta(minutes=5)
"""How far a shop's clock may be ahead of the service's."""

NO_DAY: Final = "must be a day such as 2026-11-28, between 1970 and 2200"
NO_MOMENT: Final = "must be a time such as 2026-11-28T09:00:00Z, between 1970 and 2200"

_DAY: Final = r"(?P<year>[0-9]{4})(?P<hyphen>-?)(?P<month>[0-9]{2})(?P=hyphen)(?P<day>[0-9]{2})"
_TIME: Final = (
    r"(?P<hour>[0-9]{2}):?(?P<minute>[0-9]{2})(?::?(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,12}))?)?"
    r"(?P<zone>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_ANY: Final = re.compile(rf"{_DAY}(?:[Tt ]{_TIME})?")


def read_day(given: object) -> date:
    """The day that a text names. Of a time, it is the written day, whatever the zone.

    Raises:
        ValueError: it names none.
    """
    if isinstance(given, datetime):
        return _bounded_day(given.date())
    if isinstance(given, date):
        return _bounded_day(given)
    found = _ANY.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        raise ValueError(NO_DAY)
    if found["hour"]:
        _moment_of(found)
    return _day_of(found)


def read_moment(given: object, zone: tzinfo = UTC) -> datetime:
    """The time in UTC that a text names. A day means its first moment in ``zone``; a time without a zone is in UTC.

    Raises:
        ValueError: it names none.
    """
    return _read(given, zone, last=False)


def read_end(given: object, zone: tzinfo = UTC) -> datetime:
    """The last moment that a text names, inclusive. A day means its last moment in ``zone``.

    Raises:
        ValueError: it names none.
    """
    return _read(given, zone, last=True)


def write_moment(moment: datetime, timespec: str = "auto") -> str:
    """A time in UTC as people and programs see it, such as ``2026-11-28T09:00:00Z``."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def _read(given: object, zone: tzinfo, *, last: bool) -> datetime:
    if isinstance(given, datetime):
        return _bounded(given if given.tzinfo else given.replace(tzinfo=UTC))
    found = _ANY.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        raise ValueError(NO_MOMENT)
    if found["hour"]:
        return _moment_of(found)
    day = _day_of(found)
    start = datetime.combine(day + timedelta(days=last), time(), zone).astimezone(UTC)
    return start - timedelta(microseconds=last)


def _day_of(found: re.Match[str]) -> date:
    try:
        return _bounded_day(date(int(found["year"]), int(found["month"]), int(found["day"])))
    except ValueError:
        raise ValueError(NO_DAY) from None


def _moment_of(found: re.Match[str]) -> datetime:
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    fraction = int((found["fraction"] or "")[:6].ljust(6, "0"))
    try:
        at = time(hour, minute, second, fraction, _zone_of(found["zone"]))
    except ValueError:
        raise ValueError(NO_MOMENT) from None
    return _bounded(datetime.combine(_day_of(found), at))


def _zone_of(text: str | None) -> tzinfo:
    if not text or text in "Zz":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 14 or minutes > 59:
        raise ValueError(NO_MOMENT)
    return timezone((-1 if text[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes))


def _bounded_day(day: date) -> date:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(NO_DAY)
    return day


def _bounded(moment: datetime) -> datetime:
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(NO_MOMENT)
    return moment.astimezone(UTC)
