"""What is measured, all alike: a load, the CPU it took, and whether what was acknowledged is stored."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Protocol

import psycopg

from bench.client import Client, Load
from bench.floor import Floor
from bench.processes import ServerProcess


class LostError(Exception):
    """What was acknowledged and what is stored differ."""


class Target(Protocol):
    """Something that cancels lines, or pretends to."""

    name: str

    def measure(self, clients: int, seconds: float) -> Load:
        """A load of so many clients for so long, on lines that were not cancelled yet."""

    def settle(self) -> None:
        """Be done with what the measurement before left."""

    def cpu_s(self) -> float:
        """CPU of the server process so far; 0 when it is not known."""

    def database_cpu_s(self) -> float:
        """CPU of the database server so far; 0 where there is none."""

    def memory(self) -> dict[str, float]:
        """``idle_mb`` before the first load, ``pss_mb`` now, and ``peak_mb``, of the server process."""

    def verify(self) -> str:
        """How acknowledged and stored compare, in words.

        Raises:
            LostError: they differ.
        """


@dataclass
class FloorTarget:
    """PostgreSQL by itself."""

    floor: Floor
    name: str = "floor"
    acknowledged: int = 0

    def measure(self, clients: int, seconds: float) -> Load:
        load = self.floor.run(clients, seconds)
        self.acknowledged += load.ok
        return load

    def settle(self) -> None:
        return

    def cpu_s(self) -> float:
        return 0.0

    def database_cpu_s(self) -> float:
        return 0.0

    def memory(self) -> dict[str, float]:
        return {}

    def verify(self) -> str:
        return _compare(self.name, self.acknowledged, 0, self.floor.count())


@dataclass
class HttpTarget:
    """A server that is sent each prepared call once; without ``stored`` it keeps nothing and is sent them again."""

    name: str
    process: ServerProcess
    client: Client
    calls: Path
    count: int
    stored: Callable[[], int] | None
    following: int = 0
    acknowledged: int = 0
    unanswered: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    idle_mb: float = 0.0

    def __post_init__(self) -> None:
        self.idle_mb = self.process.pss_mb()

    def measure(self, clients: int, seconds: float) -> Load:
        load = self.client.run(self.process.port, clients, seconds, self.calls, self.following)
        if self.stored:
            self.following = load.following
            if self.following >= self.count:
                print(f"{self.name} has cancelled every line there is: this measurement was shorter. Give --lines.")
        self.acknowledged += load.ok
        self.unanswered += load.unanswered
        for status, count in load.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0) + count
        return load

    def settle(self) -> None:
        return

    def cpu_s(self) -> float:
        return self.process.cpu_s()

    def database_cpu_s(self) -> float:
        return 0.0

    def memory(self) -> dict[str, float]:
        held = {"idle_mb": self.idle_mb, "pss_mb": self.process.pss_mb(), "peak_mb": self.process.peak_mb()}
        return {name: value for name, value in held.items() if value}

    def verify(self) -> str:
        if self.stored is None:
            return f"{self.name}: keeps nothing"
        bad = {status: count for status, count in self.statuses.items() if not status.startswith("2")}
        words = _compare(self.name, self.acknowledged, self.unanswered, self.stored())
        return words + (f"; other answers: {bad}" if bad else "")


def cancellations_in_postgres(url: str, table: str = "cancellations") -> Callable[[], int]:
    """Counts the stored cancellations."""

    def count() -> int:
        with psycopg.connect(url) as connection:
            row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # type: ignore[arg-type,unused-ignore]
            return int(row[0]) if row else 0

    return count


def cancellations_in_sqlite(path: Path) -> Callable[[], int]:
    """Counts the stored cancellations, with the library that the service uses."""

    def count() -> int:
        connection: sqlite3.Connection = import_module("pysqlite3").connect(path)
        try:
            return int(connection.execute("SELECT count(*) FROM cancellations").fetchone()[0])
        finally:
            connection.close()

    return count


def _compare(name: str, acknowledged: int, unanswered: int, stored: int) -> str:
    if not acknowledged <= stored <= acknowledged + unanswered:
        raise LostError(f"{name}: {acknowledged} acknowledged, {unanswered} unanswered, but {stored} stored")
    return f"{name}: {acknowledged} acknowledged, {stored} stored" + (f", {unanswered} unanswered" * bool(unanswered))
