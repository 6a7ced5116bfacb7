"""Numbers and ids that a lane assigns in order: bol's numbers, reserved ahead, and the ids of its events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from countermand.domain.commands import ShipOrder
from countermand.domain.orders import PlaceOrder
from countermand.service.calls import Call
from countermand.store import statements as sql


class Numbers:
    """bol's numbers, taken from blocks that are reserved in separate transactions."""

    NAME: Final = "bol"
    BLOCK: Final = 1_000

    def __init__(self) -> None:
        self._next = 0
        self._end = 0

    def lacking(self, needed: int) -> int:
        """How many numbers must be reserved before ``needed`` can be taken; 0 when there are enough."""
        return max(self.BLOCK, needed) if needed > self._end - self._next else 0

    def reserve(self, connection: Connection, size: int) -> None:
        """Take the next block. The rest of the last one is lost, which does no harm."""
        end = connection.execute(sql.TAKE_NUMBERS, {"of_name": self.NAME, "size": size}).scalar_one()
        self._next, self._end = end - size, end

    def forget(self) -> None:
        """Discard the current block."""
        self._next = self._end = 0

    def take(self) -> int:
        """The next number.

        Raises:
            LookupError: ``lacking`` was not asked before.
        """
        if self._next >= self._end:
            raise LookupError("no numbers reserved")
        self._next += 1
        return self._next - 1


class NoNumbers(Numbers):
    """Stands for numbers where nothing is saved."""

    def lacking(self, needed: int) -> int:
        """None."""
        return 0

    def take(self) -> int:
        """No number."""
        return 0


@dataclass(slots=True)
class EventIds:
    """The ids of a lane's events. Those of one millisecond sort in the order in which they are made."""

    _last: int = 0

    def in_order(self, made: UUID) -> UUID:
        """The id, or one just after the last id if it would sort before that."""
        same_millisecond = made.int >> 80 == self._last >> 80
        if same_millisecond and made.int <= self._last:
            made = UUID(int=self._last + 1 + (made.int & 0xFFFF_FFFF))
        self._last = made.int
        return made


def numbers_needed(calls: Sequence[Call]) -> int:
    """How many of bol's numbers these calls take at most: orders, their lines, parcels, process statuses."""
    return sum(_numbers_needed(call) for call in calls)


def _numbers_needed(call: Call) -> int:
    needed = 1 if call.process else 0
    if isinstance(call.command, ShipOrder):
        needed += 1
    if isinstance(call.command, PlaceOrder):
        needed += 1 + len(call.command.lines)
    return needed
