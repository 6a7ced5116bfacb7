"""Row-level security on PostgreSQL, where the service's role does not own the tables.

Each policy compares a row with the setting ``countermand.sees`` of the connection: ``all``, or the id of one party.
Where it is not set, nothing is seen. Policies do not bind the owner of the tables: nothing changes for a service that
runs as the owner. The migrations hold the policies; a test holds that every table has one or is named here.
"""

from contextvars import ContextVar
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, TextClause, text

ALL: Final = "all"

viewer: ContextVar[UUID | None] = ContextVar("viewer", default=None)
"""Whose rows the database shows to what is read now; ``None`` shows all, to a platform and to the service itself."""

SHOWN_TO_ALL: Final = frozenset(
    {
        "alembic_version",
        "event_streams",
        "feed",
        "line_numbers",
        "number_blocks",
        "parties",
        "partitions",
        "quota_counts",
        "restores",
        "revisions",
        "schema_window",
        "id_directory",
        "workers",
    }
)
"""Tables without a policy: names of parties, ids without content, counts by digests, how workers share their work."""

_SEES: Final = text("SELECT set_config('countermand.sees', :who, true)")

IS_ACTIVE: Final[TextClause] = text(
    "SELECT bool_or(row_security_active(oid)) FROM pg_class WHERE relname = 'orders' AND pg_table_is_visible(oid)"
)
"""Whether policies bind this role; null as long as there are no tables."""


def narrow(connection: Connection, who: UUID | None) -> None:
    """Show this transaction the rows of one party, or all."""
    connection.execute(_SEES, {"who": str(who) if who else ALL})
