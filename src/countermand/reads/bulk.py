"""The lines and cancellations that many rows of a file name, found together: a few questions, however many the rows."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Select, and_, bindparam, select

from countermand.domain.bulk_rows import AnswerRow, AskRow
from countermand.domain.line import State
from countermand.domain.numbers import read_digits
from countermand.domain.parties import PartyKind
from countermand.ids import read
from countermand.reads.cancellations import may_see
from countermand.reads.scope import Scope, line_scope
from countermand.store import tables as t
from countermand.store.columns import IdList, NumberList, PairList, one_of, pair_of
from countermand.store.statements import NUMBER_END
from countermand.store.views import view, views

NUMBER: Final = re.compile("[0-9]{1,10}")

FOUND_MAX: Final = 20_000
"""More orders with the references of some hundred rows are not looked through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineKey:
    """A line, and what leads to it."""

    id: UUID
    retailer_id: UUID
    order_id: UUID
    sku: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationKey:
    """A cancellation, and what leads to it."""

    id: UUID
    retailer_id: UUID
    line_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """Nothing that the party may see is named so, or several things are. ``name`` is the cell that says it."""

    name: str
    code: str
    message: str


# Lines


def lines_named(connection: Connection, scope: Scope, rows: Sequence[AskRow]) -> list[LineKey | NotFound]:
    """The line of each row."""
    by_id = _lines_by_id(connection, scope, {each for row in rows if (each := read("lin", row.line))})
    by_number = _lines_by_number(connection, scope, {read_digits(row.line) for row in rows if _is_number(row.line)})
    by_order = _lines_by_order(connection, scope, {row.order for row in rows if not row.line})
    return [
        _named(row.line, by_id, by_number) if row.line else _with_sku(row, by_order.get(row.order, {})) for row in rows
    ]


def _is_number(text: str) -> bool:
    return NUMBER.fullmatch(text) is not None and read_digits(text) <= NUMBER_END


def _named(text: str, by_id: dict[UUID, LineKey], by_number: dict[int, LineKey]) -> LineKey | NotFound:
    line = read("lin", text)
    found = by_number.get(read_digits(text)) if _is_number(text) else by_id.get(line) if line else None
    return found or NotFound(name="line", code="unknown_line", message=f"There is no line {text}.")


def _with_sku(row: AskRow, orders: dict[UUID, list[LineKey]]) -> LineKey | NotFound:
    if not orders:
        return NotFound(name="order", code="unknown_order", message=f"There is no order {row.order}.")
    if len(orders) > 1:
        several = f"Several orders are called {row.order}: name this one by its id."
        return NotFound(name="order", code="ambiguous", message=several)
    fitting = [line for line in next(iter(orders.values())) if line.sku == row.sku]
    if not fitting:
        absent = f"The order {row.order} has no line of {row.sku}."
        return NotFound(name="sku", code="unknown_line", message=absent)
    if len(fitting) > 1:
        several = f"The order {row.order} has several lines of {row.sku}: name this one by its id."
        return NotFound(name="sku", code="ambiguous", message=several)
    return fitting[0]


_LINES: Final = select(t.lines.c.id, t.lines.c.retailer_id, t.lines.c.order_id, t.lines.c.sku)


def _lines_by_id(connection: Connection, scope: Scope, wanted: Iterable[UUID]) -> dict[UUID, LineKey]:
    homes = _homes(connection, wanted)
    if not homes:
        return {}
    pairs = bindparam("lines", [(retailer, line) for line, retailer in homes.items()], type_=PairList())
    query = _LINES.where(pair_of(t.lines.c.retailer_id, t.lines.c.id, pairs), line_scope(scope))
    return {line.id: line for line in views(LineKey, connection.execute(query))}


def _homes(connection: Connection, wanted: Iterable[UUID]) -> dict[UUID, UUID]:
    """The retailers of what has these ids."""
    ids = sorted(wanted)
    if not ids:
        return {}
    directory = t.id_directory.c
    query = select(directory.id, directory.retailer_id).where(one_of(directory.id, bindparam("ids", ids, IdList())))
    return {row.id: row.retailer_id for row in connection.execute(query)}


