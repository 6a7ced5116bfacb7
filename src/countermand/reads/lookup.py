"""Orders by what people have at hand: an id, a number, a reference, a payment, a customer. Each goes by an index."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, or_, select, union

from countermand.domain.parties import PartyKind
from countermand.domain.search import key_of_email, key_of_name, key_of_payment, words_of
from countermand.ids import read
from countermand.reads.beginnings import Way, by_sku, newest_that_begin, orders_that_begin, orders_titled
from countermand.reads.scope import Scope, is_cancellation, is_numbered, line_scope, order_scope, retailer_of
from countermand.reads.terms import key_columns, keys_from
from countermand.store import tables as t
from countermand.store.columns import Record
from countermand.store.engines.protocol import Engine, TooBroadError, engine_of
from countermand.store.statements import NUMBER_END

FOUND_MAX: Final = 200
"""So many orders a look-up may lead to where what belongs to all of them is listed."""

CHECKED_MAX: Final = 500
"""Of so many orders, the newest, it is seen whether they have the other words of a name as well."""

WORDS_MAX: Final = 10
"""More words than these no name is looked up by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """What is known of an order; all that is given must fit.

    ``anything`` is one of them, an id, a SKU, a customer, or how one of them begins, or a word of a title; with
    ``whole``, not how it begins.
    """

    reference: str | None = None
    number: int | None = None
    email: str | None = None
    payment: str | None = None
    tracking: str | None = None
    anything: str | None = None
    whole: bool = False

    @property
    def is_given(self) -> bool:
        """Whether it looks for anything at all."""
        given = (self.reference, self.number, self.email, self.payment, self.tracking, self.anything)
        return any(each is not None for each in given)


class TooManyFoundError(TooBroadError):
    """More orders fit than are looked through."""

    def __init__(self) -> None:
        Exception.__init__(self, f"More than {FOUND_MAX} orders fit this.")


Place = tuple[datetime, UUID]
"""Where an order stands among those that were found: when it was placed, and its id."""


def orders_found(
    connection: Connection,
    scope: Scope,
    wanted: Lookup,
    count: int,
    behind: Place | None = None,
    *,
    narrowed: Callable[[Select[*tuple[Any, ...]]], Select[*tuple[Any, ...]]] | None = None,
) -> Sequence[Record]:
    """The keys of at most ``count`` orders that fit, newest first: ``retailer_id``, ``order_id``, ``placed_at``.

    With ``behind``, only those after the order at that place. ``narrowed`` are conditions that hold besides.

    Raises:
        TooManyFoundError: several things are given, and one of them fits more than ``FOUND_MAX``.
    """
    given = _ways(engine_of(connection), scope, wanted)
    ways = [[narrowed(query) if narrowed else query for query in way] for way in given]
    if len(ways) == 1:
        return _newest_of(connection, [_older(query, behind) for query in ways[0]], count)
    first, *others = (_newest_of(connection, way, FOUND_MAX + 1) for way in ways)
    if any(len(rows) > FOUND_MAX for rows in (first, *others)):
        raise TooManyFoundError
    found = [row for row in first if all(row in rows for rows in others)]
    return [row for row in found if behind is None or (row.placed_at, row.order_id) < behind][:count]


