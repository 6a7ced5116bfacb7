"""Parties."""

from sqlalchemy import Connection, select

from countermand.ids import read
from countermand.store import tables as t
from countermand.store.columns import Record


class UnknownPartyError(LookupError):
    """There is no such party, or several of that name. The message says which."""


def find_party(connection: Connection, text: str) -> Record:
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
    return rows[0]
