"""`--dry-run`, `--quiet` and `--no-color`, which every command knows."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_a_dry_run_decides_and_takes_it_back(countermand: Run) -> None:
    countermand("party", "add", "retailer", "Fine Shoes")
    countermand("party", "add", "supplier", "Alpine")
    order = {"retailer": "Fine Shoes", "reference": "A", "lines": [{"sku": "s", "units": 3, "supplier": "Alpine"}]}
    added = countermand("order", "add", "-", "--json", stdin=json.dumps(order))
    line = json.loads(added.stdout)[0]["lines"][0]
    tried = countermand("ask", "--line", line, "--dry-run")
    assert "nothing was written" in tried.stderr
    assert json.loads(countermand("cancellations", "--json").stdout) == []
    assert countermand("ask", "--line", line).returncode == 0
    refused = countermand("ask", "--line", line, "--units", "9", "--dry-run")
    assert refused.returncode == 3


@pytest.mark.parametrize(
    "command",
    [
        ("party", "add", "supplier", "New"),
        ("token", "create", "--party", "Fine Shoes"),
        ("plaza-key", "create", "--party", "Fine Shoes"),
        ("client-credentials", "create", "--party", "Fine Shoes"),
        ("policy", "set", "--retailer", "Fine Shoes", "--silence", "accept"),
        ("migrate",),
    ],
)
def test_every_command_that_writes_can_be_tried(countermand: Run, command: tuple[str, ...]) -> None:
    countermand("party", "add", "retailer", "Fine Shoes")
    tried = countermand(*command, "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert "nothing was written" in tried.stderr
    assert json.loads(countermand("policy", "show", "--retailer", "Fine Shoes", "--json").stdout)["version"] == 0
    assert len(json.loads(countermand("party", "list", "--json").stdout)) == 2


def test_an_empty_database_stays_empty_in_a_dry_run(countermand: Run, tmp_path: Path) -> None:
    empty = f"sqlite:///{tmp_path}/empty.sqlite3"
    tried = countermand("party", "add", "supplier", "New", "--dry-run", COUNTERMAND_DATABASE=empty)
    assert tried.returncode == 78
    assert "migrate" in tried.stderr


def test_what_serves_has_no_dry_run(countermand: Run) -> None:
    assert countermand("serve", "--dry-run").returncode == 2


def test_quiet_says_nothing_but_failures(countermand: Run) -> None:
    assert countermand("orders", "--quiet", "--no-color").stderr == ""
    assert countermand("timeline", "can_" + "0" * 32, "--quiet").stderr.startswith("countermand: ")
