"""The real server, as its users start it, on a port of its own choice and a database made through the command line."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import templates
from tests.support.waiting import HANGS_S

PROGRAM = Path(sys.executable).parent / "countermand"
LINES = 200


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server, and what a retailer needs to call it."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    database: str
    token: str = ""
    order: str = ""
    lines: Sequence[str] = ()


@contextmanager
def serving(database: str, log: Path, **environment: str) -> Iterator[Server]:
    """``countermand serve``, from the moment that it says it is ready until it was told to stop."""
    templates.fill_if_absent(database)
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [PROGRAM, "serve", "--port", "0", "--database", database],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=clean_environment(**environment),
        )
    try:
        port = port_when_ready(process, log)
        yield Server(port=port, process=process, log=log, database=database)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(HANGS_S)


def port_when_ready(process: subprocess.Popen[bytes], log: Path) -> int:
    """Wait for the sentence that the server says when it listens, which names its port."""
    end = time.monotonic() + HANGS_S
    while not (answer := re.search(r"ready on http://127\.0\.0\.1:([0-9]+) ", log.read_text())):
        if time.monotonic() > end:
            raise TimeoutError(log.read_text())
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        raise RuntimeError(f"the server ended with {process.returncode}: {log.read_text()}")
    return int(answer[1])


def command(*arguments: str, stdin: str = "", **environment: str) -> str:
    """What a command says on standard output. It must succeed."""
    done = subprocess.run(
        [PROGRAM, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        env=clean_environment(**environment),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def clean_environment(**more: str) -> dict[str, str]:
    """Ours without proxies and settings of the one who runs the tests."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith("COUNTERMAND_")
    }
    return {**kept, "NO_COLOR": "1", **more}


def orders(retailer: str, supplier: str, lines: int) -> list[dict[str, Any]]:
    """One order of so many lines."""
    goods = [{"sku": f"SKU-{number}", "units": 2, "supplier": supplier} for number in range(lines)]
    return [{"retailer": retailer, "reference": "PO-1", "lines": goods}]


def filled(database: str) -> dict[str, Any]:
    """Put a retailer, a supplier and an order into a fresh database, through the command line."""
    templates.fill_if_absent(database)
    where = {"COUNTERMAND_DATABASE": database}
    command("party", "add", "retailer", "Fine Shoes", **where)
    command("party", "add", "supplier", "Alpine Supply", **where)
    given = json.dumps(orders("Fine Shoes", "Alpine Supply", LINES))
    order, *lines = command("order", "add", "-", stdin=given, **where).split("\t")
    return {"token": command("token", "create", "--party", "Fine Shoes", **where), "order": order, "lines": lines}
