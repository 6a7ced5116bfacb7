"""Asks on a database."""

import hashlib
from functools import partial
from uuid import UUID

from countermand.admin.finding import EVERYTHING, find_line
from countermand.cli.nouns import AskResult, WantedAsk, WantedAsks
from countermand.cli.orders import DOOR, operator
from countermand.cli.outcomes import accepted, not_answered
from countermand.cli.output import manners
from countermand.cli.running import read_settings, with_database
from countermand.documents.cancellations import listed_cancellation
from countermand.domain.bulk_rows import Usual
from countermand.domain.commands import AskCancellation
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.line import Cancellation, Decision
from countermand.domain.parties import Asker
from countermand.domain.reasons import CancelReason
from countermand.domain.refusals import RefusalKind
from countermand.reads import cancellations as cancellation_reads
from countermand.reads.cancellations import CancellationView
from countermand.road import Application
from countermand.service.calls import Call, Done


class LocalAsking:
    """Asks that are put to the rules of the database."""

    def __init__(self, database: str | None) -> None:
        self._settings = read_settings(database=database)

    def ask(self, line: str, units: int | None, wanted: WantedAsk) -> AskResult:
        """Ask to cancel units of a line."""

        async def work(application: Application) -> tuple[Done, CancellationView | None]:
            row = await application.database.read(lambda connection: find_line(connection, line))
            command = AskCancellation(
                line=row.id,
                actor=operator(),
                asker=Asker(wanted.asker),
                units=units,
                reason=CancelReason(wanted.reason),
                note=wanted.note,
                key=wanted.key,
            )
            done = accepted(await application.lanes.submit(call_for(command, row.retailer_id)))
            seen = partial(cancellation_reads.cancellation_by_id, scope=EVERYTHING, cancellation=done.cancellations[0])
            return done, await application.database.read(seen)

        done, found = with_database(self._settings, work)
        repeated = done.cancellations[0] in done.repeated
        if found is not None:
            return AskResult(
                document=listed_cancellation(found),
                state=found.state,
                units=found.units,
                repeated=repeated,
                replayed=done.replayed,
            )
        made = made_by(done)
        if not (manners.dry_run and made):
            not_answered()
        return AskResult(document=None, state=made.state.value, units=made.units, repeated=repeated, replayed=False)

    def ask_file(self, file: str, wanted: WantedAsks) -> None:
        """Ask for each row of a file."""
        from countermand.cli.ask_results import Format
        from countermand.cli.bulk_asking import ask_file

        usual = Usual(asker=Asker(wanted.asker), reason=CancelReason(wanted.reason), note=wanted.note)
        ask_file(self._settings, file, usual, wanted.key, Format[wanted.form.upper()], progress=wanted.progress)


def made_by(done: Done) -> Cancellation | None:
    """The cancellation that an ask came to, as it stands after that. A repeat by key has none at hand."""
    changed = [
        each
        for each_line in done.outcomes
        if isinstance(each_line.outcome, Decision)
        for each in each_line.outcome.cancellations
    ]
    return next((each for each in changed if each.id == done.cancellations[0]), None) if done.cancellations else None


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
