"""A refund: its states, the key that the provider knows it by, and its moves from one state to the next.

A refund has one key for the provider. The key changes only after the provider has answered for certain that nothing
moved and nothing will. After a crash or a timeout, the same request is sent again under the same key. So money moves
once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from countermand.domain.dates import write_moment
from countermand.domain.events import EventKind, ReportedRefund
from countermand.domain.line import Decision, Line
from countermand.domain.money.commands import Movement, WaitingFor
from countermand.domain.money.pricing import Method
from countermand.domain.refusals import Refusal, RefusalKind
from countermand.domain.transition import unmoved

MANUAL: Final = "manual"
"""The provider of payments that a person pays back from a work list."""

CHECK_EVERY: Final = timedelta(days=1)
"""How often a provider is asked again about a refund that is done or parked."""


class RefundKind(StrEnum):
    """Whether captured money goes back, or authorised money is released."""

    REFUND = "refund"
    RELEASE = "release"


class RefundState(StrEnum):
    """The state of a refund.

    ``BY_HAND``: a person has to pay it. ``DUE``: a worker has to send it. ``SENT``: a call is under way, or was when a
    process crashed. ``ACCEPTED``: the provider has taken it. ``UNKNOWN``: no answer came. ``PARKED``: a person has to
    look at it. ``CONFIRMED`` and ``CLOSED`` are final, except that a provider can revoke a confirmation days later.
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
"""The states in which a worker acts at ``due_at``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedCall:
    """One call to the provider for several refunds, as each of these refunds keeps it (docs/decisions/0023).

    The call has the key and the reference of the refund ``lead`` in its round ``number``, and asks for ``total_minor``.
    This refund takes part with ``share_minor`` of the total, in its own ``round``.
    """

    lead: UUID
    number: int
    round: int
    share_minor: int
    total_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """What one payment owes for one cancellation.

    Amounts: ``elsewhere_minor`` of it was refunded outside this service (EC-60). ``paid_minor`` had been paid when an
    operator last corrected that, and ``moved_minor`` of this by earlier calls to the provider. Only the rest is sent.

    Calls: ``sent_at`` is when the present key was first sent, ``attempts`` how many calls were started, ``movement``
    what the provider reported last. ``joined`` is the call that the refund shares, or shared before. ``no_provider``:
    it is parked only because its provider is not set up.

    Checks: at ``check_at`` the provider is asked again about a refund that is done or parked, because the outcome can
    change and a webhook can be lost (docs/decisions/0018).

    ``step`` counts the decisions on the refund. ``corrected_step`` is the step that the last correction named.
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
    joined: SharedCall | None = None

    @property
    def shared(self) -> SharedCall | None:
        """The call that it shares now. With a new key it leaves that call."""
        return self.joined if self.joined and self.joined.round == self.round else None

    @property
    def call(self) -> tuple[UUID, int]:
        """The refund and the round that name the call to the provider."""
        return (self.shared.lead, self.shared.number) if self.shared else (self.id, self.round)

    @property
    def key(self) -> str:
        """The idempotency key of the call: the provider recognises a repeated request by it."""
        owner, number = self.call
        return f"cm-refund-{owner.hex}-{number}"

    @property
    def requested_minor(self) -> int:
        """The amount of the call: what is left of this refund, or the total of all refunds that share the call."""
        return self.shared.total_minor if self.shared else self.rest_minor

    @property
    def holds_its_share(self) -> bool:
        """Whether it still owes what it brought to the call that it shares; true if it shares none."""
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
    def returned_minor(self) -> int:
        """What the customer has back."""
        confirmed = self.rest_minor if self.state is RefundState.CONFIRMED else 0
        return self.elsewhere_minor + self.paid_minor + confirmed


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
class RefundOutcome:
    """What a command did to a refund: the refund after it, the decision on its line, and the postings to the journal.

    ``split`` is a part that became a refund of its own.
    """

    refund: Refund
    decision: Decision
    postings: tuple[Posting, ...] = ()
    split: Refund | None = None

    def captured_minor(self, before: Refund) -> int:
        """How much of a release, as it was ``before``, was captured according to this, and is refunded instead."""
        if before.kind is not RefundKind.RELEASE:
            return 0
        if self.split:
            return self.split.amount_minor
        return self.refund.amount_minor if self.refund.kind is RefundKind.REFUND else 0


