"""What every payment provider can do, and the results it can have (docs/refunds.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from countermand.domain.money.commands import Movement as Movement
from countermand.domain.money.commands import WaitingFor as WaitingFor


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """A request to send money back, or to release an authorisation.

    ``key`` is the same whenever the same request is sent. ``reference`` is our own id: the provider keeps it, so the
    refund can be found by it later. ``payment`` is the provider's own name of the payment. ``before_minor`` is how much
    of the payment earlier requests were to release: providers release all that is left or nothing, so parts add up.
    """

    key: str
    reference: str
    payment: str
    amount_minor: int
    currency: str
    before_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderResult:
    """The result of a request, also as a sentence. Amount and currency are those that the provider named, if any.

    ``spent``: the provider gives this answer again to the same key, so the next request needs a new key.
    ``waiting_for``: the refund goes through in the end, though it was refused now. ``needs_person``: waiting does not
    help, though the provider did not refuse. ``captured_minor``: so much of what was to be released has been captured,
    and can only be refunded.
    """

    movement: Movement
    result: str
    provider_id: str = ""
    amount_minor: int | None = None
    currency: str = ""
    retry_after_s: float | None = None
    spent: bool = False
    needs_person: bool = False
    captured_minor: int = 0
    waiting_for: WaitingFor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRefund:
    """A refund that the provider lists for a payment. ``reference`` is empty if it was not made by us (EC-60).

    ``made_at`` is when it was made, if the provider says so.
    """

    provider_id: str
    reference: str
    amount_minor: int
    currency: str
    movement: Movement
    made_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderPayment:
    """A payment as its provider shows it. ``retailer`` is its owner, if our metadata says so.

    ``names`` are its other names there: a payment intent of Stripe has a charge, and the charge has its intent.
    """

    currency: str = ""
    retailer: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """What a webhook is about. It only says where to look: only what ``find`` returns is used."""

    provider_id: str
    reference: str
    payment: str


class ForgedError(Exception):
    """A webhook whose signature is missing, wrong or too old. The message is for the log."""


class Provider(Protocol):
    """A payment provider. No method but ``read_webhook`` raises."""

    name: str
    key_lifetime: timedelta
    """How long the provider is sure to recognise a key. After that, a request is looked for before it is sent again."""
    equal_refunds_apart: timedelta | None
    """For how long it takes no second refund of the same amount on one payment; ``None`` if it always does."""

    async def refund(self, request: RefundRequest) -> ProviderResult:
        """Send captured money back."""

    async def release(self, request: RefundRequest) -> ProviderResult:
        """Release money that was authorised and not captured."""

    async def find(self, request: RefundRequest) -> ProviderResult:
        """The result of an earlier request, found by its reference."""

    async def find_payment(self, payment: str) -> ProviderPayment | ProviderResult:
        """The payment as the provider shows it, empty if it has none; or why the provider could not be asked."""

    async def list_refunds(self, payment: str) -> Sequence[ListedRefund] | None:
        """All refunds of a payment, also those made by hand at the provider; ``None`` if it cannot say."""

    async def captured(self, payment: str) -> int | None:
        """How much of a payment was captured, in minor units of its currency; ``None`` if it cannot say."""

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[Notified]:
        """The refunds and payments that a webhook is about.

        Raises:
            ForgedError: the provider did not send it.
        """

    async def close(self) -> None:
        """Close the connections."""
