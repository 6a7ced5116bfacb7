"""Asks at a service."""

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from countermand.cli.nouns import AskResult, WantedAsk, WantedAsks
from countermand.cli.output import Exit, csv_printer, fail, manners, plain, say, writing
from countermand.cli.remote.calling import calling
from countermand.cli.remote.cancellations import shown
from countermand.cli.remote.finding import line_named
from countermand_client import Client
from countermand_client.inputs import LineUnits
from countermand_client.models import Job, JobResult

COLUMNS: Final = ("row", "result", "cancellation", "code", "message")


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
        """Ask for each row of a file, as a job of the service."""
        if (wanted.asker, wanted.reason, wanted.note, wanted.key) != ("customer", "not_stated", "", ""):
            why = "With --server, a file has the columns asker, reason, note and key for that."
            fail(Exit.USAGE, "usage", why)
        content = _read(file)
        bar = _Bar(progress=wanted.progress)
        with calling() as client:
            format_ = "jsonl" if file.endswith((".jsonl", ".ndjson")) else "csv"
            job = client.jobs.run("ask", content, format=format_, dry_run=manners.dry_run or None, progress=bar.show)
            bar.end()
            counts = _print_results(client, job, wanted.form)
        _end(job, counts)


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        fail(Exit.USAGE, "unreadable", f"{file} cannot be read: {error.strerror}.")


class _Bar:
    """How far a job is, for a person who watches."""

    WIDTH: Final = 30

    def __init__(self, *, progress: bool) -> None:
        self._shown = not manners.quiet and (progress or sys.stderr.isatty())

    def show(self, job: Job) -> None:
        if self._shown:
            total = job.rows.total or 0
            full = self.WIDTH * job.rows.done // total if total else 0
            bar = "#" * full + "." * (self.WIDTH - full)
            end = "\r" if sys.stderr.isatty() else "\n"
            print(f"[{bar}] {job.rows.done} of {total} rows", end=end, file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._shown and sys.stderr.isatty():
            print(file=sys.stderr)


def _print_results(client: Client, job: Job, form: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    add = csv_printer(COLUMNS) if form == "csv" else None
    for each in client.jobs.results(job.id, limit=200):
        counts[each.result] += 1
        row = _row(each)
        with writing():
            if add is not None:
                add([row])
            elif form == "json":
                print(json.dumps(row, ensure_ascii=False))
            else:
                print("\t".join(plain(cell) for cell in row.values() if cell not in (None, "")))
    return counts


def _row(result: JobResult) -> Mapping[str, Any]:
    return {
        "row": result.row,
        "result": result.result,
        "cancellation": result.id or "",
        "code": result.code,
        "message": result.detail,
    }


def _end(job: Job, counts: Counter[str]) -> NoReturn:
    told = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    say(f"{job.rows.done} of {job.rows.total or 0} rows" + (f": {told}." if told else ".") + f" The job is {job.id}.")
    bad = counts["invalid"] + counts["refused"] + counts["cancelled"]
    if not bad:
        sys.exit(Exit.FINE)
    if counts["ok"]:
        sys.exit(Exit.PARTLY)
    sys.exit(Exit.REFUSED if counts["refused"] else Exit.USAGE)
