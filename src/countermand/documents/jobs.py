"""Jobs and what became of their rows, as JSON."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel

from countermand.domain.jobs import JobFormat, JobKind, JobState, RowResult
from countermand.domain.spreadsheets import tame
from countermand.ids import show
from countermand.reads.jobs import JobRowView, JobView


class RowCounts(BaseModel):
    """How many rows there are, how many are done, and what became of these. ``total`` is known once it is started."""

    total: int | None
    done: int
    ok: int
    refused: int
    invalid: int
    cancelled: int


class JobOut(BaseModel):
    """A job. ``parts`` is how many parts of its file are there; a job without a file has no ``format``."""

    id: str
    kind: JobKind
    format: JobFormat | None
    dry_run: bool
    label: str
    state: JobState
    parts: int
    rows: RowCounts
    party: UUID
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class RowOut(BaseModel):
    """What became of one row. ``id`` is the cancellation or the order; ``input`` the row as far as it was read."""

    row: int
    result: RowResult
    id: str | None
    code: str
    detail: str
    errors: list[dict[str, str]]
    input: dict[str, Any] | None


RESULT_COLUMNS = ("row", "result", "id", "code", "detail", "errors", "input")


def job_document(job: JobView) -> JobOut:
    """One job."""
    return JobOut(
        id=show("job", job.id),
        kind=JobKind(job.kind),
        format=JobFormat(job.format) if job.format else None,
        dry_run=job.dry_run,
        label=job.label,
        state=JobState(job.state),
        parts=job.parts,
        rows=RowCounts(
            total=job.total,
            done=job.done,
            ok=job.ok,
            refused=job.refused,
            invalid=job.invalid,
            cancelled=job.cancelled,
        ),
        party=job.party_id,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )


def row_document(kind: str, row: JobRowView) -> RowOut:
    """What became of one row of a job of this kind."""
    return RowOut(
        row=row.row,
        result=RowResult(row.result),
        id=_subject(kind, row.subject_id),
        code=row.code,
        detail=row.detail,
        errors=[dict(each) for each in row.errors],
        input=dict(row.input) if row.input is not None else None,
    )


def results_csv(kind: str, rows: Sequence[JobRowView], *, begin: bool) -> bytes:
    """A piece of the results as a file for a spreadsheet; with ``begin`` the names of the columns come first."""
    text = io.StringIO()
    writer = csv.writer(text)
    if begin:
        writer.writerow(RESULT_COLUMNS)
    for row in rows:
        shown = row_document(kind, row).model_dump(mode="json")
        writer.writerow([_cell(shown[name]) for name in RESULT_COLUMNS])
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None or value == []:
        return ""
    return tame(value if isinstance(value, str) else orjson.dumps(value).decode())


def _subject(kind: str, subject: UUID | None) -> str | None:
    if subject is None:
        return None
    return str(subject) if kind == JobKind.ORDER.value else show("can", subject)
