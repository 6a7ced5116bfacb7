"""Group commit: calls that arrive while transactions are under way share the next one.

Idle, a call goes at once; busy, the cost of BEGIN, COMMIT and the disk's fsync is shared. There is no timer. After a
transaction the next one waits until callers have their answers, and for a few turns of the loop, as most call again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Iterable, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from countermand.domain.cancellation import NewId
from countermand.domain.commands import PassDeadline
from countermand.domain.line import NO_LINE
from countermand.domain.orders import PlaceOrder
from countermand.ids import Clock, show
from countermand.observability import metrics, tracing
from countermand.observability.calls import SUBJECTS_MAX, current_call
from countermand.service.batch import BatchResult, run_batch
from countermand.service.calls import Call, Done, Failed, Outcome, Refused
from countermand.service.load import about, by_retailer
from countermand.service.numbers import EventIds, NoNumbers, Numbers, numbers_needed
from countermand.service.reporting import report_changes
from countermand.service.workspace import LaneState, More, MoreNeededError
from countermand.store.engines.protocol import SIDE_BY_SIDE, CommitUnknownError, Database, Pair, UnavailableError
from countermand.store.engines.transactions import sqlstate, was_in_the_way

BATCH_MAX: Final = 64
BESIDE_MIN: Final = 16
"""So many calls must wait for a transaction beside another: what each transaction costs by itself is then shared."""
TURNS: Final = 4
"""So many turns of the loop the next transaction waits for those who have just got their answers. Without it, callers
fall into two halves that wait for each other: with 8, a quarter fewer calls a second were measured."""
QUEUE_MAX: Final = 10_000
TOLD_AT_ONCE: Final = 4
"""So many calls get their outcome in one turn of the loop: what else comes waits for a few answers, not for 64."""
TRIES: Final = 3
_KEY_TAKEN: Final = "23505"
"""A unique key that another lane has just taken: a second try sees it."""

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Waiting:
    """A call that waits for its outcome, the span that it is part of, and how many calls shared its transaction.

    ``subjects`` are what it is about: calls about one of them are decided in the order in which they came.
    """

    call: Call
    subjects: frozenset[Hashable]
    future: asyncio.Future[Outcome]
    span: Any = None
    batch: int = 0


class Lanes:
    """The write road: ``count`` transactions side by side, which take their calls from one queue.

    Each takes what waits, at most ``batch_max`` calls. While the database works for one, the next is decided, as soon
    as enough calls wait for that. Calls about one line, orders of one reference, and deadlines of one retailer are
    decided in the order in which they came: none is taken while another is under way.

    ``wake`` is called when notices were committed, which a worker may send now: with their partitions and endpoints.
    ``committed`` is called whenever anything was.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        new_id: NewId,
        wake: Callable[[Collection[Pair]], None] = lambda pairs: None,
        *,
        count: int = 1,
        batch_max: int | None = None,
    ) -> None:
        self._count = count
        self._batch_max = batch_max or BATCH_MAX
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._states: asyncio.Queue[LaneState] = asyncio.LifoQueue()
        event_ids = EventIds()
        for _ in range(count * (SIDE_BY_SIDE if database.engine.one_retailer else 1)):
            self._states.put_nowait(LaneState(database.engine, event_ids=event_ids))
        self.wake = wake
        self.committed: Callable[[], None] = lambda: None
        self._waiting: deque[_Waiting] = deque()
        self._under_way: set[Hashable] = set()
        self._busy = 0
        self._untold: deque[tuple[_Waiting, Outcome]] = deque()
        self._lanes: set[asyncio.Task[None]] = set()

    async def submit(self, call: Call) -> Outcome:
        """Decide and save ``call``. Returns when the outcome is durable; ``Failed`` if it could not be saved."""
        if len(self._waiting) >= QUEUE_MAX:
            metrics.SHED_CALLS.add("lane")
            return Failed()
        waiting = _Waiting(call, _subjects(call), asyncio.get_running_loop().create_future(), tracing.current())
        self._waiting.append(waiting)
        self._begin_lane()
        outcome = await waiting.future
        _note(outcome, waiting.batch)
        return outcome

    @property
    def depth(self) -> int:
        """How many calls wait."""
        return len(self._waiting)

    @property
    def depth_max(self) -> int:
        """How many calls may wait."""
        return QUEUE_MAX

    def report_to(self, *, wake: Callable[[Collection[Pair]], None], committed: Callable[[], None]) -> None:
        """Call these from now on."""
        self.wake, self.committed = wake, committed

    async def drain(self) -> None:
        """Wait until every call that was submitted has its outcome."""
        while self._lanes:
            await asyncio.wait(self._lanes)
        while self._untold:  # noqa: ASYNC110 - it is the loop that tells them
            await asyncio.sleep(0)

    def _begin_lane(self) -> None:
        if self._is_time() and len(self._lanes) < self._count:
            # A lane answers many calls, so nothing of the one that started it shall stick to it.
            self._lanes.add(asyncio.create_task(self._run(), context=Context()))

    async def _run(self) -> None:
        try:
            while batch := self._next_batch():
                self._begin_lane()
                try:
                    self._tell_later(batch, await self._transaction(batch))
                    await self._gather()
                finally:
                    self._busy -= 1
        finally:
            self._lanes = {each for each in self._lanes if each is not asyncio.current_task()}
            # Calls are left only if the lane itself was stopped. They must not wait for ever.
            if not self._lanes:
                _give_up(self._waiting)
                self._waiting.clear()

    async def _transaction(self, batch: Sequence[_Waiting]) -> Sequence[Outcome]:
        metrics.BATCH_CALLS.observe(len(batch))
        try:
            with tracing.span("batch", links=[each.span for each in batch], calls=len(batch)):
                return await self._outcomes([each.call for each in batch])
        except BaseException:
            _give_up(batch)
            raise
        finally:
            self._under_way.difference_update(*(each.subjects for each in batch))

    def _next_batch(self) -> Sequence[_Waiting]:
        """The calls of the next transaction: those that waited longest, except where one about the same is under way.

        Of a long queue about one line, no more is looked at than all lanes may take.
        """
        if not self._is_time():
            return ()
        batch, kept = list[_Waiting](), list[_Waiting]()
        come_later = set(self._under_way)
        while self._waiting and len(batch) < self._batch_max and len(kept) < self._count * self._batch_max:
            each = self._waiting.popleft()
            if come_later.isdisjoint(each.subjects):
                batch.append(each)
            else:
                kept.append(each)
                come_later |= each.subjects
        self._waiting.extendleft(reversed(kept))
        self._busy += bool(batch)
        self._under_way.update(*(each.subjects for each in batch))
        return batch

    def _is_time(self) -> bool:
        return len(self._waiting) >= (BESIDE_MIN if self._busy else 1)

    async def _gather(self) -> None:
        """Let those who get their answers now call again, unless there is enough for a transaction."""
        enough = self._batch_max if self._count == 1 else BESIDE_MIN
        turns = 0
        while len(self._waiting) < enough and (self._untold or turns < TURNS):
            turns += not self._untold
            await asyncio.sleep(0)

    def _tell_later(self, batch: Sequence[_Waiting], outcomes: Sequence[Outcome]) -> None:
        for each in batch:
            each.batch = len(batch)
        if not self._untold:
            asyncio.get_running_loop().call_soon(self._tell_some)
        self._untold.extend(zip(batch, outcomes, strict=True))

    def _tell_some(self) -> None:
        for _ in range(min(TOLD_AT_ONCE, len(self._untold))):
            each, outcome = self._untold.popleft()
            if not each.future.done():
                each.future.set_result(outcome)
        if self._untold:
            asyncio.get_running_loop().call_soon(self._tell_some)

    async def _outcomes(self, calls: Sequence[Call]) -> Sequence[Outcome]:
        """The outcome of each call. One that breaks the batch fails alone, so that its neighbours succeed.

        A dry run is decided by itself: the others of its batch must not see what it did not do.
        """
        if any(call.dry_run for call in calls):
            saved = [call for call in calls if not call.dry_run]
            others = iter(await self._outcomes(saved) if saved else ())
            return [await self._dry_run(call) if call.dry_run else next(others) for call in calls]
        if self._database.engine.one_retailer:
            return await self._side_by_side(calls)
        return await self._together(calls)

    async def _side_by_side(self, calls: Sequence[Call]) -> Sequence[Outcome]:
        """A transaction for each retailer. Several are under way at once, each with what its own state has read."""
        engine = self._database.engine
        try:
            places = await self._database.read(lambda connection: by_retailer(connection, calls, engine))
        except UnavailableError:
            return [Failed()] * len(calls)
        outcomes: dict[int, Outcome] = {}

        async def one(mine: Sequence[int]) -> None:
            outcomes.update(zip(mine, await self._together([calls[place] for place in mine]), strict=True))

        await asyncio.gather(*map(one, places))
        return [outcomes[place] for place in range(len(calls))]

    async def _together(self, calls: Sequence[Call]) -> Sequence[Outcome]:
        async with self._a_state() as state:
            return await self._in_one_or_each(calls, state)

    @asynccontextmanager
    async def _a_state(self) -> AsyncIterator[LaneState]:
        """What a transaction goes by, for as long as it lasts."""
        state = await self._states.get()
        try:
            yield state
        finally:
            self._states.put_nowait(state)

    async def _in_one_or_each(self, calls: Sequence[Call], state: LaneState) -> Sequence[Outcome]:
        try:
            return await self._transact(calls, state)
        except CommitUnknownError:
            metrics.BATCHES.add("unknown")
            log.exception("commit_unknown", calls=len(calls))
            return [Failed(unknown=True)] * len(calls)
        except Exception:
            metrics.BATCHES.add("failed")
            log.warning("batch_failed", calls=len(calls), exc_info=True)
        outcomes: list[Outcome] = []
        try:
            for call in calls:
                outcomes.append(await self._alone(call, state))  # noqa: PERF401 - what was done before an error counts
        except OSError:
            log.exception("database_away", calls=len(calls) - len(outcomes))
        return outcomes + [Failed()] * (len(calls) - len(outcomes))

    async def _dry_run(self, call: Call) -> Outcome:
        try:
            async with self._a_state() as state:
                return await self._alone(call, state)
        except OSError:
            log.exception("database_away", calls=1)
            return Failed()

    async def _alone(self, call: Call, state: LaneState) -> Outcome:
        """The outcome of a call in a transaction of its own.

        Raises:
            OSError: there is no connection to be had, which the next call would only find out again.
        """
        for attempt in range(1, TRIES + 1):
            try:
                return (await self._transact([call], state))[0]
            except CommitUnknownError:
                log.exception("commit_unknown", calls=1)
                return Failed(unknown=True)
            except SQLAlchemyError as error:
                if attempt == TRIES or not _may_pass(error):
                    log.exception("call_failed", command=type(call.command).__name__)
                    return Failed()
            except OSError:
                raise
            except Exception:
                log.exception("call_failed", command=type(call.command).__name__)
                return Failed()
        raise AssertionError("unreachable")

    async def _transact(self, calls: Sequence[Call], state: LaneState) -> Sequence[Outcome]:
        numbers = state.numbers
        needed = 0 if calls[0].dry_run else numbers_needed(calls)
        size = numbers.lacking(needed) if needed else 0
        if size:
            try:
                await self._database.write(partial(_reserve, numbers, size))
            except BaseException:
                # The block may not be ours: another process may get it.
                numbers.forget()
                raise
        result = await self._written(calls, state)
        self.committed()
        if result.wake:
            self.wake(result.wake)
        metrics.BATCHES.add("ok")
        tracing.stored(row["id"] for row in result.events)
        report_changes(result.events, result.asked_at, result.refunds)
        return result.outcomes

    async def _written(self, calls: Sequence[Call], state: LaneState) -> BatchResult:
        """The result of a batch. If more must be loaded, which is rare, it starts again."""
        more = More()
        while True:
            try:
                return await self._database.write(partial(self._batch, calls, state, more))
            except MoreNeededError as error:
                more = error.more

    def _batch(self, calls: Sequence[Call], state: LaneState, more: More, connection: Connection) -> BatchResult:
        dry_run = calls[0].dry_run
        state = replace(state, numbers=NoNumbers(), event_ids=EventIds()) if dry_run else state
        return run_batch(connection, calls, self._clock, self._new_id, state, more, dry_run=dry_run)


