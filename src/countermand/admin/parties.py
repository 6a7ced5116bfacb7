"""Parties: add one, let one take part or not."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from countermand.admin.audit import Action, Author, Change, record
from countermand.domain.parties import PartyKind
from countermand.domain.problems import RefusedError, UnfitError
from countermand.ids import Ids
from countermand.store import statements as sql
from countermand.store import tables as t
from countermand.store.changes import change_exactly
from countermand.store.revisions import agreements_changed

NAME_MAX: Final = 255


class BadNameError(UnfitError):
    """A party cannot be called so."""

    code = "bad_name"


class TakenError(RefusedError):
    """The name or e-mail address belongs to another one already."""

    code = "taken"


def enter(connection: Connection, ids: Ids, now: datetime, *, kind: PartyKind, name: str) -> UUID:
    """Add a party, in no audit trail. Its number is what bol calls ``sellerId``.

    Raises:
        TakenError: another party has this name.
    """
    if connection.execute(select(t.parties.c.id).where(t.parties.c.name == name)).first():
        raise TakenError(f"There is a party called {name} already.")
    party = ids.new()
    number = connection.execute(sql.TAKE_NUMBERS, {"of_name": "bol", "size": 1}).scalar_one() - 1
    connection.execute(
        insert(t.parties).values(id=party, number=number, kind=kind.value, name=name, created_at=now, status="active")
    )
    return party


def switch(connection: Connection, party: UUID, *, active: bool) -> None:
    """Let a party take part, or not any more: then its credentials open nothing, and operators answer for it (EC-26).

    What waits for it already has to be handed over separately: each is a matter of its line's history.
    """
    status = "active" if active else "deactivated"
    change_exactly(connection, 1, update(t.parties).where(t.parties.c.id == party).values(status=status))
    agreements_changed(connection)


def add(connection: Connection, author: Author, *, kind: PartyKind, name: str) -> UUID:
    """Add a party.

    Raises:
        BadNameError: it is empty, longer than ``NAME_MAX``, or cannot be shown.
        TakenError: another party has this name.
    """
    if not (1 <= len(name) <= NAME_MAX and name.isprintable() and name == name.strip()):
        raise BadNameError(f"A name has 1 to {NAME_MAX} printable characters, and no blanks around them.")
    party = enter(connection, author.ids, author.at, kind=kind, name=name)
    detail = {"kind": kind.value, "name": name}
    record(connection, author, Change(action=Action.PARTY_ADDED, party=party, target=party, detail=detail))
    return party


def set_active(connection: Connection, author: Author, party: UUID, *, active: bool) -> None:
    """Let a party take part, or not any more. What waits for its answer is handed over separately (EC-26)."""
    switch(connection, party, active=active)
    action = Action.PARTY_ACTIVATED if active else Action.PARTY_DEACTIVATED
    record(connection, author, Change(action=action, party=party, target=party))
