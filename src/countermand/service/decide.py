"""Deciding the calls of a batch, one after the other, on the lines as the calls before left them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from countermand.domain.commands import (
    Allocate,
    AllocateOrder,
    ChangeParcel,
    Command,
    OrderCommand,
    PassDeadline,
    Reassign,
    Ship,
    ShipOrder,
)
from countermand.domain.decide import LineOutcome, decide, decide_order, let_silence_speak
from countermand.domain.groups import settle
from countermand.domain.line import Cancellation, Decision, Line
from countermand.domain.money.commands import PaymentCommand, RefundCommand
from countermand.domain.orders import PlaceOrder
from countermand.domain.parcels import changed as changed_parcel
from countermand.domain.parcels import reported, reported_before
from countermand.domain.parties import Actor
from countermand.domain.refusals import UNKNOWN_LINE, Refusal
from countermand.service.agreements import Agreements
from countermand.service.calls import Call, Done, Outcome, Refused
from countermand.service.effects import Following
from countermand.service.idempotency import answer_again, keep_answer
from countermand.service.money import Refunding
from countermand.service.orders import Placing
from countermand.service.process_status import open_process
from countermand.service.rows import Rows
from countermand.service.shipments import note_parcel, note_parcel_change, shipped
from countermand.service.workspace import Workspace

BY_POLICY: Final = "policy"
"""The door of what no call brought about: silence, once its time has come."""

Result = tuple[LineOutcome, ...] | Refusal


@dataclass(frozen=True, slots=True)
class Deciding:
    """Decides calls, and hands on what follows from each."""

    known: Workspace
    rows: Rows
    agreements: Agreements
    placing: Placing
    following: Following
    refunding: Refunding

    def answer(self, call: Call) -> Outcome:
        """Decide one call; one whose key was used before hears what was answered then."""
        once, retailer = call.once, self.known.retailer_of(call)
        if once is None or retailer is None:
            return self._decide(call)
        key = (retailer, once.caller, once.key)
        if key in self.known.answers:
            return answer_again(self.known.answers[key], once)
        outcome = self._decide(call)
        if once.keeps_refusals or isinstance(outcome, Done):
            self.known.answers[key] = keep_answer(self.rows, retailer, once, outcome)
        return outcome

    def _decide(self, call: Call) -> Outcome:
        command = call.command
        if isinstance(command, PlaceOrder):
            return self.placing.place(command, call.door)
        lines = self.known.lines_of(command)
        self._let_silence_speak(lines)
        result = self._decided(command)
        changed, repeated = self._follow(command, result, call.door)
        refusal, fates = (result, ()) if isinstance(result, Refusal) else (None, result)
        process = None
        if call.process and call.retailer:
            lines = self.known.lines_of(command)
            line = self.known.lines[lines[0]] if lines else None
            process = open_process(self.rows, call.process, call.retailer, refusal or line, changed)
        if refusal:
            return Refused(refusal=replace(refusal, noted=()), process=process, at=self.rows.now)
        return Done(
            fates=fates,
            cancellations=tuple(each.id for each in changed),
            repeated=repeated,
            parcel=self._parcel_of(command),
            process=process,
            at=self.rows.now,
        )

    # Ask the rules

    def _let_silence_speak(self, lines: Sequence[UUID]) -> None:
        """The deadlines that have passed by now come first, whether or not the worker has seen to them yet (EC-27)."""
        lines = self._asked_together(lines)
        while overdue := [due for line in lines if (due := self._longest_due(line))]:
            at = min(overdue)
            for line_id in lines:
                line = self.known.lines[line_id]
                asked_under = partial(self.agreements.policy_asked_under, line)
                spoken = let_silence_speak(line, self.rows.now, asked_under, until=at)
                if spoken:
                    self.following.note(spoken, None, BY_POLICY)
            self._settle_together(lines, None, BY_POLICY, at)

    def _longest_due(self, line: UUID) -> datetime | None:
        due = (ask.due_at for ask in self.known.lines[line].asks if ask.is_overdue(self.rows.now))
        return min((at for at in due if at), default=None)

    def _asked_together(self, lines: Sequence[UUID]) -> Sequence[UUID]:
        """These lines, with those of their order whose fate hangs on theirs."""
        known = self.known
        if not any(ask.group for line in lines for ask in known.lines[line].asks):
            return lines
        return known.lines_of_order[known.lines[lines[0]].order]

    def _decided(self, command: Command) -> Result:
        if isinstance(command, OrderCommand):
            return self._decided_order(command)
        if isinstance(command, PaymentCommand):
            return self.refunding.pay(command)
        line = self.known.lines.get(command.line)
        if line is None:
            return UNKNOWN_LINE
        if isinstance(command, RefundCommand):
            return self.refunding.decide(command)
        if isinstance(command, Reassign):
            line_then, command = replace(line, fulfiller=command.fulfiller), self._with_facts(line, command)
        else:
            line_then = line
        policy, asked_under = self.agreements.policy(line_then), partial(self.agreements.policy_asked_under, line)
        outcome = decide(line, command, self.rows.now, policy, self.rows.new_id, asked_under)
        return outcome if isinstance(outcome, Refusal) else (LineOutcome(line=line.id, outcome=outcome),)

    def _with_facts(self, line: Line, command: Reassign) -> Reassign:
        """With what the rules have to know of the new fulfiller."""
        own = command.fulfiller == line.retailer
        takes_part = command.fulfiller not in self.agreements.gone
        return replace(command, takes_part=takes_part, knows=own or self.known.articles[line.id][2])

    def _decided_order(self, command: OrderCommand) -> Result:
        lines = [self.known.lines[line] for line in self.known.lines_of(command)]
        agreed = self.agreements
        parcels = self.known.parcels.get(command.order, ())
        return decide_order(
            lines, command, self.rows.now, agreed.policy, self.rows.new_id, agreed.policy_asked_under, parcels
        )

    def _settle_together(
        self, lines: Sequence[UUID], actor: Actor | None, door: str, at: datetime | None = None
    ) -> None:
        """What the asks of an order mean for each other, once one of them was answered (EC-18), ``at`` a time."""
        known = self.known
        if not any(each.group for line in lines for each in known.lines[line].cancellations):
            return
        together = known.lines_of_order[known.lines[lines[0]].order]
        for decision in settle([known.lines[line] for line in together], at or self.rows.now):
            self.following.note(decision, actor, door)

    # Hand on what follows

    def _follow(self, command: Command, result: Result, door: str) -> tuple[Sequence[Cancellation], frozenset[UUID]]:
        """Note all that a command did. Returns the cancellations that it was about, and which of them it repeats."""
        actor = None if isinstance(command, PassDeadline) else command.actor
        for told in _noted(result):
            self.following.note(told, actor, door)
        fates = () if isinstance(result, Refusal) else result
        changed: list[Cancellation] = []
        repeated: set[UUID] = set()
        for fate in fates:
            if isinstance(fate.outcome, Decision):
                self.following.note(fate.outcome, actor, door)
                concerned = _concerned(fate.outcome, command)
                changed += concerned
                repeated |= set() if fate.outcome.events else {each.id for each in concerned}
        self._settle_together(self.known.lines_of(command), actor, door)
        if isinstance(command, ShipOrder | ChangeParcel) and any(_did_something(fate) for fate in fates):
            self._follow_parcel(command, fates)
        return changed, frozenset(repeated)

    def _follow_parcel(self, command: ShipOrder | ChangeParcel, fates: Sequence[LineOutcome]) -> None:
        first = self.known.lines[command.lines[0].line]
        parcels = self.known.parcels.setdefault(command.order, [])
        if isinstance(command, ShipOrder):
            note_parcel(self.rows, command, first, fates)
            parcels.append(reported(command.parcel, shipped(fates)))
        else:
            note_parcel_change(self.rows, command, first.retailer)
            self.known.parcels[command.order] = [changed_parcel(each, command) for each in parcels]

    def _parcel_of(self, command: Command) -> UUID | None:
        """The parcel that a report is about; of a repeat, the one that was reported before."""
        if not isinstance(command, ShipOrder):
            return None
        parcels = self.known.parcels.get(command.order, ())
        if any(each.id == command.parcel.id for each in parcels):
            return command.parcel.id
        before = reported_before(command, [self.known.lines[line] for line in self.known.lines_of(command)], parcels)
        return before.id if before else None


def _did_something(fate: LineOutcome) -> bool:
    return isinstance(fate.outcome, Decision) and bool(fate.outcome.events)


def _noted(result: Result) -> Iterator[Decision]:
    """What a refusal leaves behind though it changes nothing: of the whole command, or of some of its lines."""
    if isinstance(result, Refusal):
        yield from result.noted
        return
    for fate in result:
        if isinstance(fate.outcome, Refusal):
            yield from fate.outcome.noted


_AsksNothing = Reassign | Ship | Allocate | ShipOrder | AllocateOrder | RefundCommand | PaymentCommand


def _concerned(decision: Decision, command: Command) -> tuple[Cancellation, ...]:
    """The cancellations that a command made or changed; of a repeat, those that it had made or changed before."""
    if decision.events or isinstance(command, _AsksNothing):
        return decision.cancellations
    if decision.repeats:
        return decision.repeats
    named = getattr(command, "cancellation", None)
    if named is not None:
        return tuple(each for each in decision.line.cancellations if each.id == named)
    return decision.line.asks
