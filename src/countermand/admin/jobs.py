"""Jobs: made, filled, started and cancelled by their party, and done by a worker."""

import hashlib
from datetime import datetime
from typing import ClassVar
from uuid import UUID

import structlog
from sqlalchemy import Connection

from countermand.admin import endpoints
from countermand.admin.audit import Action, Author, Change, record
from countermand.domain.jobs import BYTES_MAX, UNFINISHED_MAX, JobFormat, JobKind, JobState
from countermand.domain.problems import ProblemError, RefusedError, UnfitError, UnknownError
from countermand.ids import show
from countermand.reads import jobs as job_reads
from countermand.reads.jobs import JobView
from countermand.store import jobs
from countermand.store.jobs import NewJob
from countermand.store.recovery import recovery_terms

PREFIX = "job"
"""How the id of a job begins."""

log = structlog.get_logger()


class UnknownJobError(UnknownError):
    """There is no such job of this party."""

    code = "unknown_job"


class TooManyJobsError(RefusedError):
    """The party has as many unfinished jobs as it can have."""

    code = "limit_reached"


class JobNotOpenError(RefusedError):
    """The job is too far for that."""

    code = "job_not_open"


class PartDiffersError(RefusedError):
    """Another part is there under this number."""

    code = "part_differs"


class FileTooLargeError(ProblemError):
    """All parts together are larger than a file may be."""

    code: ClassVar[str] = "too_large"


class MissingPartError(UnfitError):
    """Parts are missing, or there are more than were named."""

    code = "invalid"


def create(
    connection: Connection,
    author: Author,
    *,
    job: UUID,
    party: UUID,
    kind: JobKind,
    written: JobFormat,
    dry_run: bool = False,
    label: str = "",
) -> JobView:
    """Make a draft, whose file is still to come.

    Raises:
        TooManyJobsError: the party has ``UNFINISHED_MAX``.
    """
    draft = NewJob(
        id=job,
        party=party,
        kind=kind,
        state=JobState.DRAFT,
        by=author.name,
        at=author.at,
        format=written.value,
        dry_run=dry_run,
        label=label,
    )
    return _add(connection, author, draft)


def recover(
    connection: Connection,
    author: Author,
    *,
    job: UUID,
    party: UUID,
    endpoint: UUID,
    since: datetime,
    until: datetime | None = None,
    which: str = "dead",
    owner: UUID | None,
) -> JobView:
    """Have the notices of an endpoint sent again that were made from ``since`` on and before ``until``.

    ``which`` are those that are ``dead``, or ``all`` that do not wait anyway. The job is of ``party``; ``owner`` is the
    party that must own the endpoint, where not any may.

    Raises:
        UnknownEndpointError: there is no such endpoint of the owner.
        TooManyJobsError: as ``create``.
    """
    endpoints.find(connection, endpoint, party=owner)
    terms = recovery_terms(endpoint, since=since, until=min(until or author.at, author.at), which=which)
    new = NewJob(
        id=job,
        party=party,
        kind=JobKind.RECOVER,
        state=JobState.QUEUED,
        by=author.name,
        at=author.at,
        terms=terms,
    )
    return _add(connection, author, new, endpoint=show(endpoints.PREFIX, endpoint))


def _add(connection: Connection, author: Author, job: NewJob, **more: str) -> JobView:
    jobs.lock_party(connection, job.party)
    if job_reads.unfinished_jobs(connection, job.party) >= UNFINISHED_MAX:
        raise TooManyJobsError(f"The party has {UNFINISHED_MAX} unfinished jobs. Cancel one, or wait for its end.")
    jobs.add_job(connection, job)
    log.info("job_made", job=show(PREFIX, job.id), party=str(job.party), kind=job.kind.value, by=job.by)
    detail = {"kind": job.kind.value, "dry_run": job.dry_run, **more}
    record(connection, author, Change(action=Action.JOB_CREATED, party=job.party, target=job.id, detail=detail))
    return find(connection, party=job.party, job=job.id)


