"""Handing in many orders of which some are bad: each is named by its place, and none is half taken."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from countermand.documents.orders import OrderIn
from tests.cli.conftest import Cli, order
from tests.support.leaves import NASTY, example, leaves, with_at

OK, USAGE, REFUSED, NOT_FOUND, PARTLY = 0, 2, 3, 5, 6


NO_UNITS: list[Any] = [True, "1_000", "\u0661", 1.5, "1e3", None, 2**53 + 1, "+1", [], {}]
NO_AMOUNTS: list[Any] = [True, "1_0", "\u0661", "1e3", "NaN"]
NO_DAYS: list[Any] = [20261128, 0, "0", "1764288000", True]


def mixed() -> list[Any]:
    return [
        order("SO-1", 1),
        order("SO-2", 0),
        order("SO-3", 2, retailer="Nobody"),
        order("SO-4", 3, placed_at="2199-01-01T00:00:00Z"),
        17,
        order("SO-6", 6),
        order("", 1),
    ]


def test_one_bad_order_keeps_all_out_and_each_bad_one_is_named(cli: Cli, parties: dict[str, str]) -> None:
    refused = cli("order", "add", "-", stdin=json.dumps(mixed()))
    assert (refused.code, refused.out) == (USAGE, "")
    reported = [line.strip() for line in refused.err.splitlines() if line.startswith("  ")]
    assert [line.partition(":")[0] for line in reported] == [
        "order 2 (SO-2)",
        "order 3 (SO-3)",
        "order 4 (SO-4)",
        "order 5",
        "order 7",
    ]
    assert "lines.0.units" in reported[0]
    assert "no party" in reported[1]
    assert "placed_at" in reported[2]
    assert "5 of 7 orders" in refused.err
    assert "--skip-bad" in refused.err
    assert cli("orders", "--json").json == []


def test_on_request_the_good_ones_are_added_and_the_bad_ones_reported_a_line_each(
    cli: Cli, parties: dict[str, str]
) -> None:
    partly = cli("order", "add", "-", "--skip-bad", stdin=json.dumps(mixed()))
    assert (partly.code, len(partly.lines)) == (PARTLY, 2)
    reported = partly.err.splitlines()
    assert len(reported) == 5 + 1
    assert reported[0].startswith("countermand: order 2 (SO-2) was not added: lines.0.units")
    assert reported[-1] == "countermand: 5 of 7 orders were not added."
    assert sorted(each["reference"] for each in cli("orders", "--json").json) == ["SO-1", "SO-6"]


def test_the_report_is_json_on_request_in_the_order_of_the_file(cli: Cli, parties: dict[str, str]) -> None:
    rows = cli("order", "add", "-", "--skip-bad", "--json", stdin=json.dumps(mixed())).json
    assert [row["place"] for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert ["error" in row for row in rows] == [False, True, True, True, True, False, True]
    assert [row["error"]["code"] for row in rows if "error" in row] == [
        "invalid_order",
        "unknown_party",
        "invalid_order",
        "invalid_order",
        "invalid_order",
    ]


def test_a_dry_run_reports_the_same_and_adds_nothing(cli: Cli, parties: dict[str, str]) -> None:
    dry = cli("order", "add", "-", "--skip-bad", "--dry-run", stdin=json.dumps(mixed()))
    assert (dry.code, dry.out) == (PARTLY, "")
    assert "2 orders are fine; nothing was added." in dry.err
    assert "order 7 was not added" in dry.err
    assert cli("orders", "--json").json == []


@pytest.mark.parametrize(
    ("given", "code"), [([order("A", 0)], USAGE), ([order("A", 1, retailer="Nobody")], NOT_FOUND), ([], OK)]
)
def test_where_none_is_good_the_code_says_why(cli: Cli, parties: dict[str, str], given: list[Any], code: int) -> None:
    assert cli("order", "add", "-", "--skip-bad", stdin=json.dumps(given)).code == code


def test_what_the_rules_refuse_is_named_by_place_too(cli: Cli, parties: dict[str, str]) -> None:
    known = order("SO-1", 1, id="019a0000-0000-7000-8000-000000000001")
    refused = cli("order", "add", "-", stdin=json.dumps([order("SO-0", 1), known, known]))
    assert refused.code == PARTLY
    assert "order 3 (SO-1) was not added" in refused.err


def test_an_order_may_be_a_little_ahead_of_this_clock(cli: Cli, parties: dict[str, str]) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
    late = (datetime.now(UTC) + timedelta(minutes=6)).isoformat()
    assert cli("order", "add", "-", stdin=json.dumps(order("SO-1", 1, placed_at=soon))).code == OK
    refused = cli("order", "add", "-", stdin=json.dumps(order("SO-2", 1, placed_at=late)))
    assert refused.code == USAGE
    assert "300 seconds ahead of this service, where it is 2" in refused.err
    [kept] = cli("orders", "--json").json
    assert kept["placed_at"] < soon


def test_a_thousand_lines_are_an_order(cli: Cli, parties: dict[str, str]) -> None:
    line = {"sku": "S", "units": 2, "supplier": "Alpine Supply", "title": "t", "unit_price": "1.00"}
    lines = [line] * 1000
    added = cli("order", "add", "-", stdin=json.dumps(order(lines=lines)))
    assert (added.code, len(added.lines[0])) == (OK, 1001)


@pytest.mark.parametrize(
    "change",
    [
        *({"lines": [{"sku": "A", "units": given}]} for given in NO_UNITS),
        *({"lines": [{"sku": "A", "units": 1, "unit_price": given}]} for given in NO_AMOUNTS),
        *({"placed_at": given} for given in (*NO_DAYS, "soon", "2026-02-30")),
        *({"lines": [{"sku": "A", "units": 1, "promised_on": given}]} for given in NO_DAYS),
        *({"reference": blank} for blank in ("", " ", "\u200b", 7)),
        {"lines": [{"sku": " ", "units": 1}]},
        {"retailer": " "},
        {"id": "{" + "0" * 32 + "}"},
    ],
    ids=repr,
)
def test_what_has_no_meaning_is_refused(cli: Cli, parties: dict[str, str], change: dict[str, Any]) -> None:
    refused = cli("order", "add", "-", stdin=json.dumps(order(**change)))
    assert (refused.code, refused.out) == (USAGE, "")
    assert "  order 1" in refused.err


def test_amounts_keep_their_digits(cli: Cli, parties: dict[str, str]) -> None:
    given = json.dumps(order(lines=[{"sku": "A", "units": 1, "unit_price": "$"}], payments=[{"captured": "$"}]))
    content = given.replace('"$"', "123456789.07")
    assert cli("order", "add", "-", stdin=content).code == OK


def test_a_member_that_is_there_twice_is_no_json(cli: Cli, parties: dict[str, str]) -> None:
    refused = cli("order", "add", "-", stdin='{"reference": "A", "reference": "B"}')
    assert refused.code == USAGE
    assert "'reference' is there twice" in refused.err


def test_every_text_of_an_order_is_read_alike(cli: Cli, parties: dict[str, str]) -> None:
    schema = OrderIn.model_json_schema()
    known = {"country": "NL", "currency": "EUR", "salutation": "unknown", "condition": "NEW", "provider": "manual"}
    known |= {"retailer": "Fine Shoes", "supplier": "Alpine Supply", "ean": "1"}
    whole = example(schema, schema["$defs"], known)
    places = list(leaves(whole))
    bad = [with_at(whole, place, text) for place in places for text in NASTY.values()]
    reported = cli("order", "add", "-", "--skip-bad", "--json", stdin=json.dumps(bad)).json
    assert len(places) > 30
    assert all(row["error"]["code"] == "invalid_order" for row in reported)
    for row, place in zip(reported, (place for place in places for _ in NASTY), strict=True):
        assert ".".join(map(str, place)) in row["error"]["message"]
