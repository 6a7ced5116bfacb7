"""Answers to asks: accept, decline, one call for both, notes; and answers that are late or repeated."""

from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from countermand.domain.asking import answer_waiting, ask, cancel_own
from countermand.domain.cancellation import (
    AskedUnder,
    NewId,
    cancellations_named,
    is_customers_wish,
    is_retailers_turn,
    is_with_supplier,
)
from countermand.domain.commands import (
    AcceptCancellation,
    AskCancellation,
    CancelOwn,
    DeclineCancellation,
    NoteCancellation,
    RetailerCancel,
)
from countermand.domain.events import EventKind
from countermand.domain.line import Cancellation, Decided, Decision, Line, Remark, State
from countermand.domain.outcome import answered_last, count
from countermand.domain.parties import Actor, Asker, PartyKind
from countermand.domain.policy import Policy
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.domain.refusals import (
    UNKNOWN_LINE,
    Refusal,
    RefusalKind,
    all_or_nothing,
    already_answered,
    answered_for,
    first,
    nothing_asked,
    state_changed,
    step_needed,
    too_many_units,
    units_invalid,
)
from countermand.domain.transition import Draft


def accept(line: Line, command: AcceptCancellation, now: datetime, asked_under: AskedUnder) -> Decision | Refusal:
    """Accept asked units. If a supplier holds the goods, a retailer that accepts a customer's ask passes it on.

    Only the units that the retailer accepts are passed on. The rest is open again.
    """
    chosen = _to_answer(line, command)
    if command.units is not None and command.units < 1:
        return _flawed(chosen, units_invalid())
    if isinstance(chosen, Refusal):
        if chosen.kind in _MOVED_ON and (repeated := _answered_before(line, command)):
            return Decision(line=line, repeats=repeated)
        return _saved_as_late(line, command, now, chosen)
    if command.units is not None and command.units > chosen[0].asked_units:
        return too_many_units(line, command.units, asked=chosen[0].asked_units)
    if command.units is not None and command.units < chosen[0].asked_units and chosen[0].group:
        return all_or_nothing(chosen[0])
    draft = Draft(line, now, command.actor.party)
    for cancellation in chosen if command.units is None else chosen[:1]:
        units = cancellation.asked_units if command.units is None else command.units
        actor, why_not = command.actor.party, command.rest_reason
        if is_retailers_turn(line, cancellation) and not line.retailer_decides:
            draft.pass_on(
                cancellation,
                to=line.holder_that_answers,
                due_at=asked_under(cancellation).answer_due(now),
                note=command.note,
                units=units,
                rest_reason=why_not,
            )
        else:
            draft.accept(cancellation, units, actor, rest_reason=why_not, note=command.note)
    return draft.done()


def decline(line: Line, command: DeclineCancellation, now: datetime, asked_under: AskedUnder) -> Decision | Refusal:
    """Decline asked units, which stay on order. A decline as already shipped may need a proof first (EC-17)."""
    chosen = _to_answer(line, command)
    if command.reason is None:
        required = Refusal(kind=RefusalKind.REASON_REQUIRED, detail="A decline must say why: give a reason.")
        return _flawed(chosen, required)
    if isinstance(chosen, Refusal):
        if chosen.kind in _MOVED_ON and (repeated := _answered_before(line, command)):
            return Decision(line=line, repeats=repeated)
        return _saved_as_late(line, command, now, chosen)
    draft = Draft(line, now, command.actor.party)
    for cancellation in chosen:
        terms = asked_under(cancellation)
        proof_due = terms.proof_due(now) if _needs_proof(command) else None
        if proof_due is None:
            draft.decline(cancellation, command.reason, command.actor.party, command.note, command.tracking)
            if _contradicts_the_retailer(line, cancellation, command, terms):
                draft.open_case(cancellation, command.reason)
        elif not cancellation.awaits_proof:
            draft.ask_proof(cancellation, command.reason, proof_due, command.note)
    return draft.done()


def note(line: Line, command: NoteCancellation, now: datetime) -> Decision | Refusal:
    """Save a party's note to a cancellation, once. It changes nothing else (EC-40)."""
    if not (line.has_a_say(command.actor) or any(each.party == command.actor.party for each in line.departed)):
        return UNKNOWN_LINE
    named = cancellations_named(line, command.cancellation)
    if isinstance(named, Refusal):
        return named
    remark = Remark(
        by=command.actor.party, cancellation=command.cancellation, note=command.note, tracking=command.tracking
    )
    if remark in line.remarks:
        return Decision(line=line)
    draft = Draft(line, now)
    draft.note(remark, named[0])
    return draft.done()


