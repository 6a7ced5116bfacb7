"""The moves of a cancellation: ask, accept, decline, withdraw, lapse, cancel on one's own account."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final, assert_never
from uuid import UUID

from countermand.domain.commands import (
    AcceptCancellation,
    AskCancellation,
    CancelOwn,
    DeclineCancellation,
    EscalateCancellation,
    NoteCancellation,
    PassDeadline,
    RetailerCancel,
    WithdrawCancellation,
)
from countermand.domain.events import EventKind
from countermand.domain.line import Cancellation, Decided, Decision, Line, Remark, State
from countermand.domain.outcome import count, outcome, party_word
from countermand.domain.parties import Actor, Asker, PartyKind
from countermand.domain.policy import Cutoff, Policy, Rule, Silence
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.domain.refusals import UNKNOWN_CANCELLATION, UNKNOWN_LINE, CurrentState, Refusal, RefusalKind, first
from countermand.domain.transition import Draft

NewId = Callable[[], UUID]

AskedUnder = Callable[[Cancellation], Policy]
"""Which version of the policy a cancellation was asked under: it is the one by which it is judged (EC-33)."""


def ask(
    line: Line, command: AskCancellation, now: datetime, policy: Policy, new_id: NewId, asked_under: AskedUnder
) -> Decision | Refusal:
    """Ask for units of a line. Who must answer, and whether anybody must, follows from who holds the goods."""
    actor = command.actor
    if not acts_for_retailer(line, actor):
        return UNKNOWN_LINE
    if command.units is not None and command.units < 1:
        return units_invalid()
    if repeated := _asked_before(line, command):
        return Decision(line=line, repeats=repeated)
    draft = Draft(line, now, actor.party)
    if command.asker is Asker.RETAILER and command.units is None:
        _answer_waiting(line, draft, actor, asked_under, now)
    if not (draft.open or draft.changed):
        return why_nothing_open(line)
    units = draft.open if command.units is None else command.units
    if units == 0:
        return draft.done()
    return _ask_open_units(line, command, units, now, policy, new_id, draft)


def _ask_open_units(
    line: Line,
    command: AskCancellation,
    units: int,
    now: datetime,
    policy: Policy,
    new_id: NewId,
    draft: Draft,
) -> Decision | Refusal:
    answers_itself = _answers_itself(line, command.asker)
    if not (answers_itself or policy.accepts(placed_at=line.placed_at, allocated=line.allocated, now=now)):
        return Refusal(
            kind=RefusalKind.NOT_ACCEPTED_BY_FULFILLER,
            detail=_not_accepted(line, policy),
        )
    if units > line.open:
        return too_many_units(line, units)
    if answers_itself and not command.group:
        draft.cancel_own(own_cancellation(line, new_id(), units, command.reason, command.note, command.actor, now))
        return draft.done()
    # What is accepted at once waits for nobody: no answer is due, and nobody is to be asked for one.
    settled = answers_itself or policy.is_free(line.placed_at, now)
    cancellation = Cancellation(
        id=new_id(),
        line=line.id,
        units=units,
        state=State.ASKED,
        asker=command.asker,
        asked_by=command.actor.party,
        asked_at=now,
        awaiting=None if settled else _first_to_answer(line, command.asker, policy),
        due_at=None if settled else policy.answer_due(now),
        policy_version=policy.version,
        reason=command.reason,
        note=command.note,
        key=command.key,
        group=command.group,
    )
    draft.ask(cancellation)
    if answers_itself:
        draft.accept(cancellation, units, command.actor.party)
    elif settled:
        draft.accept(cancellation, units, None, rule=Rule.FREE_WINDOW)
    return draft.done()


def _not_accepted(line: Line, policy: Policy) -> str:
    who = "retailer" if line.retailer_decides else "supplier"
    if policy.accepts_until is Cutoff.NEVER:
        return f"The {who} accepts no cancellations."
    return f"The {who} does not accept a cancellation of this order item any more."


def accept(line: Line, command: AcceptCancellation, now: datetime, asked_under: AskedUnder) -> Decision | Refusal:
    """Accept asked units. A retailer accepts a customer's ask by passing it on when a supplier holds the goods.

    Only what the retailer accepts is passed on: the rest is open again.
    """
    chosen = _to_answer(line, command)
    if command.units is not None and command.units < 1:
        return _flawed(chosen, units_invalid())
    if isinstance(chosen, Refusal):
        if chosen.kind in _MOVED_ON and (said := _said_before(line, command)):
            return Decision(line=line, repeats=said)
        return _noted_as_late(line, command, now, chosen)
    if command.units is not None and command.units > chosen[0].asked_units:
        return too_many_units(line, command.units, asked=chosen[0].asked_units)
    if command.units is not None and command.units < chosen[0].asked_units and chosen[0].group:
        return all_or_nothing(chosen[0])
    draft = Draft(line, now, command.actor.party)
    for cancellation in chosen if command.units is None else chosen[:1]:
        units = cancellation.asked_units if command.units is None else command.units
        actor, why_not = command.actor.party, command.rest_reason
        if _is_retailers_turn(line, cancellation) and not line.retailer_decides:
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
    """Decline asked units, which stay on order. "Shipped already" may have to be proved before it counts (EC-17)."""
    chosen = _to_answer(line, command)
    if command.reason is None:
        required = Refusal(kind=RefusalKind.REASON_REQUIRED, detail="A decline must say why: give a reason.")
        return _flawed(chosen, required)
    if isinstance(chosen, Refusal):
        if chosen.kind in _MOVED_ON and (said := _said_before(line, command)):
            return Decision(line=line, repeats=said)
        return _noted_as_late(line, command, now, chosen)
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


def withdraw(line: Line, command: WithdrawCancellation, now: datetime) -> Decision | Refusal:
    """An ask is taken back, by whoever may, while nobody has answered it."""
    if not acts_for_retailer(line, command.actor):
        return UNKNOWN_LINE
    named = _named(line, command.cancellation)
    if isinstance(named, Refusal):
        return named
    chosen = [c for c in named if _may_take_back(c, command.actor) and command.asker in (None, c.asker)]
    if not chosen:
        return UNKNOWN_CANCELLATION if command.cancellation else nothing_asked(line)
    if command.cancellation and chosen[0].state is State.WITHDRAWN:
        return Decision(line=line, repeats=(chosen[0],))
    if command.cancellation and command.step not in (None, chosen[0].step):
        return state_changed(line, chosen[0], command.step)
    if command.cancellation and chosen[0].state is not State.ASKED:
        return already_answered(line, chosen[0])
    draft = Draft(line, now, command.actor.party)
    for cancellation in chosen:
        draft.withdraw(cancellation, command.actor.party, command.note)
    return draft.done()


def pass_deadline(line: Line, command: PassDeadline, now: datetime, asked_under: AskedUnder) -> Decision | Refusal:
    """Silence speaks, once and never early: accept, lapse, or hand over to an operator, as the policy says.

    What silence accepts for a retailer, while a supplier holds the goods, goes on to the supplier like a spoken yes.
    A decline that was to be proved and was not comes to an acceptance, whatever silence means otherwise (EC-17).
    """
    named = _named(line, command.cancellation)
    if isinstance(named, Refusal):
        return named
    cancellation = named[0]
    if not cancellation.is_overdue(now):
        return Decision(line=line)
    return let_pass(line, cancellation, now, asked_under(cancellation))


def let_pass(line: Line, cancellation: Cancellation, now: datetime, policy: Policy) -> Decision:
    """What silence means for an ask whose answer was due by now. It takes effect when the answer was due.

    The time of whoever is asked next runs from now on: it has heard of nothing before.
    """
    draft = Draft(line, cancellation.due_at or now)
    silence = Silence.ACCEPT if cancellation.awaits_proof else policy.silence
    match silence:
        case Silence.ACCEPT if _is_retailers_turn(line, cancellation) and not line.retailer_decides:
            draft.pass_on(cancellation, to=line.holder_that_answers, due_at=policy.answer_due(now), by_policy=True)
        case Silence.ACCEPT:
            rule = Rule.NO_PROOF if cancellation.awaits_proof else Rule.SILENCE
            draft.accept(cancellation, cancellation.asked_units, None, rule=rule)
        case Silence.LAPSE:
            draft.lapse(cancellation)
        case Silence.ESCALATE:
            draft.pass_on(cancellation, to=None, due_at=None, by_policy=True)
        case _:  # pragma: no cover
            assert_never(silence)
    return draft.done()


def escalate(line: Line, command: EscalateCancellation, now: datetime) -> Decision | Refusal:
    """An operator has to answer instead of a party that is gone; the deadline runs on (EC-26)."""
    if command.actor.kind is not PartyKind.PLATFORM:
        return UNKNOWN_LINE
    named = _named(line, command.cancellation)
    if isinstance(named, Refusal):
        return named
    if named[0].state is not State.ASKED:
        return already_answered(line, named[0])
    draft = Draft(line, now, command.actor.party)
    if named[0].awaiting is not None:
        draft.pass_on(named[0], to=None, due_at=named[0].due_at, by_policy=False)
    return draft.done()


def note(line: Line, command: NoteCancellation, now: datetime) -> Decision | Refusal:
    """Keep what somebody who has to do with a cancellation says of it, once. It changes nothing (EC-40)."""
    if not (_has_a_say(line, command.actor) or any(each.party == command.actor.party for each in line.departed)):
        return UNKNOWN_LINE
    named = _named(line, command.cancellation)
    if isinstance(named, Refusal):
        return named
    said = Remark(
        by=command.actor.party, cancellation=command.cancellation, note=command.note, tracking=command.tracking
    )
    if said in line.noted:
        return Decision(line=line)
    draft = Draft(line, now)
    draft.note(said, named[0])
    return draft.done()


def cancel_own(line: Line, command: CancelOwn, now: datetime, new_id: NewId) -> Decision | Refusal:
    """Cancel on one's own account, by whoever holds the goods. Asks that await the canceller go along with it."""
    actor = command.actor
    if actor.kind is not PartyKind.PLATFORM and actor.party != _holder(line):
        return UNKNOWN_LINE
    if command.units is not None and command.units < 1:
        return units_invalid()
    draft = Draft(line, now, actor.party)
    if command.units is None:
        for cancellation in _going_along(line, actor):
            draft.accept_for_good(
                cancellation,
                actor.party,
                reason=command.reason,
                unasked=not _is_askers_wish(cancellation, command.reason),
                note=command.note,
            )
    units = draft.open if command.units is None else command.units
    if not (units or draft.changed):
        return why_nothing_open(line)
    if units > draft.open:
        return too_many_units(line, units) if line.open else why_nothing_open(line)
    if units:
        draft.cancel_own(own_cancellation(line, new_id(), units, command.reason, command.note, actor, now))
    return draft.done()


