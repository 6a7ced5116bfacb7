"""`countermand ask --file`: a file of lines, each row an ask of its own that is asked once however often it is read."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy import Connection

from countermand.admin.finding import EVERYTHING
from countermand.cli.ask_results import AGAIN, FAILED, Format, Keys, Printer, Result, is_watched
from countermand.cli.line_files import read_file
from countermand.cli.local.asking import call_for, made_by
from countermand.cli.orders import operator
from countermand.cli.output import manners, say
from countermand.cli.running import with_database
from countermand.domain.bulk_rows import AskRow, BadRow, Usual
from countermand.domain.commands import AskCancellation
from countermand.domain.dates import write_moment
from countermand.domain.line import State
from countermand.ids import show
from countermand.reads import cancellations as cancellation_reads
from countermand.reads.bulk import LineKey, NotFound, lines_named
from countermand.reads.cancellations import CancellationView
from countermand.road import Application
from countermand.service.calls import Call, Done, Failed, Outcome, Refused
from countermand.service.lanes import BATCH_MAX, QUEUE_MAX, Lanes
from countermand.settings import Settings

TOGETHER: Final = 4 * BATCH_MAX
"""How many rows are under way at once. Their results are printed before the next ones are started."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A row whose line is known, and the call that asks it."""

    place: int
    line: UUID
    units: int | None
    order: UUID
    call: Call


def ask_file(settings: Settings, file: str, usual: Usual, key: str, form: Format, *, progress: bool) -> None:
    """Ask for each row of a file, and print the result of each."""
    keys = Keys(key)
    rows = read_file(file, usual)
    printer = Printer(form, len(rows), progress=progress or is_watched())
    asking = _Tried if manners.dry_run else _Asking
    try:
        with_database(settings, lambda application: asking(application, keys).run(rows, printer))
    except KeyboardInterrupt:
        say(f"Interrupted. {AGAIN}")
        raise
    printer.end(file)


@dataclass(slots=True)
class _Asking:
    """Asks for rows, so many at once, in the order of the file."""

    application: Application
    keys: Keys

    async def run(self, rows: Sequence[AskRow | BadRow], printer: Printer) -> None:
        for some in _parts(rows, TOGETHER):
            found = await self._find(some)
            outcomes = await self._outcomes([each for each in found if isinstance(each, Found)])
            results = await self._results(found, outcomes)
            printer.show(results)
            if any(each.result == FAILED for each in results):
                break

    async def _find(self, rows: Sequence[AskRow | BadRow]) -> list[Found | BadRow]:
        return await self.application.database.read(partial(_find_all, rows=rows, keys=self.keys))

    async def _outcomes(self, asked: Sequence[Found]) -> dict[int, Outcome]:
        outcomes = await asyncio.gather(*(self.application.lanes.submit(each.call) for each in asked))
        return {each.place: outcome for each, outcome in zip(asked, outcomes, strict=True)}

    async def _results(self, rows: Sequence[Found | BadRow], outcomes: Mapping[int, Outcome]) -> list[Result]:
        again = [
            outcome.cancellations[0]
            for outcome in outcomes.values()
            if isinstance(outcome, Done) and outcome.cancellations and made_by(outcome) is None
        ]
        current = await self.application.database.read(partial(_current, cancellations=again)) if again else {}
        return [_result(each, outcomes, current) for each in rows]


