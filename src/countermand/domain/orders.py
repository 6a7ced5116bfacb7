"""Placing an order: the one command that makes lines instead of changing them."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from countermand.domain.dates import SKEW_MAX
from countermand.domain.money.pricing import OrderMoney
from countermand.domain.parties import Actor
from countermand.domain.refusals import Refusal, RefusalKind

UNITS_MAX = 1_000_000
LINES_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLine:
    """One article to order. ``details`` is kept for readers and never decided on."""

    id: UUID
    fulfiller: UUID
    sku: str
    units: int
    title: str = ""
    unit_price_minor: int | None = None
    promised_on: date | None = None
    details: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    """Place an order. ``held`` keeps it from the fulfillers for now (EC-20: such a line is cancelled at once).

    ``money`` holds together (``refund.why_not``) and has these lines; without it nothing is ever refunded.
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

    @property
    def ids(self) -> tuple[UUID, ...]:
        """The ids that the order brings with it: its own and its lines'."""
        return (self.id, *(line.id for line in self.lines))


def why_not_placed(command: PlaceOrder) -> Refusal | None:
    """Why an order cannot be placed as it is: every line needs 1 to 1,000,000 units, an order 1 to 1,000 lines."""
    if not 1 <= len(command.lines) <= LINES_MAX:
        return Refusal(kind=RefusalKind.UNITS_INVALID, detail=f"An order has 1 to {LINES_MAX} lines.")
    if any(not 1 <= line.units <= UNITS_MAX for line in command.lines):
        return Refusal(kind=RefusalKind.UNITS_INVALID, detail=f"A line has 1 to {UNITS_MAX} units.")
    return None


def check_placed_at(placed_at: datetime | None, now: datetime) -> None:
    """Whether an order can have been placed then.

    Raises:
        ValueError: it is further ahead than clocks differ.
    """
    if placed_at is not None and placed_at > now + SKEW_MAX:
        raise ValueError(
            f"placed_at: {placed_at.isoformat()} is more than {SKEW_MAX.total_seconds():.0f} seconds ahead of this"
            f" service, where it is {now.isoformat()}"
        )
