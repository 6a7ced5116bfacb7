"""`countermand order erase`: a customer wants to be forgotten."""

from typing import Annotated

from cyclopts import Parameter

from countermand.cli import nouns
from countermand.cli.inputs import Note
from countermand.cli.output import report
from countermand.cli.running import DatabaseFlag, JsonFlag


def order_erase(
    order: Annotated[str, Parameter(help="Id of the order")],
    *,
    note: Annotated[Note, Parameter(help="Why; the service keeps it, with --server")] = "The customer asked for it.",
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Erase the customer's name, addresses and notes from an order. Amounts, reasons and events stay."""
    done, now = nouns.orders(database).erase(order, note)
    sentence = "The customer's data are erased." if now else "They had been erased before."
    report(sentence, json=json, order=done, erased=now)
