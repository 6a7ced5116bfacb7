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
from countermand.domain.events import EventKind, ReportedRefund
from countermand.domain.line import Decision, Line
from countermand.domain.money.amounts import write_minor
from countermand.domain.money.commands import (
    CloseRefund,
    CorrectRefund,
    Movement,
    RefundCommand,
    RetryRefund,
    SendRefund,
    SettleRefund,
    WaitingFor,
)
from countermand.domain.money.pricing import Method, OrderMoney, Payment, Returned
from countermand.domain.refusals import CurrentState, Refusal, RefusalKind
from countermand.domain.transition import unmoved

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
class Joined:
    """One call to the provider that several refunds share, as each of them knows it (docs/decisions/0023).

    The call has the key and the reference that the refund ``lead`` had in its round ``number``, and is of
    ``total_minor``. This refund takes part in its own ``round``, with ``share_minor`` of the total.
    """

    lead: UUID
    number: int
    round: int
    share_minor: int
    total_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """What one payment owes for one cancellation.

    ``elsewhere_minor`` is what somebody else refunded of it (EC-60), and ``paid_minor`` what had gone back besides when
    an operator corrected that; ``moved_minor`` of this was moved by earlier calls. Only the rest is sent. ``sent_at``
    is when the present key was first sent, ``attempts`` how many calls were begun, and ``movement`` the provider's last
    word. ``check_at`` is when it is asked again, though nobody works on the refund: its word may have changed, and its
    webhook may have been lost (docs/decisions/0018). ``step`` counts decisions on it, and ``corrected_step`` is the one
    that the last correction answered. ``joined`` is the call that it shares, or shared before. ``no_provider`` says
    that it is parked only because its provider is not set up.
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
    paid_minor: int = 0
    moved_minor: int = 0
    step: int = 1
    corrected_step: int | None = None
    parked_at: datetime | None = None
    no_provider: bool = False
    waiting_for: WaitingFor | None = None
    joined: Joined | None = None

    @property
    def shared(self) -> Joined | None:
        """The call that it shares now: it leaves that call when it takes a key of its own."""
        return self.joined if self.joined and self.joined.round == self.round else None

    @property
    def call(self) -> tuple[UUID, int]:
        """Whose key and reference the provider knows it by, and in which round."""
        return (self.shared.lead, self.shared.number) if self.shared else (self.id, self.round)

    @property
    def key(self) -> str:
        """What the provider recognises a repeated wish by."""
        owner, number = self.call
        return f"cm-refund-{owner.hex}-{number}"

    @property
    def wished_minor(self) -> int:
        """What the call is of that it is sent with: its own rest, or the total of all who share it."""
        return self.shared.total_minor if self.shared else self.rest_minor

    @property
    def holds_its_share(self) -> bool:
        """Whether it owes just what it brought to the call that it shares; true of one that shares none."""
        return not self.shared or self.shared.share_minor == self.rest_minor

    @property
    def rest_minor(self) -> int:
        """What is to be sent, or was sent under the present key."""
        return max(0, self.amount_minor - self.elsewhere_minor - self.paid_minor)

    @property
    def unsent(self) -> bool:
        """Whether the provider never saw the present key."""
        return self.sent_at is None and self.movement is not Movement.ABSENT

    @property
    def gone_minor(self) -> int:
        """What is back with the customer."""
        by_now = self.rest_minor if self.state is RefundState.CONFIRMED else 0
        return self.elsewhere_minor + self.paid_minor + by_now


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
    """What a word did to a refund: the refund after it, its line with the events, and the journal's part.

    ``split`` is a refund of its own that a part of it became.
    """

    refund: Refund
    decision: Decision
    postings: tuple[Posting, ...] = ()
    split: Refund | None = None


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
                told = _told(line, fresh, EventKind.REFUND_DUE)
                settled.append(replace(told, postings=_booked(None, fresh)))
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


def decide_refund(
    line: Line, refund: Refund, command: RefundCommand, now: datetime, new_id: NewId
) -> Settled | Refusal:
    """Decide one command on one refund. Never raises for a business case."""
    outcome = _decided(line, refund, command, now, new_id)
    if isinstance(outcome, Refusal):
        return outcome
    return booked(refund, outcome, EventKind.REFUND_CORRECTED if isinstance(command, CorrectRefund) else None)


def booked(refund: Refund, settled: Settled, corrected: EventKind | None = None) -> Settled:
    """The same with what the journal says of it: all of the kind ``corrected``, if that is given."""
    split = _booked(None, settled.split) if settled.split else ()
    return replace(settled, postings=_booked(refund, settled.refund, corrected) + split)


def _decided(line: Line, refund: Refund, command: RefundCommand, now: datetime, new_id: NewId) -> Settled | Refusal:
    match command:
        case SendRefund():
            return _send(line, refund, command, now)
        case SettleRefund():
            return _settle(line, refund, command, now, new_id)
        case CloseRefund():
            return _moved_on(refund, command.step) or _close(line, refund, command, now)
        case RetryRefund():
            return _moved_on(refund, command.step) or _retry(line, refund, command, now)
        case CorrectRefund():
            return _correct(line, refund, command, now)
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
    parked = refund.state is RefundState.PARKED and refund.shared is not None
    if not (parked or refund.state in UNDER_WAY) or refund.attempts != command.attempts:
        return _not_open(refund)
    sent = replace(
        _open_again(refund, now),
        state=RefundState.SENT,
        attempts=refund.attempts + 1,
        sent_at=refund.sent_at or now,
        due_at=now + HOLD,
        step=refund.step + 1 if parked else refund.step,
    )
    return _told(line, sent, *(() if refund.attempts else (EventKind.REFUND_SENT,)))


def _settle(line: Line, refund: Refund, command: SettleRefund, now: datetime, new_id: NewId) -> Settled | Refusal:
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
        waiting_for=command.waiting_for,
    )
    if refund.state is RefundState.CONFIRMED:
        return _heard_when_done(line, refund, heard, command, now)
    fits = command.amount_minor in (None, refund.wished_minor) and command.currency in ("", refund.currency)
    fits = fits and refund.holds_its_share
    if moved and fits:
        return _watched(_confirmed(line, heard, now), command, now)
    if refund.kind is RefundKind.RELEASE and command.captured_minor and refund.state is not RefundState.CLOSED:
        return become_refund(line, heard, command.captured_minor, now, new_id)
    if refund.state is RefundState.PARKED:
        return _watched(_heard_when_parked(line, refund, command, now), command, now)
    if moved:
        other = f"Other amount or currency than wished: {command.result}"
        return _watched(_parked(line, replace(heard, last_result=other), now), command, now)
    if refund.state not in UNDER_WAY:
        return _unchanged(line, refund)
    return _watched(_wait_or_park(line, heard, command, now), command, now)


def become_refund(line: Line, release: Refund, captured_minor: int, now: datetime, new_id: NewId) -> Settled:
    """So much of what a release was to let go has been captured: it is refunded instead, under a key of its own.

    What is not captured stays a release, and is let go of. A release that a person has closed becomes a closed refund.
    """
    if captured_minor < release.amount_minor:
        rest = replace(release, amount_minor=release.amount_minor - captured_minor)
        if rest.state in UNDER_WAY or rest.state is RefundState.PARKED:
            rest = _open_again(rest, now)
        part = replace(release, id=new_id(), amount_minor=captured_minor, attempts=0, round=0, step=1, created_at=now)
        became = _as_refund(part, now)
        return replace(_told(line, became, *_falls_due(became), note=release.last_result), refund=rest, split=became)
    became = replace(_as_refund(release, now), step=release.step + 1)
    return _told(line, became, *_falls_due(became), note=release.last_result)


def _as_refund(release: Refund, now: datetime) -> Refund:
    became = _with_new_key(replace(release, kind=RefundKind.REFUND, movement=None, check_at=None))
    return became if release.state is RefundState.CLOSED else _open_again(became, now)


def _falls_due(refund: Refund) -> tuple[EventKind, ...]:
    return () if refund.state is RefundState.CLOSED else (EventKind.REFUND_DUE,)


def _heard_when_done(line: Line, refund: Refund, heard: Refund, command: SettleRefund, now: datetime) -> Settled:
    """Only a provider that had confirmed can take its word back: what a person paid otherwise, it knows nothing of."""
    if command.earlier_minor is not None and command.earlier_minor < refund.moved_minor:
        return _watched(_earlier_failed(line, refund, command, now), command, now)
    if refund.movement is not Movement.CONFIRMED:
        return _watched(_unchanged(line, refund), command, now) if refund.moved_minor else _unchanged(line, refund)
    if command.movement is Movement.REFUSED:
        return _watched(_failed_late(line, heard, now), command, now)
    if command.movement is Movement.CONFIRMED:
        refund = replace(refund, last_result=command.result)
    return _watched(_unchanged(line, refund), command, now)


def _earlier_failed(line: Line, refund: Refund, command: SettleRefund, now: datetime) -> Settled:
    """Of what earlier calls had moved, a part came back; what the last one moved stands, or is looked at next time."""
    lost = refund.moved_minor - (command.earlier_minor or 0)
    folded = _folded(refund)
    less = replace(folded, paid_minor=folded.paid_minor - lost, moved_minor=folded.moved_minor - lost)
    return _failed_late(line, replace(less, last_result="A part of it failed after it was done."), now)


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
    moved = refund.movement is Movement.CONFIRMED or refund.moved_minor > 0
    confirmed = refund.state is RefundState.CONFIRMED and moved
    watch = refund.kind is RefundKind.REFUND and (parked or confirmed) and now + wait <= since + command.watch_for
    # What waits for its provider to be set up goes on by itself then, however long that takes.
    watch = watch or (parked and refund.no_provider)
    return replace(settled, refund=replace(refund, check_at=now + wait if watch else None))


def _wait_or_park(line: Line, heard: Refund, command: SettleRefund, now: datetime) -> Settled:
    if _is_for_a_person(heard, command, now):
        return _parked(line, replace(heard, no_provider=command.no_provider), now)
    wait = timedelta(seconds=command.retry_after_s or 0)
    # When an equal refund may follow is known, so nobody waits longer.
    known = heard.waiting_for is WaitingFor.EQUAL_REFUND and wait
    delay = wait if known else max(_usual_delay(heard, now), wait)
    match heard.movement:
        case Movement.ACCEPTED:
            # How long a bank takes, nobody knows; whoever waited for long need not ask often.
            wait = max(timedelta(minutes=10), (now - heard.created_at) / 4)
            after = replace(heard, state=RefundState.ACCEPTED, due_at=now + min(wait, timedelta(hours=12)))
        case Movement.ABSENT if command.incomplete:
            after = _left(heard, now, delay)
        case Movement.ABSENT:
            after = replace(heard, state=RefundState.DUE, due_at=now + delay, sent_at=None)
        case Movement.LATER | Movement.REFUSED:
            after = replace(heard, state=RefundState.DUE, due_at=now + delay)
            if _is_turned_down(heard):
                after = _with_new_key(after)
            elif command.spent or heard.movement is Movement.REFUSED:
                after = _free(_with_new_key(after))
        case _:
            after = replace(heard, state=RefundState.UNKNOWN, due_at=now + delay)
    return _told(line, after)


def _is_for_a_person(heard: Refund, command: SettleRefund, now: datetime) -> bool:
    """Whether waiting is over. What waits for funds waits on: it says so, and nobody else can make it go on (EC-62)."""
    if heard.waiting_for:
        return False
    given_up = heard.sent_at is not None and now - heard.sent_at > GIVE_UP_AFTER
    refused = heard.movement is Movement.REFUSED and not _is_turned_down(heard)
    return refused or command.needs_person or given_up or heard.attempts >= ATTEMPTS_MAX


def _is_turned_down(heard: Refund) -> bool:
    """Whether a shared call was refused before the provider took it: what is wrong with one may be right with others.

    Each is then tried alone, under a key of its own.
    """
    refused = heard.movement is Movement.REFUSED and not heard.waiting_for
    return refused and heard.shared is not None and not heard.provider_reference


def _left(heard: Refund, now: datetime, delay: timedelta) -> Refund:
    """One of a call that cannot be made again, as not all who shared it are left, and that the provider has not.

    It takes a key of its own once the last call is over, whatever became of it.
    """
    if heard.sent_at is not None and now - heard.sent_at < HOLD:
        return replace(heard, state=RefundState.UNKNOWN, due_at=now + max(delay, HOLD))
    return replace(_free(_with_new_key(heard)), state=RefundState.DUE, due_at=now + delay, movement=None)


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
    closed = replace(
        noted,
        state=RefundState.CLOSED,
        step=refund.step + 1,
        settled_at=now,
        parked_at=None,
        no_provider=False,
    )
    return _told(line, closed, EventKind.REFUND_CLOSED, note=command.note)


def _retry(line: Line, refund: Refund, command: RetryRefund, now: datetime) -> Settled | Refusal:
    """Only a definite refusal permits a new key; what may have moved is sent again under its own."""
    if refund.state is not RefundState.PARKED:
        return _not_open(refund)
    if refund.movement is Movement.CONFIRMED:
        return _has_moved(refund)
    again = replace(_tried_again(refund, now), step=refund.step + 1, note=command.note or refund.note)
    return _told(line, again)


def _tried_again(refund: Refund, now: datetime) -> Refund:
    again = _open_again(refund, now)
    if refund.movement is Movement.REFUSED:
        return _free(_with_new_key(again))
    # The provider had no such refund: it need not be asked once more before it is sent.
    return replace(again, sent_at=None) if refund.movement is Movement.ABSENT else again


def _correct(line: Line, refund: Refund, command: CorrectRefund, now: datetime) -> Settled | Refusal:
    """An operator says what was refunded outside. What is left after that is owed; nothing is called done before."""
    if refund.corrected_step == command.step and refund.elsewhere_minor == command.elsewhere_minor:
        return _unchanged(line, refund)
    if moved_on := _moved_on(refund, command.step):
        return moved_on
    if refund.state not in (RefundState.BY_HAND, RefundState.PARKED, RefundState.CONFIRMED):
        return _not_open(refund)
    if refund.kind is RefundKind.RELEASE:
        return Refusal(
            kind=RefusalKind.REFUND_NOT_OPEN, detail="This is a release: no money moves, so none was refunded outside."
        )
    if not command.note.strip():
        return Refusal(kind=RefusalKind.REASON_REQUIRED, detail="To correct a refund, say why.")
    if not 0 <= command.elsewhere_minor <= refund.amount_minor:
        most = f"{write_minor(refund.amount_minor, refund.currency)} {refund.currency}"
        return Refusal(kind=RefusalKind.PAYMENT_DIFFERS, detail=f"The refund is of {most}: say 0 to {most}.")
    corrected = replace(
        _folded(refund),
        elsewhere_minor=command.elsewhere_minor,
        note=command.note,
        step=refund.step + 1,
        corrected_step=command.step,
        check_at=None,
    )
    return _corrected(line, refund, corrected, now)


def _corrected(line: Line, before: Refund, corrected: Refund, now: datetime) -> Settled:
    kind, note = EventKind.REFUND_CORRECTED, corrected.note
    if corrected.rest_minor:
        again = _tried_again(corrected, now)
        due_again = () if again.state is before.state else (EventKind.REFUND_DUE,)
        return _told(line, again, kind, *due_again, note=note)
    # What earlier calls moved may still fail, so it is asked about again.
    check_at = now + CHECK_EVERY if corrected.moved_minor else None
    done = replace(corrected, state=RefundState.CONFIRMED, due_at=None, settled_at=now, check_at=check_at)
    now_done = () if before.state is RefundState.CONFIRMED else (EventKind.REFUND_DONE,)
    return _told(line, done, kind, *now_done, note=note)


def _folded(refund: Refund) -> Refund:
    """A refund that is done, as one that may go on: what was paid stays paid, and more needs a key of its own."""
    if refund.state is not RefundState.CONFIRMED:
        return refund
    moved = refund.rest_minor if refund.movement is Movement.CONFIRMED else 0
    called = _with_new_key(refund) if moved else refund
    return replace(
        called,
        paid_minor=refund.paid_minor + refund.rest_minor,
        moved_minor=refund.moved_minor + moved,
        movement=None if moved else refund.movement,
    )


def _open_again(refund: Refund, now: datetime) -> Refund:
    """To be settled from now on: by a person, or by the worker."""
    by_hand = refund.provider == MANUAL
    return replace(
        refund,
        state=RefundState.BY_HAND if by_hand else RefundState.DUE,
        due_at=None if by_hand else now,
        settled_at=None,
        check_at=None,
        parked_at=None,
        no_provider=False,
    )


def _with_new_key(refund: Refund) -> Refund:
    return replace(refund, round=refund.round + 1, sent_at=None, provider_reference="")


def _free(refund: Refund) -> Refund:
    """It may share a call again: nothing moved by the last one that it shared."""
    return refund if refund.moved_minor else replace(refund, joined=None)


def _confirmed(line: Line, refund: Refund, now: datetime) -> Settled:
    done = replace(
        refund,
        state=RefundState.CONFIRMED,
        step=refund.step + 1,
        due_at=None,
        settled_at=now,
        check_at=None,
        parked_at=None,
        no_provider=False,
    )
    return _told(line, done, EventKind.REFUND_DONE, note=refund.note)


def _failed_late(line: Line, refund: Refund, now: datetime) -> Settled:
    """The provider takes its word back (EC-59): the customer has nothing, and a person must find another way."""
    return _parked(line, replace(refund, check_at=None), now)


def _parked(line: Line, refund: Refund, now: datetime) -> Settled:
    parked = replace(
        refund,
        state=RefundState.PARKED,
        step=refund.step + 1,
        due_at=None,
        settled_at=None,
        parked_at=now,
        waiting_for=None,
    )
    return _told(line, parked, EventKind.REFUND_FAILED, note=refund.last_result)


def _unchanged(line: Line, refund: Refund) -> Settled:
    return Settled(refund=refund, decision=Decision(line=line))


def _not_open(refund: Refund) -> Refusal:
    when = f" (since {refund.settled_at.isoformat(timespec='seconds')})" if refund.settled_at else ""
    return Refusal(kind=RefusalKind.REFUND_NOT_OPEN, detail=f"This refund {_STANDS[refund.state]}{when}.")


def _has_moved(refund: Refund) -> Refusal:
    said = f" The provider says: {refund.last_result}" if refund.last_result else ""
    return Refusal(
        kind=RefusalKind.REFUND_NOT_OPEN,
        detail=f"The provider has moved money for this refund, so it is not tried again: mark it as paid, or close it."
        f"{said.removesuffix('.') + '.' if said else ''}",
    )


_STANDS: Final = {
    RefundState.BY_HAND: "is waiting for manual payment",
    RefundState.DUE: "is due and will be sent to its provider",
    RefundState.SENT: "has been sent to its provider",
    RefundState.ACCEPTED: "has been accepted by its provider, which will say when it is done",
    RefundState.UNKNOWN: "has been sent, and its provider has not said what became of it",
    RefundState.CONFIRMED: "is done",
    RefundState.PARKED: "is parked and waits for a person",
    RefundState.CLOSED: "is closed, and nothing is paid back",
}


def _moved_on(refund: Refund, step: int | None) -> Refusal | None:
    """Whoever names the step that it saw is told when another decision came between."""
    if step is None or step == refund.step:
        return None
    state = refund.state.value.replace("_", " ")
    detail = f"This refund is at step {refund.step} by now, not at {step}: it is {state}."
    current = CurrentState(
        state=refund.state, step=refund.step, awaiting=None, answered_by=None, answered_at=refund.settled_at
    )
    return Refusal(kind=RefusalKind.STATE_CHANGED, detail=detail, current=current)


def _told(line: Line, refund: Refund, *kinds: EventKind, note: str = "") -> Settled:
    told = ReportedRefund(
        id=refund.id,
        cancellation=refund.cancellation,
        payment=refund.payment,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        released=refund.kind is RefundKind.RELEASE,
        step=refund.step,
        elsewhere_minor=refund.elsewhere_minor,
    )
    return Settled(refund=refund, decision=unmoved(line, kinds, note=note, refund=told))


def _booked(before: Refund | None, after: Refund, corrected: EventKind | None = None) -> tuple[Posting, ...]:
    """What the journal says of the way from one to the other: what is owed, and what is back with the customer."""
    owed_before, gone_before = _accounts(before) if before else (0, 0)
    owed, gone = _accounts(after)
    rows = (
        (owed + gone - owed_before - gone_before, RETAILER, REFUNDS_DUE, EventKind.REFUND_DUE, EventKind.REFUND_CLOSED),
        (gone - gone_before, REFUNDS_DUE, _account(after), EventKind.REFUND_DONE, EventKind.REFUND_FAILED),
    )
    return tuple(
        Posting(
            kind=corrected or (there if amount > 0 else back),
            debit=debit if amount > 0 else credit,
            credit=credit if amount > 0 else debit,
            amount_minor=abs(amount),
            currency=after.currency,
            refund=after.id,
        )
        for amount, debit, credit, there, back in rows
        if amount
    )


def _accounts(refund: Refund) -> tuple[int, int]:
    """What is owed, and what has gone back. What is only let go was never ours, so no account knows of it."""
    if refund.kind is RefundKind.RELEASE:
        return 0, 0
    gone = refund.gone_minor
    return 0 if refund.state is RefundState.CLOSED else max(0, refund.amount_minor - gone), gone


def _account(refund: Refund) -> str:
    return f"provider:{refund.provider}"


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
