"""One word for a line: how far it is on its way. A cancellation that waits for its answer does not show.

``reads/order_lists.py`` has the same as conditions in SQL; a test holds the two together.
"""

from enum import StrEnum
from typing import Protocol


class LineStatus(StrEnum):
    """How far a line is. The first that fits holds."""

    SHIPPED = "shipped"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    BACKORDERED = "backordered"
    ALLOCATED = "allocated"
    UNALLOCATED = "unallocated"


class Allocation(StrEnum):
    """How much of a line its supplier has promised."""

    NOTHING = "nothing"
    PART = "part"
    ALL = "all"


class Units(Protocol):
    """The units of a line, as rules and reads have them."""

    @property
    def ordered(self) -> int: ...  # noqa: D102
    @property
    def shipped(self) -> int: ...  # noqa: D102
    @property
    def cancelled(self) -> int: ...  # noqa: D102
    @property
    def allocated(self) -> bool: ...  # noqa: D102
    @property
    def accepted(self) -> int: ...  # noqa: D102
    @property
    def backordered(self) -> int: ...  # noqa: D102
    @property
    def rejected(self) -> int: ...  # noqa: D102


def status_of(line: Units) -> LineStatus:
    """How far the line is."""
    if line.shipped:
        return LineStatus.SHIPPED
    if line.cancelled == line.ordered:
        return LineStatus.REJECTED if line.rejected >= line.cancelled else LineStatus.CANCELLED
    if line.backordered:
        return LineStatus.BACKORDERED
    return LineStatus.ALLOCATED if line.allocated else LineStatus.UNALLOCATED


def allocation_of(line: Units) -> Allocation:
    """How much of the line its supplier has promised."""
    if not line.allocated:
        return Allocation.NOTHING
    return Allocation.PART if 0 < line.accepted < line.ordered else Allocation.ALL