def _lines_by_number(connection: Connection, scope: Scope, wanted: Iterable[int]) -> dict[int, LineKey]:
    given = sorted(wanted)
    if not given:
        return {}
    numbers = t.line_numbers.c
    query = select(numbers.number, numbers.line_id).where(
        one_of(numbers.number, bindparam("numbers", given, NumberList()))
    )
    lines = {row.number: row.line_id for row in connection.execute(query)}
    found = _lines_by_id(connection, scope, lines.values())
    return {number: found[line] for number, line in lines.items() if line in found}


def _lines_by_order(
    connection: Connection, scope: Scope, wanted: Iterable[str]
) -> dict[str, dict[UUID, list[LineKey]]]:
    """The lines of the orders with each reference, number or id, by order.

    A customer's name is none of these: too much hangs on it.
    """
    names = sorted(wanted)
    if not names:
        return {}
    orders: dict[str, set[UUID]] = {name: set() for name in names}
    homes: dict[UUID, UUID] = {}
    for name, order, retailer in _orders_called(connection, scope, names):
        orders[name].add(order)
        homes[order] = retailer
    lines = _lines_of(connection, scope, homes)
    return {name: {each: lines[each] for each in mine if each in lines} for name, mine in orders.items()}


def _orders_called(connection: Connection, scope: Scope, names: Sequence[str]) -> list[tuple[str, UUID, UUID]]:
    columns = t.orders.c
    own = [columns.retailer_id == scope.party] if scope.kind is PartyKind.RETAILER else []
    query = select(columns.id, columns.retailer_id, columns.reference, columns.number).where(*own)
    by_reference = query.where(columns.reference.in_(names)).limit(FOUND_MAX)
    found = [(row.reference, row.id, row.retailer_id) for row in connection.execute(by_reference)]
    numbers = {read_digits(name): name for name in names if _is_number(name)}
    if numbers:
        by_number = query.where(one_of(columns.number, bindparam("numbers", sorted(numbers), NumberList())))
        found += [(numbers[row.number], row.id, row.retailer_id) for row in connection.execute(by_number)]
    ids = {order: name for name in names if (order := read("ord", name))}
    found += [(ids[order], order, retailer) for order, retailer in _homes(connection, ids).items()]
    return found


def _lines_of(connection: Connection, scope: Scope, homes: dict[UUID, UUID]) -> dict[UUID, list[LineKey]]:
    if not homes:
        return {}
    pairs = bindparam("orders", [(retailer, order) for order, retailer in homes.items()], type_=PairList())
    query = _LINES.where(pair_of(t.lines.c.retailer_id, t.lines.c.order_id, pairs), line_scope(scope))
    lines: dict[UUID, list[LineKey]] = {}
    for line in views(LineKey, connection.execute(query)):
        lines.setdefault(line.order_id, []).append(line)
    return lines


# Cancellations


def cancellations_named(
    connection: Connection, scope: Scope, rows: Sequence[AnswerRow]
) -> list[CancellationKey | NotFound]:
    """The cancellation of each row."""
    ids = sorted({each for row in rows if (each := read("can", row.cancellation))})
    found = {key.id: key for key in _cancellations_by_id(connection, scope, ids)} if ids else {}
    return [_cancellation(row, found) for row in rows]


def _cancellation(row: AnswerRow, found: dict[UUID, CancellationKey]) -> CancellationKey | NotFound:
    wanted = read("can", row.cancellation)
    absent = NotFound(
        name="cancellation",
        code="unknown_cancellation",
        message=f"There is no cancellation {row.cancellation}.",
    )
    return found.get(wanted, absent) if wanted else absent


def _cancellations_by_id(connection: Connection, scope: Scope, ids: list[UUID]) -> list[CancellationKey]:
    """By an index for each state, as their ids name no retailer."""
    seen = [] if scope.kind is PartyKind.PLATFORM else [may_see(scope)]
    columns = t.cancellations.c
    query: Select[Any] = select(columns.id, columns.retailer_id, columns.line_id).where(
        and_(columns.state.in_([state.value for state in State]), columns.id.in_(ids)), *seen
    )
    return [view(CancellationKey, row) for row in connection.execute(query)]
