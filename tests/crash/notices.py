"""Kills servers and workers under load, again and again, and looks whether every notice arrived, under one id.

    python -m tests.crash.notices --kills 100
    python -m tests.crash.notices --kills 20 --engine postgresql
    python -m tests.crash.notices --kills 100 --processes 3
    python -m tests.crash.notices --kills 20 --processes 3 --proxied --lease 25

On SQLite the server is the worker; on PostgreSQL a server and two workers are killed in turns, by SIGKILL. With
``--processes``, one server has so many, each also a worker, and one of them is killed at a time; ``--proxied`` has so
many servers behind nginx instead. The receiver is a process of its own that fails and dawdles now and then. At the end
everything that is due has to be sent.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final, TypeVar

import psycopg
from bench.processes import ServerProcess, children
from bench.seeding import PlantedOrder, plant
from sqlalchemy import Connection, func, select

from countermand.admin import endpoints
from countermand.admin.callers import PLATFORM
from countermand.app import opened
from countermand.domain.addresses.address import AddressRules
from countermand.observability.logs import configure_logging
from countermand.settings import Settings
from countermand.store import tables as t
from tests.crash.driver import ENGINES, Program, Service, Tally, Torture
from tests.crash.proxied import Proxied
from tests.crash.story import Order, detail
from tests.support import templates
from tests.support.pgnode import Node, free_port
from tests.support.waiting import HANGS_S
from tests.support.world import author_at

T = TypeVar("T")

WORKERS = 2
LEASE_S = 2
ORDERS_A_S: Final = 40
"""More than are played in a second: the load goes on until the leases of a dead process have ended."""
FAILURES_IN_A_THOUSAND = 5
SLOWEST_S = 0.005
DRAIN_S = 600.0
ENVIRONMENT = {
    "COUNTERMAND_WEBHOOK_INNER_ADDRESSES": '["127.0.0.0/8"]',
    "COUNTERMAND_WEBHOOK_PORTS": "[]",
    "COUNTERMAND_WORKER_LEASE_S": str(LEASE_S),
}


@dataclass
class Delivered:
    """What a run came to. ``other_ids`` are events that came to one endpoint under more than one id."""

    engine: str
    kills: int = 0
    notices: int = 0
    calls: int = 0
    received: int = 0
    again: int = 0
    failed: int = 0
    unwritten: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    other_ids: list[str] = field(default_factory=list)
    stuck: int = 0
    wrong: list[str] = field(default_factory=list)
    taken_over_s: list[float] = field(default_factory=list)

    @property
    def bad(self) -> int:
        """How many things must not be."""
        return len(self.unwritten) + len(self.lost) + len(self.other_ids) + self.stuck + len(self.wrong)

    def __str__(self) -> str:
        times = self.taken_over_s
        taken = f"; work taken over after p50 {median(times):.2f} s, max {max(times):.2f} s" if times else ""
        return (
            f"{self.engine}: {self.kills} kills, {self.calls} acknowledged calls, {self.notices} notices,"
            f" {self.received} receipts; lost {len(self.lost)}, events without a notice {len(self.unwritten)}, sent"
            f" with different ids {len(self.other_ids)}, stuck {self.stuck}, other problems {len(self.wrong)};"
            f" taken more than once under the same id {self.again}; {self.failed} failed as the receiver willed{taken}"
        )


@dataclass
class Notified(Torture):
    """A run whose workers are killed too."""

    workers: list[Program] = field(default_factory=list)
    processes: int = 1
    taken_over_s: list[float] = field(default_factory=list)

    def kill_something(self, number: int) -> None:
        """The server, or one of its processes, or one worker, or all of them."""
        if self.processes > 1:
            self._kill_one_of_several()
            return
        if not self.workers or number % 3 == 0:
            self.kill_service()
            return
        victims = self.workers if number % 3 == 1 else [self.dice.choice(self.workers)]
        stop, threads = self._load()
        self._await_moment(threads)
        for worker in victims:
            worker.kill()
        stop.wait(self.dice.uniform(0, 0.5))
        for worker in victims:
            worker.launch()
        self._end(stop, threads)

    def _kill_one_of_several(self) -> None:
        """One process of the server dies under load; the others answer, and its work is taken up."""
        stop, threads = self._load()
        self._await_moment(threads)
        if isinstance(self.service, Proxied):
            services = self.service.services
            self._until(lambda: all(_owned_by(self.url, each.pid) for each in services))
            one = self.service.one(self.dice)
            self._take_over(one.pid, one.kill)
            one.start(self._probe())
        else:
            victim = self.dice.choice(self._until(lambda: _serving(self.url, self.service.pid, self.processes)))
            self._take_over(victim, partial(os.kill, victim, signal.SIGKILL))
        self.answers.forget()
        if not self.answers.wait_for(1, threads):
            self.tally.wrong.append("nothing was answered after one process of several had died")
        self._end(stop, threads)
        self._compare([order for thread in threads for order in thread.touched])

    def _take_over(self, victim: int, kill: Callable[[], None]) -> None:
        """Kill a process, and wait until its work is others'."""
        kill()
        died = time.monotonic()
        self._until(lambda: not _owned_by(self.url, victim))
        self.taken_over_s.append(time.monotonic() - died)

    def _until(self, found: Callable[[], T]) -> T:
        end = time.monotonic() + HANGS_S
        while not (it := found()):
            if time.monotonic() > end:
                raise TimeoutError
            time.sleep(0.02)
        return it


