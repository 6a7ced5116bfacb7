"""Orders: who takes part in one that is handed in by name, and forgetting the customer of one."""

from uuid import UUID

from sqlalchemy import Connection

from countermand.admin.audit import Author
from countermand.admin.erasure import Erased, erase
from countermand.admin.finding import find_party
from countermand.documents.orders import OrderIn
from countermand.domain.parties import PartyKind
from countermand.domain.problems import UnfitError
from countermand.reads.lines import LineDetail
from countermand.reads.order_summaries import OrderSummary, order_with_lines
from countermand.reads.scope import Scope
from countermand.reads.views import PartyView


def erase_and_show(
    connection: Connection, author: Author, scope: Scope, *, order: UUID, note: str
) -> tuple[Erased, tuple[OrderSummary, list[LineDetail]] | None]:
    """Erase the customer of an order, and show the order as it is then.

    Raises:
        UnknownOrderError: there is no such order.
    """
    erased = erase(connection, author, order, note=note)
    return erased, order_with_lines(connection, scope, order)


class WrongPartyError(UnfitError):
    """The kind of party cannot sell, or cannot hold goods."""

    code = "wrong_party"


def parties_of(connection: Connection, order: OrderIn, found: dict[str, PartyView]) -> dict[str, UUID]:
    """Every party that an order names. Those that were ``found`` before are not looked for again.

    Raises:
        UnknownPartyError: there is no such party.
        WrongPartyError: one of them cannot do what it shall.
    """
    ids = {}
    for text in sorted({order.retailer, *(line.supplier for line in order.lines if line.supplier)}):
        if text not in found:
            found[text] = find_party(connection, text)
        row = found[text]
        kind, sells = PartyKind(row.kind), text == order.retailer
        if kind is PartyKind.PLATFORM or (sells and kind is not PartyKind.RETAILER):
            doing = "sell" if sells else "hold goods"
            raise WrongPartyError(f"{text} is a {kind.value}, which cannot {doing}.")
        ids[text] = row.id
    return ids
