"""Calls about jobs: many asks, answers or orders handed in as one file, and what became of each."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field, StrictBool
from starlette.responses import Response, StreamingResponse

from countermand.admin import jobs
from countermand.admin.callers import Caller, Permission
from countermand.documents.jobs import JobOut, RowOut, job_document, results_csv, row_document
from countermand.domain.jobs import PARTS_MAX, JobFormat, JobKind, JobState, RowResult
from countermand.domain.parties import PartyKind
from countermand.fields import InQuery, Text
from countermand.ids import read, show
from countermand.reads import jobs as job_reads
from countermand.reads.jobs import JobFilter, JobRowView, JobView
from countermand.service.job_rows import BadFileError, JobFile, TooManyRowsError
from countermand.store.engines.transactions import change
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.authors import By
from countermand.wire.native.errors import PROBLEMS, invalid
from countermand.wire.native.messages import JsonRoute, Limit, Strict
from countermand.wire.native.once import Once, Shown, change_once
from countermand.wire.native.pages import begin, page
from countermand.wire.native.periods import PeriodGiven
from countermand.wire.replies import CallError, Problem

router: Final = APIRouter(prefix="/v1/jobs", responses=PROBLEMS, route_class=JsonRoute)

FileKind = Literal[JobKind.ASK, JobKind.ANSWER, JobKind.ORDER]

PAGE_OF_FILE: Final = 1_000
"""So many results are read at a time where all are sent as a file."""

CSV: Final = "text/csv"
JSONL: Final = "application/jsonl"
MEDIA_TYPES: Final = {JobFormat.CSV: CSV, JobFormat.JSONL: JSONL}


class JobIn(Strict):
    """What the rows of the file are, and how it is written. A ``dry_run`` decides each row and changes nothing."""

    kind: FileKind
    format: JobFormat
    dry_run: StrictBool = False
    label: Text = ""


class Start(Strict):
    """How many parts the file has: from 1 to this one, and no more."""

    parts: Annotated[int, Field(strict=True, ge=1, le=PARTS_MAX)]


class JobPage(BaseModel):
    """Some jobs, newest first. ``next`` is the ``after`` of the following page."""

    jobs: list[JobOut]
    next: str | None


class ResultPage(BaseModel):
    """What became of some rows, in the order of the file. ``next`` is the ``after`` of the following page."""

    results: list[RowOut]
    next: str | None


Part = Annotated[int, InQuery, Query(ge=1, le=PARTS_MAX, description="Which part of the file this is, from 1")]


@router.post("", operation_id="jobs.create", status_code=201, response_model=JobOut)
async def create_job(services: Inside, who: Who, by: By, body: JobIn, once: Once) -> Response:
    """Make a job, whose file is then sent in parts and started.

    The caller needs the permission of what its rows are: `cancel_order` for asks and answers, `create_order` for
    orders.
    """
    check_may(who, body.kind)
    new = services.ids.new()
    create = partial(
        jobs.create,
        author=by,
        job=new,
        party=who.party,
        kind=body.kind,
        written=body.format,
        dry_run=body.dry_run,
        label=body.label,
    )
    async with once.of(body) as key:
        with told():
            return await change_once(services, key, create, partial(job_shown, status=201))


def job_shown(job: JobView, status: int = 202) -> Shown:
    """A job, and where it is."""
    return Shown(status=status, body=job_document(job), headers={"Location": location(job)})


def location(job: JobView) -> str:
    """The path of a job."""
    return f"/v1/jobs/{show(jobs.PREFIX, job.id)}"


_NEEDED: Final[dict[JobKind, tuple[Permission, frozenset[PartyKind]]]] = {
    JobKind.ASK: (Permission.CANCEL_ORDER, frozenset({PartyKind.PLATFORM, PartyKind.RETAILER})),
    JobKind.ANSWER: (Permission.CANCEL_ORDER, frozenset(PartyKind)),
    JobKind.ORDER: (Permission.CREATE_ORDER, frozenset({PartyKind.PLATFORM, PartyKind.RETAILER})),
}
"""What the rows of a job need of whoever hands them in."""


def check_may(who: Caller, kind: JobKind) -> None:
    """Whether the caller may hand in such rows.

    Raises:
        CallError: it is of another kind, or lacks the permission.
    """
    permission, kinds = _NEEDED[kind]
    if who.kind not in kinds:
        raise CallError(Problem.WRONG_PARTY, f"A {who.kind.value} cannot hand in rows of this kind.")
    if not who.may(permission):
        raise CallError(Problem.FORBIDDEN, f"This token lacks the permission {permission.value}.")


@router.get("", operation_id="jobs.list")
async def list_jobs(
    services: Inside,
    who: Who,
    period: PeriodGiven,
    kind: JobKind | None = None,
    state: Annotated[list[JobState], Query()] = [],  # noqa: B006 - FastAPI copies it
    after: str | None = None,
    limit: Limit = 50,
) -> JobPage:
    """Jobs of the caller's party, newest first."""
    last = begin(jobs.PREFIX, after, "a job")
    wanted = JobFilter(kind=kind, states=state, since=period.since, until=period.until, after=last, limit=limit + 1)
    found = await services.database.read(partial(job_reads.list_jobs, party=who.party, wanted=wanted))
    rows, more = page(jobs.PREFIX, found, limit)
    return JobPage(jobs=[job_document(job) for job in rows], next=more)


