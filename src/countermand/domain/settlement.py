"""A refund's life, from the moment it is due until the money is back: what each party's word does to it.

One refund has one key for the provider, and the key changes only after the provider said for certain that nothing
moved and nothing will. So whatever crashes or times out, the same wish is sent again, and it moves money once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never
from uuid import UUID

from countermand.domain.cancellation import NewId
from countermand.domain.commands import CloseRefund, Movement, RefundCommand, RetryRefund, SendRefund, SettleRefund
from countermand.domain.draft import unmoved
from countermand.domain.events import EventKind, ToldRefund
from countermand.domain.line import Decision, Line
from countermand.domain.refund import Method, OrderMoney, Payment, Returned
from countermand.domain.refusals import Refusal, RefusalKind

MANUAL: Final = "manual"
"""The provider that is a person with a work list."""

HOLD: Final = timedelta(minutes=2)
"""How long a call may take. A refund that was to be sent and has no answer then is taken up again."""

GIVE_UP_AFTER: Final = timedelta(days=14)
ATTEMPTS_MAX: Final = 60
"""A refund that is not settled by then is parked."""

CHECK_EVERY: Final = timedelta(days=1)
CHECK_AGAIN: Final = timedelta(hours=1)
"""How often a provider is asked about a refund that nobody works on; the second, when it did not answer."""

_DELAYS_S: Final = (5, 30, 120, 600, 1800, 3600, 2 * 3600, 4 * 3600)

FOUND: Final = "Somebody had refunded it at the provider."

RETAILER: Final = "retailer"
REFUNDS_DUE: Final = "refunds_due"
COMMISSION: Final = "commission"
"""Accounts of the journal. Each provider has one besides: ``provider:stripe``."""


class RefundKind(StrEnum):
    """Whether captured money goes back, or authorised money is let go."""

    REFUND = "refund"
    RELEASE = "release"


class RefundState(StrEnum):
    """Where a refund stands.

    ``BY_HAND`` waits for a person to pay it; ``DUE`` for a worker. ``SENT``: a call is under way, or was when somebody
    crashed. ``ACCEPTED``: the provider has it. ``UNKNOWN``: no answer came. ``PARKED``: a person has to see to it.
    ``CONFIRMED`` and ``CLOSED`` are its ends, though a provider may take the first one back days later.
    """

    BY_HAND = "by_hand"
    DUE = "due"
    SENT = "sent"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    CONFIRMED = "confirmed"
    PARKED = "parked"
    CLOSED = "closed"


UNDER_WAY: Final = frozenset({RefundState.DUE, RefundState.SENT, RefundState.ACCEPTED, RefundState.UNKNOWN})
"""A worker has something to do about these, at their ``due_at``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """What one payment owes for one cancellation.

    ``elsewhere_minor`` is what was found refunded at the provider already (EC-60); only the rest is sent. ``sent_at``
    is when the present key was first sent, ``attempts`` how many calls were begun, and ``movement`` the provider's last
    word. ``check_at`` is when it is asked again, though nobody works on the refund: its word may have changed, and its
    webhook may have been lost (docs/decisions/0018).
    """

    id: UUID
    order: UUID
    line: UUID
    cancellation: UUID
    payment: str
    provider: str
    payment_reference: str
    method: Method
    kind: RefundKind
    amount_minor: int
    currency: str
    state: RefundState
    created_at: datetime
    elsewhere_minor: int = 0
    round: int = 1
    attempts: int = 0
    due_at: datetime | None = None
    sent_at: datetime | None = None
    provider_reference: str = ""
    last_result: str = ""
    settled_at: datetime | None = None
    note: str = ""
    movement: Movement | None = None
    check_at: datetime | None = None

    @property
    def key(self) -> str:
        """What the provider recognises a repeated wish by."""
        return f"cm-refund-{self.id.hex}-{self.round}"

    @property
    def rest_minor(self) -> int:
        """What is to be sent."""
        return self.amount_minor - self.elsewhere_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One amount from one account to another: a debit and a credit in one, so that all accounts sum to zero."""

    kind: str
    debit: str
    credit: str
    amount_minor: int
    currency: str
    refund: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a word did to a refund: the refund after it, its line with the events, and the journal's part."""

    refund: Refund
    decision: Decision
    postings: tuple[Posting, ...] = ()


