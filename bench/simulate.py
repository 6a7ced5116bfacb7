"""A year of a marketplace as arithmetic: processes, nodes and disks from what one order, ask, answer and refund cost.

    python -m bench.simulate                                  the year of 1,000,000,000 lines
    python -m bench.simulate --orders-a-day 100000 --engine sqlite
    python -m bench.simulate --write docs/scale.md            the tables of that page

Nothing runs here and nothing is random: the same figures give the same year. The costs are in ``unit_costs.json``,
each with the command that measured it. What the marketplace does is in ``Market``, and can be changed by flags.
"""

import argparse
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

COSTS: Final = Path(__file__).parent / "unit_costs.json"
DAY_S: Final = 86_400
DAYS: Final = 365
KINDS: Final = ("order", "ask", "answer", "notice", "refund")
SHOWN: Final = {
    "order": "order of two lines, paid",
    "ask": "ask, with its notice",
    "answer": "answer, with its notice and refund",
    "notice": "notice sent",
    "refund": "refund made at the provider",
    "call": "call that does nothing",
    "read": "read of one thing by its id",
}
CALLS: Final = ("order", "ask", "answer")
"""What comes by a call over HTTP. Notices and refunds are the worker's."""

MONTHS: Final = (0.88, 0.82, 0.88, 0.90, 0.95, 0.93, 0.92, 0.90, 0.96, 1.04, 1.38, 1.44)
"""How busy each month is, as a share of the average one."""
DAYS_OF_MONTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
WEEK: Final = (1.08, 1.03, 1.00, 0.98, 0.94, 0.94, 1.03)
SALE_DAYS: Final = {328: 3.0, 329: 2.0, 330: 1.8, 331: 2.5}
"""The days of the year that are sales, and how much busier they are than such a day is otherwise."""
HOURS: Final = (
    *(0.35, 0.20, 0.13, 0.10, 0.10, 0.18, 0.40, 0.70, 0.95, 1.15, 1.25, 1.25),
    *(1.25, 1.25, 1.22, 1.22, 1.22, 1.25, 1.35, 1.60, 1.85, 1.80, 1.35, 0.78),
)
"""How busy each hour of a day is, as a share of the average one."""
BURST: Final = 2.0
"""How much busier the busiest second of an hour is than its average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What a marketplace does: shares of its lines, and how it is to be run."""

    lines_a_year: float = 1e9
    lines_an_order: float = 2.0
    asks_a_line: float = 0.04
    notices_an_ask: float = 3.0
    refunds_an_ask: float = 0.8
    reads_an_order: float = 2.0
    notice_days: int = 90
    years_kept: float = 2.0
    utilisation: float = 0.5
    """How busy a core may be in the busiest hour; what is left is for bursts, and for a node that is away."""
    cores_a_database: int = 16
    citus_factor: float = 2.6
    """So much more CPU the same batches took on Citus, on one machine: 25,825 lines a second against 9,975."""
    disk_a_database: float = 8e12
    """Copied at 100 MB a second, it takes a day: a backup, a restore, a new standby."""

    def each(self) -> dict[str, float]:
        """How much of everything there is for each order."""
        asks = self.lines_an_order * self.asks_a_line
        return {
            "order": 1.0,
            "ask": asks,
            "answer": asks,
            "notice": asks * self.notices_an_ask,
            "refund": asks * self.refunds_an_ask,
        }

    @property
    def orders_a_year(self) -> float:
        """How many orders there are."""
        return self.lines_a_year / self.lines_an_order


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of the year."""

    number: int
    orders: float
    peak_orders_s: float
    """In the busiest second."""
    busy_orders_s: float
    """On the average of the busiest hour."""
    disk_bytes: float
    """At its end: what is kept, and what is not deleted yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a marketplace needs for its busiest hour."""

    step: str
    busy_orders_s: float
    peak_orders_s: float
    service_cores: float
    database_cores: float
    processes: int
    nodes: int
    disk_bytes: float


@cache
def costs() -> Mapping[str, Any]:
    """The measured costs."""
    found: Mapping[str, Any] = json.loads(COSTS.read_text())
    return found


def per_order(market: Market, engine: str, what: str) -> float:
    """What an order costs with all that follows from it: CPU in µs, or bytes."""
    given = costs()
    source = given["measured"]["postgresql" if what.endswith("bytes") else engine]
    total = sum(number * source[kind].get(what, 0.0) for kind, number in market.each().items())
    if not what.endswith("bytes"):
        calls = sum(market.each()[kind] for kind in CALLS)
        total += calls * source["call"][what] + market.reads_an_order * source["read"][what]
    return float(total)


def year(market: Market, engine: str) -> Iterator[Day]:
    """Day after day."""
    weights = [_weight(number) for number in range(DAYS)]
    kept, temporary = (per_order(market, engine, what) for what in ("kept_bytes", "temporary_bytes"))
    orders: list[float] = []
    for number, weight in enumerate(weights):
        orders.append(market.orders_a_year * weight / sum(weights))
        busy = orders[-1] / DAY_S * max(HOURS) * len(HOURS) / sum(HOURS)
        yield Day(
            number=number,
            orders=orders[-1],
            busy_orders_s=busy,
            peak_orders_s=busy * BURST,
            disk_bytes=sum(orders) * kept + sum(orders[-market.notice_days :]) * temporary,
        )


def _weight(day: int) -> float:
    left, month = day, 0
    while left >= DAYS_OF_MONTHS[month]:
        left, month = left - DAYS_OF_MONTHS[month], month + 1
    return MONTHS[month] * WEEK[day % 7] * SALE_DAYS.get(day, 1.0)


def need(market: Market, engine: str) -> Need:
    """What the busiest hour of a year needs, and the disk after the years that are kept."""
    days = list(year(market, engine))
    busiest = max(days, key=lambda day: day.busy_orders_s)
    service = busiest.busy_orders_s * per_order(market, engine, "cpu_us") / 1e6 / market.utilisation
    database = busiest.busy_orders_s * per_order(market, engine, "database_cpu_us") / 1e6 / market.utilisation
    kept = market.orders_a_year * per_order(market, engine, "kept_bytes")
    disk = days[-1].disk_bytes + kept * (market.years_kept - 1)
    nodes = _nodes(market, database, disk)
    if nodes > 1:
        database *= market.citus_factor
        nodes = _nodes(market, database, disk)
    return Need(
        step=_step(engine, service, nodes),
        busy_orders_s=busiest.busy_orders_s,
        peak_orders_s=busiest.peak_orders_s,
        service_cores=service,
        database_cores=database,
        # One process has one event loop, and so one core.
        processes=max(1, math.ceil(service)),
        nodes=nodes,
        disk_bytes=disk,
    )


def _nodes(market: Market, cores: float, disk: float) -> int:
    return max(1, math.ceil(cores / market.cores_a_database), math.ceil(disk / market.disk_a_database))


def _step(engine: str, service: float, nodes: int) -> str:
    if engine == "sqlite":
        return "SQLite, one process"
    if nodes > 1:
        return f"Citus, {nodes} nodes"
    return "PostgreSQL, one process" if service <= 1 else "PostgreSQL, many processes"


STEPS: Final = (
    (1e4, "sqlite"),
    (1e5, "sqlite"),
    (1e5, "postgresql"),
    (1e6, "postgresql"),
    (1e9 / 2 / DAYS, "postgresql"),
    (1e9 / DAYS, "postgresql"),
)
"""Orders a day on the average of a year, and the engine. The last two are 10^9 lines and 10^9 orders a year."""


def table(market: Market | None = None) -> str:
    """The table of the page."""
    market = market or Market()
    head = ("Orders a day", "Step", "Orders a second, busiest hour / second", "Cores of services", "Processes",
            "Cores of databases", "Nodes", f"Disk after {market.years_kept:g} years")  # fmt: skip
    rows = [head, ("---",) * len(head)]
    for orders, engine in STEPS:
        found = need(replace(market, lines_a_year=orders * DAYS * market.lines_an_order), engine)
        rows.append(
            (
                f"{orders:,.0f}",
                found.step,
                f"{_short(found.busy_orders_s)} / {_short(found.peak_orders_s)}",
                _short(found.service_cores),
                f"{found.processes}",
                "in the process" if engine == "sqlite" else _short(found.database_cores),
                f"{found.nodes}",
                _bytes(found.disk_bytes),
            )
        )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def costs_table() -> str:
    """The costs, as the page has them."""
    measured = costs()["measured"]
    head = ("What", "Service, PostgreSQL", "PostgreSQL itself", "Service, SQLite", "Kept", "Deleted later")
    rows: list[Sequence[str]] = [head, ("---",) * len(head)]
    for kind, shown in SHOWN.items():
        one, other = measured["postgresql"][kind], measured["sqlite"][kind]
        times = (one["cpu_us"], one["database_cpu_us"], other["cpu_us"])
        sizes = (f"{one[each]:,.0f} B" if each in one else "" for each in ("kept_bytes", "temporary_bytes"))
        rows.append((shown, *(f"{each:,.0f} µs" for each in times), *sizes))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}" if number >= 1 else f"{number:.2f}"


def _bytes(number: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if number >= size:
            return f"{_short(number / size)} {unit}"
    return f"{number / 1e6:,.0f} MB"


def months(market: Market, engine: str) -> Iterator[Sequence[str]]:
    """The year, month by month: its orders, its busiest hour and second, what they need, and the disk at its end."""
    days, first = list(year(market, engine)), 0
    for month, length in enumerate(DAYS_OF_MONTHS, start=1):
        some = days[first : first + length]
        busiest = max(some, key=lambda day: day.busy_orders_s)
        service = busiest.busy_orders_s * per_order(market, engine, "cpu_us") / 1e6 / market.utilisation
        yield (
            f"{month}",
            f"{sum(day.orders for day in some):,.0f}",
            _short(busiest.busy_orders_s),
            _short(busiest.peak_orders_s),
            f"{math.ceil(service)}",
            _bytes(some[-1].disk_bytes),
        )
        first += length


def story(market: Market, engine: str) -> str:
    """The year as a table, and what it needs."""
    head = ("Month", "Orders", "Orders a second, busiest hour", "Busiest second", "Processes", "Disk")
    rows = [head, ("---",) * len(head), *months(market, engine)]
    found = need(market, engine)
    end = (
        f"{market.lines_a_year:,.0f} lines in {market.orders_a_year:,.0f} orders need {found.service_cores:.1f} cores"
        f" of services in {found.processes} processes, {found.database_cores:.1f} cores of databases, and"
        f" {_bytes(found.disk_bytes)} of disk after {market.years_kept:g} years: {found.step}."
    )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows) + f"\n{end}\n"


def write(page: Path) -> None:
    """Put the tables into the page, each after the comment that names it."""
    text = page.read_text()
    for name, content in (
        ("costs", costs_table()),
        ("steps", table()),
        ("year", story(Market(), "postgresql")),
    ):
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        if begin not in text or end not in text:
            raise ValueError(f"{page} has no place for {name}")
        head, _, rest = text.partition(begin)
        text = f"{head}{begin}\n{content}\n{end}{rest.partition(end)[2]}"
    page.write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = Market()
    parser.add_argument("--orders-a-day", type=float, help="on the average of the year, instead of 10^9 lines a year")
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="postgresql")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into this page: docs/scale.md")
    for name in ("asks_a_line", "notices_an_ask", "refunds_an_ask", "reads_an_order", "years_kept", "utilisation"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(usual, name))
    given = vars(parser.parse_args())
    orders, engine, page = (given.pop(name) for name in ("orders_a_day", "engine", "write"))
    if page:
        write(page)
        return
    market = replace(usual, **given)
    if orders:
        market = replace(market, lines_a_year=orders * DAYS * market.lines_an_order)
    print(story(market, engine), end="")


if __name__ == "__main__":
    main()
