"""A small run of the crash driver; ``make kill`` is the long one."""

from collections.abc import Iterator

import pytest

from tests.crash.driver import Tally, torture
from tests.crash.failover import fail_over
from tests.crash.jobs import do_job
from tests.crash.notices import deliver
from tests.support import templates
from tests.support.pgnode import Node

# As in test_refunds.py.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def durable() -> Iterator[Node]:
    """A PostgreSQL that syncs, which the service insists on."""
    with templates.node(durable=True) as node:
        yield node


def test_nothing_acknowledged_is_lost_when_the_service_is_killed_on_sqlite() -> None:
    _is_clean(torture("sqlite", kills=2, callers=8, moment=(20, 200), orders_a_kill=100))


def test_nothing_acknowledged_is_lost_when_the_service_is_killed_on_postgresql(durable: Node) -> None:
    _is_clean(torture("postgresql", kills=2, callers=8, moment=(20, 200), orders_a_kill=100, node=durable))


def test_nothing_is_lost_and_no_lie_is_told_when_postgresql_crashes(durable: Node) -> None:
    _is_clean(
        torture("postgresql", kills=2, crashed="postgres", callers=8, moment=(20, 200), orders_a_kill=100, node=durable)
    )


def _is_clean(tally: Tally) -> None:
    assert (tally.lost, tally.half, tally.wrong) == ([], [], [])
    assert tally.kills == 2
    assert tally.acknowledged > 0


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_every_notice_arrives_under_one_id_whoever_is_killed(engine: str, request: pytest.FixtureRequest) -> None:
    node = request.getfixturevalue("durable") if engine == "postgresql" else None
    found = deliver(engine, kills=2, callers=4, moment=(20, 100), orders_a_kill=40, node=node)
    assert (found.lost, found.unwritten, found.other_ids, found.stuck, found.wrong) == ([], [], [], 0, [])
    assert found.kills == 2
    assert found.calls > 0
    assert found.notices > 0


def test_every_notice_arrives_under_one_id_when_one_process_of_several_is_killed(durable: Node) -> None:
    """The leases last an hour here: whoever takes the place of the dead one takes up its work, and waits for none."""
    found = deliver(
        "postgresql", kills=1, callers=4, moment=(20, 60), orders_a_kill=500, node=durable, processes=2, lease_s=3600
    )
    assert (found.lost, found.unwritten, found.other_ids, found.stuck, found.wrong) == ([], [], [], 0, [])
    assert (found.kills, len(found.taken_over_s)) == (1, 1)
    assert found.calls > 0
    assert found.notices > 0


def test_every_notice_arrives_under_one_id_when_one_of_two_services_behind_a_proxy_is_killed(durable: Node) -> None:
    """The other finds its leases ended, and takes up its work. A call whose service dies gets 502, and is repeated."""
    found = deliver(
        "postgresql", kills=1, callers=4, moment=(20, 60), orders_a_kill=500, node=durable, processes=2, proxied=True
    )
    assert (found.lost, found.unwritten, found.other_ids, found.stuck, found.wrong) == ([], [], [], 0, [])
    assert (found.kills, len(found.taken_over_s)) == (1, 1)
    assert found.calls > 0
    assert found.notices > 0


def test_nothing_acknowledged_is_lost_when_a_synchronous_standby_is_promoted() -> None:
    tally = fail_over(promotions=1, callers=4, moment=(20, 100), orders_each=60)
    assert (tally.lost, tally.half, tally.wrong) == ([], [], [])
    assert tally.kills == 1
    assert tally.acknowledged > 0


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_every_row_of_a_job_is_done_once_whoever_is_killed(engine: str, request: pytest.FixtureRequest) -> None:
    node = request.getfixturevalue("durable") if engine == "postgresql" else None
    found = do_job(engine, rows=300, kills=2, node=node)
    assert found.wrong == []
    assert found.kills == 2
    assert found.ok > 0
