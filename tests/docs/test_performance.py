"""The page about performance says what was measured, and what of it falls short of its goal."""

import json
import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from bench import page
from bench.chart import Series, bars

from tests.docs.reading import DOCS

WRITE = 'make bench ARGS="--performance --write"'


@pytest.fixture
def found() -> dict[str, Any]:
    results: dict[str, Any] = json.loads(page.RESULTS.read_text())
    return results


def test_the_page_and_its_chart_are_made_of_the_figures_that_are_kept(tmp_path: Path) -> None:
    copy, chart = tmp_path / "performance.md", tmp_path / "performance.svg"
    shutil.copy(DOCS / "performance.md", copy)
    page.write(copy, chart)
    assert copy.read_text() == (DOCS / "performance.md").read_text(), WRITE
    assert chart.read_text() == page.CHART.read_text(), WRITE


def test_the_page_names_machine_versions_commit_and_command(found: dict[str, Any]) -> None:
    about = found["rates"]["about"]
    told = page.section(found)
    for name in ("machine", "python", "packages", "commit", "postgresql"):
        assert about[name] in told, name
    assert found["command"] in told
    assert about["at"][:10] in told


def test_every_goal_is_met_or_falls_short(found: dict[str, Any]) -> None:
    for goal in page.goals(found):
        assert goal.row[-1] in {"met", "**falls short**"}, goal.name


def test_a_goal_that_nobody_measured_says_so() -> None:
    assert page.Goal(name="x", wanted=1, measured=None).row == ("x", "at least 1", "not measured", "", "")


@pytest.mark.parametrize(
    ("wanted", "measured", "at_most", "is_met"),
    [(0.6, 0.6, False, True), (0.6, 0.59, False, False), (200, 200, True, True), (200, 201, True, False)],
)
def test_a_goal_is_met_from_its_figure_on(wanted: float, measured: float, at_most: bool, is_met: bool) -> None:
    assert page.Goal(name="x", wanted=wanted, measured=measured, at_most=at_most).is_met is is_met


def test_a_page_without_a_place_for_the_figures_is_refused(tmp_path: Path) -> None:
    bare = tmp_path / "bare.md"
    bare.write_text("# Nothing\n")
    with pytest.raises(ValueError, match="no place for the figures"):
        page.write(bare, tmp_path / "chart.svg")


def test_bars_are_as_high_as_their_values_and_the_axes_have_labels() -> None:
    drawn = bars(
        title="Calls & more",
        across="clients",
        up="calls a second",
        groups=["1", "8"],
        series=[Series(name="ours", values=[100.0, 400.0]), Series(name="theirs", values=[50.0, 0.0])],
    )
    root = ET.fromstring(drawn)
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"clients", "calls a second", "1", "8", "ours", "theirs", "Calls & more", "0"} <= set(texts)
    high = {found[1]: float(found[0]) for found in re.findall(r'height="([\d.]+)"><title>([^<]+)</title>', drawn)}
    assert high["ours, 8: 400"] == pytest.approx(4 * high["ours, 1: 100"], rel=0.01)
    assert high["theirs, 1: 50"] == pytest.approx(high["ours, 1: 100"] / 2, rel=0.01)
    assert "prefers-color-scheme: dark" in drawn
