"""`countermand policy` and `countermand withdraw`."""

import json
import subprocess
from collections.abc import Callable

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def parties(countermand: Run) -> Run:
    countermand("party", "add", "retailer", "Fine Shoes")
    countermand("party", "add", "supplier", "Alpine")
    return countermand


def shown(run: Run, *more: str) -> dict[str, object]:
    result = run("policy", "show", "--retailer", "Fine Shoes", *more, "--json")
    assert result.returncode == 0, result.stderr
    terms: dict[str, object] = json.loads(result.stdout)
    return terms


def test_without_anything_written_down_the_defaults_hold(parties: Run) -> None:
    terms = shown(parties)
    assert (terms["version"], terms["answer_within_s"], terms["silence"]) == (0, 48 * 3600, "lapse")


def test_what_is_not_named_stays_as_it_was(parties: Run) -> None:
    parties("policy", "set", "--retailer", "Fine Shoes", "--answer-within", "24h", "--silence", "accept")
    result = parties("policy", "set", "--retailer", "Fine Shoes", "--free-window", "30m")
    assert result.returncode == 0, result.stderr
    terms = shown(parties)
    assert [terms[name] for name in ("version", "answer_within_s", "silence", "free_window_s")] == [
        2,
        24 * 3600,
        "accept",
        1800,
    ]


def test_a_supplier_with_terms_of_its_own_has_those(parties: Run) -> None:
    parties("policy", "set", "--retailer", "Fine Shoes", "--answer-within", "never")
    parties("policy", "set", "--retailer", "Fine Shoes", "--supplier", "Alpine", "--accepts-until", "never")
    assert shown(parties)["accepts_until"] == "shipped"
    own = shown(parties, "--supplier", "Alpine")
    assert (own["accepts_until"], own["answer_within_s"]) == ("never", None)


def test_working_hours_can_be_set_and_taken_away(parties: Run) -> None:
    hours = ("--working-hours", "mon-fri 09:00-17:00 Europe/Amsterdam", "--holidays", "NL")
    assert parties("policy", "set", "--retailer", "Fine Shoes", *hours).returncode == 0
    terms = shown(parties)
    assert (terms["working_hours"], terms["holidays"]) == ("mon-fri 09:00-17:00 Europe/Amsterdam", "NL")
    parties("policy", "set", "--retailer", "Fine Shoes", "--working-hours", "none")
    assert shown(parties)["working_hours"] == "none"


@pytest.mark.parametrize(
    "terms",
    [
        ("--answer-within", "soon"),
        ("--answer-within", "4000d"),
        ("--answer-within", "0s"),
        ("--answer-within", "59s"),
        ("--proof-within", "0s"),
        ("--silence", "shout"),
        ("--working-hours", "always"),
        ("--working-hours", "mon-fri 17:00-09:00 Europe/Amsterdam"),
        ("--working-hours", "mon-fri 09:00-17:00 Europe/Nowhere"),
        ("--working-hours", "mon-fri 09:00-17:00 UTC", "--holidays", "XX"),
        ("--holidays", "NL"),
    ],
)
def test_terms_that_make_no_sense_are_wrong_usage(parties: Run, terms: tuple[str, ...]) -> None:
    result = parties("policy", "set", "--retailer", "Fine Shoes", *terms)
    assert result.returncode == 2
    assert result.stderr.startswith("countermand: ")
    assert "Traceback" not in result.stderr
    assert shown(parties)["version"] == 0


def test_terms_that_leave_no_time_to_answer_are_told_what_is_wrong_with_them(parties: Run) -> None:
    refused = parties("policy", "set", "--retailer", "Fine Shoes", "--answer-within", "0s", "--silence", "accept")
    sentence = "These terms make no sense: a party has at least 60 seconds to answer or to prove, not 0."
    assert refused.stderr.strip() == f"countermand: {sentence}"
    assert parties("policy", "set", "--retailer", "Fine Shoes", "--answer-within", "60s").returncode == 0


def test_an_ask_is_withdrawn_once_and_its_units_are_open_again(parties: Run) -> None:
    order = {"retailer": "Fine Shoes", "reference": "A", "lines": [{"sku": "s", "units": 2, "supplier": "Alpine"}]}
    line = parties("order", "add", "-", stdin=json.dumps(order)).stdout.split()[1]
    asked = parties("ask", "--line", line, "--units", "1").stdout.strip()
    assert parties("withdraw", asked).returncode == 0
    listed = json.loads(parties("cancellations", "--json").stdout)
    assert [each["state"] for each in listed] == ["withdrawn"]
    assert parties("withdraw", asked).returncode == 0, "the same wish again"
    assert parties("withdraw", "can_" + "0" * 32).returncode == 5


def test_terms_are_shown_as_they_are_set(parties: Run) -> None:
    ran = parties(
        *("policy", "set", "--retailer", "Fine Shoes", "--answer-within", "90m", "--whole-order", "all-or-nothing"),
        *("--working-hours", "sun-thu 09:00-17:00 Europe/Amsterdam", "--no-customer-asks-retailer-first"),
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "version: 1",
        "answer-within: 90m",
        "silence: lapse",
        "whole-order: all-or-nothing",
        "free-window: 0s",
        "accepts-until: shipped",
        "accepts-for: always",
        "customer-asks-retailer-first: no",
        "proof-within: never",
        "working-hours: sun-thu 09:00-17:00 Europe/Amsterdam",
        "holidays: none",
    ]


@pytest.mark.parametrize(
    ("pair", "wrong"),
    [
        (("--retailer", "Alpine"), "not a retailer"),
        (("--retailer", "Fine Shoes", "--supplier", "Brave"), "not a supplier"),
    ],
)
def test_terms_hold_between_a_retailer_and_who_holds_its_goods(parties: Run, pair: tuple[str, ...], wrong: str) -> None:
    parties("party", "add", "retailer", "Brave")
    ran = parties("policy", "set", *pair, "--silence", "accept")
    assert ran.returncode == 2
    assert wrong in ran.stderr
    assert parties("policy", "set", "--retailer", "Brave", "--supplier", "Brave").returncode == 0
