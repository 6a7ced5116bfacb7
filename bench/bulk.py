"""How long a job of many asks takes, from its upload over HTTP to its end: seconds, CPU, and the most memory it held.

python -m bench --bulk
python -m bench --bulk --rows 10000 --only sqlite --retailers 1
"""

import argparse
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from tests.support.pgnode import Node

from bench.processes import ServerProcess, countermand
from bench.report import about_here
from bench.seeding import PlantedOrder, plant, platform_token
from bench.targets import cancellations_in_postgres, cancellations_in_sqlite
from countermand.domain.jobs import PART_MAX

ENGINES = ("postgresql", "sqlite")
LINES_AN_ORDER = 4
LOOK_EVERY_S = 0.5
RESULTS_AT_ONCE = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One job. ``seconds`` are from the first byte of its file to its end, ``peak_mb`` of the service process.

    ``idle_mb`` is what the process held before.
    """

    engine: str
    rows: int
    ok: int
    seconds: float
    upload_s: float
    cpu_s: float
    idle_mb: float
    peak_mb: float
    results_s: float
    results_mb: float


class Caller:
    """Calls the native API on one connection."""

    def __init__(self, port: int, token: str) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._token = token

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def call(self, method: str, path: str, body: bytes | None = None, media_type: str = "application/json") -> Any:
        """The answer to one call."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": media_type}
        self._http.request(method, path, body, headers)
        answer = self._http.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {content.decode()}")
        return json.loads(content)

    def file(self, path: str, media_type: str) -> bytes:
        """An answer that is a file."""
        self._http.request("GET", path, headers={"Authorization": f"Bearer {self._token}", "Accept": media_type})
        return self._http.getresponse().read()

    def size_of(self, path: str, media_type: str) -> int:
        """How many bytes an answer has, which is not kept."""
        self._http.request("GET", path, headers={"Authorization": f"Bearer {self._token}", "Accept": media_type})
        answer, size = self._http.getresponse(), 0
        while chunk := answer.read(RESULTS_AT_ONCE):
            size += len(chunk)
        return size


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure each engine, and print a line for each."""
    options = _options(arguments)
    found = []
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bulk_")))
        for engine in options.only:
            found.append(_measure(engine, options, directory, stack))
            print(_line(found[-1]), flush=True)
    if options.json:
        given = {"about": about_here(), "figures": [asdict(each) for each in found]}
        options.json.write_text(json.dumps(given, indent=2))
    return 0 if all(each.ok == each.rows for each in found) else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench --bulk", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--retailers", type=int, default=50, help="whose lines they are; the platform asks for all")
    parser.add_argument("--only", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--json", type=Path)
    return parser.parse_args(sys.argv[1:] if arguments is None else list(arguments))


def _measure(engine: str, options: argparse.Namespace, directory: Path, stack: ExitStack) -> Figures:
    url, stored = database_on(engine, directory, stack)
    print(f"placing orders with {options.rows:,} lines in {engine}", file=sys.stderr, flush=True)
    orders = -(-options.rows // LINES_AN_ORDER)
    planted = plant(url, orders=orders, lines=LINES_AN_ORDER, retailers=options.retailers, keys=directory / "keys")
    if engine == "postgresql":
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")
    lines = [line for order in planted for line in order.lines][: options.rows]
    env = {"COUNTERMAND_KEY_FILE": str(directory / "keys"), "COUNTERMAND_LOG_LEVEL": "warning"}
    process = stack.enter_context(countermand(engine, url, directory / f"{engine}.log", None, **env))
    with closing(Caller(process.port, _token_of(planted, url, directory))) as caller:
        figures = _do(engine, process, caller, lines)
    asked = stored()
    if asked != figures.ok:
        raise RuntimeError(f"{figures.ok} rows were accepted, and {asked} cancellations are stored")
    return figures


def database_on(engine: str, directory: Path, stack: ExitStack) -> tuple[str, Callable[[], int]]:
    """The URL of a new database, durable as its engine comes, and what counts the cancellations in it."""
    if engine == "sqlite":
        file = directory / "bulk.sqlite3"
        return f"sqlite:///{file}", cancellations_in_sqlite(file)
    node = stack.enter_context(Node(durable=True, directory=None, shared_buffers="'256MB'", max_wal_size="'4GB'"))
    with psycopg.connect(node.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE bulk")
    url = node.url("bulk")
    return url, cancellations_in_postgres(url)


def _token_of(planted: Sequence[PlantedOrder], url: str, directory: Path) -> str:
    """The platform's where the lines are of several retailers, else theirs."""
    sellers = {order.retailer.token for order in planted}
    if len(sellers) == 1:
        return sellers.pop()
    return platform_token(url, directory / "keys")


def _do(engine: str, process: ServerProcess, caller: Caller, lines: Sequence[UUID]) -> Figures:
    file = "line,units,asker,reason\r\n" + "".join(f"{line},1,customer,other\r\n" for line in lines)
    content = file.encode()
    parts = [content[at : at + PART_MAX] for at in range(0, len(content), PART_MAX)]
    idle_mb, cpu = _held_mb(process.pid, "VmRSS"), process.cpu_s()
    begun = time.monotonic()
    job = caller.call("POST", "/v1/jobs", b'{"kind": "ask", "format": "csv"}')["id"]
    for number, part in enumerate(parts, start=1):
        caller.call("PUT", f"/v1/jobs/{job}/input?part={number}", part, "text/csv")
    caller.call("POST", f"/v1/jobs/{job}/start", json.dumps({"parts": len(parts)}).encode())
    upload_s = time.monotonic() - begun
    while (seen := caller.call("GET", f"/v1/jobs/{job}"))["state"] != "done":
        time.sleep(LOOK_EVERY_S)
    seconds, used = time.monotonic() - begun, process.cpu_s() - cpu
    size = caller.size_of(f"/v1/jobs/{job}/results", "text/csv")
    return Figures(
        engine=engine,
        rows=seen["rows"]["total"],
        ok=seen["rows"]["ok"],
        seconds=seconds,
        upload_s=upload_s,
        cpu_s=used,
        idle_mb=idle_mb,
        peak_mb=_held_mb(process.pid, "VmHWM"),
        results_s=time.monotonic() - begun - seconds,
        results_mb=size / 2**20,
    )


def _held_mb(pid: int, name: str) -> float:
    """What ``/proc`` says of the memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _line(figures: Figures) -> str:
    return (
        f"{figures.engine}: {figures.ok:,} of {figures.rows:,} rows in {figures.seconds:.1f} s"
        f" ({figures.rows / figures.seconds:,.0f}/s; sent and begun in {figures.upload_s:.1f} s),"
        f" {figures.cpu_s:.1f} s of CPU, at most {figures.peak_mb:.0f} MB ({figures.idle_mb:.0f} MB before);"
        f" results: {figures.results_mb:.1f} MB in {figures.results_s:.1f} s"
    )
