"""The events of the caller, for clients that poll, or that missed a notice."""

import re
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse

from countermand.documents.events import Envelope, write
from countermand.domain.dates import read_moment
from countermand.fields import Id
from countermand.ids import read
from countermand.reads import events as event_reads
from countermand.reads.events import Place
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.errors import PROBLEMS, invalid
from countermand.wire.native.meaning import moment_of, scope_of
from countermand.wire.native.messages import JsonRoute, Limit

router: Final = APIRouter(prefix="/v1/events", responses=PROBLEMS, route_class=JsonRoute)

BACK: Final = timedelta(days=30)
"""How far back a list begins by default."""

_CURSOR: Final = re.compile("([0-9]{1,18})-([0-9a-f]{32})")


class EventPage(BaseModel):
    """Some events, oldest first. ``next`` is the ``after`` of the following page, also when there is none yet."""

    events: list[Envelope]
    next: str


@router.get("", operation_id="events.list", responses={200: {"model": EventPage}})
async def list_events(
    services: Inside,
    who: Who,
    after: str | None = None,
    since: str | None = None,
    line: Id | None = None,
    limit: Limit = 50,
) -> JSONResponse:
    """Events that the caller may see, oldest first, each as it is sent to endpoints.

    It begins after the event ``after``, or at the time ``since``, or thirty days back. Going from page to page by
    ``next`` misses none and repeats none, however long it takes until an event is stored.
    """
    start = moment_of(services, since, read_moment, "since")
    begin = {"since": start or services.clock() - BACK} if after is None else {"since": start, **_begin(after)}
    wanted = event_reads.EventFilter(**begin, line=line, limit=limit)
    rows, place = await services.database.read(partial(event_reads.list_events, scope=scope_of(who), wanted=wanted))
    source = services.settings.base_url
    return JSONResponse(
        {
            "events": [write(row, reader=scope_of(who), source=source) for row in rows],
            "next": f"{place.position}-{place.id.hex}",
        }
    )


def _begin(after: str) -> dict[str, Any]:
    if cursor := _CURSOR.fullmatch(after):
        return {"behind": Place(int(cursor[1]), UUID(cursor[2]))}
    event = read("evt", after)
    if event is None:
        raise invalid("after is neither next of a page nor the id of an event.", "query", "after")
    return {"after": event}
