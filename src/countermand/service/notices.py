"""Notices: one row for each message that an endpoint is to get. A worker sends it."""

from datetime import datetime
from uuid import UUID

from countermand.domain.line import NO_LINE
from countermand.service.workspace import Row, Workspace
from countermand.store.codecs import partition_of


def notify(
    work: Workspace, endpoint: UUID, retailer: UUID, subject: UUID, *, kind: str, line: UUID = NO_LINE, seq: int
) -> None:
    """Add a notice of an event, ``subject``; or of a process status, whose number is ``seq`` and which has no line."""
    row = notice_row(work.new_id(), endpoint, retailer, subject, kind=kind, line=line, seq=seq, now=work.now)
    work.add("notices", **row)


def notice_row(
    new: UUID,
    endpoint: UUID,
    retailer: UUID,
    subject: UUID,
    *,
    kind: str,
    line: UUID = NO_LINE,
    seq: int,
    now: datetime,
) -> Row:
    """The row ``new`` of a notice that is due at once; the others are as for ``notify``."""
    return {
        "retailer_id": retailer,
        "id": new,
        "partition": partition_of(retailer),
        "endpoint_id": endpoint,
        "event_id": subject,
        "line_id": line,
        "seq": seq,
        "kind": kind,
        "state": "due",
        "attempts": 0,
        "due_at": now,
        "last_result": "",
        "attempted_at": None,
        "created_at": now,
    }
