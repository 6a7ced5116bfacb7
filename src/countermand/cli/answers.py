"""Commands by which an operator answers or withdraws a cancellation in place of a party."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from cyclopts import Parameter

from countermand.admin.finding import EVERYTHING, find_line, find_party
from countermand.cli.inputs import Note, Text, Whole
from countermand.cli.orders import DOOR, operator
from countermand.cli.outcomes import accepted
from countermand.cli.output import Exit, fail, manners, print_json, report, say
from countermand.cli.parties import find_id
from countermand.cli.running import DatabaseFlag, JsonFlag, read_settings, with_database
from countermand.domain.commands import (
    AcceptCancellation,
    DeclineCancellation,
    LineCommand,
    Reassign,
    WithdrawCancellation,
)
from countermand.domain.line import State
from countermand.domain.parties import PartyKind
from countermand.domain.reasons import DeclineReason
from countermand.ids import show
from countermand.reads import cancellations as cancellation_reads
from countermand.reads.cancellations import CancellationView
from countermand.road import Application
from countermand.service.calls import Call

Which = Annotated[str, Parameter(help="Id of the cancellation")]
StepFlag = Annotated[Whole | None, Parameter(help="The step that is answered, as `cancellations` shows it")]


def accept(
    cancellation: Which,
    *,
    units: Annotated[Whole | None, Parameter(help="How many; all by default, the rest is open again")] = None,
    rest_reason: Annotated[DeclineReason | None, Parameter(help="Why the rest is not accepted")] = None,
    note: Note = "",
    step: StepFlag = None,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Accept a cancellation in place of the party whose answer is due, or an escalated one."""
    _do(
        cancellation,
        database,
        lambda row: AcceptCancellation(
            line=row.line_id,
            actor=operator(),
            cancellation=row.id,
            step=step,
            units=units,
            rest_reason=rest_reason,
            note=note,
        ),
        _accepted,
        json=json,
    )


def _accepted(row: CancellationView) -> str:
    if manners.dry_run:
        return "The cancellation can be accepted."
    if row.state == State.ASKED.value and row.agreed:
        return "The cancellation is agreed to, and waits for those that were asked together with it."
    if row.state == State.ASKED.value:
        part = f"{cancellation_reads.waiting_units(row)} of {row.units} units" if row.rest_units else "The cancellation"
        verb = "are" if row.rest_units else "is"
        return f"{part} {verb} passed on to the supplier, whose answer is due next."
    return f"The cancellation of {row.accepted_units} of {row.units} units is accepted."


def decline(
    cancellation: Which,
    *,
    reason: Annotated[DeclineReason, Parameter(help="Why")],
    note: Note = "",
    tracking: Annotated[Text, Parameter(help="The parcel, if the units have already shipped")] = "",
    step: StepFlag = None,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Decline a cancellation in place of the party whose answer is due."""
    _do(
        cancellation,
        database,
        lambda row: DeclineCancellation(
            line=row.line_id,
            actor=operator(),
            cancellation=row.id,
            step=step,
            reason=reason,
            note=note,
            tracking=tracking,
        ),
        lambda row: "The cancellation is declined; its units are open again.",
        json=json,
    )


def withdraw(
    cancellation: Which,
    *,
    step: StepFlag = None,
    note: str = "",
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Withdraw an ask for the party that asked, while nobody has answered it."""
    _do(
        cancellation,
        database,
        lambda row: WithdrawCancellation(line=row.line_id, actor=operator(), cancellation=row.id, step=step, note=note),
        lambda row: "The ask is withdrawn; its units are open again.",
        json=json,
    )


def _do(
    text: str,
    database: str | None,
    command: Callable[[CancellationView], LineCommand],
    done: Callable[[CancellationView], str],
    *,
    json: bool,
) -> None:
    """Put a command to the rules; ``done`` says in a sentence what the cancellation has become."""
    question = partial(cancellation_reads.cancellation_by_id, scope=EVERYTHING, cancellation=find_id("can", text))

    async def work(application: Application) -> Any:
        row = await application.database.read(question)
        if row is None:
            fail(Exit.NOT_FOUND, "unknown_cancellation", f"There is no cancellation {text}.")
        outcome = await application.lanes.submit(Call(command=command(row), door=DOOR, retailer=row.retailer_id))
        return outcome, await application.database.read(question)

    outcome, after = with_database(read_settings(database=database), work)
    repeated = after.id in accepted(outcome).repeated
    if repeated:
        say("This was answered so before. Nothing was changed.")
    report(
        done(after),
        json=json,
        cancellation=show("can", after.id),
        state=after.state,
        units=after.units,
        accepted_units=after.accepted_units,
        repeated=repeated,
    )


def status_link(cancellation: Which, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Print the link by which the customer sees what became of a cancellation. Nothing can be changed by it."""
    question = partial(
        cancellation_reads.cancellation_by_id, scope=EVERYTHING, cancellation=find_id("can", cancellation)
    )
    settings = read_settings(database=database)

    async def work(application: Application) -> str:
        from countermand.outlets.links import Links

        row = await application.database.read(question)
        if row is None:
            fail(Exit.NOT_FOUND, "unknown_cancellation", f"There is no cancellation {cancellation}.")
        links = Links(application.keyring, settings.base_url, days=settings.answer_link_days)
        return links.status(retailer=row.retailer_id, cancellation=row.id, at=application.clock())

    link = with_database(settings, work, uses_keys=True)
    if json:
        print_json({"link": link})
    else:
        print(link)


def reassign(
    line: Annotated[str, Parameter(help="Id of the line, or bol's number of it")],
    *,
    to: Annotated[str, Parameter(help="The new fulfiller: name or id")],
    note: Annotated[str, Parameter(help="Why")],
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Give what is left of a line to another fulfiller. Open asks go with it; the former fulfiller is notified."""
    if not note.strip():
        fail(Exit.USAGE, "usage", "A note has to say why the line is given to another fulfiller.")

    async def work(application: Application) -> Any:
        row = await application.database.read(lambda connection: find_line(connection, line))
        party = await application.database.read(lambda connection: find_party(connection, to))
        if party.kind == PartyKind.PLATFORM:
            fail(Exit.USAGE, "usage", "A platform holds no goods.")
        command = Reassign(line=row.id, actor=operator(), fulfiller=party.id, note=note)
        return row, party, await application.lanes.submit(Call(command=command, door=DOOR, retailer=row.retailer_id))

    row, party, outcome = with_database(read_settings(database=database), work)
    accepted(outcome)
    report(f"{party.name} holds what is left of the line.", json=json, line=str(row.id), fulfiller=str(party.id))
