"""How commands speak: data on standard output, everything else on standard error, failures as exit codes."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")


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
class Manners:
    """What was asked of every command: few words, no colour, or no effect. Set before the command runs."""

    quiet: bool = False
    dry_run: bool = False


manners = Manners()


class CommandError(Exception):
    """A command cannot do what was asked: one sentence, a code, and what to do."""

    def __init__(self, exit_code: Exit, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code
        self.message = message
        self.hint = hint


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


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """A table for people, as wide as the terminal; plain lines when nobody looks."""
    if not rows:
        say(empty)
        return
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(plain(cell) for cell in row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    Console(no_color=bool(os.environ.get("NO_COLOR")) or None).print(table)


def first_of(found: Sequence[T], limit: int, what: str) -> Sequence[T]:
    """The first rows of a list, which are ``what`` of all; says that there are more, if there are."""
    if len(found) > limit:
        say(f"These are the {what} {limit}; --limit shows more.")
    return found[:limit]


def plain(value: object) -> str:
    """A text of somebody else's, without what would end a line or steer a terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(value))


def forget_output() -> None:
    """Standard output can take no more: what is left for it goes nowhere, instead of failing again at the end."""
    if sys.stdout:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
