"""The suites of the doors and of the store, on a cluster that ``COUNTERMAND_TEST_CITUS`` names."""

import subprocess
import sys

import pytest

from tests.docs.reading import ROOT
from tests.support import cluster

pytestmark = pytest.mark.skipif(bool(cluster.lacking()), reason=cluster.lacking())

SUITES = {
    "the stories through every door": ("tests/scenarios",),
    "the stories of the native API": ("tests/wire/native/test_stories.py",),
    "the stories of the clients": ("tests/client/test_stories.py",),
    "CRUX": ("tests/wire/crux",),
    "Plaza v2": ("tests/wire/bol_plaza",),
    "Retailer v10": ("tests/wire/bol_retailer",),
    "the road of writes": ("tests/store/test_road.py", "tests/store/test_late.py", "tests/store/test_reassigning.py"),
    "the feed": ("tests/store/test_feed.py",),
    "notices": ("tests/store/test_notices.py", "tests/worker/test_notices.py"),
}


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_holds_on_the_cluster(suite: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-k", "citus", *SUITES[suite]]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-20_000:] + ended.stderr[-2_000:]
