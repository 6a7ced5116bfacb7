"""How the tests are run: what is compiled is kept, and each file of tests is run by one process."""

import gc
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

# The tests, and the many processes that they start, are compiled once, whatever the environment says.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(Path(sys.prefix, "compiled"))


LONG: Final = (
    "tests/store/test_plans.py",
    "tests/console/test_browser.py",
    "tests/crash/test_kill.py",
    "tests/crash/test_refunds.py",
    "tests/docs/test_snippets.py",
    "tests/docs/test_reference.py",
    "tests/console/test_pages.py",
    "tests/wire/test_every_text.py",
    "tests/client/test_distribution.py",
    "tests/payments/test_localstripe.py",
    "tests/cli/test_serving.py",
    "tests/test_distribution.py",
)
"""Files that take longer than their number of tests suggests. They begin first, or one of them would be left alone."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Have a file's tests run by one process, which makes what they share once.

    ``--dist loadgroup`` alone does not: what pytest-xdist 3.8 does for groups has no effect in pytest 9.2.
    """
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the tests, the largest files begin."""
    if hasattr(config, "workerinput"):
        file = {item: item.location[0] for item in items}
        sizes = Counter(file.values())
        items.sort(key=lambda item: (file[item] not in LONG, -sizes[file[item]], file[item]))


def pytest_collection_finish() -> None:
    """Spare the garbage collector the many objects that stay until the end."""
    gc.collect()
    gc.freeze()
