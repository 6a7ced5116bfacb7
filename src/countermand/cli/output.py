"""How commands speak: data on standard output, everything else on standard error, failures as exit codes."""

import csv
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NoReturn

from countermand.domain.spreadsheets import tame

EDGES = 3
"""What stands between two columns of a table, at most."""
WORD_MAX = 80
"""A longer word may go on in the next line: it is an address, and no id."""


class Exit(IntEnum):
    """Why a command ended. Documented in docs/cli.md."""

    FINE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    NOT_SIGNED_IN = 4
    NOT_FOUND = 5
    PARTLY = 6
    PENDING = 7
    TRY_LATER = 75
    BAD_CONFIGURATION = 78
    INTERRUPTED = 130


@dataclass
class GlobalFlags:
    """What was asked of every command: few words, no colour, or no effect. Set before the command runs."""

    quiet: bool = False
    dry_run: bool = False
    server: str | None = None
    """The service that is called; ``None`` for a command that opens the database."""


manners = GlobalFlags()


class CommandError(Exception):
    """A command cannot do what was asked: one sentence, a code, and what to do."""

    def __init__(self, exit_code: Exit, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code
        self.message = message
        self.hint = hint


class UnwritableError(Exception):
    """Standard output could not be written while the database was open, which is not to blame for it."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


@contextmanager
def writing() -> Iterator[None]:
    """Write, and have it leave this process.

    Raises:
        UnwritableError: it cannot be written.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        raise UnwritableError(error) from error


def fail(exit_code: Exit, code: str, message: str, hint: str = "") -> NoReturn:
    """End the command."""
    raise CommandError(exit_code, code, message, hint)


def say(text: str) -> None:
    """A word to the person at the terminal, unless it is unwanted; no program reads it."""
    if not manners.quiet:
        print(text, file=sys.stderr)


def print_json(value: Any) -> None:
    """One JSON document."""
    print(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def report(sentence: str, *, json: bool, **members: object) -> None:
    """What a command that writes has done: a word to a person, or an object for a program."""
    if json:
        print_json({**members, "message": sentence, "written": not manners.dry_run})
    else:
        say(sentence)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """A table for people, as wide as the terminal if every word fits; plain lines if it is not a terminal."""
    if not rows:
        say(empty)
        return
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(plain(cell) for cell in row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    cells = [[plain(cell) for cell in row] for row in rows]
    console = Console(no_color=bool(os.environ.get("NO_COLOR")) or None)
    room = console.width - EDGES * (len(columns) + 1)
    widths = _widths([list(column) for column in zip(columns, *cells, strict=True)], room)
    table = Table(
        *(Column(name, overflow="fold", width=width) for name, width in zip(columns, widths, strict=True)),
        box=box.SIMPLE_HEAD,
    )
    for row in cells:
        table.add_row(*map(Text, row))
    console.width = max(console.width, sum(widths) + EDGES * (len(columns) + 1))
    console.print(table)


Rows = Iterable[Mapping[str, object]]


def csv_printer(columns: Sequence[str]) -> Callable[[Rows], None]:
    """Returns what adds rows to a table for a spreadsheet, by RFC 4180, which runs nothing that is in it.

    The first rows, were they none, bring the header along.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    writer = csv.DictWriter(sys.stdout, columns, extrasaction="ignore", lineterminator="\r\n")
    begun = False

    def add(rows: Rows) -> None:
        nonlocal begun
        if not begun:
            writer.writeheader()
            begun = True
        writer.writerows({name: tame(csv_text(row.get(name))) for name in columns} for row in rows)

    return add


def print_csv(columns: Sequence[str], rows: Rows) -> None:
    """A whole table for a spreadsheet."""
    csv_printer(columns)(rows)


def csv_text(value: object) -> str:
    """A value as a cell: nothing is empty, and yes and no are written as in JSON."""
    if value is None:
        return ""
    return (
        str(value).lower()
        if isinstance(value, bool)
        else _UNFIT_FOR_A_CELL.sub("\N{REPLACEMENT CHARACTER}", str(value))
    )


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int]:
    """How wide each column is.

    An id that is cut, or goes on in the next line, is none. So every word stays whole, and where there is no room for
    that the terminal breaks the lines.
    """
    widths = [max(map(len, cells)) for cells in columns]
    least = [min(WORD_MAX, max(len(word) for cell in cells for word in cell.split() or [""])) for cells in columns]
    while sum(widths) > room:
        spare = [width - low for width, low in zip(widths, least, strict=True)]
        if max(spare) <= 0:
            break
        widths[spare.index(max(spare))] -= 1
    return widths


def say_more(what: str, limit: int) -> None:
    """Say that a list has more rows."""
    say(f"These are the {what} {limit}; --limit shows more.")


_UNFIT_FOR_A_CELL: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of what follows."""


def plain(value: object) -> str:
    """A text of somebody else's, without what would end a line or steer a terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(value))


def forget_output() -> None:
    """What is left for a stream that can take no more goes nowhere, instead of failing again at the end."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def what_failed(error: OSError) -> str:
    """A sentence about a file, or about standard output if no file is named."""
    why = error.strerror or str(error)
    if error.filename is None:
        return f"Standard output cannot be written: {why}."
    return f"{error.filename} cannot be used: {why}."


def print_error(error: CommandError, *, as_json: bool) -> None:
    """The failure, as a sentence or as an object."""
    if as_json:
        print(json.dumps({"error": {"code": error.code, "message": error.message, "hint": error.hint}}))
    print(f"countermand: {error.message}" + (f"\n{error.hint}" if error.hint else ""), file=sys.stderr)
