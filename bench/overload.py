"""What becomes of a service that gets three times the calls it can answer, and how soon it is well again.

    make overload
    make overload ARGS="--only sqlite --seconds 20"

First its rate is measured, closed loop. Then calls come at a multiple of that rate, whether answers come or not. Those
that are turned away must be told so at once, all that was acknowledged must be stored, and afterwards a caller must be
served as before.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psycopg

from bench import calls as wire
from bench.bulk import database_on
from bench.client import Client, Load, choose
from bench.processes import ServerProcess, countermand
from bench.report import about_here
from bench.seeding import plant
from bench.targets import HttpTarget

ENGINES: Final = ("postgresql", "sqlite")
CLIENTS: Final = 32
CONNECTIONS: Final = 3_000
"""More than `calls_max`, so that there is always one without a call under way."""
REFUSED_MS: Final = 50.0
"""How soon a call that is turned away must know, at the 99th percentile."""
BACK_S: Final = 60.0
"""How soon a caller must be served as before."""
AS_BEFORE: Final = 1.5
"""A median up to so many times the one before is as before: the machine is not quiet to a tenth."""
LINES_AN_ORDER: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What an engine did."""

    engine: str
    rate: float
    p50_ms: float
    offered: float
    served: float
    refused: int
    refused_p50_ms: float
    refused_p99_ms: float
    unsent: int
    unanswered: int
    statuses: dict[str, int]
    back_s: float
    verified: str

    @property
    def is_well(self) -> bool:
        """Whether what was asked of it holds. That nothing is lost was verified."""
        known = {status for status in self.statuses if status.startswith("2")} | {"429", "503"}
        return (
            self.refused > 0
            and self.refused_p99_ms < REFUSED_MS
            and self.back_s < BACK_S
            and not self.unanswered
            and self.statuses.keys() <= known
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure each engine, and print a line for each."""
    options = _options(arguments)
    found = []
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="overload_")))
        client = choose(directory)
        for engine in options.only:
            found.append(_measure(engine, options, directory, client, stack))
            print(_line(found[-1]), flush=True)
    if options.json:
        options.json.write_text(
            json.dumps({"about": about_here(), "figures": [asdict(each) for each in found]}, indent=2)
        )
    return 0 if all(each.is_well for each in found) else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--seconds", type=float, default=20.0, help="of too many calls")
    parser.add_argument("--times", type=float, default=3.0, help="how many times its own rate comes")
    parser.add_argument("--lines", type=int, default=240_000)
    parser.add_argument("--json", type=Path)
    return parser.parse_args(sys.argv[1:] if arguments is None else list(arguments))


def _measure(engine: str, options: argparse.Namespace, directory: Path, client: Client, stack: ExitStack) -> Figures:
    target, process = _target(engine, options.lines, directory, client, stack)
    target.measure(CLIENTS, 2.0)
    before = target.measure(CLIENTS, 5.0)
    offered = options.times * before.rate
    load = client.run(process.port, CONNECTIONS, options.seconds, target.calls, target.following, rate=offered)
    _count(target, load)
    back_s = _until_as_before(target, before)
    refused = sum(count for status, count in load.statuses.items() if not status.startswith("2"))
    return Figures(
        engine=engine,
        rate=before.rate,
        p50_ms=before.p50_ms,
        offered=offered,
        served=load.rate,
        refused=refused,
        refused_p50_ms=load.refused_p50_ms,
        refused_p99_ms=load.refused_p99_ms,
        unsent=load.unsent,
        unanswered=load.unanswered,
        statuses=load.statuses,
        back_s=back_s,
        verified=target.verify(),
    )


def _target(
    engine: str, lines: int, directory: Path, client: Client, stack: ExitStack
) -> tuple[HttpTarget, ServerProcess]:
    url, stored = database_on(engine, directory, stack)
    print(f"placing orders with {lines:,} lines in {engine}", file=sys.stderr, flush=True)
    orders = plant(url, orders=lines // LINES_AN_ORDER, lines=LINES_AN_ORDER, keys=directory / "keys")
    path = directory / f"{engine}.calls"
    count = wire.write(path, wire.of_orders("crux", orders))
    if engine == "postgresql":
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
    env = {
        "COUNTERMAND_KEY_FILE": str(directory / "keys"),
        "COUNTERMAND_CONNECTIONS_PER_ADDRESS": str(2 * CONNECTIONS),
        "COUNTERMAND_CALL_LIMIT": "",
        "COUNTERMAND_LOG_LEVEL": "warning",
    }
    process = stack.enter_context(countermand(engine, url, directory / f"{engine}.log", None, **env))
    return HttpTarget(engine, process, client, path, count, stored), process


def _count(target: HttpTarget, load: Load) -> None:
    target.following = load.following
    target.acknowledged += load.ok
    target.unanswered += load.unanswered


def _until_as_before(target: HttpTarget, before: Load) -> float:
    """How many seconds after the last call of the flood a caller is served as before it."""
    began = time.monotonic()
    while (at := time.monotonic()) < began + BACK_S:
        now = target.measure(CLIENTS, 1.0)
        if now.p50_ms <= AS_BEFORE * before.p50_ms and now.answered == now.ok:
            return at - began
    return BACK_S


def _line(figures: Figures) -> str:
    return "; ".join(
        (
            f"{figures.engine}: {figures.rate:,.0f}/s and p50 {figures.p50_ms:.1f} ms before",
            f"{figures.offered:,.0f}/s offered, {figures.served:,.0f}/s served",
            f"{figures.refused:,} turned away within {figures.refused_p50_ms:.1f} ms",
            f"p99 {figures.refused_p99_ms:.1f} ms",
            f"{figures.unsent:,} unsent",
            f"as before after {figures.back_s:.0f} s",
            figures.verified,
            "well" if figures.is_well else "NOT WELL",
        )
    )


if __name__ == "__main__":
    raise SystemExit(main())