def all_orders_found(connection: Connection, scope: Scope, wanted: Lookup) -> tuple[tuple[UUID, UUID], ...]:
    """The retailer and the id of every order that fits. Of too many that begin so, those are taken that fit wholly.

    Raises:
        TooManyFoundError: there are more than ``FOUND_MAX``.
    """
    rows = orders_found(connection, scope, wanted, FOUND_MAX + 1)
    if len(rows) > FOUND_MAX and wanted.anything is not None:
        rows = orders_found(connection, scope, replace(wanted, whole=True), FOUND_MAX + 1) or rows
    if len(rows) > FOUND_MAX:
        raise TooManyFoundError
    return tuple((row.retailer_id, row.order_id) for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """Orders that were found ``by`` something, by the ``whole`` of it or by how it begins."""

    by: str
    whole: bool
    keys: Sequence[Record]


def found_by(connection: Connection, scope: Scope, text: str, count: int) -> Iterator[Hits]:
    """At most ``count`` orders, newest first, for each thing that the text can be of an order."""
    ways = [(name, True, way) for name, way in _whole(scope, text).items()]
    ways += [(name, False, way) for name, way in _begun(engine_of(connection), scope, text).items()]
    for name, whole, way in ways:
        yield Hits(by=name, whole=whole, keys=_newest_of(connection, way, count))


def keys_titled(connection: Connection, scope: Scope, text: str, count: int) -> Sequence[Record]:
    """At most ``count`` orders, newest first, that have a line with such a title."""
    return _newest_of(connection, orders_titled(engine_of(connection), scope, text), count)


def _newest_of(connection: Connection, way: Way, count: int) -> Sequence[Record]:
    if not way:
        return []
    firsts = [_newest(each).limit(count).subquery(f"branch_{place}") for place, each in enumerate(way)]
    together = union(*map(keys_from, firsts)).subquery("found")
    found = key_columns("found")
    newest = keys_from(together).order_by(found.placed_at.desc(), found.order_id.desc())
    return connection.execute(newest.limit(count)).all()


def _older(query: Select[*tuple[Any, ...]], behind: Place | None) -> Select[*tuple[Any, ...]]:
    if behind is None:
        return query
    order, placed_at = (getattr(each, "element", each) for each in query.selected_columns[1:])
    return query.where(placed_at <= behind[0], or_(placed_at < behind[0], order < behind[1]))


def _newest(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    _, order, placed_at = query.selected_columns
    return query.order_by(*(getattr(column, "element", column).desc() for column in (placed_at, order)))


def _ways(engine: Engine, scope: Scope, wanted: Lookup) -> Iterator[Way]:
    if wanted.number is not None:
        yield list(_by_number(scope, wanted.number))
    if wanted.payment is not None:
        yield _by_key(scope, key_of_payment(wanted.payment))
    if wanted.email is not None:
        yield _by_key(scope, key_of_email(wanted.email))
    if wanted.tracking is not None:
        yield [_shipped(scope, wanted.tracking)]
    if wanted.reference is not None:
        yield [_order(scope, t.orders.c.reference == wanted.reference)]
    if wanted.anything is not None:
        text = wanted.anything.strip()
        found = [_whole(scope, text), {} if wanted.whole else _begun(engine, scope, text)]
        yield [query for ways in found for way in ways.values() for query in way]


def _whole(scope: Scope, text: str) -> dict[str, Way]:
    """By the whole of something, by what that is."""
    words = [] if "@" in text else words_of(text)[:WORDS_MAX]
    return {
        "reference": [_order(scope, t.orders.c.reference == text)],
        "number": list(_by_number(scope, int(text))) if re.fullmatch("[0-9]{1,10}", text) else [],
        "id": list(_by_id(scope, text)),
        "tracking_number": [_shipped(scope, text)],
        "sku": by_sku(scope, text, whole=True),
        "payment_reference": _by_key(scope, key_of_payment(text)),
        "email": _by_key(scope, key_of_email(text)) if "@" in text else [],
        "name": list(_by_name(scope, words)) if words else [],
    }


def _begun(engine: Engine, scope: Scope, text: str) -> dict[str, Way]:
    """By how something begins, or by words of a title."""
    newest = newest_that_begin(scope, text)
    ways = {name: [*way, *newest.get(name, ())] for name, way in orders_that_begin(scope, text).items()}
    return ways | {"title": orders_titled(engine, scope, text)}


def _by_number(scope: Scope, number: int) -> Iterator[Any]:
    """By bol's number of a line, or of an order."""
    if number > NUMBER_END:
        return
    yield _order(scope, t.orders.c.number == number)
    yield _line(scope, *is_numbered(number))


def _by_id(scope: Scope, text: str) -> Iterator[Any]:
    if order := read("ord", text):
        yield _order(scope, t.orders.c.retailer_id == retailer_of(order), t.orders.c.id == order)
    if line := read("lin", text):
        yield _line(scope, t.lines.c.retailer_id == retailer_of(line), t.lines.c.id == line)
    if cancellation := read("can", text):
        of_line = t.named_by(t.cancellations.c.line_id, t.lines)
        yield _line(scope, is_cancellation(cancellation)).join(t.cancellations, of_line)
    refund = read("rfd", text)
    if refund and scope.kind is not PartyKind.SUPPLIER:
        of_order = t.named_by(t.refunds.c.order_id, t.orders)
        mine = _own(scope, t.refunds.c.retailer_id)
        yield _ORDERS.join(t.refunds, of_order).where(t.refunds.c.id == refund, *mine)


def _by_name(scope: Scope, words: list[str]) -> Iterator[Any]:
    """By the name as a whole, and by its longest word where the newest orders have the others too."""
    yield from _by_key(scope, key_of_name(words))
    if len(words) == 1:
        return
    first, *others = sorted(words, key=len, reverse=True)
    for query in _by_key(scope, key_of_name([first])):
        near = _newest(query).limit(CHECKED_MAX).subquery("first")
        has_others = (_has_key(key_of_name([word]), f"word_{n}") for n, word in enumerate(others))
        yield keys_from(near).where(*has_others)


def _shipped(scope: Scope, tracking_number: str) -> Select[*tuple[Any, ...]]:
    """By the number of a parcel."""
    parcels, inside = t.shipments.c, t.shipment_lines.c
    of_parcel = and_(inside.retailer_id == parcels.retailer_id, inside.shipment_id == parcels.id)
    return (
        _line(scope, parcels.tracking_number == tracking_number)
        .join(t.shipment_lines, t.named_by(inside.line_id, t.lines))
        .join(t.shipments, of_parcel)
    )


def _has_key(key: str, name: str) -> ColumnElement[bool]:
    keys, first = t.order_keys.alias(name).c, key_columns("first")
    same = (keys.retailer_id == first.retailer_id, keys.placed_at == first.placed_at)
    return exists().where(keys.key == key, *same, keys.order_id == first.order_id)


def _by_key(scope: Scope, key: str) -> Way:
    """A supplier finds nothing by customers and payments; a retailer finds its own orders."""
    if scope.kind is PartyKind.SUPPLIER:
        return []
    keys = t.order_keys.c
    query = select(keys.retailer_id, keys.order_id, keys.placed_at)
    return [query.where(keys.key == key, *_own(scope, keys.retailer_id))]


def _own(scope: Scope, retailer: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    return [] if scope.kind is PartyKind.PLATFORM else [retailer == scope.party]


_ORDERS: Final = select(t.orders.c.retailer_id, t.orders.c.id.label("order_id"), t.orders.c.placed_at)


def _order(scope: Scope, *conditions: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    return _ORDERS.where(*conditions, order_scope(scope))


def _line(scope: Scope, *conditions: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    return select(t.lines.c.retailer_id, t.lines.c.order_id, t.lines.c.placed_at).where(*conditions, line_scope(scope))
