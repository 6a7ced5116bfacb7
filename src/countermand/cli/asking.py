"""`countermand ask`: somebody wants units of a line cancelled."""

import hashlib
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from cyclopts import Parameter

from countermand.admin.finding import EVERYTHING, find_line
from countermand.cli.inputs import Note, Whole
from countermand.cli.orders import DOOR, operator
from countermand.cli.outcomes import accepted, not_answered
from countermand.cli.output import Exit, fail, manners, print_json, say
from countermand.cli.running import DatabaseFlag, JsonFlag, read_settings, with_database
from countermand.documents.cancellations import listed_cancellation
from countermand.domain.commands import AskCancellation
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.line import Cancellation, Decision, State
from countermand.domain.parties import Asker
from countermand.domain.reasons import CancelReason
from countermand.domain.refusals import RefusalKind
from countermand.ids import show
from countermand.reads import cancellations as cancellation_reads
from countermand.reads.cancellations import CancellationView
from countermand.road import Application
from countermand.service.calls import Call, Done

KEY_MAX = 255


def ask(
    *,
    line: Annotated[str | None, Parameter(help="Id of the line, or bol's number of it")] = None,
    file: Annotated[
        str | None,
        Parameter(allow_leading_hyphen=True, help="A CSV file with a line in each row; - reads standard input"),
    ] = None,
    units: Annotated[Whole | None, Parameter(help="How many; all that are open by default")] = None,
    by: Annotated[Literal["customer", "retailer"], Parameter(help="Who asks")] = "customer",
    reason: Annotated[CancelReason, Parameter(help="Why")] = CancelReason.NOT_STATED,
    note: Note = "",
    key: Annotated[
        str, Parameter(help="A key of your own: asks under other keys are separate, the same key is the same ask")
    ] = "",
    csv: Annotated[bool, Parameter(negative=(), help="With --file: print the result of each row as CSV")] = False,
    progress: Annotated[bool, Parameter(negative=(), help="With --file: show the progress")] = False,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Ask to cancel units of a line and print the id of the cancellation, or ask for each row of a file."""
    if len(key) > KEY_MAX or not (key.isascii() and key.isprintable()):
        fail(Exit.USAGE, "usage", f"A key has 1 to {KEY_MAX} visible characters of ASCII.")
    if (line is None) == (file is None):
        fail(Exit.USAGE, "usage", "Name a line with --line, or a file of lines with --file.")
    if file is not None:
        if units is not None:
            fail(Exit.USAGE, "usage", "A file says the units of each row in its column units; leave --units out.")
        from countermand.cli.bulk_asking import Format, ask_file
        from countermand.domain.bulk_rows import Usual

        form = Format.JSON if json else Format.CSV if csv else Format.TEXT
        usual = Usual(asker=Asker(by), reason=reason, note=note)
        return ask_file(read_settings(database=database), file, usual, key, form, progress=progress)
    if csv or progress:
        fail(Exit.USAGE, "usage", "--csv and --progress are about the rows of a file: give --file.")

    async def work(application: Application) -> tuple[Done, CancellationView | None]:
        row = await application.database.read(lambda connection: find_line(connection, line or ""))
        command = AskCancellation(
            line=row.id, actor=operator(), asker=Asker(by), units=units, reason=reason, note=note, key=key
        )
        done = accepted(await application.lanes.submit(call_for(command, row.retailer_id)))
        seen = partial(cancellation_reads.cancellation_by_id, scope=EVERYTHING, cancellation=done.cancellations[0])
        return done, await application.database.read(seen)

    done, found = with_database(read_settings(database=database), work)
    return _told(done, found, json=json)


def _told(done: Done, found: CancellationView | None, *, json: bool) -> None:
    repeated = done.cancellations[0] in done.repeated
    if found is None:
        made = made_by(done)
        if not (manners.dry_run and made):
            not_answered()
        if json:
            print_json({"state": made.state, "units": made.units, "repeated": repeated, "written": False})
        else:
            say(would_be(made))
        return
    if json:
        print_json({**listed_cancellation(found), "repeated": repeated})
    else:
        print(show("can", found.id))
    if done.replayed:
        say("This key was used before, for this ask. Nothing was asked anew.")
    elif repeated:
        say("An equal ask waits already, and this is taken for the same one. To ask for more units, use --key.")


def made_by(done: Done) -> Cancellation | None:
    """The cancellation that an ask came to, as it stands after that. A repeat by key has none at hand."""
    changed = [
        each
        for each_line in done.outcomes
        if isinstance(each_line.outcome, Decision)
        for each in each_line.outcome.cancellations
    ]
    return next((each for each in changed if each.id == done.cancellations[0]), None) if done.cancellations else None


def would_be(made: Cancellation) -> str:
    """What an ask would come to."""
    units = "1 unit" if made.units == 1 else f"{made.units} units"
    if made.state is State.ASKED:
        return f"The cancellation of {units} would wait for an answer."
    return f"The cancellation of {units} would be {made.state} at once."


def call_for(command: AskCancellation, retailer: UUID, *, keeps_refusals: bool = True) -> Call:
    """The call that asks it; once only, where there is a key."""
    once = _once(command, keeps_refusals=keeps_refusals) if command.key else None
    return Call(command=command, door=DOOR, retailer=retailer, once=once)


def _once(command: AskCancellation, *, keeps_refusals: bool) -> IdempotencyKey:
    """What makes two asks one."""
    words = ("ask", command.line, command.asker, command.units, command.note)
    content = repr(words if command.reason is CancelReason.NOT_STATED else (*words, command.reason))
    fingerprint = hashlib.sha256(content.encode(errors="surrogateescape")).hexdigest()
    caller = str(command.actor.party)
    keeps = frozenset(RefusalKind) if keeps_refusals else frozenset[RefusalKind]()
    return IdempotencyKey(caller=caller, key=command.key, fingerprint=fingerprint, keeps=keeps)
