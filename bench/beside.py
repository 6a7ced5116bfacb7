"""What a heavy read costs those who cancel meanwhile: the times of cancellations alone, and beside each such read.

    make bench ARGS=--beside
    make bench ARGS="--beside --only postgresql --read card --lines 10000"

One caller asks for the same heavy thing again and again, while a few others cancel, each with one call under way.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import psycopg
from tests.support.pgnode import Node
from tests.support.population import Population, populate

from bench import calls as wire
from bench.client import CompiledClient, choose
from bench.pages import log_in
from bench.processes import countermand
from bench.report import about_here
from bench.seeding import plant
from countermand.app import opened
from countermand.console.login import SESSION_COOKIE
from countermand.ids import show
from countermand.settings import Settings

ENGINES: Final = ("sqlite", "postgresql")
ALONE: Final = "alone"
LINES_AN_ORDER: Final = 4
RATE_MAX: Final = 2_000
"""More cancellations a second than so few clients get done."""
READS_MAX: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Cancellations beside one read. ``reads`` were answered meanwhile, each in ``read_ms`` (the median)."""

    engine: str
    lines: int
    beside: str
    clients: int
    rate: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    reads: int
    read_ms: float


def main(arguments: Sequence[str]) -> int:
    """Measure each engine, and print one table."""
    options = _options(arguments)
    found: list[Figures] = []
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="beside_")))
        directory.chmod(0o711)
        client = choose(directory)
        if not isinstance(client, CompiledClient):
            print("This needs a C compiler: a client in Python would take the server's time.", file=sys.stderr)
            return 1
        for engine in options.only:
            found += _measure(engine, options, directory, client)
    print(table(found))
    if options.json:
        options.json.write_text(document(found))
    return 0


def table(found: Sequence[Figures]) -> str:
    """A row for each read."""
    head = ("Engine", "Beside", "Cancellations a second", "p50 ms", "p99 ms", "Slowest ms", "Reads", "Each ms")
    rows = [head, ("---",) * len(head)]
    rows += [
        (each.engine, each.beside, f"{each.rate:,.0f}", f"{each.p50_ms:.1f}", f"{each.p99_ms:.1f}",
         f"{each.max_ms:.1f}", f"{each.reads}", f"{each.read_ms:.0f}")
        for each in found
    ]  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def document(found: Sequence[Figures]) -> str:
    """Everything, for programs."""
    return json.dumps({"about": about_here(), "beside": [asdict(each) for each in found]}, indent=1)


def _measure(engine: str, options: argparse.Namespace, directory: Path, client: CompiledClient) -> list[Figures]:
    with ExitStack() as stack:
        url = f"sqlite:///{directory}/beside.sqlite3"
        if engine == "postgresql":
            url = stack.enter_context(Node(durable=True, max_wal_size="'4GB'")).url()
        keys = directory / "keys"
        _say(f"{engine}: making {options.lines:,} lines")
        population = populate(url, options.lines, now=datetime.now(UTC), keys=keys)
        reads = {
            name: path for name, path in heavy_reads(population).items() if not options.read or options.read in name
        }
        lines = int(RATE_MAX * options.seconds * (len(reads) + 1) * options.rounds)
        orders = plant(url, orders=lines // LINES_AN_ORDER, lines=LINES_AN_ORDER, keys=keys)
        cancels = directory / f"{engine}.calls"
        wire.write(cancels, wire.of_orders("crux", orders))
        cookie = {"Cookie": f"{SESSION_COOKIE}={_session(url, keys, population)}"}
        token = {"Authorization": f"Bearer {population.tokens[population.platform]}"}
        if engine == "postgresql":
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")
                connection.execute("CHECKPOINT")
        env = {"COUNTERMAND_KEY_FILE": str(keys), "COUNTERMAND_CALL_LIMIT": ""}
        server = stack.enter_context(countermand("beside", url, directory / f"{engine}.log", None, **env))
        following = client.run(server.port, options.clients, 1.0, cancels, 0).following
        found = []
        for _ in range(options.rounds):
            for name, path in {ALONE: None, **reads}.items():
                headers = cookie if path and path.startswith("/console") else token
                reads_of = _calls(directory, path, headers) if path else None
                reader = client.start(server.port, 1, options.seconds, reads_of) if reads_of else None
                load = client.run(server.port, options.clients, options.seconds, cancels, following)
                following = load.following
                asked = client.finish(reader, options.seconds) if reader else None
                if asked and asked.ok != asked.answered:
                    raise RuntimeError(f"{path} was refused: {asked.statuses}")
                found.append(
                    Figures(
                        engine=engine,
                        lines=options.lines,
                        beside=name,
                        clients=options.clients,
                        rate=round(load.rate, 1),
                        p50_ms=load.p50_ms,
                        p99_ms=load.p99_ms,
                        max_ms=load.max_ms,
                        reads=asked.ok if asked else 0,
                        read_ms=asked.p50_ms if asked else 0.0,
                    )
                )
                _say(table(found[-1:]).splitlines()[-1])
        return found


def heavy_reads(p: Population) -> Mapping[str, str]:
    """The addresses of what takes long to answer: the platform asks about the big parties."""
    retailer, supplier = show("pty", p.big_retailer), show("pty", p.big_supplier)
    past = (p.now - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "card of 6 weeks": f"/v1/scorecards/{supplier}",
        "card of 6 weeks with all that counts": f"/v1/scorecards/{supplier}?evidence=true",
        "card of 52 weeks as of a moment": f"/v1/scorecards/{retailer}?weeks=52&as_of={past}",
        "card of 52 weeks with all that counts": f"/v1/scorecards/{retailer}?weeks=52&evidence=true",
        "CSV of 10,000 postings": "/console/journal.csv",
        "CSV of a card": f"/console/scorecards/{supplier}/weeks.csv",
        "page of a card": f"/console/scorecards/{supplier}",
        "page of today": "/console/",
        "search": "/v1/search?q=article",
        "orders with all their lines": "/v1/orders?limit=200",
        "events": "/v1/events?limit=200",
    }


def _session(url: str, keys: Path, p: Population) -> str:
    """The secret of a session of the platform in the console."""

    async def made() -> str:
        async with opened(Settings(database=url, key_file=keys, worker=False)) as application:
            return (await application.database.write(partial(log_in, application, p.platform)))[0]

    return asyncio.run(made())


def _calls(directory: Path, path: str, headers: Mapping[str, str]) -> Path:
    """The same read again and again."""
    file = directory / "reads.calls"
    wire.write(file, [wire.http("GET", path, b"", **headers)] * READS_MAX)
    return file


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench --beside", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--read", help="only those with this in their name")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every figure")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
