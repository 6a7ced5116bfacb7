"""Rows of a file as what they ask for: one meaning for a CSV file of the command line and for a job of the native API.

Cells of CSV are texts, which are trimmed. Members of JSON have types, and their texts are taken as they are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Final, TypeVar, get_args

from countermand.domain.numbers import read_whole
from countermand.domain.orders import UNITS_MAX
from countermand.domain.parties import Asker
from countermand.domain.reasons import AskReason, CancelReason, DeclineReason, StatedReason
from countermand.domain.spreadsheets import untamed
from countermand.domain.texts import NOTE_MAX, TEXT_MAX, read_text

E = TypeVar("E", bound=StrEnum)

KEY_MAX: Final = 255
SHOWN: Final = 40
ASKERS: Final = (Asker.CUSTOMER, Asker.RETAILER, Asker.PLATFORM)
STEP_MAX: Final = 1_000_000


class Answer(StrEnum):
    """What a row says to a cancellation."""

    ACCEPT = "accept"
    DECLINE = "decline"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskRow:
    """A row that wants units of one line cancelled. ``place`` is where it is in its file.

    The line is named by its id or bol's number, or by its SKU in an order with a reference, a number or an id.
    """

    place: int
    line: str = ""
    order: str = ""
    sku: str = ""
    units: int | None = None
    asker: Asker = Asker.CUSTOMER
    reason: CancelReason = CancelReason.NOT_STATED
    note: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow:
    """A row that answers one cancellation, or takes it back."""

    place: int
    cancellation: str
    answer: Answer
    step: int | None = None
    units: int | None = None
    reason: DeclineReason | None = None
    rest_reason: DeclineReason | None = None
    note: str = ""
    tracking: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellProblem:
    """What is wrong with a cell or member: its name, a name of the problem, and a sentence about it.

    ``way`` leads to a member that is not one of the row itself.
    """

    name: str
    code: str
    detail: str
    way: Sequence[str | int] = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row for which nothing can be done, and why."""

    place: int
    message: str
    code: str = "bad_row"
    problems: Sequence[CellProblem] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What a row means that does not say it."""

    asker: Asker = Asker.CUSTOMER
    reason: CancelReason = CancelReason.NOT_STATED
    note: str = ""


ASK_COLUMNS: Final = ("line", "order", "sku", "units", "by", "reason", "note", "key")
ASK_ALIASES: Final = {"number": "line", "reference": "order", "asker": "by"}
"""Other names of these columns, which are those of the native API."""

ANSWER_COLUMNS: Final = ("cancellation", "answer", "step", "units", "reason", "rest_reason", "note", "tracking")


# Columns


def ask_columns(header: Sequence[str]) -> list[str]:
    """The columns of a table of asks, as they are written.

    Raises:
        ValueError: they are not those of asks.
    """
    names = columns(header, ASK_COLUMNS, ASK_ALIASES)
    meant = {ASK_ALIASES.get(name, name) for name in names}
    if "line" in meant and {"order", "sku"} & meant:
        raise ValueError("it names lines by line, and by order and sku: leave one of them out")
    missing = [each for each in ("order", "sku") if each not in meant] if "line" not in meant else []
    if len(missing) == len(("order", "sku")):
        raise ValueError("the column line is missing, or order and sku instead of it")
    if missing:
        raise ValueError(f"the column {missing[0]} is missing")
    return names


def answer_columns(header: Sequence[str]) -> list[str]:
    """The columns of a table of answers.

    Raises:
        ValueError: they are not those of answers.
    """
    names = columns(header, ANSWER_COLUMNS)
    for each in ("cancellation", "answer"):
        if each not in names:
            raise ValueError(f"the column {each} is missing")
    return names


def columns(header: Sequence[str], known: Sequence[str], aliases: Mapping[str, str] | None = None) -> list[str]:
    """The names of the columns in a first row; each is known, and there once.

    Raises:
        ValueError: one is not.
    """
    other = aliases or {}
    names = [cell.strip().casefold() for cell in header]
    while names and not names[-1]:
        names.pop()
    problems, seen = [], set()
    for place, name in enumerate(names, start=1):
        meant = other.get(name, name)
        shown = f"column {_printable(name)[:SHOWN]!r}" if name else f"column {place}, which has no name,"
        if meant not in known:
            near = get_close_matches(name, [*known, *other], n=1)
            problems.append(f"{shown} is unknown" + "".join(f" (did you mean {each}?)" for each in near))
        elif meant in seen:
            problems.append(f"{shown} is there twice")
        seen.add(meant)
    if problems:
        raise ValueError(f"{'; '.join(problems)}. Its first row names the columns, of {', '.join(known)}")
    return names


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def by_column(place: int, names: Sequence[str], cells: Sequence[str]) -> dict[str, str] | BadRow:
    """The cells of a record by the names of their columns."""
    if len(cells) < len(names) or any(cell.strip() for cell in cells[len(names) :]):
        return BadRow(place=place, message=f"It has {len(cells)} cells, and there are {len(names)} columns.")
    return dict(zip(names, cells, strict=False))


# Rows


def read_ask(place: int, given: Mapping[str, Any], usual: Usual, *, typed: bool) -> AskRow | BadRow:
    """A row of a table of asks, or an object with the same members (``typed``)."""
    read = Cells(given, typed=typed, aliases=ASK_ALIASES)
    read.check_names(ASK_COLUMNS)
    units = read.whole("units", UNITS_MAX if typed else None)
    asker = read.one_of("by", ASKERS, usual.asker)
    reason = read.one_of("reason", get_args(AskReason), usual.reason)
    note = read.text("note", NOTE_MAX) or usual.note
    key = read.key("key")
    named = {name: read.needed(name) for name in _names_of_line(read)}
    if read.problems:
        return read.bad(place)
    return AskRow(place=place, units=units, asker=asker, reason=reason, note=note, key=key, **named)


def _names_of_line(read: "Cells") -> Sequence[str]:
    given = [name for name in ("line", "order", "sku") if read.has(name)]
    if not read.typed:
        return given
    if "line" in given and len(given) > 1:
        read.complain(given[1], "unknown_member", "is there beside line: leave one of them out")
    return given if "line" in given else ("order", "sku") if given else ("line",)


def read_answer(place: int, given: Mapping[str, Any], *, typed: bool) -> AnswerRow | BadRow:
    """A row of a table of answers, or an object with the same members (``typed``)."""
    read = Cells(given, typed=typed)
    read.check_names(ANSWER_COLUMNS)
    cancellation, said = read.needed("cancellation"), read.needed("answer")
    answer = read.one_of("answer", tuple(Answer), Answer.ACCEPT) if said else Answer.ACCEPT
    row = AnswerRow(
        place=place,
        cancellation=cancellation,
        answer=answer,
        step=read.whole("step", STEP_MAX),
        units=read.whole("units", UNITS_MAX),
        reason=read.maybe_one_of("reason", get_args(StatedReason)),
        rest_reason=read.maybe_one_of("rest_reason", get_args(StatedReason)),
        note=read.text("note", NOTE_MAX),
        tracking=read.text("tracking"),
    )
    for name in _OTHERS[answer]:
        if read.says(name):
            read.complain(name, "unknown_member", f"goes with another answer than {answer}")
    return read.bad(place) if read.problems else row


_OTHERS: Final[dict[Answer, tuple[str, ...]]] = {
    Answer.ACCEPT: ("reason", "tracking"),
    Answer.DECLINE: ("units", "rest_reason"),
    Answer.WITHDRAW: ("units", "reason", "rest_reason", "tracking"),
}
"""What means nothing beside each answer, so that who says it meant another one."""


_NULL: Final = ("null", "leave out members without a value")


class Cells:
    """The cells or members of a row as values. Each that makes no sense is a problem."""

    def __init__(self, given: Mapping[str, Any], *, typed: bool, aliases: Mapping[str, str] | None = None) -> None:
        self.typed = typed
        self.problems: list[CellProblem] = []
        self._given = given
        self._written = {other: name for name, other in (aliases or {}).items() if name in given}

    def has(self, name: str) -> bool:
        """Whether the row has such a cell or member, whatever it says."""
        return self._name(name) in self._given

    def says(self, name: str) -> bool:
        """Whether anything is in it."""
        value = self._given.get(self._name(name))
        return value is not None and (not isinstance(value, str) or bool(value.strip()))

    def complain(self, name: str, code: str, detail: str) -> None:
        """Note a problem, once."""
        problem = CellProblem(name=self._name(name), code=code, detail=detail)
        if problem not in self.problems:
            self.problems.append(problem)

    def bad(self, place: int) -> BadRow:
        """The row, as all of its problems."""
        return BadRow(place=place, message="; ".join(map(str, self.problems)) + ".", problems=tuple(self.problems))

    def check_names(self, known: Iterable[str]) -> None:
        """Members that nobody knows are refused, so that a misspelt one is not lost unnoticed."""
        if self.typed:
            names = {self._name(each) for each in known} | set(self._written.values())
            for name in self._given:
                if name not in names:
                    self.problems.append(
                        CellProblem(name=name[:TEXT_MAX], code="unknown_member", detail="is no member of such a row")
                    )

    def text(self, name: str, most: int = TEXT_MAX) -> str:
        """A text; empty where there is none."""
        value = self._value(name, str, "bad_text", "must be a text")
        text = value if self.typed else value.strip()
        try:
            text = read_text(text)
        except ValueError as error:
            self.complain(name, "bad_text", str(error))
            return ""
        if len(text) > most:
            self.complain(name, "too_long", f"is longer than {most} characters")
        return text

    def needed(self, name: str) -> str:
        """A text that may not be empty."""
        before = len(self.problems)
        text = self._named(name)
        if not text.strip() and len(self.problems) == before:
            self.complain(name, "blank" if self.has(name) else "required", "is empty")
        return text

    def _named(self, name: str) -> str:
        # A number of bol's is a number in JSON.
        if self.typed and self._name(name) == "number":
            found = self.whole(name, 10**10 - 1)
            return "" if found is None else str(found)
        return self.text(name) if self.typed else untamed(self.text(name))

    def whole(self, name: str, most: int | None = None) -> int | None:
        """A whole number, from 1 to ``most`` where there is one."""
        if self.typed:
            found = self._typed_whole(name)
        else:
            text = self.text(name)
            try:
                found = read_whole(text) if text else None
            except ValueError as error:
                self.complain(name, "integer", f"{text[:SHOWN]!r} {error}")
                return None
        if found is not None and most is not None and not 1 <= found <= most:
            self.complain(name, "out_of_range", f"must be from 1 to {most}")
        return found

    def _typed_whole(self, name: str) -> int | None:
        value = self._given.get(self._name(name))
        if self.has(name) and (not isinstance(value, int) or isinstance(value, bool)):
            wrong = (
                ("null", "leave out members without a value")
                if value is None
                else ("integer", "must be a whole number")
            )
            self.complain(name, *wrong)
            return None
        return value

    def one_of(self, name: str, choices: Sequence[E], usual: E) -> E:
        """One of these words."""
        return self.maybe_one_of(name, choices) or usual

    def maybe_one_of(self, name: str, choices: Sequence[E]) -> E | None:
        """One of these words, if there is one."""
        text = self.text(name)
        if not self.typed:
            # The help of --reason has hyphens where JSON has underscores.
            text = text.casefold().replace("-", "_")
        if not text and not (self.typed and self.has(name)):
            return None
        found = next((each for each in choices if each.value == text), None)
        if found is None and not any(each.name == self._name(name) for each in self.problems):
            self.complain(name, "not_listed", f"{text[:SHOWN]!r} is none of {', '.join(choices)}")
        return found

    def key(self, name: str) -> str:
        """An idempotency key, if there is one."""
        key = self.text(name, KEY_MAX)
        if key and not (key.isascii() and key.isprintable()):
            self.complain(name, "bad_text", "has visible characters of ASCII alone")
        return key

    def _name(self, name: str) -> str:
        """The name under which the row has it."""
        return self._written.get(name, name)

    def _value(self, name: str, kind: type[str], code: str, detail: str) -> str:
        value = self._given.get(self._name(name), "")
        if isinstance(value, kind):
            return value
        self.complain(name, *(_NULL if value is None else (code, detail)))
        return ""


def twice(rows: Iterable[AskRow | BadRow]) -> Iterator[AskRow | BadRow]:
    """The rows; one with the key of a row before it is bad."""
    keys: dict[str, int] = {}
    for row in rows:
        if isinstance(row, AskRow) and row.key:
            if row.key in keys:
                detail = f"{row.key} is that of row {keys[row.key]} as well"
                problem = CellProblem(name="key", code="twice", detail=detail)
                yield BadRow(place=row.place, message=f"{problem}.", problems=(problem,))
                continue
            keys[row.key] = row.place
        yield row
