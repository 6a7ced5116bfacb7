"""Working time across weekends, holidays and clock changes (EC-30)."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.domain.policy import Policy
from countermand.domain.working_hours import WorkingHours

OFFICE = WorkingHours(zone="Europe/Amsterdam")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("asked", "hours", "due"),
    [
        pytest.param("2026-11-02T09:00+01:00", 4, "2026-11-02T13:00+01:00", id="within a day"),
        pytest.param("2026-11-02T15:00+01:00", 4, "2026-11-03T11:00+01:00", id="over night"),
        pytest.param("2026-11-06T16:00+01:00", 2, "2026-11-09T10:00+01:00", id="over a weekend"),
        pytest.param("2026-11-07T12:00+01:00", 1, "2026-11-09T10:00+01:00", id="asked on a Saturday"),
        pytest.param("2026-11-02T03:00+01:00", 1, "2026-11-02T10:00+01:00", id="asked before opening"),
        pytest.param("2026-11-02T22:00+01:00", 1, "2026-11-03T10:00+01:00", id="asked after closing"),
        pytest.param("2026-10-23T16:00+02:00", 2, "2026-10-26T10:00+01:00", id="over the end of summer time"),
        pytest.param("2027-03-26T16:00+01:00", 2, "2027-03-29T10:00+02:00", id="over the start of summer time"),
        pytest.param("2026-11-02T09:00+01:00", 8, "2026-11-02T17:00+01:00", id="a whole day ends at closing time"),
    ],
)
def test_working_time_passes_only_while_somebody_is_there(asked: str, hours: int, due: str) -> None:
    assert OFFICE.after(at(asked), timedelta(hours=hours)) == at(due)


def test_a_holiday_is_no_working_day() -> None:
    closed = WorkingHours(zone="Europe/Amsterdam", holidays=frozenset({date(2026, 12, 25)}))
    assert closed.after(at("2026-12-24T16:00+01:00"), timedelta(hours=2)) == at("2026-12-28T10:00+01:00")


def test_a_night_shift_over_the_clock_change_counts_real_hours() -> None:
    """Clocks go back at three: from midnight to six seven hours pass."""
    night = WorkingHours(zone="Europe/Amsterdam", days=(6,), opens=time(0), closes=time(6))
    assert night.after(at("2026-10-25T00:00+02:00"), timedelta(hours=7)) == at("2026-10-25T06:00+01:00")


@pytest.mark.parametrize(
    "terms",
    [{"zone": "Europe/Nowhere"}, {"zone": "../etc/passwd"}, {"days": ()}, {"days": (7,)}, {"opens": time(18)}],
)
def test_hours_that_make_no_sense_are_refused(terms: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        WorkingHours(**terms)  # type: ignore[arg-type]


def test_a_calendar_that_never_opens_is_told() -> None:
    class Always:
        def __contains__(self, day: object) -> bool:
            return True

    with pytest.raises(ValueError, match="century"):
        WorkingHours(holidays=Always()).after(at("2026-11-02T09:00+01:00"), timedelta(hours=1))


@given(
    start=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    worked=st.integers(0, 400 * 3600),
    more=st.integers(0, 400 * 3600),
)
def test_more_working_time_is_never_over_earlier(start: datetime, worked: int, more: int) -> None:
    first, second = (OFFICE.after(start, timedelta(seconds=each)) for each in (worked, worked + more))
    assert start + timedelta(seconds=worked) <= first <= second


def test_a_policy_counts_its_deadline_in_working_time() -> None:
    policy = Policy(answer_within_s=2 * 3600, working_hours=OFFICE)
    assert policy.answer_due(at("2026-11-06T16:00+01:00")) == at("2026-11-09T10:00+01:00")


def test_a_policy_gives_at_most_a_year_of_working_hours() -> None:
    with pytest.raises(ValueError, match="working hours"):
        Policy(answer_within_s=53 * 40 * 3600, working_hours=OFFICE)
