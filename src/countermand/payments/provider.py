"""What every payment provider can be asked, and what it can answer (docs/refunds.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from countermand.domain.money.commands import Movement as Movement
from countermand.domain.money.commands import WaitingFor as WaitingFor


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """Money that shall go back, or an authorisation that shall be let go.

    ``key`` is the same whenever the same request is sent; ``reference`` is our own id, kept by the provider with it, by
    which it can be asked later. ``payment`` is the provider's own name of the payment. ``before_minor`` is what of it
    was to be let go before this: providers let go of all that is left or of nothing, so releases of parts add up.
    """

    key: str
    reference: str
    payment: str
    amount_minor: int
    currency: str
    before_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderResult:
    """What a provider said of a request, in a sentence too. Amount and currency are those it named, if it named any.

    ``spent`` says that the provider keeps this answer and gives it again to the same key: when the request is sent once
    more after this, it needs a new key. ``waiting_for`` says that it will go through in the
    end, though it was refused. ``needs_person`` says that waiting alone does not help, though it is no
    refusal. ``captured_minor`` is how much of what was to be released has been captured: it can only be refunded.
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
    """A refund that a provider holds for a payment. ``reference`` is empty if it was not made by us (EC-60).

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
    """A payment as its provider shows it. ``retailer`` is whose it is, if our metadata says so.

    ``names`` are other names of it there: a payment intent of Stripe has a charge, and the charge has its intent.
    """

    currency: str = ""
    retailer: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """What a provider's webhook is about.

    It only says where to look, and what ``find`` returns is believed. Where the signature covers the whole content,
    ``told`` is what it says.
    """

    provider_id: str
    reference: str
    payment: str
    told: ProviderResult | None = None


class ForgedError(Exception):
    """A webhook whose signature is missing, wrong or too old. The message is for the log."""


class Provider(Protocol):
    """A provider. No method but ``read_webhook`` raises."""

    name: str
    key_lifetime: timedelta
    """How long the provider is sure to recognise a key; after that a request is looked for before it is sent again."""
    equal_refunds_apart: timedelta | None
    """For how long it takes no second refund of the same amount on one payment; ``None`` if it always does."""

    async def refund(self, request: RefundRequest) -> ProviderResult:
        """Send captured money back."""

    async def release(self, request: RefundRequest) -> ProviderResult:
        """Let go of money that was authorised and not captured."""

    async def find(self, request: RefundRequest) -> ProviderResult:
        """What became of a request, asked by its reference."""

    async def find_payment(self, payment: str) -> ProviderPayment | ProviderResult:
        """The payment, so far as the provider knows it; or why it could not be looked at."""

    async def list_refunds(self, payment: str) -> Sequence[ListedRefund] | None:
        """Every refund the provider holds for a payment, also those made by hand there; ``None`` if it cannot say."""

    async def captured(self, payment: str) -> int | None:
        """How much of a payment was captured, in minor units of its currency; ``None`` if it cannot say."""

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[Notified]:
        """What a webhook tells.

        Raises:
            ForgedError: it is not the provider's.
        """

    async def close(self) -> None:
        """Let go of its connections."""
