"""Where the service's CPU goes, layer by layer, for one cancellation at each door on PostgreSQL.

    python -m bench --layers

The service runs as at its users', and is looked at again and again while it uses CPU (``bench/sampled.py``). What
PostgreSQL and the client use is not in it.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from tests.support.pgnode import Node
from tests.support.waiting import HANGS_S

from bench import calls as wire
from bench.client import Client, choose
from bench.processes import NO_QUOTAS, countermand
from bench.sampled import LAYERS, LOOP
from bench.seeding import plant

WARM_UP_S: Final = 2.0
LINES_AN_ORDER: Final = 4
RATE_MAX: Final = 4_000
ORDER: Final = tuple(dict.fromkeys([LOOP, "HTTP server", *LAYERS.values()]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """Of one door with one number of clients: the CPU of a call in microseconds, and how much of it each layer has."""

    door: str
    clients: int
    us: float
    looks: Counter[str]


def main(arguments: Sequence[str]) -> int:
    """Measure, and print a column for each door and number of clients."""
    options = _options(arguments)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench_layers_")))
        directory.chmod(0o711)
        client = choose(directory)
        node = stack.enter_context(Node(durable=True, max_wal_size="'4GB'"))
        found = [each for door in options.door for each in _measure(door, node, directory, client, options)]
    print("\n".join(_table(found)))
    return 0


def _measure(door: str, node: Node, directory: Path, client: Client, options: argparse.Namespace) -> Sequence[Layers]:
    with psycopg.connect(node.url(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{door}"'.encode())
    url, calls, keys = node.url(door), directory / f"{door}.calls", directory / "keys"
    lines = int(RATE_MAX * (WARM_UP_S + options.seconds * len(options.clients)))
    orders = plant(url, orders=lines // LINES_AN_ORDER, lines=LINES_AN_ORDER, keys=keys)
    wire.write(calls, wire.of_orders(door, orders))
    samples = directory / f"{door}.json"
    server = countermand(
        door,
        url,
        directory / "service.log",
        None,
        [sys.executable, "-m", "bench.sampled", samples],
        COUNTERMAND_KEY_FILE=str(keys),
        **NO_QUOTAS,
    )
    found: list[Layers] = []
    with server:
        following = client.run(server.port, max(options.clients), WARM_UP_S, calls, 0).following
        for clients in options.clients:
            os.kill(server.pid, signal.SIGUSR1)
            before = server.cpu_s()
            load = client.run(server.port, clients, options.seconds, calls, following)
            used, following = server.cpu_s() - before, load.following
            os.kill(server.pid, signal.SIGUSR2)
            looks = Counter(json.loads(_appeared(samples).read_text()))
            samples.unlink()
            found.append(Layers(door=door, clients=clients, us=used / load.ok * 1e6, looks=looks))
    return found


def _appeared(file: Path) -> Path:
    end = time.monotonic() + HANGS_S
    while not file.exists():
        if time.monotonic() > end:
            raise RuntimeError("the service did not say what it was doing")
        time.sleep(0.02)
    return file


def _table(found: Sequence[Layers]) -> list[str]:
    columns = [f"{each.door}, {each.clients}" for each in found]
    rows = [[layer, *(f"{each.us * each.looks[layer] / each.looks.total():.0f}" for each in found)] for layer in ORDER]
    total = ["**all**", *(f"**{each.us:.0f}**" for each in found)]
    return [
        _row(["Layer, µs a call", *columns]),
        _row(["---"] * (len(columns) + 1)),
        *map(_row, [*rows, total]),
        "",
        f"{sum(each.looks.total() for each in found):,} looks.",
    ]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench --layers", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--door", choices=sorted(wire.DOORS), nargs="+", default=["crux", "plaza", "retailer", "native"]
    )
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--seconds", type=float, default=5.0)
    return parser.parse_args(arguments)
