"""When to try again, and when to give up. Times and dice are handed in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

DELAYS_S: Final = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
"""How long after each failed attempt the next one is due: ten in all, over 75 h 35 min 5 s (docs/webhooks.md)."""

ATTEMPTS_MAX: Final = len(DELAYS_S) + 1
JITTER: Final = 0.1
"""A delay is up to a tenth shorter or longer, so that what failed together does not come back together."""

RETRY_AFTER_MAX_S: Final = 24 * 3600.0
"""No receiver can put off a notice for longer."""

FAILING_MAX: Final = timedelta(days=5)
"""An endpoint that only failed for so long is paused."""

REST_MAX_S: Final = 60.0


class Verdict(StrEnum):
    """What one attempt to send a notice came to."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt: how it ended, in a sentence too, and after how many seconds the receiver wants the next one."""

    verdict: Verdict
    result: str
    retry_after_s: float | None = None


class NoticeState(StrEnum):
    """Where a notice is: to be sent, delivered, or given up until somebody replays it."""

    DUE = "due"
    SENT = "sent"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeStatus:
    """A notice after an attempt; ``due_at`` is when the next one is due, if there is to be one."""

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
    """What becomes of a notice after its ``number``-th attempt (from 1), which ended at ``now``.

    ``chance`` is a throw of the dice from 0 to 1. A wish of the receiver is honoured: never earlier than it.
    """
    if attempt.verdict is Verdict.DELIVERED:
        return NoticeStatus(state=NoticeState.SENT)
    if number >= ATTEMPTS_MAX:
        return NoticeStatus(state=NoticeState.DEAD)
    delay_s = DELAYS_S[number - 1] * (1 - JITTER + 2 * JITTER * chance)
    return NoticeStatus(state=NoticeState.DUE, due_at=now + timedelta(seconds=max(delay_s, _wished_s(attempt))))


def health_after(attempt: Attempt, failing_since: datetime | None, now: datetime) -> Health:
    """How an endpoint stands after an attempt that ended at ``now``.

    ``failing_since`` is when the first of the failures since its last success was.
    """
    if attempt.verdict is Verdict.DELIVERED:
        return Health(failing_since=None)
    since = failing_since or now
    if attempt.verdict is Verdict.GONE:
        return Health(failing_since=since, stop=Stop.DISABLE)
    return Health(failing_since=since, stop=Stop.PAUSE if now - since >= FAILING_MAX else None)


def rest_s(attempt: Attempt, failures: int) -> float:
    """For how long an endpoint is left alone after its ``failures``-th failure in a row: 1, 2, 4 … 60 seconds.

    Otherwise thousands of notices that wait for a dead endpoint would each be tried as soon as the one before failed.
    """
    return max(min(2.0 ** min(failures - 1, 10), REST_MAX_S), _wished_s(attempt))


def _wished_s(attempt: Attempt) -> float:
    wished = attempt.retry_after_s or 0.0
    return min(wished, RETRY_AFTER_MAX_S) if wished > 0 else 0.0
