"""What each command takes, writes and answers with."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from countermand.cli.output import plain
from countermand.settings import misspelt
from tests.cli.conftest import Cli, order
from tests.docs.reading import ROOT, pages

OK = 0
USAGE = 2
REFUSED = 3
NOT_FOUND = 5
PARTLY = 6


# Who takes part


def test_a_party_is_added_and_listed(cli: Cli) -> None:
    added = cli("party", "add", "retailer", "Fine Shoes")
    assert (added.code, added.err) == (OK, "")
    UUID(added.out.strip())
    listed = cli("party", "list")
    assert [added.out.strip(), "retailer", "Fine Shoes"] in [row[:3] for row in listed.lines]
    shown = cli("party", "list", "--json").json
    assert [each["kind"] for each in shown if each["name"] == "Fine Shoes"] == ["retailer"]
    assert cli("party", "add", "supplier", "Alpine Supply", "--json").json["kind"] == "supplier"


@pytest.mark.parametrize("name", ["", " ", " x", "x\n", "a\x1b[2Jb", "x" * 256])
def test_a_party_needs_a_name_that_can_be_read(cli: Cli, name: str) -> None:
    refused = cli("party", "add", "retailer", name)
    assert (refused.code, refused.out) == (USAGE, "")
    assert len(cli("party", "list", "--json").json) == 1


def test_a_token_stands_alone_on_standard_output(cli: Cli, parties: dict[str, str]) -> None:
    for party in ("Fine Shoes", parties["Fine Shoes"]):
        made = cli("token", "create", "--party", party)
        assert (made.code, made.err) == (OK, "")
        assert re.fullmatch(r"cmt_[0-9A-Za-z]{49}\n", made.out)
    assert cli("token", "create", "--party", "Fine Shoes", "--json").json.keys() == {"id", "token"}


def test_a_token_is_revoked_by_standard_input_and_only_once(cli: Cli, parties: dict[str, str]) -> None:
    token = cli("token", "create", "--party", "Fine Shoes").out
    revoked = cli("token", "revoke", stdin=token)
    assert (revoked.code, revoked.out, revoked.err) == (OK, "", "The token is revoked.\n")
    assert cli("token", "revoke", stdin=token).code == NOT_FOUND
    assert cli("token", "revoke", token.strip()).code == USAGE


@pytest.mark.parametrize(
    "flags",
    [
        ("--days", "0"),
        ("--days", "-1"),
        ("--days", "99999999999"),
        ("--days", "soon"),
        ("--permission", "fly"),
        ("--permission", "create_order"),
        ("--permission", "view_order", "--permission", "create_order"),
    ],
)
def test_a_token_that_could_do_nothing_is_not_made(cli: Cli, parties: dict[str, str], flags: tuple[str, ...]) -> None:
    refused = cli("token", "create", "--party", "Alpine Supply", *flags)
    assert (refused.code, refused.out) == (USAGE, "")


def test_a_permission_may_be_repeated(cli: Cli, parties: dict[str, str]) -> None:
    flags = ("--permission", "view_order", "--permission", "cancel_order", "--days", "30", "--label", "shop")
    assert cli("token", "create", "--party", "Fine Shoes", *flags).code == OK


@pytest.mark.parametrize(
    ("flags", "stdin", "environment"),
    [
        (("--password-stdin",), "a secret of mine\n", {}),
        ((), "", {"COUNTERMAND_PASSWORD": "a secret of mine"}),
    ],
)
def test_a_password_comes_from_standard_input_or_the_environment(
    cli: Cli, parties: dict[str, str], flags: tuple[str, ...], stdin: str, environment: dict[str, str]
) -> None:
    added = cli("user", "add", "a@example.com", "--party", "Fine Shoes", *flags, stdin=stdin, **environment)
    assert (added.code, added.err) == (OK, "")
    assert added.out.startswith("usr_")
    again = cli("user", "add", "A@Example.com", "--party", "Fine Shoes", *flags, stdin=stdin, **environment)
    assert (again.code, again.out) == (REFUSED, "")


@pytest.mark.parametrize(
    ("flags", "stdin"),
    [((), ""), (("--password-stdin",), ""), (("--password-stdin",), "\n"), (("--password", "x"), "")],
)
def test_a_password_is_never_a_flag_and_never_empty(
    cli: Cli, parties: dict[str, str], flags: tuple[str, ...], stdin: str
) -> None:
    refused = cli("user", "add", "a@example.com", "--party", "Fine Shoes", *flags, stdin=stdin)
    assert (refused.code, refused.out) == (USAGE, "")


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("s" * 11, "A password has 12 to 200 characters. This one has 11."),
        ("s" * 201, "A password has 12 to 200 characters. This one has 201."),
        ("s" * 12 + "\x01", "This cannot be a password: control characters"),
    ],
)
@pytest.mark.parametrize("command", [("add", "b@example.com", "--party", "Fine Shoes"), ("password", "a@example.com")])
def test_a_password_is_of_the_length_that_the_api_takes(
    cli: Cli, parties: dict[str, str], command: tuple[str, ...], password: str, sentence: str
) -> None:
    assert cli("user", "add", "a@example.com", "--party", "Fine Shoes", COUNTERMAND_PASSWORD="s" * 12).code == OK
    assert cli("user", "password", "a@example.com", COUNTERMAND_PASSWORD="s" * 200).code == OK
    refused = cli("user", *command, COUNTERMAND_PASSWORD=password)
    assert (refused.code, refused.out) == (USAGE, "")
    assert sentence in refused.err


# Orders


@pytest.mark.parametrize("many", [False, True], ids=["one", "array"])
@pytest.mark.parametrize("source", ["file", "stdin"])
def test_orders_come_from_a_file_or_standard_input_one_or_many(
    cli: Cli, parties: dict[str, str], tmp_path: Path, source: str, many: bool
) -> None:
    given: Any = [order("PO-1", 1, 2), order("PO-2", 3)] if many else order("PO-1", 1, 2)
    (tmp_path / "orders.json").write_text(json.dumps(given))
    added = (
        cli("order", "add", "orders.json") if source == "file" else cli("order", "add", "-", stdin=json.dumps(given))
    )
    assert (added.code, added.err) == (OK, "")
    assert [len(row) for row in added.lines] == ([3, 2] if many else [3])
    assert {row[0] for row in added.lines} == {each["id"] for each in cli("orders", "--json").json}


def test_the_ids_of_what_was_added_are_answered_as_json(cli: Cli, parties: dict[str, str]) -> None:
    given = order("PO-1", 1, 2, id="019a0000-0000-7000-8000-000000000001")
    [added] = cli("order", "add", "-", "--json", stdin=json.dumps(given)).json
    assert (added["id"], added["reference"], len(added["lines"])) == (given["id"], "PO-1", 2)


def test_a_dry_run_checks_and_adds_nothing(cli: Cli, parties: dict[str, str]) -> None:
    fine = cli("order", "add", "-", "--dry-run", stdin=json.dumps([order(), order("PO-2")]))
    assert (fine.code, fine.out, fine.err) == (OK, "", "2 orders are fine; nothing was added.\n")
    assert cli("orders", "--json").json == []
    for bad in (order(lines=[]), order(retailer="Nobody"), order(retailer="Alpine Supply")):
        assert cli("order", "add", "-", "--dry-run", stdin=json.dumps(bad)).code in (USAGE, NOT_FOUND)


@pytest.mark.parametrize(
    ("given", "code", "word"),
    [
        ("", USAGE, "cannot be read as JSON"),
        ("{bad", USAGE, "cannot be read as JSON"),
        ("[" * 100_000, USAGE, "cannot be read as JSON"),
        ("3", USAGE, "valid dictionary"),
        (json.dumps(order(nonsense=1)), USAGE, "nonsense"),
        (json.dumps(order("", 1)), USAGE, "reference"),
        (json.dumps(order("PO", 0)), USAGE, "lines.0.units"),
        (json.dumps(order("P\0", 1)), USAGE, "null characters"),
        (json.dumps(order(lines=[])), USAGE, "lines"),
        (json.dumps(order(currency="euro")), USAGE, "currency"),
        (json.dumps(order(currency="XXQ")), USAGE, "XXQ is no currency of ISO 4217 that is in use"),
        (json.dumps(order(retailer="Nobody")), NOT_FOUND, "no party"),
        (json.dumps(order(retailer="Alpine Supply")), USAGE, "cannot sell"),
        (json.dumps(order(lines=[{"sku": "x", "units": 1, "supplier": "Platform"}])), USAGE, "cannot hold goods"),
    ],
)
def test_an_order_that_cannot_be_taken_says_why_and_adds_nothing(
    cli: Cli, parties: dict[str, str], given: str, code: int, word: str
) -> None:
    refused = cli("order", "add", "-", stdin=given)
    assert (refused.code, refused.out) == (code, "")
    assert word in refused.err
    assert cli("orders", "--json").json == []


def test_a_file_that_is_not_there_is_named(cli: Cli) -> None:
    refused = cli("order", "add", "missing.json")
    assert (refused.code, refused.out) == (USAGE, "")
    assert "missing.json" in refused.err


def test_an_order_added_twice_is_refused_and_the_others_are_not(cli: Cli, parties: dict[str, str]) -> None:
    known = order("PO-1", 1, id="019a0000-0000-7000-8000-000000000001")
    assert cli("order", "add", "-", stdin=json.dumps(known)).code == OK
    again = cli("order", "add", "-", stdin=json.dumps(known))
    assert (again.code, again.out) == (REFUSED, "")
    partly = cli("order", "add", "-", stdin=json.dumps([known, order("PO-2")]))
    assert (partly.code, len(partly.lines)) == (PARTLY, 1)
    assert "1 of 2 orders were not added" in partly.err
    as_json = cli("order", "add", "-", "--json", stdin=json.dumps([known, order("PO-3")]))
    refused, added = as_json.json
    assert (as_json.code, refused["reference"], refused["error"]["code"]) == (PARTLY, "PO-1", "order_exists")
    assert (added["reference"], len(added["lines"])) == ("PO-3", 1)


# What happens


@pytest.fixture
def lines(cli: Cli, parties: dict[str, str]) -> list[str]:
    """The lines of an order of three and two units."""
    return cli("order", "add", "-", stdin=json.dumps(order("PO-1", 3, 2))).lines[0][1:]


def test_an_ask_is_listed_told_and_taken_back(cli: Cli, lines: list[str]) -> None:
    asked = cli("ask", "--line", lines[0], "--units", "2", "--note", "wrong size")
    assert (asked.code, asked.err) == (OK, "")
    cancellation = asked.out.strip()
    assert cancellation.startswith("can_")
    [listed] = cli("cancellations", "--state", "asked", "--json").json
    assert (listed["id"], listed["line"], listed["units"], listed["state"]) == (cancellation, lines[0], 2, "asked")
    [row] = cli("cancellations").lines
    assert row[:4] == [cancellation, "asked", "2 of 3", "SKU-0"]
    for subject in (cancellation, lines[0], f"lin_{UUID(lines[0]).hex}"):
        reported = cli("timeline", subject)
        assert reported.code == OK
        assert "wrong size" in reported.out
    assert cli("withdraw", cancellation).code == OK
    assert cli("cancellations", "--state", "asked", "--json").json == []
    kinds = [event["kind"] for event in cli("timeline", lines[0], "--json").json["entries"]]
    assert kinds == ["line.placed", "cancellation.asked", "cancellation.withdrawn"]


def test_an_equal_ask_is_told_to_be_the_same_and_a_key_makes_it_another(cli: Cli, lines: list[str]) -> None:
    wish = ("ask", "--line", lines[0], "--units", "1", "--json")
    first = cli(*wish)
    assert (first.code, first.err, first.json["repeated"]) == (OK, "", False)
    again = cli(*wish)
    assert (again.code, again.json["repeated"]) == (OK, True)
    assert "taken for the same one" in again.err
    assert again.json["id"] == first.json["id"]
    keyed = cli(*wish, "--key", "A")
    assert (keyed.code, keyed.err, keyed.json["repeated"]) == (OK, "", False)
    replayed = cli(*wish, "--key", "A")
    assert (replayed.json["id"], replayed.json["repeated"]) == (keyed.json["id"], False)
    assert "used before" in replayed.err
    other = cli("ask", "--line", lines[0], "--units", "2", "--key", "A", "--json")
    assert (other.code, other.json["error"]["code"]) == (REFUSED, "key_reused")
    assert len(cli("cancellations", "--json").json) == 2
    for key in ("k" * 256, "ключ", "a\tb"):
        assert cli(*wish, "--key", key).code == USAGE


def test_an_ask_that_the_rules_refuse_is_exit_3_with_the_refusals_name(cli: Cli, lines: list[str]) -> None:
    refused = cli("ask", "--line", lines[1], "--units", "3", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (REFUSED, "too_many_units")


def test_lists_show_what_a_party_sees(cli: Cli, lines: list[str]) -> None:
    cli("party", "add", "supplier", "Harbour Goods")
    cli("ask", "--line", lines[0], "--by", "retailer")
    for party, seen in (("Fine Shoes", 1), ("Alpine Supply", 1), ("Harbour Goods", 0)):
        assert len(cli("orders", "--party", party, "--json").json) == seen
        assert len(cli("cancellations", "--party", party, "--json").json) == seen
    assert len(cli("cancellations", "--awaiting", "Alpine Supply", "--json").json) == 1
    assert cli("cancellations", "--awaiting", "Harbour Goods", "--json").json == []
    assert len(cli("orders", "--reference", "PO-1").lines) == 2
    assert cli("orders", "--reference", "PO-9").err == "There are no orders.\n"


def test_a_list_that_is_cut_says_so(cli: Cli, parties: dict[str, str]) -> None:
    given = [order(f"PO-{n}", *[1] * 70) for n in range(3)]
    rows = cli("order", "add", "-", stdin=json.dumps(given)).lines
    assert len(cli("orders", "--limit", "2", "--json").json) == 2
    assert "2 of 3 orders" in cli("orders", "--limit", "2").err
    cli("ask", "--line", rows[0][1])
    cli("ask", "--line", rows[0][2])
    one = cli("cancellations", "--limit", "1")
    assert (len(one.lines), one.err) == (1, "These are the newest 1; --limit shows more.\n")
    assert cli("cancellations", "--limit", "2").err == ""


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1000000000000"])
@pytest.mark.parametrize("command", ["orders", "cancellations"])
def test_a_limit_is_a_sensible_number(cli: Cli, command: str, limit: str) -> None:
    assert cli(command, "--limit", limit).code == USAGE


@pytest.mark.parametrize(
    "command", [("party", "list"), ("orders",), ("cancellations",), ("plaza-key", "list", "--party", "Fine Shoes")]
)
def test_every_list_is_one_json_document_also_when_it_is_empty(
    cli: Cli, parties: dict[str, str], command: tuple[str, ...]
) -> None:
    listed = cli(*command, "--json")
    assert (listed.code, listed.err) == (OK, "")
    assert isinstance(listed.json, list)


@pytest.mark.parametrize("subject", ["can_019a0000000070008000000000000001", "019a0000-0000-7000-8000-000000000001"])
def test_the_story_of_nothing_is_exit_5(cli: Cli, subject: str) -> None:
    reported = cli("timeline", subject, "--json")
    assert (reported.code, reported.json["error"]["code"]) == (NOT_FOUND, "unknown_id")


@pytest.mark.parametrize("subject", ["x", "", "can_", "can_x", "99999999999"])
def test_the_story_of_what_nothing_is_known_of_is_exit_5(cli: Cli, subject: str) -> None:
    assert cli("timeline", subject).code == NOT_FOUND


# On a terminal

ODD = "[/x] [bold]\t\n\u2028 \u202e"


def test_a_terminal_shows_a_table_and_other_peoples_texts_cannot_steer_it(
    cli: Cli, parties: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = order(lines=[{"sku": ODD, "units": 1, "supplier": "Alpine Supply"}])
    [[_, line]] = cli("order", "add", "-", stdin=json.dumps(given)).lines
    cli("ask", "--line", line, "--note", ODD)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    for command in (("orders",), ("cancellations",), ("timeline", line)):
        shown = cli(*command, TERM="xterm", COLUMNS="400")
        assert shown.code == OK
        assert "[/x] [bold]" in shown.out
        assert not any(steering in shown.out for steering in ("bold]\t", "bold]\n", "\u2028", "\u202e"))


def test_a_cell_never_breaks_its_line(cli: Cli, parties: dict[str, str]) -> None:
    given = order("P\tO\n1", lines=[{"sku": ODD, "units": 1, "supplier": "Alpine Supply"}])
    cli("order", "add", "-", stdin=json.dumps(given))
    [row] = cli("orders").lines
    assert (len(row), row[0]) == (7, plain("P\tO\n1"))
    assert cli("orders", "--json").json[0]["lines"][0]["sku"] == ODD


# What makes no sense


def test_only_a_retailer_has_plaza_keys(cli: Cli, parties: dict[str, str]) -> None:
    cli("party", "add", "supplier", "Brave Supply")
    made = cli("plaza-key", "create", "--party", "Brave Supply")
    assert (made.code, made.out) == (USAGE, "")
    assert "not a retailer" in made.err


def test_clients_of_bols_retailer_api(cli: Cli, parties: dict[str, str]) -> None:
    made = cli("client-credentials", "create", "--party", "Fine Shoes", "--label", "till")
    client, secret = made.out.split()
    assert secret.startswith("cmc_")
    (listed,) = json.loads(cli("client-credentials", "list", "--party", "Fine Shoes", "--json").out)
    assert (listed["public"], listed["label"], listed["revoked_at"]) == (client, "till", None)
    assert secret not in cli("client-credentials", "list", "--party", "Fine Shoes").out
    assert cli("client-credentials", "revoke", client).code == 0
    again = cli("client-credentials", "revoke", client)
    assert (again.code, "revoked before" in again.err) == (5, True)
    for wrong in ("nonsense", "cmc_x", ""):
        assert cli("client-credentials", "revoke", wrong).code == 2
    assert cli("client-credentials", "create", "--party", "Alpine Supply").code == 2


def test_a_path_of_plaza_begins_with_a_slash(cli: Cli) -> None:
    result = cli("plaza", "GET", "services/rest/orders/v2")
    assert result.code == USAGE
    assert "begins with /services" in result.err


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SMTP_HOST", "mail.example", "The settings make no sense: mail_from must be set where smtp_host is."),
        ("SCORE_ZONE", "Mars/Base", "make no sense: score_zone: there is no time zone Mars/Base."),
        ("PUBLIC_URL", "shop.example", "public_url: 'shop.example' is no address"),
        ("PUBLIC_URL", "https://", "public_url: 'https://' is no address"),
        ("PUBLIC_URL", "https://shop.example/?a=b", "public_url: 'https://shop.example/?a=b' is no address"),
        ("PUBLIC_URL", "https://shop.example:http", "public_url: "),
    ],
)
def test_settings_that_make_no_sense_are_told_in_a_sentence(cli: Cli, name: str, value: str, sentence: str) -> None:
    result = cli("party", "list", **{f"COUNTERMAND_{name}": value})
    assert (result.code, result.out) == (78, "")
    assert sentence in result.err


def test_an_order_that_does_not_add_up_is_told_in_a_sentence(cli: Cli, parties: dict[str, str]) -> None:
    given = {
        "retailer": "Fine Shoes",
        "reference": "PO-1",
        "lines": [{"sku": "boot", "units": 1, "unit_price": "1.00"}],
        "payments": [{"captured": "99"}],
    }
    result = cli("order", "add", "-", stdin=json.dumps(given))
    assert result.code == USAGE
    assert result.err.splitlines()[1] == "  order 1 (PO-1): The payments come to 99.00 EUR, the order to 1.00."


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("COUNTERMAND_DATABSE", "COUNTERMAND_DATABASE"),
        ("COUNTERMAND_PUBLICURL", "COUNTERMAND_PUBLIC_URL"),
        ("COUNTERMAND_STRIPE_APIKEY", "COUNTERMAND_STRIPE_API_KEY"),
        ("countermand_lane", "COUNTERMAND_LANES"),
    ],
)
def test_a_variable_that_is_nearly_a_setting_is_refused(
    countermand: Callable[..., subprocess.CompletedProcess[str]], wrong: str, right: str
) -> None:
    done = countermand("party", "list", **{wrong: "x"})
    assert done.returncode == 78
    assert f"{wrong} is no setting. Did you mean {right}?" in done.stderr


def test_no_variable_that_pages_and_programs_name_is_taken_for_a_misspelt_setting() -> None:
    sources = [*ROOT.glob("src/**/*.py"), *ROOT.glob("clients/**/*.py"), *pages()]
    named = {name for each in sources for name in re.findall("COUNTERMAND_[A-Z_]+", each.read_text(encoding="utf-8"))}
    assert "COUNTERMAND_BOL_CLIENT_ID" in named
    assert misspelt(named - {"COUNTERMAND_DATABSE"}) == {}


@pytest.mark.parametrize("name", ["COUNTERMAND_TOKEN", "COUNTERMAND_PASSWORD", "COUNTERMAND_LONG", "COUNTER_LANES"])
def test_other_variables_are_nobodys_business(
    countermand: Callable[..., subprocess.CompletedProcess[str]], name: str
) -> None:
    assert countermand("party", "list", **{name: "x"}).returncode == 0
