"""Cancellations of a database."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection

from countermand.admin.callers import PLATFORM
from countermand.admin.finding import EVERYTHING, find_party, scope_of
from countermand.cli.nouns import Shown, WantedCancellations
from countermand.cli.orders import DOOR, operator
from countermand.cli.outcomes import accepted
from countermand.cli.output import Exit, fail
from countermand.cli.parties import find_id
from countermand.cli.running import read_pages, read_settings, with_database
from countermand.documents.cancellations import listed_cancellation
from countermand.domain.commands import AcceptCancellation, DeclineCancellation, LineCommand, WithdrawCancellation
from countermand.domain.line import State
from countermand.domain.reasons import DeclineReason
from countermand.ids import system_clock
from countermand.reads import cancellations as reads
from countermand.reads import lookup
from countermand.reads.cancellations import CancellationFilter, CancellationView, DuePlace
from countermand.reads.lookup import Lookup
from countermand.road import Application
from countermand.service.calls import Call


class LocalCancellations:
    """Cancellations, read from the database and put to its rules."""

    def __init__(self, database: str | None) -> None:
        self._settings = read_settings(database=database)

    def read(self, wanted: WantedCancellations, take: Callable[[Sequence[Shown]], None], most: int | None) -> bool:
        """Hand ``take`` so many of them. Returns whether there are more."""
        now = system_clock() if wanted.late else None

        def page(connection: Connection, count: int, last: CancellationView | None) -> Sequence[CancellationView]:
            scope = scope_of(connection, wanted.party)
            whose = find_party(connection, wanted.awaiting).id if wanted.awaiting else None
            operators = whose == PLATFORM
            sought = Lookup(anything=wanted.sought)
            chosen = CancellationFilter(
                state=None if wanted.state == "escalated" else wanted.state,
                escalated=operators or wanted.state == "escalated",
                awaiting=None if operators else whose,
                late=now,
                by_due=wanted.by_due,
                orders=None if wanted.sought is None else lookup.all_orders_found(connection, scope, sought),
                after=last.id if last else None,
                behind=DuePlace(last.due_at, last.id) if last and wanted.by_due else None,
                limit=count,
            )
            return reads.list_cancellations(connection, scope, chosen)

        return read_pages(self._settings, page, lambda rows: take([_shown(row) for row in rows]), most)

    def accept(
        self, cancellation: str, *, step: int | None, units: int | None, rest_reason: str | None, note: str
    ) -> tuple[Shown, bool]:
        """Accept one."""
        why = DeclineReason(rest_reason) if rest_reason else None
        return self._do(
            cancellation,
            lambda row: AcceptCancellation(
                line=row.line_id,
                actor=operator(),
                cancellation=row.id,
                step=step,
                units=units,
                rest_reason=why,
                note=note,
            ),
        )

    def decline(
        self, cancellation: str, *, step: int | None, reason: str, note: str, tracking: str
    ) -> tuple[Shown, bool]:
        """Decline one."""
        return self._do(
            cancellation,
            lambda row: DeclineCancellation(
                line=row.line_id,
                actor=operator(),
                cancellation=row.id,
                step=step,
                reason=DeclineReason(reason),
                note=note,
                tracking=tracking,
            ),
        )

    def withdraw(self, cancellation: str, *, step: int | None, note: str) -> tuple[Shown, bool]:
        """Withdraw one."""
        return self._do(
            cancellation,
            lambda row: WithdrawCancellation(
                line=row.line_id, actor=operator(), cancellation=row.id, step=step, note=note
            ),
        )

    def _do(self, text: str, command: Callable[[CancellationView], LineCommand]) -> tuple[Shown, bool]:
        question = partial(reads.cancellation_by_id, scope=EVERYTHING, cancellation=find_id("can", text))

        async def work(application: Application) -> Any:
            row = await application.database.read(question)
            if row is None:
                fail(Exit.NOT_FOUND, "unknown_cancellation", f"There is no cancellation {text}.")
            outcome = await application.lanes.submit(Call(command=command(row), door=DOOR, retailer=row.retailer_id))
            return outcome, await application.database.read(question)

        outcome, after = with_database(self._settings, work)
        return _shown(after), after.id in accepted(outcome).repeated


def _shown(row: CancellationView) -> Shown:
    return Shown(document=listed_cancellation(row), of_units=row.ordered, agreed=row.agreed, awaited=_awaited(row))


def _awaited(row: CancellationView) -> str:
    if reads.is_escalated(row):
        return "Platform"
    return str(row.awaiting_name or "") if row.state == State.ASKED else ""
