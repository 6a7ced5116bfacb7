"""Endpoints of a database."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection

from countermand.admin import endpoints
from countermand.admin.endpoints import Added
from countermand.admin.finding import find_party
from countermand.cli.nouns import Document, ListedEndpoint, NewSecret
from countermand.cli.orders import operator
from countermand.cli.outcomes import unconfirmed
from countermand.cli.output import manners
from countermand.cli.parties import author, find_id
from countermand.cli.running import ask_database, read_settings, with_database
from countermand.documents.endpoints import listed_endpoint
from countermand.domain.delivery import Attempt, Verdict
from countermand.domain.endpoint import Endpoint
from countermand.domain.events import EventKind
from countermand.ids import show
from countermand.reads import parties as party_reads
from countermand.road import Application

T = TypeVar("T")


class LocalEndpoints:
    """Endpoints of all parties, changed in the database."""

    def __init__(self, database: str | None) -> None:
        self._settings = read_settings(database=database)

    def add(self, url: str, *, party: str, events: Sequence[str], label: str) -> NewSecret:
        """Register one."""

        def change(connection: Connection, application: Application) -> Added:
            return endpoints.add(
                connection,
                author(application),
                application.keyring,
                party=find_party(connection, party).id,
                url=url,
                kinds=events,
                label=label,
                rules=application.settings.address_rules,
            )

        return _shown(self._change(change, uses_keys=True))

    def all(self, party: str | None) -> Sequence[ListedEndpoint]:
        """All that are there, but those that were removed."""

        def question(connection: Connection) -> list[tuple[Endpoint, str]]:
            owner = find_party(connection, party).id if party else None
            names = {row.id: row.name for row in party_reads.list_parties(connection)}
            return [(each, names[each.party]) for each in endpoints.of_party(connection, owner)]

        return [
            ListedEndpoint(document=dict(listed_endpoint(each)), owner=owner, asks_only=each.kind.asks_only)
            for each, owner in ask_database(self._settings, question)
        ]

    def pause(self, endpoint: str, *, reason: str) -> Document:
        """Pause one."""
        wanted, who = _id(endpoint), operator().name
        why = f"Paused by {who}" + (f": {reason}" if reason else ".")
        self._change(lambda connection, road: endpoints.pause(connection, author(road), wanted, reason=why))
        return {"id": show(endpoints.PREFIX, wanted), "state": "paused"}

    def resume(self, endpoint: str) -> Document:
        """Resume one."""
        wanted = _id(endpoint)
        return _state(self._change(lambda connection, road: endpoints.resume(connection, author(road), wanted)))

    def confirm(self, endpoint: str, *, again: bool) -> Document:
        """Confirm a mailbox, or ask it once more."""
        wanted = _id(endpoint)

        def change(connection: Connection, application: Application) -> Endpoint:
            by, rules = author(application), application.settings.address_rules
            if not again:
                return endpoints.confirm(connection, by, wanted)
            return endpoints.ask_again_to_confirm(connection, by, wanted, rules=rules)

        return _state(self._change(change))

    def rotate(self, endpoint: str, *, overlap_s: int) -> NewSecret:
        """Give one a new secret."""
        wanted = _id(endpoint)

        def change(connection: Connection, application: Application) -> Added:
            return endpoints.rotate(
                connection,
                author(application),
                application.keyring,
                wanted,
                overlap=timedelta(seconds=overlap_s),
            )

        return _shown(self._change(change, uses_keys=True))

    def remove(self, endpoint: str) -> Document:
        """Remove one."""
        wanted = _id(endpoint)
        self._change(lambda connection, road: endpoints.remove(connection, author(road), wanted))
        return {"id": show(endpoints.PREFIX, wanted), "state": "removed"}

    def test(self, endpoint: str, event: str | None) -> Document | None:
        """Send a test, or a sample of an event."""
        wanted = _id(endpoint)

        async def work(application: Application) -> Attempt | None:
            found = await application.database.read(lambda connection: endpoints.find(connection, wanted))
            if found.unconfirmed_since is not None:
                unconfirmed()
            return None if manners.dry_run else await _try(application, found, EventKind(event) if event else None)

        attempt = with_database(self._settings, work, uses_keys=True)
        return _tested(attempt) if attempt else None

    def _change(self, change: Callable[[Connection, Application], T], *, uses_keys: bool = False) -> T:
        """Run a change in a transaction; what cannot be ends the command with a sentence."""

        async def work(application: Application) -> T:
            return await application.database.write(lambda connection: change(connection, application))

        return with_database(self._settings, work, uses_keys=uses_keys)


def _id(text: str) -> UUID:
    return find_id(endpoints.PREFIX, text)


def _shown(added: Added) -> NewSecret:
    return NewSecret(document=dict(listed_endpoint(added.endpoint)), secret=added.secret)


def _state(found: Endpoint) -> Document:
    return {"id": show(endpoints.PREFIX, found.id), "state": found.state.value}


def _tested(attempt: Attempt) -> Document:
    ok = attempt.verdict is Verdict.DELIVERED
    return {"ok": ok, "status": attempt.status, "answer": attempt.answer, "error": attempt.error}


async def _try(application: Application, endpoint: Endpoint, kind: EventKind | None) -> Attempt:
    # Only this command sends anything, and what it takes is slow to import.
    from countermand.outlets.links import Links
    from countermand.outlets.registry import open_outlets

    settings, keyring = application.settings, application.keyring
    links = Links(keyring, settings.base_url, days=settings.answer_link_days)
    outlets, _ = open_outlets(
        settings, keyring=keyring, links=links, clock=application.clock, database=application.database
    )
    try:
        return await outlets.of(endpoint).test(endpoint, application.ids.new(), application.clock(), kind)
    finally:
        await outlets.close()
