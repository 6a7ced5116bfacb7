"""When to try again, and when to give up."""

from dataclasses import dataclass
from enum import StrEnum


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