def due(
    line: Line, cancellation: UUID, money: OrderMoney, back: Returned, new_id: NewId, now: datetime
) -> tuple[list[Settled], list[Posting]]:
    """The refunds that follow from cancelled units, one for each payment that gives something back; and commission."""
    payments = {payment.id: payment for payment in money.payments}
    settled = []
    for part in back.payments:
        for kind, amount in ((RefundKind.REFUND, part.refund_minor), (RefundKind.RELEASE, part.release_minor)):
            if amount:
                fresh = _fresh(line, cancellation, payments[part.payment], kind, amount, money.currency, new_id(), now)
                owed = _posting(fresh, EventKind.REFUND_DUE, RETAILER, REFUNDS_DUE, amount)
                settled.append(_told(line, fresh, EventKind.REFUND_DUE, postings=owed))
                line = settled[-1].decision.line
    if not back.commission_minor:
        return settled, []
    returned = Posting(
        kind=EventKind.REFUND_DUE,
        debit=COMMISSION,
        credit=RETAILER,
        amount_minor=back.commission_minor,
        currency=money.currency,
    )
    return settled, [returned]


def decide_refund(line: Line, refund: Refund, command: RefundCommand, now: datetime) -> Settled | Refusal:
    """Decide one command on one refund. Never raises for a business case."""
    match command:
        case SendRefund():
            return _send(line, refund, command, now)
        case SettleRefund():
            return _settle(line, refund, command, now)
        case CloseRefund():
            return _close(line, refund, command, now)
        case RetryRefund():
            return _retry(line, refund, command, now)
        case _:  # pragma: no cover
            assert_never(command)


def must_ask_first(refund: Refund, now: datetime, key_lifetime: timedelta) -> bool:
    """Whether the provider has to be asked what became of this refund before anything is sent again.

    It has it; or it may have it, and would not recognise the key any more.
    """
    if refund.state is RefundState.ACCEPTED:
        return True
    return refund.sent_at is not None and now - refund.sent_at >= key_lifetime


def _send(line: Line, refund: Refund, command: SendRefund, now: datetime) -> Settled | Refusal:
    if refund.state not in UNDER_WAY or refund.attempts != command.attempts:
        return _not_open(refund)
    elsewhere = min(refund.amount_minor, refund.elsewhere_minor + command.elsewhere_minor)
    sent = replace(
        refund,
        state=RefundState.SENT,
        attempts=refund.attempts + 1,
        elsewhere_minor=elsewhere,
        sent_at=refund.sent_at or now,
        due_at=now + HOLD,
    )
    if not sent.rest_minor:
        return _confirmed(line, replace(sent, last_result=FOUND), now)
    return _told(line, sent, *(() if refund.attempts else (EventKind.REFUND_SENT,)))


def _settle(line: Line, refund: Refund, command: SettleRefund, now: datetime) -> Settled | Refusal:
    moved = command.movement is Movement.CONFIRMED
    stale = command.attempts != refund.attempts
    # The key is the same at every attempt: that it moved is true whichever of them says so.
    if stale and not moved:
        return _not_open(refund)
    heard = replace(
        refund,
        movement=command.movement,
        last_result=command.result,
        provider_reference=command.provider_reference or refund.provider_reference,
    )
    if refund.state is RefundState.CONFIRMED:
        return _heard_when_done(line, refund, heard, command, now)
    fits = command.amount_minor in (None, refund.rest_minor) and command.currency in ("", refund.currency)
    if moved and fits:
        return _watched(_confirmed(line, heard, now), command, now)
    if refund.state is RefundState.PARKED:
        return _watched(_heard_when_parked(line, refund, command, now), command, now)
    if moved:
        other = f"Other amount or currency than wished: {command.result}"
        return _watched(_parked(line, replace(heard, last_result=other)), command, now)
    if refund.state not in UNDER_WAY:
        return _unchanged(line, refund)
    return _watched(_wait_or_park(line, heard, command, now), command, now)


