"""Quotas per key: so many calls in a window, refilled steadily. Kept in memory, one process at a time."""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Final

_WINDOWS_S: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
KEYS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """``calls`` in ``window_s`` seconds."""

    calls: int
    window_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a key has left of its quota."""

    quota: Quota
    allowed: bool
    left: float

    @property
    def calls_left(self) -> int:
        """How many calls can be made at once now."""
        return int(self.left)

    @property
    def full_in_s(self) -> int:
        """After how many seconds all of the quota is back."""
        return ceil((self.quota.calls - self.left) * self.quota.window_s / self.quota.calls)

    @property
    def retry_in_s(self) -> int:
        """After how many seconds one call is back."""
        return max(1, ceil((1 - self.left) * self.quota.window_s / self.quota.calls))


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


class Rates:
    """Counts calls by key and kind. A key that has used up its quota waits until a share of it has come back."""

    def __init__(self, quotas: Mapping[str, str]) -> None:
        self._quotas = {kind: read_quota(text) for kind, text in quotas.items()}
        self._left: OrderedDict[tuple[Hashable, str], tuple[float, float]] = OrderedDict()

    def take(self, key: Hashable, kind: str, now: datetime) -> Share | None:
        """Take one call from the quota if there is one left; ``None`` where there is no quota."""
        quota = self._quotas.get(kind)
        if quota is None:
            return None
        left = self._refilled(quota, key, kind, now)
        allowed = left >= 1
        self._left.pop((key, kind), None)
        self._left[key, kind] = (left - allowed, now.timestamp())
        if len(self._left) > KEYS_MAX:
            self._left.popitem(last=False)
        return Share(quota=quota, allowed=allowed, left=left - allowed)

    def look(self, key: Hashable, kind: str, now: datetime) -> Share | None:
        """The same, and nothing is taken."""
        quota = self._quotas.get(kind)
        if quota is None:
            return None
        left = self._refilled(quota, key, kind, now)
        return Share(quota=quota, allowed=left >= 1, left=left)

    def allows(self, key: Hashable, kind: str, now: datetime) -> bool:
        """Take one call from the quota, if there is one left."""
        share = self.take(key, kind, now)
        return share is None or share.allowed

    def give_back(self, key: Hashable, kind: str) -> None:
        """The call that was taken does not count after all."""
        quota, known = self._quotas.get(kind), self._left.get((key, kind))
        if quota is not None and known is not None:
            self._left[key, kind] = (min(float(quota.calls), known[0] + 1), known[1])

    def forget(self, key: Hashable, kind: str) -> None:
        """Give the key all of its quota back."""
        self._left.pop((key, kind), None)

    def _refilled(self, quota: Quota, key: Hashable, kind: str, now: datetime) -> float:
        at = now.timestamp()
        left, since = self._left.get((key, kind), (float(quota.calls), at))
        return min(float(quota.calls), left + max(0.0, at - since) * quota.calls / quota.window_s)
