"""The stream of events, by Server-Sent Events: one answer that goes on until the token or the service ends.

Between events it holds no connection to the database, and never more than a page of events in memory. Who reads slowly
is written to slowly.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from starlette.responses import StreamingResponse

from countermand.admin.callers import Caller
from countermand.documents.events import write
from countermand.reads.events import LAST_ID, EventFilter, EventView, Place, list_events
from countermand.store.engines.protocol import TooBroadError, UnavailableError
from countermand.wire.limits import Receive
from countermand.wire.native.auth import may_go_on
from countermand.wire.native.meaning import scope_of
from countermand.wire.replies import CallError, Problem
from countermand.wire.response import goes_on
from countermand.wire.router import asked_method
from countermand.wire.services import Services

STREAMS_MAX: Final = 10
"""So many streams one credential may have at once."""

COMMENT_S: Final = 15.0
"""How long it is silent. Then a comment keeps what is between from closing a connection that seems idle."""

GATHER_S: Final = 0.1
"""How long it waits for company after the first of new events: a busy service is not read for each of them."""

EVENTS_AT_ONCE: Final = 50
LOOKS: Final = 1_000
"""So many events one read looks at, so that few among many are found in small steps."""

_RETRY: Final = b"retry: 3000\n\n"
_COMMENT: Final = b": nothing new\n\n"


def cursor_of(place: Place) -> str:
    """Where an event stands in the feed, as clients send it back."""
    return f"{place.position}-{place.id.hex}"


class EventStream(StreamingResponse):
    """The answer. It begins only if the credential may have one more."""

    def __init__(self, services: Services, call: Any, who: Caller, wanted: EventFilter) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(self._chunks(), headers=headers, media_type="text/event-stream")
        self._services = services
        self._call = call
        self._who = who
        self._wanted = wanted

    async def __call__(self, scope: Any, receive: Receive, send: Any) -> None:
        """Send events until something ends it: the caller, the token, the service, or the time that was asked for.

        Raises:
            CallError: the credential has as many streams as it may have.
        """
        arrivals, credential = self._services.arrivals, self._who.credential
        if asked_method(scope) == "HEAD":
            self.body_iterator = _none()
            await super().__call__(scope, receive, send)
            return
        if arrivals.watchers_of(credential) >= STREAMS_MAX:
            raise CallError(Problem.LIMIT_REACHED, f"This token has {STREAMS_MAX} streams of events. End one first.")
        goes_on(scope)
        with arrivals.watching(credential):
            await super().__call__(scope, receive, send)

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield _RETRY
        try:
            async for page in self._pages():
                yield self._written(page) if page else _COMMENT
        except (UnavailableError, TooBroadError):
            # The client connects again, with its cursor.
            return

    async def _pages(self) -> AsyncIterator[list[EventView]]:
        """Events as they come; none where nothing has come for so long."""
        arrivals, wanted = self._services.arrivals, self._wanted
        speaks_at = _now() + COMMENT_S
        while await self._may_go_on():
            number = arrivals.number
            rows, place = await self._read(wanted)
            is_all = place.id == LAST_ID or place == wanted.behind
            wanted = replace(wanted, behind=place, after=None)
            if rows or _now() >= speaks_at:
                yield rows
                speaks_at = _now() + COMMENT_S
            if not is_all:
                continue
            if wanted.until is not None and self._services.clock() >= wanted.until:
                return
            while not await arrivals.after(number, self._patience_s(speaks_at)):
                if not await self._may_go_on():
                    return
                yield []
                speaks_at = _now() + COMMENT_S
            await asyncio.sleep(GATHER_S)

    async def _read(self, wanted: EventFilter) -> tuple[list[EventView], Place]:
        bounded = replace(wanted, limit=EVENTS_AT_ONCE, looks=LOOKS if wanted.kinds else EVENTS_AT_ONCE)
        return await self._services.database.read(partial(list_events, scope=scope_of(self._who), wanted=bounded))

    def _patience_s(self, speaks_at: float) -> float:
        ends_at, now = self._who.expires_at, self._services.clock()
        left_s = (ends_at - now).total_seconds() if ends_at else COMMENT_S
        return max(0.0, min(speaks_at - _now(), left_s))

    async def _may_go_on(self) -> bool:
        return not self._services.arrivals.closed and await may_go_on(self._services, self._call)

    def _written(self, page: Iterable[EventView]) -> bytes:
        scope, source = scope_of(self._who), self._services.settings.base_url
        return b"".join(
            _message(cursor_of(Place(row.position, row.id)), row.kind, write(row, reader=scope, source=source))
            for row in page
        )


def _message(cursor: str, kind: str, document: Any) -> bytes:
    # JSON has no line break outside of its texts, and writes those inside as \n: so data is one line.
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return f"id: {cursor}\nevent: {kind}\ndata: {data}\n\n".encode()


async def _none() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for each in nothing:
        yield each


def _now() -> float:
    return asyncio.get_running_loop().time()
