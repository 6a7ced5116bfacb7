"""`countermand score`, `score-exclude` and `score-restore`."""

import json
from typing import Any

import pytest

from tests.cli.conftest import Cli, order

pytestmark = pytest.mark.usefixtures("parties")
WEEK = ("--week", "2026-W47")


@pytest.fixture
def cancelled(cli: Cli) -> list[str]:
    """Four orders in week 47; the retailer has three of them cancelled, and an operator says yes for the supplier."""
    orders = [order(f"PO-{number}", 2, placed_at="2026-11-17T10:00:00Z") for number in range(4)]
    lines = [placed["lines"][0] for placed in cli("order", "add", "-", "--json", stdin=json.dumps(orders)).json]
    asked = [
        cli("ask", "--line", line, "--by", "retailer", "--note", "sold too many.").out.strip() for line in lines[:3]
    ]
    for each in asked:
        assert cli("accept", each, "--step", "1").code == 0
    return asked


def card(cli: Cli, *more: str, party: str = "Fine Shoes") -> Any:
    [found] = cli("score", party, *WEEK, "--json", *more).json["weeks"]
    return found


def test_a_card_is_bols_indicator_with_its_verdict(cli: Cli, cancelled: list[str]) -> None:
    found = card(cli)
    assert (found["numerator"], found["denominator"], found["value"]) == (3, 4, 0.75)
    assert (found["conforms"], found["strike"], found["distance_to_norm"]) == (False, True, pytest.approx(0.73))
    [row] = cli("score", "Fine Shoes", *WEEK).lines
    assert row[:4] == ["2026-W47", "4", "3", "75.00%"]
    assert row[4].startswith("strike")
    supplier = card(cli, party="Alpine Supply")
    assert (supplier["numerator"], supplier["denominator"]) == (0, 4)
    assert cli("score", "Fine Shoes", "--weeks", "52", "--json").json["as"] == "retailer"


def test_every_item_that_counts_is_shown_with_its_events(cli: Cli, cancelled: list[str]) -> None:
    shown = cli("score", "Fine Shoes", *WEEK, "--evidence").out
    for each in cancelled:
        assert f"{each}: counts, as the retailer wanted it, not the customer." in shown
    assert "asked, for the retailer, to cancel 2 units: sold too many." in shown
    evidence = card(cli, "--evidence")["evidence"]
    assert {each["cancellation"] for each in evidence} == set(cancelled)
    assert [len(each["events"]) for each in evidence] == [2, 2, 2]


def test_what_is_excluded_after_an_appeal_is_told_and_can_count_again(cli: Cli, cancelled: list[str]) -> None:
    excluded = cli("score-exclude", cancelled[0], "--reason", "The customer's mail is on file.")
    assert (excluded.code, excluded.err) == (0, "It does not count from now on.\n")
    assert (card(cli)["numerator"], card(cli)["strike"]) == (2, False)
    shown = cli("score", "Fine Shoes", *WEEK, "--evidence").out
    assert "The customer's mail is on file.\n" in shown
    assert "out of the score of Fine Shoes: The customer's mail is on file." in cli("timeline", cancelled[0]).out
    again = cli("score-exclude", cancelled[0], "--reason", "once more")
    assert (again.code, "excluded already" in again.err) == (3, True)
    assert cli("score-restore", cancelled[0], "--reason", "It was another mail").code == 0
    assert card(cli)["numerator"] == 3
    reported = cli("timeline", cancelled[0], "--json").json["judgements"]
    assert ["took" in each["sentence"] for each in reported] == [True, False]
    assert {(each["cancellation"], each["by"][:9]) for each in reported} == {(cancelled[0], "operator ")}


def test_what_counts_in_two_scores_is_excluded_from_the_one_that_is_named(cli: Cli, cancelled: list[str]) -> None:
    only_one = cli("score-exclude", cancelled[0], "--reason", "r", "--party", "Alpine Supply")
    assert (only_one.code, "does not count against Alpine Supply" in only_one.err) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "code", "name"),
    [
        (("score", "Nobody"), 5, "unknown_party"),
        (("score", "Platform"), 2, "wrong_party"),
        (("score", "Alpine Supply", "--as", "retailer"), 2, "wrong_party"),
        (("score", "Fine Shoes", "--week", "2026-W54"), 2, "bad_week"),
        (("score", "Fine Shoes", "--week", "now"), 2, "bad_week"),
        (("score", "Fine Shoes", "--as-of", "yesterday"), 2, "bad_time"),
        (("score", "Fine Shoes", "--as-of", "0001-01-01T00:00+14:00"), 2, "bad_time"),
        (("score", "Fine Shoes", "--as-of", "0001-01-02"), 2, "bad_time"),
        (("score", "Fine Shoes", "--as-of", "9999-12-31"), 2, "bad_time"),
    ],
)
def test_what_makes_no_sense_is_refused(cli: Cli, arguments: tuple[str, ...], code: int, name: str) -> None:
    refused = cli(*arguments, "--json")
    assert (refused.code, refused.json["error"]["code"]) == (code, name)


@pytest.mark.parametrize(
    ("cancellation", "reason", "code"),
    [("can_" + "0" * 32, "r", 5), ("x", "r", 2), ("can_" + "0" * 32, " ", 2), ("can_" + "0" * 32, "a\nb", 2)],
)
def test_a_judgement_needs_a_cancellation_and_a_reason(cli: Cli, cancellation: str, reason: str, code: int) -> None:
    assert cli("score-exclude", cancellation, "--reason", reason).code == code


def test_a_cancellation_that_counts_against_nobody_cannot_be_excluded(cli: Cli, cancelled: list[str]) -> None:
    line = cli("orders", "--reference", "PO-3", "--json").json[0]["lines"][0]["id"]
    asked = cli("ask", "--line", line, "--units", "1").out.strip()
    assert cli("score-exclude", asked, "--reason", "r").code == 3
    assert cli("score-restore", cancelled[1], "--reason", "r").code == 3
