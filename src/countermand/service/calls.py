"""The input and the output of the write road: calls and outcomes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from countermand.domain.commands import Command
from countermand.domain.decide import LineOutcome
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.orders import PlaceOrder
from countermand.domain.refusals import Refusal
from countermand.domain.values import value


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRequest:
    """The caller needs a process status to poll, with these facts. An empty ``entity_id`` is a parcel that is made."""

    event_type: str
    entity_id: str
    claimed_at: str = ""


@value
class Reply:
    """How what a caller gets is made of the result of its call, in the transaction of its effect.

    ``question`` says what is asked about the result. ``ask`` gives the answers to all questions of a batch that have
    the same one. ``write`` makes the reply of such an answer.
    """

    question: "Callable[[Done], Any]"
    ask: Callable[[Connection, Sequence[Any]], Sequence[Any]]
    write: "Callable[[Any, Done], bytes]"


@value
class Call:
    """One command, and what its API needs besides.

    ``line_number`` is bol's number of the line, for an API that has only that. ``reply`` is kept under the key of the
    call. ``dry_run`` decides the call, and saves nothing.
    """

    command: Command | PlaceOrder
    door: str
    retailer: UUID | None = None
    line_number: int | None = None
    once: IdempotencyKey | None = None
    process: ProcessRequest | None = None
    reply: "Reply | None" = None
    dry_run: bool = False


@value
class Done:
    """The command was accepted, ``at`` a time. ``process`` is its process status, ``replayed`` marks a repeat by key.

    ``repeated`` are those of its ``cancellations`` that got the same command before: this call did not change them.
    ``reply`` is what the caller gets, where it is kept under a key.
    ``order`` is the one that was placed, or that was there already: then ``order_repeated``.
    """

    outcomes: tuple[LineOutcome, ...] = ()
    cancellations: tuple[UUID, ...] = ()
    repeated: frozenset[UUID] = frozenset()
    parcel: UUID | None = None
    order: UUID | None = None
    order_repeated: bool = False
    process: int | None = None
    at: datetime | None = None
    replayed: bool = False
    reply: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The command changed nothing. ``replayed`` marks a repeat by key."""

    refusal: Refusal
    process: int | None = None
    at: datetime | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The database failed. ``unknown``: the effect may have been saved; the caller can repeat the call to find out."""

    unknown: bool = False


Outcome = Done | Refused | Failed
