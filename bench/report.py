"""From rounds to a table: medians, and ratios of measurements that stood side by side in one round."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench.client import Load
from bench.processes import ROOT

PACKAGES = ("uvicorn", "httptools", "starlette", "sqlalchemy", "asyncpg", "pysqlite3", "uvloop", "orjson")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One target under one load in one round."""

    round: int
    target: str
    clients: int
    load: Load
    cpu_us_per_call: float | None
    client_us_per_call: float | None = None
    database_us_per_call: float | None = None
    idle_mb: float | None = None
    pss_mb: float | None = None
    peak_mb: float | None = None


class Report:
    """Every measurement of a run, and what they come to."""

    def __init__(self, measurements: list[Measurement], about: dict[str, Any], verified: list[str]) -> None:
        self._measurements = measurements
        self._about = about
        self._verified = verified

    def markdown(self) -> str:
        """The table, with what it was measured on."""
        rows = [
            "| clients | what | per second | p50 ms | p99 ms | of the floor | of the empty server | service µs a call"
            " | client µs | database µs | idle MB (PSS) | now MB (PSS) | peak MB (RSS) |",
            "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
            *(self._row(clients, target) for clients, target in self._pairs()),
        ]
        about = "\n".join(f"- {name}: {value}" for name, value in self._about.items())
        kept = "\n".join(f"- {line}" for line in self._verified)
        return "\n".join([*rows, "", "Medians of the rounds; ratios are medians of each round's own ratio.", "", about,
                          "", "Acknowledged against stored:", kept])  # fmt: skip

    def document(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "about": self._about,
            "verified": self._verified,
            "medians": [
                {"clients": clients, "target": target, **self._figures(clients, target)}
                for clients, target in self._pairs()
            ],
            "measurements": [{**asdict(each), "rate": each.load.rate} for each in self._measurements],
        }

    def write_json(self, path: Path) -> None:
        """Keep everything in a file."""
        path.write_text(json.dumps(self.document(), indent=2) + "\n")

    def _clients(self) -> list[int]:
        return sorted({each.clients for each in self._measurements})

    def _targets(self) -> list[str]:
        return list(dict.fromkeys(each.target for each in self._measurements if each.round == 1))

    def _pairs(self) -> list[tuple[int, str]]:
        both = [(clients, target) for clients in self._clients() for target in self._targets()]
        return [each for each in both if self._of(*each)]

    def _of(self, clients: int, target: str) -> dict[int, Measurement]:
        return {each.round: each for each in self._measurements if (each.clients, each.target) == (clients, target)}

    def _figures(self, clients: int, target: str) -> dict[str, float | None]:
        mine = self._of(clients, target)
        return {
            "rate": median(each.load.rate for each in mine.values()),
            "p50_ms": median(each.load.p50_ms for each in mine.values()),
            "p99_ms": median(each.load.p99_ms for each in mine.values()),
            "of_floor": self._ratio(clients, target, "floor"),
            "of_empty": self._ratio(clients, target, "empty server"),
            **{name: _median_of(mine.values(), name) for name in _COSTS},
        }

    def _ratio(self, clients: int, target: str, base: str) -> float | None:
        mine, theirs = self._of(clients, target), self._of(clients, base)
        ratios = [mine[n].load.rate / theirs[n].load.rate for n in mine if n in theirs and theirs[n].load.rate]
        return median(ratios) if ratios else None

    def _row(self, clients: int, target: str) -> str:
        figures = self._figures(clients, target)
        cells = [
            str(clients),
            target,
            *(_shown(figures[name], f) for name, f in (("rate", ",.0f"), ("p50_ms", ".2f"), ("p99_ms", ".2f"))),
            *(_shown(figures[name], f) for name, f in (("of_floor", ".2f"), ("of_empty", ".2f"))),
            *(_shown(figures[name], ".0f") for name in _COSTS),
        ]
        return f"| {' | '.join(cells)} |"


_COSTS = (
    *("cpu_us_per_call", "client_us_per_call", "database_us_per_call"),
    *("idle_mb", "pss_mb", "peak_mb"),
)


def _median_of(measurements: Iterable[Measurement], name: str) -> float | None:
    known = [value for each in measurements if (value := getattr(each, name)) is not None]
    return median(known) if known else None


def about_here() -> dict[str, Any]:
    """The machine, the versions and the commit."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {_processor()}, {platform.system()} {platform.release()}",
        "load before": " ".join(f"{each:.1f}" for each in os.getloadavg()),
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "commit": _git("rev-parse", "--short", "HEAD")
        + (" with changes" if _git("status", "--porcelain", "src") else ""),
    }


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
