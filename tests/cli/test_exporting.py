"""`export`: what a party may see, all of it and nothing else."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from countermand.admin.callers import PLATFORM
from countermand.cli.exporting import SUBJECTS
from countermand.domain.commands import AskCancellation
from countermand.wire.native.operations import OPERATIONS
from tests.cli.conftest import Cli
from tests.support.listening import Listening, listening
from tests.support.waiting import HANGS_S

LEFT_OUT = {
    "search.find": "finds what is exported",
    "payments.list": "is asked for each order",
    "judgements.list": "is exported, with a permission of its own",
}


@pytest.fixture
def service(database_url: str) -> Iterator[Listening]:
    with listening(database_url) as found:
        yield found


@pytest.fixture
def environment(database_url: str, service: Listening) -> dict[str, str]:
    """A database in which something of everything is."""
    world = service.world
    for units in (3, 2):
        line = service.do(world.order(units)).lines[0].id
        ask = AskCancellation(line=line, actor=world.actor(world.retailer), units=1, note="zu viel 🥾")
        service.do(world.submit(ask, retailer=world.retailer))
    with httpx2.Client(base_url=service.url, timeout=HANGS_S) as http:
        order = {
            "retailer": str(world.retailer),
            "reference": "PAID",
            "payments": [{"id": "card", "captured": "20.00"}],
            "lines": [{"sku": "boot", "units": 2, "unit_price": "10.00"}],
        }
        made = http.post("/v1/orders", json=order, headers=_bearer(service, world.retailer))
        assert made.status_code == 201, made.text
        endpoint = {"url": "https://hooks.example.com/in"}
        assert http.post("/v1/endpoints", json=endpoint, headers=_bearer(service, world.supplier)).is_success
    return {"COUNTERMAND_DATABASE": database_url, "COUNTERMAND_ALLOW_LOSING_ACKNOWLEDGED_CALLS": "true"}


def _bearer(service: Listening, party: UUID) -> dict[str, str]:
    return {"Authorization": f"Bearer {service.tokens[party]}"}


def _rows(service: Listening, party: UUID, path: str) -> list[Any]:
    """All pages of a list, as the party's own token gets them."""
    found, after = [], ""
    with httpx2.Client(base_url=service.url, headers=_bearer(service, party), timeout=HANGS_S) as http:
        while True:
            page = http.get(f"{path}?limit=2{after}").raise_for_status().json()
            [rows] = [each for each in page.values() if isinstance(each, list)]
            found += rows
            if not rows or page.get("next") is None:
                return found
            after = f"&after={page['next']}"


@pytest.mark.parametrize("who", ["retailer", "supplier", "platform"])
def test_it_is_what_the_api_shows_the_party(
    cli: Cli, service: Listening, environment: dict[str, str], tmp_path: Path, who: str
) -> None:
    party = PLATFORM if who == "platform" else getattr(service.world, who)
    file = tmp_path / "all.jsonl"
    done = cli("export", str(party), str(file), "--json", **environment)
    assert done.code == 0, done.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert sum(done.json["objects"].values()) == len(lines) > 10
    for subject in SUBJECTS:
        got = [line["data"] for line in lines if line["type"] == subject.type]
        if subject.type in done.json["objects"] and subject.type != "event":
            ids = [each.get("id") for each in got]
            assert ids == [each.get("id") for each in _rows(service, party, subject.path)], subject.type
    order = ""
    payments = 0
    for line in lines:
        if line["type"] == "order":
            order = line["data"]["id"]
        elif line["type"] == "payment":
            payments += 1
            assert line["data"]["order"] == order, "the payments of an order stand behind it"
    assert payments == (0 if who == "supplier" else 1)
    events = [line["data"]["id"] for line in lines if line["type"] == "event"]
    assert events == [each["id"] for each in _rows(service, party, "/v1/events")]
    text = file.read_text(encoding="utf-8")
    assert "zu viel 🥾" in text
    assert "whsec_" not in text
    assert "cmt_" not in text


def test_every_list_of_the_api_is_exported_or_left_out_for_a_reason() -> None:
    lists = {name for name in OPERATIONS if name.endswith(".list")} - LEFT_OUT.keys()
    exported = {f"{each.path.rpartition('/')[2]}.list" for each in SUBJECTS}
    assert lists <= exported


def test_what_cannot_be_done(cli: Cli, service: Listening, environment: dict[str, str], tmp_path: Path) -> None:
    there = tmp_path / "there.jsonl"
    there.write_text("mine")
    assert cli("export", "retailer", str(there), **environment).code == 2
    assert cli("export", "nobody", str(tmp_path / "new"), **environment).code == 5
    assert cli("export", "retailer", str(tmp_path / "none/new"), **environment).code == 1
    tried = cli("export", "retailer", str(tmp_path / "new"), "--dry-run", "--json", **environment)
    assert (tried.code, tried.json["written"]) == (0, False)
    assert (there.read_text(), (tmp_path / "new").exists()) == ("mine", False)


def test_it_goes_to_standard_output(cli: Cli, service: Listening, environment: dict[str, str]) -> None:
    done = cli("export", "retailer", "-", **environment)
    assert done.code == 0, done.err
    assert {json.loads(line)["type"] for line in done.out.splitlines()} >= {"order", "cancellation", "payment", "event"}
