"""The audit trail, read: who changed what that is no event of a line, and when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from countermand.store import tables as t
from countermand.store.views import view


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries to list: of one party, of one target, of one kind of action, by whom."""

    party: UUID | None = None
    target: UUID | None = None
    action: str | None = None
    by: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: UUID | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An entry of the audit trail, with the name of its party."""

    id: UUID
    party_id: UUID
    object_id: UUID
    action: str
    by: str
    door: str
    at: datetime
    detail: Mapping[str, Any]
    party_name: str


def list_entries(connection: Connection, wanted: AuditFilter) -> list[AuditEntry]:
    """Entries of the audit trail with the name of their party, newest first."""
    query = select(t.audit, t.parties.c.name.label("party_name")).join(t.parties, t.parties.c.id == t.audit.c.party_id)
    if wanted.party:
        query = query.where(t.audit.c.party_id == wanted.party)
    if wanted.target:
        query = query.where(t.audit.c.object_id == wanted.target)
    if wanted.action:
        query = query.where(t.audit.c.action == wanted.action)
    if wanted.by:
        query = query.where(t.audit.c.by == wanted.by)
    if wanted.since:
        query = query.where(t.audit.c.at >= wanted.since)
    if wanted.until:
        query = query.where(t.audit.c.at < wanted.until)
    if wanted.after:
        query = query.where(t.audit.c.id < wanted.after)
    rows = connection.execute(query.order_by(t.audit.c.id.desc()).limit(wanted.limit))
    return [view(AuditEntry, row) for row in rows]
