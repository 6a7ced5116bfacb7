"""Notices: for each endpoint that is to be told of something, a row that a worker sends."""

from uuid import UUID

from countermand.domain.line import NO_LINE
from countermand.service.workspace import Workspace
from countermand.store.codecs import partition_of


def notify(
    work: Workspace, endpoint: UUID, retailer: UUID, subject: UUID, *, kind: str, line: UUID = NO_LINE, seq: int
) -> None:
    """Add a notice of an event, ``subject``; or of a process status, whose number is ``seq`` and which has no line."""
    work.add(
        "notices",
        retailer_id=retailer,
        id=work.new_id(),
        partition=partition_of(retailer),
        endpoint_id=endpoint,
        event_id=subject,
        line_id=line,
        seq=seq,
        kind=kind,
        state="due",
        attempts=0,
        due_at=work.now,
        last_result="",
        attempted_at=None,
        created_at=work.now,
    )