def _heard_when_done(line: Line, refund: Refund, heard: Refund, command: SettleRefund, now: datetime) -> Settled:
    """Only a provider that had confirmed can take its word back: what a person paid otherwise, it knows nothing of."""
    if refund.movement is not Movement.CONFIRMED:
        return _unchanged(line, refund)
    if command.movement is Movement.REFUSED:
        return _watched(_failed_late(line, heard), command, now)
    if command.movement is Movement.CONFIRMED:
        refund = replace(refund, last_result=command.result)
    return _watched(_unchanged(line, refund), command, now)


def _heard_when_parked(line: Line, refund: Refund, command: SettleRefund, now: datetime) -> Settled:
    """It is as it was, or somebody has refunded it at the provider meanwhile (EC-60)."""
    has_none = command.movement in (Movement.REFUSED, Movement.ABSENT) and refund.movement is not Movement.CONFIRMED
    found = min(refund.rest_minor, command.elsewhere_minor) if has_none else 0
    if not found:
        return _unchanged(line, refund)
    counted = replace(refund, elsewhere_minor=refund.elsewhere_minor + found, last_result=FOUND)
    return _unchanged(line, counted) if counted.rest_minor else _confirmed(line, counted, now)


def _watched(settled: Settled, command: SettleRefund, now: datetime) -> Settled:
    """When to ask about it again, if nobody works on it and its time is not over."""
    refund = settled.refund
    since, wait = refund.settled_at or refund.created_at, CHECK_EVERY
    if command.movement in (Movement.UNKNOWN, Movement.LATER):
        wait = CHECK_AGAIN
    parked = refund.state is RefundState.PARKED
    confirmed = refund.state is RefundState.CONFIRMED and refund.movement is Movement.CONFIRMED
    watch = refund.kind is RefundKind.REFUND and (parked or confirmed) and now + wait <= since + command.watch_for
    return replace(settled, refund=replace(refund, check_at=now + wait if watch else None))


def _wait_or_park(line: Line, heard: Refund, command: SettleRefund, now: datetime) -> Settled:
    given_up = heard.sent_at is not None and now - heard.sent_at > GIVE_UP_AFTER
    if heard.movement is Movement.REFUSED or given_up or heard.attempts >= ATTEMPTS_MAX:
        return _parked(line, heard)
    delay = max(_usual_delay(heard, now), timedelta(seconds=command.retry_after_s or 0))
    match heard.movement:
        case Movement.ACCEPTED:
            # How long a bank takes, nobody knows; whoever waited for long need not ask often.
            wait = max(timedelta(minutes=10), (now - heard.created_at) / 4)
            after = replace(heard, state=RefundState.ACCEPTED, due_at=now + min(wait, timedelta(hours=12)))
        case Movement.ABSENT:
            after = replace(heard, state=RefundState.DUE, due_at=now + delay, sent_at=None)
        case Movement.LATER:
            after = replace(heard, state=RefundState.DUE, due_at=now + delay)
            if command.spent:
                after = _with_new_key(after)
        case _:
            after = replace(heard, state=RefundState.UNKNOWN, due_at=now + delay)
    return _told(line, after)


def _usual_delay(refund: Refund, now: datetime) -> timedelta:
    if refund.attempts:
        return timedelta(seconds=_DELAYS_S[min(refund.attempts, len(_DELAYS_S)) - 1])
    # It could not even be sent, so no call counts how often this happened.
    return min(max(timedelta(seconds=_DELAYS_S[0]), (now - refund.created_at) / 4), timedelta(seconds=_DELAYS_S[-1]))


def _close(line: Line, refund: Refund, command: CloseRefund, now: datetime) -> Settled | Refusal:
    if refund.state not in (RefundState.BY_HAND, RefundState.PARKED):
        return _not_open(refund)
    if not command.paid and not command.note.strip():
        return Refusal(kind=RefusalKind.REASON_REQUIRED, detail="To close a refund that is not paid, say why.")
    noted = replace(refund, note=command.note, check_at=None)
    if command.paid:
        return _confirmed(line, noted, now)
    closed = replace(noted, state=RefundState.CLOSED, settled_at=now)
    back = _posting(closed, EventKind.REFUND_CLOSED, REFUNDS_DUE, RETAILER, refund.amount_minor)
    return _told(line, closed, EventKind.REFUND_CLOSED, postings=back, note=command.note)


