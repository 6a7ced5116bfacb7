"""Entries of the audit trail, as JSON and in words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel

from countermand.ids import show
from countermand.reads.audit import AuditEntry

PREFIXES: Final = {
    "party": "pty",
    "user": "usr",
    "credential": "crd",
    "endpoint": "ept",
    "notice": "ntc",
    "policy": "plc",
    "judgement": "jdg",
    "order": "ord",
    "refund": "rfd",
    "job": "job",
    "signature_key": "sig",
    "backup": "pty",
}
"""How the id of what was changed begins, by the noun of the action. A restored backup is the platform's."""


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


def told(detail: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What changed, in words: what it is about, and what it is now; after an arrow, where it is known what it was."""
    return [(name.replace("_", " "), _in_words(value)) for name, value in detail.items()]


def _in_words(value: Any) -> str:
    match value:
        case {"from": before, "to": after}:
            return f"{_in_words(before)} → {_in_words(after)}"
        case True | False:
            return "yes" if value else "no"
        case list():
            return " ".join(map(str, value)) or "none"
        case None | "":
            return "none"
    return str(value)
