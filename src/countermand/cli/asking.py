"""`countermand ask`: somebody wants units of a line cancelled."""

from typing import Annotated, Literal

from cyclopts import Parameter

from countermand.cli import nouns
from countermand.cli.inputs import Note, Whole
from countermand.cli.nouns import AskResult, WantedAsk, WantedAsks
from countermand.cli.output import Exit, fail, print_json, say
from countermand.cli.running import DatabaseFlag, JsonFlag
from countermand.domain.reasons import AskReason, CancelReason

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
    reason: Annotated[AskReason, Parameter(help="Why")] = CancelReason.NOT_STATED,
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
    asking = nouns.asking(database)
    if file is not None:
        if units is not None:
            fail(Exit.USAGE, "usage", "A file says the units of each row in its column units; leave --units out.")
        form = "json" if json else "csv" if csv else "text"
        rows = WantedAsks(asker=by, reason=reason.value, note=note, key=key, form=form, progress=progress)
        return asking.ask_file(file, rows)
    if csv or progress:
        fail(Exit.USAGE, "usage", "--csv and --progress are about the rows of a file: give --file.")
    wanted = WantedAsk(asker=by, reason=reason.value, note=note, key=key)
    return _told(asking.ask(line or "", units, wanted), json=json)


def _told(result: AskResult, *, json: bool) -> None:
    if result.document is None:
        if json:
            tried = {"state": result.state, "units": result.units, "repeated": result.repeated, "written": False}
            print_json(tried)
        else:
            say(_would_be(result))
        return
    if json:
        print_json({**result.document, "repeated": result.repeated})
    else:
        print(result.document["id"])
    if result.replayed:
        say("This key was used before, for this ask. Nothing was asked anew.")
    elif result.repeated:
        say("An equal ask waits already, and this is taken for the same one. To ask for more units, use --key.")


def _would_be(result: AskResult) -> str:
    """What an ask would come to."""
    units = "1 unit" if result.units == 1 else f"{result.units} units"
    if result.state == "asked":
        return f"The cancellation of {units} would wait for an answer."
    return f"The cancellation of {units} would be {result.state} at once."
