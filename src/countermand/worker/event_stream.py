"""Publishes the journal to a stream of a broker, event by event in the order of each line, and again what it lost.

One process does it: the owner of one partition. It reads the feed from a place that the database keeps, publishes a
page, and keeps the place behind it once the stream has stored all of it. What is published twice, after a crash or by
two owners, has the same id, and the broker drops it. Nobody waits for any of this.

The stream may lose what it had: it was deleted, or a broken server came back without its end. It shows by the time at
which it was made, and by the numbers of its messages. Each message says up to which place everything before it was in
the stream, so the last one that is left says where to go on.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import orjson
import structlog
from sqlalchemy import Connection

from countermand.documents.events import write
from countermand.ids import Clock, show
from countermand.observability import metrics
from countermand.outlets.event_stream import EventStream, Message, StreamError
from countermand.reads.event_stream import READER, Page, first_place, page_behind, place_of
from countermand.reads.events import EventView, Place
from countermand.store import event_streams
from countermand.store.engines.protocol import Database
from countermand.store.event_streams import OWNING_PARTITION, Cursor
from countermand.worker.leases import Monotonic, Partitions
from countermand.worker.pace import StalledError

PAGE: Final = 500
LOOK_AGAIN_S: Final = 5.0
"""After so long without a word of the stream, it is looked at before anything more is published."""

log = structlog.get_logger()


class EventStreamPublisher:
    """Publishes to one stream. ``keep`` is how far back a stream that is new begins; ``None``: at the beginning.

    ``source`` is the service's base URL.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        partitions: Partitions,
        stream: EventStream,
        *,
        source: str,
        keep: timedelta | None,
        monotonic: Monotonic = time.monotonic,
        page: int = PAGE,
    ) -> None:
        self._database = database
        self._clock = clock
        self._partitions = partitions
        self._stream = stream
        self._source = source
        self._keep = keep
        self._monotonic = monotonic
        self._page = page
        self._fence: int | None = None
        self._cursor: Cursor | None = None
        self._heard_at = float("-inf")

    async def publish_all(self) -> int:
        """Publish all that there is, if it is this worker's to do. Returns how many events.

        Raises:
            StalledError: the stream does not take them. It is tried again from where it was.
        """
        fence = self._partitions.fence(OWNING_PARTITION)
        if fence != self._fence:
            self._fence, self._cursor = fence, None
        if fence is None:
            await self._stream.close()
            return 0
        try:
            return await self._publish_all(fence)
        except StreamError as error:
            self._cursor = None
            raise StalledError(str(error)) from error
        except BaseException:
            self._cursor = None
            raise

    async def _publish_all(self, fence: int) -> int:
        published = 0
        while self._partitions.fence(OWNING_PARTITION) == fence:
            cursor = await self._looked_at(fence)
            page = await self._database.read(partial(page_behind, place=place_of(cursor), limit=self._page))
            if not page.events:
                # What is behind it is looked through once.
                self._cursor = replace(cursor, position=page.end.position, event_id=page.end.id)
                break
            self._cursor = await self._published(page, cursor, fence)
            published += len(page.events)
        return published

    # The stream and its place

    async def _looked_at(self, fence: int) -> Cursor:
        """Where to go on, after a look at the stream if it has not been heard of lately."""
        if self._cursor is not None and self._monotonic() - self._heard_at < LOOK_AGAIN_S:
            return self._cursor
        state = await self._stream.open()
        known = self._cursor or await self._database.read(
            lambda connection: event_streams.cursor_of(connection, self._stream.name)
        )
        if known is None or known.made_at != state.made_at:
            why = "begun" if known is None else "lost"
            self._cursor = await self._begin(state.made_at, state.last_sequence, fence, why)
        elif state.last_sequence < known.sequence:
            self._cursor = await self._go_back(known, state.last_sequence, fence)
        else:
            self._cursor = known
        self._heard_at = self._monotonic()
        return self._cursor

    async def _begin(self, made_at: datetime, sequence: int, fence: int, why: str) -> Cursor:
        place = await self._database.read(partial(first_place, now=self._clock(), keep=self._keep))
        return await self._refill(
            Cursor(
                stream=self._stream.name,
                made_at=made_at,
                sequence=sequence,
                position=place.position,
                event_id=place.id,
            ),
            fence,
            why,
        )

    async def _go_back(self, known: Cursor, last: int, fence: int) -> Cursor:
        """The stream ends with this message now, though it has acknowledged more."""
        after = _read_place(await self._stream.after_of(last))
        if after is None:
            return await self._begin(known.made_at, last, fence, "cut")
        return await self._refill(
            replace(known, sequence=last, position=after.position, event_id=after.id), fence, "cut"
        )

    async def _refill(self, cursor: Cursor, fence: int, why: str) -> Cursor:
        metrics.STREAM_REFILLS.add(why)
        say = log.info if why == "begun" else log.warning
        say("stream_refilled", stream=cursor.stream, why=why, position=cursor.position)
        return await self._kept(cursor, fence)

    async def _kept(self, cursor: Cursor, fence: int) -> Cursor:
        await self._database.write(partial(self._keep_it, cursor, fence))
        return cursor

    def _keep_it(self, cursor: Cursor, fence: int, connection: Connection) -> None:
        event_streams.keep(connection, cursor, fence, self._clock())

    # One page

    async def _published(self, page: Page, cursor: Cursor, fence: int) -> Cursor:
        """Publish a page and keep where it ends; or go back, if the stream has lost what it had."""
        last = cursor.sequence
        for wave in waves(page.events):
            found = await self._stream.publish([self._message(event, cursor) for event in wave])
            metrics.STREAM_EVENTS.add("stored", by=len(found.new))
            metrics.STREAM_EVENTS.add("repeated", by=found.repeated)
            first = min(found.new, default=last + 1)
            if first <= cursor.sequence:
                return await self._go_back(cursor, first - 1, fence)
            last = max([last, *found.new])
        self._heard_at = self._monotonic()
        return await self._kept(replace(cursor, sequence=last, position=page.end.position, event_id=page.end.id), fence)

    def _message(self, event: EventView, cursor: Cursor) -> Message:
        document = write(event, reader=READER, source=self._source)
        return Message(
            id=show("evt", event.id),
            kind=event.kind,
            retailer=str(event.retailer_id),
            body=orjson.dumps(document),
            after=f"{cursor.position}:{cursor.event_id.hex}",
        )


def waves(events: Iterable[EventView]) -> Iterator[list[EventView]]:
    """All of these, in turns: each has at most one event of a line, and those of a line come in their order.

    What is published in one turn can arrive in any order. The next turn begins when all of it is stored.
    """
    turns: defaultdict[int, list[EventView]] = defaultdict(list)
    counts: Counter[tuple[UUID, UUID]] = Counter()
    for event in sorted(events, key=lambda event: event.seq):
        line = event.retailer_id, event.line_id
        turns[counts[line]].append(event)
        counts[line] += 1
    yield from turns.values()


def _read_place(after: str | None) -> Place | None:
    """What a message says; ``None`` if it is none of ours."""
    position, _, event = (after or "").partition(":")
    try:
        return Place(int(position), UUID(event))
    except ValueError:
        return None
