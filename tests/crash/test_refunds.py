"""A small run of the driver for refunds; ``make refunds`` is the long one."""

import pytest

from tests.crash.left_behind import leave_behind
from tests.crash.refunds import Tally, torture
from tests.support import templates

# A service that is killed between a connection and its options leaves the client's library a socket that it forgets.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def test_money_goes_back_once_though_the_service_is_killed_on_sqlite() -> None:
    _is_clean(torture("sqlite", refunds=50, kills=2, longest_s=3.0, brief=True))


def test_money_goes_back_once_though_the_service_is_killed_on_postgresql() -> None:
    with templates.node(durable=True) as node:
        _is_clean(torture("postgresql", refunds=50, kills=2, longest_s=3.0, brief=True, seed=2, node=node))


def test_no_refund_is_paid_twice_though_the_standby_that_takes_over_lacks_the_last_calls() -> None:
    tally, lost = leave_behind(refunds=40)
    assert (tally.double, tally.lost, tally.over, tally.unequal) == ([], [], [], [])
    assert lost >= 10
    assert tally.refunds + tally.releases == 40
    # What was paid and forgotten is no longer parked: there were twenty of them.
    assert tally.states["confirmed"] >= 30


def _is_clean(tally: Tally) -> None:
    assert (tally.double, tally.lost, tally.over, tally.unequal) == ([], [], [], [])
    assert tally.refunds + tally.releases == 50
    assert tally.states["confirmed"] > 35
    assert set(tally.states) <= {"confirmed", "parked"}
    assert sum(tally.faults.values()) > tally.faults["none"]
