"""Credentials know when they were last used.

Revision ID: 0028
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Instant

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, which is empty until a credential is used."""
    op.add_column("credentials", sa.Column("last_used_at", Instant(), comment="to the minute"))
