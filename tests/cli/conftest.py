"""The command line, called in this process: what it writes where, and how it ends."""

import io
import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from countermand.admin import endpoints as endpoints_module
from countermand.admin import signature_keys as keys_module
from countermand.cli import checking as checking_module
from countermand.cli import demo as demo_module
from countermand.cli import exporting as exporting_module
from countermand.cli import main
from countermand.cli import running as running_module
from countermand.service import reporting as reporting_module
from tests.support import templates


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it wrote to standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document, which it must be, whole."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[list[str]]:
        """Standard output as lines of cells."""
        return [line.split("\t") for line in self.out.splitlines()]


Cli = Callable[..., Result]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Run a command on a database of this test's own. Further names are environment variables."""
    for name in os.environ:
        if name.startswith("COUNTERMAND_"):
            monkeypatch.delenv(name)
    database = f"sqlite:///{tmp_path}/cli.sqlite3"
    templates.fill_if_absent(database)
    monkeypatch.setenv("COUNTERMAND_DATABASE", database)
    monkeypatch.chdir(tmp_path)
    for module in (running_module, demo_module, checking_module, exporting_module):
        # Logging is set up once per process, and would keep the standard error of the first test.
        monkeypatch.setattr(module, "configure_logging", lambda *_: None)
    quiet = structlog.make_filtering_bound_logger(logging.ERROR)
    silent = structlog.wrap_logger(structlog.PrintLogger(sys.stderr), wrapper_class=quiet)
    for module in (endpoints_module, keys_module, reporting_module):
        monkeypatch.setattr(module, "log", silent)

    def run(*arguments: str, stdin: str = "", **environment: str) -> Result:
        with monkeypatch.context() as patched:
            # ``--config`` sets it for the process: so it is put back at the end.
            patched.setenv("COUNTERMAND_CONFIG", "")
            patched.delenv("COUNTERMAND_CONFIG")
            patched.setattr(sys, "stdin", io.StringIO(stdin))
            for name, value in environment.items():
                patched.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main(list(arguments))
        result = capsys.readouterr()
        return Result(int(ended.value.code or 0), result.out, result.err)

    return run


def order(reference: str = "PO-1", *units: int, **changes: Any) -> dict[str, Any]:
    """An order of Fine Shoes, with goods of Alpine Supply."""
    lines = [{"sku": f"SKU-{n}", "units": count, "supplier": "Alpine Supply"} for n, count in enumerate(units or (1,))]
    return {"retailer": "Fine Shoes", "reference": reference, "lines": lines, **changes}


@pytest.fixture
def parties(cli: Cli) -> dict[str, str]:
    """Fine Shoes, a retailer, and Alpine Supply, a supplier, with their ids."""
    return {
        name: cli("party", "add", kind, name).out.strip()
        for kind, name in (("retailer", "Fine Shoes"), ("supplier", "Alpine Supply"))
    }


@pytest.fixture
def lines(cli: Cli, parties: dict[str, str]) -> list[str]:
    """The lines of an order of three and two units, and the one of another of one unit."""
    result = cli("order", "add", "-", stdin=json.dumps([order("PO-1", 3, 2), order("PO-2", 1)]))
    return [*result.lines[0][1:], result.lines[1][1]]


def asked(cli: Cli) -> Counter[str]:
    """How many units of each line are asked for."""
    found: Counter[str] = Counter()
    for each in cli("cancellations", "--json", "--limit", "10000").json:
        found[each["line"]] += each["units"]
    return found
