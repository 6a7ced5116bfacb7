"""Jobs: files of many asks that go on by themselves, with a result for each row."""

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from countermand import turns
from countermand.admin import jobs
from countermand.console.errors import PageError, unknown
from countermand.console.forms import FieldError
from countermand.console.rendering import HEADERS, Note, redirect, show_page
from countermand.console.visit import Visit
from countermand.documents.jobs import results_csv
from countermand.domain.jobs import UNFINISHED, JobFormat, JobKind, JobState, RowResult
from countermand.ids import read, show
from countermand.reads.jobs import JobFilter, JobRowView, JobView, list_jobs, results_of
from countermand.service.job_rows import BadFileError, JobFile, TooManyRowsError
from countermand.wire.response import Reply

SHOWN: Final = 50
PAGE: Final = 500
PATH: Final = "/console/jobs"
SHAPES: Final = {
    JobState.DRAFT: ("n-due", "Draft"),
    JobState.QUEUED: ("n-due", "Waits"),
    JobState.RUNNING: ("sent", "Under way"),
    JobState.DONE: ("confirmed", "Done"),
    JobState.CANCELLED: ("closed", "Cancelled"),
}
_RESULTS: Final = {
    RowResult.OK: ("accepted", "Asked"),
    RowResult.REFUSED: ("declined", "Refused"),
    RowResult.INVALID: ("late", "Not understood"),
    RowResult.CANCELLED: ("withdrawn", "Never done"),
}


async def look(visit: Visit) -> Reply:
    """Jobs of the visitor's party, newest first."""
    after = read(jobs.PREFIX, visit.query.get("after", "")) if visit.query.get("after") else None
    found = await visit.read(list_jobs, visit.caller.party, JobFilter(after=after, limit=SHOWN + 1))
    more = f"{PATH}?{urlencode({'after': show(jobs.PREFIX, found[SHOWN - 1].id)})}" if len(found) > SHOWN else ""
    return show_page(visit, "jobs.html", title="Jobs", jobs=found[:SHOWN], shapes=SHAPES, more=more, prefix=jobs.PREFIX)


