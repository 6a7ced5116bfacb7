"""Lines of a database."""

from typing import Any

from countermand.admin.finding import find_line, find_party
from countermand.cli.orders import DOOR, operator
from countermand.cli.outcomes import accepted
from countermand.cli.output import Exit, fail
from countermand.cli.running import read_settings, with_database
from countermand.domain.commands import Reassign
from countermand.domain.parties import PartyKind
from countermand.road import Application
from countermand.service.calls import Call


class LocalLines:
    """Lines of the database."""

    def __init__(self, database: str | None) -> None:
        self._settings = read_settings(database=database)

    def reassign(self, line: str, *, to: str, note: str) -> tuple[str, str, str]:
        """Give a line to another fulfiller."""

        async def work(application: Application) -> Any:
            row = await application.database.read(lambda connection: find_line(connection, line))
            party = await application.database.read(lambda connection: find_party(connection, to))
            if party.kind == PartyKind.PLATFORM:
                fail(Exit.USAGE, "usage", "A platform holds no goods.")
            command = Reassign(line=row.id, actor=operator(), fulfiller=party.id, note=note)
            call = Call(command=command, door=DOOR, retailer=row.retailer_id)
            return row, party, await application.lanes.submit(call)

        row, party, outcome = with_database(self._settings, work)
        accepted(outcome)
        return str(row.id), party.name, str(party.id)
