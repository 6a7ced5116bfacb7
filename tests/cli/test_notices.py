"""`countermand notices`, `replay`, `recover`, `worker`."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, update

from countermand.store import tables as t
from countermand.store.attempts import AttemptRow, record
from tests.cli.conftest import Cli, order
from tests.support.world import Clock, running

UNKNOWN = "0" * 32


@pytest.fixture
def endpoint(cli: Cli, parties: dict[str, str]) -> str:
    """The id of an endpoint of Fine Shoes, with a notice for each line of two orders."""
    added = cli("endpoint", "add", "https://shop.example/hook", "--party", "Fine Shoes").out.split()[0]
    for reference in ("PO-1", "PO-2"):
        assert cli("order", "add", "-", stdin=json.dumps(order(reference, 1, 1))).code == 0
    return added


@pytest.fixture
def change(tmp_path: Path) -> Callable[..., None]:
    """Change all rows of a table, as a worker or time would."""

    async def job(table: Any, values: dict[str, Any]) -> None:
        def work(connection: Connection) -> None:
            connection.execute(update(table).values(values))

        async with running(f"sqlite:///{tmp_path}/cli.sqlite3", Clock(datetime.now(UTC))) as application:
            await application.database.write(work)

    return lambda table, **values: asyncio.run(job(table, values))


def die(change: Callable[..., None]) -> None:
    change(t.notices, state="dead", due_at=None, attempts=10, last_result="The receiver answered 500.")


def test_notices_are_listed_newest_first_with_what_became_of_them(cli: Cli, endpoint: str) -> None:
    found = cli("notices", "--json").json
    assert len(found) == 4
    assert {(each["state"], each["type"], each["attempts_made"], each["endpoint"]) for each in found} == {
        ("due", "line.placed", 0, endpoint)
    }
    assert [each["id"] for each in found] == sorted((each["id"] for each in found), reverse=True)
    assert all(each["event"].startswith("evt_") for each in found)
    lines = cli("notices", "--limit", "3").lines
    assert len(lines) == 3
    assert lines[0][:5] == [found[0]["id"], "due", "line.placed", "https://shop.example/hook", "0"]


def test_notices_are_chosen_by_state_endpoint_and_time(cli: Cli, endpoint: str, change: Callable[..., None]) -> None:
    die(change)
    assert cli("notices", "--state", "due", "--json").json == []
    assert len(cli("notices", "--state", "dead", "--endpoint", endpoint, "--since", "1h", "--json").json) == 4
    assert cli("notices", "--endpoint", UNKNOWN, "--json").json == []
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert cli("notices", "--since", later, "--json").json == []


def test_a_dead_notice_is_replayed(cli: Cli, endpoint: str, change: Callable[..., None]) -> None:
    die(change)
    notice = cli("notices", "--json").json[0]["id"]
    tried = cli("replay", notice, "--dry-run")
    assert tried.code == 0
    assert len(cli("notices", "--state", "dead", "--json").json) == 4
    done = cli("replay", notice)
    assert (done.code, done.out) == (0, "")
    assert "as soon as a worker runs" in done.err
    [due] = cli("notices", "--state", "due", "--json").json
    assert (due["id"], due["attempts_made"]) == (notice, 0)


def test_what_is_dead_since_then_is_recovered(cli: Cli, endpoint: str, change: Callable[..., None]) -> None:
    die(change)
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert cli("recover", "--endpoint", endpoint, "--since", later).out == "0\n"
    assert cli("recover", "--endpoint", endpoint, "--since", "24h", "--dry-run", "--json").json == {"recovered": 4}
    assert cli("recover", "--endpoint", endpoint, "--since", "24h", "--json").json == {"recovered": 4}
    assert len(cli("notices", "--state", "due", "--json").json) == 4


def test_a_paused_endpoint_is_said_to_be_paused(cli: Cli, endpoint: str) -> None:
    cli("endpoint", "pause", endpoint)
    notice = cli("notices", "--json").json[0]["id"]
    assert "when the endpoint is resumed; it is paused" in cli("replay", notice).err


def test_nothing_is_sent_again_to_an_endpoint_that_was_removed(cli: Cli, endpoint: str) -> None:
    cli("endpoint", "remove", endpoint)
    [notice, *_] = cli("notices", "--state", "dead", "--json").json
    assert cli("replay", notice["id"]).code == 3
    assert cli("recover", "--endpoint", endpoint, "--since", "24h").code == 3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("replay", UNKNOWN), 5),
        (("replay", "x"), 2),
        (("recover", "--endpoint", UNKNOWN, "--since", "1h"), 5),
        (("recover", "--endpoint", UNKNOWN, "--since", "yesterday"), 2),
        (("notices", "--since", "soon"), 2),
        (("notices", "--state", "lost"), 2),
        (("worker",), 78),
        (("worker", "--dry-run"), 2),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(cli: Cli, arguments: tuple[str, ...], code: int) -> None:
    refused = cli(*arguments)
    assert (refused.code, refused.out) == (code, "")
    assert refused.err


@pytest.mark.parametrize("since", ["999999999d", "1970-01-01", "2200-12-31T23:59-12:00"])
def test_a_time_long_ago_or_far_ahead_is_a_time(cli: Cli, since: str) -> None:
    listed = cli("notices", "--since", since, "--json")
    assert (listed.code, listed.json) == (0, [])


def test_on_sqlite_the_server_is_the_worker(cli: Cli) -> None:
    assert "`countermand serve` does what is due there" in cli("worker").err


def test_notices_show_what_was_tried(cli: Cli, endpoint: str, tmp_path: Path) -> None:
    (first, *_) = cli("notices", "--json").json

    async def try_it() -> None:
        async with running(f"sqlite:///{tmp_path}/cli.sqlite3", Clock(datetime.now(UTC))) as application:
            row = AttemptRow(
                retailer_id=application.ids.new(),
                id=application.ids.new(),
                notice_id=UUID(first["id"].removeprefix("ntc_")),
                endpoint_id=UUID(endpoint.removeprefix("ept_")),
                event_id=UUID(first["event"].removeprefix("evt_")),
                line_id=UUID(first["line"]),
                seq=1,
                kind="line.placed",
                url="https://shop.example/hook",
                at=application.clock(),
                ok=False,
                duration_ms=12,
                status=500,
                answer="oops",
                error="",
            )
            await application.database.write(lambda connection: record(connection, [row]))

    assert "Nothing was tried yet." in cli("notices", "--attempts").err
    asyncio.run(try_it())
    found = {each["id"]: each["attempts"] for each in cli("notices", "--attempts", "--json").json}
    assert [(each["ok"], each["status"], each["answer"]) for each in found.pop(first["id"])] == [(False, 500, "oops")]
    assert set(map(len, found.values())) == {0}
    assert cli("notices", "--attempts").lines[-1][0] == first["id"]
    assert cli("notices", "--attempts").lines[-1][-1] == "oops"
