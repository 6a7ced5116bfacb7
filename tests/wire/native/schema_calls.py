"""The native API under calls made of its own description: ``make schemathesis ARGS="--max-examples 100"``.

A service of its own is started, with parties and orders in it. Schemathesis calls it as the platform, as a retailer and
as a supplier: with the examples, at the edges of every schema, at random, and from answer to call by the links between
operations. No answer may be a fault of ours, or another one than the description says.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from tests.support.waiting import HANGS_S

ROLES: Final = ("Platform", "Fine Shoes", "Alpine Supply")
COMMAND: Final = str(Path(sys.executable).with_name("countermand"))
LEFT_OUT: Final = ("events.stream", "endpoints.test")
"""A stream has no end, and a test calls whatever host it is given. Both have tests of their own."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What came of one role's calls."""

    role: str
    code: int
    calls: int
    output: str
    faults: str


@contextmanager
def service(folder: Path) -> Iterator[tuple[str, dict[str, str], Path]]:
    """A service with a few orders: its address, a token of each role, and its log."""
    environment = {
        **os.environ,
        "COUNTERMAND_DATABASE": f"sqlite:///{folder}/calls.sqlite3",
        "COUNTERMAND_CALL_LIMIT": "",
        "COUNTERMAND_WRONG_TOKEN_LIMIT": "",
        "COUNTERMAND_LOG_LEVEL": "warning",
        # Nothing is sent to the hosts of endpoints that were made up.
        "COUNTERMAND_WORKER": "false",
    }

    def run(*words: str, given: str = "") -> str:
        command = [COMMAND, *words]
        done = subprocess.run(command, env=environment, input=given, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    run("migrate")
    run("party", "add", "retailer", "Fine Shoes")
    run("party", "add", "supplier", "Alpine Supply")
    tokens = {role: run("token", "create", "--party", role) for role in ROLES}
    for number in range(5):
        line = {"sku": f"boot-{number}", "units": 5, "unit_price": "45.00", "supplier": "Alpine Supply"}
        payments = [{"id": "card", "provider": "manual", "captured": "225.00"}]
        order = {"retailer": "Fine Shoes", "reference": f"PO-{number}", "lines": [line], "payments": payments}
        run("order", "add", "-", given=json.dumps(order))
    log = folder / "serve.log"
    with log.open("w") as out:
        command = [COMMAND, "serve", "--port", "0"]
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        yield _address(log), tokens, log
    finally:
        process.terminate()
        process.wait(HANGS_S)


def _address(log: Path) -> str:
    until = time.monotonic() + HANGS_S
    while time.monotonic() < until:
        found = re.search(r"ready on (http://\S+)", log.read_text())
        if found:
            with urlopen(f"{found[1]}/healthz"):
                return found[1]
        time.sleep(0.05)
    raise TimeoutError(log.read_text())


def play(folder: Path, roles: Sequence[str] = ROLES, arguments: Sequence[str] = ()) -> Iterator[Run]:
    """Call the service as each of these roles."""
    with service(folder) as (address, tokens, log):
        for role in roles:
            command = [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json"),
                *("--header", f"Authorization: Bearer {tokens[role]}", "--continue-on-failure", "--no-color"),
                # Valid calls may be refused: by the rules, for a key that was used, for a state that has changed.
                *("--exclude-checks", "positive_data_acceptance"),
                *("--warnings", "off", "--generation-database", "none", "--no-shrink"),
                *(word for each in LEFT_OUT for word in ("--exclude-operation-id", each)),
                *arguments,
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            counted = re.search(r"([0-9,]+) generated", done.stdout)
            yield Run(
                role=role,
                code=done.returncode,
                calls=int(counted[1].replace(",", "")) if counted else 0,
                output=done.stdout + done.stderr,
                faults="\n".join(line for line in log.read_text().splitlines() if "unexpected_error" in line),
            )


def main(arguments: Sequence[str]) -> int:
    """Call as every role, and say how many calls there were."""
    failed = 0
    with tempfile.TemporaryDirectory(prefix="calls_") as folder:
        for run in play(Path(folder), arguments=arguments):
            failed |= bool(run.code or run.faults)
            print(run.output if run.code else "", run.faults)
            print(f"{run.role}: {run.calls} calls, {'failures' if run.code or run.faults else 'no failure'}")
    return failed


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
