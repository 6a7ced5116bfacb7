"""Orders as JSON: what a shop hands in, read strictly, and the command it becomes."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from countermand.domain.commands import Actor
from countermand.domain.money import digits_of
from countermand.domain.order import LINES_MAX, UNITS_MAX, NewLine, PlaceOrder
from countermand.ids import Ids


def printable(text: str) -> str:
    """The text, when a database can keep it: NUL is refused with ``ValueError``."""
    if "\0" in text:
        raise ValueError("null characters are not allowed")
    return text


def _aware(moment: datetime) -> datetime:
    if not 1970 <= moment.year <= 2200:
        raise ValueError("must be between 1970 and 2200")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Text = Annotated[str, Field(max_length=255), AfterValidator(printable)]
Name = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(printable)]


class Strict(BaseModel):
    """Unknown members are refused, so that a misspelt one is not lost in silence."""

    model_config = ConfigDict(extra="forbid")


class AddressIn(Strict):
    """Who and where, for delivery or for the bill."""

    salutation: Annotated[str, Field(pattern="^(male|female|unknown)$")] = "unknown"
    first_name: Text = ""
    last_name: Name
    company: Text = ""
    street: Name
    house_number: Name
    house_number_extension: Text = ""
    supplement: Text = ""
    postcode: Name
    city: Name
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    email: Text = ""
    phone: Text = ""
    vat_number: Text = ""


class LineIn(Strict):
    """One article. Without a ``supplier`` the retailer holds the goods itself."""

    id: UUID | None = None
    sku: Name
    units: Annotated[int, Field(ge=1, le=UNITS_MAX)]
    title: Text = ""
    supplier: Name | None = None
    unit_price: Annotated[Decimal, Field(ge=0, max_digits=12, allow_inf_nan=False)] | None = None
    fee: Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2, allow_inf_nan=False)] = Decimal(0)
    ean: Annotated[str, Field(pattern="^[0-9]{1,13}$")] | None = None
    offer_reference: Text = ""
    condition: Annotated[str, Field(pattern="^(NEW|AS_NEW|GOOD|REASONABLE|MODERATE)$")] = "NEW"
    promised_on: date | None = None


class OrderIn(Strict):
    """An order. ``retailer`` and ``supplier`` are names or ids of parties; ``held`` keeps it from the fulfillers."""

    id: UUID | None = None
    retailer: Name
    reference: Name
    placed_at: Annotated[datetime, AfterValidator(_aware)] | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "EUR"
    held: bool = False
    shipping_address: AddressIn | None = None
    billing_address: AddressIn | None = None
    lines: Annotated[list[LineIn], Field(min_length=1, max_length=LINES_MAX)]


def place(order: OrderIn, *, actor: Actor, party: Callable[[str], UUID], ids: Ids, now: datetime) -> PlaceOrder:
    """The command for an order. ``party`` finds a party by name or id, and raises what it likes when it cannot."""
    retailer = party(order.retailer)
    return PlaceOrder(
        id=order.id or ids.new(),
        actor=actor,
        retailer=retailer,
        reference=order.reference,
        placed_at=order.placed_at or now,
        currency=order.currency,
        held=order.held,
        lines=tuple(_line(line, order.currency, retailer, party, ids) for line in order.lines),
        details={
            "address": _one_line_address(order.shipping_address),
            "shipping_address": order.shipping_address.model_dump() if order.shipping_address else None,
            "billing_address": order.billing_address.model_dump() if order.billing_address else None,
        },
    )


def in_minor(amount: Decimal, currency: str) -> int:
    """An amount in minor units of its currency, rounded half to even."""
    return round(amount.scaleb(digits_of(currency)))


def _line(line: LineIn, currency: str, retailer: UUID, party: Callable[[str], UUID], ids: Ids) -> NewLine:
    return NewLine(
        id=line.id or ids.new(),
        fulfiller=party(line.supplier) if line.supplier else retailer,
        sku=line.sku,
        units=line.units,
        title=line.title,
        unit_price_minor=None if line.unit_price is None else in_minor(line.unit_price, currency),
        promised_on=line.promised_on,
        details={
            "cost": None if line.unit_price is None else float(line.unit_price),
            "fee": str(line.fee),
            "ean": line.ean,
            "offer_reference": line.offer_reference,
            "condition": line.condition,
        },
    )


def _one_line_address(address: AddressIn | None) -> dict[str, Any] | None:
    """The address in CRUX's form, for the parties that read it there."""
    if address is None:
        return None
    return {
        "name": f"{address.first_name} {address.last_name}".strip(),
        "business_name": address.company or None,
        "address1": f"{address.street} {address.house_number}{address.house_number_extension}",
        "address2": address.supplement or None,
        "city": address.city,
        "state": "",
        "postal_code": address.postcode,
        "country": address.country,
        "phone_number": address.phone or None,
    }
