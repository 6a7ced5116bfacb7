"""Parties of a database."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from countermand.admin import parties as admin
from countermand.admin.callers import PLATFORM
from countermand.admin.finding import find_party
from countermand.cli.nouns import Document
from countermand.cli.orders import DOOR, operator
from countermand.cli.outcomes import not_answered
from countermand.cli.output import Exit, fail
from countermand.cli.parties import author
from countermand.cli.running import ask_database, read_settings, with_database
from countermand.documents.parties import party_document
from countermand.domain.parties import PartyKind
from countermand.reads.parties import list_parties
from countermand.road import Application
from countermand.service.leaving import hand_over
from countermand.settings import Settings
from countermand.store.engines.protocol import UnavailableError


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
        return [party_document(row).model_dump(mode="json") for row in ask_database(self._settings, list_parties)]

    def deactivate(self, party: str) -> str:
        """Deactivate one."""
        return str(_set_active(self._settings, party, active=False))

    def activate(self, party: str) -> str:
        """Activate one again."""
        return str(_set_active(self._settings, party, active=True))


def _set_active(settings: Settings, name: str, *, active: bool) -> UUID:
    party: UUID = ask_database(settings, partial(find_party, text=name)).id
    if party == PLATFORM:
        fail(Exit.REFUSED, "platform_stays", "The platform cannot leave.")

    async def work(application: Application) -> None:
        await application.database.write(
            partial(admin.set_active, author=author(application), party=party, active=active)
        )
        if active:
            return
        try:
            await hand_over(application.database, application.lanes, party, operator(), DOOR)
        except UnavailableError:
            not_answered()

    with_database(settings, work)
    return party
