"""The commands that stay: serve and demo, as processes of their own."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.cli.conftest import order
from tests.seeds.serving import PROGRAM, Server, clean_environment, command, serving
from tests.support.pgnode import free_port
from tests.support.waiting import HANGS_S


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("running")
    with serving(f"sqlite:///{folder}/running.sqlite3", folder / "server.log") as server:
        yield server


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *arguments], capture_output=True, text=True, timeout=HANGS_S, env=clean_environment(), check=False
    )


def test_it_says_in_one_line_where_it_listens_and_on_what(running: Server) -> None:
    _, result = running.log.read_text().splitlines()
    assert result == f"countermand is ready on http://127.0.0.1:{running.port} ({running.database})"


def test_while_nobody_can_log_in_it_prints_a_link_that_makes_the_first_operator(running: Server) -> None:
    words, _, link = running.log.read_text().splitlines()[0].rpartition(" ")
    assert words == "Nobody can log in yet. This link makes the first operator, within an hour:"
    with httpx2.Client(trust_env=False, timeout=HANGS_S) as http:
        assert "Make the first operator" in http.get(link).text
        same = {"sec-fetch-site": "same-origin"}
        form = {"email": "ada@example.com", "password": "correct horse battery"}
        made = http.post(link, data=form, headers=same)
        assert made.headers["location"] == "/console/"
        cookie = made.headers["set-cookie"].partition(";")[0]
        page = http.get(f"http://127.0.0.1:{running.port}/console/", headers={"cookie": cookie})
    assert "Needs you" in page.text
    assert link.rpartition("/")[2] not in running.log.read_text().partition(link)[2]


@pytest.mark.parametrize("same_port", [False, True])
def test_a_second_server_on_the_same_file_is_exit_78_with_one_clear_sentence(running: Server, same_port: bool) -> None:
    port = running.port if same_port else free_port()
    second = run("serve", "--port", str(port), "--database", running.database)
    assert (second.returncode, second.stdout) == (78, "")
    assert second.stderr == (
        f"countermand: Another countermand (process {running.process.pid}) is using"
        f" {running.database.removeprefix('sqlite:///')}. Stop it first, or give this one a database of its own.\n"
    )


def test_one_shot_commands_work_while_a_server_runs_and_it_sees_what_they_did(running: Server) -> None:
    where = {"COUNTERMAND_DATABASE": running.database}
    command("party", "add", "retailer", "Fine Shoes", **where)
    command("party", "add", "supplier", "Alpine Supply", **where)
    placed, line = command("order", "add", "-", stdin=json.dumps(order("PO-1", 2)), **where).split("\t")
    token = command("token", "create", "--party", "Fine Shoes", **where)
    base = f"http://127.0.0.1:{running.port}"
    with httpx2.Client(
        base_url=base, headers={"Authorization": f"Token {token}"}, trust_env=False, timeout=HANGS_S
    ) as http:
        assert http.get(f"/orders/{placed}/").status_code == 200
        assert http.delete(f"/orders/items/cancel/{line}/").status_code == 204
    [asked] = json.loads(command("cancellations", "--json", **where))
    assert (asked["line"], asked["units"], asked["state"]) == (line, 2, "asked")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_stop_ends_with_0_and_frees_its_file(tmp_path: Path, how: signal.Signals) -> None:
    database = f"sqlite:///{tmp_path}/stopped.sqlite3"
    with serving(database, tmp_path / "first.log") as server:
        server.process.send_signal(how)
        assert server.process.wait(HANGS_S) == 0
    assert "Traceback" not in server.log.read_text()
    with serving(database, tmp_path / "second.log") as again:
        assert again.process.poll() is None


STEPS_OF_THE_DEMO = (
    "-> 204",
    "-> 422",
    "Alpine Supply confirms",
    "Alpine Supply rejects",
    "asked to cancel 1 unit",
    "Fine Shoes confirms with a signed PUT",
    "Fine Shoes uses Retailer v10",
    "PUT /retailer/orders/cancellation -> 202",
    "its signature is right (Standard Webhooks)",
    "89.95 EUR would go back",
    "one refund is due, of the quoted amount",
    "Harbour Goods opens the link",
    "once the deadline has passed, the ask has lapsed",
    "ordered items count, where the norm is 2%",
)


def test_the_demo_plays_its_story_once_and_tells_other_programs_what_it_made(tmp_path: Path) -> None:
    port, reported = free_port(), tmp_path / "demo.json"
    done = run("demo", "--once", "--port", str(port), "--json", str(reported))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "  ok  " in done.stdout
    assert "  FAIL" not in done.stdout
    for step in STEPS_OF_THE_DEMO:
        assert step in done.stdout
    cast = json.loads(reported.read_text())
    assert reported.stat().st_mode & 0o777 == 0o600
    assert cast["base_url"] == f"http://127.0.0.1:{port}"
    assert cast["database"].startswith("sqlite:///")
    assert cast["parties"].keys() == {"Fine Shoes", "Alpine Supply", "Harbour Goods"}
    assert cast["parties"].keys() <= cast["tokens"].keys()
    assert cast["console"].keys() == {"Platform", "Fine Shoes", "Alpine Supply"}
    for link in cast["console"].values():
        assert link.startswith(f"{cast['base_url']}/console/once/cmw_")
    assert len(cast["orders"]) == 12
    for placed in cast["orders"]:
        assert placed.keys() >= {"order", "reference", "lines"}
        assert len(placed["lines"]) >= 2
        for line in placed["lines"]:
            assert line.keys() >= {"line", "sku", "units", "supplier"}
    assert not Path(cast["database"].removeprefix("sqlite:///")).exists()


def test_a_database_that_does_not_answer_is_exit_75_and_its_password_is_not_told() -> None:
    refused = run("orders", "--database", "postgresql://shop:canary@127.0.0.1:1/orders")
    assert (refused.returncode, refused.stdout) == (75, "")
    assert refused.stderr.startswith("countermand: The database cannot be used: ")
    assert "Traceback" not in refused.stderr
    assert "canary" not in refused.stderr


def test_a_demo_whose_file_cannot_be_written_says_so(tmp_path: Path) -> None:
    done = run("demo", "--once", "--port", "0", "--json", str(tmp_path / "missing" / "demo.json"))
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
