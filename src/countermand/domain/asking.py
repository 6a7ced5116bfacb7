"""Asking to cancel units, withdrawing an ask, and cancelling without an ask."""

from datetime import datetime
from uuid import UUID

from countermand.domain.cancellation import (
    AskedUnder,
    NewId,
    cancellations_named,
    is_customers_wish,
    is_retailers_turn,
)
from countermand.domain.commands import (
    AskCancellation,
    CancelOwn,
    WithdrawCancellation,
)
from countermand.domain.line import Cancellation, Decision, Line, State
from countermand.domain.parties import Actor, Asker, PartyKind
from countermand.domain.policy import Policy, Rule
from countermand.domain.refusals import (
    UNKNOWN_CANCELLATION,
    UNKNOWN_LINE,
    Refusal,
    already_answered,
    not_accepted,
    nothing_asked,
    state_changed,
    too_many_units,
    units_invalid,
    why_nothing_open,
)
from countermand.domain.transition import Draft


def ask(
    line: Line, command: AskCancellation, now: datetime, policy: Policy, new_id: NewId, asked_under: AskedUnder
) -> Decision | Refusal:
    """Ask to cancel units of a line. The holder of the goods decides who must answer, and whether anybody must."""
    actor = command.actor
    if not line.is_for_retailer(actor):
        return UNKNOWN_LINE
    if command.units is not None and command.units < 1:
        return units_invalid()
    if repeated := _asked_before(line, command):
        return Decision(line=line, repeats=repeated)
    draft = Draft(line, now, actor.party)
    if line.asked and command.asker is Asker.RETAILER and command.units is None:
        answer_waiting(line, draft, actor, asked_under, now)
    units = draft.open
    if not (units or draft.changed):
        return why_nothing_open(line)
    if command.units is not None:
        units = command.units
    return _ask_open_units(line, command, units, now, policy, new_id, draft) if units else draft.done()


def _ask_open_units(
    line: Line,
    command: AskCancellation,
    units: int,
    now: datetime,
    policy: Policy,
    new_id: NewId,
    draft: Draft,
) -> Decision | Refusal:
    alone = line.retailer_decides
    answers_itself = alone and command.asker is Asker.RETAILER
    if not (answers_itself or policy.accepts(placed_at=line.placed_at, allocated=line.allocated, now=now)):
        return not_accepted(line, policy)
    if units > line.open:
        return too_many_units(line, units)
    if answers_itself and not command.group:
        draft.cancel_own(new_id(), units, command.reason, command.actor.party, command.note)
        return draft.done()
    if not (answers_itself or policy.is_free(line.placed_at, now)):
        retailer_first = alone or (command.asker is Asker.CUSTOMER and policy.customer_asks_retailer_first)
        awaiting = line.retailer if retailer_first else line.holder_that_answers
        draft.ask(_asked(command, units, now, new_id(), policy.version, awaiting, policy.answer_due(now)))
        return draft.done()
    # An ask that is accepted at once waits for no answer.
    asked = _asked(command, units, now, new_id(), policy.version)
    draft.ask(asked)
    if answers_itself:
        draft.accept(asked, units, command.actor.party)
    else:
        draft.accept(asked, units, None, rule=Rule.FREE_WINDOW)
    return draft.done()


def _asked(
    command: AskCancellation,
    units: int,
    now: datetime,
    cancellation: UUID,
    version: int,
    awaiting: UUID | None = None,
    due_at: datetime | None = None,
) -> Cancellation:
    return Cancellation(
        id=cancellation,
        line=command.line,
        units=units,
        state=State.ASKED,
        asker=command.asker,
        asked_by=command.actor.party,
        asked_at=now,
        awaiting=awaiting,
        due_at=due_at,
        policy_version=version,
        reason=command.reason,
        note=command.note,
        key=command.key,
        group=command.group,
    )


