"""Policy: due times, the free window and the cutoffs, as properties over any agreement and any time."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.domain.policy import ANSWER_MIN_S, DEFAULT_POLICY, DURATION_MAX_S, Cutoff, Policy, Silence, WholeOrder

times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
durations = st.integers(0, DURATION_MAX_S)
policies = st.builds(
    Policy,
    version=st.integers(0, 99),
    answer_within_s=st.none() | st.integers(ANSWER_MIN_S, DURATION_MAX_S),
    silence=st.sampled_from(Silence),
    whole_order=st.sampled_from(WholeOrder),
    free_window_s=durations,
    accepts_until=st.sampled_from(Cutoff),
    accepts_for_s=st.none() | durations,
    customer_asks_retailer_first=st.booleans(),
)
DURATIONS = ["answer_within_s", "free_window_s", "accepts_for_s"]


@given(policies, times)
def test_an_answer_is_never_due_before_it_was_asked_for(policy: Policy, asked_at: datetime) -> None:
    due = policy.answer_due(asked_at)
    assert (due is None) == (policy.answer_within_s is None)
    assert due is None or due >= asked_at


@given(policies, times, times)
def test_who_asks_later_is_answered_no_earlier(policy: Policy, one: datetime, other: datetime) -> None:
    dues = policy.answer_due(min(one, other)), policy.answer_due(max(one, other))
    assert dues[0] is None or dues[1] is None or dues[0] <= dues[1]


@given(policies, times, times)
def test_the_free_window_closes_once(policy: Policy, placed_at: datetime, now: datetime) -> None:
    if not policy.is_free(placed_at, now):
        assert not policy.is_free(placed_at, now + timedelta(microseconds=1))


@given(policies, times)
def test_the_free_window_is_open_for_exactly_its_length(policy: Policy, placed_at: datetime) -> None:
    ends = placed_at + timedelta(seconds=policy.free_window_s)
    assert not policy.is_free(placed_at, ends)
    assert policy.is_free(placed_at, ends - timedelta(microseconds=1)) == (policy.free_window_s > 0)


@given(policies, times, times, st.booleans())
def test_what_was_once_refused_is_not_taken_later(
    policy: Policy, placed_at: datetime, now: datetime, allocated: bool
) -> None:
    later = now + timedelta(seconds=1)
    if not policy.accepts(placed_at=placed_at, allocated=allocated, now=now):
        assert not policy.accepts(placed_at=placed_at, allocated=allocated, now=later)
        assert not policy.accepts(placed_at=placed_at, allocated=True, now=later)


@given(policies, times, st.booleans())
def test_a_limit_in_time_holds_to_the_microsecond(policy: Policy, placed_at: datetime, allocated: bool) -> None:
    policy = replace(policy, accepts_until=Cutoff.SHIPPED)
    if policy.accepts_for_s is None:
        assert policy.accepts(placed_at=placed_at, allocated=allocated, now=placed_at + timedelta(days=9999))
        return
    ends = placed_at + timedelta(seconds=policy.accepts_for_s)
    assert not policy.accepts(placed_at=placed_at, allocated=allocated, now=ends)
    assert policy.accepts(placed_at=placed_at, allocated=allocated, now=ends - timedelta(microseconds=1))


@given(policies, times, times, st.booleans())
def test_who_never_accepts_never_does(policy: Policy, placed_at: datetime, now: datetime, allocated: bool) -> None:
    never = replace(policy, accepts_until=Cutoff.NEVER)
    assert not never.accepts(placed_at=placed_at, allocated=allocated, now=now)


@pytest.mark.parametrize("allocated", [True, False])
def test_a_cutoff_at_allocation_is_about_allocation_alone(allocated: bool) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    policy = Policy(accepts_until=Cutoff.ALLOCATED)
    assert policy.accepts(placed_at=now, allocated=allocated, now=now) is not allocated


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize("value", [-1, -DURATION_MAX_S, DURATION_MAX_S + 1, 10**30])
def test_a_duration_below_nothing_or_beyond_ten_years_is_no_policy(name: str, value: int) -> None:
    changed: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match="duration"):
        replace(DEFAULT_POLICY, **changed)


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize("value", [ANSWER_MIN_S, DURATION_MAX_S])
def test_any_other_duration_is_a_policy(name: str, value: int) -> None:
    changed: dict[str, Any] = {name: value}
    assert getattr(replace(DEFAULT_POLICY, **changed), name) == value


@pytest.mark.parametrize("name", ["answer_within_s", "proof_within_s"])
@pytest.mark.parametrize("value", [0, 1, 59])
def test_no_party_has_less_than_a_minute_to_answer_or_to_prove(name: str, value: int) -> None:
    changed: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=f"at least 60 seconds to answer or to prove, not {value}"):
        replace(DEFAULT_POLICY, **changed)


@pytest.mark.parametrize("name", ["free_window_s", "accepts_for_s"])
@pytest.mark.parametrize("value", [0, 1])
def test_a_window_may_be_as_short_as_anybody_likes(name: str, value: int) -> None:
    changed: dict[str, Any] = {name: value}
    assert getattr(replace(DEFAULT_POLICY, **changed), name) == value


@given(times)
def test_far_away_orders_are_judged_without_overflow(now: datetime) -> None:
    longest = Policy(free_window_s=DURATION_MAX_S, accepts_for_s=DURATION_MAX_S)
    for placed_at in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        free = longest.is_free(placed_at, now)
        assert free == longest.accepts(placed_at=placed_at, allocated=False, now=now) == (placed_at > now)


def test_the_defaults_are_those_of_the_design() -> None:
    assert (
        Policy(
            version=0,
            answer_within_s=48 * 3600,
            silence=Silence.LAPSE,
            whole_order=WholeOrder.WHAT_CAN_BE,
            free_window_s=0,
            accepts_until=Cutoff.SHIPPED,
            accepts_for_s=None,
            customer_asks_retailer_first=True,
            proof_within_s=None,
        )
        == DEFAULT_POLICY
    )
    assert len(fields(Policy)) == 10
