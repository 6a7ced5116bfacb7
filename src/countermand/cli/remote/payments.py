"""Payments at a service."""

from collections.abc import Mapping
from typing import Any

from countermand.cli.nouns import Document
from countermand.cli.remote.calling import calling, document, not_tried
from countermand.cli.remote.finding import named


class RemotePayments:
    """Payments of orders that the party of the token sees."""

    def of(self, order: str) -> Document:
        """All of an order."""
        with calling() as client:
            return document(client.payments.list(named("ord", order)))

    def add(self, order: str, payment: Mapping[str, Any]) -> str:
        """Add one."""
        not_tried()
        said = {name: value for name, value in payment.items() if value not in ("", "0")}
        with calling() as client:
            return named("ord", client.payments.create(named("ord", order), **said).order)

    def capture(self, order: str, payment: str, captured: str) -> str:
        """Record how much of one was captured."""
        not_tried()
        with calling() as client:
            return named("ord", client.payments.capture(named("ord", order), payment, captured=captured).order)
