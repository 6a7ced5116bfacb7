"""When the customer of an order was erased, so that old orders which still have theirs are found by an index.

Revision ID: 0003
Revises: 0002
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Document, Id, Instant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ORDERS = sa.table(
    "orders",
    sa.column("retailer_id", Id),
    sa.column("id", Id),
    sa.column("details", Document),
    sa.column("customer_erased_at", Instant()),
)


def upgrade() -> None:
    """Add the column, fill it for the orders whose customer was erased before, and index the others."""
    op.add_column(
        "orders",
        sa.Column(
            "customer_erased_at",
            Instant(),
            nullable=True,
            comment="when the customer's data were erased from the details",
        ),
    )
    connection = op.get_bind()
    erased = sa.select(ORDERS.c.retailer_id, ORDERS.c.id, ORDERS.c.details).where(
        sa.cast(ORDERS.c.details, sa.Text).like('%"erased"%')
    )
    for row in connection.execute(erased).all():
        if "erased" in row.details:
            connection.execute(
                sa.update(ORDERS)
                .where(ORDERS.c.retailer_id == row.retailer_id, ORDERS.c.id == row.id)
                .values(customer_erased_at=datetime.fromisoformat(row.details["erased"]["at"]))
            )
    op.create_index(
        "ix_orders_with_customer",
        "orders",
        ["retailer_id", "placed_at"],
        postgresql_where=sa.text("customer_erased_at IS NULL"),
        sqlite_where=sa.text("customer_erased_at IS NULL"),
    )
