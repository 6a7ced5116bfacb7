"""Notices as JSON."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, TypedDict
from uuid import UUID

from pydantic import BaseModel, Field

from countermand.documents.attempts import AttemptOut
from countermand.domain.delivery import NoticeState
from countermand.domain.events import EventKind
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


class NoticeOut(BaseModel):
    """A notice: which event it tells which endpoint, and how sending it goes."""

    id: Annotated[str, Field(description="its id")]
    endpoint: Annotated[str, Field(description="id of the endpoint")]
    event: Annotated[str, Field(description="id of the event")]
    type: Annotated[EventKind, Field(description="the kind of the event")]
    line: Annotated[UUID, Field(description="id of the line that the event is of")]
    state: Annotated[NoticeState, Field(description="`due`, `sent`, or `dead` until somebody sends it again")]
    attempts_made: Annotated[int, Field(description="how many attempts were made since it was last due anew")]
    due_at: Annotated[datetime | None, Field(description="when the next attempt is due; null if none is")]
    created_at: Annotated[datetime, Field(description="when it was made")]
    sent_at: Annotated[datetime | None, Field(description="when the receiver took it; null if it did not")]
    last_result: Annotated[str, Field(description="the last attempt, in words; empty before the first")]
    attempts: Annotated[
        list[AttemptOut] | None, Field(description="what was tried, oldest first; only with `expand=attempts`")
    ] = None


def notice_out(row: NoticeView, attempts: Sequence[AttemptOut] | None = None) -> NoticeOut:
    """One notice for the API, with what was tried if that is wanted."""
    return NoticeOut(
        id=show("ntc", row.id),
        endpoint=show("ept", row.endpoint_id),
        event=show("evt", row.event_id),
        type=EventKind(row.kind),
        line=row.line_id,
        state=NoticeState(row.state),
        attempts_made=row.attempts,
        due_at=row.due_at,
        created_at=row.created_at,
        sent_at=row.attempted_at if row.state == NoticeState.SENT else None,
        last_result=row.last_result,
        **({} if attempts is None else {"attempts": [*attempts]}),
    )


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
