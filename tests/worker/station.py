"""A worker whose clocks stand still until they are moved, and a postman that does as it is told."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from countermand.domain.delivery import Attempt, Verdict
from countermand.domain.endpoint import Endpoint
from countermand.reads.events import EventView
from countermand.reads.process_statuses import ProcessView
from countermand.reads.scope import Scope
from countermand.reads.subjects import Subject
from countermand.store import tables as t
from countermand.store.columns import Record
from countermand.store.revisions import agreements_changed
from countermand.worker import Worker
from tests.support.waiting import HANGS_S
from tests.support.world import World

OK = Attempt(verdict=Verdict.DELIVERED, result="The receiver answered 200.")
ERROR = Attempt(verdict=Verdict.FAILED, result="The receiver answered 500.")
GONE = Attempt(verdict=Verdict.GONE, result="The receiver answered 410 Gone.")


def busy(seconds: float) -> Attempt:
    return Attempt(verdict=Verdict.FAILED, result="The receiver answered 429.", retry_after_s=seconds)


@dataclass
class Postman:
    """Keeps what it was given. ``script`` has the next answers of an endpoint; without one it is ``otherwise``."""

    script: dict[UUID, deque[Attempt | Exception]] = field(default_factory=lambda: defaultdict(deque))
    otherwise: dict[UUID, Attempt] = field(default_factory=dict)
    given: list[tuple[UUID, EventView]] = field(default_factory=list)
    processes: list[tuple[UUID, ProcessView]] = field(default_factory=list)
    reported: list[tuple[str, str, str, str]] = field(default_factory=list)
    asked_to_confirm: list[tuple[str, UUID, str, str]] = field(default_factory=list)
    owner_hears: deque[Attempt] = field(default_factory=deque)
    gates: dict[UUID, asyncio.Event] = field(default_factory=dict)
    on_receipt: Callable[[], None] = lambda: None
    at_once: int = 0
    most_at_once: int = 0
    most_per_endpoint: int = 0

    async def deliver(self, endpoint: Endpoint, reader: Scope, event: Subject) -> Attempt:
        if isinstance(event, ProcessView):
            self.processes.append((endpoint.id, event))
        else:
            self.given.append((endpoint.id, event))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.on_receipt()
        try:
            if endpoint.id in self.gates:
                await self.gates[endpoint.id].wait()
            script = self.script[endpoint.id]
            answer = script.popleft() if script else self.otherwise.get(endpoint.id, OK)
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self.at_once -= 1

    async def tell_owner(self, address: str, endpoint: str, why: str, *, message_id: str) -> Attempt:
        self.reported.append((address, endpoint, why, message_id))
        return self.owner_hears.popleft() if self.owner_hears else OK

    async def ask_to_confirm(
        self, address: str, endpoint: UUID, party: str, *, at: datetime, message_id: str
    ) -> Attempt:
        self.asked_to_confirm.append((address, endpoint, party, message_id))
        return self.owner_hears.popleft() if self.owner_hears else OK

    def events(self, endpoint: UUID) -> list[UUID]:
        """The events that came, in order."""
        return [event.id for to, event in self.given if to == endpoint]

    def gate(self, endpoint: UUID) -> asyncio.Event:
        """Nothing sent there ends until this is set."""
        return self.gates.setdefault(endpoint, asyncio.Event())


@dataclass(kw_only=True)
class Station:
    """A worker, and time for it."""

    world: World
    postman: Postman
    worker: Worker
    elapsed: "Elapsed"

    async def later(self, seconds: float) -> None:
        """So much time passes, and the worker looks."""
        self.pass_time(seconds)
        await self.worker.once()

    def pass_time(self, seconds: float) -> None:
        self.world.clock.advance(seconds=seconds)
        self.elapsed.now += seconds


@dataclass
class Elapsed:
    """A monotonic clock that stands still until it is moved."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def station(world: World, *, elapsed: Elapsed | None = None, **options: Any) -> Station:
    postman, elapsed = options.pop("postman", None) or Postman(), elapsed or Elapsed()
    application = world.application
    worker = Worker(
        application.database,
        application.lanes,
        postman,
        world.clock,
        **{"monotonic": elapsed, "dice": _Middle(), "alone": True, **options},
    )
    return Station(world=world, postman=postman, worker=worker, elapsed=elapsed)


class _Middle(Random):
    """Dice that always show the middle: no jitter."""

    def random(self) -> float:
        return 0.5


async def endpoint(world: World, party: UUID, url: str = "https://shop.example/hook", **values: Any) -> UUID:
    """An endpoint of a party that hears of every event."""
    new = world.application.ids.new()

    def add(connection: Connection) -> None:
        row = {"id": new, "party_id": party, "url": url, "event_kinds": [], "created_at": world.clock(), **values}
        connection.execute(insert(t.endpoints).values(row))
        agreements_changed(connection)

    await world.application.database.write(add)
    return new


async def change_endpoint(world: World, which: UUID, **values: Any) -> None:
    def change(connection: Connection) -> None:
        connection.execute(update(t.endpoints).where(t.endpoints.c.id == which).values(**values))
        agreements_changed(connection)

    await world.application.database.write(change)


async def endpoint_row(world: World, which: UUID) -> Record:
    return await world.application.database.read(
        lambda connection: connection.execute(select(t.endpoints).where(t.endpoints.c.id == which)).one()
    )


async def notices(world: World, **where: Any) -> list[Record]:
    """The notices, oldest first."""
    query = select(t.notices).where(*(t.notices.c[name] == value for name, value in where.items()))
    return list(
        await world.application.database.read(
            lambda connection: connection.execute(query.order_by(t.notices.c.created_at, t.notices.c.id)).all()
        )
    )


async def wait_for(condition: Callable[[], bool], seconds: float = HANGS_S) -> None:
    """Until it holds, with a limit."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what it waits for sets no event
            await asyncio.sleep(0.001)
