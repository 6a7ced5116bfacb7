"""Orders are looked up by customers, payments and bol's numbers; waiting cancellations by when they are due.

Revision ID: 0016
Revises: 0015
"""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

from countermand.domain.search import key_of_payment, keys_of_customer
from countermand.store.columns import Document, Id, Instant

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STEP: Final = 2_000
"""So many orders are read at once."""

INDEXES: Final = (
    ("ix_cancellations_due", ("due_at", "id"), "state = 'asked'"),
    ("ix_cancellations_due_of_retailer", ("retailer_id", "due_at", "id"), "state = 'asked'"),
    (
        "ix_cancellations_due_held",
        ("fulfiller_id", "due_at", "id"),
        "state = 'asked' AND fulfiller_id <> retailer_id",
    ),
    ("ix_cancellations_escalated", ("id",), "state = 'asked' AND awaiting IS NULL AND NOT agreed"),
)

_ORDERS: Final = sa.table(
    "orders",
    sa.column("retailer_id", Id),
    sa.column("id", Id),
    sa.column("placed_at", Instant()),
    sa.column("details", Document),
)
_MONEY: Final = sa.table("order_money", sa.column("retailer_id", Id), sa.column("id", Id), sa.column("terms", Document))
_KEYS: Final = sa.table(
    "order_keys",
    sa.column("retailer_id", Id),
    sa.column("key", sa.Text()),
    sa.column("placed_at", Instant()),
    sa.column("order_id", Id),
)


def upgrade() -> None:
    """Add the table and fill it from the orders that are there; replace one index and add four."""
    op.create_table(
        "order_keys",
        sa.Column("retailer_id", Id, nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="of a customer or a payment: see domain/search.py"),
        sa.Column("placed_at", Instant(), nullable=False),
        sa.Column("order_id", Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["retailer_id", "order_id"],
            ["orders.retailer_id", "orders.id"],
            name=op.f("fk_order_keys_retailer_id_order_id"),
        ),
        sa.PrimaryKeyConstraint("retailer_id", "key", "placed_at", "order_id", name=op.f("pk_order_keys")),
    )
    _protect()
    _fill()
    op.create_index(op.f("ix_order_keys_key_placed_at_order_id"), "order_keys", ["key", "placed_at", "order_id"])
    op.create_index(op.f("ix_orders_number"), "orders", ["number"])
    op.drop_index("ix_cancellations_due", table_name="cancellations")
    for name, columns, where in INDEXES:
        condition: Any = sa.text(where)
        op.create_index(
            name, "cancellations", list(columns), postgresql_where=condition, sqlite_where=condition
        )


def _protect() -> None:
    """A customer and a payment are the retailer's."""
    if op.get_bind().dialect.name == "postgresql":
        sees = "current_setting('countermand.sees', true)"
        op.execute("ALTER TABLE order_keys ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY countermand_sees ON order_keys USING ({sees} IN ('all', retailer_id::text))")


def _fill() -> None:
    key = (_ORDERS.c.retailer_id, _ORDERS.c.id)
    of_order = sa.and_(_MONEY.c.retailer_id == _ORDERS.c.retailer_id, _MONEY.c.id == _ORDERS.c.id)
    query = sa.select(_ORDERS, _MONEY.c.terms).select_from(_ORDERS.outerjoin(_MONEY, of_order)).order_by(*key)
    after: tuple[object, object] | None = None
    while True:
        page = query.limit(STEP)
        if after is not None:
            page = page.where(sa.tuple_(*key) > sa.tuple_(*(sa.literal(each, Id) for each in after)))
        rows = op.get_bind().execute(page).all()
        if written := [each for row in rows for each in _keys(row)]:
            op.get_bind().execute(sa.insert(_KEYS), written)
        if len(rows) < STEP:
            return
        after = rows[-1].retailer_id, rows[-1].id


def _keys(row: Any) -> list[dict[str, Any]]:
    payments = (row.terms or {}).get("payments", [])
    keys = {*keys_of_customer(row.details), *(key_of_payment(each["reference"]) for each in payments if each["reference"])}
    of_order = {"retailer_id": row.retailer_id, "placed_at": row.placed_at, "order_id": row.id}
    return [{**of_order, "key": key} for key in sorted(keys)]
