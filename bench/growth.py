"""What becomes of the service as its database grows: cancellations a second, reads, its start and its memory.

    make bench ARGS=--growth
    make bench ARGS="--growth --only postgresql --lines 10000 10000000 --directory /var/tmp"

The lines are made inside the database, by a few statements for all rows (``tests/support/population.py``): two years of
orders with all that hangs on them. Then fresh orders are placed by the write road, and cancelled.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

import psycopg
from tests.support.pgnode import Node
from tests.support.population import Population, populate

from bench import calls as wire
from bench.client import Client, choose
from bench.processes import ServerProcess, countermand
from bench.reads import SERVER_SETTINGS
from bench.report import about_here
from bench.seeding import plant
from countermand.domain.orders import LINES_MAX
from countermand.ids import show

ENGINES: Final = ("postgresql", "sqlite")
SIZES: Final = (10_000, 100_000, 1_000_000)
LINES_AN_ORDER: Final = 4
RATE_MAX: Final = 5_000
WHOLE_ORDERS: Final = 7
READS_MAX: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One engine at one size. ``order_ms`` is a cancellation of an order of 1,000 lines, the median of some."""

    engine: str
    lines: int
    made_s: float
    start_ms: float
    idle_mb: float
    clients: int
    rate: float
    p50_ms: float
    p99_ms: float
    reads_ms: Mapping[str, float]
    order_ms: float


def main(arguments: Sequence[str]) -> int:
    """Measure each size on each engine, and print one table."""
    options = _options(arguments)
    found: list[Figures] = []
    for lines in options.lines:
        for engine in options.only:
            found.append(_measure(engine, lines, options))
            _say(table(found[-1:]).splitlines()[-1])
            # What is known is kept, whatever happens to the rest.
            if options.json:
                options.json.write_text(json.dumps(document(found), indent=1))
    print(table(found))
    return 0


def document(found: Sequence[Figures]) -> dict[str, object]:
    """Everything, for programs."""
    return {"about": about_here(), "growth": [asdict(each) for each in found]}


def table(found: Sequence[Figures]) -> str:
    """A row for each size."""
    reads = list(found[0].reads_ms)
    head = ["Engine", "Lines", "Cancellations a second", "p50 ms", "p99 ms", *(f"{each}, ms" for each in reads)]
    head += ["Order of 1,000 lines, ms", "Start, ms", "Idle, MB"]
    rows = [head, ["---"] * len(head)]
    rows += [_row(each, reads) for each in found]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(each: Figures, reads: Sequence[str]) -> list[str]:
    return [
        *(each.engine, f"{each.lines:,}", f"{each.rate:,.0f}", f"{each.p50_ms:.1f}", f"{each.p99_ms:.1f}"),
        *(f"{each.reads_ms[name]:.1f}" for name in reads),
        *(f"{each.order_ms:.0f}", f"{each.start_ms:,.0f}", f"{each.idle_mb:.0f}"),
    ]


def _measure(engine: str, lines: int, options: argparse.Namespace) -> Figures:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="growth_", dir=options.directory)))
        directory.chmod(0o711)
        client, keys = choose(directory), directory / "keys"
        url = f"sqlite:///{directory}/growth.sqlite3"
        if engine == "postgresql":
            server = directory / "server"
            url = stack.enter_context(Node(durable=True, directory=server, **SERVER_SETTINGS)).url()
        _say(f"{engine}: making {lines:,} lines")
        began = time.monotonic()
        population = populate(url, lines, now=datetime.now(UTC), keys=keys)
        made_s = time.monotonic() - began
        cancels, whole = _prepared(url, keys, directory, options)
        if engine == "postgresql":
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")
                connection.execute("CHECKPOINT")
        # The worker would count the cards of two years meanwhile: that is measured by itself.
        env = {"COUNTERMAND_KEY_FILE": str(keys), "COUNTERMAND_WORKER": "false", "COUNTERMAND_CALL_LIMIT": ""}
        starts = []
        for _ in range(3):
            began = time.perf_counter()
            with countermand("growth", url, directory / "log", None, **env):
                starts.append((time.perf_counter() - began) * 1000)
        process = stack.enter_context(countermand("growth", url, directory / "log", None, **env))
        idle_mb = process.pss_mb()
        following = client.run(process.port, options.clients, 1.0, cancels, 0).following
        loads = []
        for _ in range(options.rounds):
            loads.append(client.run(process.port, options.clients, options.seconds, cancels, following))
            following = loads[-1].following
        orders = client.run(process.port, 1, 60.0, whole, 0)
        if orders.ok != WHOLE_ORDERS or any(load.ok != load.answered for load in loads):
            raise RuntimeError(f"not all was cancelled: {orders.statuses}, {[load.statuses for load in loads]}")
        return Figures(
            engine=engine,
            lines=lines,
            made_s=round(made_s, 1),
            start_ms=round(median(starts), 1),
            idle_mb=round(idle_mb, 1),
            clients=options.clients,
            rate=round(median(load.rate for load in loads), 1),
            p50_ms=round(median(load.p50_ms for load in loads), 2),
            p99_ms=round(median(load.p99_ms for load in loads), 2),
            reads_ms=_reads(client, process, directory, population),
            order_ms=round(orders.p50_ms, 1),
        )


def _prepared(url: str, keys: Path, directory: Path, options: argparse.Namespace) -> tuple[Path, Path]:
    """Fresh orders: calls that cancel a line each, and calls that cancel an order of as many lines as one may have."""
    lines = int(RATE_MAX * (options.seconds * options.rounds + 1))
    orders = plant(url, orders=lines // LINES_AN_ORDER, lines=LINES_AN_ORDER, keys=keys)
    large = plant(
        url, orders=WHOLE_ORDERS, lines=LINES_MAX, retailers=2, suppliers=2, seed=2, group="large ", keys=keys
    )
    cancels, whole = directory / "cancels", directory / "orders"
    wire.write(cancels, wire.of_orders("crux", orders))
    wire.write(whole, map(wire.whole_order, large))
    return cancels, whole


def _reads(client: Client, process: ServerProcess, directory: Path, p: Population) -> dict[str, float]:
    """What the big retailer reads, one call after the other: the p50 of each."""
    token = p.tokens[p.big_retailer]
    cancellation, order = show("can", p.samples["cancellation"].id), show("ord", p.samples["order"].id)
    paths = {
        "one cancellation": f"/v1/cancellations/{cancellation}",
        "one order": f"/v1/orders/{order}",
        "its orders": "/v1/orders",
        "its cancellations": "/v1/cancellations",
    }
    found = {}
    for name, path in paths.items():
        calls = directory / "reads"
        wire.write(calls, [wire.http("GET", path, Authorization=f"Bearer {token}")] * READS_MAX)
        first = client.run(process.port, 1, 0.3, calls, 0).following
        load = client.run(process.port, 1, 1.0, calls, first)
        if load.ok != load.answered:
            raise RuntimeError(f"{path} was refused: {load.statuses}")
        found[name] = round(load.p50_ms, 2)
    return found


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench --growth", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--lines", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directory", type=Path, help="where the databases are made; on a disk, not in memory")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every figure")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
