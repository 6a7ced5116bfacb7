"""How the tests are run: what is compiled is kept, and each file of tests is run by one process."""

import gc
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

# The tests, and the many processes that they start, are compiled once, whatever the environment says.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(Path(sys.prefix, "compiled"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have a file's tests run by one process, which makes what they share once. What takes long begins first.

    A file that takes longer than its number of tests suggests has a named group: these begin before all others.
    """
    named = {item: _named_group(item) for item in items}
    group = {item: named[item] or item.location[0] for item in items}
    for item in items:
        if not named[item]:
            item.add_marker(pytest.mark.xdist_group(group[item]))
    if hasattr(config, "workerinput"):
        sizes = Counter(group.values())
        items.sort(key=lambda item: (not named[item], -sizes[group[item]], group[item]))


def _named_group(item: pytest.Item) -> str:
    mark = item.get_closest_marker("xdist_group")
    return str(mark.args[0]) if mark else ""


def pytest_collection_finish() -> None:
    """Spare the garbage collector the many objects that stay until the end."""
    gc.collect()
    gc.freeze()
