"""Credentials know when they were last used.

Revision ID: 0032
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Instant

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, which is empty until a credential is used."""
    op.add_column("credentials", sa.Column("last_used_at", Instant(), comment="to the minute"))
