"""How long a backup under load, a restore and an upgrade take: python -m bench --backups --lines 1000000.

The database is two years of orders, without what the worker would have deleted. While it is backed up, lines are
cancelled by HTTP at a steady rate; whatever was acknowledged before the backup must be in what is restored, and the
rules of `soundness.py` must hold there. The upgrade begins with as many lines in the schema of the first release.

Databases are made in TMPDIR, one of an engine at a time; --archive says where the backup goes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psycopg
from tests.support.pgnode import Node
from tests.support.population import populate, populate_released

from bench import calls as wire
from bench.client import choose
from bench.processes import children, countermand, cpu_s
from bench.report import about_here
from bench.seeding import plant
from bench.soundness import asked, broken

ENGINES: Final = ("sqlite", "postgresql")
SERVER_SETTINGS: Final[dict[str, str | int]] = {"shared_buffers": "'512MB'", "max_wal_size": "'1GB'"}
PROGRAM: Final = Path(sys.executable).parent / "countermand"
FIRST_RELEASE: Final = "0001"
"""The schema of 0.1.0."""

RATE: Final = 50.0
"""Cancellations a second, while the backup is taken."""
CONNECTIONS: Final = 8
SLICE_S: Final = 3.0
LINES_AN_ORDER: Final = 4
CANCELLATIONS: Final = "SELECT count(*) FROM cancellations"


class UnsoundError(Exception):
    """What was restored or upgraded is not what it has to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """How long a command took by the clock, and the CPU of it and of PostgreSQL meanwhile."""

    seconds: float
    cpu_s: float

    def __str__(self) -> str:
        return f"{self.seconds:,.1f} s ({self.cpu_s:,.1f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What an engine took. ``acknowledged`` were cancelled while the backup was taken."""

    engine: str
    lines: int
    rows: int
    database_mb: float
    archive_mb: float
    backup: Took
    acknowledged: int
    check: Took
    restore: Took
    old_mb: float
    upgrade: Took


def main(arguments: Sequence[str]) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench --backups", description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--only", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--archive", type=Path, metavar="DIRECTORY", help="where the backup goes; default: TMPDIR")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    options = parser.parse_args(list(arguments))
    print(
        "| engine | lines | rows | database | backup under writes | archive | check | restore | 0.1.0's | upgrade |\n"
        "|---|---|---|---|---|---|---|---|---|---|"
    )
    figures = []
    for engine in options.only:
        figures.append(_measure(engine, options.lines, options.archive))
        print(_line(figures[-1]), flush=True)
    if options.json:
        kept = {"about": about_here(), "figures": [asdict(each) for each in figures]}
        options.json.write_text(json.dumps(kept, indent=2))
    return 0


def _line(figures: Figures) -> str:
    cells = (
        figures.engine,
        f"{figures.lines:,}",
        f"{figures.rows:,}",
        f"{figures.database_mb:,.0f} MB",
        f"{figures.backup}, {figures.acknowledged:,} cancelled meanwhile",
        f"{figures.archive_mb:,.0f} MB",
        str(figures.check),
        str(figures.restore),
        f"{figures.old_mb:,.0f} MB",
        str(figures.upgrade),
    )
    return f"| {' | '.join(cells)} |"


def _measure(engine: str, lines: int, archives: Path | None) -> Figures:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="backups_")))
        kept = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="archive_", dir=archives)))
        on = _Databases(
            folder,
            stack.enter_context(Node(durable=True, directory=None, **SERVER_SETTINGS))
            if engine == "postgresql"
            else None,
        )
        archive = kept / "backup.zip"
        with on.database("source") as source:
            _say(f"filling {engine} with {lines:,} lines")
            populate(source, lines, keys=folder / "keys", cleared=True)
            database_mb = on.size_mb("source")
            backup, before, acknowledged = _backed_up_under_load(on, source, archive, folder)
            after = asked(source, CANCELLATIONS)
        with on.database("target") as target:
            check = on.timed("restore", archive, "--dry-run", "--database", target, keys=folder / "new.keys")
            restore = on.timed("restore", archive, "--database", target, keys=folder / "new.keys")
            _say("checking what was restored")
            _check(target, at_least=before, at_most=after)
            rows = _rows(archive)
        with on.database("old") as old:
            _say(f"filling the schema of the first release with {lines:,} lines")
            populate_released(old, lines, FIRST_RELEASE)
            old_mb, cancelled = on.size_mb("old"), asked(old, CANCELLATIONS)
            upgrade = on.timed("migrate", "--database", old, keys=folder / "old.keys")
            _say("checking what was upgraded")
            _check(old, at_least=cancelled, at_most=cancelled)
        return Figures(
            engine=engine,
            lines=lines,
            rows=rows,
            database_mb=database_mb,
            archive_mb=archive.stat().st_size / 1e6,
            backup=backup,
            acknowledged=acknowledged,
            check=check,
            restore=restore,
            old_mb=old_mb,
            upgrade=upgrade,
        )


