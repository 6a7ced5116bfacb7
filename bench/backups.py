"""How long a backup and a restore take, on both engines: python -m bench --backups --lines 1000000.

The database is the one of the reads: two years of orders. Each restore is checked: it has the rows that the manifest
names, or it would have failed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import psycopg
from tests.support.pgnode import Node
from tests.support.population import populate

from bench.report import about_here

ENGINES: Final = ("sqlite", "postgresql")
SERVER_SETTINGS: Final[dict[str, str | int]] = {"shared_buffers": "'512MB'", "max_wal_size": "'8GB'"}
PROGRAM: Final = Path(sys.executable).parent / "countermand"


def main(arguments: Sequence[str]) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench --backups", description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--only", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    options = parser.parse_args(list(arguments))
    figures = [_measure(engine, options.lines) for engine in options.only]
    print("| engine | lines | database | backup | archive | check | restore |\n|---|---|---|---|---|---|---|")
    for each in figures:
        print(
            f"| {each['engine']} | {each['lines']:,} | {each['database_mb']:,.0f} MB | {each['backup_s']:.1f} s |"
            f" {each['archive_mb']:,.0f} MB | {each['check_s']:.1f} s | {each['restore_s']:.1f} s |"
        )
    if options.json:
        options.json.write_text(json.dumps({"about": about_here(), "figures": figures}, indent=2))
    return 0


def _measure(engine: str, lines: int) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="backups_")))
        node = (
            stack.enter_context(Node(durable=True, directory=None, **SERVER_SETTINGS))
            if engine == "postgresql"
            else None
        )
        source, target = _urls(folder, node)
        print(f"filling {engine} with {lines:,} lines", file=sys.stderr, flush=True)
        populate(source, lines, keys=folder / "keys")
        archive = folder / "backup.zip"
        backup_s = _timed("backup", archive, "--database", source, keys=folder / "keys")
        check_s = _timed("restore", archive, "--dry-run", "--database", target, keys=folder / "new.keys")
        restore_s = _timed("restore", archive, "--database", target, keys=folder / "new.keys")
        return {
            "engine": engine,
            "lines": lines,
            "database_mb": _size_mb(source, node),
            "archive_mb": archive.stat().st_size / 1e6,
            "backup_s": backup_s,
            "check_s": check_s,
            "restore_s": restore_s,
        }


def _urls(folder: Path, node: Node | None) -> tuple[str, str]:
    if node is None:
        return f"sqlite:///{folder}/source.sqlite3", f"sqlite:///{folder}/target.sqlite3"
    with psycopg.connect(node.url(), autocommit=True) as connection:
        for name in ("source", "target"):
            connection.execute(f"CREATE DATABASE {name}")
    return node.url("source"), node.url("target")


def _timed(*arguments: str | Path, keys: Path) -> float:
    began = time.monotonic()
    environment = {**os.environ, "COUNTERMAND_KEY_FILE": str(keys)}
    subprocess.run([PROGRAM, *arguments], check=True, env=environment)
    return time.monotonic() - began


def _size_mb(url: str, node: Node | None) -> float:
    if node is None:
        return Path(url.removeprefix("sqlite:///")).stat().st_size / 1e6
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return int(row[0]) / 1e6
