"""Commands about the payments and the refunds of an order."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from countermand.domain.money.pricing import Payment
from countermand.domain.parties import Actor


class Movement(StrEnum):
    """What became of one wish to move money.

    ``CONFIRMED``: it has moved. ``ACCEPTED``: the provider has it and will tell. ``REFUSED``: it has not moved and
    will not by itself. ``LATER``: it has not moved; the same wish may be sent again. ``UNKNOWN``: nobody here can tell.
    ``ABSENT``: asked by reference, the provider has no such wish.
    """

    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    LATER = "later"
    UNKNOWN = "unknown"
    ABSENT = "absent"


class WaitingFor(StrEnum):
    """What a refund waits for that only time brings, however long it takes."""

    FUNDS = "funds"
    EQUAL_REFUND = "equal_refund"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fellow:
    """A refund that shares a call with the one that a command names; ``attempts`` is to it what it is to that one."""

    line: UUID
    refund: UUID
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRefund:
    """The worker is about to call the provider; ``attempts`` is how many calls it knows of.

    With ``fellows``, one call is made for all of them: all are sent, or none.
    """

    line: UUID
    refund: UUID
    actor: Actor
    attempts: int
    fellows: tuple[Fellow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleRefund:
    """What the provider said. ``attempts`` is how many calls had been begun when it was asked.

    ``amount_minor`` and ``currency`` are those it named, if it named any. ``spent`` says that it would give this answer
    to the same key for ever. ``waiting_for`` says that it will go through in the end, and needs nobody until then.
    ``needs_person``: waiting alone does not help, though it is no refusal; ``no_provider`` is that case where the
    provider is not set up here. ``captured_minor`` is how much of a release has been captured: it can only be refunded.
    ``elsewhere_minor`` is what was found refunded there by somebody else and is not counted yet, and ``earlier_minor``
    what stands there of the refund's earlier calls, if that was asked. ``watch_for`` is for how long the provider is
    asked again about what is done or parked. The word is about the ``fellows`` too: all hear it, or none.
    ``incomplete`` says that not all who shared the call are left, so that it is not made again.
    """

    line: UUID
    refund: UUID
    actor: Actor
    attempts: int
    movement: Movement
    result: str
    provider_reference: str = ""
    amount_minor: int | None = None
    currency: str = ""
    retry_after_s: float | None = None
    spent: bool = False
    needs_person: bool = False
    no_provider: bool = False
    captured_minor: int = 0
    waiting_for: WaitingFor | None = None
    elsewhere_minor: int = 0
    earlier_minor: int | None = None
    watch_for: timedelta = timedelta(0)
    fellows: tuple[Fellow, ...] = ()
    incomplete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRefund:
    """A person says that a refund is paid, or that it is not going to be. ``step`` is the one that was seen."""

    line: UUID
    refund: UUID
    actor: Actor
    paid: bool
    note: str
    step: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRefund:
    """A person says that a parked refund shall be tried again. ``step`` is the one that was seen."""

    line: UUID
    refund: UUID
    actor: Actor
    note: str
    step: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectRefund:
    """A person corrects how much of a refund was paid outside. ``step`` is the one that the person saw."""

    line: UUID
    refund: UUID
    actor: Actor
    step: int
    elsewhere_minor: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddPayment:
    """An order was paid, or was reserved money for, after it was handed in."""

    order: UUID
    actor: Actor
    payment: Payment


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturePayment:
    """So much of a payment has been captured by now, in all."""

    order: UUID
    actor: Actor
    payment: str
    captured_minor: int


PaymentCommand = AddPayment | CapturePayment


RefundCommand = SendRefund | SettleRefund | CloseRefund | RetryRefund | CorrectRefund
