"""A line and its four buckets of units: ``ordered = open + asked + cancelled + shipped``, always, none negative."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from countermand.domain.events import Event, EventKind
from countermand.domain.parties import Actor, Asker, PartyKind
from countermand.domain.policy import Rule
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.domain.values import value

NO_LINE: Final = UUID(int=0)
"""The id that no line has."""


class State(StrEnum):
    """The state of a cancellation. All but ``ASKED`` are final."""

    ASKED = "asked"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision on a cancellation, which ended its ``step``; ``awaited`` is the party whose answer was due then.

    ``units`` is how many units it was about. ``rest`` more units became open again by it. ``by`` is ``None`` if a
    ``rule`` decided.
    """

    step: int
    kind: EventKind
    at: datetime
    by: UUID | None
    awaited: UUID | None
    units: int
    rest: int = 0
    reason: str = ""
    rule: Rule | None = None


@value
class Cancellation:
    """An ask for some units of one line, with its answer.

    ``awaiting`` is the party whose answer is due. It is ``None`` when the cancellation is final, and when an operator
    has to answer. ``due_at`` is when an answer is, or was, due. ``unasked``: it counts against the party that answered
    it, because nobody had asked, or the reason given was not the asker's.

    Asks with the same ``group`` are accepted together or not at all. An ask that was accepted while others of its group
    wait has ``agreed`` (EC-18). ``decline_reason`` is why it was declined, or why the rest was. On an ask that still
    waits, it is what the fulfiller has yet to prove (EC-17).

    When the retailer accepts a part, the ``rest`` units become open again for ``rest_reason``, and the ask is about the
    others from then on. ``step`` starts at one and grows by one with each decision. ``decided`` are these decisions,
    loaded only if the command at hand may repeat one. At ``moved_at`` the line was given to another fulfiller, whose
    terms apply since then.
    """

    id: UUID
    line: UUID
    units: int
    state: State
    asker: Asker
    asked_by: UUID
    asked_at: datetime
    awaiting: UUID | None = None
    due_at: datetime | None = None
    policy_version: int = 0
    reason: CancelReason = CancelReason.NOT_STATED
    note: str = ""
    key: str = ""
    accepted_units: int = 0
    answered_at: datetime | None = None
    answered_by: UUID | None = None
    decline_reason: DeclineReason | None = None
    answer_note: str = ""
    by_policy: bool = False
    unasked: bool = False
    group: UUID | None = None
    agreed: bool = False
    rest: int = 0
    rest_reason: DeclineReason | None = None
    step: int = 1
    moved_at: datetime | None = None
    decided: tuple[Decided, ...] = field(default=(), compare=False)

    @property
    def asked_units(self) -> int:
        """The units that it is about, without those that the retailer did not accept."""
        return self.units - self.rest

    @property
    def waiting_units(self) -> int:
        """The units that wait for an answer."""
        return self.asked_units if self.state is State.ASKED else 0

    def is_overdue(self, now: datetime) -> bool:
        """Whether its deadline has passed without an answer."""
        waits = self.state is State.ASKED and not self.agreed
        return waits and self.due_at is not None and self.due_at <= now

    @property
    def awaits_proof(self) -> bool:
        """Whether it was declined as already shipped, and the parcel has yet to be named (EC-17)."""
        return self.state is State.ASKED and self.decline_reason is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What a party reported that changed nothing: a late answer, a parcel of cancelled units, or a note.

    It is saved once. If the same party reports the same again, it is a repeat (EC-23, EC-37).
    """

    by: UUID
    cancellation: UUID | None = None
    answer: str = ""
    units: int = 0
    tracking: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Departed:
    """A fulfiller that held the goods until the line was given to another one, ``to``."""

    party: UUID
    to: UUID
    at: datetime
    to_name: str = ""


@value
class Line:
    """One article of an order, as it is now.

    ``retailer`` sold it. ``fulfiller`` holds the goods: a supplier, or the retailer itself. ``with_fulfiller``: the
    fulfiller has the order (EC-20). ``fulfiller_gone``: it no longer takes part, so an operator answers for it (EC-26).
    ``seq`` counts the line's events.

    The rest is loaded as far as the command at hand needs it. ``cancellations`` are those that still wait, those that
    the command names, and all of them if it is an answer or nothing is open. ``remarks`` are earlier ones, if the
    command may repeat one. ``departed`` are the former fulfillers, if one of them acts.

    Raises:
        ValueError: the buckets do not sum to ``ordered``, or one is negative. No caller's input can cause this.
    """

    id: UUID
    retailer: UUID
    order: UUID
    fulfiller: UUID
    placed_at: datetime
    ordered: int
    open: int
    asked: int = 0
    cancelled: int = 0
    shipped: int = 0
    with_fulfiller: bool = True
    fulfiller_gone: bool = False
    allocated: bool = False
    accepted: int = 0
    backordered: int = 0
    rejected: int = 0
    backorder_on: date | None = None
    seq: int = 1
    cancellations: tuple[Cancellation, ...] = ()
    remarks: frozenset[Remark] = frozenset()
    departed: tuple[Departed, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if self.ordered != self.open + self.asked + self.cancelled + self.shipped:
            raise ValueError(f"units of line {self.id} do not sum to {self.ordered}")
        if min(self.open, self.asked, self.cancelled, self.shipped) < 0:
            raise ValueError(f"line {self.id} has a negative bucket")

    @property
    def asks(self) -> tuple[Cancellation, ...]:
        """The cancellations that still wait for an answer, oldest first."""
        return tuple(c for c in self.cancellations if c.state is State.ASKED)

    @property
    def notified(self) -> tuple[UUID, ...]:
        """The parties that are notified of the line's events. The platform is notified of all events."""
        if self.fulfiller == self.retailer or not self.with_fulfiller:
            return (self.retailer,)
        return self.retailer, self.fulfiller

    @property
    def retailer_decides(self) -> bool:
        """Whether the retailer alone decides: it holds the goods, or no supplier has the order yet (EC-20)."""
        return self.fulfiller == self.retailer or not self.with_fulfiller

    @property
    def holder(self) -> UUID:
        """Who decides on the goods: the supplier, or the retailer if it decides alone."""
        return self.retailer if self.retailer_decides else self.fulfiller

    def is_for_retailer(self, actor: Actor) -> bool:
        """Whether the actor is the line's retailer, or the platform in its place."""
        return actor.kind is PartyKind.PLATFORM or actor.party == self.retailer

    def has_a_say(self, actor: Actor) -> bool:
        """Whether the actor is a party of the line, or the platform."""
        return actor.kind is PartyKind.PLATFORM or actor.party in self.notified

    @property
    def holder_that_answers(self) -> UUID | None:
        """Whose answer is due if the supplier decides; ``None`` means an operator's."""
        return None if self.fulfiller_gone else self.fulfiller


@value
class Decision:
    """What a command did: the line after it, the cancellations that it made or changed, and the events.

    No events means that the command repeats an earlier one, and succeeds again. ``repeats`` are the cancellations that
    it repeats.
    """

    line: Line
    cancellations: tuple[Cancellation, ...] = ()
    events: tuple[Event, ...] = ()
    repeats: tuple[Cancellation, ...] = field(default=(), compare=False)

    def then(self, later: "Decision") -> "Decision":
        """Both decisions as one. ``later`` was decided on the line as this one left it."""
        changed = {each.id: each for each in (*self.cancellations, *later.cancellations)}
        return Decision(line=later.line, cancellations=tuple(changed.values()), events=(*self.events, *later.events))