class _Databases:
    """Databases of one engine, each of which is gone when it is no longer needed."""

    def __init__(self, folder: Path, node: Node | None) -> None:
        self._folder, self._node = folder, node

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """An empty one. A restore makes the file itself."""
        if self._node is None:
            yield f"sqlite:///{self._file(name)}"
            for end in ("", "-wal", "-shm"):
                Path(f"{self._file(name)}{end}").unlink(missing_ok=True)
            return
        self._server(f"CREATE DATABASE {name}")
        yield self._node.url(name)
        self._server(f"DROP DATABASE {name} WITH (FORCE)")

    def size_mb(self, name: str) -> float:
        """Of the database as it is stored."""
        if self._node is None:
            return self._file(name).stat().st_size / 1e6
        return asked(self._node.url(name), "SELECT pg_database_size(current_database())") / 1e6

    def timed(self, *arguments: str | Path, keys: Path) -> Took:
        """Run a command of ours."""
        began, server_s = time.monotonic(), self._server_cpu_s()
        command = subprocess.Popen([PROGRAM, *arguments], env={**os.environ, "COUNTERMAND_KEY_FILE": str(keys)})
        _, status, used = os.wait4(command.pid, 0)
        command.returncode = os.waitstatus_to_exitcode(status)
        if command.returncode:
            raise UnsoundError(f"{arguments[0]} ended with {command.returncode}")
        spent = used.ru_utime + used.ru_stime + self._server_cpu_s() - server_s
        return Took(seconds=time.monotonic() - began, cpu_s=spent)

    def _server_cpu_s(self) -> float:
        """Of PostgreSQL and of the backends that it has and had."""
        if self._node is None or self._node.process is None:
            return 0.0
        pid = self._node.process.pid
        return cpu_s(pid, ended_children=True) + sum(cpu_s(child) for child in children(pid))

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.sqlite3"

    def _server(self, statement: str) -> None:
        assert self._node is not None
        with psycopg.connect(self._node.url(), autocommit=True) as server:
            server.execute(statement.encode())


def _backed_up_under_load(on: "_Databases", source: str, archive: Path, folder: Path) -> tuple[Took, int, int]:
    """What it took, how many cancellations there were before, and how many were acknowledged meanwhile."""
    keys, path = folder / "keys", folder / "load.calls"
    planted = plant(source, orders=2_000, lines=LINES_AN_ORDER, retailers=50, keys=keys)
    wire.write(path, wire.of_orders("crux", planted))
    client = choose(folder)
    acknowledged, following, done = 0, 0, threading.Event()
    env = {"COUNTERMAND_KEY_FILE": str(keys), "COUNTERMAND_WORKER": "false", "COUNTERMAND_LOG_LEVEL": "warning"}
    with countermand("source", source, folder / "serve.log", None, COUNTERMAND_CALL_LIMIT="", **env) as service:

        def load() -> None:
            nonlocal acknowledged, following
            while not done.is_set():
                got = client.run(service.port, CONNECTIONS, SLICE_S, path, following, rate=RATE)
                acknowledged, following = acknowledged + got.ok, got.following

        loading = threading.Thread(target=load)
        before = asked(source, CANCELLATIONS)
        loading.start()
        try:
            took = on.timed("backup", archive, "--database", source, keys=keys)
        finally:
            done.set()
            loading.join()
    stored = asked(source, CANCELLATIONS) - before
    if stored < acknowledged:
        raise UnsoundError(f"{acknowledged} cancellations were acknowledged, and {stored} are stored")
    return took, before, acknowledged


def _check(url: str, *, at_least: int, at_most: int) -> None:
    if rules := broken(url):
        raise UnsoundError(f"rules that do not hold: {rules}")
    found = asked(url, CANCELLATIONS)
    if not at_least <= found <= at_most:
        raise UnsoundError(f"there are {found} cancellations, and there were {at_least} to {at_most}")


def _rows(archive: Path) -> int:
    from countermand.store.archive import ArchiveReader

    with ArchiveReader(archive) as read:
        return sum(read.manifest.rows.values())


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