class _Tried(_Asking):
    """Decides every row as if those before it had been asked, and takes it back.

    Rows of one order are decided in one transaction, so that each finds what those before it left. Asks of other orders
    have nothing in common with them, and no transaction is longer than it must be: it keeps a service waiting.
    """

    async def run(self, rows: Sequence[AskRow | BadRow], printer: Printer) -> None:
        found = [each for some in _parts(rows, TOGETHER) for each in await self._find(some)]
        orders: dict[UUID, list[Found]] = {}
        for each in found:
            if isinstance(each, Found):
                orders.setdefault(each.order, []).append(each)
        outcomes: dict[int, Outcome] = {}
        groups = [part for group in orders.values() for part in _parts(group, QUEUE_MAX)]
        for together in _batches(groups):
            outcomes |= await self._outcomes(together)
        for some in _parts(found, TOGETHER):
            theirs = {each.place: outcomes[each.place] for each in some if isinstance(each, Found)}
            printer.show(await self._results(some, theirs))

    async def _outcomes(self, asked: Sequence[Found]) -> dict[int, Outcome]:
        application = self.application
        lane = Lanes(application.database, application.clock, application.ids.new, batch_max=len(asked) or 1)
        outcomes = await asyncio.gather(*(lane.submit(each.call) for each in asked))
        return {each.place: outcome for each, outcome in zip(asked, outcomes, strict=True)}


def _parts(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _batches(groups: Sequence[Sequence[Found]]) -> Iterator[list[Found]]:
    """Whole groups, together about as many rows as a batch of the write road has."""
    batch: list[Found] = []
    for group in groups:
        if batch and len(batch) + len(group) > BATCH_MAX:
            yield batch
            batch = []
        batch = [*batch, *group]
    if batch:
        yield batch


def _find_all(connection: Connection, *, rows: Sequence[AskRow | BadRow], keys: Keys) -> list[Found | BadRow]:
    """The line of each row, all found together."""
    asked = [row for row in rows if isinstance(row, AskRow)]
    lines = dict(zip((row.place for row in asked), lines_named(connection, EVERYTHING, asked), strict=True))
    return [row if isinstance(row, BadRow) else _found(row, lines[row.place], keys) for row in rows]


def _found(row: AskRow, line: LineKey | NotFound, keys: Keys) -> Found | BadRow:
    if isinstance(line, NotFound):
        return BadRow(place=row.place, code=line.code, message=line.message)
    command = AskCancellation(
        line=line.id,
        actor=operator(),
        asker=row.asker,
        units=row.units,
        reason=row.reason,
        note=row.note,
        key=keys.of(row, line.id.hex),
    )
    call = call_for(command, line.retailer_id, keeps_refusals=False)
    return Found(place=row.place, line=line.id, units=row.units, order=line.order_id, call=call)


def _current(connection: Connection, *, cancellations: Sequence[UUID]) -> dict[UUID, CancellationView]:
    found = (cancellation_reads.cancellation_by_id(connection, EVERYTHING, each) for each in cancellations)
    return {row.id: row for row in found if row}


def _result(row: Found | BadRow, outcomes: Mapping[int, Outcome], current: Mapping[UUID, CancellationView]) -> Result:
    if isinstance(row, BadRow):
        return Result(row=row.place, result="bad", code=row.code, message=row.message)
    result = Result(row=row.place, result=FAILED, line=str(row.line), units=row.units)
    match outcomes[row.place]:
        case Failed():
            return replace(result, code="database_unavailable", message="The database did not answer.")
        case Refused() as outcome:
            return replace(result, result="refused", code=outcome.refusal.kind.value, message=outcome.refusal.detail)
        case Done() as done:
            return _accepted(result, done, current)


def _accepted(result: Result, done: Done, current: Mapping[UUID, CancellationView]) -> Result:
    first = done.cancellations[0] if done.cancellations else None
    repeated = done.replayed or first in done.repeated
    stands = made_by(done) or (current.get(first) if first else None)
    if first is None or stands is None:
        return replace(result, result=State.ACCEPTED.value, repeated=repeated)
    waits = stands.state == State.ASKED
    return replace(
        result,
        result=State(stands.state).value,
        units=stands.units,
        # What is taken back has no id that anybody could use.
        cancellation="" if manners.dry_run and not repeated else show("can", first),
        repeated=repeated,
        due_at=write_moment(stands.due_at) if waits and stands.due_at else None,
    )
