"""Endpoints at a service."""

from collections.abc import Sequence

from countermand.admin.endpoints import PREFIX
from countermand.cli.nouns import Document, ListedEndpoint, NewSecret
from countermand.cli.outcomes import unconfirmed
from countermand.cli.output import Exit, fail
from countermand.cli.remote.calling import calling, not_tried
from countermand.cli.remote.finding import Names, named
from countermand.domain.dates import write_moment
from countermand_client.models import Endpoint


class RemoteEndpoints:
    """Endpoints of the token's party; the platform names others."""

    def add(self, url: str, *, party: str, events: Sequence[str], label: str) -> NewSecret:
        """Register one."""
        not_tried()
        with calling() as client:
            own = client.me.get().party
            # Only the platform registers endpoints of others.
            other = None if party in (own.id, own.name) else party
            made = client.endpoints.create(url=url, events=list(events) or None, label=label or None, party=other)
            return NewSecret(document=_document(made), secret=made.secret)

    def all(self, party: str | None) -> Sequence[ListedEndpoint]:
        """All that are there, but those that were removed."""
        with calling() as client:
            found = list(client.endpoints.list(party=party))
            names = Names(client)
            owners = {each.party: names.of(each.party) for each in found}
        return [
            ListedEndpoint(
                document=_document(each),
                owner=owners[each.party],
                asks_only=each.url.startswith("mailto:"),
            )
            for each in found
            if each.state != "removed"
        ]

    def pause(self, endpoint: str, *, reason: str) -> Document:
        """Pause one."""
        not_tried()
        with calling() as client:
            return _state(client.endpoints.pause(named(PREFIX, endpoint), reason=reason or None))

    def resume(self, endpoint: str) -> Document:
        """Resume one."""
        not_tried()
        with calling() as client:
            return _state(client.endpoints.resume(named(PREFIX, endpoint)))

    def confirm(self, endpoint: str, *, again: bool) -> Document:
        """Ask a mailbox once more to confirm itself; only its owner confirms it."""
        if not again:
            fail(Exit.USAGE, "usage", "With --server, only a mailbox's owner confirms it: --again asks once more.")
        not_tried()
        with calling() as client:
            return _state(client.endpoints.confirm(named(PREFIX, endpoint)))

    def rotate(self, endpoint: str, *, overlap_s: int) -> NewSecret:
        """Give one a new secret."""
        not_tried()
        with calling() as client:
            made = client.endpoints.rotate(named(PREFIX, endpoint), overlap_s=overlap_s)
            return NewSecret(document=_document(made), secret=made.secret)

    def remove(self, endpoint: str) -> Document:
        """Remove one."""
        not_tried()
        with calling() as client:
            found = client.endpoints.get(named(PREFIX, endpoint))
            client.endpoints.delete(found.id)
            return {"id": found.id, "state": "removed"}

    def test(self, endpoint: str, event: str | None) -> Document | None:
        """Send a test, or a sample of an event."""
        not_tried()
        with calling() as client:
            found = client.endpoints.get(named(PREFIX, endpoint))
            if found.state == "unconfirmed":
                unconfirmed()
            sent = client.endpoints.test(found.id, event=event)
        return {"ok": sent.ok, "status": sent.status, "answer": sent.answer, "error": sent.error}


def _state(found: Endpoint) -> Document:
    return {"id": found.id, "state": found.state}


def _document(found: Endpoint) -> Document:
    """The endpoint as commands print it."""
    return {
        "id": found.id,
        "party": found.party,
        "url": found.url,
        "label": found.label,
        "events": found.events,
        "resources": found.resources,
        "state": found.state,
        "state_reason": found.state_reason,
        "failing_since": write_moment(found.failing_since) if found.failing_since else None,
        "created_at": write_moment(found.created_at),
    }
