"""One line, by its id or by bol's number of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BindParameter, Connection, Select, bindparam, select

from countermand.domain.parties import PartyKind
from countermand.reads.scope import (
    Scope,
    is_numbered,
    line_scope,
    retailer_of,
    whoever,
)
from countermand.reads.views import LineRow
from countermand.store import tables as t
from countermand.store.columns import Id, NumberList, PairList, one_of, pair_of
from countermand.store.statements import NUMBER_END
from countermand.store.views import view, view_or_none


@dataclass(frozen=True, slots=True, kw_only=True)
class LineOfNumber:
    """What a number of bol's leads to."""

    id: UUID
    order_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDetail(LineRow):
    """A line with its order and the names around it."""

    reference: str
    currency: str
    retailer_name: str
    fulfiller_name: str


def line_of_number(connection: Connection, retailer: UUID, number: int) -> LineOfNumber | None:
    """The line that a retailer knows by this number of bol's."""
    query = select(t.lines.c.id, t.lines.c.order_id)
    mine = (t.lines.c.retailer_id == retailer, t.lines.c.number == number)
    return view_or_none(LineOfNumber, connection.execute(query.where(*mine)).first())


def lines_of_numbers(connection: Connection, retailer: UUID, numbers: Sequence[int]) -> dict[int, LineOfNumber]:
    """The lines that a retailer knows by these numbers of bol's."""
    lines = t.lines.c
    wanted = one_of(lines.number, bindparam("numbers", list(numbers), type_=NumberList()))
    query = select(lines.number, lines.id, lines.order_id).where(lines.retailer_id == retailer, wanted)
    return {row.number: LineOfNumber(id=row.id, order_id=row.order_id) for row in connection.execute(query)}


def line_of_bol_number(connection: Connection, number: int) -> LineRow | None:
    """The line with this number of bol's, of any retailer. For operators."""
    if number > NUMBER_END:
        return None
    query = select(t.lines).where(*is_numbered(number))
    return view_or_none(LineRow, connection.execute(query).first())


def line_by_id(connection: Connection, scope: Scope, line: UUID) -> LineRow | None:
    """One line, or ``None`` when there is none that this party may see."""
    given = {"line": line, "party": scope.party}
    return view_or_none(LineRow, connection.execute(_by_id(scope.kind), given).first())


@cache
def _by_id(kind: PartyKind) -> Select[*tuple[Any, ...]]:
    line: BindParameter[UUID] = bindparam("line", type_=Id)
    mine = (t.lines.c.retailer_id == retailer_of(line), t.lines.c.id == line)
    return select(t.lines).where(*mine, line_scope(whoever(kind)))


def line_view(connection: Connection, scope: Scope, line: UUID) -> LineDetail | None:
    """One line with its order and the names around it, or ``None`` when there is none that this party may see."""
    query = LINES.where(t.lines.c.retailer_id == retailer_of(line), t.lines.c.id == line, line_scope(scope))
    return view_or_none(LineDetail, connection.execute(query).first())


def lines_of_orders(
    connection: Connection, scope: Scope, orders: Sequence[tuple[UUID, UUID]]
) -> dict[UUID, list[LineDetail]]:
    """The lines of each of these orders, given with their retailers, that this party may see, in their order."""
    if not orders:
        return {}
    pairs = bindparam("orders", list(orders), type_=PairList())
    query = LINES.where(pair_of(t.lines.c.retailer_id, t.lines.c.order_id, pairs), line_scope(scope))
    found: dict[UUID, list[LineDetail]] = {}
    for row in connection.execute(query.order_by(t.lines.c.position)):
        found.setdefault(row.order_id, []).append(view(LineDetail, row))
    return found


_retailer, _fulfiller = (t.parties.alias(name) for name in ("retailer", "fulfiller"))

LINES: Final[Select[*tuple[Any, ...]]] = (
    select(
        t.lines,
        t.looked_up(t.orders.c.reference, t.lines.c.order_id),
        t.looked_up(t.orders.c.currency, t.lines.c.order_id),
        _retailer.c.name.label("retailer_name"),
        _fulfiller.c.name.label("fulfiller_name"),
    )
    .join(_retailer, _retailer.c.id == t.lines.c.retailer_id)
    .join(_fulfiller, _fulfiller.c.id == t.lines.c.fulfiller_id)
)
