"""The audit trail at a service."""

from collections.abc import Callable, Sequence

from countermand.cli.nouns import ListedEntry, WantedEntries
from countermand.cli.remote.calling import calling, document, page_size, read_list
from countermand.cli.remote.finding import Names


class RemoteAudit:
    """The audit trail, which the platform reads."""

    def read(self, wanted: WantedEntries, take: Callable[[Sequence[ListedEntry]], None], most: int | None) -> bool:
        """Hand ``take`` so many of its entries, newest first. Returns whether there are more."""
        with calling() as client:
            names = Names(client)
            found = client.audit.list(
                party=wanted.party, object=wanted.object, action=wanted.action, limit=page_size(most)
            )
            return read_list(
                found, lambda each: ListedEntry(document=document(each), party=names.of(each.party)), take, most
            )