def find(connection: Connection, *, party: UUID, job: UUID) -> JobView:
    """A job of this party.

    Raises:
        UnknownJobError: there is none.
    """
    found = job_reads.job_by_id(connection, party, job)
    if found is None:
        raise UnknownJobError("There is no such job.")
    return found


def _locked(connection: Connection, party: UUID, job: UUID) -> JobView:
    jobs.lock_job(connection, job)
    return find(connection, party=party, job=job)


def _check_draft(job: JobView) -> None:
    if job.state != JobState.DRAFT.value:
        raise JobNotOpenError(f"The job is {job.state}. Only a draft takes parts and is started.")


def upload(connection: Connection, *, party: UUID, job: UUID, number: int, content: bytes) -> JobView:
    """Add a part to the file of a draft. The same part again changes nothing.

    Raises:
        UnknownJobError: as ``find``.
        JobNotOpenError: it was started or cancelled.
        PartDiffersError: the part is there with another content.
        FileTooLargeError: the file would be larger than ``BYTES_MAX``.
    """
    found = _locked(connection, party, job)
    _check_draft(found)
    digest = hashlib.sha256(content).hexdigest()
    parts = {part.number: part for part in job_reads.parts_of(connection, job)}
    if number in parts:
        if parts[number].digest != digest:
            raise PartDiffersError(f"Part {number} is there already, with another content.")
        return found
    if sum(part.size for part in parts.values()) + len(content) > BYTES_MAX:
        raise FileTooLargeError(f"All parts together are larger than {BYTES_MAX} bytes.")
    jobs.add_part(connection, job=job, party=party, number=number, digest=digest, content=content)
    return find(connection, party=party, job=job)


def check_parts(connection: Connection, *, party: UUID, job: UUID, parts: int) -> JobView:
    """The draft, whose file has these parts and no more.

    Raises:
        UnknownJobError: as ``find``.
        JobNotOpenError: it was started or cancelled.
        MissingPartError: parts are missing, or there are more.
    """
    found = find(connection, party=party, job=job)
    _check_draft(found)
    there = {part.number for part in job_reads.parts_of(connection, job)}
    missing = sorted(set(range(1, parts + 1)) - there)
    if missing:
        raise MissingPartError(f"Part {missing[0]} is missing.")
    if len(there) > parts:
        raise MissingPartError(f"Part {max(there)} is there as well.")
    return found


def start(connection: Connection, author: Author, *, party: UUID, job: UUID, parts: int, rows: int) -> JobView:
    """Let workers do a job whose file has so many rows.

    Raises:
        UnknownJobError, JobNotOpenError, MissingPartError: as ``check_parts``.
    """
    jobs.lock_job(connection, job)
    check_parts(connection, party=party, job=job, parts=parts)
    jobs.change_job(connection, job, JobState.DRAFT, state=JobState.QUEUED.value, total=rows, by=author.name)
    log.info("job_started", job=show(PREFIX, job), party=str(party), rows=rows, by=author.name)
    record(connection, author, Change(action=Action.JOB_STARTED, party=party, target=job, detail={"rows": rows}))
    return find(connection, party=party, job=job)


def cancel(connection: Connection, author: Author, *, party: UUID, job: UUID) -> JobView:
    """Do no more of a job. A worker that is in the middle of it ends it soon; what is done stays done.

    Raises:
        UnknownJobError: as ``find``.
        JobNotOpenError: it has ended.
    """
    found = _locked(connection, party, job)
    state = JobState(found.state)
    if state is JobState.DRAFT:
        ended = {"state": JobState.CANCELLED.value, "cancelled_at": author.at, "finished_at": author.at}
        jobs.change_job(connection, job, state, **ended)
        jobs.drop_parts(connection, job)
    elif state in (JobState.QUEUED, JobState.RUNNING):
        if found.cancelled_at is not None:
            return found
        jobs.change_job(connection, job, state, cancelled_at=author.at)
    else:
        raise JobNotOpenError(f"The job is {state.value}, and stays so.")
    log.info("job_cancelled", job=show(PREFIX, job), party=str(party), by=author.name)
    record(connection, author, Change(action=Action.JOB_CANCELLED, party=party, target=job))
    return find(connection, party=party, job=job)