def _give_up(calls: Iterable[_Waiting]) -> None:
    for each in calls:
        if not each.future.done():
            each.future.set_result(Failed(unknown=True))


def _subjects(call: Call) -> frozenset[Hashable]:
    """The line or the order, of a new order its reference. Deadlines of one retailer are saved as they fell due."""
    command = call.command
    if isinstance(command, PlaceOrder):
        return frozenset({(command.retailer, command.reference)})
    subject = call.line_number or about(command)
    subjects: set[Hashable] = set() if subject == NO_LINE else {subject}
    if isinstance(command, PassDeadline):
        subjects.add((PassDeadline, call.retailer))
    return frozenset(subjects)


def _note(outcome: Outcome, batch: int) -> None:
    """For the line of the log about the call that this is the outcome of, if it is one of a caller's."""
    call = current_call.get()
    if call is None:
        return
    call.batch = batch
    match outcome:
        case Done(cancellations=cancellations, order=order):
            call.subjects = tuple(show("can", each) for each in cancellations[:SUBJECTS_MAX])
            if order is not None:
                call.subjects = (str(order), *call.subjects)
        case Refused(refusal=refusal):
            call.code = refusal.kind.value


def _reserve(numbers: Numbers, size: int, connection: Connection) -> None:
    numbers.reserve(connection, size)


def _may_pass(error: SQLAlchemyError) -> bool:
    """Whether the same call may succeed if it is tried again: a lost connection, a deadlock, a taken key."""
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or was_in_the_way(error) or sqlstate(error) == _KEY_TAKEN
