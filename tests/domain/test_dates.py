"""What a day and a time are."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from countermand.domain.dates import read_day, read_end, read_moment

AMSTERDAM = ZoneInfo("Europe/Amsterdam")

NEITHER: list[object] = [
    20261128,
    0,
    1764288000,
    1764288000000,
    1.5,
    True,
    None,
    "",
    "0",
    "1764288000",
    "1764288000000",
    "2026",
    "2026-11",
    "2026-1-2",
    "2026-13-01",
    "2026-02-30",
    "26-11-28",
    "28-11-2026",
    "11/28/2026",
    "2026-W48-6",
    "2026-332",
    "２０２６-11-28",
    " 2026-11-28",
    "2026-11-28x09:00",
    "2026-11-28T25:00:00",
    "2026-11-28T09",
    "2026-11-28T09:00:00+15:00",
    "2026-11-28T09:00:00 Europe/Amsterdam",
    "1969-12-31",
    "2201-01-01",
    "9999-12-31T23:59:59Z",
    [],
]


@pytest.mark.parametrize("given", NEITHER, ids=repr)
def test_what_is_no_date_is_refused_and_never_1970(given: object) -> None:
    with pytest.raises(ValueError, match="must be a"):
        read_day(given)
    for read in (read_moment, read_end):
        with pytest.raises(ValueError, match="must be a"):
            read(given)


@pytest.mark.parametrize(
    "given", ["2026-11-28", "20261128", "2026-11-28T23:59:59-11:00", "2026-11-28 00:00:00", "2026-11-28T00:30:00+14:00"]
)
def test_a_day_is_the_one_that_is_written(given: str) -> None:
    assert read_day(given) == date(2026, 11, 28)


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        ("2026-11-28T09:00:00Z", datetime(2026, 11, 28, 9, tzinfo=UTC)),
        ("2026-11-28T09:00:00.000Z", datetime(2026, 11, 28, 9, tzinfo=UTC)),
        ("2026-11-28 09:00:00", datetime(2026, 11, 28, 9, tzinfo=UTC)),
        ("2026-11-28T09:00", datetime(2026, 11, 28, 9, tzinfo=UTC)),
        ("2026-11-28T09:00:00+01:00", datetime(2026, 11, 28, 8, tzinfo=UTC)),
        ("2026-11-28T09:00:00-0530", datetime(2026, 11, 28, 14, 30, tzinfo=UTC)),
        ("20261128T090000Z", datetime(2026, 11, 28, 9, tzinfo=UTC)),
        ("2026-11-28T09:00:00.123456789Z", datetime(2026, 11, 28, 9, 0, 0, 123456, tzinfo=UTC)),
        ("2026-11-28", datetime(2026, 11, 27, 23, tzinfo=UTC)),
        ("2026-07-28", datetime(2026, 7, 27, 22, tzinfo=UTC)),
    ],
)
def test_a_time_is_in_utc_and_a_day_begins_in_its_zone(given: str, moment: datetime) -> None:
    assert read_moment(given, AMSTERDAM) == moment


@pytest.mark.parametrize(
    ("given", "last"),
    [
        ("2026-11-28", datetime(2026, 11, 28, 22, 59, 59, 999999, tzinfo=UTC)),
        ("20261128", datetime(2026, 11, 28, 22, 59, 59, 999999, tzinfo=UTC)),
        # The clocks change in this night, so the day has 25 hours.
        ("2026-10-25", datetime(2026, 10, 25, 22, 59, 59, 999999, tzinfo=UTC)),
        ("2026-11-28T09:00:00Z", datetime(2026, 11, 28, 9, tzinfo=UTC)),
        ("2200-12-31", datetime(2200, 12, 31, 22, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_an_end_includes_its_day_in_the_zone(given: str, last: datetime) -> None:
    assert read_end(given, AMSTERDAM) == last


def test_the_first_day_begins_before_1970_in_the_east() -> None:
    assert read_moment("1970-01-01", AMSTERDAM) == datetime(1969, 12, 31, 23, tzinfo=UTC)
