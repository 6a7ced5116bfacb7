"""One line, by its id or by bol's number of it."""

from uuid import UUID

from sqlalchemy import (
    Connection,
    and_,
    select,
)

from countermand.reads.scope import (
    Scope,
    line_scope,
    retailer_of,
)
from countermand.store import tables as t
from countermand.store.columns import Record
from countermand.store.statements import NUMBER_END


def line_of_number(connection: Connection, retailer: UUID, number: int) -> Record | None:
    """The line that a retailer knows by this number of bol's."""
    return connection.execute(
        select(t.lines.c.id, t.lines.c.order_id).where(t.lines.c.retailer_id == retailer, t.lines.c.number == number)
    ).first()


def line_of_bol_number(connection: Connection, number: int) -> Record | None:
    """The line that has this number of bol's, whoever its retailer is. For operators."""
    if number > NUMBER_END:
        return None
    return connection.execute(
        select(t.lines)
        .join(
            t.line_numbers,
            and_(t.line_numbers.c.retailer_id == t.lines.c.retailer_id, t.line_numbers.c.line_id == t.lines.c.id),
        )
        .where(t.line_numbers.c.number == number)
    ).first()


def line_by_id(connection: Connection, scope: Scope, line: UUID) -> Record | None:
    """One line, or ``None`` when there is none that this party may see."""
    mine = (t.lines.c.retailer_id == retailer_of(line), t.lines.c.id == line)
    return connection.execute(select(t.lines).where(*mine, line_scope(scope))).first()


def line_view(connection: Connection, scope: Scope, line: UUID) -> Record | None:
    """One line with its order and the names around it, or ``None`` when there is none that this party may see."""
    query = (
        select(
            t.lines,
            t.orders.c.reference,
            t.orders.c.currency,
            _retailer.c.name.label("retailer_name"),
            _fulfiller.c.name.label("fulfiller_name"),
        )
        .join(t.orders, t.named_by(t.lines.c.order_id, t.orders))
        .join(_retailer, _retailer.c.id == t.lines.c.retailer_id)
        .join(_fulfiller, _fulfiller.c.id == t.lines.c.fulfiller_id)
        .where(t.lines.c.retailer_id == retailer_of(line), t.lines.c.id == line, line_scope(scope))
    )
    return connection.execute(query).first()


_retailer, _fulfiller = (t.parties.alias(name) for name in ("retailer", "fulfiller"))
