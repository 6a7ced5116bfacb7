"""How the tests are run: what is compiled is kept, and each file of tests is run by one process."""

import gc
import os
import sys
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest

# The tests, and the many processes that they start, are compiled once, whatever the environment says.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(Path(sys.prefix, "compiled"))


# What is imported and collected stays until the end: there is nothing to be found among it.
gc.disable()

LONG: Final = (
    "tests/store/test_plans.py",
    "tests/crash/test_refunds.py",
    "tests/crash/test_kill.py",
    "tests/citus/test_statements.py",
    "tests/citus/test_road.py",
    "tests/console/test_browser.py",
    "tests/cli/test_here_and_there.py",
    "tests/docs/test_snippets.py",
    "tests/docs/test_reference.py",
    "tests/store/test_road.py",
    "tests/cluster/test_harness.py",
    "tests/wire/native/test_cancellations.py",
    "tests/store/test_beginnings.py",
    "tests/console/test_matrix.py",
    "tests/wire/crux/test_any_input.py",
    "tests/cli/test_csv.py",
    "tests/cli/test_serving.py",
    "tests/wire/test_every_text.py",
    "tests/wire/native/test_schema_calls.py",
    "tests/store/test_finding.py",
    "tests/console/test_pages.py",
    "tests/money/test_restored.py",
    "tests/store/test_races.py",
    "tests/test_distribution.py",
    "tests/client/test_distribution.py",
    "tests/payments/test_localstripe.py",
    "tests/cli/test_ask_file.py",
    "tests/store/test_scores.py",
    "tests/worker/test_processes.py",
    "tests/wire/test_foreign_ids.py",
    "tests/wire/test_hostile_documents.py",
    "tests/store/test_window.py",
    "tests/store/test_changes.py",
    "tests/domain/test_model.py",
)
"""Files that take long, the longest first: they begin, in this order, or one of them would be left alone at the end."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Have a file's tests run by one process, which makes what they share once.

    ``--dist loadgroup`` alone does not: what pytest-xdist 3.8 does for groups has no effect in pytest 9.2.
    """
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the tests, those that take long begin, then those with the most tests."""
    if hasattr(config, "workerinput"):
        file = {item: item.location[0] for item in items}
        sizes = Counter(file.values())
        turn = {name: place for place, name in enumerate(LONG)}
        items.sort(key=lambda item: (turn.get(file[item], len(LONG)), -sizes[file[item]], file[item]))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the garbage collector the many objects that stay until the end."""
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()