def outcome_of(line: Line, refund: Refund, *kinds: EventKind, note: str = "") -> RefundOutcome:
    """The refund after a command, with an event of each of these kinds on its line."""
    reported = ReportedRefund(
        id=refund.id,
        cancellation=refund.cancellation,
        payment=refund.payment,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        released=refund.kind is RefundKind.RELEASE,
        step=refund.step,
        elsewhere_minor=refund.elsewhere_minor,
    )
    return RefundOutcome(refund=refund, decision=unmoved(line, kinds, note=note, refund=reported))


def unchanged(line: Line, refund: Refund) -> RefundOutcome:
    """Nothing happened that anybody is notified of."""
    return RefundOutcome(refund=refund, decision=Decision(line=line))


def confirmed(line: Line, refund: Refund, now: datetime) -> RefundOutcome:
    """The refund is done."""
    done = replace(
        refund,
        state=RefundState.CONFIRMED,
        step=refund.step + 1,
        due_at=None,
        settled_at=now,
        check_at=check_of_earlier(refund, now),
        parked_at=None,
        no_provider=False,
    )
    return outcome_of(line, done, EventKind.REFUND_DONE, note=refund.note)


def check_of_earlier(refund: Refund, now: datetime) -> datetime | None:
    """When the provider is asked about what earlier calls moved: that may still fail."""
    return now + CHECK_EVERY if refund.moved_minor else None


def parked(line: Line, refund: Refund, now: datetime) -> RefundOutcome:
    """A person has to look at the refund."""
    waiting = replace(
        refund,
        state=RefundState.PARKED,
        step=refund.step + 1,
        due_at=None,
        settled_at=None,
        parked_at=now,
        waiting_for=None,
    )
    return outcome_of(line, waiting, EventKind.REFUND_FAILED, note=refund.last_result)


def reopened(refund: Refund) -> Refund:
    """A confirmed refund as one that can go on: what was paid counts as paid, and more needs a new key."""
    if refund.state is not RefundState.CONFIRMED:
        return refund
    moved = refund.rest_minor if refund.movement is Movement.CONFIRMED else 0
    after = with_new_key(refund) if moved else refund
    return replace(
        after,
        paid_minor=refund.paid_minor + refund.rest_minor,
        moved_minor=refund.moved_minor + moved,
        movement=None if moved else refund.movement,
    )


def tried_again(refund: Refund, now: datetime) -> Refund:
    """The refund, due again. Only a definite refusal permits a new key."""
    again = opened_again(refund, now)
    if refund.movement is Movement.REFUSED:
        return free_to_share(with_new_key(again))
    # The provider had no such refund: it need not be asked once more before it is sent.
    return replace(again, sent_at=None) if refund.movement is Movement.ABSENT else again


def opened_again(refund: Refund, now: datetime) -> Refund:
    """The refund, due again: for a person, or for the worker."""
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


def with_new_key(refund: Refund) -> Refund:
    """The refund in its next round, with a key that the provider has not seen."""
    return replace(refund, round=refund.round + 1, sent_at=None, provider_reference="")


def free_to_share(refund: Refund) -> Refund:
    """The refund, free to share a call again if the call that it shared before moved nothing."""
    return refund if refund.moved_minor else replace(refund, joined=None)


def not_open(refund: Refund) -> Refusal:
    """The state of the refund does not allow the command."""
    when = f" (since {write_moment(refund.settled_at, 'seconds')})" if refund.settled_at else ""
    return Refusal(kind=RefusalKind.REFUND_NOT_OPEN, detail=f"This refund {_STATE_TEXTS[refund.state]}{when}.")


_STATE_TEXTS: Final = {
    RefundState.BY_HAND: "is waiting for manual payment",
    RefundState.DUE: "is due and will be sent to its provider",
    RefundState.SENT: "has been sent to its provider",
    RefundState.ACCEPTED: "has been accepted by its provider, which will report when it is done",
    RefundState.UNKNOWN: "has been sent, and its provider has not answered",
    RefundState.CONFIRMED: "is done",
    RefundState.PARKED: "is parked and waits for a person",
    RefundState.CLOSED: "is closed, and nothing is paid back",
}
