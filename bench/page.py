"""What docs/performance.md says of speed, written from the figures in ``bench/results/performance.json``."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.chart import Series, bars

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "bench" / "results" / "performance.json"
PAGE: Final = ROOT / "docs" / "performance.md"
CHART: Final = ROOT / "docs" / "performance.svg"
BEGIN, END = "<!-- speed: written by make bench ARGS=--performance -->", "<!-- end of speed -->"

POSTGRES, SQLITE = "postgresql", "sqlite"
SHOWN: Final = {
    "floor": "floor",
    "postgresql crux": "Countermand, PostgreSQL",
    "sqlite crux": "Countermand, SQLite",
    "fastapi": "FastAPI idiom",
    "drf": "DRF",
}
"""What the chart compares."""

SHORT: Final = "**A short run on a busy machine: it shows that all is measured, not how fast it is.** "

Figures = Mapping[str, Any]


def write(page: Path = PAGE, chart: Path = CHART, results: Path = RESULTS) -> None:
    """Put the tables into the page, between the comments that name them, and draw the chart."""
    found = json.loads(results.read_text())
    text = page.read_text()
    if BEGIN not in text or END not in text:
        raise ValueError(f"{page} has no place for the figures")
    head, _, rest = text.partition(BEGIN)
    page.write_text(f"{head}{BEGIN}\n\n{section(found)}\n{END}{rest.partition(END)[2]}")
    chart.write_text(drawing(found))


def section(found: Figures) -> str:
    """All tables."""
    parts = [
        "![Cancellations a second by clients, beside PostgreSQL alone and two neighbours](performance.svg)",
        _about(found),
        "### Goals",
        _table(("Goal", "Wanted", "Measured", "Ratio", ""), (goal.row for goal in goals(found))),
        "### Rates",
        "The floor is pgbench with the smallest durable cancellation. Times of a call are at its client. Memory is of"
        " the service with its children: shared pages count once (PSS), or in each process (RSS).",
        _table(_RATES, _rates(found)),
        "### Growth",
        "Two years of orders with all that hangs on them, made in the database; 32 clients cancel fresh lines through"
        " CRUX. Reads are by the biggest retailer, one after the other.",
        _table(_growth_head(found), _growth(found)),
        "### Beside heavy reads",
        "Cancellations alone, and while one caller asks again and again for what takes long to compute.",
        _table(_BESIDE, _beside(found)),
    ]
    return "\n\n".join(parts) + "\n"


def drawing(found: Figures) -> str:
    """The chart."""
    clients = sorted({each["clients"] for each in found["rates"]["medians"]})
    series = [
        Series(name=name, values=[rate_of(found, target, count) or 0.0 for count in clients])
        for target, name in SHOWN.items()
        if any(rate_of(found, target, count) for count in clients)
    ]
    return bars(
        title="Cancellations a second",
        across="clients, each with one call under way",
        up="cancellations a second",
        groups=[str(count) for count in clients],
        series=series,
    )


# Goals


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A figure that is to be reached. ``measured`` is ``None`` where nobody measured it."""

    name: str
    wanted: float
    measured: float | None
    unit: str = ""
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        """Whether it is reached."""
        if self.measured is None:
            return False
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted

    @property
    def row(self) -> Sequence[str]:
        """As the page has it."""
        wanted = f"{'at most' if self.at_most else 'at least'} {self.wanted:g}{self.unit}"
        if self.measured is None:
            return self.name, wanted, "not measured", "", ""
        shown = f"{self.measured:.2f}" if self.measured < 10 else f"{self.measured:,.0f}"
        return (
            *(self.name, wanted, f"{shown}{self.unit}", f"{self.measured / self.wanted:.2f}"),
            "met" if self.is_met else "**falls short**",
        )


def goals(found: Figures) -> list[Goal]:
    """What was promised, with what was measured."""
    crux, lite = f"{POSTGRES} crux", f"{SQLITE} crux"
    rate, largest = rate_of(found, crux, 32), _growth_at(found, 1_000_000)
    return [
        Goal(name="CRUX on PostgreSQL, 8 clients: of the floor", wanted=0.35, measured=_of_floor(found, 8)),
        Goal(name="The same with 32 clients", wanted=0.6, measured=_of_floor(found, 32)),
        Goal(name="The same with 128 clients", wanted=1.1, measured=_of_floor(found, 128)),
        Goal(
            name="32 clients: times the FastAPI idiom", wanted=8, measured=_share(rate, rate_of(found, "fastapi", 32))
        ),
        Goal(name="32 clients: times DRF", wanted=12, measured=_share(rate, rate_of(found, "drf", 32))),
        Goal(name="One client, p50", wanted=1.4, measured=of(found, crux, 1, "p50_ms"), unit=" ms", at_most=True),
        Goal(name="32 clients, p99", wanted=20, measured=of(found, crux, 32, "p99_ms"), unit=" ms", at_most=True),
        *(
            Goal(
                name=f"CPU of the service a call, 32 clients, {name}",
                wanted=wanted,
                measured=of(found, target, 32, "cpu_us_per_call"),
                unit=" µs",
                at_most=True,
            )
            for target, name, wanted in ((crux, "PostgreSQL", 200), (lite, "SQLite", 250))
        ),
        *(
            Goal(
                name=f"{door.title()} against CRUX, 32 clients, {name}",
                wanted=wanted,
                measured=_share(rate_of(found, f"{engine} {door}", 32), rate_of(found, f"{engine} crux", 32)),
            )
            for engine, name in ((POSTGRES, "PostgreSQL"), (SQLITE, "SQLite"))
            for door, wanted in (("plaza", 0.85), ("retailer", 0.8), ("native", 0.85))
            if door in found["rates"]["about"]["door"].split()
        ),
        *(
            Goal(name=f"{_span(found, engine)}: what is left of the rate, {name}", wanted=0.85, measured=left)
            for engine, name in ((POSTGRES, "PostgreSQL"), (SQLITE, "SQLite"))
            if (left := _left(found, engine)) is not None
        ),
        *(
            Goal(
                name=f"{what}, {each['lines']:,} lines, {each['engine']}",
                wanted=wanted,
                measured=each[name],
                unit=unit,
                at_most=True,
            )
            for what, name, wanted, unit in (
                ("An order of 1,000 lines is cancelled", "order_ms", 150, " ms"),
                ("Start", "start_ms", 2_000, " ms"),
                ("Idle memory", "idle_mb", 120, " MB"),
            )
            for each in largest
        ),
    ]


