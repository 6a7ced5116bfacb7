"""When a notice is tried again, when it is given up, and when an endpoint is stopped (docs/webhooks.md)."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.domain.delivery import (
    ATTEMPTS_MAX,
    DELAYS_S,
    FAILING_MAX,
    REST_MAX_S,
    RETRY_AFTER_MAX_S,
    Attempt,
    Health,
    NoticeState,
    NoticeStatus,
    Stop,
    Verdict,
    health_after,
    rest_s,
    status_after,
)

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
FAILED = Attempt(verdict=Verdict.FAILED, result="500")
GONE = Attempt(verdict=Verdict.GONE, result="410")
DELIVERED = Attempt(verdict=Verdict.DELIVERED, result="200")

chances = st.floats(0, 1)
wishes = st.none() | st.floats(allow_nan=False)
numbers = st.integers(1, ATTEMPTS_MAX)


def failed(retry_after_s: float | None) -> Attempt:
    return Attempt(verdict=Verdict.FAILED, result="503", retry_after_s=retry_after_s)


def test_ten_attempts_take_75_hours_35_minutes_5_seconds() -> None:
    at = NOW
    for number in range(1, 10):
        status = status_after(FAILED, number, at, 0.5)
        assert status.due_at is not None
        at = status.due_at
    assert at - NOW == timedelta(hours=75, minutes=35, seconds=5)
    assert status_after(FAILED, 10, at, 0.5) == NoticeStatus(state=NoticeState.DEAD)


@given(numbers, chances)
def test_a_delivered_notice_is_sent_whichever_attempt_it_was(number: int, chance: float) -> None:
    assert status_after(DELIVERED, number, NOW, chance) == NoticeStatus(state=NoticeState.SENT)


@given(st.integers(1, ATTEMPTS_MAX - 1), chances)
def test_a_delay_is_within_a_tenth_of_the_schedule(number: int, chance: float) -> None:
    due = status_after(FAILED, number, NOW, chance).due_at
    assert due is not None
    wait_s, plan_s = (due - NOW).total_seconds(), DELAYS_S[number - 1]
    assert 0.9 * plan_s - 1e-5 <= wait_s <= 1.1 * plan_s + 1e-5


@given(st.integers(1, ATTEMPTS_MAX - 1), chances, wishes)
def test_no_attempt_is_earlier_than_the_receiver_wishes_nor_put_off_for_ever(
    number: int, chance: float, wish: float | None
) -> None:
    due = status_after(failed(wish), number, NOW, chance).due_at
    assert due is not None
    wait_s = (due - NOW).total_seconds()
    assert wait_s >= min(wish or 0.0, RETRY_AFTER_MAX_S) - 1e-5
    assert wait_s <= max(1.1 * DELAYS_S[number - 1], RETRY_AFTER_MAX_S) + 1e-5


@given(st.integers(ATTEMPTS_MAX, 1000), chances, wishes)
def test_after_the_last_attempt_nothing_more_is_due(number: int, chance: float, wish: float | None) -> None:
    assert status_after(failed(wish), number, NOW, chance) == NoticeStatus(state=NoticeState.DEAD)


@given(st.sampled_from([FAILED, GONE, DELIVERED]), numbers, chances)
def test_a_notice_has_a_next_attempt_exactly_while_it_is_due(attempt: Attempt, number: int, chance: float) -> None:
    status = status_after(attempt, number, NOW, chance)
    assert (status.state is NoticeState.DUE) == (status.due_at is not None)


def test_a_success_ends_the_row_of_failures() -> None:
    assert health_after(DELIVERED, NOW - timedelta(days=4), NOW) == Health(failing_since=None)


def test_the_first_failure_begins_a_row_and_the_next_does_not() -> None:
    assert health_after(FAILED, None, NOW) == Health(failing_since=NOW)
    assert health_after(FAILED, NOW, NOW + timedelta(days=1)) == Health(failing_since=NOW)


@pytest.mark.parametrize(
    ("spent", "stop"), [(FAILING_MAX - timedelta(microseconds=1), None), (FAILING_MAX, Stop.PAUSE)]
)
def test_five_days_of_only_failures_pause_an_endpoint(spent: timedelta, stop: Stop | None) -> None:
    assert health_after(FAILED, NOW, NOW + spent) == Health(failing_since=NOW, stop=stop)


def test_a_receiver_that_is_gone_is_disabled_at_once() -> None:
    assert health_after(GONE, None, NOW) == Health(failing_since=NOW, stop=Stop.DISABLE)


@given(st.integers(1, 10_000), wishes)
def test_an_endpoint_that_failed_is_left_alone_for_a_while(failures: int, wish: float | None) -> None:
    rest = rest_s(failed(wish), failures)
    assert math.isfinite(rest)
    assert 1 <= rest <= max(REST_MAX_S, RETRY_AFTER_MAX_S)
    assert rest >= min(wish or 0.0, RETRY_AFTER_MAX_S)


def test_rests_grow_but_never_put_off_the_first_retries_of_a_lonely_notice() -> None:
    rests = [rest_s(FAILED, failures) for failures in range(1, 10)]
    assert rests[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert all(rest < 0.9 * delay for rest, delay in zip(rests, DELAYS_S, strict=True))
