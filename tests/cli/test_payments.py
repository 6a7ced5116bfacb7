"""`countermand payment`: how an order is paid, once it was handed in."""

import json

import pytest

from tests.cli.conftest import Cli, order

pytestmark = pytest.mark.usefixtures("parties")


def placed(cli: Cli, *payments: dict[str, str]) -> str:
    """An order of three units for 30.00."""
    document = order("PO-1", 3, payments=list(payments))
    document["lines"][0]["unit_price"] = "10"
    return str(json.loads(cli("order", "add", "-", "--json", stdin=json.dumps(document)).out)[0]["id"])


def test_an_order_is_paid_later(cli: Cli) -> None:
    order = placed(cli)
    card = ("--id", "card", "--provider", "stripe", "--reference", "pi_1", "--authorised", "30")
    assert (added := cli("payment", "add", order, *card)).code == 0, added.err
    assert added.err == "The payment is added.\n"
    assert cli("payment", "capture", order, "--id", "card", "--captured", "12.50").code == 0
    assert cli("payment", "list", order).lines == [["card", "stripe", "pi_1", "12.50", "17.50", "0.00", "0.00"]]
    shown = cli("payment", "list", order, "--json").json
    assert (shown["total"], shown["left_to_pay"]) == ("30.00", "0.00")


def test_the_timeline_tells_of_payments(cli: Cli) -> None:
    order = placed(cli, {"id": "card", "authorised": "30"})
    cli("payment", "capture", order, "--id", "card", "--captured", "10")
    line = cli("orders", "--json").json[0]["lines"][0]["id"]
    assert "recorded a capture of payment card: 10.00 EUR captured, 20.00 reserved." in cli("timeline", line).out


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("add", "ORDER", "--id", "card", "--captured", "1"), 3, "another payment called card"),
        (("add", "ORDER", "--id", "other", "--captured", "0.01"), 3, "0.00 EUR is left to pay"),
        (("add", "ORDER", "--id", "no spaces", "--captured", "1"), 2, "pattern"),
        (("add", "ORDER", "--id", "x", "--captured", "1.001"), 2, "more decimals"),
        (("add", "ORDER", "--id", "x", "--captured", "much"), 2, "no amount"),
        (("add", "ORDER", "--id", "x", "--captured", "Infinity"), 2, "no amount"),
        (("capture", "ORDER", "--id", "card", "--captured", "30.01"), 3, "30.00 EUR can be captured"),
        (("capture", "ORDER", "--id", "x", "--captured", "1"), 5, "no payment called x"),
        (("capture", "ord_" + "0" * 32, "--id", "x", "--captured", "1"), 5, "no such order"),
        (("capture", "what", "--id", "x", "--captured", "1"), 2, "not an id"),
        (("list", "ord_" + "0" * 32), 5, "no such order"),
    ],
)
def test_what_does_not_fit_is_refused(cli: Cli, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    order = placed(cli, {"id": "card", "authorised": "30"})
    refused = cli("payment", *(order if each == "ORDER" else each for each in arguments))
    assert refused.code == code
    assert sentence in refused.err


def test_a_customer_is_erased_from_an_order(cli: Cli) -> None:
    order = placed(cli)
    first, again = cli("order", "erase", order), cli("order", "erase", order)
    assert (first.code, first.err) == (0, "The customer's data are erased.\n")
    assert (again.code, again.err) == (0, "They had been erased before.\n")
    assert cli("order", "erase", "ord_" + "0" * 32).code == 5
    assert cli("order", "erase", "who").code == 2
