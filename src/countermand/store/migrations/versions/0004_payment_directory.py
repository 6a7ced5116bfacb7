"""Which retailer each payment belongs to: a small map by provider and reference, filled from the orders that are there.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Id, Instant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NAMED = {
    "sqlite": "json_each(m.terms, '$.payments') AS p",
    "postgresql": "jsonb_array_elements(m.terms -> 'payments') AS p(value)",
}


def upgrade() -> None:
    """Add the table. A payment that two retailers named belongs to the one whose order is older."""
    op.create_table(
        "payment_directory",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False, comment="the provider's name of the payment"),
        sa.Column(
            "retailer_id",
            Id,
            nullable=False,
            comment="whose payment it is: the first one that named it",
        ),
        sa.Column("since", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "reference", name=op.f("pk_payment_directory")),
    )
    connection = op.get_bind()
    connection.exec_driver_sql(
        "INSERT INTO payment_directory (provider, reference, retailer_id, since)"  # noqa: S608 - no input
        " SELECT p.value ->> 'provider', p.value ->> 'reference', m.retailer_id, o.placed_at"
        f" FROM order_money AS m JOIN orders AS o ON o.retailer_id = m.retailer_id AND o.id = m.id,"
        f" {_NAMED[connection.dialect.name]}"
        " WHERE p.value ->> 'provider' <> 'manual' AND p.value ->> 'reference' <> ''"
        " ORDER BY o.placed_at, o.id"
        " ON CONFLICT DO NOTHING"
    )
