"""Entries of the audit trail as JSON."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel

from countermand.ids import show
from countermand.reads.audit import AuditEntry

PREFIXES: Final = {"party": "pty", "user": "usr", "credential": "crd"}


class EntryOut(BaseModel):
    """An entry, with the party by its id. ``object`` is what was changed."""

    id: str
    at: datetime
    by: str
    party: UUID
    action: str
    object: str
    door: str
    request_id: str
    detail: dict[str, Any]


def entry_shown(row: AuditEntry) -> EntryOut:
    """One entry, with the id of the call that made it."""
    detail = {name: value for name, value in row.detail.items() if name != "request_id"}
    return EntryOut(
        id=show("aud", row.id),
        at=row.at,
        by=row.by,
        party=row.party_id,
        action=row.action,
        object=show(PREFIXES[row.action.partition(".")[0]], row.object_id),
        door=row.door,
        request_id=str(row.detail.get("request_id", "")),
        detail=detail,
    )
