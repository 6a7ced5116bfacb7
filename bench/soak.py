"""Half load for an hour, with kills: does memory grow, do descriptors, and is all sent in the end?

    make soak ARGS="--minutes 60"

A service is loaded with half of what it can answer, one cancellation to four reads. Every ten minutes the receiver of
its webhooks is killed and started anew, and on PostgreSQL the worker, which is a process of its own. What the service
process holds is looked at all the time. At the end no notice may be left.
"""

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from statistics import linear_regression
from typing import Final

import psycopg
from tests.support.pgnode import free_port
from tests.support.waiting import HANGS_S

from bench import calls as wire
from bench.bulk import database_on
from bench.client import Client, choose
from bench.notices import prepare_backlog
from bench.processes import ServerProcess, countermand
from bench.report import about_here
from bench.seeding import PlantedOrder, plant
from countermand.observability.logs import configure_logging

ENGINES: Final = ("postgresql", "sqlite")
CLIENTS: Final = 8
CONNECTIONS: Final = 64
READS: Final = 4
"""Reads to one cancellation."""
SLICE_S: Final = 20.0
PROBE_S: Final = 5.0
SETTLED: Final = 1 / 3
"""Of the time: growth is measured after it, when caches are full."""
GROWTH_MAX: Final = 0.01
"""Of the memory, in an hour."""
DESCRIPTORS_MAX: Final = 20
"""More in the second half of what is measured than in the first."""
LINES_AN_ORDER: Final = 4
RETAILERS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the service held at a moment, in seconds from the beginning."""

    at_s: float
    memory_mb: float
    descriptors: int
    backlog: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What an engine did."""

    engine: str
    minutes: float
    rate: float
    calls: int
    bad: dict[str, int]
    kills: int
    memory_mb: float
    growth_an_hour: float
    descriptors: int
    more_descriptors: int
    backlog_max: int
    backlog_left: int
    acknowledged: int
    stored: int
    samples: Sequence[Sample]

    @property
    def is_well(self) -> bool:
        """Whether what was asked of it holds."""
        return (
            self.growth_an_hour < GROWTH_MAX
            and self.more_descriptors <= DESCRIPTORS_MAX
            and not self.backlog_left
            and not self.bad
            and self.acknowledged == self.stored
        )


class Stage:
    """A service, its worker if that is another process, a receiver, and what they are asked."""

    def __init__(self, engine: str, orders: int, directory: Path, client: Client, stack: ExitStack) -> None:
        self.kills = 0
        self._engine, self._directory, self._client = engine, directory, client
        self.url, self.stored = database_on(engine, directory, stack)
        keys = directory / "keys"
        planted = plant(self.url, orders=orders, lines=LINES_AN_ORDER, retailers=RETAILERS, keys=keys)
        self._calls = _mixed(planted)
        self._receives_at = free_port()
        asyncio.run(prepare_backlog(self.url, keys, planted, self._receives_at, free_port(), 0, 0))
        self._env = {
            "COUNTERMAND_KEY_FILE": str(keys),
            "COUNTERMAND_WEBHOOK_INNER_ADDRESSES": '["127.0.0.0/8"]',
            "COUNTERMAND_WEBHOOK_PORTS": "[]",
            "COUNTERMAND_CALL_LIMIT": "",
            "COUNTERMAND_LOG_LEVEL": "warning",
            "COUNTERMAND_WORKER": str(engine == "sqlite").lower(),
        }
        self.service = stack.enter_context(
            countermand(engine, self.url, directory / f"{engine}.log", None, **self._env)
        )
        self._beside = stack.enter_context(ExitStack())
        self.start_others()

    def start_others(self) -> None:
        """Start the receiver, and the worker."""
        record, hanging = self._directory / f"{self._engine}.received", str(free_port())
        command = [sys.executable, "-m", "bench.receiver", str(self._receives_at), hanging, str(record)]
        receiver = ServerProcess("receiver", command, self._directory / "receiver.log")
        receiver.port = self._receives_at
        self._others = [self._beside.enter_context(receiver)]
        if self._engine == "postgresql":
            program = Path(sys.executable).parent / "countermand"
            worker = ServerProcess(
                "worker", [program, "worker", "--database", self.url], self._directory / "worker.log", self._env
            )
            # It listens nowhere, so it is waited for where the receiver does.
            worker.port = self._receives_at
            self._others.append(self._beside.enter_context(worker))

    def kill(self) -> None:
        """Kill the receiver, and the worker if it is a process of its own."""
        for each in self._others:
            os.kill(each.pid, signal.SIGKILL)
            self.kills += 1
        self._beside.close()

    def load(self, seconds: float, rate: float | None) -> dict[str, int]:
        """So much of the load, as statuses."""
        path = self._directory / "slice.calls"
        wire.write(path, islice(self._calls, int(seconds * (rate or 5_000))))
        if rate is None:
            return self._client.run(self.service.port, CLIENTS, seconds, path, 0).statuses
        return self._client.run(self.service.port, CONNECTIONS, seconds, path, 0, rate=rate).statuses

    def sample(self, began: float) -> Sample:
        """What the service holds now."""
        status = Path(f"/proc/{self.service.pid}/status").read_text()
        memory = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024
        open_ = len(list(Path(f"/proc/{self.service.pid}/fd").iterdir()))
        return Sample(at_s=time.monotonic() - began, memory_mb=memory, descriptors=open_, backlog=self.backlog())

    def backlog(self) -> int:
        """Notices that are to be sent."""
        question = "SELECT count(*) FROM notices WHERE state = 'due'"
        if self._engine == "postgresql":
            with psycopg.connect(self.url) as connection:
                row = connection.execute(question).fetchone()
                return int(row[0]) if row else 0
        opened: sqlite3.Connection = import_module("pysqlite3").connect(self.url.removeprefix("sqlite:///"))
        with closing(opened):
            return int(opened.execute(question).fetchone()[0])

    def drained(self) -> int:
        """What is left of the backlog when nothing comes any more."""
        end = time.monotonic() + HANGS_S
        while (left := self.backlog()) and time.monotonic() < end:
            time.sleep(1)
        return left


