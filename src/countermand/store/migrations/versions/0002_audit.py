"""An audit trail of changes to parties, users and credentials; a user's credentials are found by an index.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Document, Id, Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the index."""
    op.create_table(
        "audit",
        sa.Column("id", Id, nullable=False, comment="sorts by the time of the change"),
        sa.Column(
            "party_id", Id, nullable=False, comment="whose party, user or credential changed"
        ),
        sa.Column("object_id", Id, nullable=False, comment="the party, user or credential"),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("door", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("detail", Document, nullable=False, comment="what changed, without any secret"),
        sa.ForeignKeyConstraint(["party_id"], ["parties.id"], name=op.f("fk_audit_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_party_id_id"), "audit", ["party_id", "id"])
    op.create_index(op.f("ix_audit_object_id_id"), "audit", ["object_id", "id"])
    op.create_index(op.f("ix_audit_action_id"), "audit", ["action", "id"])
    op.create_index(op.f("ix_credentials_user_id"), "credentials", ["user_id"])