@router.get("/{job}", operation_id="jobs.get")
async def get_job(services: Inside, who: Who, job: str) -> JobOut:
    """One job: how far it is, and how many of its rows were taken, refused or not understood."""
    return job_document(await _named(services, who, job))


async def _named(services: Any, who: Caller, job: str) -> JobView:
    with told():
        found: JobView = await services.database.read(partial(jobs.find, party=who.party, job=_id(job)))
        return found


def _id(text: str) -> UUID:
    wanted = read(jobs.PREFIX, text)
    if wanted is None:
        raise jobs.UnknownJobError("There is no such job.")
    return wanted


_FILE: Final = {"type": "string", "format": "binary"}


@router.put(
    "/{job}/input",
    operation_id="jobs.upload",
    openapi_extra={"requestBody": {"required": True, "content": {each: {"schema": _FILE} for each in (CSV, JSONL)}}},
)
async def upload_part(services: Inside, who: Who, request: Request, job: str, part: Part) -> JobOut:
    """Send a part of the file: at most 8 MiB, in all 64 MiB and 100,000 rows. Parts may come in any order.

    The parts are joined as they are, so a row may begin in one and end in the next. The same part again changes
    nothing.
    """
    found = await _named(services, who, job)
    content = await request.body()
    accepted = MEDIA_TYPES[JobFormat(found.format)] if found.format else None
    if accepted and request.headers.get("content-type", "").partition(";")[0].strip().lower() != accepted:
        detail = f"The file of this job is {accepted}."
        raise CallError(Problem.UNSUPPORTED_MEDIA_TYPE, detail, (b"accept", accepted.encode()))
    if not content:
        raise invalid("The part is empty.", "body", code="required")
    add = partial(jobs.upload, party=who.party, job=found.id, number=part, content=content)
    with told():
        return job_document(await change(services.database, add))


@router.post("/{job}/start", operation_id="jobs.start", status_code=202, response_model=JobOut)
async def start_job(services: Inside, who: Who, by: By, job: str, body: Start, once: Once) -> Response:
    """Have the rows done, one after the other. Each is a call of the caller's party, under a key of its own.

    A file whose first row names unknown columns is refused whole. A row that is bad or is refused stops no other.
    """
    async with once.of(body) as key:
        with told():
            wanted = partial(jobs.check_parts, party=who.party, job=_id(job), parts=body.parts)
            found = await services.database.read(wanted)
            kind, written = JobKind(found.kind), JobFormat(found.format or JobFormat.CSV)
            check_may(who, kind)
            file = JobFile(services.database, job=found.id, parts=body.parts, kind=kind, written=written)
            rows = await file.count()
            start = partial(jobs.start, author=by, party=who.party, job=found.id, parts=body.parts, rows=rows)
            return await change_once(services, key, start, job_shown)


