"""Parties: add one, let one take part or not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from countermand.admin.audit import Action, Author, Change, record
from countermand.admin.callers import PLATFORM
from countermand.domain.parties import PartyKind
from countermand.domain.problems import RefusedError, UnfitError
from countermand.ids import Ids
from countermand.reads.parties import UnknownPartyError
from countermand.reads.views import PartyView
from countermand.store import statements as sql
from countermand.store import tables as t
from countermand.store.changes import change_exactly
from countermand.store.revisions import agreements_changed
from countermand.store.views import view

NAME_MAX: Final = 255


class BadNameError(UnfitError):
    """A party cannot be called so."""

    code = "bad_name"


class TakenError(RefusedError):
    """The name or e-mail address belongs to another one already."""

    code = "name_taken"


class PlatformStaysError(RefusedError):
    """The platform cannot be deactivated."""

    code = "platform_stays"


def enter(connection: Connection, ids: Ids, now: datetime, *, kind: PartyKind, name: str) -> UUID:
    """Add a party, in no audit trail. Its number is what bol calls ``sellerId``.

    Raises:
        TakenError: another party has this name.
    """
    _check_free(connection, name)
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
    _check_name(name)
    party = enter(connection, author.ids, author.at, kind=kind, name=name)
    detail = {"kind": kind.value, "name": name}
    record(connection, author, Change(action=Action.PARTY_ADDED, party=party, target=party, detail=detail))
    return party


def set_active(connection: Connection, author: Author, party: UUID, *, active: bool, note: str = "") -> PartyView:
    """Let a party take part, or not any more. What waits for its answer is handed over separately (EC-26).

    Raises:
        UnknownPartyError: there is no such party.
        PlatformStaysError: it is the platform.
    """
    before = locked(connection, party)
    if party == PLATFORM:
        raise PlatformStaysError("The platform cannot leave.")
    after = replace(before, status="active" if active else "deactivated")
    if after == before:
        return before
    switch(connection, party, active=active)
    action = Action.PARTY_ACTIVATED if active else Action.PARTY_DEACTIVATED
    detail = {"note": note} if note else {}
    record(connection, author, Change(action=action, party=party, target=party, detail=detail))
    return after


def add_shown(connection: Connection, author: Author, *, kind: PartyKind, name: str) -> PartyView:
    """Add a party, and give it back.

    Raises:
        BadNameError, TakenError: as ``add``.
    """
    return locked(connection, add(connection, author, kind=kind, name=name))


def rename(
    connection: Connection, author: Author, party: UUID, name: str | None, *, as_seen: Callable[[PartyView], None]
) -> PartyView:
    """Give a party another name. ``as_seen`` raises if the party is not as the caller saw it.

    Raises:
        UnknownPartyError: there is no such party.
        BadNameError, TakenError: as ``add``.
    """
    before = locked(connection, party)
    as_seen(before)
    if name is None or name == before.name:
        return before
    _check_name(name)
    _check_free(connection, name)
    change_exactly(connection, 1, update(t.parties).where(t.parties.c.id == party).values(name=name))
    detail = {"from": before.name, "to": name}
    record(connection, author, Change(action=Action.PARTY_RENAMED, party=party, target=party, detail=detail))
    return replace(before, name=name)


def locked(connection: Connection, party: UUID) -> PartyView:
    """A party that is about to change.

    Raises:
        UnknownPartyError: there is no such party.
    """
    row = connection.execute(select(t.parties).where(t.parties.c.id == party).with_for_update()).first()
    if row is None:
        raise UnknownPartyError("There is no such party.")
    return view(PartyView, row)


def lock_names(connection: Connection) -> None:
    """Let nobody else take a name until this transaction ends: two at once would both find it free."""
    connection.execute(sql.TAKE_NUMBERS, {"of_name": "bol", "size": 0})


def _check_name(name: str) -> None:
    if not (1 <= len(name) <= NAME_MAX and name.isprintable() and name == name.strip()):
        raise BadNameError(f"A name has 1 to {NAME_MAX} printable characters, and no blanks around them.")


def _check_free(connection: Connection, name: str) -> None:
    lock_names(connection)
    if connection.execute(select(t.parties.c.id).where(t.parties.c.name == name)).first():
        raise TakenError(f"There is a party called {name} already.")