async def _job(visit: Visit) -> JobView:
    wanted = read(jobs.PREFIX, visit.names["job"])
    try:
        if wanted is not None:
            return await visit.read(jobs.find, party=visit.caller.party, job=wanted)
    except jobs.UnknownJobError:
        pass
    raise unknown("job", PATH, "Jobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowShown:
    """A row of the file, and what became of it."""

    row: JobRowView
    shape: str
    word: str
    link: str
    given: str


async def look_at_one(visit: Visit) -> Reply:
    """How far a job is, and what became of its rows."""
    job = await _job(visit)
    results = _wanted(visit)
    chosen = results[0].value if results else ""
    begin = visit.query.get("after", "")
    after = int(begin) if begin.isascii() and begin.isdigit() and len(begin) < 8 else 0
    rows = await visit.read(results_of, job.id, results=results, after=after, limit=SHOWN + 1)
    path = f"{PATH}/{show(jobs.PREFIX, job.id)}"
    more = ""
    if len(rows) > SHOWN:
        kept = {"result": chosen, "after": str(rows[SHOWN - 1].row)}
        more = f"{path}?{urlencode({name: value for name, value in kept.items() if value})}"
    shape, word = SHAPES[JobState(job.state)]
    return show_page(
        visit,
        "job.html",
        title=job.label or f"Job {show(jobs.PREFIX, job.id)}",
        note=_done(visit, job),
        job=job,
        prefix=jobs.PREFIX,
        shape_name=shape,
        word=word,
        path=path,
        rows=[_shown(each, job) for each in rows[:SHOWN]],
        results=[(result.value, _word(result, job)[1]) for result in RowResult],
        chosen=chosen,
        csv=f"{path}/results.csv{f'?result={chosen}' if chosen else ''}",
        more=more,
        once=visit.new_once(),
        can_cancel=job.state in UNFINISHED,
        can_do=job.dry_run and job.state == JobState.DONE and job.kind == JobKind.ASK.value and job.ok > 0,
    )


def _wanted(visit: Visit) -> tuple[RowResult, ...]:
    """The one result that is asked for; none: all of them."""
    chosen = visit.query.get("result", "")
    return (RowResult(chosen),) if chosen in set(RowResult) else ()


async def export(visit: Visit) -> Reply:
    """What became of each row, as a file for a spreadsheet: all of them, or those with one result."""
    job = await _job(visit)
    name = f'attachment; filename="{show(jobs.PREFIX, job.id)}.csv"'.encode()
    headers = (*HEADERS, (b"content-disposition", name))
    pieces = _pieces(visit, job, _wanted(visit))
    return Reply(status=200, media_type=b"text/csv; charset=utf-8", headers=headers, pieces=pieces)


async def _pieces(visit: Visit, job: JobView, results: tuple[RowResult, ...]) -> AsyncIterator[bytes]:
    """The file, of which no more than a page is held."""
    yield results_csv(job.kind, (), begin=True)
    after = 0
    while rows := await visit.read(results_of, job.id, results=results, after=after, limit=PAGE):
        yield results_csv(job.kind, rows, begin=False)
        after = rows[-1].row


def _word(result: RowResult, job: JobView) -> tuple[str, str]:
    shape, word = _RESULTS[result]
    return shape, ("Would be asked" if job.dry_run else "Stored") if result is RowResult.OK else word


def _shown(row: JobRowView, job: JobView) -> RowShown:
    shape, word = _word(RowResult(row.result), job)
    is_can = row.subject_id is not None and job.kind != JobKind.ORDER.value and not job.dry_run
    link = f"/console/cancellations/{show('can', row.subject_id)}" if is_can and row.subject_id else ""
    given = ", ".join(f"{name} {value}" for name, value in (row.input or {}).items())
    return RowShown(row=row, shape=shape, word=word, link=link, given=given)


def _done(visit: Visit, job: JobView) -> Note | None:
    match visit.query.get("done", ""):
        case "tried" if job.dry_run:
            text = "Nothing is asked yet. Each row says below what would become of it."
            return Note(title="The rows are tried.", text=text, mood="good")
        case "begun" if not job.dry_run:
            return Note(
                title="The job is begun.", text="It goes on by itself, also if you close this page.", mood="good"
            )
    return None


# Asking by a file


async def confirm_ask(visit: Visit) -> Reply:
    """The form that takes the rows."""
    return _ask_page(visit)


def _ask_page(visit: Visit, *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    return show_page(
        visit,
        "job_ask.html",
        title="Ask from a file",
        status=status,
        once=visit.form.text("once") or visit.new_once(),
        filled=visit.form,
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def ask(visit: Visit) -> Reply:
    """Try the rows: nothing is asked yet."""
    try:
        label, text = visit.form.line("label"), visit.form.text("rows")
        if not text:
            raise FieldError("rows", "Paste the rows, with the names of the columns in the first.")
        job = await _begin(visit, text.encode(errors="replace"), label=label, dry_run=True)
    except FieldError as error:
        return _ask_page(visit, status=422, wrong=error)
    return redirect(f"{PATH}/{show(jobs.PREFIX, job)}?done=tried")


async def do(visit: Visit) -> Reply:
    """Ask for real what was tried before."""
    tried = await _job(visit)
    if not (tried.dry_run and tried.state == JobState.DONE and tried.kind == JobKind.ASK.value):
        raise PageError(409, "This job cannot be done", "Only rows that were tried can.", links={PATH: "Jobs"})
    try:
        job = await _begin(visit, await _taken(visit, tried), label=tried.label, dry_run=False)
    except FieldError as error:
        raise PageError(409, "This job cannot be done", str(error), links={PATH: "Jobs"}) from None
    return redirect(f"{PATH}/{show(jobs.PREFIX, job)}?done=begun")


async def _taken(visit: Visit, tried: JobView) -> bytes:
    """The rows that would be taken, as a file again: that of a job that has ended is not kept."""
    rows: list[dict[str, str]] = []
    after = 0
    while found := await visit.count(results_of, tried.id, results=(RowResult.OK,), after=after, limit=PAGE):
        rows += [{name: str(value) for name, value in (each.input or {}).items()} for each in found]
        after = found[-1].row
    return await turns.compute(_as_file, rows)


def _as_file(rows: Sequence[Mapping[str, str]]) -> bytes:
    written = io.StringIO()
    writer = csv.DictWriter(written, list(dict.fromkeys(name for row in rows for name in row)), restval="")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue().encode()


async def _begin(visit: Visit, content: bytes, *, label: str, dry_run: bool) -> UUID:
    """Make a job of these rows, and start it.

    Raises:
        FieldError: the rows cannot be read, or too many jobs are unfinished.
    """
    services, party, by = visit.services, visit.caller.party, visit.author
    new = services.ids.new()
    create = partial(
        jobs.create,
        author=by,
        job=new,
        party=party,
        kind=JobKind.ASK,
        written=JobFormat.CSV,
        dry_run=dry_run,
        label=label,
    )
    try:
        await visit.change_once(create, lambda _: f"{PATH}/{show(jobs.PREFIX, new)}")
        await visit.change(partial(jobs.upload, party=party, job=new, number=1, content=content))
        await visit.read(partial(jobs.check_parts, party=party, job=new, parts=1))
        file = JobFile(services.database, job=new, parts=1, kind=JobKind.ASK, written=JobFormat.CSV)
        rows = await file.count()
        await visit.change(partial(jobs.start, author=by, party=party, job=new, parts=1, rows=rows))
    except (BadFileError, TooManyRowsError) as error:
        # What could not be started would count as unfinished for ever.
        await visit.change(partial(jobs.cancel, author=by, party=party, job=new))
        raise FieldError("rows", str(error)) from None
    except jobs.TooManyJobsError as error:
        raise FieldError("rows", str(error)) from None
    return new


async def cancel(visit: Visit) -> Reply:
    """Do no more of the rows."""
    job = await _job(visit)
    await visit.change(partial(jobs.cancel, author=visit.author, party=visit.caller.party, job=job.id))
    return redirect(f"{PATH}/{show(jobs.PREFIX, job.id)}")
