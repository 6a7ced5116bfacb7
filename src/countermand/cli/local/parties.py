"""Parties of a database."""

import asyncio
from collections.abc import Sequence
from functools import partial
from uuid import UUID

from countermand.admin import parties as admin
from countermand.admin.callers import PLATFORM
from countermand.admin.finding import EVERYTHING, find_party
from countermand.cli.nouns import Document
from countermand.cli.orders import DOOR, operator
from countermand.cli.outcomes import not_answered
from countermand.cli.output import Exit, fail
from countermand.cli.parties import author
from countermand.cli.running import ask_database, read_settings, with_database
from countermand.documents.parties import party_document
from countermand.domain.commands import EscalateCancellation
from countermand.domain.line import State
from countermand.domain.parties import PartyKind
from countermand.reads import cancellations as cancellation_reads
from countermand.reads.cancellations import PAGE_MAX, CancellationFilter
from countermand.reads.parties import list_parties
from countermand.road import Application
from countermand.service.calls import Call, Failed
from countermand.settings import Settings


class LocalParties:
    """Parties, kept in the database."""

    def __init__(self, database: str | None) -> None:
        self._settings = read_settings(database=database)

    def add(self, kind: str, name: str) -> str:
        """Add one."""

        async def work(application: Application) -> UUID:
            return await application.database.write(
                partial(admin.add, author=author(application), kind=PartyKind(kind), name=name)
            )

        return str(with_database(self._settings, work))

    def all(self) -> Sequence[Document]:
        """All of them."""
        return [dict(party_document(row)) for row in ask_database(self._settings, list_parties)]

    def deactivate(self, party: str) -> tuple[str, int | None]:
        """Deactivate one."""
        found, handed_over = _set_active(self._settings, party, active=False)
        return str(found), handed_over

    def activate(self, party: str) -> str:
        """Activate one again."""
        return str(_set_active(self._settings, party, active=True)[0])


def _set_active(settings: Settings, name: str, *, active: bool) -> tuple[UUID, int]:
    party: UUID = ask_database(settings, partial(find_party, text=name)).id
    if party == PLATFORM:
        fail(Exit.REFUSED, "platform_stays", "The platform cannot leave.")

    async def work(application: Application) -> int:
        await application.database.write(
            partial(admin.set_active, author=author(application), party=party, active=active)
        )
        return 0 if active else await _hand_over(application, party)

    return party, with_database(settings, work)


async def _hand_over(application: Application, party: UUID) -> int:
    handed_over, after = 0, None
    while True:
        wanted = CancellationFilter(state=State.ASKED.value, awaiting=party, after=after, limit=PAGE_MAX)
        rows = await application.database.read(
            partial(cancellation_reads.list_cancellations, scope=EVERYTHING, wanted=wanted)
        )
        outcomes = await asyncio.gather(
            *(
                application.lanes.submit(
                    Call(
                        command=EscalateCancellation(line=row.line_id, actor=operator(), cancellation=row.id),
                        door=DOOR,
                        retailer=row.retailer_id,
                    )
                )
                for row in rows
            )
        )
        if any(isinstance(each, Failed) for each in outcomes):
            not_answered()
        handed_over += len(rows)
        if len(rows) < PAGE_MAX:
            return handed_over
        after = rows[-1].id
