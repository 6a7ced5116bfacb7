"""What changes while pages are open, by Server-Sent Events: which things a page shows have changed, and no more.

One reader for each process reads the feed, however many pages are open. It reads only when something was committed, and
not at all while nobody looks. A page names what it shows; it is told which of that has changed, and fetches it anew.
"""

import asyncio
import contextvars
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection
from starlette.responses import StreamingResponse

from countermand.admin import web_sessions
from countermand.admin.callers import PLATFORM
from countermand.admin.web_sessions import WebSession
from countermand.console.errors import PageError
from countermand.domain.events import MONEY
from countermand.domain.parties import PartyKind
from countermand.ids import Clock, show
from countermand.reads.arrivals import Arrivals
from countermand.reads.events import EventFilter, EventView, Place, event_keys_shown, list_events, newest_shown
from countermand.reads.scope import Scope
from countermand.store.engines.protocol import Database, TooBroadError, UnavailableError
from countermand.wire.response import goes_on

PATH: Final = "/console/live"

STREAMS_OF_SESSION: Final = 6
"""So many pages of one log-in are told at once: the latest. Others ask every 15 seconds.

A proxy may keep the connection of a page that has gone for a while, so one more takes the place of the oldest.
"""

STREAMS_MAX: Final = 500
"""So many pages are told at once in one process. Others ask every 15 seconds."""

ABOUT_MAX: Final = 20
"""So many things one page can name."""

READ_AT_ONCE: Final = 100
"""After more events than these between two reads, all pages are told to look again, and no event is looked at."""

KEPT: Final = 500
"""So many events are kept for pages that come back after a broken connection."""

GATHER_S: Final = 0.3
"""How long it waits for company after the first of new events."""

SILENT_S: Final = 15.0
"""How long a stream is silent. Then its cursor is sent, so that nothing between closes a connection that seems idle."""

BEGIN_S: Final = 15.0
"""How long a stream waits for the reader to begin. Then it ends, and the page comes back."""

CHECK_S: Final = 15.0
"""How often it is looked up which log-ins still count, of all that look, in one question."""

LINGER_S: Final = 30.0
"""How long the reader stays after the last page has gone: the next one may come at once."""

LISTS: Final = frozenset({"cancellations", "orders", "refunds"})
"""What a page can show besides single things."""

_READER: Final = UUID(int=0)
_RETRY: Final = b"retry: 3000\n\n"
_EVERYTHING: Final = Scope(party=PLATFORM, kind=PartyKind.PLATFORM)

EventKey = tuple[UUID, UUID, int]


def topics_of(event: EventView) -> frozenset[str]:
    """The things and lists that an event is about."""
    found = {"orders", show("ord", event.order_id), show("lin", event.line_id)}
    if event.cancellation_id is not None:
        found |= {"cancellations", show("can", event.cancellation_id)}
    if refund := event.facts.get("refund"):
        found |= {"refunds", show("rfd", UUID(refund["id"])), show("can", UUID(refund["cancellation"]))}
    if event.kind in MONEY:
        found.add("refunds")
    return frozenset(found)


@dataclass(eq=False, kw_only=True)
class Listener:
    """A page that is open: what it shows, and what of that has changed since it was last told."""

    session: WebSession
    about: frozenset[str]
    changed: set[str] = field(default_factory=set)
    everything: bool = False
    ends_with: str = ""
    number: int = 0
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def scope(self) -> Scope:
        """What its party may see."""
        return Scope(party=self.session.caller.party, kind=self.session.caller.kind)

    def tell(self, topics: Iterable[str]) -> None:
        """Some things have changed. It grows no further than what the page shows."""
        mine = self.about.intersection(topics)
        if mine:
            self.changed |= mine
            self.woken.set()

    def tell_everything(self) -> None:
        """Anything may have changed."""
        self.everything = True
        self.woken.set()

    def end(self, why: str) -> None:
        """Nothing more is told: its log-in has ``ended``, or it is ``crowded`` out by later pages of it."""
        self.ends_with = why
        self.woken.set()

    def taken(self) -> list[str] | str | None:
        """What has changed since this was last called: things, or ``all``; ``None`` for nothing."""
        found: list[str] | str | None = "all" if self.everything else sorted(self.changed) or None
        self.changed.clear()
        self.everything = False
        self.woken.clear()
        return found


