"""Jobs: many calls handed in as one file, or one long piece of work, that go on by themselves until they are done."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

PART_MAX: Final = 8 * 2**20
"""The most bytes of one part of a file."""

BYTES_MAX: Final = 64 * 2**20
"""The most bytes of a file, all its parts together."""

ROWS_MAX: Final = 100_000
"""The most rows of a file."""

PARTS_MAX: Final = 1_000

UNFINISHED_MAX: Final = 5
"""So many jobs of a party may be unfinished at once."""

KEPT_FOR: Final = timedelta(days=30)


class JobKind(StrEnum):
    """What the rows of a job are, or what it does."""

    ASK = "ask"
    ANSWER = "answer"
    ORDER = "order"
    RECOVER = "recover"


class JobFormat(StrEnum):
    """How the file of a job is written."""

    CSV = "csv"
    JSONL = "jsonl"


class JobState(StrEnum):
    """A job takes parts as a ``draft``, waits ``queued`` for a worker, and ends ``done`` or ``cancelled``."""

    DRAFT = "draft"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


UNFINISHED: Final = (JobState.DRAFT, JobState.QUEUED, JobState.RUNNING)


class RowResult(StrEnum):
    """What became of a row: its call was accepted, refused, could not be understood, or was never made."""

    OK = "ok"
    REFUSED = "refused"
    INVALID = "invalid"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many rows there are, and what became of those that are done. ``total`` is known once the file was read."""

    total: int
    done: int
    ok: int
    refused: int
    invalid: int
    cancelled: int
