"""A customer wants to be forgotten."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from countermand.admin.audit import Action, Author, Change, record
from countermand.domain.problems import UnknownError
from countermand.ids import show
from countermand.store.erasure import erase_customer


class UnknownOrderError(UnknownError):
    """There is no such order."""

    code = "unknown_order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """A customer's data are gone. ``now`` says that they were there until this."""

    order: UUID
    now: bool


def erase(connection: Connection, author: Author, order: UUID, *, note: str = "") -> Erased:
    """Erase the customer's name, addresses and words from an order. Amounts, reasons and events stay.

    Raises:
        UnknownOrderError: there is no such order.
    """
    erased = erase_customer(connection, order, at=author.at, by=author.name, note=note)
    if erased is None:
        raise UnknownOrderError(f"There is no order {show('ord', order)}.")
    if erased.now:
        detail = {"note": note} if note else {}
        record(
            connection,
            author,
            Change(action=Action.ORDER_ERASED, party=erased.retailer, target=order, detail=detail),
        )
    return Erased(order=order, now=erased.now)
