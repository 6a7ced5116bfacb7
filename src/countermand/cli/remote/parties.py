"""Parties at a service."""

from collections.abc import Sequence

from countermand.cli.nouns import Document
from countermand.cli.remote.calling import calling, document, not_tried
from countermand.cli.remote.finding import party_named


class RemoteParties:
    """Parties, as the platform sees and changes them."""

    def add(self, kind: str, name: str) -> str:
        """Add one."""
        not_tried()
        with calling() as client:
            return client.parties.create(kind=kind, name=name).id

    def all(self) -> Sequence[Document]:
        """All of them, by name."""
        with calling() as client:
            found = sorted(client.parties.list(limit=200), key=lambda each: (each.name, each.id))
        return [document(each) for each in found]

    def deactivate(self, party: str) -> str:
        """Deactivate one."""
        not_tried()
        with calling() as client:
            return client.parties.deactivate(party_named(client, party), note=_NOTE).id

    def activate(self, party: str) -> str:
        """Activate one again."""
        not_tried()
        with calling() as client:
            return client.parties.activate(party_named(client, party)).id


_NOTE = "Deactivated on the command line."