class Live:
    """Tells open pages what has changed."""

    def __init__(
        self, database: Database, arrivals: Arrivals, clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._arrivals = arrivals
        self._clock = clock
        self._monotonic = monotonic
        self._listeners: set[Listener] = set()
        self._reading: asyncio.Task[None] | None = None
        self._place: Place | None = None
        self._kept: deque[EventView] = deque(maxlen=KEPT)
        self._kept_from: Place | None = None
        self._check_at = 0.0
        self._left_at = 0.0
        self._begun = asyncio.Event()
        self._count = 0

    @property
    def is_open(self) -> bool:
        """Whether anybody reads what has changed."""
        return self._reading is not None

    @property
    def cursor(self) -> str:
        """Up to where pages have been told. Empty while nobody reads: a page with that looks again at once."""
        return _cursor(self._place) if self._place else ""

    def check_sessions(self) -> None:
        """A log-in may have ended just now: see at once."""
        if self._listeners:
            self._check_at = 0.0
            self._arrivals.announce()

    def make_room(self, session: WebSession) -> None:
        """Make room for one more page of this log-in.

        Raises:
            PageError: too many are told, of all.
        """
        told = [each for each in self._listeners if each.session.id == session.id and not each.ends_with]
        if len(told) >= STREAMS_OF_SESSION:
            min(told, key=lambda each: each.number).end("crowded")
        elif len(self._listeners) >= STREAMS_MAX:
            raise PageError(HTTPStatus.SERVICE_UNAVAILABLE, "Too many pages are open", "", (b"retry-after", b"60"))

    @contextmanager
    def listening(self, session: WebSession, about: Collection[str]) -> Iterator[Listener]:
        """As long as a page is open."""
        self._count += 1
        listener = Listener(session=session, about=frozenset(about), number=self._count)
        self._listeners.add(listener)
        if self._reading is None:
            # What it reads is nobody's: not that of the visitor who happened to be the first.
            self._reading = asyncio.create_task(self._read_forever(), context=contextvars.Context())
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            self._left_at = self._monotonic()

    async def catch_up(self, listener: Listener, after: str) -> None:
        """Tell a page that has just come what it missed since ``after``, as far as that is known.

        Raises:
            TimeoutError: the database does not answer.
        """
        async with asyncio.timeout(BEGIN_S):
            await self._begun.wait()
        behind = _read_cursor(after)
        if behind is None or self._kept_from is None or behind < self._kept_from:
            listener.tell_everything()
            return
        missed = [each for each in self._kept if Place(each.position, each.id) > behind]
        await self._tell(missed, {listener})

    # The reader

    async def _read_forever(self) -> None:
        with self._arrivals.watching(_READER):
            try:
                while not self._arrivals.closed and self._is_wanted():
                    number = self._arrivals.number
                    # A database that is away is found out by those who load pages.
                    with suppress(UnavailableError, TooBroadError):
                        await self._read()
                        await self._check()
                    if await self._arrivals.after(number, self._patience_s()):
                        await asyncio.sleep(GATHER_S)
            finally:
                self._place = self._kept_from = self._reading = None
                self._kept.clear()
                self._begun.clear()
                for each in self._listeners:
                    each.woken.set()

    def _is_wanted(self) -> bool:
        return bool(self._listeners) or self._monotonic() - self._left_at < LINGER_S

    def _patience_s(self) -> float:
        now, ends = self._clock(), [each.session.expires_at for each in self._listeners]
        left_s = (min(ends) - now).total_seconds() if ends else LINGER_S
        return max(0.01, min(left_s, CHECK_S))

    async def _read(self) -> None:
        """Read what has come since, and tell those who see it."""
        if self._place is None:
            self._begin_at(await self._database.read(newest_shown))
            return
        rows, place = await self._database.read(partial(_news, behind=self._place))
        if rows is None:
            self._begin_at(place)
            for each in self._listeners:
                each.tell_everything()
            return
        listeners = set(self._listeners)
        await self._tell(rows, listeners)
        self._keep(rows)
        self._place = place
        # Whoever came meanwhile was shown neither these nor what was kept before.
        for each in self._listeners - listeners:
            each.tell_everything()

    def _keep(self, rows: Sequence[EventView]) -> None:
        surplus = len(self._kept) + len(rows) - KEPT
        if surplus > 0:
            last = self._kept[surplus - 1]
            self._kept_from = Place(last.position, last.id)
        self._kept.extend(rows)

    def _begin_at(self, place: Place) -> None:
        self._kept.clear()
        self._place = self._kept_from = place
        self._begun.set()

    async def _tell(self, rows: Sequence[EventView], listeners: Collection[Listener]) -> None:
        """Tell each of these of the events that its party may see."""
        if not rows or not listeners:
            return
        topics = {_key(each): topics_of(each) for each in rows}
        by_scope: dict[Scope, list[Listener]] = {}
        for listener in listeners:
            by_scope.setdefault(listener.scope, []).append(listener)
        for scope, of_scope in by_scope.items():
            shown = await self._shown(scope, rows)
            told = frozenset[str]().union(*(topics[key] for key in shown))
            for listener in of_scope:
                listener.tell(told)

    async def _shown(self, scope: Scope, rows: Sequence[EventView]) -> Collection[EventKey]:
        """Which of these events a party may see. Those that are not about it are not asked about."""
        if scope.kind is PartyKind.PLATFORM:
            return [_key(each) for each in rows]
        sold = [_key(each) for each in rows if each.retailer_id == scope.party]
        held = [
            _key(each)
            for each in rows
            if each.retailer_id != scope.party and scope.party in (each.fulfiller_id, each.former_id)
        ]
        if not held:
            return sold
        return [*sold, *await self._database.read(partial(event_keys_shown, scope=scope, keys=held))]

    async def _check(self) -> None:
        """End the streams of log-ins that count no longer."""
        now, sessions = self._monotonic(), {each.session.id for each in self._listeners}
        if not sessions or (now < self._check_at and not self._has_expired()):
            return
        # Before the question: what ``check_sessions`` says while it is answered must not be forgotten.
        self._check_at = now + CHECK_S
        try:
            question = partial(web_sessions.still_counting, sessions=sessions, now=self._clock())
            counting = await self._database.read(question)
        except (UnavailableError, TooBroadError):
            self._check_at = 0.0
            raise
        for each in list(self._listeners):
            if each.session.id in sessions - counting:
                each.end("ended")

    def _has_expired(self) -> bool:
        now = self._clock()
        return any(each.session.expires_at <= now for each in self._listeners)


def _news(connection: Connection, behind: Place) -> tuple[list[EventView] | None, Place]:
    """The events since, and where they end; no events where there are too many to look at."""
    rows, place = list_events(connection, _EVERYTHING, EventFilter(behind=behind, limit=READ_AT_ONCE + 1))
    return (rows, place) if len(rows) <= READ_AT_ONCE else (None, newest_shown(connection))


def _key(event: EventView) -> EventKey:
    return event.retailer_id, event.line_id, event.seq


def _cursor(place: Place) -> str:
    return f"{place.position}-{place.id.hex}"


def _read_cursor(text: str) -> Place | None:
    position, _, event = text[:80].partition("-")
    try:
        return Place(int(position), UUID(hex=event))
    except ValueError:
        return None


class LiveStream(StreamingResponse):
    """The answer to a page that wants to be told. It goes on until the page, its log-in or the service ends.

    Raises:
        PageError: too many pages are open.
    """

    def __init__(self, live: Live, session: WebSession, *, about: Sequence[str], after: str) -> None:
        # nginx would else gather messages until they fill a buffer.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
        super().__init__(self._chunks(), headers=headers, media_type="text/event-stream")
        live.make_room(session)
        self._live = live
        self._session = session
        self._about = about[:ABOUT_MAX]
        self._after = after
        self._listener: Listener | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send until something ends it."""
        with self._live.listening(self._session, self._about) as listener:
            self._listener = listener
            goes_on(scope)
            await super().__call__(scope, receive, send)

    async def _chunks(self) -> AsyncIterator[bytes]:
        listener, live = self._listener, self._live
        # ``__call__`` has it.
        assert listener is not None
        yield _RETRY
        with suppress(UnavailableError, TimeoutError):
            await live.catch_up(listener, self._after)
            async for message in self._messages(listener):
                yield message

    async def _messages(self, listener: Listener) -> AsyncIterator[bytes]:
        live = self._live
        while not listener.ends_with:
            changed = listener.taken()
            cursor = live.cursor
            if changed is not None:
                yield _message(cursor, "changed", {"changed": changed})
            elif cursor:
                # A message without data is none: the browser only keeps where it has come to.
                yield f"id: {cursor}\n\n".encode()
            with suppress(TimeoutError):
                async with asyncio.timeout(SILENT_S):
                    await listener.woken.wait()
            if not live.is_open:
                return
        yield _message(live.cursor, listener.ends_with, {})


def _message(cursor: str, name: str, data: dict[str, Any]) -> bytes:
    return f"id: {cursor}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode()
