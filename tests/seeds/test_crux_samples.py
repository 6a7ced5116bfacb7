"""The four samples of the seed's page run as they are printed, and each must get 204.

Filled in are the host, the token and the item; ``json.dumps()`` gets the argument that it lacks; and Node's sample,
whose host stands apart, gets its port and plain HTTP. See docs/crux.md for what they send.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.seeds.serving import Server, clean_environment
from tests.support.waiting import HANGS_S

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent


def sample(name: str, server: Server, line: str) -> str:
    """A sample of the page with its blanks filled in. Each blank must be there."""
    text = (HERE / "crux" / f"{name}.txt").read_text()
    blanks = {
        "/orders/items/cancel//": f"/orders/items/cancel/{line}/",
        "825dd305b5858e2373763ff338615db822fe67a0": server.token,
    }
    if name == "node":
        blanks |= {
            "require('https')": "require('http')",
            "'api.cruxconnect.com'": "'127.0.0.1'",
            "port: '443'": f"port: '{server.port}'",
        }
    else:
        blanks["https:/.cruxconnect.com"] = f"http://127.0.0.1:{server.port}"
    if name == "python-requests":
        blanks["json.dumps()"] = "json.dumps({})"
    for blank, filling in blanks.items():
        assert blank in text, blank
        text = text.replace(blank, filling)
    return text


def needed(program: str) -> str:
    """The path of a program; without it the sample is skipped, or fails where nothing may be skipped."""
    found = shutil.which(program, path=f"{BIN}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        reason = f"the sample needs the program {program}, which is not installed"
        if os.environ.get("COUNTERMAND_TEST_SKIP_NOTHING"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def run(*arguments: str | Path, stdin: str = "", **environment: str) -> str:
    """What a program prints. It must succeed."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        arguments,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        env=clean_environment(PATH=path, **environment),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shown(server: Server, line: str) -> dict[str, Any]:
    """The line as the command line shows it."""
    orders = run(BIN / "countermand", "orders", server.order, "--json", "--database", server.database)
    found = next(each for order in json.loads(orders) for each in order["lines"] if each["id"] == line)
    return {name: found[name] for name in ("open", "asked", "cancelled", "shipped")}


ASKED = {"open": 0, "asked": 2, "cancelled": 0, "shipped": 0}


def test_curl(server: Server, line: str, tmp_path: Path) -> None:
    needed("curl")
    (tmp_path / ".curlrc").write_text('silent\nwrite-out = "%{http_code}"\n')
    assert run(needed("bash"), "-c", sample("curl", server, line), CURL_HOME=str(tmp_path)) == "204"
    assert shown(server, line) == ASKED


def test_httpie(server: Server, line: str, tmp_path: Path) -> None:
    needed("http")
    config = {"default_options": ["--ignore-stdin", "--print=h", "--check-status"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    printed = run(needed("bash"), "-c", sample("httpie", server, line), HTTPIE_CONFIG_DIR=str(tmp_path))
    assert printed.startswith("HTTP/1.1 204 No Content")
    assert shown(server, line) == ASKED


def test_python_requests(server: Server, line: str) -> None:
    """The sample defines a function; whoever copies it calls it."""
    printed = run(sys.executable, "-", stdin=sample("python-requests", server, line) + "\nsend_request()\n")
    assert printed == "Response HTTP Status Code: 204\nResponse HTTP Response Body: b''\n"
    assert shown(server, line) == ASKED


def test_node(server: Server, line: str, tmp_path: Path) -> None:
    (tmp_path / "sample.js").write_text(sample("node", server, line))
    printed = run(needed("node"), tmp_path / "sample.js").splitlines()
    assert printed[:2] == ["ERROR: null", "STATUS: 204"]
    assert json.loads(printed[2].removeprefix("HEADERS: "))["connection"] == "close"
    assert printed[3] == "BODY: "
    assert shown(server, line) == ASKED


def test_node_twice_on_one_connection_never_fails(server: Server, lines: Iterator[str]) -> None:
    """Thirty pairs: the bytes that the first call leaves behind must not spoil the second."""
    node = needed("node")
    pairs = [[sample("node", server, next(lines)) for _ in range(2)] for _ in range(30)]
    reported = json.loads(run(node, HERE / "node-twice.txt", stdin=json.dumps(pairs)))
    answers = [(each["ERROR:"], each.get("STATUS:"), each["BODY:"]) for pair in reported for each in pair]
    assert answers == [(None, 204, "")] * 60


def test_node_without_an_item_as_the_page_has_it_is_404_and_leaves_the_connection_clean(server: Server) -> None:
    """The samples were printed with an empty id."""
    empty = sample("node", server, "x").replace("/orders/items/cancel/x/", "/orders/items/cancel//")
    reported = json.loads(run(needed("node"), HERE / "node-twice.txt", stdin=json.dumps([[empty, empty]] * 5)))
    assert [(each["ERROR:"], each.get("STATUS:")) for pair in reported for each in pair] == [(None, 404)] * 10
