"""Parcels are listed, and orders are found by the number of a parcel.

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

HELD = "fulfiller_id <> retailer_id"


def upgrade() -> None:
    """Indexes for each kind of caller."""
    op.create_index(op.f("ix_shipments_tracking_number"), "shipments", ["tracking_number"])
    op.create_index(op.f("ix_shipments_id"), "shipments", ["id"])
    op.create_index(
        "ix_shipments_held",
        "shipments",
        ["fulfiller_id", "id"],
        postgresql_where=sa.text(HELD),
        sqlite_where=sa.text(HELD),
    )
