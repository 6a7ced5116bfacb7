"""`countermand order erase`: a customer wants to be forgotten."""

from typing import Annotated

from cyclopts import Parameter
from sqlalchemy import Connection

from countermand.cli.orders import operator
from countermand.cli.output import Exit, fail, report
from countermand.cli.parties import find_id
from countermand.cli.running import DatabaseFlag, JsonFlag, read_settings, with_database
from countermand.ids import show
from countermand.road import Application
from countermand.store.erasure import erase_customer


def order_erase(
    order: Annotated[str, Parameter(help="Id of the order")], *, database: DatabaseFlag = None, json: JsonFlag = False
) -> None:
    """Erase the customer's name, addresses and notes from an order. Amounts, reasons and events stay."""
    wanted = find_id("ord", order)

    async def work(application: Application) -> bool | None:
        def erase(connection: Connection) -> bool | None:
            return erase_customer(connection, wanted, at=application.clock(), by=operator().name)

        return await application.database.write(erase)

    erased = with_database(read_settings(database=database), work)
    if erased is None:
        fail(Exit.NOT_FOUND, "unknown_order", f"There is no order {order}.", "See `countermand orders`.")
    sentence = "The customer's data are erased." if erased else "They had been erased before."
    report(sentence, json=json, order=show("ord", wanted), erased=erased)