def withdraw(line: Line, command: WithdrawCancellation, now: datetime) -> Decision | Refusal:
    """Withdraw asks that the actor may withdraw and that nobody has answered."""
    if not line.is_for_retailer(command.actor):
        return UNKNOWN_LINE
    named = cancellations_named(line, command.cancellation)
    if isinstance(named, Refusal):
        return named
    chosen = [c for c in named if _may_withdraw(c, command.actor) and command.asker in (None, c.asker)]
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


def _may_withdraw(cancellation: Cancellation, actor: Actor) -> bool:
    """A customer's ask can be withdrawn by the party that entered it; a retailer's own ask, by the retailer."""
    return (
        actor.kind is PartyKind.PLATFORM
        or cancellation.asked_by == actor.party
        or cancellation.asker not in (Asker.CUSTOMER, Asker.PLATFORM)
    )


def cancel_own(line: Line, command: CancelOwn, now: datetime, new_id: NewId) -> Decision | Refusal:
    """The holder of the goods cancels without an ask. Asks that await it are accepted with that."""
    actor = command.actor
    if actor.kind is not PartyKind.PLATFORM and actor.party != line.holder:
        return UNKNOWN_LINE
    if command.units is not None and command.units < 1:
        return units_invalid()
    draft = Draft(line, now, actor.party)
    if command.units is None:
        for cancellation in _accepted_with(line, actor):
            draft.accept_for_good(
                cancellation,
                actor.party,
                reason=command.reason,
                unasked=not is_customers_wish(cancellation, command.reason),
                note=command.note,
            )
    units = draft.open if command.units is None else command.units
    if not (units or draft.changed):
        return why_nothing_open(line)
    if units > draft.open:
        return too_many_units(line, units) if line.open else why_nothing_open(line)
    if units:
        draft.cancel_own(new_id(), units, command.reason, actor.party, command.note)
    return draft.done()


def _accepted_with(line: Line, actor: Actor) -> list[Cancellation]:
    """The asks that are accepted when the actor cancels all units."""
    platform = actor.kind is PartyKind.PLATFORM
    return [
        c for c in line.asks if platform or c.awaiting == actor.party or (c.agreed and c.answered_by == actor.party)
    ]


def _asked_before(line: Line, command: AskCancellation) -> tuple[Cancellation, ...]:
    """The asks that wait already and that this one only repeats.

    A key says which asks are the same. Without a key, equal asks count as one, since a client that lost the answer asks
    again. An ask for all open units also counts once.
    """
    if command.units is None and not command.key:
        if line.open:
            return ()
        if command.asker is Asker.RETAILER and any(is_retailers_turn(line, ask) for ask in line.asks):
            return ()
        own = tuple(ask for ask in line.asks if ask.asker is command.asker and not ask.key)
        return own or tuple(ask for ask in line.asks if _covers(ask, command.asker))
    return tuple(ask for ask in line.asks if _is_same_ask(ask, command))


def _is_same_ask(ask: Cancellation, command: AskCancellation) -> bool:
    if (ask.asker, ask.key) != (command.asker, command.key) or command.units not in (None, ask.units):
        return False
    if command.key:
        return ask.asked_by == command.actor.party
    return (ask.reason, ask.note) == (command.reason, command.note)


def _covers(ask: Cancellation, asker: Asker) -> bool:
    """Whether an ask also stands for an ask of this asker: a customer's ask does, for the retailer."""
    return asker in (ask.asker, Asker.RETAILER)


def answer_waiting(line: Line, draft: Draft, actor: Actor, asked_under: AskedUnder, now: datetime) -> None:
    """A retailer that asks for the whole line accepts by that the customer's asks that wait for it."""
    for cancellation in line.asks:
        if not is_retailers_turn(line, cancellation):
            continue
        if line.retailer_decides:
            draft.accept(cancellation, cancellation.asked_units, actor.party)
        else:
            due_at = asked_under(cancellation).answer_due(now)
            draft.pass_on(cancellation, to=line.holder_that_answers, due_at=due_at)
