"""Files of asks: CSV as programs and spreadsheets write it, a line of an order in each row."""

import sys
from collections.abc import Iterator, Sequence
from typing import Final

from countermand.cli.output import Exit, fail, plain
from countermand.domain.bulk_rows import AskRow, BadRow, Usual, ask_columns, by_column, read_ask, twice
from countermand.domain.csv_records import Record, records
from countermand.domain.jobs import BYTES_MAX, ROWS_MAX

COLUMNS_HINT: Final = "See `countermand ask --help` and docs/cli.md for its columns."


def read_file(file: str, usual: Usual) -> list[AskRow | BadRow]:
    """The rows of a file, or of standard input for ``-``. Ends the command when it is no table of asks."""
    try:
        if file == "-":
            data = getattr(sys.stdin, "buffer", None)
            content = data.read(BYTES_MAX + 1) if data else sys.stdin.read().encode(errors="surrogateescape")
        else:
            with open(file, "rb") as opened:
                content = opened.read(BYTES_MAX + 1)
    except OSError as error:
        fail(Exit.USAGE, "unreadable", f"{file} cannot be read: {error.strerror}.")
    except ValueError:
        fail(Exit.USAGE, "unreadable", f"{file!r} is no name of a file.")
    try:
        if len(content) > BYTES_MAX:
            raise ValueError(f"it has more than {BYTES_MAX // 2**20} MiB; split it")
        return read_rows(content, usual)
    except ValueError as error:
        fail(Exit.USAGE, "unreadable", f"{file} cannot be taken, so nothing was asked: {error}.", COLUMNS_HINT)


def read_rows(content: bytes, usual: Usual) -> list[AskRow | BadRow]:
    """The rows of a table. ``place`` is the line of the file in which a row begins.

    Raises:
        ValueError: it is none, or its columns are not those of asks.
    """
    found = _whole_records(content)
    header = next(found, None)
    if header is None:
        raise ValueError("it is empty")
    names = ask_columns(header.cells)
    rows: list[AskRow | BadRow] = []
    for record in found:
        if len(rows) == ROWS_MAX:
            raise ValueError(f"it has more than {ROWS_MAX:,} rows; split it")
        rows.append(_row(record, names, usual))
    return list(twice(rows))


def _whole_records(content: bytes) -> Iterator[Record]:
    """The records of a file that is right as a whole: a person can mend it and take it again."""
    for record in records([content]):
        if record.problem:
            raise ValueError(f"line {record.end} is no CSV: {record.problem}")
        if any("\udc80" <= character <= "\udcff" for cell in record.cells for character in cell if not cell.isascii()):
            raise ValueError(f"line {record.end} is not UTF-8; a spreadsheet saves that as `CSV UTF-8`")
        yield record


def _row(record: Record, names: Sequence[str], usual: Usual) -> AskRow | BadRow:
    given = by_column(record.place, names, record.cells)
    row = given if isinstance(given, BadRow) else read_ask(record.place, given, usual, typed=False)
    return BadRow(place=row.place, code=row.code, message=plain(row.message)) if isinstance(row, BadRow) else row
