"""`countermand db`: a plain database gets on the servers of a cluster, step by step, and shards move there.

The functions are those of a stand-in, which refuses what Citus refuses.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from countermand.store import tables as t
from tests.support import templates
from tests.support.citus import asked, stand_in
from tests.support.pgnode import Node

Run = Callable[..., CompletedProcess[str]]
Command = Callable[..., CompletedProcess[str]]

SPREAD = {table.name for table in t.metadata.sorted_tables if t.spread_by(table.name)}
KEYS = "SELECT conname::text || pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' ORDER BY 1"
CALLS = "SELECT said FROM citus_calls ORDER BY number"


@pytest.fixture
def statements_keep_the_rules() -> None:
    """What is asked before the tables are spread keeps to PostgreSQL's."""


@pytest.fixture(scope="module")
def logical() -> Iterator[Node]:
    """A server that copies tables by logical replication."""
    with templates.node(durable=False, wal_level="logical") as node:
        yield node


@pytest.fixture
def url(logical: Node) -> str:
    return templates.new_database(logical)


@pytest.fixture
def db(countermand: Run, url: str) -> Command:
    """`countermand db …` on that database."""
    settings = {"COUNTERMAND_DATABASE": url, "COUNTERMAND_ALLOW_LOSING_ACKNOWLEDGED_CALLS": "true"}
    return lambda *arguments: countermand("db", *arguments, **settings)


def shown(ended: CompletedProcess[str]) -> Any:
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_a_plain_database_is_spread_and_its_keys_come_back(url: str, db: Command) -> None:
    keys = asked(url, KEYS)
    stand_in(url)
    done = shown(db("distribute", "--json"))
    assert done["left"] == []
    calls = asked(url, CALLS)
    assert calls[:2] == [f"everywhere {name}" for name in ("parties", "partitions")]
    assert "orders by retailer_id beside none" in calls
    assert "lines by retailer_id beside orders" in calls
    assert "id_directory by id beside none" in calls
    assert calls.count("while others write") == len(SPREAD)
    assert {call.split()[0] for call in calls} - {"everywhere", "while"} == SPREAD
    assert {call.split()[1] for call in calls if call.startswith("everywhere")} == t.WHOLE_EVERYWHERE
    assert asked(url, KEYS) == keys
    assert "0 steps done" in db("distribute").stderr
    assert asked(url, CALLS) == calls


def test_a_run_that_broke_off_is_taken_up(url: str, db: Command) -> None:
    keys = asked(url, KEYS)
    stand_in(url)
    asked(url, "ALTER TABLE lines ADD CONSTRAINT stray UNIQUE (sku)")
    broken = db("distribute")
    assert broken.returncode == 3
    assert "Citus refused a step (lines: spread by retailer_id): cannot create constraint" in broken.stderr
    before = asked(url, CALLS)
    status = shown(db("status", "--json"))
    assert "lines: spread by retailer_id" in status["lacking"]
    assert status["kind"] == "Citus: not all tables are spread yet."
    asked(url, "ALTER TABLE lines DROP CONSTRAINT stray")
    assert shown(db("distribute", "--json"))["left"] == []
    assert asked(url, CALLS)[: len(before)] == before
    assert len(asked(url, CALLS)) == len(set(asked(url, CALLS))) + len(SPREAD) - 1
    assert asked(url, KEYS) == keys


POLICIES = "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy"


def test_policies_that_look_into_other_rows_are_dropped_and_what_is_protected_stays_so(url: str, db: Command) -> None:
    protected = asked(url, "SELECT relname FROM pg_class WHERE relrowsecurity ORDER BY 1")
    before = asked(url, POLICIES)
    stand_in(url)
    assert "events: the policy countermand_sees is dropped" in db("status").stderr
    assert shown(db("distribute", "--json"))["left"] == []
    left = asked(url, POLICIES)
    assert set(left) == {each for each in before if "SELECT" not in each}
    assert 0 < len(left) < len(before)
    assert asked(url, "SELECT relname FROM pg_class WHERE relrowsecurity ORDER BY 1") == protected


