"""What calls take, as types. Each is a plain value or a mapping; nothing has to be built first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NotRequired, Required, TypedDict
from uuid import UUID

Id = str | UUID
"""An id, with or without its prefix."""
Time = datetime | str
"""A time; one without an offset is UTC."""
Day = date | str
Amount = Decimal | str
"""A decimal number with exactly the decimals of the currency: ``"12.50"``."""
Texts = str | Sequence[str]
"""One value or several; of several, any matches."""


class LineUnits(TypedDict):
    """Units of a line; all that are open where ``units`` is left out."""

    line: Required[Id]
    units: NotRequired[int]


class NewLine(TypedDict):
    """A line of a new order."""

    sku: Required[str]
    units: Required[int]
    id: NotRequired[Id]
    title: NotRequired[str]
    supplier: NotRequired[str]
    unit_price: NotRequired[Amount]
    discount: NotRequired[Amount]
    tax_percent: NotRequired[Amount]
    tax: NotRequired[Amount]
    fee: NotRequired[Amount]
    ean: NotRequired[str]
    offer_reference: NotRequired[str]
    condition: NotRequired[str]
    promised_on: NotRequired[Day]


class NewDiscount(TypedDict):
    """A discount on a whole new order."""

    amount: Required[Amount]
    label: NotRequired[str]
    starts_from: NotRequired[Amount]
    below: NotRequired[str]


class NewShipping(TypedDict):
    """A shipping charge of a new order."""

    amount: Required[Amount]
    tax_percent: NotRequired[Amount]
    tax: NotRequired[Amount]
    refund: NotRequired[str]


class NewPayment(TypedDict):
    """A payment of a new order."""

    id: NotRequired[str]
    provider: NotRequired[str]
    reference: NotRequired[str]
    method: NotRequired[str]
    captured: NotRequired[Amount]
    authorised: NotRequired[Amount]


class Address(TypedDict):
    """Who and where, for delivery or for the bill."""

    last_name: Required[str]
    street: Required[str]
    house_number: Required[str]
    postcode: Required[str]
    city: Required[str]
    country: Required[str]
    salutation: NotRequired[str]
    first_name: NotRequired[str]
    company: NotRequired[str]
    house_number_extension: NotRequired[str]
    supplement: NotRequired[str]
    email: NotRequired[str]
    phone: NotRequired[str]
    vat_number: NotRequired[str]


Object = Mapping[str, object]
