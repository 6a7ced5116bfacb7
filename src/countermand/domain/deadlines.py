"""What happens to an ask that nobody answers: its deadline passes, or an operator has to answer."""

from datetime import datetime
from typing import assert_never

from countermand.domain.cancellation import (
    AskedUnder,
    cancellations_named,
    is_retailers_turn,
)
from countermand.domain.commands import (
    EscalateCancellation,
    PassDeadline,
)
from countermand.domain.line import Cancellation, Decision, Line, State
from countermand.domain.parties import PartyKind
from countermand.domain.policy import Policy, Rule, Silence
from countermand.domain.refusals import (
    UNKNOWN_LINE,
    Refusal,
    already_answered,
)
from countermand.domain.transition import Draft


def pass_deadlines(
    line: Line, now: datetime, asked_under: AskedUnder, *, until: datetime | None = None
) -> Decision | None:
    """What has fallen due on a line by now, or ``until`` then, the longest overdue first; ``None`` if nothing has.

    To be decided before any command is: an answer that comes after its deadline is too late, whether or not anybody
    has looked at the clock since (EC-27).
    """
    passed: Decision | None = None
    while overdue := [ask for ask in line.asks if ask.is_overdue(until or now)]:
        ask = min(overdue, key=lambda each: (each.due_at, each.id))
        last = let_pass(line, ask, now, asked_under(ask))
        passed = passed.then(last) if passed else last
        line = last.line
    return passed


def pass_deadline(line: Line, command: PassDeadline, now: datetime, asked_under: AskedUnder) -> Decision | Refusal:
    """A deadline passes, once and never early: accept, lapse, or hand over to an operator, as the policy says.

    What is accepted for a retailer so, while a supplier holds the goods, goes on to the supplier like the retailer's
    own yes. A decline that was to be proved and was not becomes an acceptance, whatever the policy says (EC-17).
    """
    named = cancellations_named(line, command.cancellation)
    if isinstance(named, Refusal):
        return named
    cancellation = named[0]
    if not cancellation.is_overdue(now):
        return Decision(line=line)
    return let_pass(line, cancellation, now, asked_under(cancellation))


def let_pass(line: Line, cancellation: Cancellation, now: datetime, policy: Policy) -> Decision:
    """What the policy makes of an ask whose answer was due by now. It takes effect when the answer was due.

    The time of whoever is asked next runs from now on: that party was not notified before.
    """
    draft = Draft(line, cancellation.due_at or now)
    silence = Silence.ACCEPT if cancellation.awaits_proof else policy.silence
    match silence:
        case Silence.ACCEPT if is_retailers_turn(line, cancellation) and not line.retailer_decides:
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
    named = cancellations_named(line, command.cancellation)
    if isinstance(named, Refusal):
        return named
    if named[0].state is not State.ASKED:
        return already_answered(line, named[0])
    draft = Draft(line, now, command.actor.party)
    if named[0].awaiting is not None:
        draft.pass_on(named[0], to=None, due_at=named[0].due_at, by_policy=False)
    return draft.done()
