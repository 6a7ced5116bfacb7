"""The rows of a job's file: read part by part as they are needed, so that no more than a part is ever held."""

import asyncio
import io
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import Any, Final
from uuid import UUID

from countermand.domain.bulk_rows import (
    AnswerRow,
    AskRow,
    BadRow,
    CellProblem,
    Usual,
    answer_columns,
    ask_columns,
    by_column,
    read_answer,
    read_ask,
)
from countermand.domain.csv_records import Arriving, Record, records
from countermand.domain.jobs import ROWS_MAX, JobFormat, JobKind
from countermand.domain.texts import fit
from countermand.json_input import ORDER_NODES_MAX, MalformedJsonError, parse_json
from countermand.reads import jobs as job_reads
from countermand.service.order_rows import PERSONAL, OrderRow, grouped, order_columns, order_of_cells, read_order
from countermand.store.engines.protocol import Database

ROW_MAX: Final = 1_048_576
"""The most bytes of one row of JSON."""

Meaning = AskRow | AnswerRow | OrderRow | BadRow
"""What a row asks for."""

CsvRow = tuple[Sequence[str], Sequence[Record]]
"""The columns of the file, and the records of one row: several where an order has several lines."""


class BadFileError(ValueError):
    """The file is no table of such rows. The message is a sentence that says why."""


class TooManyRowsError(BadFileError):
    """The file has more than ``ROWS_MAX`` rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One row: its place among the rows of the file, what it asks for, and what it says, fit to be shown."""

    row: int
    meaning: Meaning
    input: Mapping[str, Any] | None


class JobFile:
    """The rows of one file in their order. It is read in a thread, which asks the event loop for the next part."""

    def __init__(self, database: Database, *, job: UUID, parts: int, kind: JobKind, written: JobFormat) -> None:
        self._database = database
        self._job = job
        self._parts = parts
        self._kind = kind
        self._format = written
        self._loop = asyncio.get_running_loop()
        self._read = self._rows()

    async def count(self) -> int:
        """How many rows there are, after which none is left.

        Raises:
            BadFileError: the file cannot be read, or its first row names columns that are not those of such rows.
            TooManyRowsError: it has more than ``ROWS_MAX`` rows.
        """
        return await asyncio.to_thread(self._counted)

    async def skip(self, count: int) -> None:
        """Leave out so many rows that are done."""
        await asyncio.to_thread(self._skipped, count)

    async def take(self, count: int) -> list[JobRow]:
        """The next rows; none at the end."""
        return await asyncio.to_thread(self._taken, count)

    def _counted(self) -> int:
        count = 0
        for place, _ in self._read:
            if place > ROWS_MAX:
                raise TooManyRowsError(f"The file has more than {ROWS_MAX:,} rows.")
            count += 1
        return count

    def _skipped(self, count: int) -> None:
        deque(islice(self._read, count), maxlen=0)

    def _taken(self, count: int) -> list[JobRow]:
        return [read(place) for place, read in islice(self._read, count)]

    def _chunks(self) -> Iterator[bytes]:
        for number in range(1, self._parts + 1):
            question = partial(job_reads.part_content, job=self._job, number=number)
            yield asyncio.run_coroutine_threadsafe(self._database.read(question), self._loop).result()

    def _rows(self) -> Iterator[tuple[int, Callable[[int], JobRow]]]:
        """The place of each row, and what makes the row of it: rows that are only counted are not read."""
        if self._format is JobFormat.JSONL:
            for place, line in enumerate(json_lines(self._chunks()), start=1):
                yield place, partial(_of_json, self._kind, line)
            return
        for place, row in csv_rows(self._kind, self._chunks()):
            yield place, partial(_of_csv, self._kind, row)


# CSV


