"""Whose view it is, and what that party may see of what a key has led to."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    ScalarSelect,
    TextClause,
    and_,
    bindparam,
    exists,
    or_,
    select,
    text,
    true,
)

from countermand.domain.line import State
from countermand.domain.parties import PartyKind
from countermand.store import tables as t
from countermand.store.columns import Id


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The party that reads. A retailer sees its orders, a supplier its lines of orders not held, a platform all."""

    party: UUID
    kind: PartyKind


ANYBODY: Final = Scope(party=UUID(int=0), kind=PartyKind.PLATFORM)
"""Whoever it is: what is read for several parties at once, and then given to those that may see it."""


@cache
def whoever(kind: PartyKind) -> Scope:
    """A party of this kind that is told later, as the parameter ``party``: its statement is made once for all."""
    party: Any = bindparam("party", type_=Id)
    return Scope(party=party, kind=kind)


def retailer_of(subject: UUID | BindParameter[UUID]) -> ScalarSelect[UUID]:
    """The retailer of an order or a line: what is named by its id alone is found by the whole of its key."""
    return select(t.id_directory.c.retailer_id).where(t.id_directory.c.id == subject).scalar_subquery()


def is_numbered(number: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The line with this number of bol's, of any retailer: found by the whole of its key as well."""
    numbers = t.line_numbers.c
    of_it = numbers.number == number
    return (
        t.lines.c.retailer_id == select(numbers.retailer_id).where(of_it).scalar_subquery(),
        t.lines.c.id == select(numbers.line_id).where(of_it).scalar_subquery(),
    )


def is_cancellation(cancellation: UUID | BindParameter[UUID]) -> ColumnElement[bool]:
    """The cancellation with this id: a look into an index for each state, as its id names no retailer."""
    return and_(t.cancellations.c.state.in_([state.value for state in State]), t.cancellations.c.id == cancellation)


def as_indexed(condition: str) -> TextClause:
    """A condition in the words of a partial index, which SQLite compares."""
    return text(condition)


def line_scope(scope: Scope) -> ColumnElement[bool]:
    """Which of these lines the party may see."""
    match scope.kind:
        case PartyKind.PLATFORM:
            return true()
        case PartyKind.RETAILER:
            # A retailer may also hold goods that another retailer sold.
            return or_(t.lines.c.retailer_id == scope.party, _held_by(scope))
        case PartyKind.SUPPLIER:
            return _held_by(scope)


def asked_before_it_left(scope: Scope) -> ColumnElement[bool]:
    """Which cancellations a former fulfiller may still see: those that were asked while it held the goods."""
    moves = t.reassignments.alias("departures").c
    return exists().where(
        moves.retailer_id == t.cancellations.c.retailer_id,
        moves.line_id == t.cancellations.c.line_id,
        moves.former_id == scope.party,
        moves.at >= t.cancellations.c.asked_at,
    )


def until_it_left(scope: Scope) -> ColumnElement[bool]:
    """Which events a former fulfiller may still see: those until it left, if it knew of the order."""
    moves, lines = t.reassignments.alias("departures").c, t.lines.alias("departed_lines").c
    return exists().where(
        moves.retailer_id == t.events.c.retailer_id,
        moves.line_id == t.events.c.line_id,
        moves.former_id == scope.party,
        moves.seq >= t.events.c.seq,
        lines.retailer_id == moves.retailer_id,
        lines.id == moves.line_id,
        lines.with_fulfiller == true(),
    )


def event_scope(scope: Scope) -> ColumnElement[bool]:
    """Which events of these lines the party may see."""
    return or_(line_scope(scope), until_it_left(scope)) if scope.kind is not PartyKind.PLATFORM else true()


def order_scope(scope: Scope) -> ColumnElement[bool]:
    """Which of these orders the party may see."""
    parts = t.order_parts.c
    of_order = (parts.retailer_id == t.orders.c.retailer_id, parts.order_id == t.orders.c.id)
    held = exists().where(*of_order, parts.fulfiller_id == scope.party, parts.held == true())
    match scope.kind:
        case PartyKind.PLATFORM:
            return true()
        case PartyKind.RETAILER:
            return or_(t.orders.c.retailer_id == scope.party, held)
        case PartyKind.SUPPLIER:
            return held


def _held_by(scope: Scope) -> ColumnElement[bool]:
    return and_(t.lines.c.fulfiller_id == scope.party, t.lines.c.with_fulfiller == true())
