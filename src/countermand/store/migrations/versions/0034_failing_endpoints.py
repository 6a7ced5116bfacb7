"""Endpoints that fail are counted along an index.

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

FAILING = sa.text("failing_since IS NOT NULL")


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        "ix_endpoints_failing", "endpoints", ["failing_since"], postgresql_where=FAILING, sqlite_where=FAILING
    )
