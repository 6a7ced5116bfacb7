"""Sends notices: read what is due, send it, save the result.

A notice is read, sent, and settled "if the partition is still this worker's". Whatever ends the process between the
steps leaves the notice due: it is then sent again under the same id, and never not at all.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Coroutine, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from random import Random
from typing import Any, Final, Protocol
from uuid import UUID

import structlog
from sqlalchemy import Connection

from countermand.admin import endpoints
from countermand.admin.audit import Author
from countermand.domain.delivery import (
    ATTEMPTS_MAX,
    FAILING_MAX,
    Attempt,
    NoticeState,
    Stop,
    Verdict,
    health_after,
    rest_s,
    status_after,
)
from countermand.domain.endpoint import Endpoint, EndpointState
from countermand.domain.parties import PartyKind
from countermand.ids import Clock, Ids, show
from countermand.observability import metrics, tracing
from countermand.reads.scope import Scope
from countermand.reads.subjects import Subject, subjects_of
from countermand.store import attempts, outbox, owner_mails
from countermand.store.attempts import AttemptRow
from countermand.store.engines.protocol import Database, Pair
from countermand.store.outbox import DueNotice, Settlement
from countermand.worker.leases import Monotonic, Partitions
from countermand.worker.pace import pause_s
from countermand.worker.scheduler import READ_AGAIN_BELOW, Queue, QueuedNotice, SendScheduler

SENDS_AT_ONCE: Final = 128
SETTLED_AT_ONCE: Final = 500
UNSETTLED_MAX: Final = 2 * SETTLED_AT_ONCE
"""While the results of so many notices cannot be saved, no more are sent."""
READ_AT_ONCE: Final = 64
"""Of so many endpoints and partitions notices are read in one go."""
FAILING_READ_AT_ONCE: Final = 100
"""How many endpoints that failed are tried at each pass, so that they do not cost more than those that work."""
LONG_S: Final = 0.5
"""A send that takes longer gives its place to the next one."""
SUCCESS_NOTED_EVERY_S: Final = 60.0
"""How often it is written down that an endpoint answers, in case another worker saw it fail."""
TRY_AGAIN_S: Final = 0.5
SETTLE_MAX_S: Final = 5.0
"""How long a worker that stops waits for the database, after it has waited for receivers."""

log = structlog.get_logger()


class Courier(Protocol):
    """Takes a notice to where it goes."""

    async def deliver(self, endpoint: Endpoint, reader: Scope, event: Subject) -> Attempt:
        """Write the notice of an event or a process status for its reader, sign it, and make one attempt to send it."""

    async def tell_owner(self, address: str, endpoint: str, why: str, *, message_id: str) -> Attempt:
        """Make one attempt to notify an owner that nothing more is sent to an endpoint."""

    async def ask_to_confirm(
        self, address: str, endpoint: UUID, party: str, *, at: datetime, message_id: str
    ) -> Attempt:
        """Make one attempt to send a mailbox the question whether a party may be notified there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """An attempt that is over, and what it leaves."""

    queue: Queue
    notice: DueNotice
    delivered: bool
    settlement: Settlement
    attempt: AttemptRow
    stop: Stop | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetched:
    """The result of one query: notices, endpoints that were not loaded yet, and the revision of agreements."""

    notices: list[DueNotice]
    events: dict[UUID, Subject]
    endpoints: list[tuple[Endpoint, PartyKind]]
    revision: int
    full: set[Pair]


