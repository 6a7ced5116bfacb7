"""Which lines a list shows: those of orders in the order of their lists, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, bindparam, or_, select

from countermand.domain.search import BEGINNING_CHARS_MIN, spellings_of
from countermand.reads.beginnings import near
from countermand.reads.lines import LINES, LineDetail
from countermand.reads.lookup import Lookup
from countermand.reads.order_lists import OrderFilter, PlaceInTime, such_lines
from countermand.reads.order_summaries import OrderQuery, order_keys
from countermand.reads.scope import Scope, line_scope, retailer_of
from countermand.store import tables as t
from countermand.store.columns import PairList, pair_of
from countermand.store.views import view


@dataclass(frozen=True, slots=True)
class LinePlace:
    """Where a line stands in a list: when it was ordered, its order, and its position there."""

    order: PlaceInTime
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LineQuery:
    """Which lines to list, after the one at the place ``behind``; ``number`` is bol's number of the line."""

    filter: OrderFilter = field(default_factory=OrderFilter)
    order: UUID | None = None
    number: int | None = None
    behind: LinePlace | None = None
    limit: int = 50


def list_lines(connection: Connection, scope: Scope, wanted: LineQuery) -> list[LineDetail]:
    """Lines that this party may see: those of the order that was placed last first, each order's in their order."""
    lines = t.lines.c
    orders = _orders(connection, scope, wanted)
    if not orders:
        return []
    pairs = pair_of(lines.retailer_id, lines.order_id, bindparam("orders", list(orders), type_=PairList()))
    conditions: list[ColumnElement[bool]] = [pairs, line_scope(scope), *such_lines(wanted.filter)]
    if wanted.number is not None:
        conditions.append(lines.number == wanted.number)
    if wanted.behind is not None:
        conditions.append(or_(lines.order_id != wanted.behind.order.id, lines.position > wanted.behind.position))
    query = LINES.where(*conditions).order_by(lines.placed_at.desc(), lines.order_id.desc(), lines.position)
    return [view(LineDetail, row) for row in connection.execute(query.limit(wanted.limit))]


def lines_of_sku(connection: Connection, scope: Scope, text: str, limit: int) -> list[LineDetail]:
    """Lines that this party may see with this SKU, newest first, then those whose SKU begins so. In any case."""
    spellings, columns = spellings_of(text), ("retailer_id", "id", "placed_at", "order_id")
    found: list[tuple[UUID, UUID]] = []
    for whole in (True, False):
        if whole or len(text) >= BEGINNING_CHARS_MIN:
            ways = near(scope, t.lines, "sku_folded", spellings, columns, whole=whole)
            rows = [row for each in ways for row in connection.execute(select(each))]
            newest = sorted(rows, key=lambda row: (row.placed_at, row.order_id), reverse=True)
            found += [(row.retailer_id, row.id) for row in newest[:limit]]
    if not found:
        return []
    wanted = list(dict.fromkeys(found))[:limit]
    of_lines = pair_of(t.lines.c.retailer_id, t.lines.c.id, bindparam("lines", wanted, type_=PairList()))
    by_id = {row.id: view(LineDetail, row) for row in connection.execute(LINES.where(of_lines))}
    return [by_id[line] for _, line in wanted]


def place_of_line(connection: Connection, scope: Scope, line: UUID) -> LinePlace | None:
    """Where a line stands; ``None`` if there is none that this party may see."""
    lines = t.lines.c
    query = select(lines.placed_at, lines.order_id, lines.position)
    mine = (lines.retailer_id == retailer_of(line), lines.id == line, line_scope(scope))
    row = connection.execute(query.where(*mine)).first()
    return None if row is None else LinePlace(PlaceInTime(row.placed_at, row.order_id), row.position)


def _orders(connection: Connection, scope: Scope, wanted: LineQuery) -> Sequence[tuple[UUID, UUID]]:
    """The orders whose lines can be on the page: that of the last line before it too, which may have more."""
    if wanted.order is not None:
        return _home(connection, wanted.order)
    place = wanted.behind.order if wanted.behind else None
    query = OrderQuery(filter=wanted.filter, lookup=Lookup(number=wanted.number), behind=place, limit=wanted.limit)
    found = [(key.retailer_id, key.order_id) for key in order_keys(connection, scope, query)]
    return [*(_home(connection, place.id) if place else ()), *found]


def _home(connection: Connection, order: UUID) -> list[tuple[UUID, UUID]]:
    home = connection.execute(select(t.id_directory.c.retailer_id).where(t.id_directory.c.id == order)).scalar()
    # Looked for as well where there is none: what is another's must not take longer.
    return [(home or UUID(int=0), order)]
