"""What an operator does to a cluster, as commands, and what the cluster says of itself afterwards."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
from bench.processes import environment

LONG_S = 1800.0
"""How long shards may move before a test gives up."""


def countermand_db(url: str, *arguments: str) -> Any:
    """What `countermand db …` answers.

    Raises:
        AssertionError: it failed.
    """
    program = str(Path(sys.executable).parent / "countermand")
    command = [program, "db", *arguments, "--database", url, "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=LONG_S, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def distribute(url: str) -> None:
    """Spread the tables, and see that nothing is left to do."""
    assert countermand_db(url, "distribute")["left"] == []


def add_server(url: str, address: str) -> None:
    """Let a server be one of the cluster, if it is none yet, and give it its share."""
    host, _, port = address.rpartition(":")
    if address not in _servers(url):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SELECT citus_add_node(%s, %s)", (host, int(port)))
    countermand_db(url, "rebalance")
    assert shards(url, address) > 0, "the new server has got nothing"


def drain(url: str, address: str) -> None:
    """Move all away from a server, and take it out of the cluster."""
    countermand_db(url, "rebalance", "--drain", address)
    host, _, port = address.rpartition(":")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT citus_remove_node(%s, %s)", (host, int(port)))
    assert address not in _servers(url)


def shards(url: str, address: str) -> int:
    """How many shards a server has, those of tables that are whole everywhere among them."""
    return int(_servers(url)[address]["shards"])


def _servers(url: str) -> dict[str, Any]:
    return {each["name"]: each for each in countermand_db(url, "status")["servers"]}
