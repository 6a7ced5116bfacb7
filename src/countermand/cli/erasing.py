"""`countermand order erase`: a customer wants to be forgotten."""

from functools import partial
from typing import Annotated

from cyclopts import Parameter

from countermand.admin.erasure import Erased, erase
from countermand.cli.orders import operator
from countermand.cli.output import report
from countermand.cli.parties import find_id
from countermand.cli.running import DatabaseFlag, JsonFlag, read_settings, with_database
from countermand.ids import show
from countermand.road import Application


def order_erase(
    order: Annotated[str, Parameter(help="Id of the order")], *, database: DatabaseFlag = None, json: JsonFlag = False
) -> None:
    """Erase the customer's name, addresses and notes from an order. Amounts, reasons and events stay."""
    wanted = find_id("ord", order)

    async def work(application: Application) -> Erased:
        forget = partial(erase, now=application.clock(), order=wanted, by=operator().name)
        return await application.database.write(forget)

    erased = with_database(read_settings(database=database), work)
    sentence = "The customer's data are erased." if erased.now else "They had been erased before."
    report(sentence, json=json, order=show("ord", wanted), erased=erased.now)