def retailer_cancel(
    line: Line, command: RetailerCancel, now: datetime, policy: Policy, new_id: NewId, asked_under: AskedUnder
) -> Decision | Refusal:
    """One call with two meanings: confirm what a customer asked, or cancel what cannot be fulfilled.

    If a supplier holds the goods, the call becomes the retailer's own ask.
    """
    if not line.is_for_retailer(command.actor):
        return UNKNOWN_LINE
    if any(is_customers_wish(c, command.reason) for c in line.asks):
        return _confirm(line, command, now, asked_under)
    last = _last_customers_ask(line, command.reason)
    if last is not None and last.state is State.WITHDRAWN:
        return already_answered(line, last, subject=f"The customer's cancellation of {count(last.units)}")
    if last is not None and last.state is State.ACCEPTED and line.open:
        # A caller that lost the answer to the first call must not cancel the rest by a repeat.
        return Decision(line=line, repeats=(last,))
    if line.retailer_decides:
        own = CancelOwn(line=line.id, actor=command.actor, reason=command.reason, note=command.note)
        return cancel_own(line, own, now, new_id)
    own_ask = AskCancellation(line=line.id, actor=command.actor, reason=command.reason, note=command.note)
    return ask(line, own_ask, now, policy, new_id, asked_under)


def _last_customers_ask(line: Line, reason: CancelReason) -> Cancellation | None:
    """The customer's last ask, if the reason is that the customer asked."""
    asks = [each for each in line.cancellations if is_customers_wish(each, reason)]
    return max(asks, key=lambda each: (each.asked_at, each.id), default=None)


def _confirm(line: Line, command: RetailerCancel, now: datetime, asked_under: AskedUnder) -> Decision | Refusal:
    """Accept what the customer asked, and never more, also if the call is repeated while a supplier has the ask."""
    draft = Draft(line, now, command.actor.party)
    answer_waiting(line, draft, command.actor, asked_under, now)
    if draft.changed or any(_is_accepted_so_far(line, c) for c in line.asks):
        return draft.done()
    return nothing_asked(line)


def _is_accepted_so_far(line: Line, ask: Cancellation) -> bool:
    return is_with_supplier(line, ask) or (ask.asker is Asker.CUSTOMER and ask.agreed)


def _needs_proof(command: DeclineCancellation) -> bool:
    """Whether a decline needs a proof. An operator's does not."""
    claims = command.reason is DeclineReason.ALREADY_SHIPPED and not command.tracking
    return claims and command.actor.kind is not PartyKind.PLATFORM


def _contradicts_the_retailer(
    line: Line, cancellation: Cancellation, command: DeclineCancellation, terms: Policy
) -> bool:
    """Whether the supplier declines what the retailer had accepted (EC-25)."""
    operator = command.actor.kind is PartyKind.PLATFORM
    return is_with_supplier(line, cancellation) and terms.customer_asks_retailer_first and not operator


def _awaiting(line: Line, actor: Actor) -> list[Cancellation]:
    if actor.kind is PartyKind.PLATFORM:
        return [c for c in line.asks if not c.agreed]
    return [c for c in line.asks if c.awaiting == actor.party]


def _to_answer(line: Line, command: AcceptCancellation | DeclineCancellation) -> list[Cancellation] | Refusal:
    actor = command.actor
    if not line.has_a_say(actor):
        return UNKNOWN_LINE
    named = cancellations_named(line, command.cancellation)
    if isinstance(named, Refusal):
        return named
    if command.cancellation is not None and (refusal := _why_not_this_step(line, named[0], command)):
        return refusal
    return [c for c in _awaiting(line, actor) if c in named] or _nothing_waits(line, command.cancellation)


def _nothing_waits(line: Line, cancellation: UUID | None) -> Refusal:
    """Nothing waits for this answer. It may be a repeat after a lost reply, so the refusal gives the present state."""
    last = answered_last(line, cancellation)
    if last is None or last.asker is Asker.NOBODY:
        return nothing_asked(line)
    return already_answered(line, last, subject="")


