"""`countermand ask`: somebody wants units of a line cancelled."""

import hashlib
from functools import partial
from typing import Annotated, Literal

from cyclopts import Parameter

from countermand import reads
from countermand.cli.inputs import Note, Whole
from countermand.cli.listing import cancellation_document
from countermand.cli.orders import DOOR, EVERYTHING, find_line, operator
from countermand.cli.outcomes import heeded, not_answered
from countermand.cli.output import Exit, fail, print_json, say
from countermand.cli.running import DatabaseFlag, JsonFlag, read_settings, with_database
from countermand.domain.commands import AskCancellation, Asker
from countermand.ids import show
from countermand.road import Application
from countermand.service.calls import Call, Done, Once
from countermand.store.columns import Record

KEY_MAX = 255


def ask(
    *,
    line: Annotated[str, Parameter(help="Id of the line, or bol's number of it")],
    units: Annotated[Whole | None, Parameter(help="How many; all that are open by default")] = None,
    by: Annotated[Literal["customer", "retailer"], Parameter(help="Whose wish it is")] = "customer",
    note: Note = "",
    key: Annotated[
        str, Parameter(help="A key of your own: asks under other keys are separate, the same key is the same ask")
    ] = "",
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Ask to cancel units of a line and print the id of the cancellation."""
    if len(key) > KEY_MAX or not (key.isascii() and key.isprintable()):
        fail(Exit.USAGE, "usage", f"A key has 1 to {KEY_MAX} visible characters of ASCII.")

    async def work(application: Application) -> tuple[Done, Record | None]:
        row = await application.database.read(lambda connection: find_line(connection, line))
        command = AskCancellation(line=row.id, actor=operator(), asker=Asker(by), units=units, note=note, key=key)
        call = Call(command=command, door=DOOR, retailer=row.retailer_id, once=_once(command))
        done = heeded(await application.lanes.submit(call))
        seen = partial(reads.cancellation_by_id, scope=EVERYTHING, cancellation=done.cancellations[0])
        return done, await application.database.read(seen)

    done, found = with_database(read_settings(database=database), work)
    if found is None:
        not_answered()
    repeated = found.id in done.repeated
    if json:
        print_json(cancellation_document(found) | {"repeated": repeated})
    else:
        print(show("can", found.id))
    if done.replayed:
        say("This key was used before, for this ask. Nothing was asked anew.")
    elif repeated:
        say("An equal ask waits already, and this is taken for the same one. To ask for more units, use --key.")


def _once(command: AskCancellation) -> Once | None:
    """What makes two asks one, where a key was given."""
    if not command.key:
        return None
    content = repr(("ask", command.line, command.asker, command.units, command.note))
    fingerprint = hashlib.sha256(content.encode(errors="surrogateescape")).hexdigest()
    return Once(caller=str(command.actor.party), key=command.key, fingerprint=fingerprint)