def _mixed(planted: Sequence[PlantedOrder]) -> Iterator[bytes]:
    """A cancellation, then reads of the line, and so on through all lines."""
    for place in range(LINES_AN_ORDER):
        for order in planted:
            yield wire.crux(order, place)
            bearer = f"Bearer {order.retailer.token}"
            yield wire.http("GET", f"/v1/lines/{order.lines[place]}", Authorization=bearer)
            yield wire.http("GET", f"/v1/orders/{order.id}", Authorization=bearer)
            yield wire.http("GET", f"/v1/cancellations?line={order.lines[place]}", Authorization=bearer)
            yield wire.http("GET", "/v1/events?limit=10", Authorization=bearer)


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak each engine, and print a line for each."""
    options = _options(arguments)
    configure_logging("error")
    found = []
    with tempfile.TemporaryDirectory(prefix="soak_") as name:
        directory = Path(name)
        directory.chmod(0o711)
        client = choose(directory)
        for engine in options.only:
            with ExitStack() as stack:
                found.append(_soak(engine, options, directory, client, stack))
            print(_line(found[-1]), flush=True)
    if options.json:
        figures = [asdict(each) for each in found]
        options.json.write_text(json.dumps({"about": about_here(), "figures": figures}, indent=2))
    return 0 if all(each.is_well for each in found) else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--minutes", type=float, default=60.0, help="for each engine")
    parser.add_argument("--kill-every", type=float, default=10.0, help="minutes")
    parser.add_argument("--rate-max", type=float, default=600.0, help="calls a second, half of what it can do at most")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(sys.argv[1:] if arguments is None else list(arguments))


def _soak(engine: str, options: argparse.Namespace, directory: Path, client: Client, stack: ExitStack) -> Figures:
    cancels = (options.minutes * 60 + 60) * options.rate_max / (READS + 1) + 3 * PROBE_S * 1_000
    print(f"placing orders with {cancels:,.0f} lines in {engine}", file=sys.stderr, flush=True)
    stage = Stage(engine, int(cancels / LINES_AN_ORDER) + RETAILERS, directory, client, stack)
    statuses: dict[str, int] = {}

    def load(seconds: float, rate: float | None) -> int:
        got = stage.load(seconds, rate)
        for status, count in got.items():
            statuses[status] = statuses.get(status, 0) + count
        return sum(got.values())

    rate = min(load(PROBE_S, None) / PROBE_S / 2, options.rate_max)
    began, killed = time.monotonic(), 0
    samples = [stage.sample(began)]
    while (at := time.monotonic() - began) < options.minutes * 60:
        if at > (killed + 1) * options.kill_every * 60:
            killed += 1
            stage.kill()
            load(SLICE_S, rate)
            stage.start_others()
        load(min(SLICE_S, options.minutes * 60 - at + 1), rate)
        samples.append(stage.sample(began))
    left = stage.drained()
    settled = [each for each in samples if each.at_s > SETTLED * options.minutes * 60]
    half = len(settled) // 2
    growth = linear_regression([each.at_s / 3600 for each in settled], [each.memory_mb for each in settled]).slope
    return Figures(
        engine=engine,
        minutes=options.minutes,
        rate=rate,
        calls=sum(statuses.values()),
        bad={status: count for status, count in statuses.items() if not status.startswith("2")},
        kills=stage.kills,
        memory_mb=settled[-1].memory_mb,
        growth_an_hour=growth / settled[0].memory_mb,
        descriptors=_fewest(settled[half:]),
        more_descriptors=_fewest(settled[half:]) - _fewest(settled[:half]),
        backlog_max=max(each.backlog for each in samples),
        backlog_left=left,
        acknowledged=statuses.get("204", 0),
        stored=stage.stored(),
        samples=samples,
    )


def _fewest(samples: Sequence[Sample]) -> int:
    """Descriptors without those of connections that callers had open at the moment."""
    return min(each.descriptors for each in samples)


def _line(figures: Figures) -> str:
    return "; ".join(
        (
            f"{figures.engine}: {figures.calls:,} calls in {figures.minutes:g} min at {figures.rate:,.0f}/s",
            f"not 2xx: {figures.bad or 'none'}",
            f"{figures.kills} kills",
            f"{figures.memory_mb:.0f} MB, {100 * figures.growth_an_hour:+.2f} % an hour",
            f"{figures.descriptors} descriptors, {figures.more_descriptors:+}",
            f"backlog at most {figures.backlog_max:,}, left {figures.backlog_left}",
            f"{figures.acknowledged:,} cancellations acknowledged, {figures.stored:,} stored",
            "well" if figures.is_well else "NOT WELL",
        )
    )


if __name__ == "__main__":
    raise SystemExit(main())
