"""What comes of each row of a file of asks: printed alike for a database and for a service."""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from countermand.cli.output import Exit, csv_printer, fail, manners, plain, say, writing
from countermand.domain.bulk_rows import KEY_MAX, AskRow

DERIVED: Final = 48
"""So many characters a key has that is made of what a row says, after what --key puts before it."""

FAILED: Final = "failed"
AGAIN: Final = "Take the same file again: what was asked is not asked twice."


class Format(Enum):
    """How the results are written."""

    TEXT = auto()
    JSON = auto()
    CSV = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a row. ``result`` is the state of its cancellation, or ``refused``, ``bad`` or ``failed``."""

    row: int
    result: str
    line: str = ""
    units: int | None = None
    cancellation: str = ""
    repeated: bool = False
    due_at: str | None = None
    code: str = ""
    message: str = ""

    @property
    def is_good(self) -> bool:
        """Whether its ask was accepted, now or before."""
        return not self.code

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in RESULT_COLUMNS}

    def text(self) -> str:
        """As a line of cells."""
        if self.code:
            return "\t".join(map(plain, (self.row, self.result, self.code, self.message)))
        units = "" if self.units is None else f"{self.units} unit" + ("s" if self.units != 1 else "")
        before = "done before" if self.repeated else ""
        return "\t".join(filter(None, map(plain, (self.row, self.result, self.cancellation, units, before))))


RESULT_COLUMNS: Final = (*("row", "result", "line", "units", "cancellation", "repeated", "due_at", "code", "message"),)


class Printer:
    """Prints the result of each row as soon as it is there, and the progress."""

    def __init__(self, form: Format, total: int, *, progress: bool) -> None:
        self._write = _writer(form)
        self._total = total
        self._progress = progress and not manners.quiet
        self._done = 0
        self._counts: Counter[str] = Counter()

    def show(self, results: Sequence[Result]) -> None:
        """Write results."""
        self._done += len(results)
        for each in results:
            self._counts["done before" if each.is_good and each.repeated else each.result] += 1
        with writing():
            self._write(results)
            if self._progress:
                end = "\r" if sys.stderr.isatty() and self._done < self._total else "\n"
                print(f"{self._done} of {self._total} rows", end=end, file=sys.stderr, flush=True)

    def end(self, file: str, said: str = "", failed_by: str = "The database did not answer for some rows.") -> None:
        """Say what came of all, and end the command if that was not all that was wanted."""
        counts = ", ".join(f"{count} {name}" for name, count in sorted(self._counts.items()))
        say(f"{self._done} of {self._total} rows" + (f": {counts}." if counts else ".") + said)
        bad, refused, failed = (self._counts[name] for name in ("bad", "refused", FAILED))
        bad += self._counts["cancelled"]
        if failed:
            again = f"Take {file} again later: what was asked is not asked twice."
            fail(Exit.TRY_LATER, "database_unavailable", failed_by, again)
        if bad + refused == self._done and self._done:
            sys.exit(Exit.REFUSED if refused else Exit.USAGE)
        if bad + refused:
            sys.exit(Exit.PARTLY)


def is_watched() -> bool:
    """Whether a person sees the progress and not the results, which show it themselves."""
    return sys.stderr.isatty() and not sys.stdout.isatty()


def _writer(form: Format) -> Callable[[Sequence[Result]], None]:
    if form is Format.CSV:
        add = csv_printer(RESULT_COLUMNS)
        return lambda results: add(each.document() for each in results)
    write: Callable[[Result], str] = (
        Result.text if form is Format.TEXT else lambda each: json.dumps(each.document(), ensure_ascii=False)
    )
    return lambda results: print("".join(f"{write(each)}\n" for each in results), end="")


@dataclass(slots=True)
class Keys:
    """The key of each row: its own, or one made of what it asks and of how many rows before ask the same.

    So a file whose rows were mended, moved or taken out asks nothing twice, and equal rows are asks of their own.
    """

    prefix: str
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """End the command when keys would be too long."""
        if len(self.prefix) > KEY_MAX - DERIVED:
            most = KEY_MAX - DERIVED
            fail(Exit.USAGE, "usage", f"With --file, --key begins the key of every row: {most} characters.")

    def of(self, row: AskRow, line: str) -> str:
        """The key of this row, the next one of the file, whose line is named so."""
        if row.key:
            return row.key
        content = repr((line, row.asker.value, row.units, row.reason.value, row.note))
        digest = hashlib.sha256(content.encode()).hexdigest()[:32]
        self.seen[digest] += 1
        return f"{self.prefix}file:{digest}:{self.seen[digest]}"
