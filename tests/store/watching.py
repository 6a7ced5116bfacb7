"""A database that is watched, held up and disturbed while a lane works on it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, event

from countermand.service.lanes import Lanes
from countermand.store.engines.protocol import Database, Work
from tests.support.plans import heard_by_the_driver
from tests.support.waiting import HANGS_S
from tests.support.world import World

T = TypeVar("T")


class Watched:
    """Counts the transactions that write. ``hold`` stops the next ones at their beginning until ``release``.

    ``faults`` are raised in the next transactions, one each and ``None`` for none, after their work was done.
    """

    def __init__(self, database: Database) -> None:
        self.engine = database.engine
        self.turns = database.turns
        self.transactions = 0
        self.faults: deque[BaseException | None] = deque()
        self.held = asyncio.Event()
        self._database = database
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        self._open.clear()
        self.held.clear()

    def release(self) -> None:
        self._open.set()

    async def read(self, question: Work[T], *, heavy: bool = False) -> T:
        return await self._database.read(question, heavy=heavy)

    async def write(self, work: Work[T]) -> T:
        self.transactions += 1
        self.held.set()
        await self._open.wait()
        fault = self.faults.popleft() if self.faults else None

        def disturbed(connection: Connection) -> T:
            result = work(connection)
            if fault is not None:
                raise fault
            return result

        return await self._database.write(disturbed)

    async def standby_fault(self) -> str | None:
        return await self._database.standby_fault()

    def channel(self) -> None:
        return None

    async def close(self) -> None:
        raise AssertionError("the lane does not own its database")


async def lane_of(world: World, count: int = 1) -> tuple[Lanes, Watched]:
    """A lane, or several, on a watched database."""
    database = Watched(world.application.database)
    return Lanes(database, world.clock, world.application.ids.new, count=count), database


def writer(database: Database) -> Engine:
    """The engine that a database writes with."""
    engine: Any = database
    found: Engine = getattr(engine._writer, "sync_engine", engine._writer)
    return found


@contextmanager
def listening(engine: Engine, name: str, listener: Callable[..., Any]) -> Iterator[None]:
    """Before the engine's own listeners, one of which commits. SQLAlchemy has no way to ask for that."""
    event.listen(engine, name, listener)
    getattr(engine.dispatch, name).listeners.rotate(1)
    try:
        yield
    finally:
        event.remove(engine, name, listener)


@contextmanager
def statements_of(database: Database) -> Iterator[list[str]]:
    """The statements that the writer executes meanwhile."""
    heard: list[str] = []

    def hear(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        heard.append(statement)

    with (
        listening(writer(database), "before_cursor_execute", hear),
        heard_by_the_driver(lambda statement, _: heard.append(statement)),
    ):
        yield heard


async def until(condition: Callable[[], Awaitable[bool]], *, limit_s: float = HANGS_S) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(limit_s):
        while not await condition():  # noqa: ASYNC110 - the condition is another process's
            await asyncio.sleep(0.005)
