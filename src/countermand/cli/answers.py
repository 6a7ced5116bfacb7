"""Commands by which an operator answers or withdraws a cancellation in place of a party, or a party at a service."""

from typing import Annotated

from cyclopts import Parameter

from countermand.cli import nouns
from countermand.cli.inputs import Note, Text, Whole
from countermand.cli.nouns import Shown
from countermand.cli.output import Exit, fail, manners, report, say
from countermand.cli.running import DatabaseFlag, JsonFlag
from countermand.domain.reasons import StatedReason

Which = Annotated[str, Parameter(help="Id of the cancellation")]
StepFlag = Annotated[Whole | None, Parameter(help="The step that is answered, as `cancellations` shows it")]


def accept(
    cancellation: Which,
    *,
    units: Annotated[Whole | None, Parameter(help="How many; all by default, the rest is open again")] = None,
    rest_reason: Annotated[StatedReason | None, Parameter(help="Why the rest is not accepted")] = None,
    note: Note = "",
    step: StepFlag = None,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Accept a cancellation in place of the party whose answer is due, or an escalated one."""
    found = nouns.cancellations(database)
    why = rest_reason.value if rest_reason else None
    answer = found.accept(cancellation, step=step, units=units, rest_reason=why, note=note)
    _told(answer, _accepted(answer[0]), json=json)


def _accepted(row: Shown) -> str:
    if manners.dry_run:
        return "The cancellation can be accepted."
    told = row.document
    if told["state"] == "asked" and row.agreed:
        return "The cancellation is agreed to, and waits for those that were asked together with it."
    if told["state"] == "asked":
        some = told["waiting_units"] != told["units"]
        part = f"{told['waiting_units']} of {told['units']} units" if some else "The cancellation"
        verb = "are" if some else "is"
        return f"{part} {verb} passed on to the supplier, whose answer is due next."
    return f"The cancellation of {told['accepted_units']} of {told['units']} units is accepted."


def decline(
    cancellation: Which,
    *,
    reason: Annotated[StatedReason, Parameter(help="Why")],
    note: Note = "",
    tracking: Annotated[Text, Parameter(help="The parcel, if the units have already shipped")] = "",
    step: StepFlag = None,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Decline a cancellation in place of the party whose answer is due."""
    found = nouns.cancellations(database)
    answer = found.decline(cancellation, step=step, reason=reason.value, note=note, tracking=tracking)
    _told(answer, "The cancellation is declined; its units are open again.", json=json)


def withdraw(
    cancellation: Which,
    *,
    step: StepFlag = None,
    note: str = "",
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Withdraw an ask for the party that asked, while nobody has answered it."""
    answer = nouns.cancellations(database).withdraw(cancellation, step=step, note=note)
    _told(answer, "The ask is withdrawn; its units are open again.", json=json)


def _told(answer: tuple[Shown, bool], sentence: str, *, json: bool) -> None:
    """Say in a sentence what the cancellation has become."""
    shown, repeated = answer
    if repeated:
        say("This was answered so before. Nothing was changed.")
    members = {name: shown.document[name] for name in ("state", "units", "accepted_units")}
    report(sentence, json=json, cancellation=shown.document["id"], **members, repeated=repeated)


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

    found, name, fulfiller = nouns.lines(database).reassign(line, to=to, note=note)
    report(f"{name} holds what is left of the line.", json=json, line=found, fulfiller=fulfiller)
