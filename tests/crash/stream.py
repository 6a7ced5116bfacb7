"""Kills the leader of a NATS cluster, and workers, while the journal is published, and looks what a consumer got.

    python -m tests.crash.stream --events 40000 --kills 20

Three NATS servers on this machine hold the stream, each on disk at every message. The service runs on PostgreSQL with
two workers. A consumer reads the stream all the while and drops what it has seen. At the end every event of the journal
has to have arrived, and each line's in its order.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import nats
from nats.errors import Error
from nats.js.client import JetStreamContext
from sqlalchemy import Connection, select

from countermand.app import opened
from countermand.domain.commands import AskCancellation, DeclineCancellation
from countermand.domain.reasons import DeclineReason
from countermand.observability.logs import configure_logging
from countermand.service.calls import Done
from countermand.settings import Settings
from countermand.store import tables as t
from tests.crash.driver import Program
from tests.support import templates
from tests.support.natsnode import NatsNode, cluster
from tests.support.pgnode import Node
from tests.support.waiting import HANGS_S
from tests.support.world import World, populate

STREAM = "COUNTERMAND"
LINES = 10
EVENTS_A_LINE = 3
ORDERS_AT_ONCE = 4
WORKERS = 2
LEASE_S = 2
PAUSES_S = (0.2, 2.0)
ROUND_S = 0.05


@dataclass
class Streamed:
    """What a run came to.

    ``twice`` are events of which the stream has two messages. ``disordered`` counts lines whose events are out of order
    in the stream, and ``late`` those whose events the consumer got in another order.
    """

    events: int = 0
    leaders: int = 0
    workers: int = 0
    messages: int = 0
    lost: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    twice: int = 0
    again: int = 0
    disordered: int = 0
    late: int = 0
    seconds: float = 0.0

    @property
    def bad(self) -> int:
        """How many things must not be."""
        return len(self.lost) + len(self.unknown) + self.twice + self.disordered

    def __str__(self) -> str:
        return (
            f"{self.events} events, {self.leaders} leaders and {self.workers} workers killed in {self.seconds:.0f} s:"
            f" {len(self.lost)} lost, {len(self.unknown)} of no event, {self.twice} stored twice,"
            f" {self.disordered} lines out of order; {self.messages} messages, of which the consumer got {self.again}"
            f" once more and dropped them, and those of {self.late} lines in another order than the stream has them"
        )


@dataclass
class Consumer:
    """Reads a stream from its beginning, and keeps what it has not seen.

    ``order`` has each line's events by their place in the stream. What NATS delivers once more, because an
    acknowledgement was lost with its server, comes behind what it has delivered meanwhile.
    """

    urls: list[str]
    seen: dict[str, int] = field(default_factory=dict)
    order: defaultdict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    again: int = 0

    async def run(self) -> None:
        """Until it is cancelled."""
        client = await nats.connect(self.urls, max_reconnect_attempts=-1, reconnect_time_wait=0.2, error_cb=_ignore)
        try:
            broker = client.jetstream(timeout=2)
            subscription = None
            while True:
                try:
                    if subscription is None:
                        subscription = await broker.pull_subscribe("countermand.events.>", "test", stream=STREAM)
                    for message in await subscription.fetch(500, timeout=1):
                        self._take(message)
                        await message.ack()
                except (Error, OSError, TimeoutError):
                    await asyncio.sleep(ROUND_S)
        finally:
            await client.close()

    def _take(self, message: Any) -> None:
        event = message.headers["Nats-Msg-Id"]
        if event in self.seen:
            self.again += 1
            return
        self.seen[event] = len(self.seen)
        data = json.loads(message.data)["data"]
        self.order[data["line"]][message.metadata.sequence.stream] = data["seq"]


async def _ignore(error: Exception) -> None:
    """Servers are killed, so connections end."""


@dataclass
class Run:
    """One run under way."""

    nodes: list[NatsNode]
    workers: list[Program]
    consumer: Consumer
    world: World
    dice: Random
    found: Streamed

    async def story(self, events: int) -> None:
        """Orders whose lines are each asked about and declined."""
        orders = events // (LINES * EVENTS_A_LINE)
        for first in range(0, orders, ORDERS_AT_ONCE):
            await asyncio.gather(*(self._order() for _ in range(min(ORDERS_AT_ONCE, orders - first))))

    async def _order(self) -> None:
        world = self.world
        order = await world.order(*([1] * LINES))
        await asyncio.gather(*(self._line(line.id) for line in order.lines))

    async def _line(self, line: Any) -> None:
        world = self.world
        ask = AskCancellation(line=line, actor=world.actor(world.retailer))
        no = DeclineCancellation(line=line, actor=world.actor(world.supplier), reason=DeclineReason.NOT_STATED)
        for command in (ask, no):
            assert isinstance(await world.submit(command, retailer=world.retailer), Done)

    async def kill(self, kills: int, events: int) -> None:
        """The leader of the stream, again and again while events arrive; every third time the publisher too."""
        for number in range(1, kills + 1):
            await self._until(lambda number=number: len(self.consumer.seen) >= number * events // (kills + 1))
            leader = await self._leader()
            leader.stop(signal.SIGKILL)
            self.found.leaders += 1
            if number % 3 == 0:
                self.dice.choice(self.workers).kill()
                self.found.workers += 1
            await asyncio.sleep(self.dice.uniform(*PAUSES_S))
            await asyncio.to_thread(leader.start)
            if number % 3 == 0:
                for worker in self.workers:
                    worker.kill()
                    worker.launch()

    async def _leader(self) -> NatsNode:
        """Once all three servers have all of the stream: two of them are enough to lose nothing, one is not."""
        while True:
            with suppress(Error, OSError, TimeoutError):
                async with _broker(self.nodes) as broker:
                    info = await broker.stream_info(STREAM)
                state = info.cluster
                if state and state.leader and all(each.current for each in state.replicas or []):
                    return next(node for node in self.nodes if node.name == state.leader)
            await asyncio.sleep(ROUND_S)

    async def _until(self, condition: Any) -> None:
        async with asyncio.timeout(HANGS_S):
            while not condition():  # noqa: ASYNC110 - what it waits for sets no event
                await asyncio.sleep(ROUND_S)

    async def judge(self) -> None:
        """Wait until all has arrived, or nothing more does, and compare."""
        journal = await self.world.application.database.read(_journal)
        with suppress(TimeoutError):
            await self._until(lambda: len(self.consumer.seen) >= len(journal))
        found, seen = self.found, self.consumer.seen
        found.events, found.again = len(journal), self.consumer.again
        found.lost, found.unknown = sorted(journal - seen.keys()), sorted(seen.keys() - journal)
        lines = [list(seqs.items()) for seqs in self.consumer.order.values()]
        found.disordered = sum(_seqs(sorted(line)) != sorted(_seqs(line)) for line in lines)
        found.late = sum(_seqs(line) != sorted(_seqs(line)) for line in lines)
        await self._leader()
        async with _broker(self.nodes) as broker:
            found.messages = (await broker.stream_info(STREAM)).state.messages
        found.twice = found.messages - len(seen)


def _seqs(line: list[tuple[int, int]]) -> list[int]:
    return [seq for _, seq in line]


class _broker:  # noqa: N801 - reads as a function
    """A connection for some questions."""

    def __init__(self, nodes: list[NatsNode]) -> None:
        self._urls = [node.url for node in nodes if node.process is not None]

    async def __aenter__(self) -> JetStreamContext:
        self._client = await nats.connect(
            self._urls, allow_reconnect=False, connect_timeout=2, max_reconnect_attempts=1, error_cb=_ignore
        )
        return self._client.jetstream(timeout=2)

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()


def _journal(connection: Connection) -> set[str]:
    return {f"evt_{each.hex}" for each in connection.execute(select(t.events.c.id)).scalars()}


async def stream(events: int, kills: int, seed: int = 1) -> Streamed:
    """Publish so many events under so many kills, and say what arrived."""
    found, began = Streamed(), time.monotonic()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stream_")))
        nodes = stack.enter_context(cluster())
        node: Node = stack.enter_context(templates.node(durable=False))
        url = templates.new_database(node)
        urls = [each.url for each in nodes]
        stack.enter_context(_environment(url, directory / "keys", urls))
        workers = [Program(directory / f"worker_{n}.log", "worker") for n in range(WORKERS)]
        async with opened(Settings()) as application:
            world = await populate(application, application.clock)  # type: ignore[arg-type]
            consumer = Consumer(urls)
            run = Run(nodes, workers, consumer, world, Random(seed), found)
            for worker in workers:
                stack.callback(worker.kill)
                worker.launch()
            reading = asyncio.create_task(consumer.run())
            try:
                await asyncio.gather(run.story(events), run.kill(kills, events))
                await run.judge()
            finally:
                reading.cancel()
                await asyncio.wait({reading})
    found.seconds = time.monotonic() - began
    return found


@contextmanager
def _environment(url: str, keys: Path, urls: list[str]) -> Iterator[None]:
    given = {
        "COUNTERMAND_DATABASE": url,
        "COUNTERMAND_ALLOW_LOSING_ACKNOWLEDGED_CALLS": "true",
        "COUNTERMAND_KEY_FILE": str(keys),
        "COUNTERMAND_NATS_URLS": json.dumps(urls),
        "COUNTERMAND_WORKER_LEASE_S": str(LEASE_S),
        "COUNTERMAND_LANES": "4",
    }
    before = dict(os.environ)
    os.environ.update(given)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=40_000, help="how many events, in thirties")
    parser.add_argument("--kills", type=int, default=20, help="how often the leader of the stream is killed")
    parser.add_argument("--seed", type=int, default=1, help="which workers, and for how long")
    given = parser.parse_args()
    configure_logging("warning")
    found = asyncio.run(stream(given.events, given.kills, given.seed))
    print(found)
    for event in (*found.lost[:10], *found.unknown[:10]):
        print(event)
    return 1 if found.bad else 0


if __name__ == "__main__":
    sys.exit(main())
