"""Parties."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import (
    Connection,
    select,
)

from countermand.domain.parties import PartyKind
from countermand.domain.problems import UnknownError
from countermand.ids import read
from countermand.reads.views import PartyView
from countermand.store import tables as t
from countermand.store.views import view


class UnknownPartyError(UnknownError):
    """There is no such party, or several of that name. The message says which."""

    code = "unknown_party"


def find_party(connection: Connection, text: str) -> PartyView:
    """The party with this id or name.

    Raises:
        UnknownPartyError: there is none, or more than one of that name.
    """
    wanted = read("pty", text)
    where = t.parties.c.id == wanted if wanted else t.parties.c.name == text
    rows = connection.execute(select(t.parties).where(where)).all()
    if len(rows) != 1:
        problem = "There is no party" if not rows else f"There are {len(rows)} parties"
        raise UnknownPartyError(f"{problem} with the id or name {text!r}.")
    return view(PartyView, rows[0])


def party_name(connection: Connection, party: UUID) -> str | None:
    """What the party is called."""
    return connection.execute(select(t.parties.c.name).where(t.parties.c.id == party)).scalar()


def active_suppliers(connection: Connection, parties: Sequence[UUID]) -> dict[UUID, PartyKind]:
    """Those of ``parties`` that can hold goods: active suppliers and retailers."""
    rows = connection.execute(
        select(t.parties.c.id, t.parties.c.kind).where(
            t.parties.c.id.in_(parties), t.parties.c.status == "active", t.parties.c.kind != "platform"
        )
    )
    return {row.id: PartyKind(row.kind) for row in rows}


def list_parties(connection: Connection) -> list[PartyView]:
    """Every party, by name."""
    rows = connection.execute(select(t.parties).order_by(t.parties.c.name, t.parties.c.id))
    return [view(PartyView, row) for row in rows]
