"""The input and the output of the write road: calls and outcomes."""

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
    """A call that must have its effect once: the caller, the key, and a fingerprint of the content.

    Unless it ``keeps_refusals``, a repeat of a refused call is decided again.
    """

    caller: str
    key: str
    fingerprint: str
    keeps_refusals: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRequest:
    """The caller needs a process status to poll, with these facts."""

    event_type: str
    entity_id: str
    claimed_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One command, and what its API needs besides.

    ``line_number`` is bol's number of the line, for an API that has only that.
    """

    command: Command | PlaceOrder
    door: str
    retailer: UUID | None = None
    line_number: int | None = None
    once: IdempotencyKey | None = None
    process: ProcessRequest | None = None

    @property
    def about(self) -> UUID:
        """The line or the order that the call is about; ``NO_LINE`` if it creates one."""
        line: UUID | None = getattr(self.command, "line", None)
        order: UUID = getattr(self.command, "order", NO_LINE)
        return line or order


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The command was accepted, ``at`` a time. ``process`` is its process status, ``replayed`` marks a repeat by key.

    ``repeated`` are those of its ``cancellations`` that got the same command before: this call did not change them.
    """

    outcomes: tuple[LineOutcome, ...] = ()
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
    """The database failed. ``unknown``: the effect may have been saved; the caller can repeat the call to find out."""

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