def test_a_dry_run_says_the_steps_and_takes_none(url: str, db: Command) -> None:
    stand_in(url)
    tried = db("distribute", "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert "orders: spread by retailer_id" in tried.stderr
    assert asked(url, CALLS) == []


def test_status_shows_servers_tables_and_sizes(url: str, db: Command) -> None:
    stand_in(url)
    db("distribute")
    status = shown(db("status", "--json"))
    assert status["kind"] == "Citus: the tables are spread by retailer."
    assert [each["name"] for each in status["servers"]] == ["first:5432", "second:5432", "third:5432"]
    assert status["servers"][0] == {
        "name": "first:5432",
        "is_coordinator": True,
        "is_active": True,
        "takes_shards": False,
        "shards": len(t.WHOLE_EVERYWHERE),
        "bytes": 8192 * len(t.WHOLE_EVERYWHERE),
    }
    tables = {each["name"]: each for each in status["tables"]}
    assert tables.keys() == SPREAD | t.WHOLE_EVERYWHERE
    assert (tables["lines"]["key"], tables["parties"]["key"], tables["line_numbers"]["key"]) == (
        "retailer_id",
        None,
        "number",
    )
    assert "second:5432\ttakes shards" in db("status").stdout


def test_shards_move_and_a_server_is_drained(url: str, db: Command) -> None:
    stand_in(url)
    assert shown(db("rebalance", "--json"))["moved"] == 2
    assert asked(url, CALLS) == ["rebalance, drains f"]
    unknown = db("rebalance", "--drain", "fourth:5432")
    assert (unknown.returncode, "no server fourth:5432" in unknown.stderr) == (3, True)
    assert shown(db("rebalance", "--drain", "third:5432", "--json"))["job"] == 7
    assert asked(url, "SELECT nodename FROM pg_dist_node WHERE shouldhaveshards") == ["second"]
    assert asked(url, CALLS)[-1] == "rebalance, drains t"


@pytest.mark.parametrize("verb", ["distribute", "rebalance"])
def test_a_plain_postgresql_is_refused(db: Command, verb: str) -> None:
    refused = db(verb)
    assert (refused.returncode, "CREATE EXTENSION citus" in refused.stderr) == (3, True)
    assert shown(db("status", "--json"))["servers"] == []


@pytest.mark.parametrize("verb", ["distribute", "rebalance"])
def test_sqlite_is_refused(countermand: Run, tmp_path: Path, verb: str) -> None:
    templates.filled_file(tmp_path / "cli.sqlite3")
    refused = countermand("db", verb)
    assert (refused.returncode, "SQLite is one file" in refused.stderr) == (3, True)
    assert "SQLite is one file" in countermand("db", "status").stderr


NOT_READY = {
    "another server than the coordinator": ("UPDATE pg_dist_local_group SET groupid = 1", "its coordinator"),
    "a coordinator that nobody can reach": ("DELETE FROM pg_dist_node WHERE groupid = 0", "citus_set_coordinator_host"),
    "no server for shards": ("UPDATE pg_dist_node SET shouldhaveshards = false", "citus_add_node"),
}


@pytest.mark.parametrize(("change", "advice"), NOT_READY.values(), ids=NOT_READY.keys())
def test_a_cluster_that_is_not_ready_is_refused(url: str, db: Command, change: Any, advice: str) -> None:
    stand_in(url)
    asked(url, change)
    refused = db("distribute")
    assert refused.returncode in (3, 78)
    assert advice in refused.stderr
    assert asked(url, CALLS) == []


def test_without_logical_replication_writes_have_to_wait(postgres: Node, countermand: Run) -> None:
    url = templates.new_database(postgres)
    stand_in(url)
    settings = {"COUNTERMAND_DATABASE": url, "COUNTERMAND_ALLOW_LOSING_ACKNOWLEDGED_CALLS": "true"}
    refused = countermand("db", "distribute", **settings)
    assert (refused.returncode, "--block-writes" in refused.stderr) == (3, True)
    assert countermand("db", "distribute", "--block-writes", **settings).returncode == 0
    assert "while others write" not in asked(url, CALLS)
    assert len(asked(url, CALLS)) == len(SPREAD | t.WHOLE_EVERYWHERE)