def _serving(url: str, parent: int, count: int) -> list[int]:
    """The processes of a server, when so many run and have work."""
    alive = children(parent)
    return alive if len(alive) == count and all(_owned_by(url, each) for each in alive) else []


def _owned_by(url: str, pid: int) -> int:
    """How many partitions are a process's, whose number stands in the middle of a worker's name."""
    with psycopg.connect(url) as connection:
        owned = "SELECT count(*) FROM partitions WHERE split_part(owner, ':', 2) = %s"
        row = connection.execute(owned, (str(pid),)).fetchone()
    assert row is not None
    return int(row[0])


def deliver(
    engine: str,
    *,
    kills: int,
    seed: int = 1,
    callers: int = 8,
    moment: tuple[int, int] = (50, 1000),
    orders_a_kill: int = 300,
    node: Node | None = None,
    processes: int = 1,
    lease_s: float = LEASE_S,
    proxied: bool = False,
) -> Delivered:
    """Kill so many times, let everything be sent, and say what arrived.

    ``proxied``: the processes are no children of one, but services behind nginx. One finds the other's leases ended.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="notices_")))
        if engine == "postgresql":
            node = node or stack.enter_context(templates.node(durable=True))
            url = templates.new_database(node)
        else:
            url = f"sqlite:///{directory}/crash.sqlite3"
            templates.fill_if_absent(url)
        keys, record = directory / "keys", directory / "received"
        port = stack.enter_context(_receiver(record, directory / "receiver.log"))
        given = {**ENVIRONMENT, "COUNTERMAND_WORKER_LEASE_S": str(lease_s), "COUNTERMAND_KEY_FILE": str(keys)}
        stack.enter_context(started_with(given, engine, works=processes > 1))
        each = orders_a_kill + (int(ORDERS_A_S * lease_s) if processes > 1 else 0)
        planted = plant(url, orders=min(kills, 40) * each, lines=3, retailers=10, suppliers=4, keys=keys)
        asyncio.run(_register(url, keys, port, planted))
        tally = Tally(engine)
        service: Service = (
            Proxied(url, directory, processes) if proxied else Service(url, directory / "service.log", processes)
        )
        stack.enter_context(service)
        waiting = deque(map(Order.of, planted))
        beside = 0 if engine == "sqlite" or processes > 1 else WORKERS
        logs = [directory / f"worker_{n}.log" for n in range(beside)]
        workers = [Program(log, "worker", "--database", url) for log in logs]
        run = Notified(url, service, waiting, tally, Random(seed), callers, moment, node)
        run.workers, run.processes = workers, processes
        service.start(detail(planted[0]))
        for worker in workers:
            stack.callback(worker.kill)
            worker.launch()
        for number in range(kills):
            run.kill_something(number)
        stuck = asyncio.run(_drained(url, keys))
        end = time.monotonic() + HANGS_S
        while True:
            # The receiver writes its record now and then.
            came = [json.loads(line) for line in record.read_text().rpartition("\n")[0].splitlines()]
            found = asyncio.run(_compared(engine, url, keys, came, tally, stuck))
            if not found.lost or time.monotonic() > end:
                found.taken_over_s = run.taken_over_s
                return found
            time.sleep(0.2)


async def _register(url: str, keys: Path, port: int, planted: Sequence[PlantedOrder]) -> None:
    parties = {order.retailer.party for order in planted} | {order.supplier.party for order in planted} | {PLATFORM}
    async with opened(Settings(database=url, key_file=keys)) as application:

        def add(connection: Connection) -> None:
            for party in sorted(parties):
                endpoints.add(
                    connection,
                    author_at(application),
                    application.keyring,
                    party=party,
                    url=f"http://127.0.0.1:{port}/{party.hex}",
                    rules=AddressRules(http=True, ports=()),
                )

        await application.database.write(add)


async def _drained(url: str, keys: Path) -> int:
    """Wait until nothing is due; how many still were when the time was up."""
    end = time.monotonic() + DRAIN_S
    async with opened(Settings(database=url, key_file=keys)) as application:
        query = select(func.count()).select_from(t.notices).where(t.notices.c.state == "due")
        while True:
            due: int = await application.database.read(lambda connection: connection.execute(query).scalar_one())
            if not due or time.monotonic() > end:
                return due
            await asyncio.sleep(0.25)


async def _compared(engine: str, url: str, keys: Path, came: list[list[Any]], tally: Tally, stuck: int) -> Delivered:
    taken: set[tuple[str, str]] = {(path, id_) for _, status, path, id_, *_ in came if status == 204}
    ids: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    for _, _, path, header, line, seq, _, id_ in came:
        ids[path, line, seq] |= {header, id_}
    async with opened(Settings(database=url, key_file=keys)) as application:
        notices, events = await application.database.read(_stored)
    written = {(row.line_id, row.seq, row.party_id) for row in notices}
    return Delivered(
        engine,
        kills=tally.kills,
        calls=tally.acknowledged,
        notices=len(notices),
        received=len(came),
        again=sum(each[1] == 204 for each in came) - len(taken),
        failed=sum(each[1] != 204 for each in came),
        unwritten=[f"{e.kind} {e.seq} of {e.line_id}" for e in events if (e.line_id, e.seq, PLATFORM) not in written],
        lost=[
            f"{row.state} notice {row.id} of {row.kind}"
            for row in notices
            if (f"/{row.party_id.hex}", f"evt_{row.event_id.hex}") not in taken
        ],
        other_ids=[f"{key} {sorted(found)}" for key, found in ids.items() if len(found) > 1],
        stuck=stuck,
        wrong=[*tally.lost, *tally.half, *tally.wrong],
    )


def _stored(connection: Connection) -> tuple[list[Any], list[Any]]:
    """Every notice with its endpoint's party, and every event since the endpoints were registered."""
    notices = select(t.notices, t.endpoints.c.party_id).join(t.endpoints, t.endpoints.c.id == t.notices.c.endpoint_id)
    since = select(func.min(t.endpoints.c.created_at)).scalar_subquery()
    events = select(t.events).where(t.events.c.at > since)
    return list(connection.execute(notices)), list(connection.execute(events))


