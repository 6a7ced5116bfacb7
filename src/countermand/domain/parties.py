"""Who takes part: the kinds of party, who acts, and for whom a cancellation is asked."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class PartyKind(StrEnum):
    """What a party is on this platform."""

    PLATFORM = "platform"
    RETAILER = "retailer"
    SUPPLIER = "supplier"


class Asker(StrEnum):
    """For whom a cancellation was asked. ``NOBODY``: a party cancelled without an ask.

    What the ``PLATFORM`` asks for itself counts against nobody.
    """

    CUSTOMER = "customer"
    RETAILER = "retailer"
    PLATFORM = "platform"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts: a party, what it is, and the person or credential that acts for it (for the audit trail)."""

    party: UUID
    kind: PartyKind
    name: str = ""
