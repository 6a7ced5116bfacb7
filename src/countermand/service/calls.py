"""What goes down the write road and what comes back: calls and outcomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from countermand.domain.commands import Command, ShipOrder
from countermand.domain.decide import LineOutcome
from countermand.domain.orders import PlaceOrder
from countermand.domain.refusals import Refusal

NO_LINE: Final = UUID(int=0)
"""The id that no line has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """A call that must have its effect once: who calls, under which key, and a fingerprint of the content.

    Unless it ``keeps_refusals``, a repeat of what was refused is decided anew.
    """

    caller: str
    key: str
    fingerprint: str
    keeps_refusals: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRequest:
    """The caller wants a process status to poll: what it will say of itself."""

    event_type: str
    entity_id: str
    claimed_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One command on its way through the road, and what its door wants besides.

    ``line_number`` stands in for the line of the command where a door knows only bol's number of it.
    """

    command: Command | PlaceOrder
    door: str
    retailer: UUID | None = None
    line_number: int | None = None
    once: IdempotencyKey | None = None
    process: ProcessRequest | None = None

    @property
    def about(self) -> UUID:
        """The line or the order that the call is about; ``NO_LINE`` where there is to be none yet."""
        line: UUID | None = getattr(self.command, "line", None)
        order: UUID = getattr(self.command, "order", NO_LINE)
        return line or order


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The command was heeded, ``at`` a time. ``process`` is its process status, ``replayed`` marks a repeat by key.

    ``repeated`` are those of its ``cancellations`` for which the same was said before: this call changed nothing there.
    """

    fates: tuple[LineOutcome, ...] = ()
    cancellations: tuple[UUID, ...] = ()
    repeated: frozenset[UUID] = frozenset()
    parcel: UUID | None = None
    process: int | None = None
    at: datetime | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The command changed nothing."""

    refusal: Refusal
    process: int | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The database failed. ``unknown``: the effect may have been stored; the call can be repeated to find out."""

    unknown: bool = False


Outcome = Done | Refused | Failed


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
