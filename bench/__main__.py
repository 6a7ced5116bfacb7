"""One run on one machine: the floor, the service on both engines, and the server alone, in turns."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from tests.support.pgnode import Node

from bench import calls as wire
from bench.client import Client, Load, choose
from bench.floor import Floor, MissingPgbenchError
from bench.processes import NO_QUOTAS, countermand, cpu_with_children_s, empty
from bench.report import Measurement, Report, about_here
from bench.seeding import plant
from bench.targets import (
    FloorTarget,
    HttpTarget,
    LostError,
    Target,
    cancellations_in_postgres,
    cancellations_in_sqlite,
)

FLOOR, POSTGRES, SQLITE, EMPTY = "floor", "postgresql", "sqlite", "empty"
ALL = (FLOOR, POSTGRES, SQLITE, EMPTY)
OTHERS = ("backups", "beside", "bulk", "growth", "layers", "notices", "pages", "performance", "reads", "timing")
"""What is measured instead if a flag says so, each with flags of its own."""

WARM_UP_S = 1.0
QUIET = "quiet"
"""What the service is called that writes no line for a call, beside the one that does."""
RATE_MAX = 5_000
"""More cancellations a second than the service is expected to do, so that the prepared lines suffice."""
LINES_AN_ORDER = 4
SERVER_SETTINGS: dict[str, str | int] = {
    "shared_buffers": "'256MB'",
    "max_wal_size": "'4GB'",
    "checkpoint_timeout": "'30min'",
    # Every target keeps its connections, and the floor opens one for each of its clients.
    "max_connections": 400,
}
"""Durable as PostgreSQL comes; only no checkpoint in the middle of a measurement: one is made before each."""
FLOOR_TIMES = 3
"""The floor cancels so many times as many lines."""
ONE_DOOR = "crux"
"""The door that is measured with every number of clients; others only with ``DOORS_CLIENTS``, unless named."""
DOORS_CLIENTS = 32
DOORS = (ONE_DOOR, "plaza", "retailer", "native")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The service from another source tree, or with other settings, beside this one."""

    name: str
    source: Path | None
    env: dict[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and fail when something acknowledged is not stored."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for name in OTHERS:
        if f"--{name}" in given:
            other: Callable[[Sequence[str]], int] = import_module(f"bench.{name}").main
            return other([each for each in given if each != f"--{name}"])
    options = _options(given)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench_")))
        client = choose(directory)
        about = about_here() | {"client": client.name, "door": " ".join(options.door), "seconds": options.seconds}
        try:
            targets, more = _targets(options, stack, directory, client)
        except MissingPgbenchError as error:
            print(f"bench: {error}\nWithout the floor: --only postgresql sqlite empty", file=sys.stderr)
            return 1
        measurements = list(_measure(options, targets))
        try:
            verified = [target.verify() for target in targets]
        except LostError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
    report = Report(measurements, about | more, verified)
    print(report.markdown())
    if options.logging:
        print("\n".join(_cost_of_lines(measurements)))
    if options.json:
        report.write_json(options.json)
    return 0


def _cost_of_lines(measurements: list[Measurement]) -> Iterator[str]:
    """What the lines of the log cost: the same service with and without them, as medians over the rounds."""
    for name in sorted({each.target for each in measurements}):
        quiet = {(each.round, each.clients): each for each in measurements if each.target == f"{name} {QUIET}"}
        loud = {(each.round, each.clients): each for each in measurements if each.target == name}
        for clients in sorted({clients for _, clients in quiet}):
            rounds = [key for key in quiet if key[1] == clients]
            pairs = [(loud[key].cpu_us_per_call, quiet[key].cpu_us_per_call) for key in rounds]
            costs = [(with_lines - without, without) for with_lines, without in pairs if with_lines and without]
            if costs:
                us, share = median(cost for cost, _ in costs), median(cost / without for cost, without in costs)
                yield f"{name}, {clients} clients: the lines of a call cost {us:.1f} µs of CPU, {100 * share:.1f} %"


def _measure(options: argparse.Namespace, targets: list[Target]) -> Iterator[Measurement]:
    for target in targets:
        _say(f"warming up {target.name}")
        target.measure(min(DOORS_CLIENTS, max(options.clients)), WARM_UP_S)
    for number in range(1, options.rounds + 1):
        for clients in options.clients:
            # Every other round goes the other way round, so that nobody always follows the same neighbour.
            for target in targets if number % 2 else reversed(targets):
                if not _is_wanted(target.name, clients, options):
                    continue
                target.settle()
                cpu, database = target.cpu_s(), target.database_cpu_s()
                load = target.measure(clients, options.seconds)
                used, database = target.cpu_s() - cpu, target.database_cpu_s() - database
                _say(
                    f"round {number}, {clients:3} clients, {target.name}: {load.rate:,.0f}/s,"
                    f" p50 {load.p50_ms:.2f} ms, p99 {load.p99_ms:.2f} ms"
                )
                yield Measurement(
                    round=number,
                    target=target.name,
                    clients=clients,
                    load=load,
                    cpu_us_per_call=_us_a_call(used, load),
                    client_us_per_call=_us_a_call(load.cpu * load.elapsed_s, load),
                    database_us_per_call=_us_a_call(database, load),
                    **target.memory(),
                )


def _us_a_call(seconds: float, load: Load) -> float | None:
    return seconds / load.ok * 1e6 if seconds and load.ok else None


def _is_wanted(name: str, clients: int, options: argparse.Namespace) -> bool:
    if options.doors_are_named or DOORS_CLIENTS not in options.clients:
        return True
    is_other = bool(set(DOORS[1:]) & set(name.split()))
    return not is_other or clients == DOORS_CLIENTS


def _targets(
    options: argparse.Namespace, stack: ExitStack, directory: Path, client: Client
) -> tuple[list[Target], dict[str, Any]]:
    needed = {door: options.lines or _lines_needed(options, door) for door in {ONE_DOOR, *options.door}}
    lines = max(needed.values())
    targets: list[Target] = []
    about: dict[str, Any] = {"lines": lines}
    node = (
        stack.enter_context(Node(durable=True, directory=None, **SERVER_SETTINGS)) if _needs_postgres(options) else None
    )
    variants = [Variant(name="", source=None, env={}), *options.variant]
    if node and FLOOR in options.only:
        floor = Floor(node, items=FLOOR_TIMES * lines, protocol=options.protocol)
        about["floor"] = f"{floor.version}, {options.protocol} protocol"
        targets.append(_Checkpointing(node, FloorTarget(floor)))
    if node and POSTGRES in options.only:
        targets += [
            _Checkpointing(node, _on_postgres(door, stack, directory, client, node, needed[door], variant))
            for door in options.door
            for variant in variants
        ]
    if SQLITE in options.only:
        targets += [
            _on_sqlite(door, stack, directory, client, needed[door], variant)
            for door in options.door
            for variant in variants
        ]
    if EMPTY in options.only:
        process = stack.enter_context(empty(directory / "empty.log"))
        path = directory / "empty.calls"
        count = wire.write(
            path, [b"DELETE /orders/items/cancel/x/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"] * 200_000
        )
        targets.append(HttpTarget("empty server", process, client, path, count, stored=None))
    if node and options.neighbours:
        from bench.neighbours.running import neighbours

        targets += [_Checkpointing(node, each) for each in neighbours(node, stack, directory, client, lines)]
    if node:
        about["postgresql"] = _server_settings(node)
    return targets, about


def _on_postgres(
    door: str,
    stack: ExitStack,
    directory: Path,
    client: Client,
    node: Node,
    lines: int,
    variant: Variant,
) -> HttpTarget:
    name = f"postgresql {door} {variant.name}".strip()
    database = f"countermand_{door}_{variant.name}".strip("_")
    with psycopg.connect(node.url(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{database}"')
    url = node.url(database)
    path, count = _prepare(door, directory, name, url, lines)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    process = stack.enter_context(
        countermand(name, url, directory / f"{name}.log", variant.source, **_env(directory, variant))
    )
    return HttpTarget(name, process, client, path, count, cancellations_in_postgres(url))


def _on_sqlite(
    door: str, stack: ExitStack, directory: Path, client: Client, lines: int, variant: Variant
) -> HttpTarget:
    name = f"sqlite {door} {variant.name}".strip()
    file = directory / f"{name.replace(' ', '_')}.sqlite3"
    url = f"sqlite:///{file}"
    path, count = _prepare(door, directory, name, url, lines)
    process = stack.enter_context(
        countermand(name, url, directory / f"{name}.log", variant.source, **_env(directory, variant))
    )
    return HttpTarget(name, process, client, path, count, cancellations_in_sqlite(file))


def _env(directory: Path, variant: Variant) -> dict[str, str]:
    """The keys that the calls were signed with, and no quota."""
    return {"COUNTERMAND_KEY_FILE": str(directory / "keys"), **NO_QUOTAS, **variant.env}


def _prepare(door: str, directory: Path, name: str, url: str, lines: int) -> tuple[Path, int]:
    _say(f"placing orders with {lines:,} lines in {name}")
    orders = plant(url, orders=lines // LINES_AN_ORDER, lines=LINES_AN_ORDER, keys=directory / "keys")
    path = directory / f"{name}.calls"
    return path, wire.write(path, wire.of_orders(door, orders))


class _Checkpointing:
    """Starts each measurement with a checkpoint, so that nobody pays for the pages of the one before."""

    def __init__(self, node: Node, target: Target) -> None:
        self.name = target.name
        self._node = node
        self._target = target

    def settle(self) -> None:
        with psycopg.connect(self._node.url(), autocommit=True) as connection:
            connection.execute("CHECKPOINT")

    def measure(self, clients: int, seconds: float) -> Load:
        return self._target.measure(clients, seconds)

    def cpu_s(self) -> float:
        return self._target.cpu_s()

    def database_cpu_s(self) -> float:
        """Of the whole server: only one target is measured at a time."""
        return cpu_with_children_s(self._node.process.pid) if self._node.process else 0.0

    def memory(self) -> dict[str, float]:
        return self._target.memory()

    def verify(self) -> str:
        return self._target.verify()


def _needs_postgres(options: argparse.Namespace) -> bool:
    return bool({FLOOR, POSTGRES} & set(options.only)) or options.neighbours


def _lines_needed(options: argparse.Namespace, door: str = ONE_DOOR) -> int:
    asked = [clients for clients in options.clients if _is_wanted(door, clients, options)]
    each_round = sum(min(RATE_MAX, 1_000 * clients) * options.seconds for clients in asked)
    return int(each_round * options.rounds + RATE_MAX * WARM_UP_S)


def _server_settings(node: Node) -> str:
    names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
    with psycopg.connect(node.url()) as connection:
        values = [connection.execute("SELECT current_setting(%s)", (name,)).fetchone() for name in names]
    return ", ".join(f"{name} {value[0]}" for name, value in zip(names, values, strict=True) if value)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=ALL, default=list(ALL))
    parser.add_argument("--door", choices=sorted(wire.DOORS), nargs="+", help="each with all numbers of clients")
    parser.add_argument("--lines", type=int, default=0, help="in each database; default: enough for this run")
    parser.add_argument("--protocol", choices=("extended", "prepared"), default="prepared", help="of the floor")
    parser.add_argument("--notices", action="store_true", help="how fast notices leave, instead; has flags of its own")
    parser.add_argument("--reads", action="store_true", help="how long every read takes, instead; has flags of its own")
    parser.add_argument("--pages", action="store_true", help="how long pages of the console take, instead")
    parser.add_argument("--timing", action="store_true", help="whether times tell of others' things, instead")
    parser.add_argument(
        "--neighbours",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also the same call on FastAPI and DRF",
    )
    parser.add_argument("--logging", action="store_true", help="also the service without a line for each call")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every figure")
    parser.add_argument(
        "--variant",
        type=_variant,
        action="append",
        default=[],
        metavar="NAME[=SOURCE][,VARIABLE=VALUE...]",
        help="also the service from another source tree, or with other settings",
    )
    options = parser.parse_args(arguments)
    options.doors_are_named = options.door is not None
    options.door = options.door or list(DOORS)
    if options.logging:
        options.variant.append(Variant(name=QUIET, source=None, env={"COUNTERMAND_LOG_LEVEL": "warning"}))
    return options


def _variant(text: str) -> Variant:
    first, *settings = text.split(",")
    name, _, source = first.partition("=")
    env = dict(each.split("=", 1) for each in settings)
    return Variant(name=name, source=Path(source).resolve() if source else None, env=env)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