def retailer_cancel(
    line: Line, command: RetailerCancel, now: datetime, policy: Policy, new_id: NewId, asked_under: AskedUnder
) -> Decision | Refusal:
    """One call for two wishes, as bol has it: confirm what a customer asked, or cancel what cannot be fulfilled.

    Source: the bol seed page. Where a supplier holds the goods the call becomes the retailer's own ask.
    """
    if not acts_for_retailer(line, command.actor):
        return UNKNOWN_LINE
    if any(_is_askers_wish(c, command.reason) for c in line.asks):
        return _confirm(line, command, now, asked_under)
    last = _last_wish(line, command.reason)
    if last is not None and last.state is State.WITHDRAWN:
        return already_answered(line, last, subject=f"The customer's cancellation of {count(last.units)}")
    if last is not None and last.state is State.ACCEPTED and line.open:
        # Whoever lost the answer to the first call must not cancel the rest by repeating it.
        return Decision(line=line, repeats=(last,))
    if line.retailer_decides:
        own = CancelOwn(line=line.id, actor=command.actor, reason=command.reason, note=command.note)
        return cancel_own(line, own, now, new_id)
    wish = AskCancellation(line=line.id, actor=command.actor, reason=command.reason, note=command.note)
    return ask(line, wish, now, policy, new_id, asked_under)


