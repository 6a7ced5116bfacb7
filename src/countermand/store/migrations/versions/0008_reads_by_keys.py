"""Every read goes by a key: indexes for each kind of caller, what an order is found by, and which lines are unfinished.

Revision ID: 0008
Revises: 0007
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from countermand.domain.search import terms_of
from countermand.store.columns import Id, Instant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STEP = 5_000
"""So many lines are read at once when the words of old orders are written down."""

GONE = {
    "ix_orders_retailer_id_reference": "orders",
    "ix_lines_retailer_id_fulfiller_id_placed_at": "lines",
    "ix_cancellations_asked": "cancellations",
    "ix_refunds_parked": "refunds",
}

INDEXES = (
    ("ix_parties_name", "parties", ("name",), None),
    ("ix_parties_kind_id", "parties", ("kind", "id"), None),
    ("ix_parties_deactivated", "parties", ("id",), "status = 'deactivated'"),
    ("ix_users_party_id", "users", ("party_id",), None),
    (
        "ix_credentials_encrypted",
        "credentials",
        ("created_at",),
        "kind = 'plaza_key' AND secret IS NOT NULL AND revoked_at IS NULL",
    ),
    ("ix_endpoints_encrypted", "endpoints", ("created_at",), "secrets IS NOT NULL AND state <> 'removed'"),
    ("ix_connections_supplier_id_retailer_id", "connections", ("supplier_id", "retailer_id"), None),
    ("ix_orders_reference_retailer_id", "orders", ("reference", "retailer_id"), None),
    ("ix_orders_placed_at_id", "orders", ("placed_at", "id"), None),
    ("ix_orders_unsent", "orders", ("retailer_id", "placed_at", "id"), "NOT sent_to_fulfiller"),
    (
        "ix_order_parts_held",
        "order_parts",
        ("fulfiller_id", "placed_at", "order_id"),
        "fulfiller_id <> retailer_id",
    ),
    ("ix_lines_unfinished", "lines", ("retailer_id", "placed_at", "order_id"), "unfinished"),
    (
        "ix_lines_unfinished_held",
        "lines",
        ("fulfiller_id", "placed_at", "order_id"),
        "unfinished AND with_fulfiller AND fulfiller_id <> retailer_id",
    ),
    ("ix_cancellations_state_id", "cancellations", ("state", "id"), None),
    ("ix_cancellations_retailer_id_state_id", "cancellations", ("retailer_id", "state", "id"), None),
    ("ix_cancellations_held", "cancellations", ("fulfiller_id", "state", "id"), "fulfiller_id <> retailer_id"),
    ("ix_cancellations_awaiting", "cancellations", ("awaiting", "id"), "awaiting IS NOT NULL"),
    ("ix_cancellations_due", "cancellations", ("due_at",), "state = 'asked' AND due_at IS NOT NULL"),
    ("ix_refunds_state_id", "refunds", ("state", "id"), None),
    ("ix_refunds_retailer_id_state_id", "refunds", ("retailer_id", "state", "id"), None),
)


def upgrade() -> None:
    """Replace four indexes by others, and fill what searches go by from the lines that are there."""
    for name, table in GONE.items():
        op.drop_index(name, table_name=table)
    op.execute("ALTER TABLE lines ADD COLUMN unfinished BOOLEAN GENERATED ALWAYS AS (open + asked > 0)" + _stored())
    op.create_table(
        "order_parts",
        sa.Column("retailer_id", Id, nullable=False),
        sa.Column("order_id", Id, nullable=False),
        sa.Column("fulfiller_id", Id, nullable=False),
        sa.Column("placed_at", Instant(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False, comment="another party than the retailer holds it, and knows of it"),
        sa.Column("terms", sa.Text(), nullable=False, comment="what it is found by: see domain/search.py"),
        sa.ForeignKeyConstraint(
            ["retailer_id", "order_id"],
            ["orders.retailer_id", "orders.id"],
            name=op.f("fk_order_parts_retailer_id_order_id"),
        ),
        sa.PrimaryKeyConstraint("retailer_id", "order_id", "fulfiller_id", name=op.f("pk_order_parts")),
    )
    if not _is_postgresql():
        # Without triggers and without a copy of the text: the write road writes both, and nothing is ever changed.
        op.execute(
            "CREATE VIRTUAL TABLE order_search USING fts5(terms, retailer_id UNINDEXED, order_id UNINDEXED,"
            " fulfiller_id UNINDEXED, tokenize = 'ascii', content = '', contentless_unindexed = 1, columnsize = 0)"
        )
    _fill()
    for name, table, columns, where in INDEXES:
        op.create_index(name, table, list(columns), **_where(where))
    if _is_postgresql():
        op.execute(
            "CREATE INDEX ix_order_parts_terms ON order_parts"
            " USING gin (array_to_tsvector(string_to_array(terms, ' '))) WITH (fastupdate = off)"
        )


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _stored() -> str:
    return " STORED" if _is_postgresql() else ""


def _where(condition: str | None) -> dict[str, Any]:
    if condition is None:
        return {}
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def _fill() -> None:
    """The parts of the orders that are there: read in the order of their keys, so that a part is read in one go."""
    lines = sa.table(
        "lines",
        sa.column("retailer_id", Id),
        sa.column("order_id", Id),
        sa.column("fulfiller_id", Id),
        sa.column("placed_at", Instant()),
        sa.column("with_fulfiller", sa.Boolean()),
        sa.column("sku", sa.Text()),
        sa.column("title", sa.Text()),
    )
    key = (lines.c.retailer_id, lines.c.order_id)
    after: tuple[object, object] | None = None
    while True:
        query = sa.select(*key).distinct().order_by(*key).limit(STEP)
        if after is not None:
            query = query.where(sa.tuple_(*key) > sa.tuple_(*(sa.literal(each, Id) for each in after)))
        orders = op.get_bind().execute(query).all()
        if not orders:
            return
        first, last = orders[0], orders[-1]
        bounds = [sa.tuple_(*(sa.literal(each, Id) for each in row)) for row in (first, last)]
        rows = op.get_bind().execute(
            sa.select(lines)
            .where(sa.tuple_(*key) >= bounds[0], sa.tuple_(*key) <= bounds[1])
            .order_by(*key, lines.c.fulfiller_id)
        )
        _write(rows)
        after = tuple(last)


def _write(rows: sa.CursorResult[Any]) -> None:
    parts: dict[tuple[Any, ...], list[tuple[str, str]]] = {}
    for row in rows:
        held = row.with_fulfiller and row.fulfiller_id != row.retailer_id
        part = (row.retailer_id, row.order_id, row.fulfiller_id, row.placed_at, held)
        parts.setdefault(part, []).append((row.sku, row.title))
    names = ("retailer_id", "order_id", "fulfiller_id", "placed_at", "held")
    written = [
        {**dict(zip(names, part, strict=True)), "terms": terms_of(part[0], part[2] if part[4] else None, articles)}
        for part, articles in parts.items()
    ]
    columns = {"retailer_id": Id, "order_id": Id, "fulfiller_id": Id}
    table = sa.table(
        "order_parts",
        *(sa.column(name, kind) for name, kind in columns.items()),
        sa.column("placed_at", Instant()),
        sa.column("held", sa.Boolean()),
        sa.column("terms", sa.Text()),
    )
    op.get_bind().execute(sa.insert(table), written)
    if not _is_postgresql():
        search = sa.table("order_search", *(sa.column(name, kind) for name, kind in columns.items()), sa.column("terms"))
        op.get_bind().execute(sa.insert(search), [{name: row[name] for name in (*columns, "terms")} for row in written])
