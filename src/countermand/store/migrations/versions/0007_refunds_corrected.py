"""Refunds can be corrected, count their steps, and a release can become one; the journal tells each part.

Revision ID: 0007
Revises: 0006
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from countermand.ids import Ids
from countermand.store.columns import Id, Instant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UNIQUE = "uq_refunds_retailer_id_cancellation_id_payment_id_kind"
AMOUNT = (
    "amount_minor > 0 AND elsewhere_minor BETWEEN 0 AND amount_minor AND paid_minor BETWEEN 0 AND amount_minor"
    " AND moved_minor BETWEEN 0 AND paid_minor"
)
STATE = (
    "state IN ('by_hand', 'due', 'sent', 'accepted', 'unknown', 'confirmed', 'parked', 'closed')"
    " AND (state IN ('due', 'sent', 'accepted', 'unknown')) = (due_at IS NOT NULL)"
    " AND kind IN ('refund', 'release') AND (check_at IS NULL OR state IN ('confirmed', 'parked'))"
    " AND (state = 'parked' OR NOT no_provider)"
)


def upgrade() -> None:
    """Add the columns, let a cancellation owe one payment twice, and post what was counted and not posted yet."""
    if op.get_bind().dialect.name == "sqlite":
        _build_again()
    else:
        _alter()
    op.create_index(op.f("ix_refunds_retailer_id_cancellation_id"), "refunds", ["retailer_id", "cancellation_id"])
    _fill()


def _columns() -> Iterator[sa.Column[Any]]:
    zero: Any = {"nullable": False, "server_default": "0"}
    yield sa.Column(
        "paid_minor", sa.BigInteger(), comment="had gone back besides when an operator corrected it", **zero
    )
    yield sa.Column("moved_minor", sa.BigInteger(), comment="so much of this by earlier calls to the provider", **zero)
    yield sa.Column(
        "step", sa.Integer(), comment="decisions on it: 1 at first", nullable=False, server_default="1"
    )
    yield sa.Column("corrected_step", sa.Integer(), comment="the step that the last correction answered")
    yield sa.Column("parked_at", Instant(), comment="since when a person has to see to it")
    yield sa.Column(
        "no_provider",
        sa.Boolean(),
        comment="parked only because its provider is not set up",
        nullable=False,
        server_default=sa.false(),
    )


def _alter() -> None:
    for column in _columns():
        op.add_column("refunds", column)
        if column.server_default is not None:
            op.alter_column("refunds", column.name, server_default=None)
    op.drop_constraint(UNIQUE, "refunds", type_="unique")
    for name, rule in (("amount", AMOUNT), ("state", STATE)):
        op.drop_constraint(op.f(f"ck_refunds_{name}"), "refunds", type_="check")
        op.create_check_constraint(op.f(f"ck_refunds_{name}"), "refunds", rule)


def _build_again() -> None:
    """SQLite changes no constraint of a table that is there."""
    connection = op.get_bind()
    indexes = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'refunds' AND sql IS NOT NULL"
    ).scalars()
    indexes_again = list(indexes)
    op.create_table(
        "refunds_again",
        sa.Column("retailer_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("order_id", Id, nullable=False),
        sa.Column("line_id", Id, nullable=False),
        sa.Column("cancellation_id", Id, nullable=False),
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("payment_reference", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("elsewhere_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", Instant()),
        sa.Column("sent_at", Instant()),
        sa.Column("provider_reference", sa.Text(), nullable=False),
        sa.Column("movement", sa.Text()),
        sa.Column("last_result", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("settled_at", Instant()),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("check_at", Instant()),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("moved_minor", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("corrected_step", sa.Integer()),
        sa.Column("parked_at", Instant()),
        sa.Column("no_provider", sa.Boolean(), nullable=False),
        sa.CheckConstraint(STATE, name=op.f("ck_refunds_state")),
        sa.CheckConstraint(AMOUNT, name=op.f("ck_refunds_amount")),
        sa.ForeignKeyConstraint(
            ["retailer_id", "cancellation_id"],
            ["cancellations.retailer_id", "cancellations.id"],
            name=op.f("fk_refunds_retailer_id_cancellation_id"),
        ),
        sa.PrimaryKeyConstraint("retailer_id", "id", name=op.f("pk_refunds")),
    )
    old = ", ".join(f'"{column["name"]}"' for column in sa.inspect(connection).get_columns("refunds"))
    op.execute(
        f"INSERT INTO refunds_again ({old}, paid_minor, moved_minor, step, no_provider)"  # noqa: S608 - no input
        f" SELECT {old}, 0, 0, 1, 0 FROM refunds"
    )
    op.drop_table("refunds")
    op.rename_table("refunds_again", "refunds")
    for index in indexes_again:
        op.execute(index)


def _fill() -> None:
    """What is parked, done or closed has had a decision; what was counted is in the journal from now on."""
    op.execute("UPDATE refunds SET step = 2 WHERE state IN ('parked', 'confirmed', 'closed')")
    op.execute("UPDATE refunds SET parked_at = created_at WHERE state = 'parked'")
    # Version 0.1.0 took a missing provider for a refusal, so a retry would have paid twice under a new key.
    op.execute(
        "UPDATE refunds SET movement = 'unknown', no_provider = true"
        " WHERE state = 'parked' AND movement = 'refused'"
        " AND last_result = 'No provider ' || provider || ' is set up here.'"
    )
    connection = op.get_bind()
    refunds = sa.table(
        "refunds",
        *(sa.column(name, Id) for name in ("retailer_id", "id", "order_id", "line_id")),
        sa.column("created_at", Instant()),
        *(sa.column(name) for name in ("provider", "currency", "state", "kind", "elsewhere_minor")),
    )
    counted = sa.select(refunds).where(
        refunds.c.elsewhere_minor > 0, refunds.c.kind == "refund", refunds.c.state != "confirmed"
    )
    journal = sa.table(
        "journal",
        *(sa.column(name, Id) for name in ("retailer_id", "id", "order_id", "line_id", "refund_id")),
        sa.column("at", Instant()),
        *(sa.column(name) for name in ("kind", "debit", "credit", "amount_minor", "currency")),
    )
    new_id = Ids().new
    rows = [
        {
            "retailer_id": row.retailer_id,
            "id": new_id(),
            "order_id": row.order_id,
            "line_id": row.line_id,
            "refund_id": row.id,
            "at": row.created_at,
            "kind": "refund.done",
            "debit": "retailer" if row.state == "closed" else "refunds_due",
            "credit": f"provider:{row.provider}",
            "amount_minor": row.elsewhere_minor,
            "currency": row.currency,
        }
        for row in connection.execute(counted)
    ]
    if rows:
        connection.execute(sa.insert(journal), rows)
