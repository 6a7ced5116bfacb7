"""Lists at the command line: what waits for whom, found by what is at hand, and as a file for a spreadsheet."""

import csv
import io
import json

import pytest

from tests.cli.conftest import Cli, order

ANNA = {
    "first_name": "Anna",
    "last_name": "de Vries",
    "street": "Dam",
    "house_number": "1",
    "postcode": "1012",
    "city": "Amsterdam",
    "country": "NL",
    "email": "anna@example.com",
}


@pytest.fixture
def lines(cli: Cli, parties: dict[str, str]) -> list[str]:
    """The lines of Anna's order of three and two units."""
    given = order("PO-1", 3, 2, shipping_address=ANNA)
    return cli("order", "add", "-", stdin=json.dumps([given, order("PO-2", 1)])).lines[0][1:]


@pytest.mark.parametrize("sought", ["PO-1", "anna@example.com", "vries", "Anna de Vries", "number", "order", "line"])
def test_every_list_takes_what_is_at_hand(cli: Cli, lines: list[str], sought: str) -> None:
    cancellation = cli("ask", "--line", lines[0]).out.strip()
    [found] = cli("orders", "PO-1", "--json").json
    at_hand = {"number": str(found["lines"][0]["number"]), "order": found["id"], "line": lines[0]}.get(sought, sought)
    assert [each["id"] for each in cli("orders", at_hand, "--json").json] == [found["id"]]
    assert [each["id"] for each in cli("cancellations", at_hand, "--json").json] == [cancellation]
    assert cli("refunds", at_hand, "--json").json == []
    reported = cli("timeline", at_hand, "--json").json["entries"]
    only_a_line = sought in ("number", "line")
    assert {each["line"] for each in reported} == ({lines[0]} if only_a_line else set(lines))


def test_what_nobody_has_is_in_no_list(cli: Cli, lines: list[str]) -> None:
    for command in ("orders", "cancellations", "refunds"):
        assert (cli(command, "jansen").code, cli(command, "jansen", "--json").json) == (0, [])
    assert cli("timeline", "jansen", "--json").json["error"]["code"] == "unknown_id"


def test_what_escalated_is_the_platforms_and_is_named_so(cli: Cli, lines: list[str]) -> None:
    cancellation = cli("ask", "--line", lines[0], "--by", "retailer").out.strip()
    assert cli("cancellations", "--awaiting", "Platform").lines == []
    assert cli("party", "deactivate", "Alpine Supply").code == 0
    for flags in (
        ("--awaiting", "Platform"),
        ("--awaiting", "PLATFORM"),
        ("--state", "escalated"),
        ("--state", "escalated", "--sort", "due"),
    ):
        [row] = cli("cancellations", *flags).lines
        assert row[:7] == [cancellation, "escalated", "3 of 3", "SKU-0", "PO-1", "Fine Shoes", "Alpine Supply"], flags
        assert row[9] == "Platform"
    [shown] = cli("cancellations", "--json").json
    assert (shown["escalated"], shown["reference"], shown["retailer"]) == (True, "PO-1", "Fine Shoes")
    assert cli("cancellations", "--late").lines == []


def test_what_is_due_first_is_listed_first(cli: Cli, lines: list[str]) -> None:
    made = [cli("ask", "--line", line).out.strip() for line in lines]
    assert [row[0] for row in cli("cancellations", "--sort", "due").lines] == made
    assert [row[0] for row in cli("cancellations").lines] == made[::-1]
    assert "longest due 1" in cli("cancellations", "--sort", "due", "--limit", "1").err
    assert cli("cancellations", "--sort", "due", "--state", "accepted").code == 2


def test_lists_are_files_for_a_spreadsheet_in_which_nothing_runs(cli: Cli, lines: list[str]) -> None:
    cli("order", "add", "-", stdin=json.dumps(order("=cmd|' /C calc'!A0", 1)))
    [line] = [row[5] for row in cli("orders").lines if row[0].startswith("=")]
    cli("ask", "--line", line)
    for command in ("orders", "cancellations"):
        result = cli(command, "--csv")
        assert result.out.count("\r\n") == result.out.count("\n")
        rows = list(csv.DictReader(io.StringIO(result.out)))
        assert rows[0]["reference"] == "'=cmd|' /C calc'!A0"
        assert rows[0]["line"] == line
    assert rows[0]["escalated"] == "false"
