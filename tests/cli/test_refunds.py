"""`countermand quote` and what becomes of the customer's money."""

import json

from tests.cli.conftest import Cli, order

PAID = [{"reference": "PAY-1", "captured": "27.00"}]


def added(cli: Cli) -> str:
    document = order("PO-1", 3, discounts=[{"amount": "3"}], payments=PAID)
    document["lines"][0]["unit_price"] = "10"
    document["lines"][0]["tax_percent"] = "21"
    return str(json.loads(cli("order", "add", "-", "--json", stdin=json.dumps(document)).out)[0]["lines"][0])


def test_a_quote_is_a_table_or_a_document(cli: Cli, parties: dict[str, str]) -> None:
    line = added(cli)
    said = cli("quote", "--line", line, "--units", "2", "--json")
    assert said.code == 0
    assert (said.json["refund"], said.json["tax"]) == ("18.00", "3.13")
    assert cli("quote", "--line", line, "--units", "2").lines == [
        ["Refund to payment 1", "18.00", "card"],
        ["Refund in all", "18.00", ""],
        ["Goods", "18.00", ""],
        ["Tax in both", "3.13", ""],
    ]


def test_a_quote_for_too_many_units_is_refused(cli: Cli, parties: dict[str, str]) -> None:
    said = cli("quote", "--line", added(cli), "--units", "4", "--json")
    assert (said.code, said.json["error"]["code"]) == (3, "too_many_units")


def test_an_order_whose_money_does_not_add_up_is_not_taken(cli: Cli, parties: dict[str, str]) -> None:
    document = order("PO-1", 3, payments=PAID)
    document["lines"][0]["unit_price"] = "8"
    said = cli("order", "add", "-", stdin=json.dumps(document))
    assert said.code == 2
    assert "The payments come to 27.00 EUR, the order to 24.00." in said.err
