"""Jobs as they change: each change names what it was decided on, so that two workers never both go on with one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, select, update

from countermand.domain.jobs import JobKind, JobState, RowResult
from countermand.store import tables as t
from countermand.store.changes import LostRaceError, change_any, change_exactly
from countermand.store.codecs import partition_of
from countermand.store.engines.protocol import engine_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job that is to be."""

    id: UUID
    party: UUID
    kind: JobKind
    state: JobState
    by: str
    at: datetime
    format: str | None = None
    dry_run: bool = False
    label: str = ""
    terms: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOutcome:
    """What became of one row."""

    row: int
    result: RowResult
    subject: UUID | None = None
    code: str = ""
    detail: str = ""
    errors: Sequence[Mapping[str, Any]] = ()
    input: Mapping[str, Any] | None = None


def lock_party(connection: Connection, party: UUID) -> None:
    """Whoever counts the jobs of a party waits for whoever adds one."""
    connection.execute(select(t.parties.c.id).where(t.parties.c.id == party).with_for_update(key_share=True))


def add_job(connection: Connection, job: NewJob) -> None:
    """Store a new job."""
    connection.execute(
        insert(t.jobs).values(
            id=job.id,
            party_id=job.party,
            partition=partition_of(job.party),
            kind=job.kind.value,
            format=job.format,
            dry_run=job.dry_run,
            label=job.label,
            state=job.state.value,
            by=job.by,
            parts=0,
            terms=job.terms or {},
            created_at=job.at,
            **dict.fromkeys(("done", "ok", "refused", "invalid", "cancelled"), 0),
        )
    )


def lock_job(connection: Connection, job: UUID) -> None:
    """Keep others from changing this job until the transaction ends."""
    connection.execute(select(t.jobs.c.id).where(t.jobs.c.id == job).with_for_update())


def add_part(connection: Connection, *, job: UUID, party: UUID, number: int, digest: str, content: bytes) -> None:
    """Store a part of a file."""
    values = {"job_id": job, "party_id": party, "number": number, "digest": digest}
    connection.execute(insert(t.job_parts).values(**values, size=len(content), content=content))
    change_exactly(connection, 1, update(t.jobs).where(t.jobs.c.id == job).values(parts=t.jobs.c.parts + 1))


def change_job(connection: Connection, job: UUID, was: JobState, **values: Any) -> None:
    """Change a job that is in this state.

    Raises:
        LostRaceError: it is in another one.
    """
    change_exactly(
        connection, 1, update(t.jobs).where(t.jobs.c.id == job, t.jobs.c.state == was.value).values(**values)
    )


def add_results(connection: Connection, *, job: UUID, party: UUID, done: int, outcomes: Sequence[RowOutcome]) -> bool:
    """Store what became of the rows after the first ``done``. Returns whether any more are to be done.

    No more are where the job was cancelled, or its party was deactivated.

    Raises:
        LostRaceError: another worker goes on with this job, or it has ended.
    """
    jobs = t.jobs.c
    query = (
        select(jobs.done, jobs.state, jobs.cancelled_at, t.parties.c.status)
        .join(t.parties, t.parties.c.id == jobs.party_id)
        .where(jobs.id == job)
        .with_for_update(of=t.jobs)
    )
    row = connection.execute(query).first()
    if row is None or row.done != done or row.state != JobState.RUNNING.value:
        raise LostRaceError.of_rows(1, 0, f"the next rows of job {job}")
    counts = Counter(each.result.value for each in outcomes)
    change_exactly(
        connection,
        1,
        update(t.jobs)
        .where(jobs.id == job, jobs.done == done)
        .values(done=done + len(outcomes), **{name: jobs[name] + count for name, count in counts.items()}),
    )
    rows = [
        {
            "job_id": job,
            "row": each.row,
            "party_id": party,
            "result": each.result.value,
            "subject_id": each.subject,
            "code": each.code,
            "detail": each.detail,
            "errors": list(each.errors),
            "input": each.input,
        }
        for each in outcomes
    ]
    if rows:
        engine_of(connection).write(connection, {}, {"job_rows": rows}, frozenset())
    return row.cancelled_at is None and row.status == "active"


def count_recovered(
    connection: Connection, *, job: UUID, done: int, count: int, terms: Mapping[str, Any]
) -> datetime | None:
    """Store how far a job without a file is. Returns since when no more is to be done, if so.

    Raises:
        LostRaceError: another worker goes on with this job, or it has ended.
    """
    jobs = t.jobs.c
    change_exactly(
        connection,
        1,
        update(t.jobs)
        .where(jobs.id == job, jobs.done == done, jobs.state == JobState.RUNNING.value)
        .values(done=done + count, ok=done + count, terms=terms),
    )
    cancelled_at: datetime | None = connection.execute(select(jobs.cancelled_at).where(jobs.id == job)).scalar_one()
    return cancelled_at


def finish(connection: Connection, job: UUID, state: JobState, at: datetime) -> None:
    """End a job. Its file is not needed any more.

    Raises:
        LostRaceError: it has ended already.
    """
    # What a job without a file had to do is known at its end.
    total = func.coalesce(t.jobs.c.total, t.jobs.c.done)
    change_job(connection, job, JobState.RUNNING, state=state.value, finished_at=at, total=total)
    drop_parts(connection, job)


def drop_parts(connection: Connection, job: UUID) -> None:
    """Delete the file of a job, if it has one."""
    change_any(connection, delete(t.job_parts).where(t.job_parts.c.job_id == job))
