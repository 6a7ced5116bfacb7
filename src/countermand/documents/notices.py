"""Notices as JSON."""

from typing import TypedDict

from countermand.ids import show
from countermand.reads.notices import NoticeView


class NoticeDocument(TypedDict):
    """A notice: what it tells whom, and how sending it goes."""

    id: str
    state: str
    kind: str
    event: str
    line: str
    seq: int
    endpoint: str
    url: str
    attempts: int
    created_at: str
    due_at: str | None
    attempted_at: str | None
    last_result: str


def notice_document(row: NoticeView) -> NoticeDocument:
    """One notice."""
    return {
        "id": show("ntc", row.id),
        "state": row.state,
        "kind": row.kind,
        "event": show("evt", row.event_id),
        "line": str(row.line_id),
        "seq": row.seq,
        "endpoint": show("ept", row.endpoint_id),
        "url": row.url,
        "attempts": row.attempts,
        "created_at": row.created_at.isoformat(),
        "due_at": row.due_at.isoformat() if row.due_at else None,
        "attempted_at": row.attempted_at.isoformat() if row.attempted_at else None,
        "last_result": row.last_result,
    }
