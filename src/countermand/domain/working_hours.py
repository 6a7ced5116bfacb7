"""Working time: the moment after so many open hours, across weekends, holidays and clock changes."""

from collections.abc import Container
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

DAYS_LOOKED_AT: Final = 36_525
"""A century. A calendar that is closed for longer never opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingHours:
    """The hours in which a party works, by the clock of ``zone``. Days are numbered from Monday, which is 0.

    ``holidays`` contains the dates that are holidays; ``holidays_of`` is the name of that calendar.

    Raises:
        ValueError: the zone is unknown, no day is open, or the day ends before it begins.
    """

    zone: str = "Europe/Amsterdam"
    days: tuple[int, ...] = (0, 1, 2, 3, 4)
    opens: time = time(9)
    closes: time = time(17)
    holidays_of: str = ""
    holidays: Container[date] = field(default=frozenset(), compare=False)

    def __post_init__(self) -> None:
        if not self.days or not set(self.days) <= set(range(7)):
            raise ValueError("working days are numbers from 0 (Monday) to 6, at least one")
        if self.opens >= self.closes:
            raise ValueError("a working day ends after it begins")
        try:
            ZoneInfo(self.zone)
        except (OSError, KeyError) as error:
            raise ValueError(f"there is no time zone {self.zone}") from error

    @property
    def per_week(self) -> timedelta:
        """Open time in a week without a holiday."""
        day = datetime.combine(date.min, self.closes) - datetime.combine(date.min, self.opens)
        return day * len(set(self.days))

    def after(self, start: datetime, worked: timedelta) -> datetime:
        """The moment by which this much working time has passed since ``start``, in UTC (EC-30).

        Raises:
            ValueError: there is no such moment within a century.
        """
        zone = ZoneInfo(self.zone)
        first = start.astimezone(zone).date()
        for offset in range(DAYS_LOOKED_AT):
            day = first + timedelta(days=offset)
            if day.weekday() not in self.days or day in self.holidays:
                continue
            begin = max(start, datetime.combine(day, self.opens, zone).astimezone(UTC))
            end = datetime.combine(day, self.closes, zone).astimezone(UTC)
            if end - begin >= worked:
                return (begin + worked).astimezone(UTC)
            worked -= max(timedelta(0), end - begin)
        raise ValueError("this calendar is shut for a century")
