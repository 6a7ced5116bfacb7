"""Which retailer a payment belongs to: the first one that names it. The key of the directory holds it for all lanes."""

from collections.abc import Iterable
from uuid import UUID

from countermand.domain.money.payments import names_of
from countermand.domain.money.pricing import Payment
from countermand.service.rows import Rows
from countermand.service.workspace import Workspace


def claim(known: Workspace, rows: Rows, retailer: UUID, payments: Iterable[Payment]) -> None:
    """These payments are this retailer's from now on, unless they were before."""
    for provider, reference in sorted(names_of(payments) - known.homes.keys()):
        known.homes[provider, reference] = retailer
        rows.add("payment_directory", provider=provider, reference=reference, retailer_id=retailer, since=rows.now)