def csv_rows(kind: JobKind, chunks: Iterable[bytes]) -> Iterator[tuple[int, CsvRow]]:
    """The rows of a table, each after its place, as its records.

    Raises:
        BadFileError: it is no table of such rows.
    """
    try:
        found = records(chunks)
        header = next(found, None)
        if header is None:
            raise ValueError("it is empty")
        if header.problem:
            raise ValueError(f"its first row is no CSV: {header.problem}")
        names = _COLUMNS[kind](header.cells)
        if kind is JobKind.ORDER:
            yield from ((place, (names, group)) for place, group in grouped(names, found))
        else:
            yield from ((place, (names, (record,))) for place, record in enumerate(found, start=1))
    except ValueError as error:
        raise BadFileError(f"The file cannot be taken: {error}.") from None


_COLUMNS: Final[dict[JobKind, Callable[[Sequence[str]], list[str]]]] = {
    JobKind.ASK: ask_columns,
    JobKind.ANSWER: answer_columns,
    JobKind.ORDER: order_columns,
}


def _of_csv(kind: JobKind, given: CsvRow, row: int) -> JobRow:
    names, (record, *more) = given
    if record.problem:
        return JobRow(row=row, meaning=BadRow(place=row, message=f"It is no CSV: {record.problem}."), input=None)
    cells = by_column(row, names, record.cells)
    if isinstance(cells, BadRow):
        shown = dict(zip(names, record.cells, strict=False))
        return JobRow(row=row, meaning=cells, input=shown_input(shown))
    if kind is JobKind.ORDER:
        return _of_lines(row, [cells, *(dict(zip(names, each.cells, strict=False)) for each in more)])
    return JobRow(row=row, meaning=_meant(kind, row, cells, typed=False), input=shown_input(cells))


def _of_lines(row: int, lines: Sequence[Mapping[str, str]]) -> JobRow:
    order = order_of_cells(lines)
    if isinstance(order, CellProblem):
        bad = BadRow(place=row, message=f"{order}.", problems=(order,))
        return JobRow(row=row, meaning=bad, input=shown_input(lines[0]))
    return JobRow(row=row, meaning=read_order(row, order), input=shown_input(order))


def _meant(kind: JobKind, row: int, given: Mapping[str, Any], *, typed: bool) -> Meaning:
    if kind is JobKind.ORDER:
        return read_order(row, given)
    if kind is JobKind.ASK:
        return read_ask(row, given, Usual(), typed=typed)
    return read_answer(row, given, typed=typed)


# JSON lines


def json_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Every line that is not blank; of one that is too long, its beginning."""
    source = io.BufferedReader(Arriving(chunks))
    while line := source.readline(ROW_MAX + 2):
        rest = line
        while not rest.endswith(b"\n") and (rest := source.readline(ROW_MAX)):
            pass
        if line.strip():
            yield line


def _of_json(kind: JobKind, line: bytes, row: int) -> JobRow:
    try:
        if len(line.rstrip(b"\r\n")) > ROW_MAX:
            raise MalformedJsonError(f"longer than {ROW_MAX} bytes")
        given = parse_json(line.removeprefix(b"\xef\xbb\xbf"), nodes_max=ORDER_NODES_MAX, keep_unfit=True)
    except MalformedJsonError as error:
        return JobRow(
            row=row, meaning=BadRow(place=row, message=f"It is not JSON as it has to be: {error}."), input=None
        )
    if not isinstance(given, dict):
        return JobRow(row=row, meaning=BadRow(place=row, message="It is no object."), input=None)
    shown = {name: value for name, value in given.items() if kind is not JobKind.ORDER or name not in PERSONAL}
    return JobRow(row=row, meaning=_meant(kind, row, given, typed=True), input=shown_input(shown))


# What is kept of a row


def shown_input(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a row says, as it can be kept and shown: a text that nothing can keep gets replacement characters."""
    return {fit(name): _shown(value) for name, value in given.items()}


def _shown(value: Any) -> Any:
    match value:
        case str():
            return fit(value)
        case Decimal():
            number = float(value)
            return number if math.isfinite(number) else str(value)
        case int() if abs(value) >= 2**63:
            return str(value)
        case dict():
            return shown_input(value)
        case list():
            return [_shown(each) for each in value]
    return value
