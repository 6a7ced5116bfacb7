"""What ``orders.create`` takes: an order as the command line takes it, said more strictly."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Final, Self

from pydantic import Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from countermand.documents.orders import AddressIn, DiscountIn, LineIn, OrderIn, PaymentIn, ShippingIn
from countermand.domain.orders import LINES_MAX
from countermand.fields import AmountText, ExactUnits, NothingNull

MONEY_MEMBERS_MAX: Final = 20


class NewAddress(AddressIn, NothingNull):
    """Who and where, for delivery or for the bill."""


class NewLine(LineIn, NothingNull):
    """One article. Without a ``supplier`` the retailer holds the goods itself."""

    units: ExactUnits
    unit_price: AmountText | None = None
    discount: AmountText = Decimal(0)
    tax: AmountText | None = None
    fee: AmountText = Decimal(0)


class NewDiscount(DiscountIn, NothingNull):
    """A discount on the whole order; ``starts_from`` is the value of goods that earned it."""

    amount: AmountText
    starts_from: AmountText = Decimal(0)


class NewShipping(ShippingIn, NothingNull):
    """A shipping charge, and when it goes back."""

    amount: AmountText
    tax: AmountText | None = None


class PaymentOfOrder(PaymentIn, NothingNull):
    """A payment, or the order's share of one. ``reference`` is the provider's own name of it."""

    captured: AmountText = Decimal(0)
    authorised: AmountText = Decimal(0)


class NewOrder(OrderIn, NothingNull):
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
    held: StrictBool = False
    commission_returned: StrictBool = False
    allow_same_reference: StrictBool = False
    dry_run: StrictBool = False

    @model_validator(mode="after")
    def _names_itself(self) -> Self:
        if self.allow_same_reference and self.id is None:
            raise PydanticCustomError("required", "allow_same_reference needs an id, by which a repeat is known")
        return self
