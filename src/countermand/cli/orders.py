"""Commands about orders and what happens to them."""

import getpass
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, validators
from pydantic import ValidationError

from countermand.admin.callers import PLATFORM
from countermand.cli import nouns
from countermand.cli.inputs import Whole
from countermand.cli.output import Exit, fail, plain, print_json, say
from countermand.cli.running import DatabaseFlag, JsonFlag, what_is_wrong
from countermand.documents.orders import OrderIn
from countermand.domain.parties import Actor, PartyKind
from countermand.domain.texts import writable
from countermand.json_input import parse_json, unfit_texts

DOOR = "cli"

LimitFlag = Annotated[Whole, Parameter(validator=validators.Number(gte=1, lte=10_000), help="At most so many")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why an order of a file is not taken, and how the command would end for it alone."""

    exit_code: Exit
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An order of a file: its place there, what it calls itself, and the order, or what is wrong with it."""

    place: int
    reference: str
    order: OrderIn | Problem

    @property
    def name(self) -> str:
        """How a message calls it."""
        return f"order {self.place}" + (f" ({plain(self.reference)})" if self.reference else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An order of a file, with the ids of it and of its lines, or why it was not added."""

    given: Given
    id: str = ""
    lines: Sequence[str] = ()
    problem: Problem | None = None


def order_add(
    file: Annotated[
        str,
        Parameter(allow_leading_hyphen=True, help="A JSON file with one order or an array; - reads standard input"),
    ],
    *,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
    dry_run: Annotated[bool, Parameter(negative=(), help="Check the orders, add nothing")] = False,
    skip_bad: Annotated[
        bool, Parameter(negative=(), help="Add the orders that are fine, and report the others, a line each")
    ] = False,
) -> None:
    """Place orders. Prints the id of each order and of its lines.

    Each order is added whole or not at all. If one of them is invalid, none is added, unless --skip-bad says so.
    """
    given = _read_orders(file)
    placed = nouns.placing(database).place(given, file, skip_bad=skip_bad, dry_run=dry_run)
    if dry_run:
        fine = sum(each.problem is None for each in placed)
        say(f"{fine} orders are fine; nothing was added.")
    _report(placed, json=json and not dry_run, ids=not dry_run)


def check_all(bad: Sequence[tuple[Given, Problem]], count: int, file: str) -> None:
    """Ends the command, before anything is added, when one of ``count`` orders makes no sense."""
    if not bad:
        return
    codes = {(problem.exit_code, problem.code) for _, problem in bad}
    exit_code, code = codes.pop() if len(codes) == 1 else (Exit.USAGE, "invalid_order")
    lines = "\n".join(f"  {each.name}: {plain(problem.message)}" for each, problem in bad)
    hint = "--skip-bad adds the others." if count > len(bad) else ""
    fail(exit_code, code, f"{len(bad)} of {count} orders in {file} cannot be taken, so none is:\n{lines}", hint)


def operator() -> Actor:
    """The user of this terminal, acting for the platform."""
    return Actor(party=PLATFORM, kind=PartyKind.PLATFORM, name=f"operator {getpass.getuser()}")


def _read_orders(file: str) -> list[Given]:
    try:
        # Bytes that are no UTF-8 are reported by the reader of JSON, whatever the terminal's encoding is.
        body = sys.stdin.read().encode(errors="surrogateescape") if file == "-" else Path(file).read_bytes()
        if not body.strip():
            raise ValueError("it is empty")
        value = parse_json(body, nodes_max=None, keep_unfit=True)
    except OSError as error:
        fail(Exit.USAGE, "unreadable", f"{file} cannot be read: {error.strerror}.")
    except ValueError as error:
        fail(Exit.USAGE, "unreadable", f"{file} cannot be read as JSON: {error}")
    orders = value if isinstance(value, list) else [value]
    return [_read_order(place, each) for place, each in enumerate(orders, start=1)]


def _read_order(place: int, value: Any) -> Given:
    named = value.get("reference") if isinstance(value, dict) else None
    reference = writable(str(named))[:_REFERENCE_SHOWN] if isinstance(named, str | int) else ""
    problems = [f"{'.'.join(map(str, where))}: {problem}" for where, problem in unfit_texts(value)]
    order: OrderIn | Problem
    try:
        order = OrderIn.model_validate(value)
    except ValidationError as error:
        problems = problems or what_is_wrong(error)
    if problems:
        message = writable("; ".join(problems)).removesuffix(".") + "."
        order = Problem(exit_code=Exit.USAGE, code="invalid_order", message=message)
    return Given(place=place, reference=reference, order=order)


_REFERENCE_SHOWN = 60


def _report(placed: Sequence[Placed], *, json: bool, ids: bool) -> None:
    if json:
        print_json([_document(each) for each in placed])
    failures = [each.problem for each in placed if each.problem]
    for each in placed:
        if each.problem:
            say(f"countermand: {each.given.name} was not added: {plain(each.problem.message)}")
        elif ids and not json:
            print("\t".join([each.id, *each.lines]))
    if failures:
        say(f"countermand: {len(failures)} of {len(placed)} orders were not added.")
        sys.exit(Exit.PARTLY if len(failures) < len(placed) else _exit_of(failures))


def _exit_of(problems: Sequence[Problem]) -> Exit:
    codes = {problem.exit_code for problem in problems}
    if Exit.TRY_LATER in codes:
        return Exit.TRY_LATER
    wrong = codes - {Exit.REFUSED}
    return wrong.pop() if len(wrong) == 1 else Exit.USAGE if wrong else Exit.REFUSED


def _document(placed: Placed) -> dict[str, Any]:
    place, reference = placed.given.place, placed.given.reference
    if problem := placed.problem:
        return {"place": place, "reference": reference, "error": {"code": problem.code, "message": problem.message}}
    return {"place": place, "id": placed.id, "reference": reference, "lines": list(placed.lines)}
