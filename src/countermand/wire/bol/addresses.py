"""People at addresses, as all of bol's documents have them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Address:
    """A person at an address, for sending or billing. The salutation is ``male``, ``female`` or empty."""

    salutation: str = ""
    first_name: str
    surname: str
    street: str
    house_number: str
    house_number_extended: str | None = None
    address_supplement: str | None = None
    extra_address_information: str | None = None
    zip_code: str
    city: str
    country_code: str
    email: str
    delivery_phone_number: str | None = None
    company: str | None = None
    vat_number: str | None = None


def ship_to(details: Mapping[str, Any]) -> Address:
    """Where an order goes, by what was kept of it; an erased customer has nothing but empty texts."""
    full = details.get("shipping_address")
    return _full(full) if full else _of_crux(details.get("address") or {})


def bill_to(details: Mapping[str, Any]) -> Address:
    """Who pays for an order: who gets it, if nobody else was named."""
    given = details.get("billing_address")
    return _full(given) if given else ship_to(details)


def _full(given: Mapping[str, Any]) -> Address:
    return Address(
        salutation=given["salutation"],
        first_name=given["first_name"],
        surname=given["last_name"],
        street=given["street"],
        house_number=given["house_number"],
        house_number_extended=given["house_number_extension"] or None,
        address_supplement=given["supplement"] or None,
        zip_code=given["postcode"],
        city=given["city"],
        country_code=given["country"],
        email=given["email"],
        delivery_phone_number=given["phone"] or None,
        company=given["company"] or None,
        vat_number=given["vat_number"] or None,
    )


def _of_crux(given: Mapping[str, Any]) -> Address:
    """An order that came through CRUX has one line for street and number."""
    first, _, last = (given.get("name") or "").rpartition(" ")
    return Address(
        first_name=first,
        surname=last,
        street=given.get("address1") or "",
        house_number="",
        address_supplement=given.get("address2"),
        zip_code=given.get("postal_code") or "",
        city=given.get("city") or "",
        country_code=given.get("country") or "",
        email="",
        delivery_phone_number=given.get("phone_number"),
        company=given.get("business_name"),
    )
