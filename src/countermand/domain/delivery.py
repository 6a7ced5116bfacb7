"""When a notice is sent again, and when it is given up. Time and chance are arguments."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

DELAYS_S: Final = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
"""The delay after each failed attempt: ten attempts in all, over 75 h 35 min 5 s (docs/webhooks.md)."""

ATTEMPTS_MAX: Final = len(DELAYS_S) + 1
JITTER: Final = 0.1
"""A delay is up to a tenth shorter or longer, so that notices that failed together are not sent again together."""

RETRY_AFTER_MAX_S: Final = 24 * 3600.0
"""The longest delay that a receiver can ask for."""

FAILING_MAX: Final = timedelta(days=5)
"""An endpoint that has failed for so long without a success is paused."""

REST_MAX_S: Final = 60.0


class Verdict(StrEnum):
    """The result of one attempt to send a notice."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt: its result, also as a sentence, and the delay that the receiver asks for.

    ``status`` and ``answer`` are the receiver's own, if it answered: HTTP's status, and the first of what it said.
    """

    verdict: Verdict
    result: str
    retry_after_s: float | None = None
    status: int | None = field(default=None, compare=False)
    answer: str = field(default="", compare=False)

    @property
    def error(self) -> str:
        """Why there was no answer; empty if there was one, or none is expected."""
        return "" if self.status is not None or self.verdict is Verdict.DELIVERED else self.result


class NoticeState(StrEnum):
    """The state of a notice: to be sent, delivered, or given up until somebody replays it."""

    DUE = "due"
    SENT = "sent"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeStatus:
    """A notice after an attempt. ``due_at`` is when the next attempt is due, if there is one."""

    state: NoticeState
    due_at: datetime | None = None


class Stop(StrEnum):
    """Why nothing more is sent to an endpoint until somebody resumes it. The values are its next states."""

    PAUSE = "paused"
    DISABLE = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """An endpoint after an attempt: since when it has only failed, and whether it is to be stopped."""

    failing_since: datetime | None
    stop: Stop | None = None


def status_after(attempt: Attempt, number: int, now: datetime, chance: float) -> NoticeStatus:
    """The notice after its ``number``-th attempt (from 1), which ended at ``now``.

    ``chance`` is a random number from 0 to 1. The next attempt is never earlier than the receiver asks for.
    """
    if attempt.verdict is Verdict.DELIVERED:
        return NoticeStatus(state=NoticeState.SENT)
    if number >= ATTEMPTS_MAX:
        return NoticeStatus(state=NoticeState.DEAD)
    delay_s = DELAYS_S[number - 1] * (1 - JITTER + 2 * JITTER * chance)
    return NoticeStatus(state=NoticeState.DUE, due_at=now + timedelta(seconds=max(delay_s, _requested_s(attempt))))


def health_after(attempt: Attempt, failing_since: datetime | None, now: datetime) -> Health:
    """The endpoint after an attempt that ended at ``now``.

    ``failing_since`` is the time of the first failure since its last success.
    """
    if attempt.verdict is Verdict.DELIVERED:
        return Health(failing_since=None)
    since = failing_since or now
    if attempt.verdict is Verdict.GONE:
        return Health(failing_since=since, stop=Stop.DISABLE)
    return Health(failing_since=since, stop=Stop.PAUSE if now - since >= FAILING_MAX else None)


def rest_s(attempt: Attempt, failures: int) -> float:
    """How long an endpoint rests after its ``failures``-th failure in a row: 1, 2, 4 … 60 seconds.

    Otherwise thousands of notices to a dead endpoint would be tried, each as soon as the one before failed.
    """
    return max(min(2.0 ** min(failures - 1, 10), REST_MAX_S), _requested_s(attempt))


def _requested_s(attempt: Attempt) -> float:
    requested = attempt.retry_after_s or 0.0
    return min(requested, RETRY_AFTER_MAX_S) if requested > 0 else 0.0
