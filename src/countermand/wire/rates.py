"""Quotas per key: so many calls in a window, refilled steadily. Kept in memory, one process at a time."""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

_WINDOWS_S: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
KEYS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """``calls`` in ``window_s`` seconds."""

    calls: int
    window_s: int


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

    def allows(self, key: Hashable, kind: str, now: datetime) -> bool:
        """Take one call from the quota, if there is one left."""
        quota = self._quotas.get(kind)
        if quota is None:
            return True
        at = now.timestamp()
        left, since = self._left.pop((key, kind), (float(quota.calls), at))
        left = min(float(quota.calls), left + max(0.0, at - since) * quota.calls / quota.window_s)
        allowed = left >= 1
        self._left[key, kind] = (left - allowed, at)
        if len(self._left) > KEYS_MAX:
            self._left.popitem(last=False)
        return allowed

    def forget(self, key: Hashable, kind: str) -> None:
        """Give the key all of its quota back."""
        self._left.pop((key, kind), None)
