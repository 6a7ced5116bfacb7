"""`--json` stands on every command, also on those that write: one document that says what was done."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from countermand.cli.help_pages import is_group, page
from tests.cli.conftest import Cli, order
from tests.cli.test_help import COMMANDS

SERVE = {("serve",), ("worker",), ("demo",), ("plaza",), ("bol",), ("completion",)}
"""These run, or print what another program says."""


@pytest.mark.parametrize(
    "command", [each for each in COMMANDS if not is_group(each) and each not in SERVE], ids=" ".join
)
def test_every_command_takes_it(command: tuple[str, ...]) -> None:
    assert " --json " in page(command)


class Story:
    """Commands one after the other, each of whose outputs is one document."""

    def __init__(self, cli: Cli) -> None:
        self._cli = cli

    def __call__(self, *arguments: str, stdin: str = "") -> Any:
        tried = self._cli(*arguments, "--json", "--dry-run", stdin=stdin)
        assert tried.code == 0, tried.err
        result = self._cli(*arguments, "--json", stdin=stdin)
        assert result.code == 0, result.err
        if isinstance(result.json, dict) and "written" in result.json:
            assert (tried.json["written"], result.json["written"]) == (False, True)
            assert result.json["message"].endswith(".")
            assert result.json["message"] not in result.err, "a program reads it, nobody else"
        return result.json


@pytest.fixture
def does(cli: Cli, parties: dict[str, str]) -> Story:
    return Story(cli)


def placed(cli: Cli, units: int = 1, **more: Any) -> dict[str, Any]:
    document = order("PO-1", units, **more)
    document["lines"][0]["unit_price"] = "10"
    found: dict[str, Any] = cli("order", "add", "-", "--json", stdin=json.dumps(document)).json[0]
    return found


def test_what_becomes_of_parties_and_credentials(cli: Cli, does: Story, parties: dict[str, str]) -> None:
    token = cli("token", "create", "--party", "Fine Shoes").out
    assert does("token", "revoke", cli("token", "list", "--json").json[0]["id"])["id"].startswith("crd_")
    assert token
    public = cli("plaza-key", "create", "--party", "Fine Shoes").out.split()[0]
    assert does("plaza-key", "revoke", public)["public"] == public
    client = cli("client-credentials", "create", "--party", "Fine Shoes").out.split()[0]
    assert does("client-credentials", "revoke", client)["client_id"] == client
    assert does("party", "deactivate", "Fine Shoes")["written"]
    assert does("party", "activate", "Fine Shoes")["message"] == "Fine Shoes takes part again."
    assert does("migrate")["before"] == does("migrate")["after"]


def test_what_becomes_of_endpoints_and_notices(cli: Cli, does: Story) -> None:
    endpoint = cli("endpoint", "add", "https://shop.example/hook", "--party", "Fine Shoes", "--json").json["id"]
    placed(cli)
    notice = cli("notices", "--json").json[0]["id"]
    assert does("replay", notice)["notice"] == notice
    for verb, state in (("pause", "paused"), ("resume", "active"), ("remove", "removed")):
        assert (did := does("endpoint", verb, endpoint))["state"] == state, did
        assert did["id"] == endpoint


ANSWERS = [
    ("accept", ("--step", "1"), "accepted"),
    ("decline", ("--reason", "other", "--step", "1"), "declined"),
    ("withdraw", (), "withdrawn"),
]


@pytest.mark.parametrize(("verb", "flags", "state"), ANSWERS, ids=[each[0] for each in ANSWERS])
def test_what_becomes_of_an_ask(cli: Cli, does: Story, verb: str, flags: tuple[str, ...], state: str) -> None:
    line = placed(cli)["lines"][0]
    asked = cli("ask", "--line", line, "--by", "retailer").out.strip()
    did = does(verb, asked, *flags)
    assert (did["cancellation"], did["state"], did["units"]) == (asked, state, 1)


def test_what_becomes_of_money_and_the_customer(cli: Cli, does: Story) -> None:
    bought = placed(cli, 2, payments=[{"id": "cash", "captured": "10"}])["id"]
    assert does("payment", "add", bought, "--id", "card", "--authorised", "10")["order"]
    assert does("payment", "capture", bought, "--id", "card", "--captured", "10")["order"]
    assert does("order", "erase", bought)["erased"] is True


VERBS: dict[str, Callable[[str], tuple[str, ...]]] = {
    "paid": lambda refund: ("refund", "paid", refund),
    "close": lambda refund: ("refund", "close", refund, "--note", "by voucher"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_what_becomes_of_a_refund(cli: Cli, does: Story, verb: str) -> None:
    line = placed(cli, payments=[{"captured": "10"}])["lines"][0]
    cli("accept", cli("ask", "--line", line, "--by", "retailer").out.strip(), "--step", "1")
    refund = cli("refunds", "--json").json[0]["id"]
    assert does(*VERBS[verb](refund))["refund"] == refund
