"""The history of an order, a line or a cancellation, in sentences."""

from functools import partial
from typing import Final

from fastapi import APIRouter

from countermand.documents.timeline import TimelineOut, timeline_of
from countermand.domain.refusals import UNKNOWN_ORDER
from countermand.ids import read
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.errors import PROBLEMS
from countermand.wire.native.meaning import scope_of
from countermand.wire.native.messages import JsonRoute
from countermand.wire.replies import CallError

router: Final = APIRouter(prefix="/v1/timeline", responses=PROBLEMS, route_class=JsonRoute)


@router.get("/{id}", operation_id="timeline.get")
async def get_timeline(services: Inside, who: Who, id: str) -> TimelineOut:  # noqa: A002 - so the path has it
    """All that happened to an order, a line or a cancellation that the caller may see, as sentences."""
    named = [found for prefix in ("ord", "lin", "can") if (found := read(prefix, id))]
    if not named:
        raise CallError.of(UNKNOWN_ORDER)
    question = partial(timeline_of, scope=scope_of(who), subject=named[0])
    told = await services.database.read(question)
    if not told.entries:
        raise CallError.of(UNKNOWN_ORDER)
    return told
