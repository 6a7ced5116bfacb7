"""Placing an order: the only command that creates lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

from countermand.domain.dates import SKEW_MAX, write_moment
from countermand.domain.money.pricing import OrderMoney
from countermand.domain.parties import Actor
from countermand.domain.refusals import Refusal, RefusalKind

UNITS_MAX = 1_000_000
LINES_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLine:
    """One article to order. ``details`` is stored for readers; no rule uses it."""

    id: UUID
    fulfiller: UUID
    sku: str
    units: int
    title: str = ""
    unit_price_minor: int | None = None
    promised_on: date | None = None
    details: dict[str, Any]


class Repeats(Enum):
    """When an order repeats one that is there: never, if it has its reference, or if it has its id."""

    NEVER = "never"
    REFERENCE = "reference"
    ID = "id"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    """Place an order. While it is ``held``, the fulfillers do not have it, and its lines are cancelled at once (EC-20).

    ``money`` has these lines and is consistent (``pricing.why_not``). Without it, nothing is ever refunded.
    ``content`` is a fingerprint of what was handed in, which tells a repeat from another order.
    """

    id: UUID
    actor: Actor
    retailer: UUID
    reference: str
    placed_at: datetime
    lines: tuple[NewLine, ...]
    currency: str = "EUR"
    held: bool = False
    money: OrderMoney | None = None
    details: dict[str, Any]
    content: str = ""
    repeats: Repeats = Repeats.NEVER

    @property
    def ids(self) -> tuple[UUID, ...]:
        """The ids of the order and of its lines."""
        return (self.id, *(line.id for line in self.lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedOrder:
    """An order that is there. ``content`` is empty if it cannot be compared any more."""

    id: UUID
    retailer: UUID
    reference: str
    content: str


def placed_before(command: PlaceOrder, there: Sequence[PlacedOrder]) -> PlacedOrder | Refusal | None:
    """The order that this one repeats, why it cannot be placed beside those that are there, or ``None``."""
    if command.repeats is Repeats.NEVER:
        return None
    same = [each for each in there if each.id == command.id]
    if command.repeats is Repeats.REFERENCE:
        same += [each for each in there if each.reference == command.reference]
    of_retailer = [each for each in same if each.retailer == command.retailer]
    if not of_retailer:
        return None
    repeated = [each for each in of_retailer if each.content == command.content and each.content]
    if repeated:
        return repeated[0]
    first = of_retailer[0]
    named = "reference" if first.reference == command.reference else "id"
    detail = f"An order with this {named} is there already, and differs from this one."
    return Refusal(kind=RefusalKind.ORDER_EXISTS, detail=detail, order=first.id)


def why_not_placed(command: PlaceOrder) -> Refusal | None:
    """Why an order cannot be placed: a line needs 1 to 1,000,000 units, and an order 1 to 1,000 lines."""
    if not 1 <= len(command.lines) <= LINES_MAX:
        return Refusal(kind=RefusalKind.UNITS_INVALID, detail=f"An order has 1 to {LINES_MAX} lines.")
    if any(not 1 <= line.units <= UNITS_MAX for line in command.lines):
        return Refusal(kind=RefusalKind.UNITS_INVALID, detail=f"A line has 1 to {UNITS_MAX} units.")
    return None


def check_placed_at(placed_at: datetime | None, now: datetime) -> None:
    """Check when an order was placed.

    Raises:
        ValueError: the time is further ahead than clocks may differ.
    """
    if placed_at is not None and placed_at > now + SKEW_MAX:
        raise ValueError(
            f"placed_at: {write_moment(placed_at)} is more than {SKEW_MAX.total_seconds():.0f} seconds ahead of this"
            f" service, where it is {write_moment(now)}"
        )
