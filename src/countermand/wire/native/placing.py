"""What ``orders.create`` takes: an order as the command line takes it, said more strictly; and the order it means."""

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Annotated, Final, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from countermand.admin.callers import Caller
from countermand.admin.orders import WrongPartyError, parties_of
from countermand.documents.orders import (
    AddressIn,
    DiscountIn,
    LineIn,
    OrderIn,
    PaymentIn,
    ShippingIn,
    place,
)
from countermand.domain.orders import LINES_MAX, PlaceOrder, Repeats
from countermand.domain.parties import PartyKind
from countermand.fields import AmountText
from countermand.ids import read
from countermand.reads.parties import UnknownPartyError, party_name
from countermand.reads.views import PartyView
from countermand.wire.native.errors import invalid
from countermand.wire.native.messages import Strict, Units
from countermand.wire.replies import CallError, Problem
from countermand.wire.services import Services

MONEY_MEMBERS_MAX: Final = 20


class NewAddress(AddressIn, Strict):
    """Who and where, for delivery or for the bill."""


class NewLine(LineIn, Strict):
    """One article. Without a ``supplier`` the retailer holds the goods itself."""

    units: Units
    unit_price: AmountText | None = None
    discount: AmountText = Decimal(0)
    tax: AmountText | None = None
    fee: AmountText = Decimal(0)


class NewDiscount(DiscountIn, Strict):
    """A discount on the whole order; ``starts_from`` is the value of goods that earned it."""

    amount: AmountText
    starts_from: AmountText = Decimal(0)


class NewShipping(ShippingIn, Strict):
    """A shipping charge, and when it goes back."""

    amount: AmountText
    tax: AmountText | None = None


class PaymentOfOrder(PaymentIn, Strict):
    """A payment, or the order's share of one. ``reference`` is the provider's own name of it."""

    captured: AmountText = Decimal(0)
    authorised: AmountText = Decimal(0)


class NewOrder(OrderIn, Strict):
    """An order. ``retailer`` and ``supplier`` are names or ids of parties; ``held`` keeps it from the fulfillers.

    Its money is known if it names its payments: then every line needs a price, and what is cancelled is refunded. An
    empty list says that it is paid later. Another order with the same reference needs ``allow_same_reference`` and an
    ``id`` of its own. ``dry_run`` checks it and places nothing.
    """

    shipping_address: NewAddress | None = None
    billing_address: NewAddress | None = None
    lines: Annotated[Sequence[NewLine], Field(min_length=1, max_length=LINES_MAX)]
    discounts: Annotated[Sequence[NewDiscount], Field(max_length=MONEY_MEMBERS_MAX)] = []
    shipping: Annotated[Sequence[NewShipping], Field(max_length=MONEY_MEMBERS_MAX)] = []
    payments: Annotated[Sequence[PaymentOfOrder], Field(max_length=MONEY_MEMBERS_MAX)] | None = None
    allow_same_reference: bool = False
    dry_run: bool = False

    @model_validator(mode="after")
    def _names_itself(self) -> Self:
        if self.allow_same_reference and self.id is None:
            raise PydanticCustomError("required", "allow_same_reference needs an id, by which a repeat is known")
        return self


async def order_meant(services: Services, who: Caller, order: NewOrder) -> tuple[PlaceOrder, str]:
    """The order, with the parties that it names, and the name of its retailer.

    Raises:
        CallError: a party is unknown, cannot do what it shall, or is not the caller's to name; it is of the future.
    """
    if who.kind is PartyKind.RETAILER:
        order = await _own(services, who, order)
    found: dict[str, PartyView] = {}
    try:
        known = await services.database.read(partial(parties_of, order=order, found=found))
    except (UnknownPartyError, WrongPartyError) as error:
        raise CallError(Problem.UNKNOWN_PARTY, str(error)) from None
    try:
        command = place(
            order,
            actor=who.actor,
            party=known.__getitem__,
            ids=services.ids,
            now=services.clock(),
            repeats=Repeats.ID if order.allow_same_reference else Repeats.REFERENCE,
        )
    except ValueError as error:
        raise invalid(f"{error}.", "body", "placed_at", code="in_future") from None
    return command, found[order.retailer].name


async def _own(services: Services, who: Caller, order: NewOrder) -> NewOrder:
    """The order of a retailer that names itself, by its id or its name."""
    if read("pty", order.retailer) != who.party:
        name = await services.database.read(partial(party_name, party=who.party))
        if order.retailer != name:
            raise CallError(Problem.WRONG_PARTY, "A retailer places its own orders.")
    return order.model_copy(update={"retailer": str(who.party)})