class Notices:
    """Sends the notices of this worker's partitions. All of it runs in one event loop, in tasks that it starts itself.

    Args:
        at_once: how many notices are sent at once to endpoints that answer, and as many again to those that failed.
    """

    def __init__(
        self,
        database: Database,
        partitions: Partitions,
        courier: Courier,
        clock: Clock,
        *,
        at_once: int = SENDS_AT_ONCE,
        monotonic: Monotonic = time.monotonic,
        dice: Random | None = None,
        ids: Ids | None = None,
    ) -> None:
        self._database = database
        self._ids = ids or Ids(clock)
        self._partitions = partitions
        self._courier = courier
        self._clock = clock
        self._monotonic = monotonic
        # Jitter needs no secrets, and asking the system for each throw took a tenth of the time of a notice.
        self._dice = dice or Random()  # noqa: S311
        self._turns = SendScheduler(at_once)
        self._queues: dict[UUID, Queue] = {}
        self._revision = -1
        self._heard: dict[Pair, None] = {}
        self._found: dict[Pair, None] = {}
        self._look_wanted = False
        self._held: set[UUID] = set()
        self._settled: set[UUID] = set()
        self._under_way: Counter[int] = Counter()
        self._results: list[_Result] = []
        self._reader: asyncio.Task[None] | None = None
        self._settler: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._telling: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.look_took_s = 0.0
        """How long the last pass through all partitions took."""
        self.looks_failed = 0
        """How many passes failed in a row."""

    # What starts it

    def wake(self, pairs: Iterable[Pair]) -> None:
        """Notices were committed for these: send them now."""
        self._heard |= {pair: None for pair in pairs if self._partitions.fence(pair[0]) is not None}
        self._read()

    def look(self) -> None:
        """Search all partitions for due notices: retries, and those that other processes committed."""
        self._look_wanted = True
        self._read()

    def drop(self, partitions: Collection[int]) -> None:
        """These partitions are another worker's: what is not being sent is left to it."""
        for queue in self._queues.values():
            if any(each.notice.partition in partitions for each in queue.waiting):
                kept = [each for each in queue.waiting if each.notice.partition not in partitions]
                self._drop_waiting(queue)
                for letter in kept:
                    self._keep(queue, letter)
            queue.more -= set(partitions)

    def busy(self, partition: int) -> bool:
        """Whether notices of this partition are being sent or settled."""
        return self._under_way[partition] > 0

    @property
    def reading(self) -> bool:
        """Whether the database is being asked for what is due."""
        return self._reader is not None

    async def quiet(self) -> None:
        """Wait until nothing is under way and nothing is left that could be sent now."""
        while running := [each for each in (self._reader, self._settler, *self._sending, *self._telling) if each]:
            await asyncio.wait(running)

    async def finish(self, within_s: float) -> None:
        """Begin nothing more; wait for what is being sent, but not for ever, and settle it."""
        self._stopping = True
        for queue in self._queues.values():
            self._drop_waiting(queue)
        deadline = asyncio.get_running_loop().time() + within_s
        await self._wait(self._sending, deadline)
        await self._wait([each for each in (self._settler, self._reader) if each], deadline + SETTLE_MAX_S)
        unfinished = [each for each in (*self._sending, self._settler, self._reader, *self._telling) if each]
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)

    async def _wait(self, tasks: Collection[asyncio.Task[None]], deadline: float) -> None:
        if tasks:
            await asyncio.wait(tasks, timeout=max(0.1, deadline - asyncio.get_running_loop().time()))

    # Read

    def _read(self) -> None:
        if self._reader is None and not self._stopping and (self._heard or self._look_wanted):
            self._reader = asyncio.create_task(self._reading())

    async def _reading(self) -> None:
        try:
            while (self._heard or self._found or self._look_wanted) and not self._stopping:
                await self._read_once()
            self.looks_failed = 0
        except Exception:
            # The next pass finds all that is due.
            self.looks_failed += 1
            log.warning("notices_not_read", exc_info=True)
            self._heard.clear()
            self._found.clear()
            self._look_wanted = False
        finally:
            self._reader = None

    async def _read_once(self) -> None:
        look, self._look_wanted = self._look_wanted, False
        # What was settled before this read begins is not due in it. What is settled meanwhile may seem so.
        self._held -= self._settled
        self._settled.clear()
        now = self._clock()
        if look:
            self._forget_idle()
            began = self._monotonic()
            owned = self._partitions.owned
            self._spread(await self._database.read(partial(outbox.waiting, now=now, partitions=owned)))
            self.look_took_s = self._monotonic() - began
        pairs = self._next_pairs()
        if pairs or look:
            self._accept(await self._database.read(partial(self._fetch, now, pairs, frozenset(self._held))))
        self._go_on()

    def _spread(self, found: Iterable[Pair]) -> None:
        """Read what a pass found little by little, so that new notices need not wait.

        Only a few endpoints that failed are read at each pass: those with the fewest failures first, then the longest
        waiting.
        """
        failing: dict[Queue, Pair] = {}
        self._found.clear()
        for pair in found:
            queue = self._queues.get(pair[1])
            if queue is None or not queue.failures:
                self._found[pair] = None
            elif self._wants(pair):
                failing[queue] = pair
        worst_last = sorted(failing, key=lambda queue: (min(queue.failures, _WORST), queue.rest_until))
        self._found |= {failing[queue]: None for queue in worst_last[:FAILING_READ_AT_ONCE]}

    def _next_pairs(self) -> list[Pair]:
        """What to read now: what was reported first, then what the last query found."""
        pairs: list[Pair] = []
        for waiting in (self._heard, self._found):
            while waiting and len(pairs) < READ_AT_ONCE:
                pair = next(iter(waiting))
                del waiting[pair]
                if self._wants(pair):
                    pairs.append(pair)
        return pairs

    def _wants(self, pair: Pair) -> bool:
        """Whether to read this now. If there is enough to send already, it is read later."""
        queue = self._queues.get(pair[1])
        if queue is None:
            return True
        if queue.rest_until > self._monotonic():
            log.debug("notices_wait", endpoint=show(endpoints.PREFIX, queue.id), why="the endpoint failed and rests")
            return False
        if queue.slow:
            log.debug("notices_wait", endpoint=show(endpoints.PREFIX, queue.id), why="another send takes long")
            # It is read on once the send that takes so long has ended.
            queue.more.add(pair[0])
            return False
        if len(queue.waiting) >= (1 if queue.failures else READ_AGAIN_BELOW):
            log.debug("notices_wait", endpoint=show(endpoints.PREFIX, queue.id), why="others go before")
            queue.more.add(pair[0])
            return False
        return True

    def _fetch(self, now: datetime, pairs: list[Pair], held: frozenset[UUID], connection: Connection) -> _Fetched:
        """Runs beside the event loop on SQLite: it reads the queues and changes nothing.

        What was ``held`` when it began is read over: of that the events are known.
        """
        by_most: dict[int, list[Pair]] = {}
        for pair in pairs:
            queue = self._queues.get(pair[1])
            # As many powers of two as it takes: few statements, and never fewer rows than are held already.
            most = 1 << ((queue.reads if queue else 1) + (queue.held if queue else 0)).bit_length()
            by_most.setdefault(most, []).append(pair)
        notices: list[DueNotice] = []
        full: set[Pair] = set()
        for most, some in by_most.items():
            found = outbox.due(connection, now, some, most)
            notices += [row for row in found if row.id not in held]
            found_of = Counter((row.partition, row.endpoint_id) for row in found)
            full |= {pair for pair, count in found_of.items() if count >= most}
        revision = outbox.revision(connection)
        known = self._queues.keys()
        ids: set[UUID] = {row.endpoint_id for row in notices}
        ids = ids - known if revision == self._revision else ids | known
        return _Fetched(
            notices=sorted(notices, key=lambda row: row.due_at),
            events=subjects_of(connection, notices),
            endpoints=endpoints.by_ids(connection, ids) if ids else [],
            revision=revision,
            full=full,
        )

    def _accept(self, fetched: _Fetched) -> None:
        self._revision = fetched.revision
        for found, kind in fetched.endpoints:
            self._meet(found, kind)
        buried = [row for row in fetched.notices if not self._accept_notice(row, fetched.events.get(row.event_id))]
        for partition, endpoint in fetched.full:
            if endpoint in self._queues:
                self._queues[endpoint].more.add(partition)
        if buried:
            self._aside(self._database.write(partial(outbox.mark_dead, notices=buried, reason=_NEVER)))

    def _accept_notice(self, row: DueNotice, event: Subject | None) -> bool:
        """Put a notice into its queue, unless it is there, or may not be sent now. False if it cannot ever be."""
        queue = self._queues.get(row.endpoint_id)
        if row.id in self._held or self._partitions.fence(row.partition) is None:
            return True
        if queue is None or queue.endpoint.state is EndpointState.REMOVED or event is None:
            return False
        if queue.endpoint.state is EndpointState.ACTIVE and not (queue.failures and queue.waiting):
            self._keep(queue, QueuedNotice(notice=row, event=event))
            self._turns.offer(queue)
        return True

    def _meet(self, endpoint: Endpoint, kind: PartyKind) -> None:
        """Take note of an endpoint, or of what its owner changed."""
        queue = self._queues.get(endpoint.id)
        if queue is None:
            since = endpoint.failing_since
            reader = Scope(party=endpoint.party, kind=kind)
            failures = int(since is not None)
            self._queues[endpoint.id] = Queue(endpoint=endpoint, reader=reader, failures=failures, failing_since=since)
        elif queue.endpoint != endpoint:
            resumed = queue.endpoint.state != endpoint.state
            queue.endpoint = endpoint
            queue.failing_since = endpoint.failing_since
            self._drop_waiting(queue)
            if resumed:
                queue.failures, queue.rest_until = 0, float("-inf")
            self._look_wanted = True

    def _keep(self, queue: Queue, letter: QueuedNotice) -> None:
        queue.waiting.append(letter)
        queue.held += 1
        self._held.add(letter.notice.id)

    def _drop_waiting(self, queue: Queue) -> None:
        """What is dropped was not sent, so it may be read again at once."""
        self._held.difference_update(letter.notice.id for letter in queue.waiting)
        queue.held -= len(queue.waiting)
        queue.waiting.clear()

    # Send

    def _go_on(self) -> None:
        """Send as much as may be sent."""
        # A notice whose result is not saved is sent again after a crash, so there must not be many of them.
        while not self._stopping and len(self._results) < UNSETTLED_MAX and (queue := self._turns.next()):
            letter = queue.waiting.popleft()
            notice = letter.notice
            fence = self._partitions.fence(notice.partition)
            if fence is None:
                self._turns.done(queue)
                self._held.discard(notice.id)
                queue.held -= 1
                self._turns.offer(queue)
                continue
            self._under_way[notice.partition] += 1
            task = asyncio.create_task(self._send(queue, letter, fence))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, queue: Queue, letter: QueuedNotice, fence: int) -> None:
        long = asyncio.get_running_loop().call_later(LONG_S, self._overstays, queue)
        endpoint, began, began_at = queue.endpoint, self._monotonic(), self._clock()
        notice = show("ntc", letter.notice.id)
        stored_in = (tracing.of_event(letter.notice.event_id),)
        try:
            with tracing.span("notice", "producer", links=stored_in, notice=notice, event=letter.event.kind):
                attempt = await self._courier.deliver(endpoint, queue.reader, letter.event)
        except Exception:
            log.exception("notice_not_written", notice=notice)
            attempt = Attempt(verdict=Verdict.FAILED, result="The notice could not be written. It was logged.")
        finally:
            long.cancel()
            self._turns.done(queue)
        took_s = self._monotonic() - began
        kept = self._kept(endpoint, letter, attempt, began_at, took_s)
        _report(letter, endpoint, attempt, took_s)
        self._note(queue, letter.notice, fence, attempt, kept)
        self._refill(queue)
        self._go_on()

    def _overstays(self, queue: Queue) -> None:
        if self._turns.overstays(queue):
            self._go_on()

    def _kept(
        self, endpoint: Endpoint, letter: QueuedNotice, attempt: Attempt, at: datetime, took_s: float
    ) -> AttemptRow:
        notice = letter.notice
        return AttemptRow(
            retailer_id=notice.retailer_id,
            id=self._ids.new(),
            notice_id=notice.id,
            endpoint_id=notice.endpoint_id,
            event_id=notice.event_id,
            line_id=notice.line_id,
            seq=notice.seq,
            kind=letter.event.kind,
            url=endpoint.url,
            at=at,
            ok=attempt.verdict is Verdict.DELIVERED,
            duration_ms=round(took_s * 1000),
            status=attempt.status,
            answer=attempt.answer,
            error=attempt.error,
        )

    def _note(self, queue: Queue, notice: DueNotice, fence: int, attempt: Attempt, kept: AttemptRow) -> None:
        now = self._clock()
        number = notice.attempts + 1
        status = status_after(attempt, number, now, self._dice.random())
        health = health_after(attempt, queue.failing_since, now)
        if status.state is NoticeState.DEAD:
            metrics.NOTICES_DEAD.add()
        delivered = attempt.verdict is Verdict.DELIVERED
        if delivered:
            queue.failures = 0
        else:
            queue.failures += 1
            # The next success is written down, whenever the last one was.
            queue.noted_at = float("-inf")
            queue.rest_until = self._monotonic() + rest_s(attempt, queue.failures)
            self._drop_waiting(queue)
        settlement = Settlement(
            retailer=notice.retailer_id,
            notice=notice.id,
            partition=notice.partition,
            fence=fence,
            tried=notice.attempts,
            state=status.state.value,
            attempts=number,
            due_at=status.due_at,
            result=attempt.result,
            at=now,
        )
        if status.due_at is not None:
            log.debug(
                "notice_waits",
                notice=show("ntc", notice.id),
                endpoint=show(endpoints.PREFIX, queue.id),
                why="the attempt failed",
                until=status.due_at,
                attempts_left=ATTEMPTS_MAX - number,
            )
        self._results.append(
            _Result(
                queue=queue,
                notice=notice,
                delivered=delivered,
                settlement=settlement,
                attempt=kept,
                stop=health.stop,
            )
        )
        queue.failing_since = health.failing_since
        if self._settler is None:
            self._settler = asyncio.create_task(self._settling())

    def _refill(self, queue: Queue) -> None:
        self._turns.offer(queue)
        if queue.more and not queue.failures and len(queue.waiting) < READ_AGAIN_BELOW:
            more, queue.more = queue.more, set()
            self.wake((partition, queue.id) for partition in more)

    # Settle

    async def _settling(self) -> None:
        failures = 0
        try:
            while self._results:
                batch = self._results[:SETTLED_AT_ONCE]
                try:
                    await self._settle(batch)
                    failures = 0
                except Exception:
                    # Nothing is lost: it is tried again, and until then none of these is sent by this worker.
                    failures += 1
                    log.warning("notices_not_settled", notices=len(batch), exc_info=True)
                    await asyncio.sleep(pause_s(TRY_AGAIN_S, failures - 1))
                self._go_on()
        finally:
            self._settler = None

    async def _settle(self, batch: list[_Result]) -> None:
        answered = self._to_be_noted(batch)
        try:
            stopped = await self._database.write(partial(self._store, batch, {queue.id for queue in answered}))
        except BaseException:
            for queue in answered:
                queue.noted_at = float("-inf")
            raise
        del self._results[: len(batch)]
        for result in batch:
            result.queue.held -= 1
            self._settled.add(result.notice.id)
            self._under_way[result.notice.partition] -= 1
        for result in stopped:
            _log_stop(result)

    def _to_be_noted(self, batch: Iterable[_Result]) -> list[Queue]:
        """Endpoints of which it is time to write down that they answer."""
        now = self._monotonic()
        answered = {each.queue: None for each in batch if each.delivered}
        noted = [queue for queue in answered if queue.noted_at + SUCCESS_NOTED_EVERY_S <= now]
        for queue in noted:
            queue.noted_at = now
        return noted

    def _store(self, batch: list[_Result], answered: Collection[UUID], connection: Connection) -> list[_Result]:
        """Write it all down; which results stopped their endpoints."""
        count = outbox.settle(connection, [each.settlement for each in batch])
        attempts.record(connection, [each.attempt for each in batch])
        if count < len(batch):
            log.warning("notices_settled_by_another", notices=len(batch) - count)
        last = {each.queue: each for each in batch}
        failed = {queue.id for queue, each in last.items() if not each.delivered}
        if answered:
            outbox.note_success(connection, answered)
        if failed:
            outbox.note_failure(connection, failed, min(each.settlement.at for each in batch))
        return [each for each in last.values() if each.stop and self._stop(connection, each)]

    def _stop(self, connection: Connection, result: _Result) -> bool:
        until = result.settlement.at - FAILING_MAX if result.stop is Stop.PAUSE else None
        assert result.stop is not None
        stopped = outbox.stop(connection, result.queue.id, result.stop.value, _why(result), until)
        if stopped:
            author = Author(name=BY_ITSELF, door=DOOR, at=result.settlement.at, ids=self._ids)
            state = EndpointState(result.stop.value)
            endpoints.record_stop(connection, author, result.queue.endpoint, state, _why(result))
            owner_mails.owe(connection, result.queue.id, _why(result), result.settlement.at)
        return stopped

    def _aside(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(_logged(job))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def _forget_idle(self) -> None:
        """Keep in memory those endpoints that have something to send, or that failed, and not many more."""
        idle = [queue for queue in self._queues.values() if queue.is_idle]
        if len(idle) > _IDLE_KEPT:
            for queue in idle:
                del self._queues[queue.id]


BY_ITSELF: Final = "countermand"
"""What the audit trail calls the service itself."""

DOOR: Final = "worker"

_WORST: Final = 7
"""From so many failures on the rests are equally long."""
_IDLE_KEPT: Final = 1_000
_NEVER: Final = "The endpoint was removed, or the event is gone."


def _report(letter: QueuedNotice, endpoint: Endpoint, attempt: Attempt, took_s: float) -> None:
    """One attempt in the log and the metrics. What the receiver answered is its own business, so only its status."""
    channel = endpoint.kind.noun
    result = attempt.verdict.value
    metrics.DELIVERY_ATTEMPTS.add(channel, result)
    metrics.DELIVERY_SECONDS.observe(took_s, channel)
    log.info(
        "notice_attempted",
        notice=show("ntc", letter.notice.id),
        endpoint=show(endpoints.PREFIX, endpoint.id),
        event_id=show("evt", letter.notice.event_id),
        kind=letter.event.kind,
        channel=channel,
        attempt=letter.notice.attempts + 1,
        result=result,
        status=attempt.status,
        duration_ms=round(took_s * 1000, 2),
    )


def _why(result: _Result) -> str:
    if result.stop is Stop.DISABLE:
        return result.settlement.result
    return f"Every attempt failed for five days. The last one: {result.settlement.result}"


def _log_stop(result: _Result) -> None:
    endpoint = result.queue.endpoint
    log.warning(
        f"endpoint_{result.stop}",
        endpoint=show(endpoints.PREFIX, endpoint.id),
        party=str(endpoint.party),
        why="it wants no more" if result.stop is Stop.DISABLE else "every attempt failed for five days",
        status=result.attempt.status,
    )


async def _logged(job: Coroutine[Any, Any, None]) -> None:
    try:
        await job
    except Exception:
        log.warning("notices_not_buried", exc_info=True)
