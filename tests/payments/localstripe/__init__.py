"""localstripe, a fake of Stripe by others, as a process of its own in an environment of its own.

It is under the GPL, so nothing here imports it. Its versions and their hashes are in ``requirements.txt``, which comes
from ``requirements.in``: ``uv pip compile --universal --generate-hashes --python-version 3.11``.
"""

import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.support.pgnode import free_port
from tests.support.waiting import HANGS_S

HERE = Path(__file__).parent
ENVIRONMENT = HERE / ".venv"


@contextmanager
def running(log: Path) -> Iterator[str]:
    """Its URL, while it runs. It listens on every address of this machine and knows no other way."""
    port = free_port()
    program = _environment() / "bin" / "localstripe"
    with log.open("wb") as output:
        command: list[str | Path] = [program, "--port", str(port), "--from-scratch"]
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=log.parent)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(HANGS_S)


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + HANGS_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            httpx2.get(f"{url}/v1/refunds", auth=("sk_test_1", ""), timeout=HANGS_S)
        except httpx2.TransportError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"localstripe does not answer: {log.read_text()[-1000:]}")


def _environment() -> Path:
    """Made when it is first asked for, and again when the versions change. One process at a time makes it."""
    wanted = (HERE / "requirements.txt").read_text() + sys.version
    ready = ENVIRONMENT / ".ready"
    with (HERE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists() or ready.read_text() != wanted:
            _run(sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT))
            pip = [
                str(ENVIRONMENT / "bin" / "python"),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ]
            _run(*pip, "--require-hashes", "--requirement", str(HERE / "requirements.txt"))
            ready.write_text(wanted)
    return ENVIRONMENT


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The environment for localstripe cannot be made: {done.stderr[-2000:]}")