@router.post("/{job}/cancel", operation_id="jobs.cancel", status_code=202, response_model=JobOut)
async def cancel_job(services: Inside, who: Who, by: By, job: str, once: Once) -> Response:
    """Do no more of the rows. Those that are done stay done; the others are `cancelled`, each in its place."""
    async with once.of() as key:
        with told():
            cancel = partial(jobs.cancel, author=by, party=who.party, job=_id(job))
            return await change_once(services, key, cancel, job_shown)


@router.get(
    "/{job}/results",
    operation_id="jobs.results",
    response_model=ResultPage,
    responses={200: {"content": {each: {"schema": {"type": "string"}} for each in (CSV, JSONL)}}},
)
async def job_results(
    services: Inside,
    who: Who,
    request: Request,
    job: str,
    result: Annotated[list[RowResult], Query()] = [],  # noqa: B006 - FastAPI copies it
    after: Annotated[int, InQuery, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Limit = 50,
) -> ResultPage | Response:
    """What became of each row that is done, in the order of the file.

    With `Accept: text/csv` or `application/jsonl`, all of it from `after` on comes as a file.
    """
    found = await _named(services, who, job)
    page = partial(job_reads.results_of, job=found.id, results=result)
    for media_type, write in _WRITERS.items():
        if media_type in request.headers.get("accept", "").lower():
            name = f'attachment; filename="{show(jobs.PREFIX, found.id)}.{media_type.rpartition("/")[2]}"'
            sending = _file(services, page, after, partial(write, found.kind))
            return StreamingResponse(sending, media_type=media_type, headers={"content-disposition": name})
    rows = await services.database.read(partial(page, after=after, limit=limit + 1))
    more = str(rows[limit - 1].row) if len(rows) > limit else None
    return ResultPage(results=[row_document(found.kind, row) for row in rows[:limit]], next=more)


async def _file(
    services: Any, page: Callable[..., Sequence[JobRowView]], after: int, write: Callable[..., bytes]
) -> AsyncIterator[bytes]:
    """All results, of which no more than a page is held."""
    yield write((), begin=True)
    while rows := await services.database.read(partial(page, after=after, limit=PAGE_OF_FILE)):
        yield write(rows, begin=False)
        after = rows[-1].row


def _as_jsonl(kind: str, rows: Sequence[JobRowView], *, begin: bool) -> bytes:
    options = orjson.OPT_APPEND_NEWLINE
    return b"".join(orjson.dumps(row_document(kind, row).model_dump(mode="json"), option=options) for row in rows)


_WRITERS: Final[dict[str, Callable[..., bytes]]] = {CSV: results_csv, JSONL: _as_jsonl}


@contextmanager
def told() -> Iterator[None]:
    """What goes wrong becomes a problem of the caller's."""
    try:
        yield
    except TooManyRowsError as error:
        raise CallError(Problem.TOO_LARGE, str(error)) from None
    except BadFileError as error:
        raise invalid(str(error), "body", code="bad_text") from None
    except jobs.MissingPartError as error:
        raise invalid(str(error), "body", "parts") from None
    except tuple(_PROBLEMS) as error:
        raise CallError(_PROBLEMS[type(error)], str(error)) from None


_PROBLEMS: Final[dict[type[Exception], Problem]] = {
    jobs.UnknownJobError: Problem.UNKNOWN_JOB,
    jobs.TooManyJobsError: Problem.LIMIT_REACHED,
    jobs.JobNotOpenError: Problem.JOB_NOT_OPEN,
    jobs.PartDiffersError: Problem.PART_DIFFERS,
    jobs.FileTooLargeError: Problem.TOO_LARGE,
}
