"""Placing an order: the only command that creates lines."""

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
    """One article to order. ``details`` is stored for readers; no rule uses it."""

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
    """Place an order. While it is ``held``, the fulfillers do not have it, and its lines are cancelled at once (EC-20).

    ``money`` has these lines and is consistent (``pricing.why_not``). Without it, nothing is ever refunded.
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
        """The ids of the order and of its lines."""
        return (self.id, *(line.id for line in self.lines))


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
            f"placed_at: {placed_at.isoformat()} is more than {SKEW_MAX.total_seconds():.0f} seconds ahead of this"
            f" service, where it is {now.isoformat()}"
        )
