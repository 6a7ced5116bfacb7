"""The table of moves of a cancellation, and the parties that may make them."""

from collections.abc import Callable, Mapping
from typing import Final
from uuid import UUID

from countermand.domain.line import Cancellation, Line, State
from countermand.domain.parties import Asker
from countermand.domain.policy import Policy
from countermand.domain.reasons import CancelReason
from countermand.domain.refusals import (
    UNKNOWN_CANCELLATION,
    Refusal,
)

NewId = Callable[[], UUID]


AskedUnder = Callable[[Cancellation], Policy]
"""Gives the version of the policy that was valid when a cancellation was asked. It applies to it (EC-33)."""

MOVES: Final[Mapping[State, frozenset[State]]] = {
    State.ASKED: frozenset({State.ACCEPTED, State.DECLINED, State.WITHDRAWN, State.LAPSED}),
    State.ACCEPTED: frozenset(),
    State.DECLINED: frozenset(),
    State.WITHDRAWN: frozenset(),
    State.LAPSED: frozenset(),
}
"""The next states of each state. Neither ``transition`` nor the UPDATE of a cancellation makes any other move."""


def is_retailers_turn(line: Line, ask: Cancellation) -> bool:
    """Whether a customer asked, and the retailer has not answered yet."""
    return ask.asker is Asker.CUSTOMER and ask.awaiting == line.retailer


def is_with_supplier(line: Line, ask: Cancellation) -> bool:
    """Whether a customer asked, and the supplier answers after the retailer, or has agreed."""
    if ask.asker is not Asker.CUSTOMER or line.retailer_decides:
        return False
    return ask.awaiting == line.fulfiller or ask.agreed


def is_customers_wish(ask: Cancellation, reason: CancelReason) -> bool:
    """Whether the customer asked for it, and the reason says so."""
    return ask.asker is Asker.CUSTOMER and reason is CancelReason.REQUESTED_BY_CUSTOMER


def cancellations_named(line: Line, cancellation: UUID | None) -> list[Cancellation] | Refusal:
    """The cancellation with this id, or all that wait."""
    if cancellation is None:
        return list(line.asks)
    return [c for c in line.cancellations if c.id == cancellation] or UNKNOWN_CANCELLATION
