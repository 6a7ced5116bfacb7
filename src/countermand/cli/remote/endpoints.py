"""Endpoints at a service."""

from collections.abc import Iterable, Mapping, Sequence

from countermand.cli.nouns import Document, ListedEndpoint, NewSecret
from countermand.cli.output import Exit, fail
from countermand.cli.remote.calling import calling, not_tried
from countermand_client import Client, NotFound
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
            names = _names(client, {each.party for each in found})
        return [
            ListedEndpoint(
                document=_document(each),
                owner=names[each.party],
                asks_only=each.url.startswith("mailto:"),
            )
            for each in found
            if each.state != "removed"
        ]

    def pause(self, endpoint: str, *, reason: str) -> Document:
        """Pause one."""
        not_tried()
        with calling() as client:
            return _state(client.endpoints.pause(endpoint, reason=reason or None))

    def resume(self, endpoint: str) -> Document:
        """Resume one."""
        not_tried()
        with calling() as client:
            return _state(client.endpoints.resume(endpoint))

    def confirm(self, endpoint: str, *, again: bool) -> Document:
        """Ask a mailbox once more to confirm itself; only its owner confirms it."""
        if not again:
            fail(Exit.USAGE, "usage", "With --server, only a mailbox's owner confirms it: --again asks once more.")
        not_tried()
        with calling() as client:
            return _state(client.endpoints.confirm(endpoint))

    def rotate(self, endpoint: str, *, overlap_s: int) -> NewSecret:
        """Give one a new secret."""
        not_tried()
        with calling() as client:
            made = client.endpoints.rotate(endpoint, overlap_s=overlap_s)
            return NewSecret(document=_document(made), secret=made.secret)

    def remove(self, endpoint: str) -> Document:
        """Remove one."""
        not_tried()
        with calling() as client:
            found = client.endpoints.get(endpoint)
            client.endpoints.delete(endpoint)
            return {"id": found.id, "state": "removed"}

    def test(self, endpoint: str) -> Document | None:
        """Send a test."""
        not_tried()
        with calling() as client:
            sent = client.endpoints.test(endpoint)
        status = f"{sent.status} {sent.answer}".strip() if sent.status is not None else sent.error
        return {"verdict": "delivered" if sent.ok else "failed", "result": status}


def _names(client: Client, parties: Iterable[str]) -> Mapping[str, str]:
    """What the parties are called, by their ids."""
    own = client.me.get().party
    return {each: own.name if each == own.id else _name(client, each) for each in parties}


def _name(client: Client, party: str) -> str:
    try:
        return client.parties.get(party).name
    except NotFound:
        # Its id says who it is, too.
        return party


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
        "state": found.state,
        "state_reason": found.state_reason,
        "failing_since": found.failing_since.isoformat() if found.failing_since else None,
        "created_at": found.created_at.isoformat(),
    }
