"""Orders, lines, parcels, parties, customers and payments are found by how their names begin.

A program of before erases a customer by other keys than those that are kept now, so none may work beside this schema.

Revision ID: 0033
Revises: 0032
"""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

from countermand.domain.search import key_of_payment, keys_of_customer
from countermand.store.columns import Bytewise, Document, Id, Instant

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

STEP: Final = 2_000
"""So many orders are read at once."""

FOLDED: Final = (
    ("parties", "name_folded", "lower(name)"),
    ("lines", "sku_folded", "lower(substr(sku, 1, 200))"),
    ("shipments", "tracking_folded", "lower(substr(tracking_number, 1, 200))"),
)
"""Columns that the database makes of others, and how."""

INDEXES: Final = (
    ("ix_parties_name_folded", "parties", ("name_folded",), None),
    ("ix_order_parts_reference_folded", "order_parts", ("reference_folded",), None),
    ("ix_order_parts_retailer_id_reference_folded", "order_parts", ("retailer_id", "reference_folded"), None),
    (
        "ix_order_parts_reference_held",
        "order_parts",
        ("fulfiller_id", "reference_folded"),
        "fulfiller_id <> retailer_id",
    ),
    ("ix_lines_sku_folded_placed_at_order_id", "lines", ("sku_folded", "placed_at", "order_id"), None),
    (
        "ix_lines_retailer_id_sku_folded_placed_at_order_id",
        "lines",
        ("retailer_id", "sku_folded", "placed_at", "order_id"),
        None,
    ),
    (
        "ix_lines_sku_held",
        "lines",
        ("fulfiller_id", "sku_folded", "placed_at", "order_id"),
        "with_fulfiller AND fulfiller_id <> retailer_id",
    ),
    ("ix_shipments_tracking_folded", "shipments", ("tracking_folded",), None),
    ("ix_shipments_retailer_id_tracking_folded", "shipments", ("retailer_id", "tracking_folded"), None),
    (
        "ix_shipments_tracking_held",
        "shipments",
        ("fulfiller_id", "tracking_folded"),
        "fulfiller_id <> retailer_id",
    ),
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
    """Add columns and their indexes, and write the keys of e-mail addresses and payments so that they sort."""
    for table, column, made_of in FOLDED:
        kind = "TEXT COLLATE \"C\"" if _is_postgresql() else "TEXT"
        kept = " STORED" if _is_postgresql() else ""
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind} GENERATED ALWAYS AS ({made_of}){kept}")
    op.add_column("order_parts", sa.Column("reference_folded", Bytewise, comment="the order's reference in small letters"))
    op.execute(
        "UPDATE order_parts SET reference_folded = (SELECT lower(substr(orders.reference, 1, 200)) FROM orders"
        " WHERE orders.retailer_id = order_parts.retailer_id AND orders.id = order_parts.order_id)"
    )
    # The hashes of before.
    op.execute("DELETE FROM order_keys WHERE key LIKE 'e%' OR key LIKE 'p%'")
    if _is_postgresql():
        op.execute('ALTER TABLE order_keys ALTER COLUMN key TYPE TEXT COLLATE "C"')
    _fill()
    for name, table, columns, where in INDEXES:
        condition: Any = {} if where is None else {"postgresql_where": sa.text(where), "sqlite_where": sa.text(where)}
        op.create_index(name, table, list(columns), **condition)


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


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
    of_customer = {each for each in keys_of_customer(row.details) if each.startswith("e")}
    of_payments = {key_of_payment(each["reference"]) for each in payments if each["reference"]}
    of_order = {"retailer_id": row.retailer_id, "placed_at": row.placed_at, "order_id": row.id}
    return [{**of_order, "key": key} for key in sorted(of_customer | of_payments)]
