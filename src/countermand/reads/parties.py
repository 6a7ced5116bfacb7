"""Parties."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, bindparam, case, exists, or_, select, true

from countermand.domain.parties import PartyKind
from countermand.domain.problems import UnknownError
from countermand.domain.search import BEGINNING_CHARS_MIN, spellings_of
from countermand.ids import read
from countermand.reads.beginnings import BEGINNING_MAX, begins, has_beginning
from countermand.reads.filters import given
from countermand.reads.scope import Scope
from countermand.reads.views import PartyView
from countermand.store import tables as t
from countermand.store.columns import IdList, Record, one_of
from countermand.store.views import view, view_or_none

PARTNERS_MAX: Final = 500
"""Of so many partners it is seen whether their names begin as is looked for."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyNames:
    """Which parties an operator chooses from. ``has`` is a part of their names, in any case."""

    has: str = ""
    kinds: tuple[str, ...] = tuple(kind.value for kind in PartyKind)
    status: str | None = None
    limit: int = 200


def parties_by_name(connection: Connection, wanted: PartyNames) -> list[PartyView]:
    """Parties by their kind and name. It looks at all of them, of which there are far fewer than lines."""
    parties = t.parties.c
    place = case({kind.value: number for number, kind in enumerate(_KINDS)}, value=parties.kind)
    query = select(t.parties).where(parties.kind.in_(wanted.kinds), *given((parties.status.__eq__, wanted.status)))
    if wanted.has:
        spelt = (parties.name_folded.contains(each, autoescape=True) for each in spellings_of(wanted.has))
        query = query.where(or_(*spelt))
    query = query.order_by(place, parties.name_folded, parties.id).limit(wanted.limit)
    return [view(PartyView, row) for row in connection.execute(query)]


_KINDS: Final = (PartyKind.PLATFORM, PartyKind.RETAILER, PartyKind.SUPPLIER)


def names_of(connection: Connection, parties: Collection[UUID]) -> dict[UUID, str]:
    """What these parties are called."""
    wanted = one_of(t.parties.c.id, bindparam("wanted", sorted(parties), type_=IdList()))
    return {row.id: row.name for row in connection.execute(select(t.parties.c.id, t.parties.c.name).where(wanted))}


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyFilter:
    """Which parties to list. ``begins`` is how their names begin, in any case."""

    kind: str | None = None
    status: str | None = None
    begins: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: UUID | None = None
    limit: int = 50


def parties_seen(connection: Connection, scope: Scope, wanted: PartyFilter) -> list[PartyView]:
    """Parties that this one may see, newest first: itself and its partners; all to a platform."""
    parties = t.parties.c
    query = select(t.parties).where(_seen_by(scope)).order_by(parties.id.desc()).limit(wanted.limit)
    query = query.where(
        *given(
            (parties.kind.__eq__, wanted.kind),
            (parties.status.__eq__, wanted.status),
            (parties.created_at.__ge__, wanted.since),
            (parties.created_at.__lt__, wanted.until),
            (parties.id.__lt__, wanted.after),
            (lambda begin: begins(parties.name_folded, spellings_of(begin)), wanted.begins),
        )
    )
    return [view(PartyView, row) for row in connection.execute(query)]


def parties_named(connection: Connection, scope: Scope, text: str, limit: int) -> list[PartyView]:
    """Parties that this one may see with this name, then those whose name begins so. In any case.

    Of many parties that begin so, those of the first ``BEGINNING_MAX`` are found that may be seen, and those among the
    first ``PARTNERS_MAX`` partners.
    """
    parties, spellings = t.parties.c, spellings_of(text)
    whole = select(t.parties).where(parties.name_folded.in_(spellings), _seen_by(scope)).order_by(parties.id)
    rows = list(connection.execute(whole.limit(limit)))
    if len(text) >= BEGINNING_CHARS_MIN:
        begun = select(parties.id).where(begins(parties.name_folded, spellings)).order_by(parties.name_folded)
        placed = begun.limit(BEGINNING_MAX).subquery("placed")
        query = select(t.parties).join(placed, placed.c.id == parties.id).where(_seen_by(scope))
        rows += connection.execute(query.order_by(parties.name_folded).limit(limit))
        rows += _partners_that_begin(connection, scope, spellings)
    return list({row.id: view(PartyView, row) for row in rows}.values())[:limit]


def _partners_that_begin(connection: Connection, scope: Scope, spellings: Sequence[str]) -> list[Record]:
    """Asked for by id and sorted here: PostgreSQL would go through all parties that begin so, to have them in order."""
    parties, links = t.parties.c, t.connections.c
    if scope.kind is PartyKind.PLATFORM:
        return []
    mine, theirs = links.retailer_id, links.supplier_id
    if scope.kind is PartyKind.SUPPLIER:
        mine, theirs = theirs, mine
    first = connection.execute(select(theirs).where(mine == scope.party).limit(PARTNERS_MAX)).scalars().all()
    partners = one_of(parties.id, bindparam("partners", first, type_=IdList()))
    those = select(t.parties).where(partners, has_beginning(parties.name_folded, spellings))
    return sorted(connection.execute(those), key=attrgetter("name_folded"))


def party_seen(connection: Connection, scope: Scope, party: UUID) -> PartyView | None:
    """One party, if this one may see it."""
    query = select(t.parties).where(t.parties.c.id == party, _seen_by(scope))
    return view_or_none(PartyView, connection.execute(query).first())


def find_seen(connection: Connection, scope: Scope, text: str) -> PartyView:
    """The party with this id or name, if this one may see it.

    Raises:
        UnknownPartyError: there is none, or more than one of that name.
    """
    wanted = read("pty", text)
    where = t.parties.c.id == wanted if wanted else t.parties.c.name == text
    rows = connection.execute(select(t.parties).where(where, _seen_by(scope))).all()
    if len(rows) != 1:
        raise UnknownPartyError("There is no such party.")
    return view(PartyView, rows[0])


def _seen_by(scope: Scope) -> ColumnElement[bool]:
    links, own = t.connections.c, t.parties.c.id == scope.party
    match scope.kind:
        case PartyKind.PLATFORM:
            return true()
        case PartyKind.RETAILER:
            partners = exists().where(links.retailer_id == scope.party, links.supplier_id == t.parties.c.id)
        case PartyKind.SUPPLIER:
            partners = exists().where(links.supplier_id == scope.party, links.retailer_id == t.parties.c.id)
    return or_(own, partners)
