"""The page about scale says what its arithmetic gives, and the arithmetic adds up."""

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from bench.simulate import DAYS, Market, costs, need, per_order, write, year

from tests.docs.reading import DOCS

ENGINES = ("sqlite", "postgresql")


def test_the_page_has_the_tables_of_the_measured_costs(tmp_path: Path) -> None:
    copy = tmp_path / "scale.md"
    shutil.copy(DOCS / "scale.md", copy)
    write(copy)
    assert copy.read_text() == (DOCS / "scale.md").read_text(), "python -m bench.simulate --write docs/scale.md"
    assert str(costs()["command"]) in copy.read_text()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_year_has_all_its_orders_and_a_disk_that_grows(engine: str) -> None:
    market = Market()
    days = list(year(market, engine))
    assert len(days) == DAYS
    assert sum(day.orders for day in days) == pytest.approx(market.orders_a_year)
    assert all(day.peak_orders_s > day.busy_orders_s > day.orders / 86_400 for day in days)
    kept, temporary = (per_order(market, engine, what) for what in ("kept_bytes", "temporary_bytes"))
    for before, after in pairwise(days):
        grown = (after.disk_bytes - before.disk_bytes) / after.orders
        assert grown <= (kept + temporary) * 1.000001, "older notices go as new ones come"
    assert days[-1].disk_bytes > market.orders_a_year * kept, "the last days' notices are still there"


@pytest.mark.parametrize("engine", ENGINES)
def test_twice_the_orders_need_twice_the_cores(engine: str) -> None:
    small = Market(lines_a_year=1e7)
    one, two = (need(replace(small, lines_a_year=lines), engine) for lines in (1e7, 2e7))
    for what in ("busy_orders_s", "service_cores", "database_cores", "disk_bytes"):
        assert getattr(two, what) == pytest.approx(2 * getattr(one, what))


def test_every_order_that_is_asked_about_more_costs_more() -> None:
    market = Market()
    more = replace(market, asks_a_line=2 * market.asks_a_line)
    for what in ("cpu_us", "database_cpu_us", "kept_bytes", "temporary_bytes"):
        assert per_order(more, "postgresql", what) > per_order(market, "postgresql", what)
