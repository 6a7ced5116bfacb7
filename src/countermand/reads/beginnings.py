"""What is found by how its name begins: references, SKUs, tracking numbers, e-mail addresses, payments, titles.

Each has an index in which those that begin alike stand together. Of many, only the last in that order are looked at,
and besides those among the newest orders: so a beginning that half of all orders have costs no more than a rare one.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, and_, func, or_, select, true

from countermand.domain.parties import PartyKind
from countermand.domain.search import (
    BEGINNING_CHARS_MIN,
    beginning_of_email,
    beginning_of_payment,
    end_of,
    spellings_of,
    term_of_word,
    words_of,
)
from countermand.reads.scope import Scope, as_indexed, line_scope
from countermand.reads.terms import (
    KeyColumns,
    exists_by_key,
    has_part,
    key_columns,
    keys_from,
    keys_with_terms,
    part_scope,
)
from countermand.store import tables as t
from countermand.store.engines.protocol import Engine

BEGINNING_MAX: Final = 150
"""Of so many entries of an index that begin alike the orders are found."""

NEWEST_MAX: Final = 150
"""Of so many orders, the newest that the party may list, it is seen whether anything begins so."""

Way = list[Select[*tuple[Any, ...]]]
"""Questions for the keys of orders, whose answers together fit one thing that is given."""


def begins(column: ColumnElement[Any], spellings: Sequence[str]) -> ColumnElement[bool]:
    """The column begins with one of these. Its index serves."""
    return or_(*(and_(column >= each, column < end_of(each)) for each in spellings))


def has_beginning(column: ColumnElement[Any], spellings: Sequence[str]) -> ColumnElement[bool]:
    """The same of a row that was found by its key. No index serves this: it would find all that begin so."""
    return or_(*(func.substr(column, 1, len(each)) == each for each in spellings))


def orders_that_begin(scope: Scope, text: str) -> dict[str, Way]:
    """Orders of which something begins with this text, by what that is. A supplier is told nothing of customers."""
    if len(text) < BEGINNING_CHARS_MIN:
        return {}
    return {
        "reference": _by_reference(scope, text),
        "sku": by_sku(scope, text),
        "tracking_number": _by_tracking(scope, text),
        "email": _by_key(scope, beginning_of_email(text)),
        "payment_reference": _by_key(scope, beginning_of_payment(text)),
    }


def newest_that_begin(scope: Scope, text: str) -> dict[str, Way]:
    """The same of the newest orders. Of a customer and of payments nothing can be seen in an order."""
    if len(text) < BEGINNING_CHARS_MIN:
        return {}
    spellings, parts, lines, parcels = spellings_of(text), t.order_parts, t.lines, t.shipments
    tests: dict[str, Any] = {
        "reference": lambda of: exists_by_key(
            parts, *_same(parts, of), part_scope(scope), has_beginning(parts.c.reference_folded, spellings)
        ),
        "sku": lambda of: exists_by_key(
            lines, *_same(lines, of), line_scope(scope), has_beginning(lines.c.sku_folded, spellings)
        ),
        "tracking_number": lambda of: exists_by_key(
            parcels, *_same(parcels, of), _sent_by(scope), has_beginning(parcels.c.tracking_folded, spellings)
        ),
    }
    return {
        name: [_keys(first, fits(key_columns("first"))) for first in _newest(scope)] for name, fits in tests.items()
    }


def orders_titled(engine: Engine, scope: Scope, text: str) -> Way:
    """Orders with a title of these words, or of words that begin so."""
    terms = [term_of_word(word) for word in words_of(text)]
    if len(text) < BEGINNING_CHARS_MIN or not terms:
        return []
    found = keys_with_terms(engine, scope, terms, begin=True, most=BEGINNING_MAX).subquery("placed")
    return [_keys(found), *(_keys(first, has_part(scope, terms, key_columns("first"))) for first in _newest(scope))]


def _newest(scope: Scope) -> list[Any]:
    orders, parts = t.orders.c, t.order_parts.c
    sold = select(orders.retailer_id, orders.id.label("order_id"), orders.placed_at)
    held = select(parts.retailer_id, parts.order_id, parts.placed_at).where(
        as_indexed("order_parts.fulfiller_id <> order_parts.retailer_id"),
        parts.fulfiller_id == scope.party,
        parts.held == true(),
    )
    listed = {
        PartyKind.PLATFORM: [(sold, orders.placed_at, orders.id)],
        PartyKind.RETAILER: [
            (sold.where(orders.retailer_id == scope.party), orders.placed_at, orders.id),
            (held, parts.placed_at, parts.order_id),
        ],
        PartyKind.SUPPLIER: [(held, parts.placed_at, parts.order_id)],
    }[scope.kind]
    return [
        query.order_by(placed_at.desc(), order.desc()).limit(NEWEST_MAX).subquery("first")
        for query, placed_at, order in listed
    ]


def near(
    scope: Scope, table: Table, column: str, spellings: Sequence[str], columns: Sequence[str], *, whole: bool = False
) -> list[Any]:
    """The last rows, in the order of an index, whose ``column`` begins so, or is so, by each index of this caller."""
    found = []
    for mine in _whose(scope, table):
        for spelling in spellings:
            such = table.c[column] == spelling if whole else begins(table.c[column], [spelling])
            query = select(*(table.c[name] for name in columns)).where(*mine, such)
            order = ("placed_at", "order_id") if whole else (column,)
            found.append(
                query.order_by(*(table.c[name].desc() for name in order)).limit(BEGINNING_MAX).subquery("placed")
            )
    return found


def _by_reference(scope: Scope, text: str) -> Way:
    found = near(scope, t.order_parts, "reference_folded", spellings_of(text), KeyColumns._fields)
    return [_keys(each) for each in found]


def by_sku(scope: Scope, text: str, *, whole: bool = False) -> Way:
    """The newest of each index whose SKU begins so, or is so: a SKU is in any number of orders."""
    found = near(scope, t.lines, "sku_folded", spellings_of(text), KeyColumns._fields, whole=whole)
    return [_keys(each) for each in found]


def _by_tracking(scope: Scope, text: str) -> Way:
    orders, placed = t.orders.c, key_columns("placed")
    parcels = near(scope, t.shipments, "tracking_folded", spellings_of(text), ("retailer_id", "order_id"))
    return [
        select(orders.retailer_id, orders.id.label("order_id"), orders.placed_at)
        .distinct()
        .join_from(each, t.orders, and_(orders.retailer_id == placed.retailer_id, orders.id == placed.order_id))
        for each in parcels
    ]


def _by_key(scope: Scope, beginning: str) -> Way:
    if scope.kind is PartyKind.SUPPLIER:
        return []
    keys = t.order_keys.c
    mine = [] if scope.kind is PartyKind.PLATFORM else [keys.retailer_id == scope.party]
    query = select(keys.retailer_id, keys.order_id, keys.placed_at).where(*mine, begins(keys.key, [beginning]))
    return [_keys(query.order_by(keys.key.desc(), keys.placed_at.desc()).limit(BEGINNING_MAX).subquery("placed"))]


def _keys(near: Any, *fits: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """An order may have several lines, parts or parcels that begin alike."""
    return keys_from(near).distinct().where(*fits)


def _same(table: Table, keys: Any) -> tuple[ColumnElement[bool], ...]:
    return table.c.retailer_id == keys.retailer_id, table.c.order_id == keys.order_id


def _whose(scope: Scope, table: Table) -> list[list[Any]]:
    """What each index of this caller is narrowed by: what it sold, and what it holds and knows of."""
    held = [as_indexed(f"{table.name}.fulfiller_id <> {table.name}.retailer_id"), table.c.fulfiller_id == scope.party]
    if table is t.lines:
        held.append(as_indexed("lines.with_fulfiller"))
    if table is t.order_parts:
        held.append(t.order_parts.c.held == true())
    match scope.kind:
        case PartyKind.PLATFORM:
            return [[]]
        case PartyKind.RETAILER:
            return [[table.c.retailer_id == scope.party], held]
        case PartyKind.SUPPLIER:
            return [held]


def _sent_by(scope: Scope) -> ColumnElement[bool]:
    return or_(*(and_(true(), *mine) for mine in _whose(scope, t.shipments)))
