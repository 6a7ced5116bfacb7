"""Endpoints at a service."""

from collections.abc import Mapping, Sequence

from countermand.cli.nouns import Document, ListedEndpoint, NewSecret
from countermand.cli.output import Exit, fail
from countermand.cli.remote.calling import calling, not_tried
from countermand_client import Client
from countermand_client.models import Endpoint


class RemoteEndpoints:
    """Endpoints of the token's party; the platform names others."""

    def add(self, url: str, *, party: str, events: Sequence[str], label: str) -> NewSecret:
        """Register one."""
        not_tried()
        with calling() as client:
            owners = _names(client)
            # Only the platform registers endpoints of others.
            other = None if party in owners or party in owners.values() else party
            made = client.endpoints.create(url=url, events=list(events) or None, label=label or None, party=other)
            return NewSecret(document=_document(made, next(iter(owners))), secret=made.secret)

    def all(self, party: str | None) -> Sequence[ListedEndpoint]:
        """All that are there, but those that were removed."""
        with calling() as client:
            own = _names(client)
            (mine,) = own
            found = list(client.endpoints.list(party=party))
            owners = {each.party or mine for each in found} - own.keys()
            names = {**own, **{each: client.parties.get(each).name for each in sorted(owners)}}
        return [
            ListedEndpoint(
                document=_document(each, mine),
                owner=names[each.party or mine],
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
            (mine,) = _names(client)
            made = client.endpoints.rotate(endpoint, overlap_s=overlap_s)
            return NewSecret(document=_document(made, mine), secret=made.secret)

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


def _names(client: Client) -> Mapping[str, str]:
    """The token's party, by its id."""
    own = client.me.get().party
    return {own.id: own.name}


def _state(found: Endpoint) -> Document:
    return {"id": found.id, "state": found.state}


def _document(found: Endpoint, owner: str) -> Document:
    """The endpoint as commands print it."""
    return {
        "id": found.id,
        "party": found.party or owner,
        "url": found.url,
        "label": found.label,
        "events": found.events,
        "state": found.state,
        "state_reason": found.state_reason,
        "failing_since": found.failing_since.isoformat() if found.failing_since else None,
        "created_at": found.created_at.isoformat(),
    }
