"""Attempts to send notices to the caller's endpoints: what was sent, and what came back."""

from datetime import timedelta
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel

from countermand.admin import endpoints, notices
from countermand.documents.attempts import AttemptOut, attempt_document
from countermand.ids import read
from countermand.reads import attempts as attempt_reads
from countermand.reads.attempts import AttemptFilter
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.errors import PROBLEMS
from countermand.wire.native.meaning import scope_of
from countermand.wire.native.messages import JsonRoute, Limit
from countermand.wire.native.notices import id_in_query
from countermand.wire.native.periods import PeriodGiven
from countermand.wire.replies import CallError, Problem

router: Final = APIRouter(prefix="/v1/attempts", responses=PROBLEMS, route_class=JsonRoute)

PREFIX: Final = "att"


class AttemptPage(BaseModel):
    """Some attempts, newest first. ``next`` is the ``after`` of the following page."""

    attempts: list[AttemptOut]
    next: str | None


@router.get("", operation_id="attempts.list")
async def list_attempts(
    services: Inside,
    who: Who,
    period: PeriodGiven,
    notice: Annotated[str | None, Query(description="Only those to send this notice")] = None,
    endpoint: Annotated[str | None, Query(description="Only those at this endpoint")] = None,
    ok: Annotated[
        bool | None, Query(description="`true`: only those that the receiver took; `false`: the others")
    ] = None,
    after: str | None = None,
    limit: Limit = 50,
) -> AttemptPage:
    """Attempts at the endpoints of the caller's party, newest first; the platform sees those of all."""
    wanted = AttemptFilter(
        notice=id_in_query(notices.PREFIX, notice, "notice"),
        endpoint=id_in_query(endpoints.PREFIX, endpoint, "endpoint"),
        ok=ok,
        since=period.since,
        until=period.until,
        after=id_in_query(PREFIX, after, "after"),
        limit=limit + 1,
    )
    now = services.clock()
    # What is older has been deleted, or will be soon.
    oldest = now - timedelta(days=services.settings.attempt_days + 1)
    look = partial(attempt_reads.list_attempts, scope=scope_of(who), wanted=wanted, now=now, oldest=oldest)
    rows = await services.database.read(look)
    shown = [attempt_document(row, services.settings.base_url) for row in rows[:limit]]
    return AttemptPage(attempts=shown, next=shown[-1].id if len(rows) > limit else None)


@router.get("/{attempt}", operation_id="attempts.get")
async def get_attempt(services: Inside, who: Who, attempt: str) -> AttemptOut:
    """One attempt: what was sent, without its signature, and the first of the answer."""
    wanted = read(PREFIX, attempt)
    look = partial(attempt_reads.attempt_by_id, scope=scope_of(who), attempt=wanted) if wanted else None
    row = await services.database.read(look) if look else None
    if row is None:
        raise CallError(Problem.UNKNOWN_ATTEMPT, "There is no such attempt.")
    return attempt_document(row, services.settings.base_url)
