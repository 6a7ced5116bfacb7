"""Jobs, the parts of their files, and what became of their rows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, func, select

from countermand.domain.jobs import JobKind, JobState, RowResult
from countermand.reads.scope import as_indexed
from countermand.store import tables as t
from countermand.store.views import view, view_or_none, views

OPEN_MAX: Final = 200
"""So many jobs that a worker may go on with are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job, with what its party is and is called."""

    id: UUID
    party_id: UUID
    partition: int
    kind: str
    format: str | None
    dry_run: bool
    label: str
    state: str
    by: str
    parts: int
    terms: Mapping[str, Any]
    total: int | None
    done: int
    ok: int
    refused: int
    invalid: int
    cancelled: int
    cancelled_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    party_kind: str
    party_status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRowView:
    """What became of one row."""

    job_id: UUID
    row: int
    party_id: UUID
    result: str
    subject_id: UUID | None
    code: str
    detail: str
    errors: Sequence[Mapping[str, Any]]
    input: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartView:
    """A part of the file of a job, without what is in it."""

    number: int
    size: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs of a party to list, newest first."""

    kind: JobKind | None = None
    states: Collection[JobState] = ()
    since: datetime | None = None
    until: datetime | None = None
    after: UUID | None = None
    limit: int = 50


_PARTY: Final = (t.parties.c.kind.label("party_kind"), t.parties.c.status.label("party_status"))
_JOBS: Final = select(t.jobs, *_PARTY).join(t.parties, t.parties.c.id == t.jobs.c.party_id)


def job_by_id(connection: Connection, party: UUID, job: UUID) -> JobView | None:
    """A job of this party."""
    query = _JOBS.where(t.jobs.c.id == job, t.jobs.c.party_id == party)
    return view_or_none(JobView, connection.execute(query).first())


def list_jobs(connection: Connection, party: UUID, wanted: JobFilter) -> list[JobView]:
    """Jobs of this party, newest first."""
    columns = t.jobs.c
    query = _JOBS.where(columns.party_id == party).order_by(columns.id.desc()).limit(wanted.limit)
    if wanted.kind:
        query = query.where(columns.kind == wanted.kind.value)
    if wanted.states:
        query = query.where(columns.state.in_([state.value for state in wanted.states]))
    if wanted.since is not None:
        query = query.where(columns.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(columns.created_at < wanted.until)
    if wanted.after is not None:
        query = query.where(columns.id < wanted.after)
    return views(JobView, connection.execute(query))


def open_jobs(connection: Connection, partitions: Collection[int]) -> list[JobView]:
    """What workers of these partitions have to do, the oldest first."""
    waits = as_indexed(f"jobs.{t.OPEN_JOB}")
    query = _JOBS.where(t.jobs.c.partition.in_(sorted(partitions)), waits)
    return views(JobView, connection.execute(query.order_by(t.jobs.c.id).limit(OPEN_MAX)))


def unfinished_jobs(connection: Connection, party: UUID) -> int:
    """How many jobs of this party have not ended."""
    query = select(func.count()).select_from(t.jobs)
    waits = as_indexed(f"jobs.{t.UNFINISHED_JOB}")
    return int(connection.execute(query.where(t.jobs.c.party_id == party, waits)).scalar_one())


def parts_of(connection: Connection, job: UUID) -> list[PartView]:
    """The parts that are there, in their order."""
    parts = t.job_parts.c
    query = select(parts.number, parts.size, parts.digest).where(parts.job_id == job).order_by(parts.number)
    return [view(PartView, row) for row in connection.execute(query)]


def part_content(connection: Connection, job: UUID, number: int) -> bytes:
    """What is in one part; nothing if it is not there."""
    parts = t.job_parts.c
    query = select(parts.content).where(parts.job_id == job, parts.number == number)
    return bytes(connection.execute(query).scalar() or b"")


def results_of(
    connection: Connection, job: UUID, *, results: Collection[RowResult] = (), after: int = 0, limit: int
) -> list[JobRowView]:
    """What became of rows, in the order of the file, after this row."""
    rows = t.job_rows.c
    query = select(t.job_rows).where(rows.job_id == job, rows.row > after).order_by(rows.row).limit(limit)
    if results:
        query = query.where(rows.result.in_([each.value for each in results]))
    return views(JobRowView, connection.execute(query))
