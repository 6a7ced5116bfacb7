"""A part that the retailer accepts is that part, and a cancellation counts the decisions on it.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COLUMNS = (
    "rest_units INTEGER DEFAULT 0 NOT NULL CONSTRAINT ck_cancellations_rest"
    " CHECK (rest_units >= 0 AND rest_units < units AND accepted_units <= units - rest_units)",
    "rest_reason TEXT",
    "step INTEGER DEFAULT 1 NOT NULL CONSTRAINT ck_cancellations_step CHECK (step > 0)",
)
_COMMENTS = {
    "rest_units": "open again, as the retailer accepted a part and passed that on",
    "rest_reason": "why it did not accept them",
    "step": "one more with each decision on it",
}
_DECISIONS = ("passed_on", "agreed", "proof_asked", "accepted", "declined", "withdrawn", "lapsed", "escalated")


def upgrade() -> None:
    """Add the columns, and count what was decided so far. What nobody had asked for stays where it began."""
    for column in _COLUMNS:
        op.execute(f"ALTER TABLE cancellations ADD COLUMN {column}")
    if op.get_bind().dialect.name == "postgresql":
        for name, comment in _COMMENTS.items():
            op.execute(f"COMMENT ON COLUMN cancellations.{name} IS '{comment}'")
    kinds = ", ".join(f"'cancellation.{each}'" for each in _DECISIONS)
    op.execute(
        "UPDATE cancellations SET step = 1 + (SELECT count(*) FROM events"  # noqa: S608 - no input
        " WHERE events.retailer_id = cancellations.retailer_id AND events.line_id = cancellations.line_id"
        f" AND events.cancellation_id = cancellations.id AND events.kind IN ({kinds}))"
        " WHERE asker <> 'nobody'"
    )
