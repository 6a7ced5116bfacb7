"""Jobs: files of many calls, their parts, and what became of each row.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Document, Id, Instant

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

UNFINISHED = "state IN ('draft', 'queued', 'running')"
OPEN = "state IN ('queued', 'running')"


def upgrade() -> None:
    """Add three tables."""
    _add_jobs()
    op.create_table(
        "job_parts",
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", name=op.f("fk_job_parts_job_id")), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("party_id", Id, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_job_parts")),
    )
    op.create_table(
        "job_rows",
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", name=op.f("fk_job_rows_job_id")), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("party_id", Id, nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("subject_id", Id, comment="the cancellation or the order that it led to"),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("errors", Document, nullable=False),
        sa.Column("input", Document, comment="the row, as far as it could be read"),
        sa.PrimaryKeyConstraint("job_id", "row", name=op.f("pk_job_rows")),
        sa.CheckConstraint("result IN ('ok', 'refused', 'invalid', 'cancelled')", name=op.f("ck_job_rows_result")),
    )
    op.create_index(op.f("ix_job_rows_job_id_result_row"), "job_rows", ["job_id", "result", "row"])
    if op.get_bind().dialect.name == "postgresql":
        sees = "current_setting('countermand.sees', true)"
        for table in ("jobs", "job_parts", "job_rows"):
            op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
            op.execute(f"CREATE POLICY countermand_sees ON {table} USING ({sees} IN ('all', party_id::text))")


def _add_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", Id, nullable=False),
        sa.Column("party_id", Id, sa.ForeignKey("parties.id", name=op.f("fk_jobs_party_id")), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False, comment="which share of the parties: whose worker does it"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), comment="of its file, if it has one"),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False, comment="who started it, or made it while it is a draft"),
        sa.Column("parts", sa.Integer(), nullable=False, comment="how many parts of its file are there"),
        sa.Column("terms", Document, nullable=False, comment="of a job without a file: what it does, and how far it is"),
        sa.Column("total", sa.Integer(), comment="how many rows; null until the file was read"),
        sa.Column("done", sa.Integer(), nullable=False, comment="rows with a result: the first so many of the file"),
        sa.Column("ok", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("invalid", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.Column("cancelled_at", Instant, comment="since when no more of its rows are to be done"),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("started_at", Instant),
        sa.Column("finished_at", Instant),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.CheckConstraint(
            "state IN ('draft', 'queued', 'running', 'done', 'cancelled')"
            " AND (state IN ('done', 'cancelled')) = (finished_at IS NOT NULL)",
            name=op.f("ck_jobs_state"),
        ),
        sa.CheckConstraint(
            "kind IN ('ask', 'answer', 'order', 'recover') AND format IN ('csv', 'jsonl')", name=op.f("ck_jobs_kind")
        ),
        sa.CheckConstraint("done = ok + refused + invalid + cancelled", name=op.f("ck_jobs_counts")),
    )
    op.create_index(op.f("ix_jobs_party_id_id"), "jobs", ["party_id", "id"])
    for name, columns, where in (
        ("ix_jobs_unfinished", ["party_id"], UNFINISHED),
        ("ix_jobs_open", ["partition", "id"], OPEN),
    ):
        op.create_index(name, "jobs", columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
