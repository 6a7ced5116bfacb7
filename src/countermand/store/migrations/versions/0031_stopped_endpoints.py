"""Endpoints that are paused or disabled are counted along an index.

Revision ID: 0031
Revises: 0030
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

STOPPED = sa.text("state IN ('paused', 'disabled')")


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_endpoints_stopped", "endpoints", ["id"], postgresql_where=STOPPED, sqlite_where=STOPPED)
