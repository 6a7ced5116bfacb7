"""Entries of the audit trail as JSON."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypedDict

from countermand.ids import show
from countermand.reads.audit import AuditEntry

_PREFIXES: Final = {"party": "pty", "user": "usr", "credential": "crd"}


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
        "object": show(_PREFIXES[row.action.partition(".")[0]], row.object_id),
        "detail": row.detail,
    }