def _last_wish(line: Line, reason: CancelReason) -> Cancellation | None:
    """What the customer asked for last, if the reason is the customer's wish."""
    wishes = [each for each in line.cancellations if _is_askers_wish(each, reason)]
    return max(wishes, key=lambda each: (each.asked_at, each.id), default=None)


def _confirm(line: Line, command: RetailerCancel, now: datetime, asked_under: AskedUnder) -> Decision | Refusal:
    """Never more than the customer asked for, also when the call is repeated while a supplier has the ask."""
    draft = Draft(line, now, command.actor.party)
    _answer_waiting(line, draft, command.actor, asked_under, now)
    if draft.changed or any(_is_heeded_so_far(line, c) for c in line.asks):
        return draft.done()
    return nothing_asked(line)


def why_nothing_open(line: Line) -> Refusal:
    """Why no unit of the line is open: shipped before asked before rejected before cancelled."""
    if line.shipped:
        return Refusal(
            kind=RefusalKind.ALREADY_SHIPPED,
            detail=f"{count(line.shipped)} of this order item shipped already; ask for a return instead.",
        )
    if line.asked:
        standing = line.asks[0]
        return Refusal(
            kind=RefusalKind.ALREADY_ASKED,
            detail=f"A cancellation of {count(standing.asked_units)} is waiting for an answer already.",
            cancellation=standing.id,
        )
    last = _answered_last(line, None)
    became = f" {outcome(line, last)}" if last else ""
    if line.rejected >= line.cancelled:
        return Refusal(
            kind=RefusalKind.REJECTED_BY_FULFILLER,
            detail=f"The supplier rejected this order item; nothing is left to cancel.{became}",
        )
    return Refusal(kind=RefusalKind.ALREADY_CANCELLED, detail=f"This order item is cancelled already.{became}")


