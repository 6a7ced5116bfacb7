"""Who may list an order, and find it by which words, once lines of it were given to another party."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, exists, insert, select, update

from countermand.domain.search import folded, term_of_holder, terms_of
from countermand.store import tables as t
from countermand.store.changes import change_exactly
from countermand.store.columns import Record
from countermand.store.engines.protocol import engine_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A line that was given to another party by its event ``seq``.

    ``held`` says that the new one is not the retailer, and knows of it.
    """

    retailer: UUID
    order: UUID
    line: UUID
    seq: int
    placed_at: datetime
    former: UUID
    to: UUID
    held: bool
    sku: str
    title: str


def move(connection: Connection, moved: Iterable[Moved]) -> None:
    """Let the new holders find the orders, and those that hold nothing of them any more not."""
    for each in moved:
        _leave(connection, each)
        _join(connection, each)


def release(connection: Connection, orders: Iterable[tuple[UUID, UUID]]) -> None:
    """Let the holders of these orders, each given with its retailer, find them from now on."""
    for retailer, order in orders:
        mine = (t.orders.c.retailer_id == retailer, t.orders.c.id == order)
        change_exactly(connection, 1, update(t.orders).where(*mine).values(sent_to_fulfiller=True))
        of_order = (t.order_parts.c.retailer_id == retailer, t.order_parts.c.order_id == order)
        for part in connection.execute(select(t.order_parts).where(*of_order)).all():
            if part.fulfiller_id != retailer:
                _show(connection, part)


def _show(connection: Connection, part: Record) -> None:
    parts, terms = t.order_parts.c, f"{part.terms} {term_of_holder(part.fulfiller_id)}"
    mine = [parts[name] == getattr(part, name) for name in ("retailer_id", "order_id", "fulfiller_id")]
    change_exactly(connection, 1, update(t.order_parts).where(*mine).values(held=True, terms=terms))
    row = {name: getattr(part, name) for name in ("retailer_id", "order_id", "fulfiller_id", "placed_at")}
    engine_of(connection).index_terms(connection, row | {"terms": terms})


def _leave(connection: Connection, moved: Moved) -> None:
    parts, lines = t.order_parts.c, t.lines.c
    holds = exists().where(
        lines.retailer_id == moved.retailer, lines.order_id == moved.order, lines.fulfiller_id == moved.former
    )
    if moved.former == moved.retailer or connection.execute(select(holds)).scalar_one():
        return
    of_former = (parts.retailer_id == moved.retailer, parts.order_id == moved.order, parts.fulfiller_id == moved.former)
    # What it was found by stays: reads look whether it is held.
    change_exactly(connection, 1, update(t.order_parts).where(*of_former).values(held=False))


def _join(connection: Connection, moved: Moved) -> None:
    parts = t.order_parts.c
    terms = terms_of(moved.retailer, moved.to if moved.held else None, [(moved.sku, moved.title)])
    of_new = (parts.retailer_id == moved.retailer, parts.order_id == moved.order, parts.fulfiller_id == moved.to)
    known = connection.execute(select(parts.terms).where(*of_new)).scalar()
    row = {
        "retailer_id": moved.retailer,
        "order_id": moved.order,
        "fulfiller_id": moved.to,
        "placed_at": moved.placed_at,
    }
    if known is None:
        orders = t.orders.c
        of_order = (orders.retailer_id == moved.retailer, orders.id == moved.order)
        reference = connection.execute(select(orders.reference).where(*of_order)).scalar_one()
        part = {**row, "held": moved.held, "terms": terms, "reference_folded": folded(reference)}
        connection.execute(insert(t.order_parts).values(part))
    else:
        known_and_new = {"held": moved.held, "terms": f"{known} {terms}"}
        change_exactly(connection, 1, update(t.order_parts).where(*of_new).values(known_and_new))
    engine_of(connection).index_terms(connection, row | {"terms": terms})
