"""Notices as JSON."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import Connection

from countermand.documents.attempts import AttemptOut, attempt_document
from countermand.domain.delivery import NoticeState
from countermand.domain.events import EventKind
from countermand.domain.subscriptions import PROCESS_FINISHED
from countermand.ids import show
from countermand.reads import attempts as attempt_reads
from countermand.reads.notices import NoticeView

ATTEMPTS_MAX: Final = 200
"""So many attempts are shown with each notice, at most: the first of them."""


class NoticeOut(BaseModel):
    """A notice: which event it tells which endpoint, and how sending it goes."""

    id: Annotated[str, Field(description="its id")]
    endpoint: Annotated[str, Field(description="id of the endpoint")]
    event: Annotated[str, Field(description="id of the event; of a process status, an id of this notice alone")]
    type: Annotated[
        EventKind | Literal["process.finished"],
        Field(description="the kind of the event; `process.finished` to a subscription of bol's Retailer API"),
    ]
    line: Annotated[
        UUID | None, Field(description="id of the line that the event is of; null where it is about a process status")
    ]
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
        type="process.finished" if row.kind == PROCESS_FINISHED else EventKind(row.kind),
        line=None if row.kind == PROCESS_FINISHED else row.line_id,
        state=NoticeState(row.state),
        attempts_made=row.attempts,
        due_at=row.due_at,
        created_at=row.created_at,
        sent_at=row.attempted_at if row.state == NoticeState.SENT else None,
        last_result=row.last_result,
        **({} if attempts is None else {"attempts": [*attempts]}),
    )


def notices_shown(
    connection: Connection, rows: Sequence[NoticeView], *, with_attempts: bool, source: str
) -> list[NoticeOut]:
    """Notices, each with the first of its attempts if those are wanted. ``source`` is the service's base URL."""
    if not with_attempts:
        return [notice_out(row) for row in rows]
    tried = attempt_reads.attempts_of(connection, [row.id for row in rows], ATTEMPTS_MAX * len(rows))
    return [
        notice_out(row, [attempt_document(each, source) for each in tried if each.notice_id == row.id][:ATTEMPTS_MAX])
        for row in rows
    ]
