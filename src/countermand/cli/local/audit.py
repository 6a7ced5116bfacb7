"""The audit trail of a database."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from countermand.admin.finding import find_party
from countermand.cli.nouns import ListedEntry, WantedEntries
from countermand.cli.running import read_pages, read_settings
from countermand.documents.audit import entry_shown
from countermand.ids import read
from countermand.reads.audit import AuditEntry, AuditFilter, list_entries


class LocalAudit:
    """The audit trail, read from the database."""

    def __init__(self, database: str | None) -> None:
        self._settings = read_settings(database=database)

    def read(self, wanted: WantedEntries, take: Callable[[Sequence[ListedEntry]], None], most: int | None) -> bool:
        """Hand ``take`` so many of its entries, newest first. Returns whether there are more."""
        target = read(wanted.object.partition("_")[0], wanted.object) if wanted.object else None

        def page(connection: Connection, count: int, last: AuditEntry | None) -> Sequence[AuditEntry]:
            chosen = AuditFilter(
                party=find_party(connection, wanted.party).id if wanted.party else None,
                target=target,
                action=wanted.action,
                after=last.id if last else None,
                limit=count,
            )
            return list_entries(connection, chosen)

        return read_pages(self._settings, page, lambda rows: take([_listed(row) for row in rows]), most)


def _listed(row: AuditEntry) -> ListedEntry:
    return ListedEntry(document=entry_shown(row).model_dump(mode="json"), party=row.party_name)
