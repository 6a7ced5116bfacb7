"""Parties: add one, let one take part or not."""

from uuid import UUID

from sqlalchemy import Connection

from countermand.admin import accounts
from countermand.admin.audit import Action, Author, Change, record
from countermand.domain.parties import PartyKind


def add(connection: Connection, author: Author, *, kind: PartyKind, name: str) -> UUID:
    """Add a party.

    Raises:
        TakenError: another party has this name.
    """
    party = accounts.add_party(connection, author.ids, author.at, kind=kind, name=name)
    detail = {"kind": kind.value, "name": name}
    record(connection, author, Change(action=Action.PARTY_ADDED, party=party, target=party, detail=detail))
    return party


def set_active(connection: Connection, author: Author, party: UUID, *, active: bool) -> None:
    """Let a party take part, or not any more. What waits for its answer is handed over separately (EC-26)."""
    accounts.set_active(connection, party, active=active)
    action = Action.PARTY_ACTIVATED if active else Action.PARTY_DEACTIVATED
    record(connection, author, Change(action=action, party=party, target=party))
