"""Orders placed in a database."""

from collections.abc import Sequence

from sqlalchemy import Connection

from countermand.admin.orders import parties_of
from countermand.cli.orders import DOOR, Given, Placed, Problem, check_all, operator
from countermand.cli.output import Exit
from countermand.cli.problems import exit_of
from countermand.cli.running import read_settings, with_database
from countermand.documents.orders import place
from countermand.domain.orders import PlaceOrder
from countermand.domain.problems import ProblemError
from countermand.reads.views import PartyView
from countermand.road import Application
from countermand.service.calls import Call, Done, Refused

Prepared = tuple[Given, PlaceOrder | Problem]


class LocalPlacing:
    """Orders that are put to the rules of the database."""

    def __init__(self, database: str | None) -> None:
        self._settings = read_settings(database=database)

    def place(self, given: Sequence[Given], file: str, *, skip_bad: bool, dry_run: bool) -> Sequence[Placed]:
        """Place them: each whole or not at all, and none if one is bad, unless those are skipped."""

        async def work(application: Application) -> list[Placed]:
            prepared = await application.database.read(lambda connection: _prepare(connection, application, given))
            if not skip_bad:
                bad = [(each, problem) for each, problem in prepared if isinstance(problem, Problem)]
                check_all(bad, len(prepared), file)
            return [await _hand_in(application, each, order, dry_run=dry_run) for each, order in prepared]

        return with_database(self._settings, work)


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


async def _hand_in(application: Application, given: Given, order: PlaceOrder | Problem, *, dry_run: bool) -> Placed:
    if isinstance(order, Problem):
        return Placed(given=given, problem=order)
    placed = Placed(given=given, id=str(order.id), lines=[str(line.id) for line in order.lines])
    if dry_run:
        return placed
    match await application.lanes.submit(Call(command=order, door=DOOR, retailer=order.retailer)):
        case Done():
            return placed
        case Refused(refusal=refusal):
            return Placed(given=given, problem=_problem(Exit.REFUSED, refusal.kind.value, refusal.detail))
        case _:
            later = "The database did not answer; try again."
            return Placed(given=given, problem=_problem(Exit.TRY_LATER, "database_unavailable", later))


def _problem(exit_code: Exit, code: str, message: str) -> Problem:
    return Problem(exit_code=exit_code, code=code, message=message)