def _retry(line: Line, refund: Refund, command: RetryRefund, now: datetime) -> Settled | Refusal:
    """Only a definite refusal permits a new key; what may have moved is sent again under its own."""
    if refund.state is not RefundState.PARKED or refund.movement is Movement.CONFIRMED:
        return _not_open(refund)
    again = replace(refund, state=RefundState.DUE, due_at=now, note=command.note, check_at=None)
    if refund.movement is Movement.REFUSED:
        again = _with_new_key(again)
    return _told(line, again)


def _with_new_key(refund: Refund) -> Refund:
    return replace(refund, round=refund.round + 1, sent_at=None, provider_reference="")


def _confirmed(line: Line, refund: Refund, now: datetime) -> Settled:
    done = replace(refund, state=RefundState.CONFIRMED, due_at=None, settled_at=now, check_at=None)
    paid = _posting(done, EventKind.REFUND_DONE, REFUNDS_DUE, f"provider:{refund.provider}", refund.amount_minor)
    if refund.state is RefundState.CLOSED:
        # A person had given it up, and it moved all the same.
        paid = (*_posting(done, EventKind.REFUND_DUE, RETAILER, REFUNDS_DUE, refund.amount_minor), *paid)
    return _told(line, done, EventKind.REFUND_DONE, postings=paid, note=refund.note)


def _failed_late(line: Line, refund: Refund) -> Settled:
    """The provider takes its word back (EC-59): the customer has nothing, and a person must find another way."""
    back = _posting(refund, EventKind.REFUND_FAILED, f"provider:{refund.provider}", REFUNDS_DUE, refund.amount_minor)
    failed = replace(refund, state=RefundState.PARKED, settled_at=None, check_at=None)
    return _told(line, failed, EventKind.REFUND_FAILED, postings=back, note=refund.last_result)


def _parked(line: Line, refund: Refund) -> Settled:
    parked = replace(refund, state=RefundState.PARKED, due_at=None, settled_at=None)
    owed: tuple[Posting, ...] = ()
    if refund.state is RefundState.CLOSED:
        # A person had given it up; now it is owed again.
        owed = _posting(parked, EventKind.REFUND_DUE, RETAILER, REFUNDS_DUE, refund.amount_minor)
    return _told(line, parked, EventKind.REFUND_FAILED, postings=owed, note=refund.last_result)


def _unchanged(line: Line, refund: Refund) -> Settled:
    return Settled(refund=refund, decision=Decision(line=line))


def _not_open(refund: Refund) -> Refusal:
    state = refund.state.value.replace("_", " ")
    return Refusal(kind=RefusalKind.REFUND_NOT_OPEN, detail=f"This refund is {state} by now.")


def _told(line: Line, refund: Refund, *kinds: EventKind, postings: tuple[Posting, ...] = (), note: str = "") -> Settled:
    told = ToldRefund(
        id=refund.id,
        cancellation=refund.cancellation,
        payment=refund.payment,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        released=refund.kind is RefundKind.RELEASE,
    )
    decision = unmoved(line, kinds, note=note, refund=told)
    return Settled(refund=refund, decision=decision, postings=postings)


def _posting(refund: Refund, kind: EventKind, debit: str, credit: str, amount: int) -> tuple[Posting, ...]:
    """What is only let go was never ours, so no account knows of it."""
    if refund.kind is RefundKind.RELEASE:
        return ()
    posting = Posting(
        kind=kind, debit=debit, credit=credit, amount_minor=amount, currency=refund.currency, refund=refund.id
    )
    return (posting,)


def _fresh(
    line: Line,
    cancellation: UUID,
    payment: Payment,
    kind: RefundKind,
    amount_minor: int,
    currency: str,
    id: UUID,  # noqa: A002 - a refund's id is its id
    now: datetime,
) -> Refund:
    by_hand = payment.provider == MANUAL
    return Refund(
        id=id,
        order=line.order,
        line=line.id,
        cancellation=cancellation,
        payment=payment.id,
        provider=payment.provider,
        payment_reference=payment.reference,
        method=payment.method,
        kind=kind,
        amount_minor=amount_minor,
        currency=currency,
        state=RefundState.BY_HAND if by_hand else RefundState.DUE,
        created_at=now,
        due_at=None if by_hand else now,
    )