@contextmanager
def _receiver(record: Path, log: Path) -> Iterator[int]:
    hanging = str(free_port())
    more = [str(FAILURES_IN_A_THOUSAND), str(SLOWEST_S)]
    command = [sys.executable, "-m", "bench.receiver", "{port}", hanging, str(record), *more]
    with ServerProcess("receiver", command, log) as process:
        yield process.port


@contextmanager
def started_with(values: dict[str, str], engine: str, *, works: bool = False) -> Iterator[None]:
    """The environment that the service is started in. On PostgreSQL the server ``works``, or leaves it to others."""
    values = values if engine == "sqlite" or works else {**values, "COUNTERMAND_WORKER": "false"}
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 when a notice was lost, or sent under two ids."""
    parser = argparse.ArgumentParser(prog="tests.crash.notices", description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100, help="per engine")
    parser.add_argument("--engine", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1, help="of one server, on PostgreSQL")
    parser.add_argument("--proxied", action="store_true", help="services behind nginx instead of children of one")
    parser.add_argument("--lease", type=float, default=LEASE_S, help="seconds")
    options = parser.parse_args(arguments)
    configure_logging("error")
    failed = 0
    several = {"processes": options.processes, "lease_s": options.lease, "proxied": options.proxied}
    for engine in ["postgresql"] if options.processes > 1 else options.engine:
        found = deliver(engine, kills=options.kills, seed=options.seed, **several)
        print(found, flush=True)
        for problem in [*found.lost, *found.unwritten, *found.other_ids, *found.wrong][:10]:
            print("  ", problem, flush=True)
        failed += bool(found.bad)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
