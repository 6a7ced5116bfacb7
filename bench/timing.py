"""Whether the time of an answer tells what is another party's from what is not there.

    python -m bench --timing

At each door two calls take turns, by chance now this one first and now that one: one with the id of something of
another retailer and supplier, and one with an id that nothing has. Both are answered with the same words. ``z`` is that
of Mann and Whitney's rank test: between -3 and 3 the times do not differ in a way that can be told.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx2
from tests.support.foreign import DOORS, Asking, Door, asking
from tests.support.pgnode import Node
from tests.support.world import Clock, populate, running

from countermand.settings import PLAZA_LIMITS
from countermand.wire.limits import Asgi

TELLING_Z: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorTimes:
    """One door on one engine: the medians in microseconds, and how far the ranks lie apart."""

    engine: str
    door: str
    pairs: int
    foreign_us: float
    absent_us: float
    z: float


def main(arguments: Sequence[str]) -> int:
    """Measure each door, print a row for each; fail if one of them tells."""
    options = _options(arguments)
    print("| engine | door | pairs | another's, µs | absent, µs | z |\n|---|---|---|---|---|---|")
    found: list[DoorTimes] = []
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench_timing_"))
        for engine in options.only:
            url = f"sqlite:///{directory}/timing.sqlite3"
            if engine == "postgresql":
                url = stack.enter_context(Node()).url()
            found += asyncio.run(_measure(engine, url, Path(directory), options))
    telling = [each for each in found if abs(each.z) > TELLING_Z]
    print(f"\n{len(found)} doors, {len(telling)} with |z| over {TELLING_Z:g}.")
    return 1 if telling else 0


async def _measure(engine: str, url: str, directory: Path, options: argparse.Namespace) -> list[DoorTimes]:
    found = []
    clock, pairs, unlimited = Clock(), options.pairs, dict.fromkeys(PLAZA_LIMITS, "")
    limits = {"call_limit": "", "wrong_token_limit": "", "plaza_limits": unlimited}
    async with running(url, clock, **limits, key_file=directory / f"{engine}.keys") as application:
        who = await asking(await populate(application, clock))
        for door in DOORS:
            if options.door and not any(each in door.name for each in options.door):
                continue
            others, absent = await _pairs(who, door, pairs)
            told = DoorTimes(
                engine=engine,
                door=door.name,
                pairs=pairs,
                foreign_us=median(others) / 1000,
                absent_us=median(absent) / 1000,
                z=_z(others, absent),
            )
            print(
                f"| {engine} | {told.door} | {pairs} | {told.foreign_us:.0f} | {told.absent_us:.0f} | {told.z:.1f} |",
                flush=True,
            )
            found.append(told)
    return found


async def _pairs(who: Asking, door: Door, pairs: int) -> tuple[list[int], list[int]]:
    chance = random.Random(7)
    times: tuple[list[int], list[int]] = ([], [])
    async with who.world.client() as http:
        for number in range(-50, pairs):
            things = (who.theirs[door.subject], who.absent(door.subject))
            for which in chance.choice(((0, 1), (1, 0))):
                # What a client of Plaza's signs in one second is one call.
                who.world.clock.advance(seconds=door.scheme == "Plaza")
                answered = _answered(who.world.asgi, who.request(http, door, things[which]))
                began = time.perf_counter_ns()
                await answered
                if number >= 0:
                    times[which].append(time.perf_counter_ns() - began)
    return times


async def _answered(app: Asgi, request: httpx2.Request) -> None:
    """The application by itself: a client's own work would only hide a difference."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": "http",
        "path": request.url.path,
        "raw_path": request.url.raw_path.partition(b"?")[0],
        "query_string": request.url.query,
        "server": ("test", 80),
        "client": ("127.0.0.1", 50_000),
        "root_path": "",
    }
    body = request.content

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] < 500, message

    await app(scope, receive, send)


def _z(one: Sequence[int], other: Sequence[int]) -> float:
    """Of the rank test; there are so many that equal times do not matter."""
    ranked = sorted([(each, 0) for each in one] + [(each, 1) for each in other])
    total = sum(rank for rank, (_, which) in enumerate(ranked, 1) if which == 0)
    n, m = len(one), len(other)
    expected = n * (n + m + 1) / 2
    return float((total - expected) / (n * m * (n + m + 1) / 12) ** 0.5)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench --timing", description=__doc__)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--only", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"])
    parser.add_argument("--door", nargs="+", metavar="WORDS", help="only doors with one of these in their names")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