def of(found: Figures, target: str, clients: int, name: str) -> float | None:
    """A median of the run."""
    for each in found["rates"]["medians"]:
        if (each["target"], each["clients"]) == (target, clients):
            value: float | None = each[name]
            return value
    return None


def rate_of(found: Figures, target: str, clients: int) -> float | None:
    """Cancellations a second."""
    return of(found, target, clients, "rate")


def _of_floor(found: Figures, clients: int) -> float | None:
    return of(found, f"{POSTGRES} crux", clients, "of_floor")


def _share(one: float | None, other: float | None) -> float | None:
    return one / other if one and other else None


def _growth_of(found: Figures, engine: str) -> list[Figures]:
    return sorted((each for each in found["growth"]["growth"] if each["engine"] == engine), key=lambda x: x["lines"])


def _growth_at(found: Figures, lines: int) -> list[Figures]:
    """Of each engine the size that was asked for, or the largest that was measured."""
    sizes = [_growth_of(found, engine) for engine in (POSTGRES, SQLITE)]
    return [next((each for each in some if each["lines"] == lines), some[-1]) for some in sizes if some]


def _left(found: Figures, engine: str) -> float | None:
    sizes = _growth_of(found, engine)
    return min(each["rate"] for each in sizes) / sizes[0]["rate"] if len(sizes) > 1 else None


def _span(found: Figures, engine: str) -> str:
    sizes = _growth_of(found, engine)
    return f"From {sizes[0]['lines']:,} to {sizes[-1]['lines']:,} lines"


# Tables

_RATES: Final = (
    *("Clients", "What", "A second", "Of the floor", "p50 ms", "p99 ms"),
    *("Service µs a call", "Client µs", "Database µs", "Idle MB (PSS)", "Peak MB (RSS)"),
)
_BESIDE: Final = ("Engine", "Beside", "A second", "p50 ms", "p99 ms", "Slowest ms", "The read, ms")


def _about(found: Figures) -> str:
    about = found["rates"]["about"]
    short = SHORT if _is_quick(found) else ""
    return (
        f"{short}Measured {about['at'][:10]} with `{found['command']}`, commit `{about['commit']}`: {about['machine']};"
        f" Python {about['python']}, {about['packages']}; {about.get('postgresql', '')}. Load before it began:"
        f" {about['load before']}. Medians of the rounds; ratios are medians of each round's own ratio."
    )


def _is_quick(found: Figures) -> bool:
    return "--quick" in found["command"]


def _rates(found: Figures) -> Iterator[Sequence[str]]:
    for each in found["rates"]["medians"]:
        yield (
            *(f"{each['clients']}", each["target"], f"{each['rate']:,.0f}", _number(each["of_floor"], 2)),
            *(_number(each[name], 2) for name in ("p50_ms", "p99_ms")),
            *(_number(each[f"{name}_us_per_call"], 0) for name in ("cpu", "client", "database")),
            *(_number(each[name], 0) for name in ("idle_mb", "peak_mb")),
        )


def _growth_head(found: Figures) -> Sequence[str]:
    reads = found["growth"]["growth"][0]["reads_ms"]
    return (
        *("Engine", "Lines", "A second", "Of the first", "p50 ms", "p99 ms", *(f"{each}, ms" for each in reads)),
        *("order of 1,000 lines, ms", "start, ms", "idle, MB", "made in, s"),
    )


def _growth(found: Figures) -> Iterator[Sequence[str]]:
    for engine in (POSTGRES, SQLITE):
        sizes = _growth_of(found, engine)
        for each in sizes:
            yield (
                *(engine, f"{each['lines']:,}", f"{each['rate']:,.0f}", f"{each['rate'] / sizes[0]['rate']:.2f}"),
                *(_number(each[name], 1) for name in ("p50_ms", "p99_ms")),
                *(_number(value, 1) for value in each["reads_ms"].values()),
                *(_number(each[name], 0) for name in ("order_ms", "start_ms", "idle_mb", "made_s")),
            )


def _beside(found: Figures) -> Iterator[Sequence[str]]:
    for each in found["beside"]["beside"]:
        times = (_number(each[name], 1) for name in ("p50_ms", "p99_ms", "max_ms"))
        yield each["engine"], each["beside"], f"{each['rate']:,.0f}", *times, _number(each["read_ms"] or None, 0)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
