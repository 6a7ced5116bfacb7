"""`countermand quote` and what becomes of the customer's money."""

import csv
import io
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
    result = cli("quote", "--line", line, "--units", "2", "--json")
    assert result.code == 0
    assert (result.json["refund"], result.json["tax"]) == ("18.00", "3.13")
    assert cli("quote", "--line", line, "--units", "2").lines == [
        ["Refund to payment 1", "18.00", "card"],
        ["Refund in all", "18.00", ""],
        ["Goods", "18.00", ""],
        ["Tax in both", "3.13", ""],
    ]


def test_a_quote_for_too_many_units_is_refused(cli: Cli, parties: dict[str, str]) -> None:
    result = cli("quote", "--line", added(cli), "--units", "4", "--json")
    assert (result.code, result.json["error"]["code"]) == (3, "too_many_units")


def test_an_order_whose_money_does_not_add_up_is_not_taken(cli: Cli, parties: dict[str, str]) -> None:
    document = order("PO-1", 3, payments=PAID)
    document["lines"][0]["unit_price"] = "8"
    result = cli("order", "add", "-", stdin=json.dumps(document))
    assert result.code == 2
    assert "The payments come to 27.00 EUR, the order to 24.00." in result.err


def cancelled(cli: Cli, **payment: str) -> str:
    """An order whose only unit was cancelled. Returns the id of its refund."""
    document = order("PO-2", 1, payments=[{"captured": "10", **payment}])
    document["lines"][0]["unit_price"] = "10"
    line = json.loads(cli("order", "add", "-", "--json", stdin=json.dumps(document)).out)[0]["lines"][0]
    asked = cli("ask", "--line", line, "--by", "retailer").out.strip()
    assert cli("accept", asked, "--step", "1").code == 0
    return str(cli("refunds", "--json").json[0]["id"])


def test_a_work_list_is_exported_and_marked_as_paid(cli: Cli, parties: dict[str, str]) -> None:
    refund = cancelled(cli, reference="=PAY()")
    listed = list(csv.DictReader(io.StringIO(cli("refunds", "--state", "by_hand", "--csv").out)))
    assert [(row["id"], row["amount"], row["currency"]) for row in listed] == [(refund, "10.00", "EUR")]
    assert listed[0]["payment_reference"] == "'=PAY()", "no spreadsheet runs what a reference says"
    assert cli("refund", "paid", refund, "--note", "by bank").code == 0
    assert cli("refunds", "--state", "by_hand").lines == []
    [done] = cli("refunds", "--json").json
    assert (done["state"], done["note"]) == ("confirmed", "by bank")
    again = cli("refund", "paid", refund)
    assert (again.code, "is done (since" in again.err) == (3, True)


def test_a_refund_is_closed_with_a_note_and_the_story_tells_it(cli: Cli, parties: dict[str, str]) -> None:
    refund = cancelled(cli)
    assert cli("refund", "close", refund).code == 2, "a note is needed"
    assert cli("refund", "close", refund, "--note", "the customer keeps a voucher").code == 0
    [row] = cli("refunds").lines
    assert row[:3] == [refund, "closed", "10.00 EUR"]
    reported = cli("timeline", cli("refunds", "--json").json[0]["line"]).out
    assert "The refund of 10.00 EUR is due, from payment 1." in reported
    assert "closed the refund of 10.00 EUR, and nothing is paid back: the customer keeps a voucher." in reported


def test_only_a_parked_refund_is_tried_again(cli: Cli, parties: dict[str, str]) -> None:
    refund = cancelled(cli, provider="stripe", reference="pi_1")
    assert cli("refund", "retry", refund).code == 3


def test_a_refund_that_is_not_there(cli: Cli, parties: dict[str, str]) -> None:
    for verb in ("paid", "retry"):
        assert cli("refund", verb, "rfd_" + "0" * 32).code == 5
        assert cli("refund", verb, "nonsense").code == 2


def test_a_retailer_sees_its_own_refunds(cli: Cli, parties: dict[str, str]) -> None:
    refund = cancelled(cli)
    cli("party", "add", "retailer", "Other Shoes")
    assert [row[0] for row in cli("refunds", "--party", "Fine Shoes").lines] == [refund]
    assert cli("refunds", "--party", "Other Shoes").lines == []
    assert cli("refunds", "--party", "Alpine Supply").lines == []


def test_what_was_refunded_outside_is_corrected_with_a_note(cli: Cli, parties: dict[str, str]) -> None:
    refund = cancelled(cli)
    assert cli("refund", "correct", refund, "--elsewhere", "4.00").code == 2, "a note is needed"
    for amount in ("10.01", "-1", "1.001", "much"):
        result = cli("refund", "correct", refund, f"--elsewhere={amount}", "--note", "x")
        assert (result.code, "Traceback" in result.err) == (2, False), result.err
    result = cli("refund", "correct", refund, "--elsewhere", "4.00", "--note", "voucher in the shop")
    assert result.code == 0, result.err
    [row] = cli("refunds", "--json").json
    assert (row["state"], row["refunded_elsewhere"], row["step"]) == ("by_hand", "4.00", 2)
    reported = cli("timeline", row["line"]).out
    assert "corrected the refund of 10.00 EUR: 4.00 EUR of it was paid outside: voucher in the shop." in reported
    late = cli("refund", "correct", refund, "--elsewhere", "0.00", "--note", "no", "--step", "1")
    assert (late.code, "now at step 2" in late.err) == (3, True)
    assert cli("refund", "correct", refund, "--elsewhere", "10", "--note", "all of it").code == 0
    assert [row["state"] for row in cli("refunds", "--json").json] == ["confirmed"]
    assert cli("refund", "correct", "rfd_" + "0" * 32, "--elsewhere", "0", "--note", "x").code == 5
