"""The load client: ``loadc.c`` where there is a C compiler, else the same in Python, which costs the server's CPU."""

import asyncio
import json
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

GRACE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a client saw. ``following`` is the first request that was not sent; ``cpu`` the client's share of a core."""

    elapsed_s: float
    ok: int
    answered: int
    unanswered: int
    following: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu: float
    statuses: dict[str, int]
    refused_p50_ms: float = 0.0
    refused_p99_ms: float = 0.0
    unsent: int = 0
    """With a rate: for how many there was no connection without a call under way."""

    @property
    def rate(self) -> float:
        """Calls answered 2xx per second."""
        return self.ok / self.elapsed_s if self.elapsed_s else 0.0


class Client(Protocol):
    """Sends each of the requests in ``calls`` from ``first`` on once, for so many seconds."""

    name: str

    def run(
        self, port: int, connections: int, seconds: float, calls: Path, first: int, *, rate: float | None = None
    ) -> Load:
        """Closed loop: every connection has one call under way. With a rate, so many are sent a second all the same.

        Raises:
            NotImplementedError: this client cannot keep a rate.
        """


def choose(directory: Path) -> Client:
    """The cheapest client that this machine can have."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        print("No C compiler: loading with a client in Python, which takes CPU from the server.", file=sys.stderr)
        return PythonClient()
    program = directory / "loadc"
    subprocess.run([compiler, "-O2", "-o", program, Path(__file__).with_name("loadc.c")], check=True)
    return CompiledClient(program)


class CompiledClient:
    """``loadc.c``."""

    name = "loadc (C)"

    def __init__(self, program: Path) -> None:
        self._program = program

    def run(
        self, port: int, connections: int, seconds: float, calls: Path, first: int, *, rate: float | None = None
    ) -> Load:
        command = self._command(port, connections, seconds, calls, first, rate)
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 2 * GRACE_S)
        return _load_of(done.stdout, done.stderr, done.returncode, loud=not rate)

    def start(self, port: int, connections: int, seconds: float, calls: Path) -> "subprocess.Popen[str]":
        """The same from the first request on, without waiting for its end: for a load beside another one."""
        command = self._command(port, connections, seconds, calls, 0, None)
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, started: "subprocess.Popen[str]", seconds: float) -> Load:
        """What a load that was started came to."""
        out, errors = started.communicate(timeout=seconds + 2 * GRACE_S)
        return _load_of(out, errors, started.returncode, loud=True)

    def _command(
        self, port: int, connections: int, seconds: float, calls: Path, first: int, rate: float | None
    ) -> list[str | Path]:
        numbers = (connections, seconds)
        most: list[str | Path] = [self._program, "127.0.0.1", str(port), *map(str, numbers), calls, str(first)]
        return [*most, *([str(rate)] if rate else [])]


class PythonClient:
    """The same over asyncio's streams."""

    name = "asyncio (Python; dear)"

    def run(
        self, port: int, connections: int, seconds: float, calls: Path, first: int, *, rate: float | None = None
    ) -> Load:
        if rate:
            raise NotImplementedError("a rate needs a C compiler: this client would be the bottleneck")
        return asyncio.run(_Run(port, _read(calls), first).go(connections, seconds))


@dataclass
class _Run:
    port: int
    calls: list[bytes]
    following: int
    latencies: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    unanswered: int = 0
    last: float = 0.0

    async def go(self, connections: int, seconds: float) -> Load:
        cpu, start = _cpu_s(), time.monotonic()
        self.last = start
        async with asyncio.timeout(seconds + GRACE_S):
            await asyncio.gather(*(self._converse(start + seconds) for _ in range(connections)))
        elapsed = self.last - start
        ranked = sorted(self.latencies) or [0.0]
        at = len(ranked) - 1
        return Load(
            elapsed_s=elapsed,
            ok=sum(count for status, count in self.statuses.items() if status.startswith("2")),
            answered=len(self.latencies),
            unanswered=self.unanswered,
            following=self.following,
            p50_ms=ranked[round(at * 0.5)] * 1e3,
            p99_ms=ranked[round(at * 0.99)] * 1e3,
            max_ms=ranked[-1] * 1e3,
            cpu=(_cpu_s() - cpu) / elapsed if elapsed else 0.0,
            statuses=self.statuses,
        )

    async def _converse(self, end: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while time.monotonic() < end and self.following < len(self.calls):
            call = self.calls[self.following]
            self.following += 1
            sent_at = time.monotonic()
            writer.write(call)
            try:
                status, closes = await _answer(reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                self.unanswered += 1
                closes = True
            else:
                self.last = time.monotonic()
                self.latencies.append(self.last - sent_at)
                self.statuses[status] = self.statuses.get(status, 0) + 1
            if closes:
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[str, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status, _, fields = head.partition("\r\n")
    headers = dict(line.split(":", 1) for line in fields.split("\r\n") if ":" in line)
    if "transfer-encoding" in headers:
        await reader.readuntil(b"0\r\n\r\n")
    else:
        await reader.readexactly(int(headers.get("content-length", 0)))
    return status.split()[1], headers.get("connection", "").strip() == "close"


def _read(path: Path) -> list[bytes]:
    calls = []
    with path.open("rb") as file:
        while size := file.readline():
            calls.append(file.read(int(size)))
    return calls


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _load_of(out: str, errors: str, returncode: int, *, loud: bool) -> Load:
    if returncode != 0:
        raise RuntimeError(f"the load client failed: {errors}")
    if errors and loud:
        print(f"An answer was not 2xx:\n{errors}", file=sys.stderr)
    return _load(json.loads(out))


def _load(seen: dict[str, Any]) -> Load:
    names = (
        *("elapsed_s", "ok", "answered", "unanswered", "p50_ms", "p99_ms", "max_ms", "statuses"),
        *("refused_p50_ms", "refused_p99_ms", "unsent"),
    )
    return Load(**{name: seen[name] for name in names}, following=seen["next"], cpu=seen["client_cpu"])
