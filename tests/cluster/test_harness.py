"""What runs on a cluster, tried on one PostgreSQL that has Citus' functions by name only.

All that counts what was acknowledged and what is stored is the same, so that only the servers themselves are untried.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

import psycopg
import pytest

from tests.cluster.doing import add_server, distribute, drain
from tests.crash.disturbing import disturb
from tests.crash.driver import crash_for_a_moment
from tests.support import cluster, templates
from tests.support.citus import stand_in
from tests.support.pgnode import Node


@pytest.fixture(scope="module")
def durable() -> Iterator[Node]:
    with templates.node(durable=True, wal_level="logical") as node:
        yield node


@pytest.fixture
def named(durable: Node, monkeypatch: pytest.MonkeyPatch) -> str:
    """The variable names a database that says that it has Citus."""
    url = templates.new_database(durable, empty=True)
    stand_in(url)
    monkeypatch.setenv(cluster.VARIABLE, url)
    return url


def test_a_fresh_database_is_like_a_new_one(named: str, durable: Node) -> None:
    url, new = cluster.fresh(), templates.new_database(durable)
    first = contents(url)
    assert counted_by_itself(first) == counted_by_itself(contents(new))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE partitions SET fence = fence + 1")
        connection.execute("INSERT INTO revisions (name, number) VALUES ('another', 1)")
    assert contents(url) != first
    assert cluster.fresh() == url
    assert contents(url) == first


def counted_by_itself(rows: list[str]) -> list[str]:
    """Without the feed's row, which says from where a database counts its transactions."""
    return [each for each in rows if not each.startswith("feed:")]


def contents(url: str) -> list[str]:
    """All rows of the tables that have any."""
    query = "SELECT relname FROM pg_class WHERE relkind = 'r' AND pg_table_is_visible(oid) AND relnamespace ="
    with psycopg.connect(url) as connection:
        tables = connection.execute(f"{query} current_schema()::regnamespace".encode()).fetchall()
        rows = [
            f"{name}: {row}"
            for (name,) in tables
            if not name.startswith(("pg_", "citus"))
            for (row,) in connection.execute(f"SELECT {name}::text FROM {name}".encode()).fetchall()
        ]
    return sorted(rows)


def test_calls_go_on_while_tables_are_spread_servers_come_and_go_and_one_crashes(named: str, durable: Node) -> None:
    url = cluster.fresh(spread=False)
    disturbances = [
        ("the tables were spread", partial(distribute, url)),
        ("a server came", partial(add_server, url, "fourth:5432")),
        ("PostgreSQL's return", partial(crash_for_a_moment, durable, Random(1))),
        ("a server was drained", partial(drain, url, "fourth:5432")),
    ]
    tally = disturb(url, disturbances, callers=4, moment=(20, 60), orders=900, pause_s=0.02)
    assert (tally.lost, tally.half, tally.wrong) == ([], [], [])
    assert tally.kills == len(disturbances)
    assert tally.acknowledged > 0


def test_a_command_of_a_variable_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cluster.STOP_NODE, f"touch '{tmp_path}/stopped'")
    cluster.command(cluster.STOP_NODE)
    assert (tmp_path / "stopped").exists()


def test_what_is_lacking_is_said_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(cluster.VARIABLE, raising=False)
    monkeypatch.setenv(cluster.NEW_NODE, "db4.example.com:5432")
    assert cluster.lacking(cluster.NEW_NODE).startswith("not set: COUNTERMAND_TEST_CITUS (")
    monkeypatch.setenv(cluster.VARIABLE, "postgresql://db0.example.com/test")
    assert cluster.lacking(cluster.NEW_NODE) == ""
