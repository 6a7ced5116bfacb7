"""Which orders have words in the titles of their lines, or SKUs: by the terms of their parts."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Label, Select, and_, literal, literal_column, or_, select, true

from countermand.domain.parties import PartyKind
from countermand.domain.search import term_of_holder, term_of_retailer
from countermand.reads.scope import Scope
from countermand.store import tables as t
from countermand.store.columns import Id, Instant
from countermand.store.engines.protocol import Engine, Terms


class KeyColumns(NamedTuple):
    """The columns of a key of an order."""

    retailer_id: Label[UUID]
    order_id: Label[UUID]
    placed_at: Label[datetime]


@cache
def key_columns(name: str) -> KeyColumns:
    """Those of a subquery of this name. SQLAlchemy makes its own anew each time, which takes longer than the query."""
    return KeyColumns(
        literal_column(f"{name}.retailer_id", Id).label("retailer_id"),
        literal_column(f"{name}.order_id", Id).label("order_id"),
        literal_column(f"{name}.placed_at", Instant).label("placed_at"),
    )


def keys_from(found: Any) -> Select[*tuple[Any, ...]]:
    """The keys in such a subquery."""
    return select(*key_columns(found.name)).select_from(found)


def keys_with_terms(
    engine: Engine, scope: Scope, terms: Sequence[str], *, begin: bool, most: int | None = None
) -> Select[*tuple[Any, ...]]:
    """Keys of orders with a part that has these terms, or terms that ``begin`` so, by the full-text index."""
    # Who held lines of it before, and holds none any more, is found by its terms too.
    party = None if scope.kind is PartyKind.PLATFORM else scope.party
    return engine.keys_by_terms(Terms(all=terms, begin=begin, whose=_whose(scope), party=party, most=most))


def has_part(scope: Scope, terms: Sequence[str], keys: Any) -> ColumnElement[bool]:
    """Whether each of these orders has a part with terms that begin so."""
    parts = t.order_parts.c
    padded = literal(" ") + parts.terms
    return exists_by_key(
        t.order_parts,
        parts.retailer_id == keys.retailer_id,
        parts.order_id == keys.order_id,
        part_scope(scope),
        *(padded.contains(f" {term}") for term in terms),
    )


def part_scope(scope: Scope) -> ColumnElement[bool]:
    """Which parts of orders the party may see."""
    parts = t.order_parts.c
    held = and_(parts.fulfiller_id == scope.party, parts.held == true())
    match scope.kind:
        case PartyKind.PLATFORM:
            return true()
        case PartyKind.RETAILER:
            return or_(parts.retailer_id == scope.party, held)
        case PartyKind.SUPPLIER:
            return held


def exists_by_key(table: FromClause, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Looked up row by row: ``OFFSET 0`` keeps PostgreSQL from joining the whole table instead."""
    return select(literal_column("1")).select_from(table).where(*conditions).offset(0).correlate_except(table).exists()


def _whose(scope: Scope) -> list[list[str]]:
    match scope.kind:
        case PartyKind.PLATFORM:
            return []
        case PartyKind.RETAILER:
            return [[term_of_retailer(scope.party), term_of_holder(scope.party)]]
        case PartyKind.SUPPLIER:
            return [[term_of_holder(scope.party)]]
