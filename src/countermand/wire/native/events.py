"""The events of the caller, for clients that poll, that missed a notice, or that are told as it happens."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import JSONResponse, Response

from countermand.documents.events import Envelope, write
from countermand.domain.events import EventKind
from countermand.fields import LineId, OrderId, named
from countermand.ids import read
from countermand.reads import events as event_reads
from countermand.reads.events import EventFilter, Place
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.errors import PROBLEMS, invalid
from countermand.wire.native.event_stream import EventStream, cursor_of
from countermand.wire.native.meaning import scope_of
from countermand.wire.native.messages import JsonRoute, Limit
from countermand.wire.native.periods import PeriodGiven
from countermand.wire.replies import CallError, Problem
from countermand.wire.services import Services

router: Final = APIRouter(prefix="/v1/events", responses=PROBLEMS, route_class=JsonRoute)

BACK: Final = timedelta(days=30)
"""How far back a list begins by default."""

_CURSOR: Final = re.compile("([0-9]{1,18})-([0-9a-f]{32})")

GROUPS: Final[dict[str, frozenset[str]]] = {
    f"{noun}.*": frozenset(kind.value for kind in EventKind if kind.value.startswith(f"{noun}."))
    for noun in sorted({kind.value.partition(".")[0] for kind in EventKind})
}
"""All kinds of events of a noun."""

_TYPES: Final = [*(kind.value for kind in EventKind), *GROUPS]


class EventPage(BaseModel):
    """Some events, oldest first. ``next`` is the ``after`` of the following page, also when there is none yet."""

    events: list[Envelope]
    next: str


def _type(given: str) -> str:
    if given not in _TYPES:
        raise ValueError(f"There is no kind of event {given[:100]!r}. There are {', '.join(_TYPES)}.")
    return given


TypesGiven = Annotated[
    list[Annotated[str, AfterValidator(named("not_listed", _type)), Field(json_schema_extra={"enum": [*_TYPES]})]],
    Query(max_length=len(_TYPES), description="Kinds of events, or all of a noun: `refund.*`. Repeated: any of them."),
]


def kinds_of(types: list[str]) -> frozenset[str]:
    """The kinds that a query names, by themselves or as all of a noun."""
    return frozenset(kind for each in types for kind in GROUPS.get(each, frozenset({each})))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsWanted:
    """Which events a query asks for, wherever they begin."""

    kinds: frozenset[str]
    order: UUID | None
    line: UUID | None
    cancellation: UUID | None
    since: datetime | None
    until: datetime | None

    def after(self, services: Services, after: str | None, *place: str, **more: Any) -> EventFilter:
        """The same from a cursor on; without one, from the time on that the query says, or from thirty days back.

        ``place`` is where the cursor was given.
        """
        begin: dict[str, Any] = {"since": self.since or services.clock() - BACK}
        if after is not None:
            begin = {"since": self.since, **_begin(after, *place)}
        return EventFilter(
            kinds=self.kinds,
            order=self.order,
            line=self.line,
            cancellation=self.cancellation,
            until=self.until,
            **begin,
            **more,
        )


def _wanted(
    period: PeriodGiven,
    type: TypesGiven = [],  # noqa: A002, B006 - the parameter's name; nothing changes it
    order: Annotated[OrderId | None, Query(description="Only events of this order")] = None,
    line: Annotated[LineId | None, Query(description="Only events of this line")] = None,
    cancellation: Annotated[
        str | None, Query(description="Only events of this cancellation and of its refunds")
    ] = None,
) -> EventsWanted:
    about = read("can", cancellation) if cancellation is not None else None
    if cancellation is not None and about is None:
        raise invalid("cancellation is no id of a cancellation.", "query", "cancellation", code="bad_id")
    return EventsWanted(
        kinds=kinds_of(type),
        order=order,
        line=line,
        cancellation=about,
        since=period.since,
        until=period.until,
    )


EventsGiven = Annotated[EventsWanted, Depends(_wanted)]

After = Annotated[
    str | None,
    Query(description="Where to go on: `next` of a page, `id` of the stream, or the id of an event"),
]


@router.get("", operation_id="events.list", responses={200: {"model": EventPage}})
async def list_events(
    services: Inside, who: Who, given: EventsGiven, after: After = None, limit: Limit = 50
) -> JSONResponse:
    """Events that the caller may see, oldest first, each as it is sent to endpoints.

    It begins after the event ``after``, or at the time ``since``, or thirty days back. Going from page to page by
    ``next`` misses none and repeats none, however long it takes until an event is stored.
    """
    scope, source = scope_of(who), services.settings.base_url
    wanted = given.after(services, after, "query", "after", limit=limit)
    rows, place = await services.database.read(partial(event_reads.list_events, scope=scope, wanted=wanted))
    return JSONResponse({"events": [write(row, reader=scope, source=source) for row in rows], "next": cursor_of(place)})


@router.get(
    "/stream",
    operation_id="events.stream",
    response_class=Response,
    responses={
        200: {
            "description": "Server-Sent Events, without an end: `id` is a cursor, `event` a kind, `data` an envelope.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def stream_events(
    request: Request,
    services: Inside,
    who: Who,
    given: EventsGiven,
    after: After = None,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", description="As `after`, and before it: browsers send it")
    ] = None,
) -> Response:
    """The same events as a stream that goes on with each new one, by Server-Sent Events.

    It ends when the token ends, or at ``until``. A client that connects again with the last ``id`` misses none and
    gets none twice.
    """
    if last_event_id is None:
        wanted = given.after(services, after, "query", "after")
    else:
        wanted = given.after(services, last_event_id, "header", "Last-Event-ID")
    return EventStream(services, request.scope, who, wanted)


@router.get("/{event}", operation_id="events.get", responses={200: {"model": Envelope}})
async def get_event(services: Inside, who: Who, event: str) -> JSONResponse:
    """One event, as it is sent to endpoints."""
    scope, wanted = scope_of(who), read("evt", event)
    row = await services.database.read(partial(event_reads.event_by_id, scope=scope, event=wanted)) if wanted else None
    if row is None:
        raise CallError(Problem.UNKNOWN_EVENT, "There is no such event.")
    return JSONResponse(write(row, reader=scope, source=services.settings.base_url))


def _begin(after: str, *place: str) -> Mapping[str, Any]:
    if cursor := _CURSOR.fullmatch(after):
        return {"behind": Place(int(cursor[1]), UUID(cursor[2]))}
    event = read("evt", after)
    if event is None:
        raise invalid(f"{place[-1]} is neither a cursor of the feed nor the id of an event.", *place)
    return {"after": event}
