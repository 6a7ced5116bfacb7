"""Commands about orders and what happens to them."""

import getpass
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, validators
from pydantic import ValidationError
from sqlalchemy import Connection

from countermand.admin.callers import PLATFORM
from countermand.admin.orders import parties_of
from countermand.cli.inputs import Whole
from countermand.cli.output import Exit, fail, plain, print_json, say
from countermand.cli.problems import exit_of
from countermand.cli.running import DatabaseFlag, JsonFlag, read_settings, what_is_wrong, with_database
from countermand.documents.orders import OrderIn, place
from countermand.domain.orders import PlaceOrder
from countermand.domain.parties import Actor, PartyKind
from countermand.domain.problems import ProblemError
from countermand.domain.texts import writable
from countermand.json_input import parse_json, unfit_texts
from countermand.reads.views import PartyView
from countermand.road import Application
from countermand.service.calls import Call, Done, Failed, Outcome, Refused

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


Prepared = tuple[Given, PlaceOrder | Problem]
Result = tuple[Given, PlaceOrder | None, Outcome | Problem]


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

    async def work(application: Application) -> list[Result]:
        prepared = await application.database.read(lambda connection: _prepare(connection, application, given))
        if not skip_bad:
            _check_all(prepared, file)
        return [await _hand_in(application, each, order, dry_run=dry_run) for each, order in prepared]

    results = with_database(read_settings(database=database), work)
    if dry_run:
        fine = sum(isinstance(outcome, Done) for _, _, outcome in results)
        say(f"{fine} orders are fine; nothing was added.")
    _report(results, json=json and not dry_run, ids=not dry_run)


def _prepare(connection: Connection, application: Application, given: Sequence[Given]) -> list[Prepared]:
    """The command for each order, or why there is none. Parties are looked for once."""
    found: dict[str, PartyView] = {}
    prepared: list[Prepared] = []
    for each in given:
        if isinstance(each.order, Problem):
            prepared.append((each, each.order))
            continue
        try:
            ids = parties_of(connection, each.order, found)
            command = place(
                each.order,
                actor=operator(),
                party=ids.__getitem__,
                ids=application.ids,
                now=application.clock(),
            )
            prepared.append((each, command))
        except ProblemError as error:
            prepared.append((each, Problem(exit_code=exit_of(error), code=error.code, message=str(error))))
        except ValueError as error:
            prepared.append((each, Problem(exit_code=Exit.USAGE, code="invalid_order", message=f"{error}.")))
    return prepared


def _check_all(prepared: Sequence[Prepared], file: str) -> None:
    """Ends the command, before anything is added, when an order makes no sense."""
    bad = [(each, problem) for each, problem in prepared if isinstance(problem, Problem)]
    if not bad:
        return
    codes = {(problem.exit_code, problem.code) for _, problem in bad}
    exit_code, code = codes.pop() if len(codes) == 1 else (Exit.USAGE, "invalid_order")
    lines = "\n".join(f"  {each.name}: {plain(problem.message)}" for each, problem in bad)
    hint = "--skip-bad adds the others." if len(prepared) > len(bad) else ""
    fail(exit_code, code, f"{len(bad)} of {len(prepared)} orders in {file} cannot be taken, so none is:\n{lines}", hint)


async def _hand_in(application: Application, given: Given, order: PlaceOrder | Problem, *, dry_run: bool) -> Result:
    if isinstance(order, Problem):
        return given, None, order
    if dry_run:
        return given, order, Done()
    return given, order, await application.lanes.submit(Call(command=order, door=DOOR, retailer=order.retailer))


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


def _report(results: Sequence[Result], *, json: bool, ids: bool) -> None:
    if json:
        print_json([_placed(*result) for result in results])
    failures = 0
    for given, command, outcome in results:
        if isinstance(outcome, Done):
            if ids and command and not json:
                print("\t".join([str(command.id), *(str(line.id) for line in command.lines)]))
            continue
        failures += 1
        say(f"countermand: {given.name} was not added: {plain(_why_not(outcome)[1])}")
    if failures:
        say(f"countermand: {failures} of {len(results)} orders were not added.")
        sys.exit(_exit_of([outcome for _, _, outcome in results]))


def _exit_of(outcomes: Sequence[Outcome | Problem]) -> Exit:
    if any(isinstance(outcome, Done) for outcome in outcomes):
        return Exit.PARTLY
    if any(isinstance(outcome, Failed) for outcome in outcomes):
        return Exit.TRY_LATER
    codes = {outcome.exit_code for outcome in outcomes if isinstance(outcome, Problem)}
    return codes.pop() if len(codes) == 1 else Exit.USAGE if codes else Exit.REFUSED


def _placed(given: Given, command: PlaceOrder | None, outcome: Outcome | Problem) -> dict[str, Any]:
    if isinstance(outcome, Done) and command:
        lines = [str(line.id) for line in command.lines]
        return {"place": given.place, "id": str(command.id), "reference": command.reference, "lines": lines}
    code, message = _why_not(outcome)
    return {"place": given.place, "reference": given.reference, "error": {"code": code, "message": message}}


def _why_not(outcome: Outcome | Problem) -> tuple[str, str]:
    match outcome:
        case Problem():
            return outcome.code, outcome.message
        case Refused():
            return outcome.refusal.kind.value, outcome.refusal.detail
        case _:
            return "database_unavailable", "The database did not answer; try again."
