"""Servers as processes: started, waited for, and what CPU they used."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.pgnode import free_port
from tests.support.waiting import HANGS_S

ROOT = Path(__file__).resolve().parent.parent
NOT_AS_USERS = {"PYTHONDONTWRITEBYTECODE"}
"""With it every start compiles every module anew, which takes seconds; users do not set it."""


NO_QUOTAS = {f"COUNTERMAND_{door}_LIMITS": '{"PUT cancellation": ""}' for door in ("PLAZA", "RETAILER")}
"""Settings under which bol's doors refuse nobody: what is measured is not how fast one is refused."""


class ServerProcess:
    """A server on a port of 127.0.0.1, from when it accepts connections until it is told to stop."""

    def __init__(
        self, name: str, command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.port = free_port()
        self._command = [str(part).replace("{port}", str(self.port)) for part in command]
        self._log = log
        self._env = environment(**(env or {}))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=self._env, cwd=ROOT)
        end = time.monotonic() + HANGS_S
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > end:
                self._stop()
                raise RuntimeError(f"{self.name} did not start:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.02)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        """The process that was started."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    def cpu_s(self) -> float:
        """CPU used so far, with that of its children; 0 where the system does not tell."""
        return sum(cpu_s(pid) for pid in [self.pid, *children(self.pid)])

    def pss_mb(self) -> float:
        """Memory now, with that of its children; what several share counts once. 0 where the system does not tell."""
        return sum(_memory_mb(pid, "smaps_rollup", "Pss") for pid in [self.pid, *children(self.pid)])

    def peak_mb(self) -> float:
        """The most that each process ever held, together: memory that several share counts for each."""
        return sum(_memory_mb(pid, "status", "VmHWM") for pid in [self.pid, *children(self.pid)])

    def _accepts(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)


def countermand(
    name: str,
    url: str,
    log: Path,
    source: Path | None = None,
    program: Sequence[str | Path] = (Path(sys.executable).parent / "countermand",),
    **env: str,
) -> ServerProcess:
    """The service, as its command line starts it, or another program; from another source tree when one is named.

    Plaza's calls are signed before the first is measured, so a signature counts for an hour.
    """
    command: list[str | Path] = [*program, "serve", "--database", url, "--host", "127.0.0.1", "--port", "{port}"]
    return ServerProcess(
        name,
        command,
        log,
        {"COUNTERMAND_PLAZA_WINDOW_S": "3600", **env, **({"PYTHONPATH": str(source)} if source else {})},
    )


def environment(**more: str) -> dict[str, str]:
    """The environment for a server that starts as it does at a user's."""
    return {name: value for name, value in os.environ.items() if name not in NOT_AS_USERS} | more


def empty(log: Path) -> ServerProcess:
    """The server alone."""
    return ServerProcess("empty server", [sys.executable, "-m", "bench.empty", "{port}"], log)


def cpu_s(pid: int, *, ended_children: bool = False) -> float:
    """CPU that a process has used, if wanted with its ended children; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0
    return sum(int(each) for each in fields[11 : 15 if ended_children else 13]) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int, file: str, name: str) -> float:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:")), 0.0)


def cpu_with_children_s(pid: int) -> float:
    """CPU that a process and all that it has started have used, those that have ended, too: of a PostgreSQL server."""
    return cpu_s(pid, ended_children=True) + sum(cpu_s(each, ended_children=True) for each in children(pid))


def children(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        found = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except OSError:
        return []
    return found + [grandchild for child in found for grandchild in children(child)]
