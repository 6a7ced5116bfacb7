"""A customer wants to be forgotten."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

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


def erase(connection: Connection, now: datetime, order: UUID, *, by: str, note: str = "") -> Erased:
    """Erase the customer's name, addresses and words from an order. Amounts, reasons and events stay.

    Raises:
        UnknownOrderError: there is no such order.
    """
    erased = erase_customer(connection, order, at=now, by=by, note=note)
    if erased is None:
        raise UnknownOrderError(f"There is no order {show('ord', order)}.")
    return Erased(order=order, now=erased)
