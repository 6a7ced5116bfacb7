"""A line in the middle of a decision. Each move of units is made here, once, and recorded by an event."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from countermand.domain.cancellation import MOVES
from countermand.domain.events import STEPS, Event, EventKind
from countermand.domain.line import Cancellation, Decided, Decision, Departed, Line, Remark, State
from countermand.domain.parties import Asker
from countermand.domain.policy import Rule
from countermand.domain.reasons import CancelReason, DeclineReason


class Draft:
    """What a command has done to a line so far."""

    def __init__(self, line: Line, now: datetime, by: UUID | None = None) -> None:
        self._line = line
        self._now = now
        self._by = by
        self._changed: dict[UUID, Cancellation] = {}
        self._events: list[Event] = []
        self._buckets = [line.open, line.asked, line.cancelled, line.shipped]
        self._allocation: dict[str, Any] = {}
        self._remarks: set[Remark] = set()
        self._former: UUID | None = None

    @property
    def open(self) -> int:
        """Units that are not asked, cancelled or shipped so far."""
        return self._buckets[0]

    @property
    def changed(self) -> bool:
        """Whether anything happened yet."""
        return bool(self._events)

    def ask(self, cancellation: Cancellation) -> None:
        """Open units become asked."""
        self._move(cancellation.units, -1, +1, 0, 0)
        self._record(
            EventKind.CANCELLATION_ASKED,
            cancellation.units,
            cancellation,
            reason=cancellation.reason,
            note=cancellation.note,
        )

    def pass_on(
        self,
        cancellation: Cancellation,
        *,
        to: UUID | None,
        due_at: datetime | None,
        by_policy: bool = False,
        note: str = "",
        units: int | None = None,
        rest_reason: DeclineReason | None = None,
    ) -> None:
        """The answer of another party is due now; ``to=None`` means an operator's (policy: escalate).

        With ``units`` only so many are passed on; the rest is open again, for ``rest_reason``.
        """
        kind = EventKind.CANCELLATION_PASSED_ON if to else EventKind.CANCELLATION_ESCALATED
        rest = 0 if units is None else cancellation.asked_units - units
        self._move(rest, +1, -1, 0, 0)
        changed = replace(
            cancellation,
            awaiting=to,
            due_at=due_at,
            decline_reason=None if to else cancellation.decline_reason,
            rest=cancellation.rest + rest,
            rest_reason=rest_reason if rest else cancellation.rest_reason,
        )
        rule = Rule.SILENCE if by_policy else None
        why_not = (rest_reason or "") if rest else ""
        self._record(kind, changed.asked_units, changed, note=note, rule=rule, rest=rest, rest_reason=why_not)

    def reassign(self, to: UUID, *, knows: bool, note: str) -> None:
        """Another fulfiller holds what is left. The allocation of the former one no longer counts."""
        self._former = self._line.fulfiller
        self._allocation = {
            "fulfiller": to,
            "with_fulfiller": knows,
            "fulfiller_gone": False,
            "allocated": False,
            "accepted": 0,
            "backordered": 0,
            "rejected": 0,
            "backorder_on": None,
            "departed": (*self._line.departed, Departed(party=self._former, to=to, at=self._now)),
        }
        units = self._buckets[0] + self._buckets[1]
        self._record(EventKind.LINE_REASSIGNED, units, note=note, former=self._former)

    def release(self) -> None:
        """The fulfiller has the order from now on."""
        self._allocation = {"with_fulfiller": True}
        self._record(EventKind.LINE_RELEASED, self._buckets[0] + self._buckets[1])

    def under_terms(self, cancellation: Cancellation, version: int) -> Cancellation:
        """The ask, under the policy with the new fulfiller from now on. There is no event of this."""
        changed = replace(cancellation, policy_version=version, moved_at=self._now)
        self._changed[changed.id] = changed
        return changed

    def hand_over(self, cancellation: Cancellation, *, to: UUID, due_at: datetime | None) -> None:
        """The answer of the new fulfiller is due, whatever the former one had answered."""
        changed = replace(
            cancellation,
            awaiting=to,
            due_at=due_at,
            decline_reason=None,
            agreed=False,
            answered_by=None,
            by_policy=False,
            answer_note="",
        )
        self._record(EventKind.CANCELLATION_PASSED_ON, changed.asked_units, changed, former=self._former)

    def accept(
        self,
        cancellation: Cancellation,
        units: int,
        by: UUID | None,
        *,
        rest_reason: DeclineReason | None = None,
        note: str = "",
        rule: Rule = Rule.SILENCE,
    ) -> None:
        """``units`` are accepted, and the others are open again. ``by=None``: the policy accepted, by ``rule``.

        An ask of a group waits until the others are accepted too (EC-18).
        """
        decided_by = rule if by is None else None
        if cancellation.group:
            changed = replace(
                cancellation,
                agreed=True,
                awaiting=None,
                answered_by=by,
                by_policy=by is None,
                decline_reason=None,
                answer_note=note,
            )
            self._record(EventKind.CANCELLATION_AGREED, units, changed, note=note, rule=decided_by)
        else:
            why_not = rest_reason if units < cancellation.asked_units else None
            more = {"decline_reason": why_not} if why_not else {}
            self._accept(cancellation, units, by, decided_by, answer_note=note, **more)

    def accept_for_good(
        self,
        cancellation: Cancellation,
        by: UUID,
        *,
        reason: CancelReason | None = None,
        unasked: bool = False,
        note: str = "",
    ) -> None:
        """All asked units become cancelled, also in a group: there are no goods to send."""
        reason = reason or cancellation.reason
        units = cancellation.asked_units
        self._accept(cancellation, units, by, None, reason=reason, unasked=unasked, answer_note=note)

    def accept_together(self, cancellation: Cancellation, *, unasked: bool) -> None:
        """All asks of the group are accepted: the units become cancelled (EC-18)."""
        assert State.ACCEPTED in MOVES[cancellation.state]
        self._move(cancellation.asked_units, 0, -1, +1, 0)
        changed = replace(
            cancellation,
            state=State.ACCEPTED,
            accepted_units=cancellation.asked_units,
            answered_at=self._now,
            unasked=unasked,
        )
        kind, reason = EventKind.CANCELLATION_ACCEPTED, changed.reason
        self._record(kind, changed.asked_units, changed, reason=reason, rule=Rule.TOGETHER)

    def cancel_own(
        self,
        id: UUID,  # noqa: A002 - a cancellation's id is its id
        units: int,
        reason: CancelReason,
        by: UUID,
        note: str = "",
    ) -> None:
        """Open units become cancelled by a cancellation that nobody asked for, final from the start."""
        cancellation = Cancellation(
            id=id,
            line=self._line.id,
            units=units,
            state=State.ACCEPTED,
            asker=Asker.NOBODY,
            asked_by=by,
            asked_at=self._now,
            reason=reason,
            note=note,
            accepted_units=units,
            answered_at=self._now,
            answered_by=by,
            unasked=True,
        )
        self._move(cancellation.units, -1, 0, +1, 0)
        kind, note = EventKind.CANCELLATION_ACCEPTED, cancellation.note
        self._record(kind, cancellation.units, cancellation, reason=cancellation.reason, note=note)

    def decline(
        self, cancellation: Cancellation, reason: DeclineReason, by: UUID, note: str = "", tracking: str = ""
    ) -> None:
        """Asked units become open again."""
        self._move(cancellation.asked_units, +1, -1, 0, 0)
        changed = self._answered(cancellation, State.DECLINED, by, decline_reason=reason, answer_note=note)
        kind = EventKind.CANCELLATION_DECLINED
        self._record(kind, changed.asked_units, changed, reason=reason, note=note, tracking=tracking)

    def ask_proof(self, cancellation: Cancellation, reason: DeclineReason, due_at: datetime, note: str) -> None:
        """No unit moves until the parcel is named, or the deadline for that has passed (EC-17)."""
        changed = replace(cancellation, decline_reason=reason, due_at=due_at, answer_note=note)
        self._record(EventKind.CANCELLATION_PROOF_ASKED, changed.asked_units, changed, reason=reason, note=note)

    def open_case(self, cancellation: Cancellation, reason: DeclineReason) -> None:
        """No unit moves; an operator has to look at it (EC-25)."""
        changed = self._changed.get(cancellation.id, cancellation)
        kind = EventKind.CANCELLATION_CASE_OPENED
        self._record(kind, changed.asked_units, changed, reason=reason, rule=Rule.CONTRADICTION)

    def note_late_answer(self, remark: Remark, cancellation: Cancellation, units: int, **words: Any) -> None:
        """No unit moves; a late answer is saved, with its reason and note (EC-23)."""
        self._remarks.add(remark)
        self._record(EventKind.CANCELLATION_LATE_ANSWER, units, cancellation, answer=remark.answer, **words)

    def withdraw(self, cancellation: Cancellation, by: UUID, note: str = "") -> None:
        """Asked units become open again: the asker withdrew."""
        self._move(cancellation.asked_units, +1, -1, 0, 0)
        changed = self._answered(cancellation, State.WITHDRAWN, by, answer_note=note)
        self._record(EventKind.CANCELLATION_WITHDRAWN, changed.asked_units, changed, note=note)

    def end_together(self, cancellation: Cancellation) -> None:
        """Asked units become open again, because another ask of the group was not accepted (EC-18)."""
        self._move(cancellation.asked_units, +1, -1, 0, 0)
        changed = self._answered(cancellation, State.WITHDRAWN, None, answer_note=ENDED_TOGETHER)
        kind, note = EventKind.CANCELLATION_WITHDRAWN, ENDED_TOGETHER
        self._record(kind, changed.asked_units, changed, note=note, rule=Rule.TOGETHER)

    def lapse(self, cancellation: Cancellation) -> None:
        """Asked units become open again, because the deadline passed without an answer."""
        self._move(cancellation.asked_units, +1, -1, 0, 0)
        changed = self._answered(cancellation, State.LAPSED, None)
        self._record(EventKind.CANCELLATION_LAPSED, changed.asked_units, changed, rule=Rule.SILENCE)

    def ship(self, units: int, tracking: str = "") -> None:
        """Open units become shipped."""
        self._move(units, -1, 0, 0, +1)
        self._record(EventKind.LINE_SHIPPED, units, tracking=tracking)

    def note(self, remark: Remark, cancellation: Cancellation) -> None:
        """No unit moves; a note to a cancellation is saved (EC-40)."""
        self._remarks.add(remark)
        kind = EventKind.CANCELLATION_NOTED
        self._record(kind, cancellation.asked_units, cancellation, note=remark.note, tracking=remark.tracking)

    def note_shipped_though_cancelled(self, remark: Remark) -> None:
        """No unit moves: units that were reported as shipped stay cancelled (EC-37)."""
        self._remarks.add(remark)
        self._record(EventKind.LINE_SHIPPED_THOUGH_CANCELLED, remark.units, tracking=remark.tracking)

    def change_transport(self, note: str) -> None:
        """No unit moves; the carrier or the number of a parcel is corrected."""
        self._record(EventKind.LINE_TRANSPORT_CHANGED, self._buckets[3], note=note)

    def allocate(self, *, accepted: int, backordered: int, rejected: int, backorder_on: date | None) -> None:
        """Record the fulfiller's allocation; rejected units are cancelled separately."""
        self._allocation = {
            "allocated": True,
            "accepted": accepted,
            "backordered": backordered,
            "rejected": rejected,
            "backorder_on": backorder_on,
        }
        self._record(EventKind.LINE_ALLOCATED, accepted)

    def done(self) -> Decision:
        """The decision as a value."""
        before = {c.id: c for c in self._line.cancellations}
        after = {**before, **self._changed}
        open_units, asked, cancelled, shipped = self._buckets
        line = replace(
            self._line,
            open=open_units,
            asked=asked,
            cancelled=cancelled,
            shipped=shipped,
            seq=self._line.seq + len(self._events),
            cancellations=tuple(after.values()),
            remarks=self._line.remarks | self._remarks if self._remarks else self._line.remarks,
            **self._allocation,
        )
        changed = tuple(c for of, c in self._changed.items() if not before or c != before.get(of))
        return Decision(line=line, cancellations=changed, events=tuple(self._events))

    def _accept(self, cancellation: Cancellation, units: int, by: UUID | None, rule: Rule | None, **more: Any) -> None:
        rest = cancellation.asked_units - units
        self._move(units, 0, -1, +1, 0)
        self._move(rest, +1, -1, 0, 0)
        more = {"decline_reason": cancellation.rest_reason, **more}
        changed = self._answered(cancellation, State.ACCEPTED, by, accepted_units=units, **more)
        self._record(
            EventKind.CANCELLATION_ACCEPTED,
            units,
            changed,
            reason=changed.reason,
            note=changed.answer_note,
            rule=rule,
            rest=rest,
            rest_reason=(changed.decline_reason or "") if rest else "",
        )

    def _answered(self, cancellation: Cancellation, state: State, by: UUID | None, **more: Any) -> Cancellation:
        assert state in MOVES[cancellation.state], (cancellation.state, state)
        answer = {"decline_reason": None, "answer_note": "", **more}
        return replace(
            cancellation,
            state=state,
            awaiting=None,
            answered_at=self._now,
            answered_by=by,
            by_policy=by is None,
            **answer,
        )

    def _move(self, units: int, *signs: int) -> None:
        for bucket, sign in enumerate(signs):
            self._buckets[bucket] += sign * units

    def _record(
        self,
        kind: EventKind,
        units: int,
        cancellation: Cancellation | None = None,
        *,
        rule: Rule | None = None,
        **more: Any,
    ) -> None:
        is_ask = kind is EventKind.CANCELLATION_ASKED
        if cancellation is not None:
            if kind in STEPS:
                cancellation = self._one_step_on(kind, cancellation, units, rule, more)
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
                unasked=bool(cancellation and cancellation.unasked),
                asker=cancellation.asker if cancellation else None,
                state=cancellation.state if cancellation else "",
                asked_for=cancellation.reason if cancellation else CancelReason.NOT_STATED,
                awaiting=cancellation.awaiting if cancellation else None,
                due_at=cancellation.due_at if cancellation else None,
                agreed=bool(cancellation and cancellation.agreed and cancellation.state is State.ASKED),
                policy_version=cancellation.policy_version if cancellation and (is_ask or rule) else None,
                step=cancellation.step if cancellation else None,
                waiting=cancellation.waiting_units if cancellation else 0,
                by_policy=rule is not None,
                rule=rule,
                at=self._now,
                **more,
            )
        )

    def _one_step_on(
        self, kind: EventKind, cancellation: Cancellation, units: int, rule: Rule | None, facts: dict[str, Any]
    ) -> Cancellation:
        """The cancellation after a decision on it. A cancellation without an ask stays at its first step."""
        latest = {each.id: each for each in self._line.cancellations} | self._changed
        before = latest.get(cancellation.id)
        if before is None:
            return cancellation
        decided = Decided(
            step=before.step,
            kind=kind,
            at=self._now,
            by=self._by if rule is None else None,
            awaited=before.awaiting,
            units=units,
            rest=facts.get("rest", 0),
            reason=str(facts.get("reason", "")),
            rule=rule,
        )
        return replace(cancellation, step=before.step + 1, decided=(*before.decided, decided))


def unmoved(line: Line, kinds: Sequence[EventKind], **facts: Any) -> Decision:
    """Events of a line, one after the other, that move no unit."""
    events = tuple(
        Event(
            kind=kind,
            seq=line.seq + place,
            units=0,
            open=line.open,
            asked=line.asked,
            cancelled=line.cancelled,
            shipped=line.shipped,
            **facts,
        )
        for place, kind in enumerate(kinds, start=1)
    )
    return Decision(line=replace(line, seq=line.seq + len(events)), events=events)


ENDED_TOGETHER = "Another line that was asked together with this one was not cancelled."
"""Why an ask ended that nobody declined. The party that declined the other one is not named."""
