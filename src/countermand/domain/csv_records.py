"""Records of a CSV file, read as its bytes arrive: as programs write it (RFC 4180), and as spreadsheets do.

What is wrong with one record is told with it, and the next one is read. No more of the file is held than one record.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

LINE_MAX: Final = 1_048_576
"""The most characters of one line. A longer one is no record."""

SEPARATORS: Final = (",", ";", "\t")

NO_UTF_16: Final = "it begins as UTF-16 and is none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record, after the line in which it begins. With a ``problem`` it has no cells, and was found at ``end``.

    Bytes that are not UTF-8 are in the cells as halves of surrogate pairs, as Python has it.
    """

    place: int
    cells: Sequence[str] = ()
    problem: str = ""
    end: int = 0


def records(chunks: Iterable[bytes]) -> Iterator[Record]:
    """Every record that is not blank; the first one names the columns.

    Raises:
        ValueError: the file begins as UTF-16 and is none.
    """
    lines = _Lines(_text(chunks))
    reader = csv.reader(lines, delimiter=_separator(lines), strict=True)
    while True:
        place = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(place=place, problem=str(error), end=lines.number)
            continue
        except UnicodeDecodeError:
            raise ValueError(NO_UTF_16) from None
        if any(cell.strip() for cell in cells):
            yield Record(place=place, cells=cells, end=lines.number)


def _text(chunks: Iterable[bytes]) -> io.TextIOWrapper:
    """What a spreadsheet saves as CSV UTF-8 or as Unicode text."""
    arriving, head = iter(chunks), b""
    while len(head) < 2 and (chunk := next(arriving, None)) is not None:
        head += chunk
    source = io.BufferedReader(Arriving(chain([head], arriving)))
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return io.TextIOWrapper(source, "utf-16", "strict", newline="")
    return io.TextIOWrapper(source, "utf-8-sig", "surrogateescape", newline="")


class Arriving(io.RawIOBase):
    """Chunks of bytes as a file."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Nothing else."""
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """The next bytes, as many as are there and have room."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class _Lines:
    """The lines of a text, each with its end. After a line that is too long the next one can still be read."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._pushed = ""
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line, self._pushed = self._pushed or self._text.readline(LINE_MAX), ""
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) == LINE_MAX and not line.endswith(("\n", "\r")):
            while line and not line.endswith(("\n", "\r")):
                line = self._text.readline(LINE_MAX)
            raise csv.Error(f"it has more than {LINE_MAX:,} characters")
        return line

    def push_back(self, line: str) -> None:
        """Read this line again."""
        self._pushed = line
        self.number -= 1


def _separator(lines: _Lines) -> str:
    """What separates cells: as Excel says in a first line of its own, or what the first record has most of."""
    try:
        line = next(lines, "")
        heading = line.strip()
        if heading.lower().startswith("sep=") and heading[4:] in (*SEPARATORS, ""):
            # The tab is stripped.
            return heading[4:] or "\t"
        while line and not line.strip():
            line = next(lines, "")
    except (csv.Error, UnicodeDecodeError):
        return SEPARATORS[0]
    if line:
        lines.push_back(line)
    return max(SEPARATORS, key=line.count)
