"""The caller's own events, for those who would rather ask than be told, or who missed something."""

from datetime import timedelta
from functools import partial
from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse

from countermand import reads
from countermand.domain.dates import read_moment
from countermand.fields import Id
from countermand.ids import earliest, read, show
from countermand.sending.envelope import Envelope, write
from countermand.wire.native.calling import Inside, JsonRoute, Limit, Viewer, moment_of, scope_of
from countermand.wire.native.problems import PROBLEMS, invalid

router: Final = APIRouter(prefix="/v1/events", responses=PROBLEMS, route_class=JsonRoute)

SETTLING: Final = timedelta(seconds=10)
"""Events this young may still get neighbours before them, from transactions that take longer to commit."""

BACK: Final = timedelta(days=30)
"""How far back a list begins that is not told where to."""


class EventPage(BaseModel):
    """Some events, oldest first. ``next`` is the ``after`` of the following page, also when there is none yet."""

    events: list[Envelope]
    next: str


@router.get("", responses={200: {"model": EventPage}})
async def list_events(
    behind: Inside,
    who: Viewer,
    after: str | None = None,
    since: str | None = None,
    line: Id | None = None,
    limit: Limit = 50,
) -> JSONResponse:
    """Events that the caller is told of, oldest first, each as it is sent to endpoints.

    It begins behind the event ``after``, or at the time ``since``, or thirty days back. Going from page to page by
    ``next`` misses none. Those of the last ten seconds may come again: the same ``id`` is the same event.
    """
    now = behind.clock()
    start = moment_of(behind, since, read_moment, "since") or now - BACK
    begin = earliest(start) if after is None else read("evt", after)
    if begin is None:
        raise invalid("after is not the id of an event; use next of the page before.", "query", "after")
    wanted = reads.EventFilter(after=begin, now=now, line=line, limit=limit)
    rows = await behind.database.read(partial(reads.list_events, scope=scope_of(who), wanted=wanted))
    settled = [row.id for row in rows if row.id < earliest(now - SETTLING)]
    source = behind.settings.base_url
    return JSONResponse(
        {
            "events": [write(row, reader=scope_of(who), source=source) for row in rows],
            "next": show("evt", settled[-1] if settled else begin),
        }
    )
