"""`countermand accept`, `decline` and `withdraw`: an operator answers for whoever should."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from countermand.app import opened
from countermand.cli.orders import operator
from countermand.domain.commands import CancelOrder
from countermand.service.calls import Call, Done
from tests.support.world import settings_for

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def asked(countermand: Run) -> str:
    """A cancellation of two of three units that a supplier holds."""
    countermand("party", "add", "retailer", "Fine Shoes")
    countermand("party", "add", "supplier", "Alpine")
    order = {"retailer": "Fine Shoes", "reference": "A", "lines": [{"sku": "s", "units": 3, "supplier": "Alpine"}]}
    added = countermand("order", "add", "-", "--json", stdin=json.dumps(order))
    line = json.loads(added.stdout)[0]["lines"][0]
    return countermand("ask", "--line", line, "--units", "2", "--by", "retailer").stdout.strip()


def listed(run: Run) -> dict[str, object]:
    [found] = json.loads(run("cancellations", "--json").stdout)
    return dict(found)


def test_an_operator_accepts_a_part(countermand: Run, asked: str) -> None:
    assert countermand("accept", asked, "--step", "1", "--units", "1", "--note", "one left").returncode == 0
    assert "one left" in countermand("timeline", asked).stdout
    found = listed(countermand)
    assert (found["state"], found["accepted_units"]) == ("accepted", 1)
    again = countermand("decline", asked, "--step", "2", "--reason", "other")
    assert again.returncode == 3
    assert "accepted" in again.stderr


def test_an_operator_is_told_what_an_acceptance_came_to(countermand: Run, asked: str) -> None:
    tried = countermand("accept", asked, "--step", "1", "--dry-run").stderr
    assert "can be accepted" in tried
    assert "1 of 2 units is accepted" in countermand("accept", asked, "--step", "1", "--units", "1").stderr
    wish = countermand("ask", "--line", str(listed(countermand)["line"]), "--units", "1", "--by", "customer")
    yes = ("accept", wish.stdout.strip(), "--step", "1")
    assert "passed on to the supplier" in countermand(*yes).stderr
    again = countermand(*yes)
    assert again.returncode == 0
    assert "answered so before" in again.stderr
    assert json.loads(countermand("cancellations", "--json").stdout)[0]["awaiting"], "the supplier still has to answer"


def test_an_operator_says_which_step_it_answers(countermand: Run, asked: str) -> None:
    for command in (("accept",), ("decline", "--reason", "other")):
        refused = countermand(command[0], asked, *command[1:])
        assert refused.returncode == 3
        assert "It is at step 1, which waits for the answer of the supplier." in refused.stderr
    assert (listed(countermand)["step"], listed(countermand)["waiting_units"]) == (1, 2)
    assert countermand("decline", asked, "--step", "2", "--reason", "other").returncode == 3
    assert countermand("withdraw", asked, "--step", "1", "--note", "kept").returncode == 0
    assert countermand("withdraw", asked, "--step", "1").returncode == 0
    assert (listed(countermand)["step"], listed(countermand)["waiting_units"]) == (2, 0)


def test_an_operator_accepts_a_part_for_the_retailer(countermand: Run, asked: str) -> None:
    line = str(listed(countermand)["line"])
    assert countermand("withdraw", asked).returncode == 0
    wish = countermand("ask", "--line", line, "--units", "3").stdout.strip()
    result = countermand("accept", wish, "--step", "1", "--units", "2")
    assert "2 of 3 units are passed on to the supplier" in result.stderr
    assert json.loads(countermand("cancellations", "--json").stdout)[0]["waiting_units"] == 2


async def _ask_whole_order(url: str, order: UUID) -> None:
    """No command does; CRUX can."""
    async with opened(settings_for(url)) as application:
        command = CancelOrder(order=order, actor=operator())
        assert isinstance(await application.lanes.submit(Call(command=command, door="crux")), Done)


def test_an_operator_is_told_that_a_whole_order_waits_for_others(countermand: Run, asked: str, tmp_path: Path) -> None:
    """EC-18."""
    order = {
        "retailer": "Fine Shoes",
        "reference": "B",
        "lines": [{"sku": sku, "units": 1, "supplier": "Alpine"} for sku in ("a", "b")],
    }
    added = json.loads(countermand("order", "add", "-", "--json", stdin=json.dumps(order)).stdout)[0]
    countermand("policy", "set", "--retailer", "Fine Shoes", "--whole-order", "all-or-nothing")
    asyncio.run(_ask_whole_order(f"sqlite:///{tmp_path}/cli.sqlite3", UUID(added["id"])))
    waiting = json.loads(countermand("cancellations", "--json").stdout)
    of_this_order = [each["id"] for each in waiting if each["line"] in added["lines"]]
    assert len(of_this_order) == 2
    assert "waits for those" in countermand("accept", of_this_order[0], "--step", "1").stderr
    assert "1 of 1 units is accepted" in countermand("accept", of_this_order[1], "--step", "1").stderr


def test_an_operator_declines_with_a_reason(countermand: Run, asked: str) -> None:
    assert countermand("decline", asked).returncode == 2, "a reason is needed"
    result = ("--step", "1", "--reason", "in_packing", "--note", "too late")
    assert countermand("decline", asked, *result).returncode == 0
    assert listed(countermand)["state"] == "declined"
    assert "in packing" in countermand("timeline", asked).stdout


@pytest.mark.parametrize("command", [("accept",), ("withdraw",), ("decline", "--reason", "other")])
def test_what_is_not_there_cannot_be_answered(countermand: Run, command: tuple[str, ...]) -> None:
    assert countermand(command[0], "can_" + "0" * 32, *command[1:]).returncode == 5
    assert countermand(command[0], "nonsense", *command[1:]).returncode == 2


def test_a_party_that_leaves_hands_over_what_waits_for_it(countermand: Run, asked: str) -> None:
    """EC-26."""
    gone = countermand("party", "deactivate", "Alpine")
    assert gone.returncode == 0
    assert "goes to an operator" in gone.stderr
    found = listed(countermand)
    assert (found["state"], found["awaiting"]) == ("asked", None)
    assert found["due_at"], "the deadline still runs"
    assert countermand("party", "activate", "Alpine").returncode == 0
    assert countermand("party", "deactivate", "Nobody").returncode == 5


def test_the_link_for_the_customer(countermand: Run, asked: str) -> None:
    link = countermand("status-link", asked)
    assert (link.returncode, link.stdout.count("/status/")) == (0, 1)
    assert json.loads(countermand("status-link", asked, "--json").stdout).keys() == {"link"}
    assert countermand("status-link", "can_" + "0" * 32).returncode == 5
    assert countermand("status-link", "what").returncode == 2
