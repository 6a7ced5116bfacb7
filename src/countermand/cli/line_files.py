"""Files of asks: CSV as programs and spreadsheets write it, a line of an order in each row."""

import codecs
import csv
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Final, TypeVar

from countermand.cli.output import Exit, fail, plain, untamed
from countermand.domain.numbers import read_whole
from countermand.domain.parties import Asker
from countermand.domain.reasons import CancelReason
from countermand.domain.texts import NOTE_MAX, TEXT_MAX, read_text

E = TypeVar("E", bound=StrEnum)

COLUMNS: Final = ("line", "order", "sku", "units", "by", "reason", "note", "key")
ASKERS: Final = (Asker.CUSTOMER, Asker.RETAILER)
ROWS_MAX: Final = 100_000
BYTES_MAX: Final = 64 * 2**20
KEY_MAX: Final = 255
SHOWN: Final = 40
SEPARATORS: Final = (",", ";", "\t")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A row that makes sense by itself: what it asks for. ``place`` is the line of the file in which it begins."""

    place: int
    line: str = ""
    order: str = ""
    sku: str = ""
    units: int | None
    asker: Asker
    reason: CancelReason
    note: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row for which nothing can be asked, and why."""

    place: int
    code: str = "bad_row"
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What a row means that does not say it."""

    asker: Asker
    reason: CancelReason
    note: str


def read_file(file: str, usual: Usual) -> list[Wanted | BadRow]:
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
        hint = "See `countermand ask --help` and docs/cli.md for its columns."
        fail(Exit.USAGE, "unreadable", f"{file} cannot be taken, so nothing was asked: {error}.", hint)


def read_rows(content: bytes, usual: Usual) -> list[Wanted | BadRow]:
    """The rows of a table.

    Raises:
        ValueError: it is none, or its columns are not those of asks.
    """
    records = _records(_text(content))
    place, header = next(records, (0, []))
    if not place:
        raise ValueError("it is empty")
    names = _names(header)
    keys: dict[str, int] = {}
    rows: list[Wanted | BadRow] = []
    for place, cells in records:
        if len(rows) == ROWS_MAX:
            raise ValueError(f"it has more than {ROWS_MAX:,} rows; split it")
        rows.append(_row(place, names, cells, usual, keys))
    return rows


def _text(content: bytes) -> str:
    """What a spreadsheet saves as CSV UTF-8 or as Unicode text."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError:
            raise ValueError("it begins as UTF-16 and is none") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8; a spreadsheet saves that as `CSV UTF-8`") from None


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, after the line in which it begins."""
    first, _, rest = text.partition("\n")
    heading = first.strip()
    begun = 0
    if heading.lower().startswith("sep=") and heading[4:] in (*SEPARATORS, ""):
        # Excel says so of itself, and the tab is stripped.
        text, begun, separator = rest, 1, heading[4:] or "\t"
    else:
        header = next((line for line in text.splitlines() if line.strip()), "")
        separator = max(SEPARATORS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    place = begun
    try:
        for cells in reader:
            begins, place = place + 1, begun + reader.line_num
            if any(cell.strip() for cell in cells):
                yield begins, cells
    except csv.Error as error:
        raise ValueError(f"line {begun + reader.line_num} is no CSV: {error}") from None


def _names(header: Sequence[str]) -> list[str]:
    names = [cell.strip().casefold() for cell in header]
    while names and not names[-1]:
        names.pop()
    known = ", ".join(COLUMNS)
    problems = []
    for place, name in enumerate(names, start=1):
        shown = f"column {plain(name)[:SHOWN]!r}" if name else f"column {place}, which has no name,"
        if name not in COLUMNS:
            near = get_close_matches(name, COLUMNS, n=1)
            problems.append(f"{shown} is unknown" + "".join(f" (did you mean {each}?)" for each in near))
        elif name in names[: place - 1]:
            problems.append(f"{shown} is there twice")
    if problems:
        raise ValueError(f"{'; '.join(problems)}. Its first row names the columns, of {known}")
    if "line" in names and {"order", "sku"} & set(names):
        raise ValueError("it names lines by line, and by order and sku: leave one of them out")
    missing = [each for each in ("order", "sku") if each not in names] if "line" not in names else []
    if len(missing) == len(("order", "sku")):
        raise ValueError("the column line is missing, or order and sku instead of it")
    if missing:
        raise ValueError(f"the column {missing[0]} is missing")
    return names


def _row(place: int, names: Sequence[str], cells: Sequence[str], usual: Usual, keys: dict[str, int]) -> Wanted | BadRow:
    if len(cells) < len(names) or any(cell.strip() for cell in cells[len(names) :]):
        return BadRow(place=place, message=f"It has {len(cells)} cells, and there are {len(names)} columns.")
    given = dict(zip(names, cells, strict=False))
    problems: list[str] = []
    read = _Reading(given, problems)
    units = read.units()
    asker, reason = read.one_of("by", ASKERS, usual.asker), read.one_of("reason", tuple(CancelReason), usual.reason)
    note = read.text("note", NOTE_MAX) or usual.note
    key = read.key()
    named = {name: read.needed(name) for name in ("line", "order", "sku") if name in given}
    if key in keys:
        problems.append(f"key: {key} is that of row {keys[key]} as well")
    if key and not problems:
        keys[key] = place
    if problems:
        return BadRow(place=place, message="; ".join(map(plain, problems)) + ".")
    return Wanted(place=place, units=units, asker=asker, reason=reason, note=note, key=key, **named)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The cells of a row as values. Each that makes no sense is a problem."""

    given: dict[str, str]
    problems: list[str]

    def text(self, name: str, most: int = TEXT_MAX) -> str:
        try:
            text = read_text(self.given.get(name, "").strip())
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return ""
        if len(text) > most:
            self.problems.append(f"{name}: is longer than {most} characters")
        return text

    def needed(self, name: str) -> str:
        before = len(self.problems)
        text = untamed(self.text(name))
        if not text and len(self.problems) == before:
            self.problems.append(f"{name}: is empty")
        return text

    def units(self) -> int | None:
        text = self.text("units")
        try:
            return read_whole(text) if text else None
        except ValueError as error:
            self.problems.append(f"units: {text[:SHOWN]!r} {error}")
            return None

    def one_of(self, name: str, choices: Sequence[E], usual: E) -> E:
        # The help of --reason has hyphens where JSON has underscores.
        text = self.text(name).casefold().replace("-", "_")
        try:
            return choices[choices.index(text)] if text else usual
        except ValueError:
            self.problems.append(f"{name}: {text[:SHOWN]!r} is none of {', '.join(choices)}")
            return usual

    def key(self) -> str:
        key = self.text("key", KEY_MAX)
        if key and not (key.isascii() and key.isprintable()):
            self.problems.append("key: has visible characters of ASCII alone")
        return key
