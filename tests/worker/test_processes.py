"""`countermand worker` as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import psycopg
import pytest

from countermand.store.codecs import partition_of
from countermand.store.tables import PARTITIONS
from tests.seeds.serving import PROGRAM, clean_environment, command, orders
from tests.support import templates
from tests.support.pgnode import Node
from tests.support.waiting import HANGS_S


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_takes_its_share_and_lets_go_when_it_is_told_to_stop(postgres: Node, how: int) -> None:
    url = templates.new_database(postgres)
    program = Path(sys.executable).parent / "countermand"
    weak = {**os.environ, "COUNTERMAND_ALLOW_LOSING_ACKNOWLEDGED_CALLS": "true"}
    worker = subprocess.Popen(
        [program, "worker", "--database", url], env=weak, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        end = time.monotonic() + HANGS_S
        while _owned(url) < 32:
            assert time.monotonic() < end
            assert worker.poll() is None
            time.sleep(0.05)
        worker.send_signal(how)
        out, err = worker.communicate(timeout=HANGS_S)
    finally:
        worker.kill()
    assert (worker.returncode, out) == (0, b"")
    assert b"countermand works" in err
    assert _owned(url) == 0


def _owned(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(owner) FROM partitions").fetchone()
    assert row is not None
    return int(row[0])


def test_what_a_worker_leaves_at_sigterm_another_takes_though_no_lease_ends(postgres: Node, tmp_path: Path) -> None:
    """The leases last an hour here, and waiting for one would be given up long before."""
    url = templates.new_database(postgres)
    where = {
        "COUNTERMAND_ALLOW_LOSING_ACKNOWLEDGED_CALLS": "true",
        "COUNTERMAND_DATABASE": url,
        "COUNTERMAND_KEY_FILE": str(tmp_path / "keys"),
        "COUNTERMAND_WEBHOOK_INNER_ADDRESSES": '["127.0.0.0/8"]',
        "COUNTERMAND_WEBHOOK_PORTS": "[]",
        "COUNTERMAND_WORKER_LEASE_S": "3600",
    }
    came: Queue[dict[str, Any]] = Queue()
    with ExitStack() as stack:
        port = stack.enter_context(receiver(came))
        command("party", "add", "retailer", "Fine Shoes", **where)
        command("party", "add", "supplier", "Alpine Supply", **where)
        hook = f"http://127.0.0.1:{port}/"
        command("endpoint", "add", hook, "--party", "Alpine Supply", "--event", "cancellation.asked", **where)
        placed = json.dumps(orders("Fine Shoes", "Alpine Supply", 2))
        _, *lines = command("order", "add", "-", stdin=placed, **where).split("\t")
        workers = {each.pid: each for each in (stack.enter_context(working(where)) for _ in range(2))}
        wait_until(lambda: sorted(map(len, shares(url).values())) == [PARTITIONS // 2] * 2)
        partition = _retailer_partition(url)
        leaving = next(workers[pid] for pid, numbers in shares(url).items() if partition in numbers)
        command("ask", "--line", lines[0], "--by", "retailer", **where)
        assert came.get(timeout=HANGS_S)["data"]["line"] == lines[0]
        leaving.send_signal(signal.SIGTERM)
        assert leaving.wait(HANGS_S) == 0
        assert leaving.pid not in shares(url)
        command("ask", "--line", lines[1], "--by", "retailer", **where)
        assert came.get(timeout=HANGS_S)["data"]["line"] == lines[1]
        [stays] = set(workers) - {leaving.pid}
        wait_until(lambda: list(map(len, shares(url).values())) == [PARTITIONS])
        assert list(shares(url)) == [stays]
        assert came.empty()


@contextmanager
def working(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    worker = subprocess.Popen([PROGRAM, "worker"], env=clean_environment(**environment), stderr=subprocess.DEVNULL)
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait(HANGS_S)


@contextmanager
def receiver(came: Queue[dict[str, Any]]) -> Iterator[int]:
    """The port of a webhook that says yes to all that comes."""

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *told: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def shares(url: str) -> dict[int, set[int]]:
    """The partitions of each process, by its number, which stands in the middle of a worker's name."""
    found: dict[int, set[int]] = {}
    with psycopg.connect(url) as connection:
        for number, owner in connection.execute("SELECT number, owner FROM partitions WHERE owner IS NOT NULL"):
            found.setdefault(int(owner.split(":")[-2]), set()).add(number)
    return found


def _retailer_partition(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT id FROM parties WHERE name = 'Fine Shoes'").fetchone()
    assert row is not None
    return partition_of(row[0])


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + HANGS_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
