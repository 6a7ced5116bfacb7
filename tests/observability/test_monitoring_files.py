"""The alert rules and the dashboard: Prometheus understands them, and every metric that they name is one of ours."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any, Final

import promql_parser
import pytest
import yaml

from countermand.observability.instruments import Histogram
from countermand.observability.metrics import METRICS
from tests.docs.reading import ROOT

FOLDER: Final = ROOT / "deploy" / "monitoring"
RULES: Final = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
PROCESS: Final = {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"}
"""What the library of Prometheus measures of every process."""

LABELS_OF_PROMETHEUS: Final = {"instance", "job", "le"}


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
    return found


def queries() -> list[str]:
    """Every expression of the dashboard, with a value for each of its variables."""
    written = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    return [each.replace("$__rate_interval", "1m").replace("$instance", ".*") for each in written]


def samples() -> dict[str, set[str]]:
    """The names under which our metrics are shown, each with its labels."""
    shown: dict[str, set[str]] = {name: set() for name in PROCESS}
    for metric in METRICS:
        labels = {each.name for each in metric.labels}
        endings = ("_bucket", "_sum", "_count") if isinstance(metric, Histogram) else ("",)
        shown |= {f"{metric.name}{ending}": labels for ending in endings}
    return shown


def named(expression: str) -> Iterator[str]:
    yield from re.findall(r"\b(?:countermand|process)_\w+", expression)


EXPRESSIONS: Final = [*(rule["expr"] for rule in RULES), *queries()]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_is_promql_about_metrics_that_there_are(expression: str) -> None:
    promql_parser.parse(expression)
    names = list(named(expression))
    assert names
    assert set(names) <= samples().keys()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_names_labels_that_its_metrics_have(expression: str) -> None:
    had = LABELS_OF_PROMETHEUS.union(*(samples()[name] for name in named(expression)))
    grouped = [each for group in re.findall(r"by \(([^)]*)\)", expression) for each in re.split(r",\s*", group)]
    matched = re.findall(r"(\w+)(?:=~|=|!=|!~)\"", expression)
    assert {*grouped, *matched} - {""} <= had


def test_there_are_thirteen_rules_each_of_which_says_what_to_do() -> None:
    assert len(RULES) == len({rule["alert"] for rule in RULES}) == 13
    for rule in RULES:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"].keys() == {"summary", "action"}
        used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        assert used <= LABELS_OF_PROMETHEUS.union(*(samples()[name] for name in named(rule["expr"])))


def test_promtool_takes_the_rules() -> None:
    """Where Prometheus is installed, as a second opinion."""
    if promtool := shutil.which("promtool"):
        checked = subprocess.run([promtool, "check", "rules", FOLDER / "alerts.yaml"], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr


def test_the_panels_of_the_dashboard_lie_beside_each_other() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels)
