"""Commands about the payments and the refunds of an order."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from countermand.domain.money.pricing import Payment
from countermand.domain.parties import Actor


class Movement(StrEnum):
    """What a request to a provider did to the money.

    ``CONFIRMED``: it has moved. ``ACCEPTED``: the provider has the request and will report. ``REFUSED``: it has not
    moved and will not by itself. ``LATER``: it has not moved, and the same request can be sent again. ``UNKNOWN``: it
    may have moved. ``ABSENT``: the provider has no request with this reference.
    """

    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    LATER = "later"
    UNKNOWN = "unknown"
    ABSENT = "absent"


class WaitingFor(StrEnum):
    """What a refund waits for, if only time helps."""

    FUNDS = "funds"
    EQUAL_REFUND = "equal_refund"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fellow:
    """A refund that shares a call with the one that a command names, with its own count of calls and its own step."""

    line: UUID
    refund: UUID
    attempts: int
    step: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRefund:
    """The worker is about to call the provider. ``attempts`` is the number of calls that it has seen.

    ``step`` is that of the refund that it has seen, if it says so: whatever was decided since is not sent.
    With ``fellows``, one call is made for all of them: all are sent, or none.
    """

    line: UUID
    refund: UUID
    actor: Actor
    attempts: int
    step: int | None = None
    fellows: tuple[Fellow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleRefund:
    """The provider reported a result. ``attempts`` is the number of calls that had been started when it was asked.

    - ``step``: that of the refund when the provider was asked, if it is named. A result from before the last decision
      is not saved, unless it says that money moved under the ``key`` that the refund still has, or has given up.
    - ``amount_minor``, ``currency``: those that the provider named, if any.
    - ``spent``: the provider would repeat this answer to the same key.
    - ``waiting_for``: the refund goes through in the end, and nobody has to do anything.
    - ``needs_person``: waiting does not help, though the provider did not refuse.
    - ``no_provider``: a person is needed because the provider is not set up here.
    - ``captured_minor``: so much of a release has been captured, and can only be refunded.
    - ``elsewhere_minor``: so much was refunded by hand at the provider and is not counted yet.
    - ``earlier_minor``: what earlier calls of this refund moved, if the provider was asked.
    - ``watch_for``: for how long the provider is asked again about a refund that is done or parked.
    - ``fellows``: the other refunds of the call. The result is saved for all, or for none.
    - ``incomplete``: not all refunds of the call are left, so the call is not repeated.
    """

    line: UUID
    refund: UUID
    actor: Actor
    attempts: int
    step: int | None = None
    key: str = ""
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
    """A person marks a refund as paid, or closes it unpaid. ``step`` is the one that the person saw, if given."""

    line: UUID
    refund: UUID
    actor: Actor
    paid: bool
    note: str
    step: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRefund:
    """A person has a parked refund tried again. ``step`` is the one that the person saw, if given."""

    line: UUID
    refund: UUID
    actor: Actor
    note: str
    step: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectRefund:
    """A person corrects how much of a refund was paid outside this service. ``step`` is the one that the person saw."""

    line: UUID
    refund: UUID
    actor: Actor
    step: int
    elsewhere_minor: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddPayment:
    """An order was paid, or money was reserved for it, after it was placed."""

    order: UUID
    actor: Actor
    payment: Payment


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturePayment:
    """So much of a payment has been captured in all."""

    order: UUID
    actor: Actor
    payment: str
    captured_minor: int


PaymentCommand = AddPayment | CapturePayment


RefundCommand = SendRefund | SettleRefund | CloseRefund | RetryRefund | CorrectRefund
