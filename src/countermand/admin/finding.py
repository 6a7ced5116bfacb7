"""What operators name: parties, lines and ids, as they write them."""

import re
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from countermand.admin.callers import PLATFORM
from countermand.domain.numbers import read_digits
from countermand.domain.parties import PartyKind
from countermand.domain.problems import UnfitError, UnknownError
from countermand.ids import read, show
from countermand.reads import lines, parties
from countermand.reads.parties import UnknownPartyError
from countermand.reads.scope import Scope
from countermand.reads.views import LineRow, PartyView

EVERYTHING: Final = Scope(party=PLATFORM, kind=PartyKind.PLATFORM)
"""What an operator sees."""


class BadIdError(UnfitError):
    """The text is not an id."""

    code = "bad_id"


class UnknownLineError(UnknownError):
    """There is no line with this id or number."""

    code = "unknown_line"


class NoRetailerError(UnfitError):
    """The party is not a retailer."""

    code = "no_retailer"


def read_id(prefix: str, text: str) -> UUID:
    """The id in ``text``.

    Raises:
        BadIdError: it is not one.
    """
    found = read(prefix, text) or read("ord", text) or read("lin", text)
    if found is None:
        nobody = UUID(int=0)
        raise BadIdError(f"{text!r} is not an id. An id looks like {nobody} or {show(prefix, nobody)}.")
    return found


def find_party(connection: Connection, text: str) -> PartyView:
    """The party of this name or id. The platform has its name in any case.

    Raises:
        UnknownPartyError: there is none, or more than one of that name.
    """
    try:
        return parties.find_party(connection, text)
    except UnknownPartyError:
        if text.casefold() != "platform":
            raise
        return parties.find_party(connection, str(PLATFORM))


def find_retailer(connection: Connection, text: str) -> PartyView:
    """The retailer of this name or id.

    Raises:
        UnknownPartyError: as ``find_party``.
        NoRetailerError: it is another kind of party.
    """
    found = find_party(connection, text)
    if found.kind != PartyKind.RETAILER.value:
        raise NoRetailerError(f"{found.name} is a {found.kind}, not a retailer.")
    return found


def find_line(connection: Connection, text: str) -> LineRow:
    """The line with this id or number of bol's.

    Raises:
        BadIdError: it is neither.
        UnknownLineError: there is none.
    """
    number = read_digits(text) if re.fullmatch("[0-9]{1,10}", text) else None
    row = lines.line_of_bol_number(connection, number) if number is not None else None
    if number is None:
        row = lines.line_by_id(connection, EVERYTHING, read_id("lin", text))
    if row is None:
        raise UnknownLineError(f"There is no line {text}.")
    return row


def scope_of(connection: Connection, party: str | None) -> Scope:
    """What this party sees; everything when none is named.

    Raises:
        UnknownPartyError: as ``find_party``.
    """
    if party is None:
        return EVERYTHING
    row = find_party(connection, party)
    return Scope(party=row.id, kind=PartyKind(row.kind))
