"""What happens to an ask without an answer: its deadline passes, or an operator has to answer."""

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
    """Apply all deadlines of a line that have passed, or that pass ``until`` then; ``None`` if there are none.

    The longest overdue is first. This comes before any command: an answer after its deadline is late, even if the
    deadline has not been processed yet (EC-27).
    """
    passed: Decision | None = None
    while overdue := [ask for ask in line.asks if ask.is_overdue(until or now)]:
        ask = min(overdue, key=lambda each: (each.due_at, each.id))
        last = let_pass(line, ask, now, asked_under(ask))
        passed = passed.then(last) if passed else last
        line = last.line
    return passed


def pass_deadline(line: Line, command: PassDeadline, now: datetime, asked_under: AskedUnder) -> Decision | Refusal:
    """A deadline passes, once and never early: the ask is accepted, lapses, or is escalated, as the policy says.

    If the policy accepts in place of a retailer and a supplier holds the goods, the ask is passed on to the supplier. A
    decline without the proof that it needed becomes an acceptance, whatever the policy says (EC-17).
    """
    named = cancellations_named(line, command.cancellation)
    if isinstance(named, Refusal):
        return named
    cancellation = named[0]
    if not cancellation.is_overdue(now):
        return Decision(line=line)
    return let_pass(line, cancellation, now, asked_under(cancellation))


def let_pass(line: Line, cancellation: Cancellation, now: datetime, policy: Policy) -> Decision:
    """Apply the policy to an overdue ask. It takes effect at the time at which the answer was due.

    The time of the party that is asked next begins now, since it was not notified before.
    """
    draft = Draft(line, cancellation.due_at or now)
    after = Silence.ACCEPT if cancellation.awaits_proof else policy.silence
    match after:
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
            assert_never(after)
    return draft.done()


def escalate(line: Line, command: EscalateCancellation, now: datetime) -> Decision | Refusal:
    """An operator has to answer in place of a party that is gone; the deadline goes on (EC-26)."""
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