def too_many_units(line: Line, units: int, *, asked: int | None = None) -> Refusal:
    """More units were named than there are to name."""
    there, kind = (line.open, "open") if asked is None else (asked, "asked")
    return beyond(units, there, kind)


def beyond(units: int, there: int, kind: str) -> Refusal:
    """More units were named than there are of this kind."""
    are = "is" if there == 1 else "are"
    return Refusal(
        kind=RefusalKind.TOO_MANY_UNITS,
        detail=f"{count(units)} named, but there {are} only {count(there)} {kind}.",
    )


def units_invalid() -> Refusal:
    """A number of units below one."""
    return Refusal(kind=RefusalKind.UNITS_INVALID, detail="The number of units must be at least 1.")


def nothing_asked(line: Line) -> Refusal:
    """Nothing waits for this party's answer; what waits for somebody else's is told."""
    waits = f" {outcome(line, line.asks[0])}" if line.asks else ""
    return Refusal(
        kind=RefusalKind.NOTHING_ASKED,
        detail=f"No cancellation of this order item is waiting for your answer.{waits}",
    )


def all_or_nothing(cancellation: Cancellation) -> Refusal:
    """A part of what was asked for as a whole (EC-18)."""
    return Refusal(
        kind=RefusalKind.ALL_OR_NOTHING,
        detail=f"All {cancellation.asked_units} units were asked for together with other lines of the order, all or"
        " nothing: accept them all, or decline.",
        cancellation=cancellation.id,
    )


def already_answered(line: Line, cancellation: Cancellation, *, subject: str = "This cancellation") -> Refusal:
    """Somebody was first; the other side is told who and when (EC-22)."""
    return Refusal(
        kind=RefusalKind.ALREADY_ANSWERED,
        detail=outcome(line, cancellation, subject=subject),
        cancellation=cancellation.id,
        current=current_state_of(cancellation),
    )


def _answered_for(line: Line, cancellation: Cancellation, decided: Decided) -> Refusal:
    """The party whose answer was due has answered, or was answered for, and another answer is due now."""
    return Refusal(
        kind=RefusalKind.ALREADY_ANSWERED,
        detail=f"This cancellation {_became(line, decided)}. {_waits_for(line, cancellation)}",
        cancellation=cancellation.id,
        current=current_state_of(cancellation),
    )


