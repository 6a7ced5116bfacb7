"""Quotas: so many calls in a window, refilled steadily."""

from dataclasses import dataclass
from math import ceil
from typing import Final

_WINDOWS_S: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_PORTIONS: Final = 100
_RESERVE: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """``calls`` in ``window_s`` seconds."""

    calls: int
    window_s: int

    def seconds_for(self, calls: float) -> float:
        """How long it takes until so many calls are back."""
        return calls * self.window_s / self.calls

    @property
    def portion(self) -> int:
        """How many calls one of several processes may answer before it tells the others: a hundredth, rounded down."""
        return self.calls // _PORTIONS

    @property
    def reserve(self) -> float:
        """With less than this left, every call is told before it is answered: ten processes never exceed the quota."""
        return max(1.0, self.calls * _RESERVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What was left of a quota at a moment, in seconds since 1970. Below 0 it was exceeded."""

    left: float
    at: float

    def left_at(self, now: float, quota: Quota) -> float:
        """What has come back since, to no more than all of it. No clock that was set back takes anything away."""
        return min(float(quota.calls), self.left + max(0.0, now - self.at) * quota.calls / quota.window_s)

    def less(self, calls: float, now: float, quota: Quota) -> "Bucket":
        """After so many calls; fewer than 0 are given back."""
        left = min(float(quota.calls), self.left_at(now, quota) - calls)
        return Bucket(left=left, at=max(self.at, now))

    def full_at(self, quota: Quota) -> float:
        """When all of the quota is back."""
        return self.at + quota.seconds_for(quota.calls - self.left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a key has left of its quota."""

    quota: Quota
    allowed: bool
    left: float

    @property
    def calls_left(self) -> int:
        """How many calls can be made at once now."""
        return max(0, int(self.left))

    @property
    def full_in_s(self) -> int:
        """After how many seconds all of the quota is back."""
        return ceil(self.quota.seconds_for(self.quota.calls - self.left))

    @property
    def retry_in_s(self) -> int:
        """After how many seconds one call is back."""
        return max(1, ceil(self.quota.seconds_for(1 - self.left)))


def read_quota(text: str) -> Quota | None:
    """Read ``400/hour``; an empty text is no quota.

    Raises:
        ValueError: the text is neither.
    """
    if not text:
        return None
    calls, _, window = text.partition("/")
    if not calls.isdigit() or int(calls) < 1 or window not in _WINDOWS_S:
        raise ValueError(f"{text!r} is not a quota; write it like 400/hour")
    return Quota(calls=int(calls), window_s=_WINDOWS_S[window])
