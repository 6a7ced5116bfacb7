"""What a call to the provider does to a refund: the intent to call, and the result that the provider reports."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from countermand.domain.cancellation import NewId
from countermand.domain.events import EventKind
from countermand.domain.line import Line
from countermand.domain.money.commands import Movement, SendRefund, SettleRefund, WaitingFor
from countermand.domain.money.refunds import (
    CHECK_EVERY,
    UNDER_WAY,
    Refund,
    RefundKind,
    RefundOutcome,
    RefundState,
    confirmed,
    free_to_share,
    not_open,
    opened_again,
    outcome_of,
    parked,
    reopened,
    unchanged,
    with_new_key,
)
from countermand.domain.money.releases import refund_captured
from countermand.domain.money.shared_calls import step_after_intent
from countermand.domain.refusals import Refusal

HOLD: Final = timedelta(minutes=2)
"""How long a call may take. A refund that was sent and has no answer after this time is taken up again."""

GIVE_UP_AFTER: Final = timedelta(days=14)
ATTEMPTS_MAX: Final = 60
"""A refund that is not settled after this time, or after so many calls, is parked."""

CHECK_AGAIN: Final = timedelta(hours=1)
"""When a provider is asked again that did not answer a check."""

FOUND: Final = "Somebody had refunded it at the provider."

_DELAYS_S: Final = (5, 30, 120, 600, 1800, 3600, 2 * 3600, 4 * 3600)


def must_ask_first(refund: Refund, now: datetime, key_lifetime: timedelta) -> bool:
    """Whether the provider has to be asked for this refund before anything is sent again.

    Either the provider has accepted it, or it may have it and would no longer recognise the key.
    """
    if refund.state is RefundState.ACCEPTED:
        return True
    return refund.sent_at is not None and now - refund.sent_at >= key_lifetime


def send(line: Line, refund: Refund, command: SendRefund, now: datetime) -> RefundOutcome | Refusal:
    """The worker is about to call the provider."""
    is_parked = refund.state is RefundState.PARKED and refund.shared is not None
    if not (is_parked or refund.state in UNDER_WAY) or _is_stale(refund, command):
        return not_open(refund)
    sent = replace(
        opened_again(refund, now),
        state=RefundState.SENT,
        attempts=refund.attempts + 1,
        sent_at=refund.sent_at or now,
        due_at=now + HOLD,
        step=step_after_intent(refund),
    )
    return outcome_of(line, sent, *(() if refund.attempts else (EventKind.REFUND_SENT,)))


def settle(line: Line, refund: Refund, command: SettleRefund, now: datetime, new_id: NewId) -> RefundOutcome | Refusal:
    """The provider has reported a result."""
    moved = command.movement is Movement.CONFIRMED
    # If one of the attempts under a key reports that money moved, it is true for all. It is true under a key that was
    # given up as well, unless this is what earlier calls are known to have moved.
    is_news = moved and (command.key in ("", refund.key) or not refund.moved_minor)
    if _is_stale(refund, command) and not is_news:
        return not_open(refund)
    updated = replace(
        refund,
        movement=command.movement,
        last_result=command.result,
        provider_reference=command.provider_reference or refund.provider_reference,
        waiting_for=command.waiting_for,
    )
    if refund.state is RefundState.CONFIRMED:
        return _settle_confirmed(line, refund, updated, command, now)
    fits = command.amount_minor in (None, refund.requested_minor) and command.currency in ("", refund.currency)
    fits = fits and refund.holds_its_share
    if moved and fits:
        return _with_next_check(confirmed(line, updated, now), command, now)
    if refund.kind is RefundKind.RELEASE and command.captured_minor and refund.state is not RefundState.CLOSED:
        return refund_captured(line, updated, command.captured_minor, now, new_id)
    if refund.state is RefundState.PARKED:
        return _with_next_check(_settle_parked(line, refund, command, now), command, now)
    if moved:
        other = f"Other amount or currency than requested: {command.result}"
        return _with_next_check(parked(line, replace(updated, last_result=other), now), command, now)
    if refund.state not in UNDER_WAY:
        return unchanged(line, refund)
    return _with_next_check(_wait_or_park(line, updated, command, now), command, now)


def _is_stale(refund: Refund, command: SendRefund | SettleRefund) -> bool:
    """Whether the refund was called for, or decided on, since the worker has read it."""
    return command.attempts != refund.attempts or command.step not in (None, refund.step)


def _settle_confirmed(
    line: Line, refund: Refund, updated: Refund, command: SettleRefund, now: datetime
) -> RefundOutcome:
    """Only a provider that confirmed a refund can revoke it. It knows nothing of what a person paid in another way."""
    if command.earlier_minor is not None and command.earlier_minor < refund.moved_minor:
        return _with_next_check(_earlier_failed(line, refund, command, now), command, now)
    if refund.movement is not Movement.CONFIRMED:
        outcome = unchanged(line, refund)
        return _with_next_check(outcome, command, now) if refund.moved_minor else outcome
    if command.movement is Movement.REFUSED:
        return _with_next_check(_failed_late(line, updated, now), command, now)
    if command.movement is Movement.CONFIRMED:
        refund = replace(refund, last_result=command.result)
    return _with_next_check(unchanged(line, refund), command, now)


def _earlier_failed(line: Line, refund: Refund, command: SettleRefund, now: datetime) -> RefundOutcome:
    """A part of what earlier calls moved has failed. The result of the last call is checked next time."""
    lost = refund.moved_minor - (command.earlier_minor or 0)
    reopened_now = reopened(refund)
    less = replace(reopened_now, paid_minor=reopened_now.paid_minor - lost, moved_minor=reopened_now.moved_minor - lost)
    return _failed_late(line, replace(less, last_result="A part of it failed after it was done."), now)


def _settle_parked(line: Line, refund: Refund, command: SettleRefund, now: datetime) -> RefundOutcome:
    """It stays parked, unless somebody has refunded it at the provider meanwhile (EC-60)."""
    has_none = command.movement in (Movement.REFUSED, Movement.ABSENT) and refund.movement is not Movement.CONFIRMED
    found = min(refund.rest_minor, command.elsewhere_minor) if has_none else 0
    if not found:
        return unchanged(line, refund)
    counted = replace(refund, elsewhere_minor=refund.elsewhere_minor + found, last_result=FOUND)
    return unchanged(line, counted) if counted.rest_minor else confirmed(line, counted, now)


def _with_next_check(settled: RefundOutcome, command: SettleRefund, now: datetime) -> RefundOutcome:
    """The outcome with the time of the next check, if the refund is parked or confirmed and is still watched."""
    refund = settled.refund
    since, wait = refund.settled_at or refund.created_at, CHECK_EVERY
    if command.movement in (Movement.UNKNOWN, Movement.LATER):
        wait = CHECK_AGAIN
    is_parked = refund.state is RefundState.PARKED
    moved = refund.movement is Movement.CONFIRMED or refund.moved_minor > 0
    is_confirmed = refund.state is RefundState.CONFIRMED and moved
    watch = refund.kind is RefundKind.REFUND and (is_parked or is_confirmed) and now + wait <= since + command.watch_for
    # Once its provider is set up, the refund goes on by itself, however long that takes.
    watch = watch or (is_parked and refund.no_provider)
    return replace(settled, refund=replace(refund, check_at=now + wait if watch else None))


def _wait_or_park(line: Line, updated: Refund, command: SettleRefund, now: datetime) -> RefundOutcome:
    if _needs_person(updated, command, now):
        return parked(line, replace(updated, no_provider=command.no_provider), now)
    wait = timedelta(seconds=command.retry_after_s or 0)
    # The provider says when an equal refund may follow, so no longer delay is needed.
    exact = updated.waiting_for is WaitingFor.EQUAL_REFUND and wait
    delay = wait if exact else max(_usual_delay(updated, now), wait)
    match updated.movement:
        case Movement.ACCEPTED:
            # Nobody knows how long a bank takes. The longer a refund has waited, the less often the provider is asked.
            wait = max(timedelta(minutes=10), (now - updated.created_at) / 4)
            after = replace(updated, state=RefundState.ACCEPTED, due_at=now + min(wait, timedelta(hours=12)))
        case Movement.ABSENT if command.incomplete:
            after = _left_over(updated, now, delay)
        case Movement.ABSENT:
            after = replace(updated, state=RefundState.DUE, due_at=now + delay, sent_at=None)
        case Movement.LATER | Movement.REFUSED:
            after = replace(updated, state=RefundState.DUE, due_at=now + delay)
            if _is_turned_down(updated):
                after = with_new_key(after)
            elif command.spent or updated.movement is Movement.REFUSED:
                after = free_to_share(with_new_key(after))
        case _:
            after = replace(updated, state=RefundState.UNKNOWN, due_at=now + delay)
    return outcome_of(line, after)


def _needs_person(updated: Refund, command: SettleRefund, now: datetime) -> bool:
    """Whether a person has to look at it. A refund that waits for funds goes on waiting: only time helps (EC-62)."""
    if updated.waiting_for:
        return False
    given_up = updated.sent_at is not None and now - updated.sent_at > GIVE_UP_AFTER
    refused = updated.movement is Movement.REFUSED and not _is_turned_down(updated)
    return refused or command.needs_person or given_up or updated.attempts >= ATTEMPTS_MAX


def _is_turned_down(updated: Refund) -> bool:
    """Whether the provider refused a shared call before it took it.

    What is wrong with one of the refunds may not be wrong with the others, so each is then tried alone, under a key of
    its own.
    """
    refused = updated.movement is Movement.REFUSED and not updated.waiting_for
    return refused and updated.shared is not None and not updated.provider_reference


def _left_over(updated: Refund, now: datetime, delay: timedelta) -> Refund:
    """A refund of a shared call that the provider does not have, and that cannot be repeated: not all are left.

    It takes a key of its own once the last call is over, whatever the outcome of that call.
    """
    if updated.sent_at is not None and now - updated.sent_at < HOLD:
        return replace(updated, state=RefundState.UNKNOWN, due_at=now + max(delay, HOLD))
    return replace(free_to_share(with_new_key(updated)), state=RefundState.DUE, due_at=now + delay, movement=None)


def _usual_delay(refund: Refund, now: datetime) -> timedelta:
    if refund.attempts:
        return timedelta(seconds=_DELAYS_S[min(refund.attempts, len(_DELAYS_S)) - 1])
    # It was never sent, so there is no count of calls.
    return min(max(timedelta(seconds=_DELAYS_S[0]), (now - refund.created_at) / 4), timedelta(seconds=_DELAYS_S[-1]))


def _failed_late(line: Line, refund: Refund, now: datetime) -> RefundOutcome:
    """The provider revokes a confirmation (EC-59): the customer has no money, and a person must pay in another way."""
    return parked(line, replace(refund, check_at=None), now)
