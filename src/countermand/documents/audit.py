"""Entries of the audit trail as JSON."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypedDict
from uuid import UUID

from pydantic import BaseModel

from countermand.ids import show
from countermand.reads.audit import AuditEntry

PREFIXES: Final = {"party": "pty", "user": "usr", "credential": "crd"}


class EntryDocument(TypedDict):
    """Who changed which party, user or credential, when, and through which door."""

    id: str
    at: datetime
    by: str
    door: str
    action: str
    party: str
    object: str
    detail: Mapping[str, Any]


def entry_document(row: AuditEntry) -> EntryDocument:
    """One entry."""
    return {
        "id": show("aud", row.id),
        "at": row.at,
        "by": row.by,
        "door": row.door,
        "action": row.action,
        "party": row.party_name,
        "object": show(PREFIXES[row.action.partition(".")[0]], row.object_id),
        "detail": row.detail,
    }


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
    told = entry_document(row)
    return EntryOut(
        id=told["id"],
        at=row.at,
        by=row.by,
        party=row.party_id,
        action=row.action,
        object=told["object"],
        door=row.door,
        request_id=str(row.detail.get("request_id", "")),
        detail=detail,
    )