def step_needed(line: Line, cancellation: Cancellation) -> Refusal:
    """An answer in whoever's place, which does not say to what: a second one would be taken for the next party's."""
    return Refusal(
        kind=RefusalKind.STEP_NEEDED,
        detail="The platform answers for whoever should, so it must name the step that it answers."
        f" {_waits_for(line, cancellation)}",
        cancellation=cancellation.id,
        current=current_state_of(cancellation),
    )


def state_changed(line: Line, cancellation: Cancellation, step: int | None) -> Refusal:
    """The caller saw another step than the one at which the cancellation stands."""
    decided = [each for each in cancellation.decided if each.step == step]
    what = f"At step {step} this cancellation {_became(line, decided[0])}. " if decided else ""
    return Refusal(
        kind=RefusalKind.STATE_CHANGED,
        detail=f"{what}{_waits_for(line, cancellation)}",
        cancellation=cancellation.id,
        current=current_state_of(cancellation),
    )


def current_state_of(cancellation: Cancellation) -> CurrentState:
    """Where a cancellation stands, for whoever saw it stand elsewhere."""
    last = cancellation.decided[-1] if cancellation.decided else None
    return CurrentState(
        state=cancellation.state,
        step=cancellation.step,
        awaiting=cancellation.awaiting,
        answered_by=last.by if last else cancellation.answered_by,
        answered_at=last.at if last else cancellation.answered_at,
    )


def _waits_for(line: Line, cancellation: Cancellation) -> str:
    here = f"It is at step {cancellation.step}"
    if cancellation.state is not State.ASKED:
        return f"{here}, and has ended: {cancellation.state}."
    if cancellation.agreed:
        return f"{here}, and waits for those that were asked together with it."
    whose = party_word(line, cancellation.awaiting) if cancellation.awaiting else "an operator"
    return f"{here}, which waits for the answer of {whose}."


_BECAME: Final = {
    EventKind.CANCELLATION_PASSED_ON: "was passed on to the supplier",
    EventKind.CANCELLATION_AGREED: "was agreed to",
    EventKind.CANCELLATION_PROOF_ASKED: "was declined, and the parcel has to be named",
    EventKind.CANCELLATION_ACCEPTED: "was accepted",
    EventKind.CANCELLATION_DECLINED: "was declined",
    EventKind.CANCELLATION_WITHDRAWN: "was withdrawn",
    EventKind.CANCELLATION_LAPSED: "lapsed",
    EventKind.CANCELLATION_ESCALATED: "was handed to an operator",
}


def _became(line: Line, decided: Decided) -> str:
    at = decided.at.isoformat(timespec="seconds")
    by = "policy" if decided.rule else party_word(line, decided.by)
    return f"{_BECAME[decided.kind]} by {by} at {at}"


def own_cancellation(
    line: Line,
    cancellation_id: UUID,
    units: int,
    reason: CancelReason,
    note: str,
    actor: Actor,
    now: datetime,
) -> Cancellation:
    """A cancellation that nobody asked for, final from the start."""
    return Cancellation(
        id=cancellation_id,
        line=line.id,
        units=units,
        state=State.ACCEPTED,
        asker=Asker.NOBODY,
        asked_by=actor.party,
        asked_at=now,
        reason=reason,
        note=note,
        accepted_units=units,
        answered_at=now,
        answered_by=actor.party,
        unasked=True,
    )


def acts_for_retailer(line: Line, actor: Actor) -> bool:
    """Whether this is the line's retailer, or the platform in its place."""
    return actor.kind is PartyKind.PLATFORM or actor.party == line.retailer


def _may_take_back(cancellation: Cancellation, actor: Actor) -> bool:
    """Who brought a customer's ask speaks for the customer; a retailer's own wish is the retailer's, whoever told."""
    return (
        actor.kind is PartyKind.PLATFORM
        or cancellation.asked_by == actor.party
        or cancellation.asker is not Asker.CUSTOMER
    )


def _holder(line: Line) -> UUID:
    return line.retailer if line.retailer_decides else line.fulfiller


