"""Users of the console keep filters of lists, and the audit trail is found by who made a change.

Revision ID: 0028
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Id, Instant

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table, and an index. Programs of before look for neither."""
    op.create_table(
        "saved_views",
        sa.Column("id", Id, nullable=False),
        sa.Column("party_id", Id, sa.ForeignKey("parties.id", name=op.f("fk_saved_views_party_id")), nullable=False),
        sa.Column("user_id", Id, sa.ForeignKey("users.id", name=op.f("fk_saved_views_user_id")), nullable=False),
        sa.Column("list", sa.Text(), nullable=False, comment="which list of the console"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "query",
            sa.Text(),
            nullable=False,
            comment="its filters as in the address; nothing of customers",
        ),
        sa.Column("created_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
        sa.UniqueConstraint("user_id", "list", "name", name=op.f("uq_saved_views_user_id_list_name")),
    )
    op.create_index(op.f("ix_audit_by_id"), "audit", ["by", "id"])
    if op.get_bind().dialect.name == "postgresql":
        sees = "current_setting('countermand.sees', true)"
        op.execute("ALTER TABLE saved_views ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY countermand_sees ON saved_views USING ({sees} IN ('all', party_id::text))")
