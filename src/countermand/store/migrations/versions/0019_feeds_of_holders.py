"""Events lead to whoever held the goods, shipped orders are listed, and words are found without looking at parts.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Id

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_EVENTS = sa.table("events", *(sa.column(name, Id) for name in ("retailer_id", "line_id", "fulfiller_id")), sa.column("seq"))
_LINES = sa.table("lines", *(sa.column(name, Id) for name in ("retailer_id", "id", "fulfiller_id")))
_MOVES = sa.table("reassignments", *(sa.column(name, Id) for name in ("retailer_id", "line_id", "former_id")), sa.column("seq"))

ANOTHER = "fulfiller_id <> retailer_id"
SHIPPED = "shipped > 0"
SHIPPED_ANYWHERE = "shipped + 0 > 0"
SHIPPED_HELD = "shipped > 0 AND with_fulfiller AND fulfiller_id <> retailer_id"
INDEXES = (
    ("ix_events_id", "events", ("id",), None),
    ("ix_events_held", "events", ("fulfiller_id", "position", "id"), ANOTHER),
    ("ix_handover_events_party_id_position_id", "handover_events", ("party_id", "position", "id"), None),
    ("ix_lines_shipped", "lines", ("retailer_id", "placed_at", "order_id"), SHIPPED),
    ("ix_lines_shipped_anywhere", "lines", ("placed_at", "order_id"), SHIPPED_ANYWHERE),
    ("ix_lines_shipped_held", "lines", ("fulfiller_id", "placed_at", "order_id"), SHIPPED_HELD),
)

_KEYS = "e.retailer_id, e.line_id, e.seq"
_CAME = (
    f"SELECT {_KEYS}, m.fulfiller_id, e.position, e.id FROM reassignments AS m JOIN events AS e"
    " ON e.retailer_id = m.retailer_id AND e.line_id = m.line_id AND e.seq < m.seq"
    " WHERE e.fulfiller_id <> m.fulfiller_id AND m.fulfiller_id <> m.retailer_id"
)
_LEFT = (
    f"SELECT {_KEYS}, m.former_id, e.position, e.id FROM reassignments AS m JOIN events AS e"
    " ON e.retailer_id = m.retailer_id AND e.line_id = m.line_id AND e.seq = m.seq"
    " WHERE m.former_id <> m.retailer_id"
)


def upgrade() -> None:
    """Fill what is new from what is there."""
    op.add_column("events", sa.Column("fulfiller_id", Id, comment="who held the goods just after it"))
    _fill_holders()
    op.create_table(
        "handover_events",
        sa.Column("retailer_id", Id, nullable=False),
        sa.Column("line_id", Id, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False, comment="with line_id: which event"),
        sa.Column("party_id", Id, nullable=False, comment="who sees it too"),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="the event's"),
        sa.Column("id", Id, nullable=False, comment="the event's"),
        sa.ForeignKeyConstraint(
            ["retailer_id", "line_id"],
            ["lines.retailer_id", "lines.id"],
            name=op.f("fk_handover_events_retailer_id_line_id"),
        ),
        sa.PrimaryKeyConstraint("retailer_id", "line_id", "seq", "party_id", name=op.f("pk_handover_events")),
    )
    columns = "retailer_id, line_id, seq, party_id, position, id"
    op.execute(f"INSERT INTO handover_events ({columns}) {_CAME} UNION {_LEFT}")  # noqa: S608 - no input
    op.drop_index("ix_events_retailer_id_id", table_name="events")
    for name, table, fields, where in INDEXES:
        condition = sa.text(where) if where else None
        op.create_index(name, table, list(fields), postgresql_where=condition, sqlite_where=condition)
    if op.get_bind().dialect.name == "postgresql":
        sees = "current_setting('countermand.sees', true)"
        op.execute("ALTER TABLE handover_events ENABLE ROW LEVEL SECURITY")
        seen = f"{sees} IN ('all', retailer_id::text, party_id::text)"
        op.execute(f"CREATE POLICY countermand_sees ON handover_events USING ({seen})")
    else:
        _search_again()


def _fill_holders() -> None:
    """Nothing that an event tells is changed: this only says who held the goods, which followed from other rows."""
    mine = (_MOVES.c.retailer_id == _EVENTS.c.retailer_id, _MOVES.c.line_id == _EVENTS.c.line_id)
    later = sa.select(_MOVES.c.former_id).where(*mine, _MOVES.c.seq > _EVENTS.c.seq).order_by(_MOVES.c.seq).limit(1)
    of_line = (_LINES.c.retailer_id == _EVENTS.c.retailer_id, _LINES.c.id == _EVENTS.c.line_id)
    holder = sa.func.coalesce(later.scalar_subquery(), _LINES.c.fulfiller_id)
    op.get_bind().execute(sa.update(_EVENTS).values(fulfiller_id=holder).where(*of_line))


def _search_again() -> None:
    """SQLite's full-text index tells when an order was placed as well."""
    # Of such a table SQLite leaves a part behind.
    for name in ("order_search", "order_search_content"):
        op.execute(f"DROP TABLE IF EXISTS {name}")
    op.execute(
        "CREATE VIRTUAL TABLE order_search USING fts5(terms, retailer_id UNINDEXED, order_id UNINDEXED,"
        " fulfiller_id UNINDEXED, placed_at UNINDEXED, tokenize = 'ascii', content = '', contentless_unindexed = 1,"
        " columnsize = 0)"
    )
    columns = "terms, retailer_id, order_id, fulfiller_id, placed_at"
    op.execute(f"INSERT INTO order_search ({columns}) SELECT {columns} FROM order_parts")  # noqa: S608 - no input