def _asked_before(line: Line, command: AskCancellation) -> tuple[Cancellation, ...]:
    """The asks that wait already and that this one only repeats.

    Whoever brings a key says which asks are equal. Without one, equal asks are taken for one ask, since a client that
    lost the answer asks again; and all that is open is asked for once, however often somebody says so.
    """
    if command.units is None and not command.key:
        unheard = command.asker is Asker.RETAILER and any(_is_retailers_turn(line, ask) for ask in line.asks)
        if line.open or unheard:
            return ()
        own = tuple(ask for ask in line.asks if ask.asker is command.asker and not ask.key)
        return own or tuple(ask for ask in line.asks if _same_voice(ask, command.asker))
    return tuple(ask for ask in line.asks if _is_same_ask(ask, command))


def _is_same_ask(ask: Cancellation, command: AskCancellation) -> bool:
    if (ask.asker, ask.key) != (command.asker, command.key) or command.units not in (None, ask.units):
        return False
    if command.key:
        return ask.asked_by == command.actor.party
    return (ask.reason, ask.note) == (command.reason, command.note)


def _same_voice(ask: Cancellation, asker: Asker) -> bool:
    """A customer's ask that does not wait for the retailer any more speaks for the retailer too."""
    return asker in (ask.asker, Asker.RETAILER)


def _is_retailers_turn(line: Line, ask: Cancellation) -> bool:
    return ask.asker is Asker.CUSTOMER and ask.awaiting == line.retailer


def _is_with_supplier(line: Line, ask: Cancellation) -> bool:
    if ask.asker is not Asker.CUSTOMER or line.retailer_decides:
        return False
    return ask.awaiting == line.fulfiller or ask.agreed


def _is_heeded_so_far(line: Line, ask: Cancellation) -> bool:
    return _is_with_supplier(line, ask) or (ask.asker is Asker.CUSTOMER and ask.agreed)


def _is_askers_wish(ask: Cancellation, reason: CancelReason) -> bool:
    return ask.asker is Asker.CUSTOMER and reason is CancelReason.REQUESTED_BY_CUSTOMER


def _answer_waiting(line: Line, draft: Draft, actor: Actor, asked_under: AskedUnder, now: datetime) -> None:
    """A retailer that wants the whole line cancelled thereby answers the customer's asks that wait for it."""
    for cancellation in line.asks:
        if not _is_retailers_turn(line, cancellation):
            continue
        if line.retailer_decides:
            draft.accept(cancellation, cancellation.asked_units, actor.party)
        else:
            due_at = asked_under(cancellation).answer_due(now)
            draft.pass_on(cancellation, to=line.holder_that_answers, due_at=due_at)


def _first_to_answer(line: Line, asker: Asker, policy: Policy) -> UUID | None:
    if line.retailer_decides or (asker is Asker.CUSTOMER and policy.customer_asks_retailer_first):
        return line.retailer
    return line.holder_that_answers


def _answers_itself(line: Line, asker: Asker) -> bool:
    return asker is Asker.RETAILER and line.retailer_decides


def _needs_proof(command: DeclineCancellation) -> bool:
    """An operator is believed."""
    claims = command.reason is DeclineReason.ALREADY_SHIPPED and not command.tracking
    return claims and command.actor.kind is not PartyKind.PLATFORM


def _contradicts_the_retailer(
    line: Line, cancellation: Cancellation, command: DeclineCancellation, terms: Policy
) -> bool:
    """The retailer said yes to its customer, for whom there is now a no, and bol has no word for that (EC-25)."""
    operator = command.actor.kind is PartyKind.PLATFORM
    return _is_with_supplier(line, cancellation) and terms.customer_asks_retailer_first and not operator


def _awaiting(line: Line, actor: Actor) -> list[Cancellation]:
    if actor.kind is PartyKind.PLATFORM:
        return [c for c in line.asks if not c.agreed]
    return [c for c in line.asks if c.awaiting == actor.party]


def _going_along(line: Line, actor: Actor) -> list[Cancellation]:
    """The asks that end when the actor cancels all there is on its own account."""
    platform = actor.kind is PartyKind.PLATFORM
    return [
        c for c in line.asks if platform or c.awaiting == actor.party or (c.agreed and c.answered_by == actor.party)
    ]


def _named(line: Line, cancellation: UUID | None) -> list[Cancellation] | Refusal:
    if cancellation is None:
        return list(line.asks)
    return [c for c in line.cancellations if c.id == cancellation] or UNKNOWN_CANCELLATION