def _why_not_this_step(
    line: Line, named: Cancellation, command: AcceptCancellation | DeclineCancellation
) -> Refusal | None:
    """Why the answer does not fit the present step of the cancellation.

    The platform can answer for all parties, so it must name the step.
    """
    actor = command.actor
    if command.step is None and actor.kind is PartyKind.PLATFORM:
        return step_needed(line, named)
    if command.step not in (None, named.step):
        return state_changed(line, named, command.step)
    if named.state is not State.ASKED or named.agreed:
        return already_answered(line, named)
    answered = [each for each in named.decided if each.awaited == actor.party and each.kind in (*_YES, *_NO)]
    if answered and named not in _awaiting(line, actor):
        return answered_for(line, named, answered[-1])
    return None


def _flawed(chosen: list[Cancellation] | Refusal, flaw: Refusal) -> Refusal:
    return first([chosen, flaw]) if isinstance(chosen, Refusal) else flaw


def _saved_as_late(
    line: Line, command: AcceptCancellation | DeclineCancellation, now: datetime, refusal: Refusal
) -> Refusal:
    """The refusal. If a deadline passed before the answer, the refusal says so, and the answer is saved (EC-23)."""
    late = answered_last(line, command.cancellation)
    if late is None or refusal.kind not in _MOVED_ON:
        return refusal
    own_ask = late.asker is Asker.RETAILER and command.actor.party == line.retailer
    if own_ask or not _is_by_deadline(late):
        return refusal
    answer = "accept" if isinstance(command, AcceptCancellation) else "decline"
    remark = Remark(by=command.actor.party, cancellation=late.id, answer=answer)
    refused = refusal if refusal.kind is RefusalKind.STATE_CHANGED else already_answered(line, late)
    if remark in line.remarks:
        return refused
    draft = Draft(line, now)
    if isinstance(command, AcceptCancellation):
        units, why_not = command.units or late.asked_units, command.rest_reason or ""
        draft.note_late_answer(remark, late, units, rest_reason=why_not, note=command.note)
    else:
        words = {"reason": command.reason or "", "note": command.note, "tracking": command.tracking}
        draft.note_late_answer(remark, late, late.asked_units, **words)
    return replace(refused, remarks=(draft.done(),))


def _is_by_deadline(cancellation: Cancellation) -> bool:
    return cancellation.by_policy and cancellation.state in (State.ACCEPTED, State.LAPSED)


def _answered_before(line: Line, command: AcceptCancellation | DeclineCancellation) -> tuple[Cancellation, ...]:
    """The cancellations that got the same answer before: a client that lost the reply may repeat the call."""
    named = [c for c in line.cancellations if c.id == command.cancellation] if command.cancellation else line.asks
    return tuple(c for c in named if any(_repeats(command, each) for each in c.decided))


def _repeats(command: AcceptCancellation | DeclineCancellation, decided: Decided) -> bool:
    """Whether an answer repeats a decision, and comes from a party that made it or had to make it."""
    if command.step not in (None, decided.step):
        return False
    passed_on = decided.kind is EventKind.CANCELLATION_PASSED_ON
    if decided.rule and not passed_on:
        return False
    mine = decided.by == command.actor.party
    due_from_me = decided.awaited == command.actor.party and (passed_on or command.step is not None)
    operator = command.actor.kind is PartyKind.PLATFORM and command.step is not None
    if not (mine or due_from_me or operator):
        return False
    if isinstance(command, AcceptCancellation):
        return decided.kind in _YES and decided.units == (command.units or decided.units + decided.rest)
    if decided.kind is EventKind.CANCELLATION_PROOF_ASKED and command.tracking:
        return False
    return decided.kind in _NO and decided.reason == command.reason


_YES: Final = (
    EventKind.CANCELLATION_PASSED_ON,
    EventKind.CANCELLATION_AGREED,
    EventKind.CANCELLATION_ACCEPTED,
)


_NO: Final = (EventKind.CANCELLATION_DECLINED, EventKind.CANCELLATION_PROOF_ASKED)


_MOVED_ON: Final = (RefusalKind.STATE_CHANGED, RefusalKind.ALREADY_ANSWERED, RefusalKind.NOTHING_ASKED)
"""Refusals of an answer that may have been given before."""
