"""Commands about the customer's money: what would go back, what is on its way."""

from decimal import Decimal
from functools import partial
from typing import Annotated

from cyclopts import Parameter
from sqlalchemy import Connection

from countermand import refunds as money
from countermand.cli.orders import EVERYTHING, find_line
from countermand.cli.output import Exit, fail, print_json, print_table
from countermand.cli.running import DatabaseFlag, JsonFlag, ask_database, read_settings
from countermand.domain.refusals import Refusal


def quote(
    *,
    line: Annotated[str, Parameter(help="Id of the line, or bol's number of it")],
    units: Annotated[int | None, Parameter(help="How many; all that can still be cancelled by default")] = None,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Tell what would go back to the customer if units of a line were cancelled. Changes nothing."""
    found = ask_database(read_settings(database=database), partial(_quoted, line=line, units=units))
    if isinstance(found, Refusal):
        fail(Exit.REFUSED, found.kind.value, found.detail)
    document = money.quote_document(found)
    if json:
        print_json(document)
        return
    rows = [
        *((f"Refund to payment {each['id']}", each["refund"], each["method"]) for each in document["payments"]),
        *((f"Release of payment {each['id']}", each["release"], each["method"]) for each in document["payments"]),
        ("Refund in all", document["refund"], ""),
        ("Goods", document["goods"], ""),
        ("Shipping", document["shipping"], ""),
        ("Tax in both", document["tax"], ""),
        ("Discount taken back", document["discount_taken_back"], ""),
        ("Not paid yet", document["unpaid"], ""),
        ("Commission returned", document["commission_returned"], ""),
    ]
    kept = [row for row in rows if Decimal(row[1]) or row[0] == "Refund in all"]
    print_table(("What", document["currency"], "By"), kept, empty="Nothing goes back.")


def _quoted(connection: Connection, *, line: str, units: int | None) -> money.Quoted | Refusal:
    row = find_line(connection, line)
    return money.quote_units(connection, EVERYTHING, {row.id: units})