def _to_answer(line: Line, command: AcceptCancellation | DeclineCancellation) -> list[Cancellation] | Refusal:
    actor = command.actor
    if not _has_a_say(line, actor):
        return UNKNOWN_LINE
    named = _named(line, command.cancellation)
    if isinstance(named, Refusal):
        return named
    if command.cancellation is not None and (refusal := _why_not_this_step(line, named[0], command)):
        return refusal
    return [c for c in _awaiting(line, actor) if c in named] or _nothing_waits(line, command.cancellation)


def _nothing_waits(line: Line, cancellation: UUID | None) -> Refusal:
    """An answer for which nothing waits may be the repeat of one whose reply was lost: it hears what stands."""
    last = _answered_last(line, cancellation)
    if last is None or last.asker is Asker.NOBODY:
        return nothing_asked(line)
    return already_answered(line, last, subject="")


def _why_not_this_step(
    line: Line, named: Cancellation, command: AcceptCancellation | DeclineCancellation
) -> Refusal | None:
    """Why the answer is none to where the cancellation stands.

    The platform answers for everybody, so it has to say to what.
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
        return _answered_for(line, named, answered[-1])
    return None


def _has_a_say(line: Line, actor: Actor) -> bool:
    return actor.kind is PartyKind.PLATFORM or actor.party in line.told


def _flawed(chosen: list[Cancellation] | Refusal, flaw: Refusal) -> Refusal:
    return first([chosen, flaw]) if isinstance(chosen, Refusal) else flaw


def _noted_as_late(
    line: Line, command: AcceptCancellation | DeclineCancellation, now: datetime, refusal: Refusal
) -> Refusal:
    """The refusal; where silence spoke before an answer that was due, it says so, and the answer is kept (EC-23)."""
    late = _answered_last(line, command.cancellation)
    if late is None or refusal.kind not in _MOVED_ON:
        return refusal
    own_ask = late.asker is Asker.RETAILER and command.actor.party == line.retailer
    if own_ask or not _is_by_silence(late):
        return refusal
    answer = "accept" if isinstance(command, AcceptCancellation) else "decline"
    said = Remark(by=command.actor.party, cancellation=late.id, answer=answer)
    told = refusal if refusal.kind is RefusalKind.STATE_CHANGED else already_answered(line, late)
    if said in line.noted:
        return told
    draft = Draft(line, now)
    if isinstance(command, AcceptCancellation):
        units, why_not = command.units or late.asked_units, command.rest_reason or ""
        draft.note_late_answer(said, late, units, rest_reason=why_not, note=command.note)
    else:
        words = {"reason": command.reason or "", "note": command.note, "tracking": command.tracking}
        draft.note_late_answer(said, late, late.asked_units, **words)
    return replace(told, noted=(draft.done(),))


def _answered_last(line: Line, cancellation: UUID | None) -> Cancellation | None:
    """What an answer that came too late was about: the one it names, or the last that had an answer if none waits."""
    if cancellation is None and line.asks:
        return None
    answered = [c for c in line.cancellations if c.answered_at and cancellation in (None, c.id)]
    return max(answered, key=_when_answered, default=None)


def _when_answered(cancellation: Cancellation) -> tuple[datetime, UUID]:
    return cancellation.answered_at or cancellation.asked_at, cancellation.id


def _is_by_silence(cancellation: Cancellation) -> bool:
    return cancellation.by_policy and cancellation.state in (State.ACCEPTED, State.LAPSED)


def _said_before(line: Line, command: AcceptCancellation | DeclineCancellation) -> tuple[Cancellation, ...]:
    """What the same answer was given to before: a client that lost the reply may repeat the call."""
    named = [c for c in line.cancellations if c.id == command.cancellation] if command.cancellation else line.asks
    return tuple(c for c in named if any(_repeats(command, each) for each in c.decided))


def _repeats(command: AcceptCancellation | DeclineCancellation, decided: Decided) -> bool:
    """Whether an answer says of a step what was decided of it, and may: by whoever decided so, or had to."""
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
