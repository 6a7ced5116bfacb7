"""Commands about the payments of an order: list them, add one, record a capture."""

from typing import Annotated

from cyclopts import Parameter

from countermand.cli import nouns
from countermand.cli.output import print_json, print_table, report, say
from countermand.cli.running import DatabaseFlag, JsonFlag
from countermand.domain.money.pricing import Method

OrderId = Annotated[str, Parameter(help="Id of the order")]
Called = Annotated[str, Parameter(name="--id", help="Id of the payment in the order")]


def payment_list(order: OrderId, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """List the payments of an order, and what is left to pay."""
    document = nouns.payments(database).of(order)
    if json:
        print_json(document)
        return
    columns = ("id", "provider", "reference", "captured", "authorised", "refunded", "released")
    rows = [tuple(each[name] for name in columns) for each in document["payments"]]
    print_table(tuple(name.capitalize() for name in columns), rows, empty="There are no payments.")
    say(f"Of {document['total']} {document['currency']}, {document['left_to_pay']} is left to pay.")


def payment_add(
    order: OrderId,
    *,
    called: Called,
    captured: Annotated[str, Parameter(help="Amount that was captured")] = "0",
    authorised: Annotated[str, Parameter(help="Amount that is reserved and not captured")] = "0",
    provider: Annotated[str, Parameter(help="The payment provider")] = "manual",
    reference: Annotated[str, Parameter(help="The provider's id of the payment")] = "",
    method: Annotated[Method, Parameter(help="What the customer paid with")] = Method.CARD,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Add a payment to an order that was placed before."""
    payment = {
        "id": called,
        "captured": captured,
        "authorised": authorised,
        "provider": provider,
        "reference": reference,
        "method": method.value,
    }
    report("The payment is added.", json=json, order=nouns.payments(database).add(order, payment))


def payment_capture(
    order: OrderId,
    *,
    called: Called,
    captured: Annotated[str, Parameter(help="Amount that has been captured in all")],
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Record how much of a payment has been captured in all."""
    report("The capture is recorded.", json=json, order=nouns.payments(database).capture(order, called, captured))
