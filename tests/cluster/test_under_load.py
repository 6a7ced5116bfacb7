"""A cluster whose servers crash, come and go while calls are made: nothing acknowledged is lost, no money goes twice.

What ``COUNTERMAND_TEST_CITUS`` and the variables beside it say of the cluster is told in CONTRIBUTING.md.
"""

import os

import pytest

from tests.cluster.doing import add_server, distribute, drain
from tests.crash import refunds
from tests.crash.disturbing import Disturbance, disturb
from tests.crash.driver import Tally
from tests.support import cluster
from tests.support.cluster import NEW_NODE, START_NODE, STOP_NODE

needs_cluster = pytest.mark.skipif(bool(cluster.lacking()), reason=cluster.lacking())
needs_node_that_stops = pytest.mark.skipif(
    bool(cluster.lacking(STOP_NODE, START_NODE)), reason=cluster.lacking(STOP_NODE, START_NODE)
)
needs_new_node = pytest.mark.skipif(bool(cluster.lacking(NEW_NODE)), reason=cluster.lacking(NEW_NODE))

CRASHES = 3
SLOWLY = 0.05
"""Seconds between two calls of a caller, where shards move for long."""


def crash_a_node() -> None:
    """By the commands of whoever runs the tests. The second returns when the node takes connections."""
    cluster.command(STOP_NODE)
    cluster.command(START_NODE)


@needs_cluster
def test_a_plain_database_is_spread_while_calls_are_made() -> None:
    url = cluster.fresh(spread=False)
    _is_clean(disturb(url, [("the tables were spread", lambda: distribute(url))], pause_s=SLOWLY, orders=6000))


@needs_node_that_stops
def test_nothing_acknowledged_is_lost_when_a_node_crashes() -> None:
    crashes: list[Disturbance] = [("the node's return", crash_a_node)] * CRASHES
    _is_clean(disturb(cluster.fresh(), crashes, orders=700 * CRASHES), CRASHES)


@needs_node_that_stops
def test_money_goes_back_once_though_a_node_crashes_and_the_service_is_killed() -> None:
    _is_paid_once(refunds.torture("citus", refunds=100, kills=CRASHES, crash_database=crash_a_node))


@needs_cluster
def test_money_goes_back_once_though_the_service_is_killed() -> None:
    _is_paid_once(refunds.torture("citus", refunds=100, kills=CRASHES))


@needs_new_node
def test_a_server_gets_its_share_while_calls_are_made() -> None:
    url = cluster.fresh()
    growth: list[Disturbance] = [("the shards moved", lambda: add_server(url, os.environ[NEW_NODE]))]
    _is_clean(disturb(url, growth, pause_s=SLOWLY, orders=6000))


@needs_new_node
def test_a_server_is_drained_while_calls_are_made() -> None:
    url, address = cluster.fresh(), os.environ[NEW_NODE]
    add_server(url, address)
    _is_clean(disturb(url, [("the server was drained", lambda: drain(url, address))], pause_s=SLOWLY, orders=6000))


def _is_clean(tally: Tally, disturbances: int = 1) -> None:
    assert (tally.lost, tally.half, tally.wrong) == ([], [], [])
    assert tally.kills == disturbances
    assert tally.acknowledged > 0


def _is_paid_once(tally: refunds.Tally) -> None:
    assert (tally.double, tally.lost, tally.over, tally.unequal) == ([], [], [], [])
    assert tally.refunds + tally.releases == 100
