"""`countermand worker` as a process of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

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
