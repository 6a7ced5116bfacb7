"""A line and its four buckets of units: ``ordered = open + asked + cancelled + shipped``, always, none negative."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from countermand.domain.commands import Asker
from countermand.domain.events import Event, EventKind
from countermand.domain.policy import Rule
from countermand.domain.reasons import CancelReason, DeclineReason


class State(StrEnum):
    """Where a cancellation stands. All but ``ASKED`` are final."""

    ASKED = "asked"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """An ask for some units of one line, with its answer.

    ``awaiting`` is the party whose answer is due, ``None`` once it is final or when an operator has to answer.
    ``unasked`` marks one that counts against the party that answered it: nobody had asked, or the asker's wish was
    not the reason given.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One article of an order, as it is now.

    ``retailer`` sold it, ``fulfiller`` holds the goods (the retailer itself unless a supplier does), and
    ``with_fulfiller`` says whether the fulfiller has been told of the order yet (EC-20). ``seq`` counts the line's
    events. ``cancellations`` holds those still asked, any that the command at hand names, and those
    that a customer asked and got while other units are open.

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
    allocated: bool = False
    accepted: int = 0
    backordered: int = 0
    rejected: int = 0
    backorder_on: date | None = None
    seq: int = 1
    cancellations: tuple[Cancellation, ...] = ()

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
    def told(self) -> tuple[UUID, ...]:
        """The parties that hear of what happens to the line; the platform hears of everything."""
        if self.fulfiller == self.retailer or not self.with_fulfiller:
            return (self.retailer,)
        return self.retailer, self.fulfiller

    @property
    def retailer_decides(self) -> bool:
        """Whether no supplier has a say: the retailer holds the goods, or the supplier was never told (EC-20)."""
        return self.fulfiller == self.retailer or not self.with_fulfiller


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a command did: the line after it, the cancellations it made or changed, and what to tell.

    No events means that the command had been heeded before (a repeat): the caller hears of success again.
    """

    line: Line
    cancellations: tuple[Cancellation, ...] = ()
    events: tuple[Event, ...] = ()


class Draft:
    """A line in the middle of a decision: each method moves units once and notes the event."""

    def __init__(self, line: Line, now: datetime) -> None:
        self._line = line
        self._now = now
        self._changed: dict[UUID, Cancellation] = {}
        self._events: list[Event] = []
        self._buckets = [line.open, line.asked, line.cancelled, line.shipped]
        self._allocation: dict[str, Any] = {}

    @property
    def open(self) -> int:
        """Units nobody has asked for, cancelled or shipped so far."""
        return self._buckets[0]

    @property
    def changed(self) -> bool:
        """Whether anything happened yet."""
        return bool(self._events)

    def ask(self, cancellation: Cancellation) -> None:
        """Open units become asked."""
        self._move(cancellation.units, -1, +1, 0, 0)
        self._tell(EventKind.CANCELLATION_ASKED, cancellation.units, cancellation, reason=cancellation.reason)

    def pass_on(
        self, cancellation: Cancellation, *, to: UUID | None, due_at: datetime | None, by_policy: bool = False
    ) -> None:
        """Somebody else's answer is due from now on; ``to=None`` is the operator's (policy: escalate)."""
        kind = EventKind.CANCELLATION_PASSED_ON if to else EventKind.CANCELLATION_ESCALATED
        changed = replace(cancellation, awaiting=to, due_at=due_at)
        rule = Rule.SILENCE if by_policy or to is None else None
        self._tell(kind, changed.units, changed, rule=rule)

    def accept(
        self,
        cancellation: Cancellation,
        units: int,
        by: UUID | None,
        *,
        reason: CancelReason | None = None,
        unasked: bool = False,
        note: str = "",
        rule: Rule = Rule.SILENCE,
    ) -> None:
        """Asked units become cancelled, those not accepted open again. ``by=None``: the policy did, by ``rule``."""
        self._move(units, 0, -1, +1, 0)
        self._move(cancellation.units - units, +1, -1, 0, 0)
        changed = self._answered(cancellation, State.ACCEPTED, by, accepted_units=units, unasked=unasked)
        changed = replace(changed, reason=reason or changed.reason, answer_note=note)
        spoke = rule if by is None else None
        self._tell(EventKind.CANCELLATION_ACCEPTED, units, changed, reason=changed.reason, note=note, rule=spoke)

    def cancel_own(self, cancellation: Cancellation) -> None:
        """Open units become cancelled, though nobody had asked."""
        self._move(cancellation.units, -1, 0, +1, 0)
        kind, note = EventKind.CANCELLATION_ACCEPTED, cancellation.note
        self._tell(kind, cancellation.units, cancellation, reason=cancellation.reason, note=note)

    def decline(self, cancellation: Cancellation, reason: DeclineReason, by: UUID, note: str = "") -> None:
        """Asked units become open again."""
        self._move(cancellation.units, +1, -1, 0, 0)
        changed = self._answered(cancellation, State.DECLINED, by, decline_reason=reason, answer_note=note)
        self._tell(EventKind.CANCELLATION_DECLINED, changed.units, changed, reason=reason, note=note)

    def withdraw(self, cancellation: Cancellation, by: UUID) -> None:
        """Asked units become open again, as the asker wishes."""
        self._move(cancellation.units, +1, -1, 0, 0)
        changed = self._answered(cancellation, State.WITHDRAWN, by)
        self._tell(EventKind.CANCELLATION_WITHDRAWN, changed.units, changed)

    def lapse(self, cancellation: Cancellation) -> None:
        """Asked units become open again, as nobody answered in time."""
        self._move(cancellation.units, +1, -1, 0, 0)
        changed = self._answered(cancellation, State.LAPSED, None)
        self._tell(EventKind.CANCELLATION_LAPSED, changed.units, changed, rule=Rule.SILENCE)

    def ship(self, units: int) -> None:
        """Open units become shipped."""
        self._move(units, -1, 0, 0, +1)
        self._tell(EventKind.LINE_SHIPPED, units)

    def change_transport(self, note: str) -> None:
        """No unit moves; the parcel's way does."""
        self._tell(EventKind.LINE_TRANSPORT_CHANGED, self._buckets[3], note=note)

    def allocate(self, *, accepted: int, backordered: int, rejected: int, backorder_on: date | None) -> None:
        """Note the fulfiller's word; rejected units are cancelled separately."""
        self._allocation = {
            "allocated": True,
            "accepted": accepted,
            "backordered": backordered,
            "rejected": rejected,
            "backorder_on": backorder_on,
        }
        self._tell(EventKind.LINE_ALLOCATED, accepted)

    def done(self) -> Decision:
        """The decision as a value."""
        known = [self._changed.get(c.id, c) for c in self._line.cancellations]
        before = {c.id for c in known}
        fresh = [c for c in self._changed.values() if c.id not in before]
        open_units, asked, cancelled, shipped = self._buckets
        line = replace(
            self._line,
            open=open_units,
            asked=asked,
            cancelled=cancelled,
            shipped=shipped,
            seq=self._line.seq + len(self._events),
            cancellations=(*known, *fresh),
            **self._allocation,
        )
        return Decision(line=line, cancellations=tuple(self._changed.values()), events=tuple(self._events))

    def _answered(self, cancellation: Cancellation, state: State, by: UUID | None, **more: Any) -> Cancellation:
        return replace(
            cancellation,
            state=state,
            awaiting=None,
            due_at=None,
            answered_at=self._now,
            answered_by=by,
            by_policy=by is None,
            **more,
        )

    def _move(self, units: int, *signs: int) -> None:
        for bucket, sign in enumerate(signs):
            self._buckets[bucket] += sign * units

    def _tell(
        self,
        kind: EventKind,
        units: int,
        cancellation: Cancellation | None = None,
        *,
        reason: str = "",
        note: str = "",
        rule: Rule | None = None,
    ) -> None:
        is_ask = kind is EventKind.CANCELLATION_ASKED
        if cancellation is not None:
            self._changed[cancellation.id] = cancellation
        open_units, asked, cancelled, shipped = self._buckets
        self._events.append(
            Event(
                kind=kind,
                seq=self._line.seq + len(self._events) + 1,
                units=units,
                open=open_units,
                asked=asked,
                cancelled=cancelled,
                shipped=shipped,
                cancellation=cancellation.id if cancellation else None,
                reason=reason,
                note=cancellation.note if cancellation and is_ask else note,
                by_policy=rule is not None,
                unasked=bool(cancellation and cancellation.unasked),
                asker=cancellation.asker if cancellation else None,
                state=cancellation.state if cancellation else "",
                asked_for=cancellation.reason if cancellation else CancelReason.NOT_STATED,
                awaiting=cancellation.awaiting if cancellation else None,
                due_at=cancellation.due_at if cancellation else None,
                policy_version=cancellation.policy_version if cancellation and (is_ask or rule) else None,
                rule=rule,
            )
        )
