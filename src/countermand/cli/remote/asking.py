"""Asks at a service."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any, Final

from countermand.cli.ask_results import AGAIN, FAILED, Format, Keys, Printer, Result
from countermand.cli.line_files import read_file
from countermand.cli.nouns import AskResult, WantedAsk, WantedAsks
from countermand.cli.output import Exit, fail, manners, say
from countermand.cli.remote.calling import PAGE_ROWS, calling
from countermand.cli.remote.cancellations import shown
from countermand.cli.remote.finding import line_named
from countermand.domain.bulk_rows import AskRow, BadRow, Usual
from countermand.domain.dates import write_moment
from countermand.domain.parties import Asker
from countermand.domain.reasons import CancelReason
from countermand_client import Client, Forbidden
from countermand_client.inputs import LineUnits
from countermand_client.models import Cancellation, Job, JobResult


class RemoteAsking:
    """Asks for the party of the token, or by the platform for a customer."""

    def ask(self, line: str, units: int | None, wanted: WantedAsk) -> AskResult:
        """Ask to cancel units of a line."""
        with calling() as client:
            named: LineUnits = {"line": line_named(client, line)}
            if units is not None:
                named["units"] = units
            asked = client.cancellations.create(
                lines=[named],
                asker=wanted.asker,
                reason=wanted.reason,
                note=wanted.note or None,
                dry_run=manners.dry_run or None,
                # Without a key of the caller's own, an equal ask that waits is the same ask, as on a database.
                idempotency_key=wanted.key,
            )
        if manners.dry_run:
            (tried,) = asked.outcomes
            if tried.outcome == "refused":
                fail(Exit.REFUSED, tried.code, tried.detail)
            state = "asked" if tried.outcome == "would_ask" else "accepted"
            return AskResult(document=None, state=state, units=tried.units or 0, repeated=False, replayed=False)
        (made,) = asked.cancellations
        return AskResult(
            document=shown(made).document,
            state=made.state,
            units=made.units,
            repeated=made.repeated,
            replayed=asked.replayed,
        )

    def ask_file(self, file: str, wanted: WantedAsks) -> None:
        """Ask for each row of a file, as a job of the service, and print the result of each."""
        usual = Usual(asker=Asker(wanted.asker), reason=CancelReason(wanted.reason), note=wanted.note)
        keys = Keys(wanted.key)
        rows = read_file(file, usual)
        asked = [row for row in rows if isinstance(row, AskRow)]
        job = _Job(progress=wanted.progress)
        printer = Printer(Format[wanted.form.upper()], len(rows), progress=False)
        with calling() as client:
            try:
                if asked:
                    job.run(client, "".join(f"{json.dumps(_document(row, keys))}\n" for row in asked).encode())
                found = job.results(client)
                for some in _parts(rows):
                    ended = [next(found) if isinstance(row, AskRow) else None for row in some]
                    printer.show(_results(client, job, some, ended))
            except KeyboardInterrupt:
                say(f"Interrupted. {job.how_to_go_on()}")
                raise
        printer.end(file, job.name(), "The service could not carry out some rows.")


def _document(row: AskRow, keys: Keys) -> dict[str, Any]:
    """A row as a job takes it, with its key, so that the same file is asked once in whatever job it is."""
    line = {"line": row.line} if row.line else {"order": row.order, "sku": row.sku}
    said = {"units": row.units, "note": row.note or None}
    given = {name: value for name, value in said.items() if value is not None}
    return {**line, "by": row.asker, "reason": row.reason, **given, "key": keys.of(row, "\n".join(line.values()))}


def _parts(rows: Sequence[AskRow | BadRow]) -> Iterator[Sequence[AskRow | BadRow]]:
    return (rows[start : start + PAGE_ROWS] for start in range(0, len(rows), PAGE_ROWS))


class _Job:
    """The job of a file: how far it is, for a person who watches, and what came of its rows."""

    WIDTH: Final = 30

    def __init__(self, *, progress: bool) -> None:
        self._shown = not manners.quiet and (progress or sys.stderr.isatty())
        self._job: Job | None = None
        self.seen: set[str] = set()
        """Cancellations of the rows before."""

    @property
    def began_at(self) -> datetime | None:
        """When it was made. What was asked before was not asked by it."""
        return self._job.created_at if self._job else None

    def run(self, client: Client, content: bytes) -> None:
        """Create it, and wait until it has ended."""
        client.jobs.run("ask", content, format="jsonl", dry_run=manners.dry_run or None, progress=self._show)
        if self._shown and sys.stderr.isatty():
            print(file=sys.stderr)

    def results(self, client: Client) -> Iterator[JobResult]:
        """What came of its rows, in their order."""
        return iter(client.jobs.results(self._job.id, limit=PAGE_ROWS)) if self._job else iter(())

    def name(self) -> str:
        """Which one it is, as a sentence."""
        return f" The job is {self._job.id}." if self._job else ""

    def how_to_go_on(self) -> str:
        """What becomes of it when the command is interrupted, and what to do."""
        if self._job is None:
            return f"The job was not started, so nothing was asked. {AGAIN}"
        if self._job.ended:
            return f"The job {self._job.id} has ended. {AGAIN}"
        return f"The job {self._job.id} goes on at the service. To see its results, take the same file again: {TWICE}"

    def _show(self, job: Job) -> None:
        self._job = job
        if self._shown:
            total = job.rows.total or 0
            full = self.WIDTH * job.rows.done // total if total else 0
            bar = "#" * full + "." * (self.WIDTH - full)
            end = "\r" if sys.stderr.isatty() else "\n"
            print(f"[{bar}] {job.rows.done} of {total} rows", end=end, file=sys.stderr, flush=True)


TWICE: Final = "what was asked is not asked twice."


def _results(
    client: Client, job: _Job, rows: Sequence[AskRow | BadRow], ended: Sequence[JobResult | None]
) -> list[Result]:
    stand = _asked(client, {each.id for each in ended if each and each.result == "ok" and each.id})
    return [_result(row, each, stand, job) for row, each in zip(rows, ended, strict=True)]


def _result(row: AskRow | BadRow, ended: JobResult | None, stand: Mapping[str, Cancellation], job: _Job) -> Result:
    if isinstance(row, BadRow):
        return Result(row=row.place, result="bad", code=row.code, message=row.message)
    assert ended is not None
    result = Result(row=row.place, result="", line=row.line, units=row.units, code=ended.code, message=ended.detail)
    if ended.result == "ok":
        return _accepted(result, ended, stand, job)
    if ended.result == "cancelled":
        return replace(result, result="cancelled", code="cancelled", message="The job was cancelled before this row.")
    if ended.code == "internal":
        return replace(result, result=FAILED)
    if ended.result == "invalid":
        return replace(result, result="bad", line="", units=None, code="bad_row")
    if ended.code in _BAD:
        return replace(result, result="bad", line="", units=None)
    return replace(result, result="refused")


_BAD: Final = frozenset({"unknown_line", "unknown_order", "ambiguous"})
"""A row that names nothing is a bad one, as on a database."""


def _accepted(result: Result, ended: JobResult, stand: Mapping[str, Cancellation], job: _Job) -> Result:
    if ended.id is None:
        # What a dry run takes back is nowhere: it is known only that it would be asked.
        return replace(result, result="ok")
    found, repeated = stand.get(ended.id), ended.id in job.seen
    job.seen.add(ended.id)
    if found is None:
        return replace(result, result="ok", cancellation=ended.id, repeated=repeated)
    waits = found.state == "asked"
    return replace(
        result,
        result=found.state,
        line=found.line,
        units=found.units,
        cancellation=ended.id,
        repeated=repeated or (job.began_at is not None and found.asked_at < job.began_at),
        due_at=write_moment(found.due_at) if waits and found.due_at else None,
    )


def _asked(client: Client, wanted: set[str]) -> dict[str, Cancellation]:
    """These cancellations as they stand. One page has many of them: what one file asks was asked in a row."""
    found: dict[str, Cancellation] = {}
    left = sorted(wanted)
    try:
        while left:
            newest = left.pop()
            page = islice(client.cancellations.list(after=newest, limit=PAGE_ROWS), PAGE_ROWS) if left else ()
            found |= {each.id: each for each in (client.cancellations.get(newest), *page) if each.id in wanted}
            left = [each for each in left if each not in found]
    except Forbidden:
        # A token that may ask need not be one that may see.
        return found
    return found
